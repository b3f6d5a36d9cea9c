// Inflights, Progress and Tracker: what a leader believes of its followers.
#include "raft/progress.h"

#include <gtest/gtest.h>

#include "raft/inflights.h"
#include "raft/tracker.h"

namespace keelson::raft {
namespace {

LogIndex I(uint64_t index) { return LogIndex{index}; }

TEST(Inflights, IsFullByCountOrByBytes) {
  Inflights by_count({.messages_max = 2, .bytes_max = 1000});
  by_count.Add(I(1), 10);
  EXPECT_FALSE(by_count.IsFull());
  by_count.Add(I(2), 10);
  EXPECT_TRUE(by_count.IsFull());

  Inflights by_bytes({.messages_max = 100, .bytes_max = 25});
  by_bytes.Add(I(1), 24);
  EXPECT_FALSE(by_bytes.IsFull());
  by_bytes.Add(I(2), 100);  // the one that reaches the limit is sent
  EXPECT_TRUE(by_bytes.IsFull());
}

TEST(Inflights, FreesWhatHasArrived) {
  Inflights inflights({.messages_max = 10, .bytes_max = 1000});
  for (uint64_t i = 1; i <= 10; ++i) inflights.Add(I(i * 10), i);
  inflights.FreeThrough(I(9));
  EXPECT_EQ(inflights.count(), 10u);
  inflights.FreeThrough(I(35));
  EXPECT_EQ(inflights.count(), 7u);
  EXPECT_EQ(inflights.bytes(), 55u - 6);
  inflights.FreeThrough(I(1000));
  EXPECT_EQ(inflights.count(), 0u);
  EXPECT_EQ(inflights.bytes(), 0u);
}

TEST(Inflights, GoesRoundAndGrows) {
  Inflights inflights({.messages_max = 100, .bytes_max = 10000});
  uint64_t sent = 0;
  uint64_t arrived = 0;
  for (int round = 0; round < 50; ++round) {
    while (sent - arrived < static_cast<uint64_t>(1 + round)) inflights.Add(I(++sent), 1);
    arrived += 1 + static_cast<uint64_t>(round) / 2;
    inflights.FreeThrough(I(arrived));
    EXPECT_EQ(inflights.count(), sent - arrived);
    EXPECT_EQ(inflights.bytes(), sent - arrived);
  }
}

class ProgressTest : public ::testing::Test {
 protected:
  ProgressTest() { progress_.Reset(I(10)); }
  Progress progress_{NodeId{2}, {.incoming = true}, {.messages_max = 2, .bytes_max = 1000}};
};

TEST_F(ProgressTest, BeginsByProbingAtTheEndOfTheLog) {
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_EQ(progress_.match(), I(0));
  EXPECT_EQ(progress_.next(), I(11));
  EXPECT_FALSE(progress_.IsPaused());
}

TEST_F(ProgressTest, OneProbeAtATime) {
  progress_.OnAppendSent(1, 10, I(5));
  EXPECT_TRUE(progress_.IsPaused());
  EXPECT_EQ(progress_.next(), I(11));
  progress_.OnHeartbeatResponse(I(11));
  EXPECT_FALSE(progress_.IsPaused());
  EXPECT_TRUE(progress_.WantsEmptyAppend(I(5)));
}

TEST_F(ProgressTest, AnAcceptedProbeStartsReplication) {
  progress_.OnAppendSent(0, 0, I(5));
  EXPECT_TRUE(progress_.OnAccepted(I(10), I(1)));
  EXPECT_EQ(progress_.state(), ProgressState::kReplicate);
  EXPECT_EQ(progress_.match(), I(10));
  EXPECT_EQ(progress_.next(), I(11));
}

TEST_F(ProgressTest, ReplicationRunsAheadUntilTheWindowIsFull) {
  progress_.OnAccepted(I(10), I(1));
  progress_.OnAppendSent(2, 20, I(5));
  EXPECT_EQ(progress_.next(), I(13));
  EXPECT_FALSE(progress_.IsPaused());
  progress_.OnAppendSent(1, 10, I(5));
  EXPECT_TRUE(progress_.IsPaused());
  EXPECT_FALSE(progress_.CanTakeEntries());
  EXPECT_TRUE(progress_.OnAccepted(I(12), I(1)));
  EXPECT_FALSE(progress_.IsPaused());
  EXPECT_TRUE(progress_.CanTakeEntries());
  EXPECT_EQ(progress_.inflights().count(), 1u);
}

TEST_F(ProgressTest, ALateAcceptanceChangesNothing) {
  progress_.OnAccepted(I(10), I(1));
  EXPECT_FALSE(progress_.OnAccepted(I(7), I(1)));
  EXPECT_EQ(progress_.match(), I(10));
}

// Neither while probing: it does not say that the probe under way has arrived.
TEST_F(ProgressTest, ALateAcceptanceDoesNotEndProbing) {
  progress_.OnAccepted(I(10), I(1));
  progress_.BecomeProbe();
  progress_.OnAppendSent(0, 0, I(0));
  EXPECT_FALSE(progress_.OnAccepted(I(7), I(1)));
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_TRUE(progress_.IsPaused());
}

TEST_F(ProgressTest, ARejectedProbeGoesBackToTheHint) {
  EXPECT_TRUE(progress_.OnRejected(I(10), I(4)));
  EXPECT_EQ(progress_.next(), I(5));
  EXPECT_FALSE(progress_.OnRejected(I(10), I(2)));  // a duplicate: the probe is elsewhere now
  EXPECT_EQ(progress_.next(), I(5));
}

TEST_F(ProgressTest, ARejectionNeverGoesBelowWhatIsAcknowledged) {
  progress_.OnAccepted(I(8), I(1));
  EXPECT_FALSE(progress_.OnRejected(I(8), I(1)));
  EXPECT_EQ(progress_.state(), ProgressState::kReplicate);
  EXPECT_TRUE(progress_.OnRejected(I(9), I(1)));
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_EQ(progress_.next(), I(9));
  EXPECT_FALSE(progress_.OnRejected(I(10), I(1)));
  EXPECT_TRUE(progress_.OnRejected(I(8), I(1)));
  EXPECT_EQ(progress_.next(), I(9));
}

TEST_F(ProgressTest, AnyHintIsSafe) {
  EXPECT_TRUE(progress_.OnRejected(I(10), I(UINT64_MAX)));
  EXPECT_GE(progress_.next(), I(1));
  EXPECT_LE(progress_.next(), I(11));
}

TEST_F(ProgressTest, TheCommitIndexIsDueOnlyWhileTheMemberCanLearnIt) {
  progress_.OnAccepted(I(10), I(1));
  EXPECT_TRUE(progress_.WantsEmptyAppend(I(10)));
  progress_.OnAppendSent(0, 0, I(9));
  EXPECT_FALSE(progress_.WantsEmptyAppend(I(9)));
  EXPECT_TRUE(progress_.WantsEmptyAppend(I(10)));
  progress_.OnAppendSent(0, 0, I(20));  // it can learn no more than it has
  EXPECT_FALSE(progress_.WantsEmptyAppend(I(20)));
}

TEST(Tracker, LearnersDoNotCount) {
  Tracker tracker({.voters = {NodeId{1}, NodeId{2}, NodeId{3}},
                   .learners = {NodeId{4}, NodeId{5}},
                   .voters_outgoing = {},
                   .learners_next = {}},
                  {});
  tracker.Reset(I(0));
  for (uint64_t id : {1, 4, 5}) {
    tracker.Find(NodeId{id})->OnAccepted(I(7), I(1));
    tracker.Find(NodeId{id})->read_round = 3;
    tracker.RecordVote(NodeId{id}, true);
    tracker.Find(NodeId{id})->recent_active = true;
  }
  EXPECT_EQ(tracker.CommittedIndex(), I(0));
  EXPECT_EQ(tracker.ConfirmedReadRound(), 0u);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kPending);
  EXPECT_FALSE(tracker.TakeQuorumActive(NodeId{1}));
}

TEST(Tracker, TheFirstAnswerOfAMemberCounts) {
  Tracker tracker({.voters = {NodeId{1}, NodeId{2}, NodeId{3}},
                   .learners = {},
                   .voters_outgoing = {},
                   .learners_next = {}},
                  {});
  tracker.Reset(I(0));
  tracker.RecordVote(NodeId{1}, true);
  tracker.RecordVote(NodeId{2}, false);
  tracker.RecordVote(NodeId{2}, true);
  tracker.RecordVote(NodeId{9}, true);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kPending);
  tracker.RecordVote(NodeId{3}, true);
  EXPECT_EQ(tracker.CountVotes(), VoteResult::kWon);
}

