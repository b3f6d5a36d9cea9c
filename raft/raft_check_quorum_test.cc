// Check-quorum: a leader that a quorum does not answer, and members that hear a leader. Names
// follow etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;

TEST(RaftCheckQuorum, LeaderStepdownWhenQuorumActive) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  for (int i = 0; i < 30; ++i) {
    cluster.raft(1).Tick();
    cluster.raft(1).Step(From(2, 1, 1, HeartbeatResponse{}));
  }
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
}

TEST(RaftCheckQuorum, LeaderStepdownWhenQuorumLost) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(1);
  for (int i = 0; i < 20; ++i) cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).leader(), NodeId{0});
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
}

TEST(RaftCheckQuorum, AQuorumThatIsSilentForExactlyAnElectionTimeoutDeposes) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.raft(1).Tick();  // the first check finds the election
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  for (int i = 0; i < 9; ++i) cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  cluster.raft(1).Tick();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

TEST(RaftCheckQuorum, LeaderSupersedingWithCheckQuorum) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Elect(3);
  // 2 hears its leader and does not answer.
  EXPECT_EQ(cluster.raft(3).role(), Role::kCandidate);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  for (int i = 0; i < 10; ++i) cluster.raft(2).Tick();
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
}

// A candidate that got ahead of the leader's term alone is stuck: nobody votes for it and it does
// not accept its leader. Its answer to a heartbeat brings the leader up.
TEST(RaftCheckQuorum, FreeStuckCandidateWithCheckQuorum) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Elect(3);
  cluster.Elect(3);
  cluster.Heal();
  EXPECT_EQ(cluster.raft(3).term(), Term{3});
  cluster.raft(1).Tick();
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).term(), Term{3});
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
}

// Without pre-vote a member that was cut off brings down a leader ...
TEST(RaftCheckQuorum, DisruptiveFollower) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Elect(3);
  cluster.Heal();
  cluster.raft(1).Tick();
  cluster.Settle();
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

// ... and with it, it does not.
TEST(RaftCheckQuorum, DisruptiveFollowerPreVote) {
  TestCluster cluster(3, PreVoteAndCheckQuorum);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Write(1, "a");
  for (int i = 0; i < 100; ++i) cluster.raft(3).Tick();
  EXPECT_EQ(cluster.raft(3).role(), Role::kPreCandidate);
  cluster.Heal();
  cluster.TickAll(3);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).term(), Term{1});
  EXPECT_EQ(cluster.raft(3).leader(), NodeId{1});
  EXPECT_THAT(cluster.Applied(3), ElementsAre("a"));
}

TEST(RaftCheckQuorum, ASmallerTermCanCompleteAnElection) {
  TestCluster cluster(3, PreVote);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Write(1, "a");
  cluster.Elect(2);  // term 2, not seen by 3
  ASSERT_EQ(cluster.raft(2).role(), Role::kLeader);
  cluster.node(1).Crash();
  cluster.Heal();
  // 3 lags in term and log: refused, and told the term.
  cluster.Elect(3);
  EXPECT_NE(cluster.raft(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(3).term(), Term{2});
  cluster.Elect(2);
  cluster.TickAll(1);
  EXPECT_EQ(cluster.Leader(), 2u);
  EXPECT_EQ(cluster.raft(3).leader(), NodeId{2});
}

// A member that was never led helps anybody at once; one that was led, when it has not heard its
// leader for an election timeout.
TEST(RaftCheckQuorum, LeaderElectionWithCheckQuorum) {
  TestCluster cluster(3, CheckQuorum);
  cluster.Elect(1);
  ASSERT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(3).role(), Role::kFollower);
  for (int i = 0; i < 9; ++i) cluster.raft(2).Tick();
  cluster.Elect(3);
  EXPECT_NE(cluster.raft(3).role(), Role::kLeader);
  cluster.raft(2).Tick();
  cluster.Elect(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

// A member that takes itself for no voter follows all the same.
TEST(RaftCheckQuorum, NonPromotableVoterWithCheckQuorum) {
  TestCluster cluster(2, [](Config& config) {
    config.check_quorum = true;
    if (config.id == NodeId{2}) config.conf.voters = {NodeId{1}};
  });
  for (int i = 0; i < 50; ++i) cluster.raft(2).Tick();
  EXPECT_EQ(cluster.raft(2).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(2).term(), Term{0});
  cluster.Elect(1);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);  // it has given its vote
  EXPECT_EQ(cluster.raft(2).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(2).leader(), NodeId{1});
}

}  // namespace
}  // namespace keelson::raft
