// Snapshots (thesis 5): when a leader sends one, what it believes meanwhile, and what a member
// makes of one. Names follow etcd-io/raft's tests (after "Test"), where the same is shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/conf_change.h"
#include "raft/testing/describe.h"
#include "raft/testing/lone_member.h"
#include "raft/testing/situations.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Snapshot At(uint64_t term, uint64_t index, ConfState conf) {
  return {.id = {Term{term}, LogIndex{index}},
          .conf = std::move(conf),
          .data = SharedBytes(std::string("state"))};
}

// ---------------------------------------------------------------------------------------------
// the leader's side

// A leader of term 12, of voters 1 and 2, whose log begins behind a snapshot at 11/11 and ends with
// its own entry 12; 2 is heard, and has nothing.
class SnapshotLeader : public ::testing::Test, protected LoneMember {
 protected:
  SnapshotLeader() {
    Config config = TestConfig(1, 2);
    config.applied = LogIndex{11};
    Start(config, DiskFrom(At(11, 11, config.conf)));
    BecomeLeader();
  }
  void TwoHasNothing() {
    Hear(2, AppendResponse{.rejected = true, .index = LogIndex{11}, .reject_hint = {}});
  }
  void SendSnapshot() {
    TwoHasNothing();
    ASSERT_EQ(SentOf<InstallSnapshot>().size(), 1u);
  }
};

TEST_F(SnapshotLeader, ProvideSnap) {
  TwoHasNothing();
  const std::vector<Message> sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, NodeId{2});
  const Snapshot& snapshot = *As<InstallSnapshot>(sent[0]).snapshot;
  EXPECT_EQ(snapshot.id, (EntryId{Term{11}, LogIndex{11}}));
  EXPECT_EQ(Describe(snapshot.conf), "voters=(1 2)");
  EXPECT_EQ(snapshot.data.view(), "state");
}

TEST_F(SnapshotLeader, SendingSnapshotSetPendingSnapshot) {
  TwoHasNothing();
  Sent();
  EXPECT_EQ(progress(2).state, ProgressState::kSnapshot);
  EXPECT_EQ(progress(2).pending_snapshot, LogIndex{11});
  EXPECT_EQ(progress(2).match, LogIndex{0});
  EXPECT_TRUE(progress(2).paused);
}

TEST_F(SnapshotLeader, PendingSnapshotPauseReplication) {
  SendSnapshot();
  for (int i = 0; i < 10; ++i) {
    Propose("somedata");
    Hear(2, HeartbeatResponse{});
    TwoHasNothing();  // late
    EXPECT_THAT(Sent(), IsEmpty());
  }
  raft().OnUnreachable(NodeId{2});
  EXPECT_THAT(Sent(), IsEmpty());
  Tick(1);
  EXPECT_EQ(SentOf<Heartbeat>().size(), 1u);
}

// It failed: back to where the member is known to be, when it is heard again.
TEST_F(SnapshotLeader, SnapshotFailure) {
  SendSnapshot();
  raft().OnSnapshotSent(NodeId{2}, SnapshotResult::kFailed);
  EXPECT_EQ(progress(2).state, ProgressState::kProbe);
  EXPECT_EQ(progress(2).pending_snapshot, LogIndex{0});
  EXPECT_EQ(progress(2).next, LogIndex{1});
  EXPECT_TRUE(progress(2).paused);
  EXPECT_THAT(Sent(), IsEmpty());
  Hear(2, HeartbeatResponse{});
  EXPECT_EQ(SentOf<InstallSnapshot>().size(), 1u);
}

