#include "storage/raft_log.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/coding.h"
#include "base/crc32c.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/crashing_file_system.h"
#include "storage/log_format.h"
#include "storage/raft_log_contract.h"
#include "storage/segment_pool.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSmallSegment = 2048;

// ------------------------------------------------------------------------------------ the contract

class RealFilesHarness final : public RaftLogHarness {
 public:
  explicit RealFilesHarness(RaftLogOptions options) : options_(std::move(options)) {
    options_.directory = directory_.File("raft");
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Create(const LogIdentity& identity) override {
    return RaftLog::Create(options_, identity);
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Open() override { return RaftLog::Open(options_); }
  void Crash(std::unique_ptr<RaftLog> log) override { log.reset(); }

 private:
  const TemporaryDirectory directory_;
  RaftLogOptions options_;
};

class CrashingFilesHarness final : public RaftLogHarness {
 public:
  explicit CrashingFilesHarness(RaftLogOptions options) : options_(std::move(options)) {
    options_.directory = "raft";
    options_.file_system = &files_;
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Create(const LogIdentity& identity) override {
    return RaftLog::Create(options_, identity);
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Open() override { return RaftLog::Open(options_); }
  void Crash(std::unique_ptr<RaftLog> log) override {
    files_.Halt();
    log.reset();
    files_.Restart(CrashingFileSystem::Survivors::kNothing);
  }

 private:
  CrashingFileSystem files_{1};
  RaftLogOptions options_;
};

template <typename Harness>
std::unique_ptr<RaftLogHarness> Make(uint64_t segment_bytes, uint64_t cache_bytes_max,
                                     bool background_thread) {
  RaftLogOptions options;
  options.segment_bytes = segment_bytes;
  options.cache_bytes_max = cache_bytes_max;
  options.background_thread = background_thread;
  return std::make_unique<Harness>(options);
}

INSTANTIATE_TEST_SUITE_P(RealFiles, RaftLogContract, testing::Values([] {
                           return Make<RealFilesHarness>(1 << 20, 1 << 20, true);
                         }));
INSTANTIATE_TEST_SUITE_P(SmallSegments, RaftLogContract, testing::Values([] {
                           return Make<RealFilesHarness>(kSmallSegment, 1 << 20, true);
                         }));
INSTANTIATE_TEST_SUITE_P(CrashingFiles, RaftLogContract, testing::Values([] {
                           return Make<CrashingFilesHarness>(kSmallSegment, 1 << 20, true);
                         }));
INSTANTIATE_TEST_SUITE_P(NeitherCacheNorThread, RaftLogContract, testing::Values([] {
                           return Make<CrashingFilesHarness>(kSmallSegment, 0, false);
                         }));

// ------------------------------------------------------------------------------ damage and crashes

// A log on a disk that can be torn. Entries are 104-byte records ("padded to 8"), appended one at a
// time unless the test says otherwise.
class RaftLogFaultTest : public testing::Test {
 protected:
  static constexpr uint64_t kOpeningBytes = PaddedRecordBytes(32);
  static constexpr uint64_t kFirstRecord = kSegmentHeaderBytes + kOpeningBytes;
  static constexpr uint64_t kEntryBytes = PaddedRecordBytes(60);

  RaftLogFaultTest() {
    options_.directory = "raft";
    options_.segment_bytes = kSmallSegment;
    options_.cache_bytes_max = 0;
    options_.background_thread = false;
    options_.file_system = &files_;
    options_.random = &random_;
    log_ = *RaftLog::Create(options_, {1, NodeId(2)});
  }

  LogAppend Entries(uint64_t first, uint64_t last, bool sync, uint64_t term = 1) {
    LogAppend append{.state = std::nullopt, .records = {}, .must_sync = sync};
    for (uint64_t i = first; i <= last; ++i) {
      std::string data = "entry " + std::to_string(i) + " of term " + std::to_string(term);
      data.resize(60, '.');
      append.records.push_back({Term(term), LogIndex(i), 0, SharedBytes(std::move(data))});
    }
    return append;
  }
  void Append(uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; ++i) {
      ASSERT_TRUE(log_->Append({Entries(i, i, true)}).ok());
    }
  }
  void AppendUnsynced(uint64_t first, uint64_t last) {
    ASSERT_TRUE(log_->Append({Entries(first, last, false)}).ok());
  }
  // The process ends, all it wrote is on disk, and nothing there says that the end was orderly.
  void Kill() {
    files_.Halt();
    log_.reset();
    files_.Restart(CrashingFileSystem::Survivors::kAll);
  }
  void Close() { log_.reset(); }
  static std::string Path(uint64_t segment) { return SegmentPath("raft", segment); }
  void DamageAt(uint64_t segment, uint64_t offset) {
    files_.Overwrite(Path(segment), offset, std::string(8, '\x5a'));
  }
  static uint64_t EntryOffset(uint64_t position) { return kFirstRecord + position * kEntryBytes; }
  absl::Status Reopen() {
    log_.reset();
    auto log = RaftLog::Open(options_);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  std::vector<std::string> Names() { return files_.List("raft").value(); }

  CrashingFileSystem files_{1};
  SeededRandom random_{1};
  RaftLogOptions options_;
  std::unique_ptr<RaftLog> log_;
};

TEST_F(RaftLogFaultTest, TornTailIsDroppedButTornMiddleIsDataLoss) {
  Append(1, 3);
  Kill();
  DamageAt(1, EntryOffset(2) + 60);
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(2));
  Append(3, 4);
  Kill();
  DamageAt(1, EntryOffset(1) + 60);
  const absl::Status status = Reopen();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path(1)));
  EXPECT_THAT(std::string(status.message()), HasSubstr("offset " + std::to_string(EntryOffset(1))));
}

TEST_F(RaftLogFaultTest, DamagedLastRecordIsDataLossAfterAnOrderlyEnd) {
  Append(1, 3);
  Close();
  DamageAt(1, EntryOffset(2) + 60);
  EXPECT_TRUE(absl::IsDataLoss(Reopen()));
}

// A sync writes the pages of a group in any order. Power fails when only the later ones are down:
// there is a valid record after a bad one, and nothing is lost that anybody was told of.
TEST_F(RaftLogFaultTest, UnsyncedGroupOfWhichTheEndIsOnDiskIsDropped) {
  Append(1, 2);
  ASSERT_TRUE(log_->Append({Entries(3, 3, false), Entries(4, 4, false)}).ok());
  Kill();
  DamageAt(1, EntryOffset(2));
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(2));
}

