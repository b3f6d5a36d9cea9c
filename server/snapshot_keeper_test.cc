#include "server/snapshot_keeper.h"

#include "gtest/gtest.h"
#include "server/cluster_records.h"
#include "server/raft_codec.h"
#include "server/testing/manual_executor.h"
#include "storage/crashing_file_system.h"
#include "storage/memory_store.h"

namespace keelson::server {
namespace {

class SnapshotKeeperTest : public testing::Test {
 protected:
  SnapshotKeeperTest() {
    store_.BeginEntry(LogIndex(1), Term(1));
    raft::ConfState conf;
    conf.voters = {NodeId(1)};
    store_.PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState(conf));
    store_.EndEntry();
    EXPECT_TRUE(store_.CommitBatch().ok());
  }

  // Asks as raft does, all the time. Whether there was a snapshot.
  bool AskFor(absl::Duration time) {
    for (const absl::Duration end = clock_.Now() + time; clock_.Now() < end;) {
      if (keeper_.Take(LogIndex(1)).ok()) return true;
      executor_.Advance(absl::Milliseconds(10));
    }
    return false;
  }

  FakeClock clock_;
  ManualExecutor executor_{&clock_};
  storage::CrashingFileSystem files_{1};
  storage::MemoryStates medium_{files_};
  storage::StoreDirectory directory_ = *storage::StoreDirectory::Open("/states", &files_);
  storage::ReplaceableStore store_{*medium_.Open({.directory = directory_.current()})};
  SnapshotKeeper keeper_{
      {.store = {}, .medium = &medium_},
      {.core = &executor_,
       .worker = &executor_,
       .clock = &clock_,
       .store = &store_,
       .directory = &directory_,
       .send = [this](const raft::Message&, SnapshotKeeper::CheckpointPtr,
                      Snapshots::SendDone done) {
         done(arrives_ ? raft::SnapshotResult::kDelivered : raft::SnapshotResult::kFailed);
       }}};
  bool arrives_ = true;
};

TEST_F(SnapshotKeeperTest, ACheckpointIsThereSoon) { EXPECT_TRUE(AskFor(absl::Milliseconds(50))); }

TEST_F(SnapshotKeeperTest, ACheckpointThatKeepsFailingIsMadeAgainAfterLongerAndLongerPauses) {
  files_.FailAfter(0, {.lasting = true, .under = directory_.current() + "/"});
  EXPECT_FALSE(AskFor(absl::Seconds(1)));
  const uint64_t first = files_.failures();
  EXPECT_GE(first, 3u);
  EXPECT_FALSE(AskFor(absl::Seconds(60)));
  EXPECT_LT(files_.failures() - first, 5 * first) << "sixty times as long";
  files_.Revive();
  EXPECT_TRUE(AskFor(absl::Seconds(11)));
}

TEST_F(SnapshotKeeperTest, ACheckpointThatNeverArrivesWholeIsMadeAnew) {
  const auto send = [this] {
    ASSERT_TRUE(AskFor(absl::Seconds(11)));
    raft::Message message;
    message.body =
        raft::InstallSnapshot{std::make_shared<raft::Snapshot>(*keeper_.Take(LogIndex(1)))};
    keeper_.Send(message, [](raft::SnapshotResult) {});
    executor_.RunPosted();
  };
  for (int i = 0; i < 100; ++i) send();
  EXPECT_TRUE(keeper_.NeededFrom()) << "it arrived each time";
  arrives_ = false;
  for (int i = 0; i < 4; ++i) send();
  EXPECT_TRUE(keeper_.NeededFrom());
  send();
  EXPECT_FALSE(keeper_.NeededFrom()) << "it may be damaged";
  EXPECT_FALSE(keeper_.Take(LogIndex(1)).ok());
  EXPECT_TRUE(AskFor(absl::Seconds(11)));
}

}  // namespace
}  // namespace keelson::server