// It was delivered: probing goes on behind it, when the member is heard again.
TEST_F(SnapshotLeader, SnapshotSucceed) {
  SendSnapshot();
  raft().OnSnapshotSent(NodeId{2}, SnapshotResult::kDelivered);
  EXPECT_EQ(progress(2).state, ProgressState::kProbe);
  EXPECT_EQ(progress(2).pending_snapshot, LogIndex{0});
  EXPECT_EQ(progress(2).next, LogIndex{12});
  EXPECT_TRUE(progress(2).paused);
  EXPECT_THAT(Sent(), IsEmpty());
  Hear(2, HeartbeatResponse{});
  const auto requests = SentOf<AppendRequest>();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].previous, (EntryId{Term{11}, LogIndex{11}}));
}

// The member's own answer says it before the transport does, which then says nothing new.
TEST_F(SnapshotLeader, SnapshotAbort) {
  SendSnapshot();
  AcceptFrom(2, 11);
  EXPECT_EQ(SentOf<AppendRequest>().size(), 1u);
  EXPECT_EQ(progress(2).state, ProgressState::kReplicate);
  EXPECT_EQ(progress(2).pending_snapshot, LogIndex{0});
  EXPECT_EQ(progress(2).next, LogIndex{13});
  EXPECT_EQ(progress(2).inflight_messages, 1u);
  raft().OnSnapshotSent(NodeId{2}, SnapshotResult::kFailed);
  EXPECT_EQ(progress(2).state, ProgressState::kReplicate);
  EXPECT_EQ(progress(2).next, LogIndex{13});
}

TEST_F(SnapshotLeader, ASnapshotThatIsNotThereIsAskedForAgain) {
  Config config = TestConfig(1, 2);
  config.applied = LogIndex{11};
  const Snapshot snapshot = At(11, 11, config.conf);
  MemoryLog disk(snapshot.id);
  disk.Write({.hard_state = HardState{Term{11}, NodeId{0}, LogIndex{11}}});
  Start(config, std::move(disk));
  BecomeLeader();
  TwoHasNothing();
  EXPECT_THAT(Sent(), IsEmpty());
  Hear(2, HeartbeatResponse{});
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(progress(2).state, ProgressState::kProbe);
  node().disk().SetSnapshot(snapshot);
  EXPECT_THAT(Sent(), IsEmpty());
  Hear(2, HeartbeatResponse{});
  EXPECT_EQ(SentOf<InstallSnapshot>().size(), 1u);
}

// A member without a membership can do nothing with entries, wherever they begin; it says so. That
// it says so again, late, is no reason for a second snapshot.
TEST_F(SnapshotLeader, AMemberThatAsksForASnapshotGetsOne) {
  const AppendResponse need{.rejected = true, .needs_snapshot = true, .index = LogIndex{11}};
  Hear(2, need);
  EXPECT_EQ(SentOf<InstallSnapshot>().size(), 1u);
  Hear(2, need);
  EXPECT_THAT(Sent(), IsEmpty());
  AcceptFrom(2, 11);
  Hear(2, need);
  EXPECT_EQ(SentOf<InstallSnapshot>().size(), 0u);
  EXPECT_EQ(progress(2).state, ProgressState::kReplicate);
}

// That the connection broke does not make a member that was silent before get a snapshot; that it
// speaks does.
TEST_F(SnapshotLeader, ASilentMemberIsNotSentASnapshotWhenItsConnectionBreaks) {
  Config config = TestConfig(1, 3);
  CheckQuorum(config);
  config.applied = LogIndex{11};
  config.cache_bytes_max = 0;
  Start(config, DiskFrom(At(11, 11, config.conf)));
  BecomeLeader();
  AcceptFrom(2, 11);
  AcceptFrom(3, 12);
  Sent();
  ASSERT_EQ(progress(2).state, ProgressState::kReplicate);
  for (int i = 0; i < 20; ++i) {  // two intervals of check-quorum
    Tick(1);
    Hear(3, HeartbeatResponse{});
  }
  Sent();
  ASSERT_FALSE(progress(2).recent_active);
  node().Compact(LogIndex{12});
  raft().OnUnreachable(NodeId{2});
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(progress(2).state, ProgressState::kProbe);
  Hear(2, HeartbeatResponse{});
  EXPECT_EQ(SentOf<InstallSnapshot>().size(), 1u);
}