TEST_F(RaftLogFaultTest, DroppedTailDoesNotComeBackBehindNewRecords) {
  Append(1, 2);
  ASSERT_TRUE(log_->Append({Entries(3, 3, false), Entries(4, 4, false)}).ok());
  Kill();
  DamageAt(1, EntryOffset(2) + 60);
  ASSERT_TRUE(Reopen().ok());
  ASSERT_TRUE(log_->Append({Entries(3, 3, true, 7)}).ok());  // ends where the old entry 4 begins
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(3));
  EXPECT_EQ(log_->TermAt(LogIndex(3)), Term(7));
}

TEST_F(RaftLogFaultTest, AppendIsFoundWholeOrNotAtAll) {
  Append(1, 2);
  AppendUnsynced(3, 6);
  Kill();
  DamageAt(1, EntryOffset(5) + 60);
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(2));
}

TEST_F(RaftLogFaultTest, DamageInASealedSegmentIsDataLoss) {
  Append(1, 40);
  Kill();
  for (const uint64_t offset : {EntryOffset(0), EntryOffset(3) + 60}) {
    const std::string before = files_.Content(Path(2));
    DamageAt(2, offset);
    EXPECT_TRUE(absl::IsDataLoss(Reopen()));
    files_.Overwrite(Path(2), 0, before);
  }
  EXPECT_TRUE(Reopen().ok());
}

