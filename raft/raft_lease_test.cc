// Reads under a lease (thesis 6.4.1): when a leader answers without asking, and what its members
// owe to a lease they have confirmed. The arithmetic is in leader_lease.h. Names follow
// etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/leader_lease.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Leases(Config& config) {
  config.check_quorum = true;
  config.read_mode = ReadMode::kLease;
}

// With the election timeout of the tests, 10 ticks, and a drift of 10 percent.
constexpr int kLeaseTicks = 6;

// A leader of three whose first entry is applied, and whose heartbeats nobody has answered yet.
class LeaseOfOne : public ::testing::Test, protected LoneMember {
 protected:
  LeaseOfOne() {
    Config config = TestConfig(1, 3);
    Leases(config);
    Start(config);
    Tick(config.election_timeout_ticks);  // it owes nobody a lease from before its start
    BecomeLeader();
    AcceptFrom(2, 1);
    Sent();
  }
  // A heartbeat goes out; 2 answers it.
  void ConfirmRound() {
    Tick(1);
    Answer(Round());
  }
  // The round of the heartbeats that have left.
  uint64_t Round() {
    const auto heartbeats = SentOf<Heartbeat>();
    EXPECT_EQ(heartbeats.size(), 2u);
    return heartbeats.at(0).read_context;
  }
  void Answer(uint64_t round) {
    Hear(2, HeartbeatResponse{.read_context = round});
    Sent();
  }
  bool HoldsLease() { return raft().status().holds_lease; }
  // Contexts granted at once, without a message to anybody.
  std::vector<uint64_t> GrantedWithoutARound(uint64_t context) {
    EXPECT_TRUE(raft().RequestReadIndex(context));
    EXPECT_THAT(SentOf<Heartbeat>(), IsEmpty());
    std::vector<uint64_t> contexts;
    for (const ReadGrant& grant : node().TakeReads()) contexts.push_back(grant.context);
    return contexts;
  }
};

TEST_F(LeaseOfOne, AnAnsweredRoundIsALease) {
  EXPECT_FALSE(HoldsLease());
  ConfirmRound();
  EXPECT_TRUE(HoldsLease());
  EXPECT_THAT(GrantedWithoutARound(7), ElementsAre(7));
}

TEST_F(LeaseOfOne, WithoutALeaseARoundIsAsked) {
  ASSERT_TRUE(raft().RequestReadIndex(7));
  const uint64_t round = Round();
  EXPECT_THAT(node().TakeReads(), IsEmpty());
  Answer(round);
  ASSERT_EQ(node().TakeReads().size(), 1u);
}

// It counts from when the round was sent, not from when it was answered.
TEST_F(LeaseOfOne, ALeaseEndsByItself) {
  Tick(1);
  const uint64_t round = Round();
  Tick(kLeaseTicks);
  Answer(round);
  EXPECT_TRUE(HoldsLease());
  Tick(1);
  EXPECT_FALSE(HoldsLease());
  Answer(round);  // again
  EXPECT_FALSE(HoldsLease());
  ConfirmRound();
  EXPECT_TRUE(HoldsLease());
}

TEST_F(LeaseOfOne, AnAnswerToAnOldRoundIsNoLease) {
  Tick(1);
  const uint64_t round = Round();
  Tick(kLeaseTicks + 1);
  Answer(round);
  EXPECT_FALSE(HoldsLease());
}

// The other half of the term is needed, too: what is committed is not known before.
TEST_F(LeaseOfOne, ALeaderWithNothingCommittedInItsTermHoldsNone) {
  Receive(2, 2, Heartbeat{});
  Tick(10);
  raft().Campaign();
  Sent();
  Hear(2, VoteResponse{.granted = true});
  Sent();
  ASSERT_EQ(raft().role(), Role::kLeader);
  Tick(1);
  const auto heartbeats = SentOf<Heartbeat>();
  ASSERT_FALSE(heartbeats.empty());
  Hear(2, HeartbeatResponse{.read_context = heartbeats[0].read_context});
  EXPECT_FALSE(HoldsLease());
  AcceptFrom(2, raft().status().last.value());
  EXPECT_TRUE(HoldsLease());
}

