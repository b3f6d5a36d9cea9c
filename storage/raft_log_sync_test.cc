// What a raft log makes of calls that failed in the process before: of a sync that failed the
// kernel remembers nothing, and the next one succeeds though the data was never written. Each test
// runs with several seeds, because which sectors such a sync has written is drawn.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "storage/crashing_file_system.h"
#include "storage/log_format.h"
#include "storage/raft_log.h"
#include "storage/segment_pool.h"

namespace keelson::storage {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kFirstRecord = kSegmentHeaderBytes + PaddedRecordBytes(32);

class RaftLogSyncTest : public testing::TestWithParam<uint64_t> {
 protected:
  RaftLogSyncTest() {
    options_.directory = "raft";
    options_.segment_bytes = 4096;
    options_.cache_bytes_max = 0;
    options_.background_thread = false;
    options_.file_system = &files_;
    options_.random = &random_;
    log_ = *RaftLog::Create(options_, {1, NodeId(2)});
  }

  // One append with one entry whose record takes `bytes`.
  absl::Status Append(uint64_t index, uint64_t bytes, bool sync, uint64_t term = 1) {
    const std::string data(bytes - kRecordHeaderBytes, static_cast<char>('a' + term));
    const LogAppend append{.records = {{Term(term), LogIndex(index), 0, SharedBytes(data)}},
                           .must_sync = sync};
    return log_->Append({append});
  }
  absl::Status Reopen() {
    log_.reset();
    auto log = RaftLog::Open(options_);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  void LosePower() { End(CrashingFileSystem::Survivors::kNothing); }
  // All that was written is on disk, and nothing says that the end was orderly.
  void Kill() { End(CrashingFileSystem::Survivors::kAll); }

  SeededRandom random_{GetParam()};
  CrashingFileSystem files_{GetParam()};
  RaftLogOptions options_;
  std::unique_ptr<RaftLog> log_;

 private:
  void End(CrashingFileSystem::Survivors survivors) {
    files_.Halt();
    log_.reset();
    files_.Restart(survivors);
  }
};

TEST_P(RaftLogSyncTest, WhatAFailedSyncLeftInTheCacheIsWrittenAgain) {
  ASSERT_TRUE(Append(1, kSector - kFirstRecord, true).ok());
  files_.FailNextSync();
  ASSERT_FALSE(Append(2, 3 * kSector, true).ok());
  log_.reset();
  files_.Revive();  // the process ends, the machine goes on
  ASSERT_TRUE(Reopen().ok());
  ASSERT_EQ(log_->LastIndex(), LogIndex(2));
  // A member now takes entry 2 for durable, and acknowledges it with the next.
  ASSERT_TRUE(Append(3, kSector, true).ok());
  LosePower();
  const absl::Status status = Reopen();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(log_->LastIndex(), LogIndex(3));
}

TEST_P(RaftLogSyncTest, ATornTailIsZeroedUntilThatIsDurable) {
  ASSERT_TRUE(Append(1, kSector - kFirstRecord, true).ok());
  ASSERT_TRUE(Append(2, kSector, false).ok());
  ASSERT_TRUE(Append(3, kSector, false).ok());
  ASSERT_TRUE(Append(4, kSector, false).ok());
  Kill();
  files_.Overwrite(SegmentPath("raft", 1), kSector, std::string(8, 'x'));  // entry 2 was torn
  files_.FailNextSync();
  ASSERT_FALSE(Reopen().ok());
  files_.Revive();
  ASSERT_TRUE(Reopen().ok());
  ASSERT_EQ(log_->LastIndex(), LogIndex(1));
  ASSERT_TRUE(Append(2, kSector, true, 2).ok());
  LosePower();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(2)) << "an entry of the torn tail came back";
}

TEST_P(RaftLogSyncTest, SegmentsThatCannotBeRemovedStayInOrder) {
  for (uint64_t i = 1; i <= 60; ++i) ASSERT_TRUE(Append(i, kSector, true).ok());
  // Each of the changes of the truncation fails once.
  files_.FailAfter(GetParam() - 1, {});
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(58)).ok());
  EXPECT_EQ(files_.failures(), 1u);
  for (uint64_t i = 61; i <= 70; ++i) ASSERT_TRUE(Append(i, kSector, true).ok());
  Kill();
  const absl::Status status = Reopen();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_LE(log_->FirstIndex(), LogIndex(58));
  EXPECT_EQ(log_->LastIndex(), LogIndex(70));
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(69)).ok());
  EXPECT_GT(log_->FirstIndex(), LogIndex(58));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RaftLogSyncTest, testing::Range<uint64_t>(1, 8));

}  // namespace
}  // namespace keelson::storage