TEST_F(RaftLogFaultTest, DamagedLastRecordOfASealedSegmentIsDataLoss) {
  Append(1, 40);
  Kill();
  uint64_t last = 0;
  const std::string content = files_.Content(Path(1));
  const auto header = DecodeSegmentHeader(content);
  ASSERT_TRUE(header.ok());
  for (uint64_t at = kSegmentHeaderBytes;
       const auto record = ParseRecord(RecordSalt(header->salt), content.substr(at));) {
    last = at;
    at += record->padded_bytes;
  }
  DamageAt(1, last);
  EXPECT_TRUE(absl::IsDataLoss(Reopen()));
}

TEST_F(RaftLogFaultTest, DamagedHeaderAndMissingSegmentAreDataLoss) {
  Append(1, 60);
  Kill();
  const std::string before = files_.Content(Path(2));
  DamageAt(2, 20);
  EXPECT_TRUE(absl::IsDataLoss(Reopen()));
  files_.Overwrite(Path(2), 0, before);
  files_.Delete(Path(2));
  const absl::Status status = Reopen();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path(2)));
}

TEST_F(RaftLogFaultTest, SegmentOfAnotherMemberIsDataLoss) {
  Append(1, 60);
  Kill();
  SegmentHeader header = *DecodeSegmentHeader(files_.Content(Path(2)));
  header.identity.member_id = NodeId(3);
  files_.Overwrite(Path(2), 0, EncodeSegmentHeader(header));
  EXPECT_TRUE(absl::IsDataLoss(Reopen()));
}

TEST_F(RaftLogFaultTest, NewerFormatIsRefused) {
  Append(1, 2);
  Kill();
  std::string header = files_.Content(Path(1)).substr(0, kSegmentHeaderBytes);
  StoreLittle32(header.data() + 8, kLogFormat + 1);
  StoreLittle32(header.data() + 60, Crc32c(std::string_view(header).substr(0, 60)));
  files_.Overwrite(Path(1), 0, header);
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RaftLogFaultTest, RecycledSegmentShowsNothingOfItsPast) {
  uint64_t next = 1;
  for (int round = 0; round < 6; ++round) {
    Append(next, next + 39);
    next += 40;
    ASSERT_TRUE(log_->TruncatePrefix(LogIndex(next)).ok());
  }
  EXPECT_GT(files_.List("raft")->size(), 1u);
  EXPECT_LE(log_->SizeOnDisk(), 6 * kSmallSegment);
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(next - 1));
  Append(next, next + 1);
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(next + 1));
}

TEST_F(RaftLogFaultTest, DropKeepsWhatAnOverwrittenTailLeft) {
  Append(1, 30);
  ASSERT_TRUE(log_->Append({Entries(25, 26, true, 2)}).ok());
  for (uint64_t i = 27; i <= 50; ++i) ASSERT_TRUE(log_->Append({Entries(i, i, true, 2)}).ok());
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(25)).ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_LE(log_->FirstIndex(), LogIndex(25));
    EXPECT_EQ(log_->TermAt(LogIndex(24)), Term(1));
    EXPECT_EQ(log_->TermAt(LogIndex(25)), Term(2));
    EXPECT_EQ(log_->Read(LogIndex(25), LogIndex(51), 1 << 20)->size(), 26u);
    Kill();
    ASSERT_TRUE(Reopen().ok());
  }
}

TEST_F(RaftLogFaultTest, FailedSyncPoisonsTheLog) {
  Append(1, 2);
  files_.FailNextSync();
  const absl::Status failed = log_->Append({Entries(3, 3, true)});
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(log_->Append({Entries(3, 3, true)}), failed);
  EXPECT_EQ(log_->TruncatePrefix(LogIndex(1)), failed);
  EXPECT_EQ(log_->Read(LogIndex(1), LogIndex(2), 100).status(), failed);
  EXPECT_EQ(log_->LastIndex(), LogIndex(2));
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_GE(log_->LastIndex(), LogIndex(2));
}