TEST_F(SnapshotLeader, WhatBecomesOfASnapshotToAStrangerDoesNotMatter) {
  raft().OnSnapshotSent(NodeId{9}, SnapshotResult::kDelivered);
  raft().OnSnapshotSent(NodeId{1}, SnapshotResult::kFailed);
  raft().OnSnapshotSent(NodeId{2}, SnapshotResult::kFailed);  // none was sent
  EXPECT_EQ(progress(2).state, ProgressState::kProbe);
  EXPECT_EQ(progress(2).next, LogIndex{12});
  Receive(2, 13, Heartbeat{});
  raft().OnSnapshotSent(NodeId{2}, SnapshotResult::kFailed);  // leads no more
  EXPECT_EQ(raft().leader(), NodeId{2});
}

// Nothing but the log on the disk has what a follower lacks.
void NoCache(Config& config) { config.cache_bytes_max = 0; }

// A snapshot is large: it is sent once, and not to a member that is not there.
TEST(SnapshotCluster, IgnoreProvidingSnap) {
  TestCluster cluster(3, NoCache);
  int snapshots = 0;
  const auto count = [&](const Message& message) {
    snapshots += Is<InstallSnapshot>(message) ? 1 : 0;
    return message.to == NodeId{3} || message.from == NodeId{3};
  };
  cluster.Elect(1);
  cluster.Drop(count);
  for (int i = 0; i < 5; ++i) cluster.Write(1, "a");
  for (uint64_t id : {1, 2}) cluster.node(id).Compact(cluster.raft(id).commit());
  for (int i = 0; i < 5; ++i) cluster.Write(1, "a");
  cluster.TickAll(5);
  cluster.Elect(2);
  cluster.TickAll(5);
  EXPECT_EQ(snapshots, 0);
  cluster.Drop([&](const Message& message) {
    snapshots += Is<InstallSnapshot>(message) ? 1 : 0;
    return false;
  });
  cluster.TickAll(5);
  EXPECT_EQ(snapshots, 1);
  EXPECT_EQ(cluster.raft(3).commit(), cluster.raft(2).commit());
}

TEST(SnapshotCluster, SlowNodeRestore) {
  TestCluster cluster(3, NoCache);
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 100; ++i) cluster.Write(1, "a");
  cluster.node(1).Compact(cluster.raft(1).commit());
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.node(3).applied_index(), cluster.node(1).applied_index());
  cluster.Write(1, "b");
  EXPECT_THAT(cluster.Applied(3), ElementsAre("b"));  // since the snapshot
  for (const ProgressStatus& progress : cluster.raft(1).status().progress) {
    EXPECT_EQ(progress.state, ProgressState::kReplicate) << progress.id;
  }
}

TEST(SnapshotCluster, LearnerReceiveSnapshot) {
  TestCluster cluster(2, [](Config& config) {
    NoCache(config);
    config.conf = {.voters = Ids({1}), .learners = Ids({2})};
  });
  cluster.Isolate(2);
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.node(1).Compact(cluster.raft(1).commit());
  cluster.Heal();
  cluster.TickAll(2);
  EXPECT_EQ(cluster.raft(2).commit(), cluster.raft(1).commit());
  EXPECT_EQ(cluster.node(2).applied_index(), LogIndex{2});
  EXPECT_EQ(cluster.node(2).disk().FirstIndex(), LogIndex{3});
}