TEST(Tracker, ActivityIsCountedAnewEachTime) {
  Tracker tracker({.voters = {NodeId{1}, NodeId{2}, NodeId{3}},
                   .learners = {},
                   .voters_outgoing = {},
                   .learners_next = {}},
                  {});
  tracker.Reset(I(0));
  tracker.Find(NodeId{2})->recent_active = true;
  EXPECT_TRUE(tracker.TakeQuorumActive(NodeId{1}));
  EXPECT_FALSE(tracker.TakeQuorumActive(NodeId{1}));
}

TEST(Inflights, ClearedItTakesAsManyAsAtTheStart) {
  Inflights inflights({.messages_max = 3, .bytes_max = 1000});
  for (uint64_t i = 1; i <= 3; ++i) inflights.Add(I(i), 10);
  ASSERT_TRUE(inflights.IsFull());
  inflights.Clear();
  EXPECT_EQ(inflights.count(), 0u);
  EXPECT_EQ(inflights.bytes(), 0u);
  for (uint64_t i = 1; i <= 3; ++i) {  // also indexes that were there before
    EXPECT_FALSE(inflights.IsFull());
    inflights.Add(I(i), 10);
  }
  EXPECT_TRUE(inflights.IsFull());
}

// A member that has acknowledged 3, and was sent entries up to 4.
class ProgressUpdate : public ProgressTest {
 protected:
  ProgressUpdate() {
    progress_.OnAccepted(I(3), I(1));
    progress_.BecomeReplicate();
    progress_.OnAppendSent(1, 10, I(0));
  }
};

