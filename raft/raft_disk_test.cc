// What waits for the disk, what does not, and what a restart finds. Names follow etcd-io/raft's
// tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RaftDisk, AVoteDoesNotOutrunItsWrite) {
  TestNode node(TestConfig(1, 3), 1);
  node.raft().Step(From(2, 1, 1, VoteRequest{}));
  const std::optional<Ready> ready = node.TakeReady();
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_TRUE(ready->write.must_sync);
  EXPECT_EQ(ready->send_after_write.size(), 1u);
}

TEST(RaftDisk, APromiseAboutWhatIsDurableIsSentNow) {
  TestCluster cluster(3);
  cluster.Elect(1);
  // A repeated message: all it asks for is on the disk.
  const Entry first{Term{1}, LogIndex{1}};
  cluster.Deliver(From(1, 2, 1, AppendRequest{.previous = {}, .entries = {first}}));
  const std::optional<Ready> ready = cluster.node(2).TakeReady();
  EXPECT_TRUE(ready->write.empty());
  EXPECT_EQ(ready->send_now.size(), 1u);
  EXPECT_THAT(ready->send_after_write, IsEmpty());
}

TEST(RaftDisk, APromiseWaitsForTheWritesBeforeIt) {
  TestCluster cluster(3);
  cluster.Elect(1);
  const Entry entry{Term{1}, LogIndex{2}};
  cluster.Deliver(From(1, 2, 1, AppendRequest{{Term{1}, LogIndex{1}}, {}, {entry}}));
  cluster.node(2).TakeReady();
  // The same again, while the write is under way.
  cluster.Deliver(From(1, 2, 1, AppendRequest{{Term{1}, LogIndex{1}}, {}, {entry}}));
  const std::optional<Ready> ready = cluster.node(2).TakeReady();
  EXPECT_TRUE(ready->write.empty());
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_EQ(ready->send_after_write.size(), 1u);
}

TEST(RaftDisk, ACommitAloneIsNotWritten) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  cluster.Settle();
  // The commit was learned by all, and rides on the next write.
  EXPECT_EQ(cluster.raft(2).commit(), LogIndex{2});
  EXPECT_EQ(cluster.node(2).disk().hard_state().commit, LogIndex{1});
  cluster.Write(1, "b");
  EXPECT_EQ(cluster.node(2).disk().hard_state().commit, LogIndex{2});
}

TEST(RaftDisk, TheLeaderSendsBeforeItWrites) {
  TestCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  const std::optional<Ready> ready = cluster.node(1).TakeReady();
  EXPECT_EQ(ready->send_now.size(), 2u);
  EXPECT_EQ(ready->write.entries.size(), 1u);
  EXPECT_THAT(ready->send_after_write, IsEmpty());
}

TEST(RaftDisk, ManyProposalsBetweenTwoReadysAreOneMessage) {
  TestCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 100; ++i) cluster.Propose(1, "a");
  const std::optional<Ready> ready = cluster.node(1).TakeReady();
  ASSERT_EQ(ready->send_now.size(), 2u);
  EXPECT_EQ(As<AppendRequest>(ready->send_now[0]).entries.size(), 100u);
  // All copies share their bytes.
  EXPECT_EQ(As<AppendRequest>(ready->send_now[0]).entries[7].data.data(),
            ready->write.entries[7].data.data());
}

TEST(RaftDisk, EntriesWithoutTheirHardStateAreKeptAndPromiseNothing) {
  MemoryLog disk;
  disk.Write({.hard_state = HardState{Term{1}, NodeId{2}, LogIndex{0}},
              .entries = {{Term{3}, LogIndex{1}}}});
  Config config = TestConfig(1, 3);
  config.hard_state = disk.hard_state();
  TestNode node(config, std::move(disk), 1);
  EXPECT_EQ(node.raft().term(), Term{3});
  EXPECT_EQ(node.raft().status().vote, NodeId{0});
  node.Run();
  EXPECT_EQ(node.disk().hard_state().term, Term{3});
}

TEST(RaftDisk, WholeClusterRestarts) {
  TestCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) cluster.Write(1, "v" + std::to_string(i));
  for (uint64_t id = 1; id <= 3; ++id) cluster.node(id).Crash();
  for (uint64_t id = 1; id <= 3; ++id) cluster.node(id).Restart(id + 10);
  cluster.Settle();  // nobody campaigns before it has applied what it knows to be committed
  cluster.Elect(2);
  EXPECT_EQ(cluster.raft(2).term(), Term{2});
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(cluster.Applied(id), ElementsAre("v0", "v1", "v2", "v3", "v4"));
  }
}

}  // namespace
}  // namespace keelson::raft
