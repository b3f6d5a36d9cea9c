// What every RaftLog must do, whatever it lies on. A test program instantiates the suite with a
// harness:
//
//   INSTANTIATE_TEST_SUITE_P(Segmented, RaftLogContract, testing::Values(&MakeSegmentedHarness));
#ifndef KEELSON_STORAGE_RAFT_LOG_CONTRACT_H_
#define KEELSON_STORAGE_RAFT_LOG_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "storage/raft_log.h"

namespace keelson::storage {

// The place where a log lies. At most one log of it is open at a time.
class RaftLogHarness {
 public:
  virtual ~RaftLogHarness() = default;
  virtual absl::StatusOr<std::unique_ptr<RaftLog>> Create(const LogIdentity& identity) = 0;
  virtual absl::StatusOr<std::unique_ptr<RaftLog>> Open() = 0;
  // Ends `log` as a power failure would: what was not synced is gone.
  virtual void Crash(std::unique_ptr<RaftLog> log) = 0;
};

class RaftLogContract
    : public testing::TestWithParam<std::function<std::unique_ptr<RaftLogHarness>()>> {
 protected:
  static constexpr LogIdentity kIdentity{77, NodeId(5)};

  RaftLogContract() : harness_(GetParam()()) {
    auto log = harness_->Create(kIdentity);
    EXPECT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  static LogRecord Record(uint64_t index, uint64_t term, std::string data = "") {
    return {Term(term), LogIndex(index), 0,
            SharedBytes(data.empty() ? "entry " + std::to_string(index) : std::move(data))};
  }
  // Entries [first, last] of `term`, synced.
  void Append(uint64_t first, uint64_t last, uint64_t term) {
    LogAppend append{.state = std::nullopt, .records = {}, .must_sync = true};
    for (uint64_t i = first; i <= last; ++i) append.records.push_back(Record(i, term));
    ASSERT_TRUE(log_->Append({append}).ok());
  }
  void SetState(uint64_t term, uint64_t vote, uint64_t commit, bool sync) {
    const LogState state{Term(term), NodeId(vote), LogIndex(commit)};
    ASSERT_TRUE(log_->Append({{.state = state, .records = {}, .must_sync = sync}}).ok());
  }
  void Reopen() {
    log_.reset();
    auto log = harness_->Open();
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void CrashAndReopen() {
    harness_->Crash(std::move(log_));
    Reopen();
  }
  // "1:entry 1@1 2:entry 2@1", index:data@term.
  std::string All() const {
    const LogIndex first = log_->FirstIndex(), end = log_->LastIndex() + 1;
    if (first == end) return "";
    auto records = log_->Read(first, end, uint64_t{1} << 40);
    if (!records.ok()) return records.status().ToString();
    std::string all;
    for (const LogRecord& record : *records) {
      if (!all.empty()) all += ' ';
      all += std::to_string(record.index.value()) + ":" + std::string(record.data.view()) + "@" +
             std::to_string(record.term.value());
    }
    return all;
  }

  std::unique_ptr<RaftLogHarness> harness_;
  std::unique_ptr<RaftLog> log_;
};

TEST_P(RaftLogContract, NewLogIsEmptyAndKnowsItsOwner) {
  EXPECT_EQ(log_->identity(), kIdentity);
  EXPECT_EQ(log_->FirstIndex(), LogIndex(1));
  EXPECT_EQ(log_->LastIndex(), LogIndex(0));
  EXPECT_EQ(log_->TermAt(LogIndex(0)), Term(0));
  EXPECT_EQ(log_->TermAt(LogIndex(1)), std::nullopt);
  EXPECT_EQ(log_->state(), LogState());
  Reopen();
  EXPECT_EQ(log_->identity(), kIdentity);
  EXPECT_EQ(log_->LastIndex(), LogIndex(0));
}

TEST_P(RaftLogContract, CreateRefusesAnExistingLog) {
  log_.reset();
  EXPECT_EQ(harness_->Create(kIdentity).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_P(RaftLogContract, EntriesAndStateAreReadBackBeforeAndAfterReopening) {
  Append(1, 2, 1);
  Append(3, 3, 2);
  SetState(2, 5, 2, true);
  const std::string all = "1:entry 1@1 2:entry 2@1 3:entry 3@2";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(All(), all);
    EXPECT_EQ(log_->TermAt(LogIndex(2)), Term(1));
    EXPECT_EQ(log_->TermAt(LogIndex(3)), Term(2));
    EXPECT_EQ(log_->TermAt(LogIndex(4)), std::nullopt);
    EXPECT_EQ(log_->state(), (LogState{Term(2), NodeId(5), LogIndex(2)}));
    Reopen();
  }
}

TEST_P(RaftLogContract, TypeAndEmptyDataSurvive) {
  LogAppend append{.state = std::nullopt, .records = {}, .must_sync = true};
  append.records.push_back({Term(1), LogIndex(1), 200, SharedBytes()});
  ASSERT_TRUE(log_->Append({append}).ok());
  Reopen();
  const auto records = log_->Read(LogIndex(1), LogIndex(2), 100);
  ASSERT_TRUE(records.ok());
  EXPECT_EQ(records->at(0).type, 200);
  EXPECT_TRUE(records->at(0).data.empty());
}

TEST_P(RaftLogContract, AppendBelowTheEndReplacesTheTail) {
  Append(1, 5, 1);
  Append(3, 4, 2);
  const std::string all = "1:entry 1@1 2:entry 2@1 3:entry 3@2 4:entry 4@2";
  EXPECT_EQ(All(), all);
  EXPECT_EQ(log_->TermAt(LogIndex(5)), std::nullopt);
  Reopen();
  EXPECT_EQ(All(), all);
  Append(1, 1, 3);
  EXPECT_EQ(All(), "1:entry 1@3");
  Reopen();
  EXPECT_EQ(All(), "1:entry 1@3");
}

TEST_P(RaftLogContract, LaterAppendOfAGroupReplacesTheTailOfAnEarlierOne) {
  LogAppend first{
      .state = std::nullopt, .records = {Record(1, 1), Record(2, 1)}, .must_sync = false};
  LogAppend second{.state = LogState{Term(2), NodeId(1), LogIndex(1)},
                   .records = {Record(2, 2, "new")},
                   .must_sync = true};
  ASSERT_TRUE(log_->Append({first, second}).ok());
  EXPECT_EQ(All(), "1:entry 1@1 2:new@2");
  CrashAndReopen();
  EXPECT_EQ(All(), "1:entry 1@1 2:new@2");
  EXPECT_EQ(log_->state().commit, LogIndex(1));
}

TEST_P(RaftLogContract, SyncedSurvivesACrash) {
  Append(1, 3, 1);
  SetState(4, 2, 1, true);
  CrashAndReopen();
  EXPECT_EQ(All(), "1:entry 1@1 2:entry 2@1 3:entry 3@1");
  EXPECT_EQ(log_->state().term, Term(4));
}

TEST_P(RaftLogContract, SyncMakesEarlierUnsyncedAppendsDurable) {
  ASSERT_TRUE(
      log_->Append({{.state = std::nullopt, .records = {Record(1, 1)}, .must_sync = false}}).ok());
  Append(2, 2, 1);
  CrashAndReopen();
  EXPECT_EQ(All(), "1:entry 1@1 2:entry 2@1");
}

TEST_P(RaftLogContract, LogGoesOnAfterACrash) {
  Append(1, 3, 1);
  ASSERT_TRUE(
      log_->Append({{.state = std::nullopt, .records = {Record(4, 1)}, .must_sync = false}}).ok());
  CrashAndReopen();
  const LogIndex last = log_->LastIndex();
  EXPECT_GE(last, LogIndex(3));
  Append(last.value() + 1, last.value() + 2, 2);
  Reopen();
  EXPECT_EQ(log_->LastIndex(), last + 2);
  EXPECT_EQ(log_->TermAt(last + 2), Term(2));
}

TEST_P(RaftLogContract, ReadIsCutAfterBytesMaxButGivesAtLeastOne) {
  LogAppend append{.state = std::nullopt, .records = {}, .must_sync = true};
  for (uint64_t i = 1; i <= 5; ++i) append.records.push_back(Record(i, 1, std::string(100, 'x')));
  ASSERT_TRUE(log_->Append({append}).ok());
  const auto count = [this](uint64_t begin, uint64_t end, uint64_t bytes) {
    return log_->Read(LogIndex(begin), LogIndex(end), bytes)->size();
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(count(1, 6, 1), 1u);
    EXPECT_EQ(count(1, 6, 250), 2u);
    EXPECT_EQ(count(2, 4, 1000), 2u);
    EXPECT_EQ(count(5, 6, 1000), 1u);
    Reopen();
  }
}

TEST_P(RaftLogContract, TruncatedPrefixKeepsWhatWasAskedFor) {
  for (uint64_t i = 1; i <= 40; ++i) Append(i, i, 1 + i / 10);
  SetState(7, 3, 40, true);
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(30)).ok());
  for (int i = 0; i < 2; ++i) {
    const LogIndex first = log_->FirstIndex();
    EXPECT_LE(first, LogIndex(30));
    EXPECT_EQ(log_->LastIndex(), LogIndex(40));
    EXPECT_EQ(log_->TermAt(LogIndex(30)), Term(4));
    EXPECT_EQ(log_->state(), (LogState{Term(7), NodeId(3), LogIndex(40)}));
    EXPECT_EQ(log_->Read(LogIndex(30), LogIndex(41), 1 << 20)->size(), 11u);
    if (first > LogIndex(1)) {
      EXPECT_TRUE(log_->TermAt(first - 1).has_value());
      EXPECT_EQ(log_->Read(first - 1, first + 1, 100).status().code(),
                absl::StatusCode::kOutOfRange);
    }
    CrashAndReopen();
  }
}

TEST_P(RaftLogContract, WholeLogMayBeTruncatedAndGoesOn) {
  for (uint64_t i = 1; i <= 40; ++i) Append(i, i, 2);
  ASSERT_TRUE(log_->TruncatePrefix(LogIndex(41)).ok());
  Append(41, 42, 3);
  Reopen();
  EXPECT_EQ(log_->LastIndex(), LogIndex(42));
  EXPECT_EQ(log_->TermAt(LogIndex(42)), Term(3));
}

TEST_P(RaftLogContract, ResetEmptiesTheLogWhichGoesOnBehindThePosition) {
  // Behind the end, at an entry of another term, before the first, and twice.
  for (uint64_t i = 1; i <= 40; ++i) Append(i, i, 1);
  for (const uint64_t last : {100u, 105u, 50u, 50u}) {
    const LogState state{Term(9), NodeId(3), LogIndex(last)};
    ASSERT_TRUE(log_->Reset({Term(8), LogIndex(last)}, state).ok());
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(log_->FirstIndex(), LogIndex(last + 1));
      EXPECT_EQ(log_->LastIndex(), LogIndex(last));
      EXPECT_EQ(log_->TermAt(LogIndex(last)), Term(8));
      EXPECT_EQ(log_->TermAt(LogIndex(last - 1)), std::nullopt);
      EXPECT_EQ(log_->state(), state);
      EXPECT_EQ(All(), "");
      EXPECT_EQ(log_->Read(LogIndex(last), LogIndex(last + 1), 100).status().code(),
                absl::StatusCode::kOutOfRange);
      CrashAndReopen();
    }
    for (uint64_t i = last + 1; i <= last + 40; ++i) Append(i, i, 9);
    CrashAndReopen();
    EXPECT_EQ(log_->Read(LogIndex(last + 1), LogIndex(last + 41), 1 << 20)->size(), 40u);
  }
}

TEST_P(RaftLogContract, ResetGivesUpTheSegmentsBeforeIt) {
  Append(1, 1, 1);
  const uint64_t before = log_->SizeOnDisk();
  for (uint64_t i = 2; i <= 300; ++i) Append(i, i, 1);
  ASSERT_TRUE(log_->Reset({Term(2), LogIndex(1000)}, {Term(2), NodeId(0), LogIndex(1000)}).ok());
  Reopen();  // what it kept to recycle is gone
  EXPECT_LE(log_->SizeOnDisk(), 2 * before);
}

TEST_P(RaftLogContract, ResetWithinAGroupKeepsTheOrder) {
  Append(1, 5, 1);
  const LogAppend before{.records = {Record(6, 1)}};
  const LogAppend reset{.reset = LogPosition{Term(2), LogIndex(4)},
                        .state = LogState{Term(3), NodeId(1), LogIndex(4)},
                        .records = {Record(5, 3, "behind")},
                        .must_sync = true};
  const LogAppend replacing{.records = {Record(5, 4, "again"), Record(6, 4)}, .must_sync = true};
  ASSERT_TRUE(log_->Append({before, reset, replacing}).ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(All(), "5:again@4 6:entry 6@4");
    EXPECT_EQ(log_->TermAt(LogIndex(4)), Term(2));
    EXPECT_EQ(log_->state().term, Term(3));
    CrashAndReopen();
  }
}

TEST_P(RaftLogContract, NothingToAppendIsFine) {
  EXPECT_TRUE(log_->Append({}).ok());
  EXPECT_TRUE(log_->Append({LogAppend{}}).ok());
  EXPECT_EQ(log_->LastIndex(), LogIndex(0));
}

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RAFT_LOG_CONTRACT_H_
