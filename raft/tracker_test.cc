#include "raft/tracker.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"
#include "raft/testing/quorum_definition.h"
#include "raft/testing/seed.h"

namespace keelson::raft {
namespace {

std::vector<NodeId> Ids(std::vector<uint64_t> numbers) {
  std::vector<NodeId> ids;
  for (uint64_t number : numbers) ids.emplace_back(number);
  return ids;
}

Progress& Member(Tracker& tracker, uint64_t id) { return *tracker.Find(NodeId{id}); }

// Node `id` holds the log up to `index`.
void Match(Tracker& tracker, uint64_t id, uint64_t index) {
  Member(tracker, id).OnAccepted(LogIndex{index}, LogIndex{1});
}

const ConfState kOneTwoThree = {.voters = Ids({1, 2, 3})};
// Node 4 comes, node 3 is demoted, node 2 goes.
const ConfState kJoint = {
    .voters = Ids({1, 4}), .voters_outgoing = Ids({1, 2, 3}), .learners_next = Ids({3})};
const ConfState kLeft = {.voters = Ids({1, 4}), .learners = Ids({3})};

TEST(TrackerConf, MembersAreThoseOfEitherHalfAndTheLearners) {
  Tracker tracker({.voters = Ids({5, 9}),
                   .learners = Ids({2, 7}),
                   .voters_outgoing = Ids({1, 9}),
                   .learners_next = Ids({1})},
                  {});
  std::vector<NodeId> members;
  for (const Progress& member : tracker.members()) members.push_back(member.id());
  EXPECT_EQ(members, Ids({1, 2, 5, 7, 9}));
  EXPECT_TRUE(tracker.IsVoter(NodeId{1})) << "until the leave";
  EXPECT_TRUE(tracker.IsVoter(NodeId{5}));
  EXPECT_FALSE(tracker.IsVoter(NodeId{7}));
  EXPECT_FALSE(tracker.IsVoter(NodeId{3}));
}

TEST(TrackerConf, AMemberThatStaysIsBelievedWhatItWas) {
  Tracker tracker(kOneTwoThree, {});
  tracker.Reset(LogIndex{7});
  Match(tracker, 3, 7);
  Member(tracker, 3).OnAppendSent(2, 64, LogIndex{5});
  Member(tracker, 3).read_round = 4;
  Member(tracker, 3).vote = true;
  for (const ConfState& conf : {kJoint, kLeft, kOneTwoThree}) {
    tracker.SetConf(conf, LogIndex{20});
    const Progress& member = Member(tracker, 3);
    EXPECT_EQ(member.state(), ProgressState::kReplicate);
    EXPECT_EQ(member.match(), LogIndex{7});
    EXPECT_EQ(member.next(), LogIndex{10});
    EXPECT_EQ(member.inflights().count(), 1u);
    EXPECT_EQ(member.read_round, 4u);
    EXPECT_EQ(member.vote, true);
    EXPECT_FALSE(member.recent_active) << "not heard just because others changed";
    EXPECT_EQ(member.is_voter(), conf != kLeft);
  }
}

TEST(TrackerConf, ANewMemberIsProbedFromTheEndAndCountsAsHeard) {
  Tracker tracker(kOneTwoThree, {});
  tracker.SetConf(kJoint, LogIndex{20});
  const Progress& member = Member(tracker, 4);
  EXPECT_EQ(member.state(), ProgressState::kProbe);
  EXPECT_EQ(member.match(), LogIndex{0});
  EXPECT_EQ(member.next(), LogIndex{21});
  EXPECT_TRUE(member.recent_active);
  EXPECT_FALSE(member.vote.has_value());
}

TEST(TrackerConf, AMemberThatWasGoneComesBackAsNew) {
  Tracker tracker(kOneTwoThree, {});
  Match(tracker, 2, 9);
  tracker.SetConf(kJoint, LogIndex{20});
  EXPECT_EQ(Member(tracker, 2).match(), LogIndex{9}) << "still needed";
  tracker.SetConf(kLeft, LogIndex{21});
  EXPECT_EQ(tracker.Find(NodeId{2}), nullptr);
  tracker.SetConf({.voters = Ids({1, 2, 4})}, LogIndex{22});
  EXPECT_EQ(Member(tracker, 2).match(), LogIndex{0});
  EXPECT_EQ(Member(tracker, 2).next(), LogIndex{23});
}

TEST(TrackerConf, TheOnlyVoterIsNotAloneInAJointConfiguration) {
  EXPECT_TRUE(Tracker({.voters = Ids({1}), .learners = Ids({2})}, {}).IsOnlyVoter(NodeId{1}));
  EXPECT_FALSE(Tracker({.voters = Ids({1}), .learners = Ids({2})}, {}).IsOnlyVoter(NodeId{2}));
  EXPECT_FALSE(
      Tracker({.voters = Ids({1}), .voters_outgoing = Ids({1, 2})}, {}).IsOnlyVoter(NodeId{1}));
}

TEST(TrackerQuorum, AJointConfigurationDecidesInBothHalves) {
  Tracker tracker(kJoint, {});
  Match(tracker, 1, 9);
  Match(tracker, 4, 8);
  EXPECT_EQ(tracker.CommittedIndex(), LogIndex{0}) << "1 of (1 2 3)";
  Match(tracker, 3, 7);
  EXPECT_EQ(tracker.CommittedIndex(), LogIndex{7});

  tracker.RecordVote(NodeId{1}, true);
  tracker.RecordVote(NodeId{2}, true);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kPending) << "1 of (1 4)";
  tracker.RecordVote(NodeId{4}, false);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kLost);
  tracker.RecordVote(NodeId{4}, true);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kLost) << "the first answer counts";

  for (Progress& member : tracker.members()) member.recent_active = member.id() == NodeId{2};
  EXPECT_FALSE(tracker.TakeQuorumActive(NodeId{1})) << "1 of (1 4)";
  Member(tracker, 3).recent_active = true;
  Member(tracker, 4).recent_active = true;
  EXPECT_TRUE(tracker.TakeQuorumActive(NodeId{1}));
  EXPECT_FALSE(tracker.TakeQuorumActive(NodeId{1})) << "since the last time";
}