// ---- a disk that is full

class RaftLogFullDiskTest : public RaftLogFaultTest {
 protected:
  void FillDisk() { files_.SetCapacity(0); }
  void MakeRoom() { files_.SetCapacity(uint64_t{1} << 40); }
  // Appends single entries until one is refused; returns the first that was not written.
  uint64_t AppendUntilFull(uint64_t first) {
    while (true) {
      const absl::Status status = log_->Append({Entries(first, first, true)});
      if (absl::IsResourceExhausted(status)) return first;
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return first;
      ++first;
    }
  }
};

TEST_F(RaftLogFullDiskTest, WhatTheSegmentHasRoomForIsTakenAndTheRestWhenThereIsRoom) {
  Append(1, 2);
  FillDisk();
  const uint64_t refused = AppendUntilFull(3);
  EXPECT_GT(refused, 4u);
  EXPECT_EQ(log_->LastIndex(), LogIndex(refused - 1));
  EXPECT_EQ(log_->Read(LogIndex(1), LogIndex(refused), 1 << 20)->size(), refused - 1);
  EXPECT_TRUE(absl::IsResourceExhausted(log_->Append({Entries(refused, refused, true)})));
  MakeRoom();
  Append(refused, refused + 20);
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(refused + 20));
}

TEST_F(RaftLogFullDiskTest, ACrashOnAFullDiskLosesOnlyWhatWasRefused) {
  FillDisk();
  const uint64_t refused = AppendUntilFull(1);
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(refused - 1));
  MakeRoom();
  Append(refused, refused + 20);
}

// A group that is larger than a segment grows its file, and the disk is full in the middle of it.
TEST_F(RaftLogFullDiskTest, AGroupThatWasWrittenInPartIsRepeatedOrForgotten) {
  for (const bool crash : {false, true}) {
    SCOPED_TRACE(crash);
    const LogIndex last = log_->LastIndex();
    const uint64_t first = last.value() + 1;
    MakeRoom();
    const uint64_t free_at_first = files_.FreeBytes("raft").value();
    ASSERT_TRUE(log_->Append({Entries(first, first, true, 2)}).ok());
    const uint64_t used = (uint64_t{1} << 40) - free_at_first;
    // Room for the next segment and part of what goes beyond it.
    files_.SetCapacity(used + 2 * kSmallSegment + 1000);
    const LogAppend more = Entries(first + 1, first + 91, true, 2);
    ASSERT_TRUE(absl::IsResourceExhausted(log_->Append({more})));
    EXPECT_EQ(log_->LastIndex(), LogIndex(first));
    MakeRoom();
    if (crash) {
      Kill();
      ASSERT_TRUE(Reopen().ok());
      EXPECT_EQ(log_->LastIndex(), LogIndex(first));
    }
    ASSERT_TRUE(log_->Append({more}).ok());
    Kill();
    ASSERT_TRUE(Reopen().ok());
    EXPECT_EQ(log_->LastIndex(), LogIndex(first + 91));
    EXPECT_EQ(log_->TermAt(LogIndex(first + 91)), Term(2));
  }
}

// Its first record says where the log is cut; what follows makes no sense without it.
TEST_F(RaftLogFullDiskTest, AGroupThatWasWrittenInPartIsForgottenAfterAnOrderlyEnd) {
  Append(1, 2);
  for (uint64_t term = 2; term < 50; ++term) {
    const uint64_t last = log_->LastIndex().value();
    const std::vector<LogAppend> group = {Entries(last, last, true, term),
                                          Entries(last + 1, last + 1, true, term),
                                          Entries(last + 2, last + 2, true, term)};
    files_.FailNextWrite(absl::ResourceExhaustedError("no space"));
    ASSERT_TRUE(absl::IsResourceExhausted(log_->Append(group)));
    Close();
    const absl::Status opened = Reopen();
    ASSERT_TRUE(opened.ok()) << opened;
    // Appends that were written whole may be there.
    EXPECT_LT(log_->LastIndex(), LogIndex(last + 2));
  }
}

