// Snapshots between whole members without sockets and threads, on real stores and logs.
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/keelson/command.pb.h"
#include "server/cluster_records.h"
#include "server/testing/core_cluster.h"
#include "server/testing/recording_sink.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using proto::Command;
using ::testing::HasSubstr;

class MemberSnapshotTest : public testing::Test {
 protected:
  MemberSnapshotTest() {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
    for (int n = 1; n <= 3; ++n) {
      cluster_.Crash(n);
    }
    cluster_.KeepInLog(10);
    for (int n = 1; n <= 3; ++n) cluster_.Start(n);
    leader_ = cluster_.AwaitLeader();
    EXPECT_NE(leader_, 0);
    away_ = leader_ % 3 + 1;
  }

  bool Put(int n, const std::string& key, const std::string& value) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    auto done = std::make_shared<std::string>();
    cluster_.core(n).Submit(Command::kPutFieldNumber, request.SerializeAsString(),
                            [done](const Answer& answer) { *done = answer.status.ToString(); });
    cluster_.RunUntil([&] { return !done->empty(); });
    return *done == "OK";
  }
  void Compact(int n, int64_t revision) {
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    bool done = false;
    cluster_.core(n).Submit(Command::kCompactionFieldNumber, request.SerializeAsString(),
                            [&done](const Answer&) { done = true; });
    ASSERT_TRUE(cluster_.RunUntil([&] { return done; }));
  }
  // Writes through the leader until neither its log nor the raft core's memory holds what a member
  // that applied `applied` needs.
  void WriteBeyondTheLog(LogIndex applied) {
    uint64_t bytes = 0;
    for (int i = 0; cluster_.log(leader_).FirstIndex() <= applied + 1 ||
                    bytes <= raft::Config().cache_bytes_max + kLarge;
         ++i) {
      ASSERT_LT(i, 200) << "the log is never cut";
      ASSERT_TRUE(Put(leader_, "key" + std::to_string(i % 7), std::string(kLarge, 'x')));
      bytes += kLarge;
      cluster_.Run(absl::Milliseconds(120));  // past the members' housekeeping
    }
    ASSERT_TRUE(Put(leader_, "last", "written"));
  }
  void Leave() {
    away_applied_ = cluster_.store(away_).applied();
    cluster_.Isolate(away_, Link::kDown);
    WriteBeyondTheLog(away_applied_);
  }
  void Return() { cluster_.Isolate(away_, Link::kUp); }
  bool CaughtUp() {
    return cluster_.RunUntil(
        [this] { return cluster_.store(away_).applied() == cluster_.store(leader_).applied(); });
  }
  void ExpectEqual() {
    const auto hash = [this](int n) { return cluster_.store(n).HashKv(Revision())->hash; };
    EXPECT_EQ(hash(away_), hash(leader_));
    EXPECT_EQ(cluster_.store(away_).revision(), cluster_.store(leader_).revision());
    EXPECT_EQ(cluster_.store(away_).FindRecord(storage::Table::kCluster, kNameKey),
              std::to_string(away_))
        << "it has taken over who another member is";
    EXPECT_TRUE(cluster_.fatal(away_).ok()) << cluster_.fatal(away_);
  }

  static constexpr uint64_t kLarge = 1 << 20;

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  CoreCluster cluster_{3, seed_};
  int leader_ = 0;
  int away_ = 0;
  LogIndex away_applied_;
};

TEST_F(MemberSnapshotTest, AMemberTheLogDoesNotReachComesBackAndTakesPart) {
  Leave();
  Return();
  ASSERT_TRUE(CaughtUp());
  EXPECT_EQ(cluster_.snapshots_sent(), 1);
  EXPECT_GT(cluster_.log(away_).FirstIndex(), away_applied_ + 1);
  ExpectEqual();
  // It counts: with it and without the third one there is a quorum.
  cluster_.Isolate(6 - leader_ - away_, Link::kDown);
  EXPECT_TRUE(Put(leader_, "after", "1"));
  EXPECT_TRUE(Put(away_, "after", "2"));
  // What it installed survives.
  cluster_.Crash(away_);
  cluster_.Start(away_);
  ASSERT_TRUE(CaughtUp());
  ExpectEqual();
  EXPECT_EQ(cluster_.snapshots_sent(), 1);
}

