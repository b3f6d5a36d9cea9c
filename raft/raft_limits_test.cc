// Limits: what is uncommitted, and what is handed out to apply, is bounded. Names follow
// etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;

TEST(RaftLimits, UncommittedEntryLimit) {
  constexpr size_t kEntries = 1024;
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = kEntries * 4; });
  cluster.Elect(1);
  for (size_t i = 0; i < kEntries; ++i) {
    ASSERT_EQ(cluster.Propose(1, "test"), ProposeResult::kAccepted);
  }
  EXPECT_EQ(cluster.Propose(1, "test"), ProposeResult::kFull);
  EXPECT_EQ(cluster.Propose(1, ""), ProposeResult::kAccepted);  // weighs nothing
  cluster.Settle();
  EXPECT_EQ(cluster.Propose(1, "test"), ProposeResult::kAccepted);
}

TEST(RaftLimits, ASingleProposalAlwaysFits) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 4; });
  cluster.Elect(1);
  EXPECT_EQ(cluster.Propose(1, std::string(100, 'x')), ProposeResult::kAccepted);
  EXPECT_EQ(cluster.Propose(1, "y"), ProposeResult::kFull);
  cluster.Settle();
  EXPECT_EQ(cluster.Propose(1, "y"), ProposeResult::kAccepted);
}

TEST(RaftLimits, BoundedLogGrowthWithPartition) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 64; });
  cluster.Elect(1);
  cluster.Isolate(1);
  for (int i = 0; i < 1024; ++i) cluster.Write(1, "testdata");
  EXPECT_EQ(cluster.raft(1).status().last, LogIndex{1 + 64 / 8});
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{9});
  EXPECT_EQ(cluster.Propose(1, "testdata"), ProposeResult::kAccepted);
}

TEST(RaftLimits, ProposalsFromOtherTermsDoNotWeigh) {
  TestCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 16; });
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Write(1, "0123456789abcdef");
  EXPECT_EQ(cluster.Propose(1, "x"), ProposeResult::kFull);
  cluster.node(1).Crash();
  cluster.node(1).Restart(7);
  cluster.Settle();
  cluster.Heal();
  cluster.Drop([](const Message& message) { return Is<AppendRequest>(message); });
  cluster.Elect(1);  // a new term, with the old entry uncommitted
  ASSERT_EQ(cluster.raft(1).commit(), LogIndex{1});
  EXPECT_EQ(cluster.Propose(1, "0123456789abcdef"), ProposeResult::kAccepted);
  EXPECT_EQ(cluster.Propose(1, "x"), ProposeResult::kFull);
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.Propose(1, "0123456789abcdef"), ProposeResult::kAccepted);
}

TEST(RaftLimits, CommitPagination) {
  TestCluster cluster(1, [](Config& config) { config.committed_bytes_max = 2048; });
  cluster.Elect(1);
  for (int i = 0; i < 3; ++i) cluster.Propose(1, std::string(1000, 'a'));
  cluster.node(1).TakeReady();
  cluster.node(1).Acknowledge();
  EXPECT_EQ(cluster.node(1).TakeReady()->committed.size(), 1u);
  EXPECT_EQ(cluster.node(1).TakeReady()->committed.size(), 1u);
}

// Batches are handed out ahead of OnApplied, and only so far.
TEST(RaftLimits, CommitPaginationWithAsyncStorageWrites) {
  TestCluster cluster(1, [](Config& config) { config.committed_bytes_max = 2100; });
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, std::string(1000, 'a'));
  cluster.node(1).TakeReady();
  cluster.node(1).Acknowledge();
  std::vector<size_t> sizes;
  while (const auto ready = cluster.node(1).TakeReady()) sizes.push_back(ready->committed.size());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 2));  // the limit of two batches is passed by the third
  cluster.node(1).Apply();
  sizes.clear();
  while (const auto ready = cluster.node(1).TakeReady()) sizes.push_back(ready->committed.size());
  EXPECT_THAT(sizes, ElementsAre(2));
}

}  // namespace
}  // namespace keelson::raft