TEST_F(ProgressUpdate, AnAcknowledgementMovesWhatItCovers) {
  EXPECT_FALSE(progress_.OnAccepted(I(2), I(1)));
  EXPECT_FALSE(progress_.OnAccepted(I(3), I(1)));
  EXPECT_EQ(progress_.match(), I(3));
  EXPECT_EQ(progress_.next(), I(5));
  EXPECT_TRUE(progress_.OnAccepted(I(4), I(1)));
  EXPECT_EQ(progress_.match(), I(4));
  EXPECT_EQ(progress_.next(), I(5));
  EXPECT_TRUE(progress_.OnAccepted(I(6), I(1)));
  EXPECT_EQ(progress_.match(), I(6));
  EXPECT_EQ(progress_.next(), I(7));
}

TEST_F(ProgressTest, IsPausedInASnapshotAlways) {
  EXPECT_FALSE(progress_.IsPaused());
  progress_.Pause();
  EXPECT_TRUE(progress_.IsPaused());
  progress_.BecomeReplicate();
  EXPECT_FALSE(progress_.IsPaused());
  progress_.Pause();
  EXPECT_TRUE(progress_.IsPaused());
  progress_.BecomeSnapshot(I(9));
  EXPECT_TRUE(progress_.IsPaused());
  progress_.OnHeartbeatResponse(I(20));
  EXPECT_TRUE(progress_.IsPaused());
}

TEST_F(ProgressTest, AnAnswerOfEitherKindResumes) {
  progress_.OnAppendSent(1, 10, I(0));
  ASSERT_TRUE(progress_.IsPaused());
  EXPECT_TRUE(progress_.OnRejected(I(10), I(8)));
  EXPECT_FALSE(progress_.IsPaused());
  progress_.OnAppendSent(1, 10, I(0));
  ASSERT_TRUE(progress_.IsPaused());
  EXPECT_TRUE(progress_.OnAccepted(I(8), I(1)));
  EXPECT_FALSE(progress_.IsPaused());
}