TEST_F(RaftLogFullDiskTest, AnAttemptAtASegmentLeavesNothingBehind) {
  files_.SetCapacity(1 << 30);
  FillDisk();
  AppendUntilFull(1);
  EXPECT_THAT(Names(), testing::Not(testing::Contains(testing::EndsWith(".tmp"))));
}

TEST_F(RaftLogFullDiskTest, ALogThatIsCutMakesRoomForWhatWasRefused) {
  const LogState state{Term(1), NodeId(2), LogIndex(0)};
  ASSERT_TRUE(log_->Append({{.state = state, .records = {}, .must_sync = true}}).ok());
  Append(1, 100);
  FillDisk();
  const uint64_t refused = AppendUntilFull(101);
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(refused)).ok());
  EXPECT_GT(log_->FirstIndex(), LogIndex(1));
  Append(refused, refused + 20);  // the disk is as full as before
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(refused + 20));
  EXPECT_EQ(log_->state(), state);
}

// The segment that was begun for the refused group says nothing: the one before stays for its
// state.
TEST_F(RaftLogFullDiskTest, ALogIsCutUpToTheSegmentBeforeOneThatHoldsNothingYet) {
  const LogState state{Term(1), NodeId(2), LogIndex(0)};
  ASSERT_TRUE(log_->Append({{.state = state, .records = {}, .must_sync = true}}).ok());
  Append(1, 100);
  const uint64_t used = (uint64_t{1} << 62) - files_.FreeBytes("raft").value();
  files_.SetCapacity(used + 2 * kSmallSegment + 1000);
  ASSERT_TRUE(absl::IsResourceExhausted(log_->Append({Entries(101, 191, true)})));
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(101)).ok());
  EXPECT_GT(log_->FirstIndex(), LogIndex(70));
  EXPECT_LE(log_->FirstIndex(), LogIndex(100));
  Kill();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(100));
  EXPECT_EQ(log_->state(), state);
}

TEST_F(RaftLogFullDiskTest, TheThreadThatMakesSegmentsGoesOnByItself) {
  log_.reset();
  options_.background_thread = true;
  ASSERT_TRUE(Reopen().ok());
  FillDisk();
  const uint64_t refused = AppendUntilFull(1);
  MakeRoom();
  absl::Status status;
  do {  // it is tried again five times a second
    status = log_->Append({Entries(refused, refused, true)});
    std::this_thread::yield();
  } while (absl::IsResourceExhausted(status));
  EXPECT_TRUE(status.ok()) << status;
  Append(refused + 1, refused + 100);
}

TEST_F(RaftLogFullDiskTest, ASyncThatFailsForWantOfRoomIsFinal) {
  Append(1, 2);
  files_.FailNextSync(absl::ResourceExhaustedError("no space"));
  const absl::Status failed = log_->Append({Entries(3, 3, true)});
  EXPECT_FALSE(failed.ok());
  EXPECT_FALSE(absl::IsResourceExhausted(failed)) << "it must not be repeated";
  EXPECT_EQ(log_->Append({Entries(3, 3, true)}), failed);
}

TEST_F(RaftLogFaultTest, FailedWritePoisonsTheLog) {
  Append(1, 2);
  files_.FailNextWrite();
  const absl::Status failed = log_->Append({Entries(3, 3, false)});
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(log_->Append({}), failed);
}

TEST_F(RaftLogFaultTest, DamageUnderAReaderIsDataLoss) {
  Append(1, 5);
  DamageAt(1, EntryOffset(2) + 50);
  EXPECT_EQ(log_->Read(LogIndex(1), LogIndex(3), 1 << 20)->size(), 2u);
  EXPECT_TRUE(absl::IsDataLoss(log_->Read(LogIndex(1), LogIndex(6), 1 << 20).status()));
}

