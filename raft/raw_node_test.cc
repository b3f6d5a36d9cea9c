// RawNode as its owner sees it: Readys, acknowledgements, restarts.
#include "raft/raw_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RawNode, SingleVoterElectsItselfAndCommits) {
  TestCluster cluster(1);
  cluster.Elect(1);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  cluster.Write(1, "a");
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a"));
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{2});
}

TEST(RawNode, ThreeMembersElectReplicateAndCommit) {
  TestCluster cluster(3);
  cluster.Elect(2);
  ASSERT_EQ(cluster.Leader(), 2u);
  cluster.Write(2, "a");
  EXPECT_EQ(cluster.Propose(3, "b"), ProposeResult::kForwarded);
  cluster.Settle();
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(cluster.Applied(id), ElementsAre("a", "b")) << id;
    EXPECT_EQ(cluster.raft(id).leader(), NodeId{2});
  }
}

TEST(RawNode, ReadsAreGrantedOnEveryMember) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Write(1, "a");
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_TRUE(cluster.raft(id).RequestReadIndex(70 + id));
    EXPECT_TRUE(cluster.raft(id).RequestReadIndex(80 + id));
    cluster.Settle();
    const std::vector<ReadGrant> reads = cluster.node(id).TakeReads();
    ASSERT_EQ(reads.size(), 2u) << id;
    EXPECT_EQ(reads[0].context, 70 + id);
    EXPECT_EQ(reads[1].context, 80 + id);
    EXPECT_EQ(reads[0].index, LogIndex{2});
  }
}

TEST(RawNode, NothingHappensWithoutALeader) {
  TestCluster cluster(3);
  EXPECT_EQ(cluster.Propose(1, "a"), ProposeResult::kNoLeader);
  EXPECT_FALSE(cluster.raft(1).RequestReadIndex(7));
  EXPECT_FALSE(cluster.raft(1).HasReady());
}

TEST(RawNode, RestartHandsOutWhatWasNotApplied) {
  TestCluster cluster(1);
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.Write(1, "b");
  cluster.node(1).Crash(LogIndex{2});
  cluster.node(1).Restart(9);
  EXPECT_EQ(cluster.raft(1).commit(), LogIndex{2});  // the last write carried commit 2
  cluster.Settle();
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a"));
  cluster.Elect(1);
  EXPECT_THAT(cluster.Applied(1), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace keelson::raft