// Back to probing: behind what is acknowledged, or behind the snapshot if that has arrived.
TEST_F(ProgressTest, BecomeProbe) {
  progress_.OnAccepted(I(1), I(1));
  progress_.OnAppendSent(3, 10, I(0));
  ASSERT_EQ(progress_.state(), ProgressState::kReplicate);
  progress_.BecomeProbe();
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_EQ(progress_.match(), I(1));
  EXPECT_EQ(progress_.next(), I(2));
  EXPECT_EQ(progress_.inflights().count(), 0u);

  progress_.BecomeSnapshot(I(10));
  progress_.OnSnapshotSent(SnapshotResult::kDelivered);
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_EQ(progress_.match(), I(1));
  EXPECT_EQ(progress_.next(), I(11));
  EXPECT_EQ(progress_.pending_snapshot(), I(0));

  progress_.BecomeSnapshot(I(10));
  progress_.OnSnapshotSent(SnapshotResult::kFailed);
  EXPECT_EQ(progress_.state(), ProgressState::kProbe);
  EXPECT_EQ(progress_.match(), I(1));
  EXPECT_EQ(progress_.next(), I(2));
  EXPECT_EQ(progress_.pending_snapshot(), I(0));
  EXPECT_TRUE(progress_.IsPaused());
}

TEST_F(ProgressTest, BecomeReplicate) {
  progress_.OnAccepted(I(1), I(1));
  progress_.BecomeProbe();
  progress_.BecomeReplicate();
  EXPECT_EQ(progress_.state(), ProgressState::kReplicate);
  EXPECT_EQ(progress_.match(), I(1));
  EXPECT_EQ(progress_.next(), I(2));
}

TEST_F(ProgressTest, BecomeSnapshot) {
  progress_.OnAccepted(I(1), I(1));
  progress_.OnAppendSent(1, 10, I(0));
  progress_.BecomeSnapshot(I(10));
  EXPECT_EQ(progress_.state(), ProgressState::kSnapshot);
  EXPECT_EQ(progress_.match(), I(1));
  EXPECT_EQ(progress_.pending_snapshot(), I(10));
  EXPECT_EQ(progress_.inflights().count(), 0u);
  EXPECT_FALSE(progress_.OnRejected(I(1), I(0)));  // of before
  EXPECT_EQ(progress_.state(), ProgressState::kSnapshot);
}

// Whatever snapshot it was that the member has: if the log goes on behind it, so does replication.
TEST_F(ProgressTest, AnAcknowledgementEndsASnapshotIfTheLogGoesOnBehindIt) {
  progress_.BecomeSnapshot(I(10));
  EXPECT_TRUE(progress_.OnAccepted(I(5), I(8)));  // not enough: the log begins at 8
  EXPECT_EQ(progress_.state(), ProgressState::kSnapshot);
  EXPECT_TRUE(progress_.OnAccepted(I(7), I(8)));
  EXPECT_EQ(progress_.state(), ProgressState::kReplicate);
  EXPECT_EQ(progress_.next(), I(8));
  EXPECT_EQ(progress_.pending_snapshot(), I(0));
  progress_.OnSnapshotSent(SnapshotResult::kFailed);  // late
  EXPECT_EQ(progress_.state(), ProgressState::kReplicate);
}

TEST_F(ProgressTest, MaybeDecr) {
  struct Case {
    bool replicate;
    uint64_t match;
    uint64_t next;
    uint64_t rejected;
    uint64_t hint;
    bool news;
    uint64_t then;
  };
  for (const Case& c : {Case{true, 5, 10, 5, 5, false, 10}, Case{true, 5, 10, 4, 4, false, 10},
                        Case{true, 5, 10, 9, 9, true, 6}, Case{false, 0, 10, 5, 5, false, 10},
                        Case{false, 0, 10, 9, 9, true, 9}, Case{false, 0, 2, 1, 1, true, 1},
                        Case{false, 0, 1, 0, 0, true, 1}, Case{false, 0, 10, 9, 2, true, 3},
                        Case{false, 0, 10, 9, 0, true, 1}}) {
    Progress progress(NodeId{2}, {.incoming = true}, {.messages_max = 100});
    progress.Reset(I(c.replicate ? c.match : c.next - 1));
    if (c.replicate) {
      progress.OnAccepted(I(c.match), I(1));
      progress.OnAppendSent(c.next - c.match - 1, 10, I(0));
    }
    ASSERT_EQ(progress.next(), I(c.next));
    EXPECT_EQ(progress.OnRejected(I(c.rejected), I(c.hint)), c.news);
    EXPECT_EQ(progress.match(), I(c.match));
    EXPECT_EQ(progress.next(), I(c.then));
  }
}

}  // namespace
}  // namespace keelson::raft