TEST_F(MemberSnapshotTest, AMemberThatIsALittleBehindGetsEntriesOnly) {
  cluster_.Isolate(away_, Link::kDown);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Put(leader_, "key", "value"));
  Return();
  ASSERT_TRUE(CaughtUp());
  EXPECT_EQ(cluster_.snapshots_sent(), 0);
}

TEST_F(MemberSnapshotTest, ADamagedSnapshotIsRefusedAndSentAgain) {
  Leave();
  cluster_.DamageSnapshots(2);
  Return();
  ASSERT_TRUE(CaughtUp());
  EXPECT_EQ(cluster_.snapshots_sent(), 3);
  ExpectEqual();
}

// Its files, or the sums of them, may have been read wrongly when it was made.
TEST_F(MemberSnapshotTest, ACheckpointThatNobodyCanTakeIsReplaced) {
  Leave();
  cluster_.DamageNextCheckpoint();
  Return();
  ASSERT_TRUE(CaughtUp());
  ExpectEqual();
}

// 1. the state that arrived takes the place of the old one   2. crash   3. the log is not reset
TEST_F(MemberSnapshotTest, ACrashBetweenStateAndLogIsMendedAtTheStart) {
  Leave();
  cluster_.log_writer(away_).Hold();
  Return();
  ASSERT_TRUE(
      cluster_.RunUntil([&] { return cluster_.store(away_).applied() > away_applied_ + 1; }));
  ASSERT_LT(cluster_.log(away_).LastIndex(), cluster_.store(away_).applied());
  const LogIndex installed = cluster_.store(away_).applied();
  cluster_.Crash(away_);
  cluster_.Isolate(away_, Link::kDown);
  cluster_.Start(away_);
  EXPECT_EQ(cluster_.store(away_).applied(), installed);
  EXPECT_EQ(cluster_.log(away_).FirstIndex(), installed + 1);
  EXPECT_GE(cluster_.log(away_).state().term, cluster_.store(away_).applied_term());
  Return();
  ASSERT_TRUE(CaughtUp());
  EXPECT_EQ(cluster_.snapshots_sent(), 1);
  ExpectEqual();
}

TEST_F(MemberSnapshotTest, ACrashBeforeTheStateIsInPlaceLeavesTheOldOne) {
  Leave();
  cluster_.HoldWorker(away_);
  Return();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.snapshots_sent() == 1; }));
  cluster_.Crash(away_);
  cluster_.Isolate(away_, Link::kDown);
  cluster_.Start(away_);
  EXPECT_LE(cluster_.store(away_).applied(), away_applied_ + 1);
  Return();
  ASSERT_TRUE(CaughtUp());
  ExpectEqual();
}

TEST_F(MemberSnapshotTest, ASnapshotThatFindsNoRoomIsInstalledWhenThereIsSome) {
  Leave();
  cluster_.files(away_).SetFull(true);
  Return();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.files(away_).refused() >= 3; }));
  EXPECT_TRUE(cluster_.fatal(away_).ok()) << cluster_.fatal(away_);
  EXPECT_LE(cluster_.store(away_).applied(), away_applied_ + 1) << "the old state serves on";
  EXPECT_TRUE(Put(leader_, "meanwhile", "others go on"));
  cluster_.files(away_).SetFull(false);
  ASSERT_TRUE(CaughtUp());
  EXPECT_EQ(cluster_.snapshots_sent(), 1);
  ExpectEqual();
}

TEST_F(MemberSnapshotTest, AMemberEndsWhileASnapshotWaitsForRoomAndComesBack) {
  Leave();
  cluster_.files(away_).SetFull(true);
  Return();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.files(away_).refused() > 0; }));
  cluster_.core(away_).Stop();
  cluster_.Run(absl::Seconds(3));
  cluster_.Crash(away_);
  cluster_.Start(away_);
  ASSERT_TRUE(CaughtUp());
  ExpectEqual();
}