// A member that has no membership yet takes part as soon as it is sent one.
TEST(SnapshotCluster, AMemberThatWaitsToBeAddedBeginsWithASnapshot) {
  TestCluster cluster(4, [](Config& config) {
    config.conf.voters = config.id == NodeId{4} ? Ids({}) : Ids({1, 2, 3});
  });
  cluster.Elect(1);
  cluster.Write(1, "a");
  cluster.node(1).MakeSnapshot();
  ASSERT_EQ(cluster.raft(1).ProposeConfChange(AddLearner(4)), ProposeResult::kAccepted);
  cluster.Settle();
  cluster.TickAll(2);
  EXPECT_EQ(Describe(cluster.raft(4).conf()), "voters=(1 2 3) learners=(4)");
  EXPECT_EQ(cluster.raft(4).commit(), cluster.raft(1).commit());
  cluster.Write(4, "b");
  EXPECT_THAT(cluster.Applied(2), ElementsAre("a", "b"));
}

// ---------------------------------------------------------------------------------------------
// the follower's side

class SnapshotFollower : public ::testing::Test, protected LoneMember {
 protected:
  void Install(Snapshot snapshot, uint64_t term = 12) {
    Receive(2, term,
            InstallSnapshot{.snapshot = std::make_shared<const Snapshot>(std::move(snapshot))});
  }
  // The one answer that has left.
  AppendResponse Answer() {
    const auto answers = SentOf<AppendResponse>();
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? AppendResponse{} : answers[0];
  }
};

TEST_F(SnapshotFollower, RestoreFromSnapMsg) {
  Start(2);
  Install(At(11, 11, {.voters = Ids({1, 2})}));
  EXPECT_EQ(raft().leader(), NodeId{2});
  EXPECT_EQ(raft().term(), Term{12});
}

TEST_F(SnapshotFollower, Restore) {
  Start(2, DiskWith({1, 1}, 1));
  Install(At(11, 11, {.voters = Ids({1, 2, 3})}));
  const std::optional<Ready> ready = node().TakeReady();
  EXPECT_TRUE(ready->write.must_sync);
  ASSERT_NE(ready->write.snapshot, nullptr);
  EXPECT_EQ(ready->write.snapshot->data.view(), "state");
  EXPECT_EQ(ready->write.hard_state->commit, LogIndex{11});
  EXPECT_THAT(ready->write.entries, IsEmpty());
  EXPECT_THAT(ready->committed, IsEmpty());
  EXPECT_THAT(ready->send_now, IsEmpty());
  EXPECT_EQ(ready->send_after_write.size(), 1u);
  EXPECT_EQ(Answer().index, LogIndex{11});
  EXPECT_EQ(node().disk().last_id(), (EntryId{Term{11}, LogIndex{11}}));
  EXPECT_EQ(raft().commit(), LogIndex{11});
  EXPECT_EQ(raft().status().applied, LogIndex{11});
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3)");
  // Once more: it is told what is here.
  Install(At(11, 11, {.voters = Ids({1, 2, 3})}));
  EXPECT_EQ(node().TakeReady()->write.snapshot, nullptr);
  EXPECT_EQ(Answer().index, LogIndex{11});
}

// While the snapshot is not on the disk, this member has no log to speak of.
TEST_F(SnapshotFollower, NobodyCampaignsBeforeTheSnapshotIsInstalled) {
  Start(3);
  Install(At(11, 11, {.voters = Ids({1, 2, 3})}));
  node().TakeReady();
  Tick(40);
  raft().Campaign();
  Hear(2, TimeoutNow{});
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(raft().term(), Term{12});
  node().Run();
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kCandidate);
}

TEST_F(SnapshotFollower, RestoreWithLearner) {
  Config config = TestConfig(1, 3);
  config.conf = {.voters = Ids({2, 3}), .learners = Ids({1})};
  Start(config);
  Install(At(11, 11, config.conf));
  EXPECT_EQ(Answer().index, LogIndex{11});
  EXPECT_EQ(Describe(raft().conf()), "voters=(2 3) learners=(1)");
  Install(At(11, 11, config.conf));
  EXPECT_EQ(node().TakeReady()->write.snapshot, nullptr);
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kFollower);
}

