// Scenario: a conversation between members, told in commands; scenario.cc has one comment for each.
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
  // with a line that begins with "error:".
  std::string Run(std::string_view line);

 private:
  // A command in parts: words, and options given as key=value or key=(value,value).
  struct Command {
    std::string name;
    std::vector<std::string> words;
    std::map<std::string, std::vector<std::string>> options;

    bool Has(const std::string& word) const;
    uint64_t Number(const std::string& option, uint64_t otherwise) const;
  };
  // What others can see of a member, to tell what changed.
  struct Visible {
    Role role = Role::kFollower;
    Term term;
    NodeId leader;
    LogIndex commit;
  };

  static Command Parse(std::string_view line);
  void Execute(const Command& command);
  void AddNodes(const Command& command);
  void Campaign(const Command& command);
  void Tick(const Command& command);
  void Propose(const Command& command);
  void Read(const Command& command);
  void TakeReady(const Command& command);
  void Write(const Command& command);
  void Acknowledge(const Command& command);
  void Apply(const Command& command);
  void Deliver(const Command& command);
  void Settle(const Command& command);
  void ShowStatus(const Command& command);
  void ShowLog(const Command& command);
  void Crash(const Command& command);
  void Restart(const Command& command);
  void Unreachable(const Command& command);

  // The member the first word names; nullptr, and an error said, if there is none or it is down.
  TestNode* NodeOf(const Command& command);
  bool ReadyOf(TestNode& node);
  void WriteOf(TestNode& node);
  bool AcknowledgeOf(TestNode& node);
  bool ApplyOf(TestNode& node);
  // Delivers what waits for `node`, as `command` limits it.
  bool DeliverTo(TestNode& node, const Command& command);
  void Collect(TestNode& node);
  // Says how the member changed since the last time.
  void TellChanges(TestNode& node);
  void Error(std::string_view what) { out_ << "error: " << what << "\n"; }

  std::map<uint64_t, std::unique_ptr<TestNode>> nodes_;
  std::map<uint64_t, Visible> seen_;
  std::vector<Message> wire_;
  std::ostringstream out_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SCENARIO_H_