TEST_F(MemberSnapshotTest, WatchersGoOnFromTheNewStateOnceAndInOrder) {
  RecordingSink sink;
  const auto stream = cluster_.core(away_).watch_hub().Open(&sink);
  etcdserverpb::WatchCreateRequest request;
  request.set_key("last");
  stream->Create(request);
  ASSERT_TRUE(Put(leader_, "last", "first"));
  ASSERT_TRUE(CaughtUp());
  cluster_.Settle();
  EXPECT_THAT(sink.Take(), HasSubstr("put last=first"));
  Leave();
  Return();
  ASSERT_TRUE(CaughtUp());
  ASSERT_EQ(cluster_.snapshots_sent(), 1);
  ASSERT_TRUE(Put(leader_, "last", "more"));
  ASSERT_TRUE(CaughtUp());
  cluster_.Settle();
  std::string events;
  for (const auto& response : sink.TakeResponses()) {
    EXPECT_FALSE(response.canceled());
    for (const auto& event : response.events()) events += RecordingSink::Describe(event) + "; ";
  }
  EXPECT_EQ(events, "put last=written; put last=more; ");
}

TEST_F(MemberSnapshotTest, AWatcherWhoseNextRevisionIsCompactedIsTold) {
  RecordingSink sink;
  const auto stream = cluster_.core(away_).watch_hub().Open(&sink);
  etcdserverpb::WatchCreateRequest request;
  request.set_key("last");
  stream->Create(request);
  sink.Take();
  Leave();
  const int64_t revision = cluster_.store(leader_).revision().value();
  Compact(leader_, revision);
  WriteBeyondTheLog(cluster_.store(leader_).applied());
  Return();
  ASSERT_TRUE(CaughtUp());
  cluster_.Settle();
  EXPECT_THAT(sink.Take(), HasSubstr("canceled @0 compacted " + std::to_string(revision)));
}

TEST_F(MemberSnapshotTest, LeasesComeWithTheSnapshot) {
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_id(7);
  grant.set_ttl(600);
  cluster_.Isolate(away_, Link::kDown);
  bool granted = false;
  cluster_.core(leader_).Submit(Command::kLeaseGrantFieldNumber, grant.SerializeAsString(),
                                [&granted](const Answer& a) { granted = a.status.ok(); });
  ASSERT_TRUE(cluster_.RunUntil([&] { return granted; }));
  Leave();
  Return();
  ASSERT_TRUE(CaughtUp());
  EXPECT_TRUE(cluster_.store(away_).FindLease(LeaseId(7)));
  EXPECT_EQ(cluster_.store(away_).FindLease(LeaseId(7))->granted_ttl, 600);
}

TEST_F(MemberSnapshotTest, AReceiverThatIsNotThereHoldsUpNeitherDiskNorLog) {
  Leave();
  // It answers heartbeats, but no snapshot arrives.
  cluster_.DamageSnapshots(1000000);
  Return();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.snapshots_sent() > 3; }));
  cluster_.Isolate(away_, Link::kDown);
  cluster_.Run(absl::Seconds(30));
  // The checkpoint it was sent is given up, and the log goes on being cut.
  EXPECT_EQ(cluster_.core(leader_).snapshots()->NeededFrom(), std::nullopt);
  WriteBeyondTheLog(cluster_.store(leader_).applied());
}

TEST_F(MemberSnapshotTest, EvenOneThatIsAskedForAllTheTimeIsGivenUpWhenItIsOld) {
  Leave();
  cluster_.DamageSnapshots(1000000);
  Return();
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.snapshots_sent() > 3; }));
  const auto needed = cluster_.core(leader_).snapshots()->NeededFrom();
  ASSERT_TRUE(needed.has_value());
  ASSERT_TRUE(Put(leader_, "key", "value"));
  ASSERT_TRUE(cluster_.RunUntil(
      [&] { return cluster_.core(leader_).snapshots()->NeededFrom() > needed; }, absl::Minutes(2)));
}

TEST_F(MemberSnapshotTest, ALeaderWhoseLogHangsHandsOver) {
  cluster_.log_writer(leader_).Hold();
  const absl::Duration began = cluster_.clock().Now();
  bool asked = false;
  cluster_.core(leader_).Submit(Command::kPutFieldNumber, "",
                                [&asked](const Answer&) { asked = true; });
  const int before = leader_;
  ASSERT_TRUE(cluster_.RunUntil([&] {
    const int now = cluster_.Leader();
    return now != 0 && now != before;
  }));
  EXPECT_LE(cluster_.clock().Now() - began, 2 * cluster_.core(before).options().election_timeout());
  leader_ = cluster_.AwaitLeader();
  EXPECT_NE(leader_, before);
  EXPECT_TRUE(Put(leader_, "key", "value"));
  cluster_.log_writer(before).Release();
  away_ = before;
  EXPECT_TRUE(CaughtUp());
}

}  // namespace
}  // namespace keelson::server
