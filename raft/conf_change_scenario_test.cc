// Plays testdata/confchange/*.txt: one configuration, empty at first, and what changes make of it.
//
//   change STEPS     as it asks for itself: directly if it is one step, else joint
//   direct STEPS     all steps at once, without a joint configuration
//   implicit STEPS   into a joint configuration that the leader leaves by itself
//   explicit STEPS   into a joint configuration that somebody has to leave
//   leave            out of it
//
// A step is a letter and a node: v1 adds voter 1, l1 learner 1; r1 removes node 1, u1 updates it.
// The answer is the configuration after the change and who is tracked by it, or "refused" when all
// stays as it is. Each command is an entry of the log, so `next` of a member tells which one made
// it known. Changes but direct ones pass through their encoding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "raft/conf_change.h"
#include "raft/testing/scenario_file.h"
#include "raft/tracker.h"

namespace keelson::raft {
namespace {

std::optional<ConfChangeStep> ParseStep(const std::string& word) {
  static const std::map<char, ConfChangeType> kTypes = {{'v', ConfChangeType::kAddVoter},
                                                        {'l', ConfChangeType::kAddLearner},
                                                        {'r', ConfChangeType::kRemove},
                                                        {'u', ConfChangeType::kUpdate}};
  const auto type = kTypes.find(word[0]);
  char* end = nullptr;
  const uint64_t node = std::strtoull(word.c_str() + 1, &end, 10);
  if (type == kTypes.end() || word.size() == 1 || *end != '\0') return std::nullopt;
  return ConfChangeStep{.type = type->second, .node = NodeId{node}};
}

class ConfChangeScenario {
 public:
  std::string Run(std::string_view line) {
    std::istringstream words{std::string(line)};
    std::string command;
    words >> command;
    ++last_;
    std::vector<ConfChangeStep> steps;
    for (std::string word; words >> word;) {
      const std::optional<ConfChangeStep> step = ParseStep(word);
      if (!step) return "error: unknown step " + word + "\n";
      steps.push_back(*step);
    }
    return Change(command, steps);
  }

 private:
  std::string Change(const std::string& command, const std::vector<ConfChangeStep>& steps) {
    static const std::map<std::string, ConfTransition> kTransitions = {
        {"change", ConfTransition::kAuto},
        {"leave", ConfTransition::kAuto},
        {"implicit", ConfTransition::kJointImplicit},
        {"explicit", ConfTransition::kJointExplicit}};
    if (command == "direct") return Answer(ChangeDirectly(conf_, steps));
    const auto transition = kTransitions.find(command);
    if (transition == kTransitions.end()) return "error: unknown command " + command + "\n";
    if ((command == "leave") != (transition->second == ConfTransition::kAuto && steps.empty())) {
      return "error: leave, and nothing else, is without steps\n";
    }
    const std::optional<ConfChange> change =
        DecodeConfChange(EncodeConfChange({.transition = transition->second, .steps = steps}));
    if (!change) return "BROKEN: the change is not read back\n";
    return Answer(ApplyConfChange(conf_, *change));
  }

  std::string Answer(const absl::StatusOr<ConfState>& next) {
    if (!next.ok()) return "refused\n";
    if (!CheckConf(*next).ok()) return "BROKEN: " + CheckConf(*next).ToString() + "\n";
    conf_ = *next;
    tracker_.SetConf(conf_, last_);
    std::ostringstream os;
    os << Describe(conf_) << "\n";
    for (const Progress& member : tracker_.members()) {
      os << " " << member.id() << ": next=" << member.next()
         << (member.is_voter() ? "" : " learner") << "\n";
      if (member.suffrage().incoming != Has(conf_.voters, member.id()) ||
          member.suffrage().outgoing != Has(conf_.voters_outgoing, member.id())) {
        os << "BROKEN: votes where it must not, or not where it must\n";
      }
    }
    return os.str();
  }

  static bool Has(const std::vector<NodeId>& ids, NodeId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  ConfState conf_;
  Tracker tracker_{conf_, InflightLimits{}};
  LogIndex last_;
};

class ConfChangeScenarioTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ConfChangeScenarioTest, PlaysAsWritten) {
  ConfChangeScenario scenario;
  const PlayedScenario file =
      PlayScenarioFile("testdata/confchange/" + GetParam() + ".txt",
                       [&](std::string_view line) { return scenario.Run(line); });
  EXPECT_TRUE(file.SaysWhatItShows()) << "in the first line";
  EXPECT_EQ(file.played.find("BROKEN"), std::string::npos) << file.played;
  EXPECT_EQ(file.written, file.played) << "REWRITE=1 raft_scenario_test writes what was played";
}

INSTANTIATE_TEST_SUITE_P(Files, ConfChangeScenarioTest,
                         ::testing::ValuesIn(ScenarioFiles("testdata/confchange")),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace keelson::raft
