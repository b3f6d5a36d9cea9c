// Plays testdata/quorum/*.txt: what voters said, and what that decides.
//
//   vote (1,2,3) 1=yes 2=no               an election; who is not named has not answered
//   committed (1,2,3)&&(3,4) 1=12 3=10    the acknowledged log; who is not named holds nothing
//
// The answer has a line for each half: what it decides, and by whom; then one for both together.
// Every decision is also computed from its definition, with the halves exchanged, and joint with
// itself and with nobody; a line that begins with MISMATCH tells where these differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "raft/quorum.h"
#include "raft/testing/quorum_definition.h"
#include "raft/testing/scenario_file.h"

namespace keelson::raft {
namespace {

std::string Listed(const Half& ids) {
  std::ostringstream os;
  for (size_t i = 0; i < ids.size(); ++i) os << (i == 0 ? "" : ",") << ids[i];
  return "(" + os.str() + ")";
}

// Nothing for nobody.
std::string Named(const std::string& what, const Half& ids) {
  return ids.empty() ? "" : what + Listed(ids);
}

// "(1,2,3)" or "(1,2,3)&&(3,4)".
Halves ParseHalves(const std::string& text) {
  Halves halves;
  for (const char c : text) {
    if (c == '(') halves.emplace_back();
  }
  std::istringstream rest(text);
  for (Half& half : halves) {
    rest.ignore(std::numeric_limits<std::streamsize>::max(), '(');
    while (rest.peek() != ')' && rest.good()) {
      uint64_t id = 0;
      rest >> id;
      half.push_back(NodeId{id});
      if (rest.peek() == ',') rest.ignore();
    }
    std::sort(half.begin(), half.end());
  }
  return halves;
}

// An election.
class Election {
 public:
  using Decision = VoteResult;

  // False: the word is no vote.
  bool Say(NodeId id, const std::string& word) {
    votes_[id] = word == "yes";
    return word == "yes" || word == "no";
  }
  Decision Decide(const Half& voters) const {
    return MajorityVote({.voters = voters.size(),
                         .granted = Those(voters, true).size(),
                         .rejected = Those(voters, false).size()});
  }
  static Decision Joint(Decision a, Decision b) { return JointVote(a, b); }
  Decision ByDefinition(const Halves& halves) const { return VoteByDefinition(halves, votes_); }

  static std::string Describe(Decision decision) {
    static constexpr const char* kNames[] = {"pending", "won", "lost"};
    return kNames[static_cast<int>(decision)];
  }
  std::string Grounds(const Half& voters, Decision /*decision*/) const {
    return Named(" yes", Those(voters, true)) + Named(" no", Those(voters, false));
  }

 private:
  Half Those(const Half& voters, bool granted) const {
    Half those;
    for (NodeId id : voters) {
      const auto vote = votes_.find(id);
      if (vote != votes_.end() && vote->second == granted) those.push_back(id);
    }
    return those;
  }

  std::map<NodeId, bool> votes_;
};

// What is acknowledged of the log.
class Acknowledged {
 public:
  using Decision = uint64_t;

  bool Say(NodeId id, const std::string& word) {
    char* end = nullptr;
    indexes_[id] = std::strtoull(word.c_str(), &end, 10);
    return !word.empty() && *end == '\0';
  }
  Decision Decide(const Half& voters) const {
    std::vector<uint64_t> values;
    for (NodeId id : voters) values.push_back(IndexOf(id));
    return MajorityReached(values);
  }
  static Decision Joint(Decision a, Decision b) { return JointReached(a, b); }
  Decision ByDefinition(const Halves& halves) const {
    return ReachedByDefinition(halves, indexes_);
  }

  static std::string Describe(Decision decision) {
    if (decision == std::numeric_limits<uint64_t>::max()) return "everything";
    return decision == 0 ? "nothing" : std::to_string(decision);
  }
  std::string Grounds(const Half& voters, Decision decision) const {
    Half those;
    std::copy_if(voters.begin(), voters.end(), std::back_inserter(those),
                 [&](NodeId id) { return decision > 0 && IndexOf(id) >= decision; });
    return Named(" by ", those);
  }

 private:
  uint64_t IndexOf(NodeId id) const {
    const auto found = indexes_.find(id);
    return found == indexes_.end() ? 0 : found->second;
  }

  std::map<NodeId, uint64_t> indexes_;
};

// Checks a decision against everything that must come to the same.
template <typename Said>
std::string MismatchesOf(const Said& said, const Halves& halves, typename Said::Decision decision) {
  std::string mismatches;
  const auto expect_same = [&](const std::string& how, typename Said::Decision expected,
                               typename Said::Decision other) {
    if (other == expected) return;
    mismatches += "MISMATCH " + how + ": " + Said::Describe(other) + "\n";
  };
  expect_same("by definition", decision, said.ByDefinition(halves));
  if (halves.size() == 2) {
    expect_same("exchanged", decision, Said::Joint(said.Decide(halves[1]), said.Decide(halves[0])));
  }
  for (const Half& half : halves) {
    const auto alone = said.Decide(half);
    expect_same(Listed(half) + " by definition", alone, said.ByDefinition({half}));
    expect_same(Listed(half) + " joint with itself", alone, Said::Joint(alone, alone));
    expect_same(Listed(half) + " joint with nobody", alone, Said::Joint(alone, said.Decide({})));
    expect_same("nobody joint with " + Listed(half), alone, Said::Joint(said.Decide({}), alone));
  }
  return mismatches;
}

template <typename Said>
std::string Answer(Said said, std::istringstream& words) {
  std::string conf;
  words >> conf;
  const Halves halves = ParseHalves(conf);
  if (halves.empty() || halves.size() > 2) return "error: one half or two\n";
  const Half members = MembersOf(halves);
  for (std::string word; words >> word;) {
    const size_t equals = std::min(word.find('='), word.size() - 1);
    const NodeId id{std::strtoull(word.c_str(), nullptr, 10)};
    if (!std::binary_search(members.begin(), members.end(), id)) return "error: who votes?\n";
    if (!said.Say(id, word.substr(equals + 1))) return "error: what does " + word + " say?\n";
  }
  std::string answer;
  for (const Half& half : halves) {
    const auto decision = said.Decide(half);
    answer += Listed(half) + ": " + Said::Describe(decision) + said.Grounds(half, decision) + "\n";
  }
  auto decision = said.Decide(halves[0]);
  if (halves.size() == 2) {
    decision = Said::Joint(decision, said.Decide(halves[1]));
    answer += "joint: " + Said::Describe(decision) + "\n";
  }
  return answer + MismatchesOf(said, halves, decision);
}

std::string AnswerLine(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string command;
  words >> command;
  if (command == "vote") return Answer(Election(), words);
  if (command == "committed") return Answer(Acknowledged(), words);
  return "error: unknown command " + command + "\n";
}

class QuorumScenario : public ::testing::TestWithParam<std::string> {};

TEST_P(QuorumScenario, PlaysAsWritten) {
  const PlayedScenario file =
      PlayScenarioFile("testdata/quorum/" + GetParam() + ".txt", AnswerLine);
  EXPECT_TRUE(file.SaysWhatItShows()) << "in the first line";
  EXPECT_EQ(file.played.find("MISMATCH"), std::string::npos) << file.played;
  EXPECT_EQ(file.written, file.played) << "REWRITE=1 raft_scenario_test writes what was played";
}

INSTANTIATE_TEST_SUITE_P(Files, QuorumScenario,
                         ::testing::ValuesIn(ScenarioFiles("testdata/quorum")),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace keelson::raft