TEST(TrackerQuorum, ALeaderThatIsNoVoterDoesNotCount) {
  Tracker tracker({.voters = Ids({2, 3}), .learners = Ids({1})}, {});
  tracker.Reset(LogIndex{5});
  Member(tracker, 1).SetOwnMatch(LogIndex{5}, LogIndex{5});
  Match(tracker, 2, 5);
  EXPECT_EQ(tracker.CommittedIndex(), LogIndex{0});
  Member(tracker, 2).recent_active = true;
  EXPECT_FALSE(tracker.TakeQuorumActive(NodeId{1}));
  Match(tracker, 3, 4);
  EXPECT_EQ(tracker.CommittedIndex(), LogIndex{4});
}

class TrackerProperty : public ::testing::Test {
 protected:
  // Any of nodes 1 to 5, and one at least.
  Half RandomHalf() {
    Half half;
    for (uint64_t id = 1; id <= 5; ++id) {
      if (random_.Below(2) == 0) half.emplace_back(id);
    }
    if (half.empty()) half.emplace_back(1 + random_.Below(5));
    return half;
  }

  SeededRandom random_{TestSeed()};
};

// Members without a say are there too, and say something.
TEST_F(TrackerProperty, DecisionsAreThoseOfTheDefinition) {
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    const ConfState conf = {.voters = RandomHalf(),
                            .learners = Ids({6, 7}),
                            .voters_outgoing = random_.Below(3) == 0 ? Half{} : RandomHalf()};
    const Halves halves = {conf.voters, conf.voters_outgoing};
    Tracker tracker(conf, {});
    std::map<NodeId, uint64_t> matched;
    std::map<NodeId, uint64_t> rounds;
    std::map<NodeId, bool> votes;
    std::map<NodeId, bool> heard;
    for (Progress& member : tracker.members()) {
      matched[member.id()] = random_.Below(5);
      member.OnAccepted(LogIndex{matched[member.id()]}, LogIndex{1});
      member.read_round = rounds[member.id()] = random_.Below(5);
      member.recent_active = heard[member.id()] = random_.Below(2) == 0;
      if (random_.Below(4) == 0) continue;
      votes[member.id()] = random_.Below(3) > 0;
      tracker.RecordVote(member.id(), votes[member.id()]);
    }
    EXPECT_EQ(tracker.CommittedIndex().value(), ReachedByDefinition(halves, matched));
    EXPECT_EQ(tracker.ConfirmedReadRound(), ReachedByDefinition(halves, rounds));
    EXPECT_EQ(tracker.CountVotes(), VoteByDefinition(halves, votes));
    const NodeId self{1 + random_.Below(7)};
    heard[self] = true;
    EXPECT_EQ(tracker.TakeQuorumActive(self), VoteByDefinition(halves, heard) == VoteResult::kWon);
  }
}

}  // namespace
}  // namespace keelson::raft