TEST_F(LeaseOfOne, RevokedItHoldsAgainWithTheNextRound) {
  Tick(1);
  const uint64_t before = Round();
  Answer(before);
  Tick(1);
  const uint64_t under_way = Round();
  raft().RevokeLease();
  EXPECT_FALSE(HoldsLease());
  Answer(under_way);  // sent before
  EXPECT_FALSE(HoldsLease());
  ConfirmRound();
  EXPECT_TRUE(HoldsLease());
}

// Whoever is told to campaign may be elected at any time from then on, in spite of all leases.
TEST_F(LeaseOfOne, HandingOverEndsItForTheTerm) {
  ConfirmRound();
  raft().TransferLeadership(NodeId{2});
  ASSERT_EQ(SentOf<TimeoutNow>().size(), 1u);
  EXPECT_FALSE(HoldsLease());
  Tick(10);  // given up
  ASSERT_EQ(raft().status().transferee, NodeId{0});
  ASSERT_EQ(raft().role(), Role::kLeader);
  Sent();
  ConfirmRound();
  EXPECT_FALSE(HoldsLease());
}

// A quorum of the old membership may be none of the new.
TEST_F(LeaseOfOne, AChangeOfMembershipEndsItUntilTheNextRound) {
  ConfirmRound();
  ASSERT_TRUE(raft().ApplyConfChange(LogIndex{2}, Remove(3)).ok());
  EXPECT_FALSE(HoldsLease());
  Tick(1);
  const auto heartbeats = SentOf<Heartbeat>();
  ASSERT_EQ(heartbeats.size(), 1u);
  Answer(heartbeats[0].read_context);
  EXPECT_TRUE(HoldsLease());
}

TEST_F(LeaseOfOne, ALeaderThatIsDeposedHoldsNone) {
  ConfirmRound();
  Receive(2, 2, Heartbeat{});
  EXPECT_FALSE(HoldsLease());
}

TEST(LeaderLease, ATimeoutTooShortForTheDriftIsNoLease) {
  for (const auto& [drift, lease] : {std::pair(0, 7), std::pair(10, 6), std::pair(50, 2),
                                     std::pair(80, -1), std::pair(99, -2)}) {
    LeaderLease leader_lease(10, drift);
    leader_lease.OnRoundSent(1);
    leader_lease.OnRoundConfirmed(1);
    int ticks = -1;
    while (leader_lease.Holds()) {
      leader_lease.Tick();
      ++ticks;
    }
    EXPECT_EQ(ticks, std::max(lease, -1)) << drift;
  }
}

// ---------------------------------------------------------------------------------------------
// members

TEST(LeaseCluster, ReadOnlyOptionLease) {
  TestCluster cluster(3, Leases);
  cluster.TickAll(60);
  const uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  int rounds = 0;
  cluster.Drop([&](const Message& message) {
    rounds += Is<Heartbeat>(message) ? 1 : 0;
    return false;
  });
  uint64_t context = 0;
  for (uint64_t id : {1, 2, 3, 1, 2, 3}) {
    for (int i = 0; i < 10; ++i) cluster.Write(leader, "x");
    ASSERT_TRUE(cluster.raft(id).RequestReadIndex(++context));
    cluster.Settle();
    const std::vector<ReadGrant> reads = cluster.node(id).TakeReads();
    ASSERT_EQ(reads.size(), 1u) << id;
    EXPECT_EQ(reads[0].context, context);
    EXPECT_EQ(reads[0].index, cluster.raft(leader).commit());
  }
  EXPECT_EQ(rounds, 0);
}

class LeaseFollower : public ::testing::Test, protected LoneMember {
 protected:
  void StartAnew() {
    Config config = TestConfig(1, 3);
    Leases(config);
    Start(config);
  }
  bool Votes(uint64_t term, VoteRequest request = {.last = {Term{9}, LogIndex{9}}}) {
    Receive(3, term, request);
    const auto answers = SentOf<VoteResponse>();
    return !answers.empty() && answers[0].granted;
  }
};

// It may have confirmed a lease just before it died.
TEST_F(LeaseFollower, AMemberThatRestartsHelpsNobodyForAnElectionTimeout) {
  StartAnew();
  Tick(9);
  EXPECT_FALSE(Votes(1));
  EXPECT_FALSE(Votes(1, {.pre_vote = true, .last = {Term{9}, LogIndex{9}}}));
  raft().Campaign();  // its own vote counts as well
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(raft().term(), Term{0});
  Tick(1);
  EXPECT_TRUE(Votes(1));
}

