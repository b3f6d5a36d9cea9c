// What a quorum decides against its definition over all sets of voters, for random halves that
// overlap in any way.
//
//   KEELSON_SEED=7 raft_test --gtest_filter='QuorumProperty.*'
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "raft/quorum.h"
#include "raft/testing/quorum_definition.h"
#include "raft/testing/seed.h"

namespace keelson::raft {
namespace {

uint64_t Reached(const Half& voters, const std::map<NodeId, uint64_t>& reached) {
  std::vector<uint64_t> values;
  for (NodeId id : voters) values.push_back(reached.at(id));
  return MajorityReached(values);
}

VoteResult Vote(const Half& voters, const std::map<NodeId, bool>& votes) {
  VoteCount count = {.voters = voters.size()};
  for (NodeId id : voters) {
    const auto vote = votes.find(id);
    if (vote == votes.end()) continue;
    ++(vote->second ? count.granted : count.rejected);
  }
  return MajorityVote(count);
}

class QuorumProperty : public ::testing::Test {
 protected:
  static constexpr int kRuns = 5000;
  static constexpr uint64_t kMembers = 7;

  Half RandomHalf() {
    Half half;
    const uint64_t odds = 1 + random_.Below(4);
    for (uint64_t id = 1; id <= kMembers; ++id) {
      if (random_.Below(4) < odds) half.emplace_back(id);
    }
    return random_.Below(20) == 0 ? Half{} : half;
  }
  std::map<NodeId, uint64_t> RandomReached() {
    std::map<NodeId, uint64_t> reached;
    for (uint64_t id = 1; id <= kMembers; ++id) reached[NodeId{id}] = random_.Below(6);
    return reached;
  }
  std::map<NodeId, bool> RandomVotes() {
    std::map<NodeId, bool> votes;
    const uint64_t odds = 1 + random_.Below(4);
    for (uint64_t id = 1; id <= kMembers; ++id) {
      if (random_.Below(4) < odds) votes[NodeId{id}] = random_.Below(2) == 0;
    }
    return votes;
  }

  SeededRandom random_{TestSeed()};
};

TEST_F(QuorumProperty, ReachedIsWhatAllOfSomeQuorumHave) {
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const Half a = RandomHalf();
    const Half b = RandomHalf();
    const std::map<NodeId, uint64_t> reached = RandomReached();
    const uint64_t of_a = Reached(a, reached);
    const uint64_t of_b = Reached(b, reached);
    EXPECT_EQ(of_a, ReachedByDefinition({a}, reached));
    EXPECT_EQ(JointReached(of_a, of_b), ReachedByDefinition({a, b}, reached));
    EXPECT_EQ(JointReached(of_a, of_b), JointReached(of_b, of_a));
    EXPECT_EQ(JointReached(of_a, of_a), of_a);
    EXPECT_EQ(JointReached(of_a, Reached({}, reached)), of_a);
  }
}

// Who lags behind what is committed cannot make it less by lagging more.
TEST_F(QuorumProperty, ReachedRestsOnThoseWhoReachedIt) {
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const Half a = RandomHalf();
    const Half b = RandomHalf();
    std::map<NodeId, uint64_t> reached = RandomReached();
    const uint64_t before = JointReached(Reached(a, reached), Reached(b, reached));
    for (auto& [id, value] : reached) {
      if (value < before) value = random_.Below(value + 1);
    }
    EXPECT_EQ(JointReached(Reached(a, reached), Reached(b, reached)), before);
  }
}

TEST_F(QuorumProperty, AVoteIsDecidedWhenNoAnswerCanChangeIt) {
  std::map<VoteResult, int> seen;
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const Half a = RandomHalf();
    const Half b = RandomHalf();
    const std::map<NodeId, bool> votes = RandomVotes();
    const VoteResult of_a = Vote(a, votes);
    const VoteResult of_b = Vote(b, votes);
    ++seen[JointVote(of_a, of_b)];
    EXPECT_EQ(of_a, VoteByDefinition({a}, votes));
    EXPECT_EQ(JointVote(of_a, of_b), VoteByDefinition({a, b}, votes));
    EXPECT_EQ(JointVote(of_a, of_b), JointVote(of_b, of_a));
    EXPECT_EQ(JointVote(of_a, of_a), of_a);
    EXPECT_EQ(JointVote(of_a, Vote({}, votes)), of_a);
  }
  EXPECT_EQ(seen.size(), 3u) << "won, lost and pending";
}

}  // namespace
}  // namespace keelson::raft
