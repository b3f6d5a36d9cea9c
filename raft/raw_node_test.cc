// RawNode as its owner sees it: Readys, acknowledgements, restarts.
#include "raft/raw_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/conf_change.h"
#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
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

// A member from nothing to its first applied command, Ready by Ready.
TEST(RawNode, StartsWithNothingToDoAndHandsOutEachThingOnce) {
  TestNode node(TestConfig(1, 1), 1);
  EXPECT_FALSE(node.raft().HasReady());
  node.raft().Campaign();
  std::optional<Ready> ready = node.TakeReady();
  EXPECT_EQ(ready->number, 1u);
  EXPECT_EQ(ready->write.hard_state, (HardState{Term{1}, NodeId{1}, LogIndex{0}}));
  EXPECT_TRUE(ready->write.must_sync);
  EXPECT_FALSE(node.raft().HasReady());
  node.Acknowledge();  // its vote counts: it leads
  ready = node.TakeReady();
  EXPECT_EQ(Describe(ready->write.entries), "[1/1 \"\"]");
  EXPECT_THAT(ready->committed, IsEmpty());
  node.Acknowledge();
  node.raft().Propose({{.data = SharedBytes(std::string("foo"))}});
  ready = node.TakeReady();
  EXPECT_EQ(Describe(ready->committed), "[1/1 \"\"]");
  EXPECT_EQ(Describe(ready->write.entries), "[1/2 \"foo\"]");
  EXPECT_EQ(ready->write.hard_state->commit, LogIndex{1});
  node.Apply();
  node.Acknowledge();
  ready = node.TakeReady();
  EXPECT_EQ(Describe(ready->committed), "[1/2 \"foo\"]");
  EXPECT_TRUE(ready->write.empty());
  EXPECT_FALSE(ready->write.must_sync);
  node.Apply();
  EXPECT_FALSE(node.raft().HasReady());
}

TEST(RawNode, RestartBeginsWithWhatIsCommitted) {
  MemoryLog disk = DiskWith({1, 1}, 1);
  disk.Write({.hard_state = HardState{Term{1}, NodeId{0}, LogIndex{1}}});
  LoneMember member;
  member.Start(TestConfig(1, 1), std::move(disk));
  const std::optional<Ready> ready = member.node().TakeReady();
  EXPECT_EQ(Describe(ready->committed), "[1/1 \"\"]");
  EXPECT_TRUE(ready->write.empty());
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_FALSE(member.raft().HasReady());
}

TEST(RawNode, StatusTellsOfTheOthersOnALeaderOnly) {
  LoneMember member;
  member.Start(3);
  EXPECT_THAT(member.raft().status().progress, IsEmpty());
  member.BecomeLeader();
  member.AcceptFrom(2, 1);
  const Status status = member.raft().status();
  EXPECT_EQ(status.id, NodeId{1});
  EXPECT_EQ(status.leader, NodeId{1});
  EXPECT_EQ(status.role, Role::kLeader);
  EXPECT_EQ(status.term, Term{1});
  EXPECT_EQ(status.vote, NodeId{1});
  EXPECT_EQ(status.commit, LogIndex{1});
  EXPECT_EQ(status.last, LogIndex{1});
  EXPECT_EQ(Describe(status.conf), "voters=(1 2 3)");
  ASSERT_EQ(status.progress.size(), 3u);
  EXPECT_EQ(status.progress[0].match, LogIndex{1});
  EXPECT_EQ(status.progress[1].match, LogIndex{1});
  EXPECT_EQ(status.progress[1].state, ProgressState::kReplicate);
  EXPECT_TRUE(status.progress[1].recent_active);
  EXPECT_EQ(status.progress[2].match, LogIndex{0});
  EXPECT_EQ(status.progress[2].state, ProgressState::kProbe);
  EXPECT_FALSE(status.progress[2].recent_active);
  member.Receive(2, 2, Heartbeat{});
  EXPECT_THAT(member.raft().status().progress, IsEmpty());
}

// What was put in before a Ready is in it; what comes after is in the next, acknowledged or not.
TEST(RawNode, AReadyIsTakenWhole) {
  TestNode node(TestConfig(1, 3), 1);
  node.raft().Step(From(2, 1, 1, Heartbeat{}));
  EXPECT_EQ(node.raft().TakeReady().send_now.size(), 1u);
  EXPECT_FALSE(node.raft().HasReady());
  node.raft().Step(From(2, 1, 1, Heartbeat{}));
  node.raft().OnWritten(1);
  ASSERT_TRUE(node.raft().HasReady());
  EXPECT_EQ(node.raft().TakeReady().send_now.size(), 1u);
  EXPECT_FALSE(node.raft().HasReady());
}

// A log that reads more at once than it is asked to, or less: entries are applied one after the
// other all the same, and no hard state goes back.
class AnyReader : public LogView {
 public:
  AnyReader(MemoryLog log, uint64_t bytes_max) : log_(std::move(log)), bytes_max_(bytes_max) {}
  LogIndex FirstIndex() const override { return log_.FirstIndex(); }
  LogIndex LastIndex() const override { return log_.LastIndex(); }
  std::optional<Term> TermAt(LogIndex index) const override { return log_.TermAt(index); }
  absl::StatusOr<std::vector<Entry>> Entries(LogIndex begin, LogIndex end,
                                             uint64_t) const override {
    return log_.Entries(begin, end, bytes_max_);
  }
  absl::StatusOr<Snapshot> TakeSnapshot() const override { return log_.TakeSnapshot(); }

 private:
  MemoryLog log_;
  const uint64_t bytes_max_;  // instead of what is asked for
};

TEST(RawNode, CommitPaginationAfterRestart) {
  for (const uint64_t read : {UINT64_MAX, uint64_t{0}, uint64_t{100}}) {
    for (const uint64_t batch : {uint64_t{1}, uint64_t{100}, uint64_t{330}, UINT64_MAX / 4}) {
      MemoryLog disk = DiskWith(std::vector<uint64_t>(11, 1), 1);
      Config config = TestConfig(1, 3);
      config.hard_state = {Term{1}, NodeId{1}, LogIndex{10}};
      config.committed_bytes_max = batch;
      const AnyReader log(std::move(disk), read);
      SeededRandom random(1);
      RawNode raft(config, &log, &random);
      LogIndex applied;
      LogIndex commit{10};
      while (applied < LogIndex{11}) {
        ASSERT_TRUE(raft.HasReady()) << "nothing more to apply after " << applied;
        const Ready ready = raft.TakeReady();
        for (const Entry& entry : ready.committed) {
          ASSERT_EQ(entry.index, applied + 1);
          applied = entry.index;
        }
        if (ready.write.hard_state) {
          EXPECT_GE(ready.write.hard_state->commit, commit);
          commit = ready.write.hard_state->commit;
        }
        raft.OnWritten(ready.number);
        raft.OnApplied(applied);
        raft.Step(From(2, 1, 1, Heartbeat{.commit = LogIndex{11}}));
      }
    }
  }
}

}  // namespace
}  // namespace keelson::raft