TEST_F(RaftLogFaultTest, EntryLargerThanASegmentIsWrittenAndRead) {
  std::string large(3 * kSmallSegment, 'x');
  LogAppend append{
      .state = LogState{Term(1), NodeId(1), LogIndex(0)}, .records = {}, .must_sync = true};
  append.records.push_back({Term(1), LogIndex(1), 0, SharedBytes(large)});
  append.records.push_back({Term(1), LogIndex(2), 0, SharedBytes(std::string("small"))});
  ASSERT_TRUE(log_->Append({append}).ok());
  ASSERT_TRUE(log_->Append({Entries(3, 3, true)}).ok());
  for (int round = 0; round < 2; ++round) {
    const auto records = log_->Read(LogIndex(1), LogIndex(4), 1 << 20);
    ASSERT_TRUE(records.ok()) << records.status();
    EXPECT_EQ(records->at(0).data.view(), large);
    EXPECT_EQ(records->at(1).data.view(), "small");
    Kill();
    ASSERT_TRUE(Reopen().ok());
  }
}

TEST_F(RaftLogFaultTest, SecondOpenerIsRefused) {
  EXPECT_TRUE(absl::IsUnavailable(RaftLog::Open(options_).status()));
}

TEST_F(RaftLogFaultTest, UnfinishedCreationLeavesNoLog) {
  Close();
  for (const std::string& name : Names()) files_.Delete("raft/" + name);
  files_.FailNextSync();
  EXPECT_FALSE(RaftLog::Create(options_, {1, NodeId(2)}).ok());
  EXPECT_FALSE(RaftLog::Exists("raft", &files_));
  EXPECT_TRUE(RaftLog::Create(options_, {1, NodeId(2)}).ok());
}

// --------------------------------------------------------------------------------- random crashes