// A voter of the outgoing half only. It is elected by both halves, or not at all.
TEST_F(SnapshotFollower, RestoreWithVotersOutgoing) {
  const ConfState joint{.voters = Ids({2, 3, 4}), .voters_outgoing = Ids({1, 2, 3})};
  Start(2);
  Install(At(11, 11, joint));
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kFollower);
  EXPECT_EQ(Answer().index, LogIndex{11});
  EXPECT_EQ(Describe(raft().conf()), "voters=(2 3 4)&&(1 2 3)");
  Install(At(11, 11, joint));
  EXPECT_EQ(Answer().index, LogIndex{11});
  BecomeCandidate();
  Hear(2, VoteResponse{.granted = true});
  EXPECT_EQ(raft().role(), Role::kCandidate);  // of 2, 3 and 4 only one
  Hear(4, VoteResponse{.granted = true});
  EXPECT_EQ(raft().role(), Role::kLeader);
}

// The snapshot may hold several changes: this member was removed and came back as a learner.
TEST_F(SnapshotFollower, RestoreVoterToLearner) {
  Start(3);
  Install(At(11, 11, {.voters = Ids({2, 3}), .learners = Ids({1})}));
  EXPECT_EQ(Answer().index, LogIndex{11});
  EXPECT_EQ(Describe(raft().conf()), "voters=(2 3) learners=(1)");
  Tick(40);
  raft().Campaign();
  EXPECT_EQ(raft().role(), Role::kFollower);
}

TEST_F(SnapshotFollower, RestoreLearnerPromotion) {
  Config config = TestConfig(1, 3);
  config.conf = {.voters = Ids({2, 3}), .learners = Ids({1})};
  Start(config);
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kFollower);
  Install(At(11, 11, {.voters = Ids({1, 2, 3})}));
  EXPECT_EQ(Answer().index, LogIndex{11});
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kCandidate);
}

// A snapshot of what is here anyway says only that it is committed.
TEST_F(SnapshotFollower, RestoreIgnoreSnapshot) {
  MemoryLog disk = DiskWith({1, 1, 1}, 1);
  disk.Write({.hard_state = HardState{Term{1}, NodeId{0}, LogIndex{1}}});
  Start(TestConfig(1, 2), std::move(disk));
  Install(At(1, 1, {.voters = Ids({1, 2})}), 1);
  EXPECT_EQ(Answer().index, LogIndex{1});
  EXPECT_EQ(raft().commit(), LogIndex{1});
  Install(At(1, 2, {.voters = Ids({1, 2, 3})}), 1);
  EXPECT_EQ(Answer().index, LogIndex{2});
  EXPECT_EQ(raft().commit(), LogIndex{2});
  EXPECT_EQ(raft().status().last, LogIndex{3});
  EXPECT_EQ(node().applied().size(), 2u);
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2)");  // changes are in the entries
}

// An old leader's entries: all of them go, also those that lie beyond the snapshot.
TEST_F(SnapshotFollower, ASnapshotReplacesALogThatDoesNotAgree) {
  Start(TestConfig(1, 3), DiskWith({1, 1, 1, 1, 1, 1}, 1));
  Install(At(2, 4, {.voters = Ids({1, 2, 3})}), 2);
  EXPECT_EQ(Answer().index, LogIndex{4});
  EXPECT_EQ(raft().status().last, LogIndex{4});
  EXPECT_EQ(Describe(node().disk().entries()), "[]");
  Receive(2, 2,
          AppendRequest{.previous = {Term{2}, LogIndex{4}},
                        .commit = LogIndex{5},
                        .entries = {{Term{2}, LogIndex{5}}}});
  EXPECT_EQ(Answer().index, LogIndex{5});
  EXPECT_EQ(Describe(node().disk().entries()), "[2/5 \"\"]");
  EXPECT_EQ(node().applied_index(), LogIndex{5});
}