// Nor does the end of a leader's term end what is owed to its lease.
TEST_F(LeaseFollower, WhatIsOwedToALeaseOutlivesTheTerm) {
  StartAnew();
  Tick(10);
  Receive(2, 1, Heartbeat{});
  // Somebody campaigns by order of the leader, gets this vote, and is not elected.
  EXPECT_TRUE(Votes(5, {.leader_transfer = true, .last = {Term{9}, LogIndex{9}}}));
  ASSERT_EQ(raft().term(), Term{5});
  ASSERT_EQ(raft().leader(), NodeId{0});
  EXPECT_FALSE(Votes(6));
  raft().Campaign();
  EXPECT_EQ(raft().role(), Role::kFollower);
  Tick(9);
  EXPECT_FALSE(Votes(6));
  Tick(1);
  EXPECT_TRUE(Votes(6));
}

TEST_F(LeaseFollower, ACandidateByOrderOfTheLeaderIsHelped) {
  StartAnew();
  Tick(10);
  Receive(2, 1, Heartbeat{});
  EXPECT_TRUE(Votes(2, {.leader_transfer = true, .last = {Term{9}, LogIndex{9}}}));
}

// Forgetting would be helping.
TEST_F(LeaseFollower, ALeaderIsNotForgotten) {
  StartAnew();
  Tick(10);
  Receive(2, 1, Heartbeat{});
  raft().ForgetLeader();
  EXPECT_EQ(raft().leader(), NodeId{2});
}

// Members whose clocks differ in rate and in phase as much as they may: the leader's is the
// slowest. It is cut off at some moment; when another one is elected, it must not take itself for
// the only one any more. Messages arrive at once, which makes the others' patience end the soonest.
class LeaseClocks {
 public:
  LeaseClocks(uint64_t seed, int drift_percent, bool pre_vote)
      : random_(seed), cluster_(3, [&](Config& config) {
          Leases(config);
          config.pre_vote = pre_vote;
          config.clock_drift_percent = drift_percent;
        }) {
    cluster_.TickAll(10);
    cluster_.Elect(1);
    EXPECT_EQ(cluster_.Leader(), 1u);
    // A tick every kInterval of the leader's is one every so many of theirs.
    const int64_t fast = kInterval * (100 - drift_percent) / 100;
    periods_ = {kInterval, fast, fast};
    for (int64_t& next : next_) next = static_cast<int64_t>(random_.Below(kInterval));
  }
  // How many ticks of the leader lie between the end of its lease and the other's election.
  int64_t Run() {
    const int64_t cut = kInterval * 10 + static_cast<int64_t>(random_.Below(kInterval * 10));
    int64_t lost_at = -1;
    for (int64_t now = 0;; ++now) {
      if (now == cut) cluster_.Isolate(1);
      for (uint64_t id = 1; id <= 3; ++id) {
        if (now < next_[id - 1]) continue;
        next_[id - 1] += periods_[id - 1];
        cluster_.raft(id).Tick();
        // Nobody is patient without need.
        if (now > cut && id != 1) cluster_.raft(id).Campaign();
        cluster_.Settle();
      }
      const bool holds = cluster_.raft(1).status().holds_lease;
      if (now > cut && !holds && lost_at < 0) lost_at = now;
      for (uint64_t id : {2, 3}) {
        if (cluster_.raft(id).role() != Role::kLeader) continue;
        EXPECT_FALSE(holds) << "and " << id << " leads at " << now;
        return (now - lost_at) / kInterval;
      }
      if (now > cut + 100 * kInterval) {
        ADD_FAILURE() << "nobody was elected";
        return 0;
      }
    }
  }

 private:
  static constexpr int64_t kInterval = 100;
  SeededRandom random_;
  TestCluster cluster_;
  std::array<int64_t, 3> periods_{};
  std::array<int64_t, 3> next_{};
};

TEST(LeaseCluster, NobodyIsElectedBesideALeaseWhateverTheClocks) {
  int64_t closest = INT64_MAX;
  for (const int drift : {0, 10, 30}) {
    for (const bool pre_vote : {false, true}) {
      for (uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        closest = std::min(closest, LeaseClocks(seed, drift, pre_vote).Run());
      }
    }
  }
  // The bound is not wasteful either: at times another is elected soon after the lease.
  EXPECT_LE(closest, 3);
}

}  // namespace
}  // namespace keelson::raft