// Random appends, truncations and crashes; after each crash the log must be what it was after some
// append between the last synced one and the last one made.
class RandomCrashes {
 public:
  explicit RandomCrashes(uint64_t seed) : random_(seed), files_(seed), salts_(seed) {
    options_.directory = "raft";
    options_.segment_bytes = 1024 + Below(4) * 2048;
    options_.cache_bytes_max = Below(2) * 2000;
    options_.background_thread = false;
    options_.file_system = &files_;
    options_.random = &salts_;
    log_ = *RaftLog::Create(options_, {1, NodeId(2)});
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      const uint64_t dice = Below(100);
      if (dice < 85) {
        Append();
      } else if (dice < 92) {
        Truncate();
      } else {
        Crash();
      }
    }
    Crash();
  }

 private:
  struct Log {
    std::map<uint64_t, std::pair<uint64_t, std::string>> entries;  // index -> term, data
    uint64_t last = 0;
    LogPosition position;  // of the last reset
    LogState state;
  };

  uint64_t Below(uint64_t n) { return random_.Below(n); }

  void Append() {
    std::vector<LogAppend> group;
    bool sync = false;
    std::vector<Log> after;
    Log log = possible_.back();
    const uint64_t appends = 1 + Below(3);
    for (uint64_t i = 0; i < appends; ++i) {
      LogAppend append{.must_sync = Below(3) == 0};
      if (Below(30) == 0) Reset(append, log);
      const uint64_t lowest = std::max<uint64_t>(
          std::max(log_->FirstIndex().value(), log.position.index.value() + 1), kept_);
      uint64_t next = log.last + 1;
      if (Below(6) == 0 && next > lowest) next = lowest + Below(next - lowest + 1);
      if (Below(6) == 0) term_ += 1;
      for (uint64_t n = Below(4); n > 0; --n, ++next) {
        const std::string data(Below(10) == 0 ? Below(3000) : Below(100),
                               static_cast<char>('a' + Below(26)));
        append.records.push_back({Term(term_), LogIndex(next), 0, SharedBytes(data)});
        log.entries.erase(log.entries.lower_bound(next), log.entries.end());
        log.entries[next] = {term_, data};
        log.last = next;
      }
      if (Below(3) == 0) {
        append.state = LogState{Term(term_), NodeId(Below(3)), LogIndex(Below(100))};
        log.state = *append.state;
      }
      sync = sync || append.must_sync;
      group.push_back(std::move(append));
      after.push_back(log);
    }
    ASSERT_TRUE(log_->Append(group).ok());
    possible_.insert(possible_.end(), after.begin(), after.end());
    if (sync) possible_.erase(possible_.begin(), possible_.end() - 1);
    Check(possible_.back());
  }

  void Reset(LogAppend& append, Log& log) {
    append.must_sync = true;
    log.position = {Term(++term_), LogIndex(log_->FirstIndex().value() + Below(100))};
    append.reset = log.position;
    log.entries.clear();
    log.last = log.position.index.value();
    kept_ = log.last + 1;
  }

  void Truncate() {
    const uint64_t first = log_->FirstIndex().value();
    kept_ = first + Below(log_->LastIndex().value() + 2 - first);
    ASSERT_TRUE(log_->TruncatePrefix(LogIndex(kept_)).ok());
    Check(possible_.back());
  }

  void Crash() {
    files_.Halt();
    log_.reset();
    files_.Restart();
    auto log = RaftLog::Open(options_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    for (auto it = possible_.rbegin(); it != possible_.rend(); ++it) {
      if (!Matches(*it)) continue;
      possible_ = {*it};
      kept_ = std::min(kept_, it->last + 1);
      return;
    }
    ADD_FAILURE() << "the log is none of the " << possible_.size() << " it might be; it ends at "
                  << log_->LastIndex() << ", the newest at " << possible_.back().last;
  }

  bool Matches(const Log& log) const {
    if (log_->LastIndex().value() != log.last || !(log_->state() == log.state)) return false;
    const uint64_t first = log_->FirstIndex().value();
    if (first > std::min(kept_, log.last + 1) || first <= log.position.index.value()) return false;
    if (first == log.position.index.value() + 1 &&
        log_->TermAt(log.position.index) != log.position.term) {
      return false;
    }
    const auto records = log_->Read(LogIndex(first), LogIndex(log.last + 1), 1 << 30);
    if (!records.ok()) return false;
    for (const LogRecord& record : *records) {
      const auto it = log.entries.find(record.index.value());
      if (it == log.entries.end() || it->second.first != record.term.value() ||
          it->second.second != record.data.view() || log_->TermAt(record.index) != record.term) {
        return false;
      }
    }
    return records->size() == log.last + 1 - first;
  }
  void Check(const Log& log) const { EXPECT_TRUE(Matches(log)); }

  SeededRandom random_;
  CrashingFileSystem files_;
  SeededRandom salts_;
  RaftLogOptions options_;
  std::unique_ptr<RaftLog> log_;
  std::vector<Log> possible_{Log{}};  // the last synced, and after each append since
  uint64_t kept_ = 1;
  uint64_t term_ = 1;
};

TEST(RaftLogPropertyTest, CrashLeavesAPrefixOfTheAppendsThatHasAllSyncedOnes) {
  const char* given = std::getenv("KEELSON_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : SystemSeed();
  const char* runs = std::getenv("KEELSON_RUNS");
  const uint64_t count = runs != nullptr ? std::strtoull(runs, nullptr, 10) : 300;
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed);
  for (uint64_t i = 0; i < count; ++i) {
    RandomCrashes(seed + i).Run(120);
    if (testing::Test::HasFailure()) {
      std::printf("repeat with KEELSON_RUNS=1 KEELSON_SEED=%" PRIu64 "\n", seed + i);
      return;
    }
  }
}

}  // namespace
}  // namespace keelson::storage