// The log goes on behind a snapshot that is not written yet, and both are one write.
TEST_F(SnapshotFollower, EntriesBehindASnapshotAreWrittenWithIt) {
  Start(TestConfig(1, 3), DiskWith({1, 1}, 1));
  Install(At(2, 4, {.voters = Ids({1, 2, 3})}), 2);
  Receive(2, 2,
          AppendRequest{.previous = {Term{2}, LogIndex{4}},
                        .commit = LogIndex{5},
                        .entries = {{Term{2}, LogIndex{5}}, {Term{2}, LogIndex{6}}}});
  const std::optional<Ready> ready = node().TakeReady();
  ASSERT_NE(ready->write.snapshot, nullptr);
  EXPECT_EQ(Describe(ready->write.entries), "[2/5 \"\", 2/6 \"\"]");
  EXPECT_THAT(ready->committed, IsEmpty());
  node().Run();
  EXPECT_EQ(node().applied_index(), LogIndex{5});
  EXPECT_EQ(raft().status().last, LogIndex{6});
}

TEST_F(SnapshotFollower, ASecondSnapshotMayComeBeforeTheFirstIsDurable) {
  Start(TestConfig(1, 3), DiskWith({1, 1}, 1));
  Install(At(2, 4, {.voters = Ids({1, 2, 3})}), 2);
  node().TakeReady();
  Install(At(2, 9, {.voters = Ids({1, 2, 3, 4})}), 2);
  node().TakeReady();
  EXPECT_EQ(node().Acknowledge(), 1u);
  EXPECT_EQ(raft().status().last, LogIndex{9});
  EXPECT_FALSE(node().Apply());
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kFollower);  // the second is not durable
  node().Run();
  EXPECT_EQ(node().disk().last_id(), (EntryId{Term{2}, LogIndex{9}}));
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3 4)");
  EXPECT_EQ(raft().status().applied, LogIndex{9});
}

// Entries of an old leader were being written when the snapshot came. That they are durable then
// says nothing about the log there is.
TEST_F(SnapshotFollower, ALateAcknowledgementDoesNotCoverTheSnapshot) {
  Start(TestConfig(1, 3), DiskWith({1}, 1));
  Receive(3, 1,
          AppendRequest{.previous = {Term{1}, LogIndex{1}},
                        .entries = {{Term{1}, LogIndex{2}}, {Term{1}, LogIndex{3}}}});
  node().TakeReady();
  Install(At(2, 3, {.voters = Ids({1, 2, 3})}), 2);
  node().TakeReady();
  node().Acknowledge();
  for (const Message& message : node().TakeSent()) {
    EXPECT_NE(message.to, NodeId{2}) << Describe(message);
  }
  EXPECT_LT(raft().status().applied, LogIndex{3});
  EXPECT_EQ(Answer().index, LogIndex{3});
}

// Died before the write: the old state and log are all there is.
TEST_F(SnapshotFollower, ACrashBeforeTheWriteKeepsTheOldState) {
  Start(TestConfig(1, 3), DiskWith({1, 1}, 1));
  Install(At(2, 4, {.voters = Ids({1, 2, 3, 4})}), 2);
  node().TakeReady();
  node().Crash();
  node().Restart(2);
  EXPECT_EQ(raft().term(), Term{1});
  EXPECT_EQ(raft().status().last, LogIndex{2});
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3)");
}

TEST_F(SnapshotFollower, RestartFromSnapshot) {
  Start(TestConfig(1, 3));
  Install(At(11, 11, {.voters = Ids({1, 2, 3, 4})}));
  Receive(2, 12,
          AppendRequest{.previous = {Term{11}, LogIndex{11}},
                        .commit = LogIndex{12},
                        .entries = {{Term{12}, LogIndex{12}}}});
  Sent();
  ASSERT_EQ(node().applied_index(), LogIndex{12});
  node().Crash();
  node().Restart(2);
  EXPECT_EQ(raft().commit(), LogIndex{12});
  EXPECT_EQ(raft().status().applied, LogIndex{11});
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3 4)");
  const std::optional<Ready> ready = node().TakeReady();
  EXPECT_EQ(Describe(ready->committed), "[12/12 \"\"]");
  EXPECT_TRUE(ready->write.empty());
  node().Run();
  EXPECT_FALSE(raft().HasReady());
}

