// Scenario: a conversation between members, told in commands; docs/testing.md has the language.
// Nothing happens that no command asks for, and timeouts are the longest possible, so that every
// run is the same. A command's answer is what it made happen.
#ifndef KEELSON_RAFT_TESTING_SCENARIO_H_
#define KEELSON_RAFT_TESTING_SCENARIO_H_

#include <cstdint>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "raft/testing/test_node.h"
#include "raft/types.h"

namespace keelson::raft {

class Scenario {
 public:
  // Answers one command line; every line of the answer is ended. A command that is wrong answers
  // with a line that begins with "error:", and does nothing.
  std::string Run(std::string_view line);

 private:
  // A command in parts, checked against its usage: the words it needs are there, and nothing that
  // it does not know.
  struct Command {
    std::vector<std::string> words;                           // N, DATA
    std::map<std::string, std::vector<std::string>> options;  // key=value, key=(value,value)
    std::vector<std::string> flags;
    // The members that the first words name, if the usage begins with N; one, or more if with N..
    std::vector<TestNode*> nodes;
    TestNode* node = nullptr;  // the first of them

    bool Has(std::string_view flag) const;
    bool HasOption(const std::string& option) const { return options.contains(option); }
    uint64_t Number(size_t word) const;
    uint64_t Number(const std::string& option, uint64_t otherwise) const;
    std::vector<uint64_t> Numbers(const std::string& option) const;
  };
  // A usage is made of: N, a member that is up; other words in capitals; [WORD], one that can be
  // left out; WORD.., any number; [key=]; [flag].
  struct Kind {
    std::string_view usage;
    void (Scenario::*run)(const Command&);
  };
  static const std::map<std::string_view, Kind>& Kinds();
  // What others can see of a member, to tell what changed.
  struct Visible {
    Role role = Role::kFollower;
    Term term;
    NodeId leader;
    LogIndex commit;
    ConfState conf;
  };

  // False, and the error said: it does not fit the usage.
  bool Parse(std::string_view line, std::string_view usage, Command& command);
  bool FindNodes(std::string_view usage, Command& command);
  // World.
  void AddNodes(const Command& command);
  void Deliver(const Command& command);
  void Settle(const Command& command);
  void Crash(const Command& command);
  void Restart(const Command& command);
  // Inputs of the core.
  void Campaign(const Command& command);
  void Tick(const Command& command);
  void Propose(const Command& command);
  void ProposeConf(const Command& command);
  void Read(const Command& command);
  void Transfer(const Command& command);
  void RevokeLease(const Command& command);
  void ForgetLeader(const Command& command);
  void Unreachable(const Command& command);
  void ReportSnapshot(const Command& command);
  void Stall(const Command& command);
  // The life of a Ready, and the disk.
  void TakeReady(const Command& command);
  void Write(const Command& command);
  void Acknowledge(const Command& command);
  void Apply(const Command& command);
  void Compact(const Command& command);
  // Views.
  void ShowStatus(const Command& command);
  void ShowLog(const Command& command);

  void AddNode(const Command& command);
  // nullptr: there is none.
  TestNode* Find(uint64_t id);
  bool ReadyOf(TestNode& node);
  bool AcknowledgeOf(TestNode& node);
  bool ApplyOf(TestNode& node);
  // Delivers what waits for member `id`, as `command` limits it; it is lost if the member is not
  // there.
  bool DeliverTo(uint64_t id, const Command& command);
  void Collect(TestNode& node);
  // Says how the member changed since the last time.
  void TellChanges(TestNode& node);
  void TellStatus(TestNode& node);
  void Nothing(uint64_t id) { out_ << id << ": nothing\n"; }
  void Error(std::string_view what) { out_ << "error: " << what << "\n"; }

  std::map<uint64_t, std::unique_ptr<TestNode>> nodes_;
  std::map<uint64_t, Visible> seen_;
  std::vector<Message> wire_;
  std::ostringstream out_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SCENARIO_H_