// Changes that the snapshot holds may still be handed to the core: the state machine was applying
// them when it came.
TEST_F(SnapshotFollower, ChangesBeforeASnapshotAreInIt) {
  Start(TestConfig(1, 3));
  Receive(2, 1, AppendRequest{.commit = LogIndex{1}, .entries = {ChangeEntry(1, 1, AddVoter(9))}});
  node().TakeReady();
  node().Acknowledge();
  ASSERT_EQ(node().TakeReady()->committed.size(), 1u);
  Install(At(1, 5, {.voters = Ids({1, 2, 3, 4})}), 1);
  const absl::StatusOr<ConfState> conf = raft().ApplyConfChange(LogIndex{1}, AddVoter(9));
  ASSERT_TRUE(conf.ok());
  EXPECT_EQ(Describe(*conf), "voters=(1 2 3 4)");
  raft().OnApplied(LogIndex{1});
  node().Run();
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3 4)");
  EXPECT_EQ(raft().status().applied, LogIndex{5});
}

TEST_F(SnapshotFollower, AMalformedSnapshotIsRefused) {
  const ConfState good{.voters = Ids({1, 2, 3})};
  for (const Snapshot& snapshot :
       {At(0, 0, good), At(11, 0, good), At(0, 11, good), At(13, 11, good),
        At(11, UINT64_MAX, good), At(11, 11, {}), At(11, 11, {.voters = Ids({2, 1})}),
        At(11, 11, {.voters = Ids({0, 1})}),
        At(11, 11, {.voters = Ids({1, 2}), .learners = Ids({2})}),
        At(11, 11, {.voters = Ids({1, 2}), .auto_leave = true})}) {
    Start(3);
    Install(snapshot);
    EXPECT_EQ(raft().status().refused_messages, 1u) << Describe(snapshot.id);
    EXPECT_THAT(Sent(), IsEmpty());
    EXPECT_EQ(raft().status().last, LogIndex{0});
    EXPECT_EQ(Describe(raft().conf()), "voters=(1 2 3)");
  }
}

TEST_F(SnapshotFollower, AMessageWithoutItsSnapshotIsRefused) {
  Start(3);
  Receive(2, 12, InstallSnapshot{});
  EXPECT_EQ(raft().status().refused_messages, 1u);
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST_F(SnapshotFollower, ASnapshotOfADeposedLeaderIsNotInstalled) {
  Start(TestConfig(1, 3), DiskWith({}, 13));
  Install(At(11, 11, {.voters = Ids({1, 2, 3})}));
  const std::vector<Message> sent = Sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].term, Term{13});  // which deposes it
  EXPECT_EQ(raft().status().last, LogIndex{0});
}

TEST_F(SnapshotFollower, AnAppendToAMemberWithoutMembershipIsAnsweredByAskingForASnapshot) {
  Config config = TestConfig(1, 0);
  Start(config);
  Receive(2, 1, AppendRequest{.commit = LogIndex{1}, .entries = {{Term{1}, LogIndex{1}}}});
  const AppendResponse answer = Answer();
  EXPECT_TRUE(answer.rejected);
  EXPECT_TRUE(answer.needs_snapshot);
  EXPECT_EQ(raft().status().last, LogIndex{0});
  Tick(40);
  EXPECT_EQ(raft().role(), Role::kFollower);
  Install(At(1, 1, {.voters = Ids({1, 2})}), 1);
  EXPECT_EQ(Answer().index, LogIndex{1});
  EXPECT_EQ(Describe(raft().conf()), "voters=(1 2)");
}

}  // namespace
}  // namespace keelson::raft
