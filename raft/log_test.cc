// EntryWindow and Log.
#include "raft/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "raft/entry_window.h"
#include "raft/testing/memory_log.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;

LogIndex I(uint64_t index) { return LogIndex{index}; }
Term T(uint64_t term) { return Term{term}; }

Entry MakeEntry(uint64_t term, uint64_t index, size_t bytes = 4) {
  return {.term = T(term), .index = I(index), .data = SharedBytes(std::string(bytes, 'x'))};
}

// Entries with these terms, from `first` on.
std::vector<Entry> Entries(uint64_t first, std::vector<uint64_t> terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back(MakeEntry(term, first++));
  return entries;
}

std::vector<uint64_t> Indexes(const std::vector<Entry>& entries) {
  std::vector<uint64_t> indexes;
  for (const Entry& entry : entries) indexes.push_back(entry.index.value());
  return indexes;
}

constexpr uint64_t kEntry = 4 + kEntryOverheadBytes;

TEST(EntryWindow, CopiesWhatFitsButAtLeastOne) {
  EntryWindow window(I(5));
  for (uint64_t i = 5; i <= 9; ++i) window.Append(MakeEntry(1, i));
  EXPECT_THAT(Indexes(window.Copy(I(5), I(10), UINT64_MAX)), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(Indexes(window.Copy(I(6), I(10), 2 * kEntry)), ElementsAre(6, 7));
  EXPECT_THAT(Indexes(window.Copy(I(6), I(10), 2 * kEntry - 1)), ElementsAre(6));
  EXPECT_THAT(Indexes(window.Copy(I(6), I(10), 0)), ElementsAre(6));
  EXPECT_THAT(Indexes(window.Copy(I(6), I(6), 100)), ElementsAre());
}

TEST(EntryWindow, TruncatesAtAnyPlace) {
  EntryWindow window(I(5));
  for (uint64_t i = 5; i <= 9; ++i) window.Append(MakeEntry(1, i));
  window.TruncateFrom(I(8));
  EXPECT_EQ(window.end(), I(8));
  EXPECT_EQ(window.bytes(), 3 * kEntry);
  window.TruncateFrom(I(3));
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.first(), I(3));
  EXPECT_EQ(window.bytes(), 0u);
}

TEST(EntryWindow, ShrinksFromTheFrontOnly) {
  EntryWindow window(I(1));
  for (uint64_t i = 1; i <= 1000; ++i) {
    window.Append(MakeEntry(1, i));
    window.ShrinkTo(10 * kEntry, I(i));
    EXPECT_LE(window.size(), 10u);
    EXPECT_EQ(window.At(I(i)).index, I(i));
    EXPECT_EQ(window.At(window.first()).index, window.first());
  }
  window.ShrinkTo(0, I(995));
  EXPECT_EQ(window.first(), I(995));
}

class LogTest : public ::testing::Test {
 protected:
  // A disk with entries of these terms, all committed up to `commit`.
  void Open(std::vector<uint64_t> terms, uint64_t commit, LogLimits limits = {}) {
    disk_.Write({.entries = Entries(1, terms)});
    log_ = std::make_unique<Log>(&disk_, I(commit), I(0), limits);
  }
  void Append(uint64_t term) { log_->Append(MakeEntry(term, log_->last().value() + 1)); }
  // Hands out what is unwritten and carries it out.
  uint64_t Write() {
    Log::Unwritten unwritten = log_->TakeUnwritten(++number_);
    LogWrite write{.snapshot = std::move(unwritten.snapshot),
                   .entries = std::move(unwritten.entries)};
    if (write.snapshot) {
      write.hard_state = HardState{log_->last_id().term, NodeId{0}, log_->commit()};
    }
    disk_.Write(write);
    return number_;
  }

  MemoryLog disk_;
  std::unique_ptr<Log> log_;
  uint64_t number_ = 0;
};

TEST_F(LogTest, KnowsTermsOnDiskAndInMemory) {
  Open({1, 1, 2}, 0);
  Append(4);
  EXPECT_EQ(log_->TermAt(I(0)), T(0));
  EXPECT_EQ(log_->TermAt(I(2)), T(1));
  EXPECT_EQ(log_->TermAt(I(4)), T(4));
  EXPECT_EQ(log_->TermAt(I(5)), std::nullopt);
  EXPECT_EQ(log_->last_id(), (EntryId{T(4), I(4)}));
}

TEST_F(LogTest, IsUpToDateComparesTermThenLength) {
  Open({1, 2, 3}, 0);
  EXPECT_TRUE(log_->IsUpToDate({T(4), I(1)}));
  EXPECT_TRUE(log_->IsUpToDate({T(3), I(3)}));
  EXPECT_TRUE(log_->IsUpToDate({T(3), I(4)}));
  EXPECT_FALSE(log_->IsUpToDate({T(3), I(2)}));
  EXPECT_FALSE(log_->IsUpToDate({T(2), I(9)}));
}

TEST_F(LogTest, LastAgreementSkipsWholeTerms) {
  Open({1, 3, 3, 3, 5, 5}, 0);
  EXPECT_EQ(log_->LastAgreement(I(6), T(5)), (EntryId{T(5), I(6)}));
  EXPECT_EQ(log_->LastAgreement(I(9), T(9)), (EntryId{T(5), I(6)}));
  EXPECT_EQ(log_->LastAgreement(I(6), T(4)), (EntryId{T(3), I(4)}));
  EXPECT_EQ(log_->LastAgreement(I(3), T(4)), (EntryId{T(3), I(3)}));
  EXPECT_EQ(log_->LastAgreement(I(6), T(2)), (EntryId{T(1), I(1)}));
  EXPECT_EQ(log_->LastAgreement(I(6), T(0)), (EntryId{T(0), I(0)}));
}

TEST_F(LogTest, MergesWhatIsNew) {
  Open({1, 1, 2}, 1);
  EXPECT_EQ(log_->MergeEntries({T(3), I(3)}, {}), Log::Merge::kMismatch);
  EXPECT_EQ(log_->MergeEntries({T(1), I(9)}, {}), Log::Merge::kMismatch);
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {1, 2})), Log::Merge::kMerged);
  EXPECT_FALSE(log_->HasUnwritten());
  EXPECT_EQ(log_->MergeEntries({T(1), I(2)}, Entries(3, {2, 2})), Log::Merge::kMerged);
  EXPECT_THAT(Indexes(log_->TakeUnwritten(1).entries), ElementsAre(4));
}

TEST_F(LogTest, MatchingEntriesDoNotTruncateWhatFollowsThem) {
  Open({1, 1, 1, 1}, 0);
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {1})), Log::Merge::kMerged);
  EXPECT_EQ(log_->last(), I(4));
}

TEST_F(LogTest, AConflictReplacesTheRest) {
  Open({1, 1, 1, 1}, 1);
  EXPECT_EQ(log_->MergeEntries({T(1), I(2)}, Entries(3, {2})), Log::Merge::kMerged);
  EXPECT_EQ(log_->last_id(), (EntryId{T(2), I(3)}));
  EXPECT_EQ(log_->durable(), I(2));
  EXPECT_EQ(log_->TermAt(I(4)), std::nullopt);
}

TEST_F(LogTest, CommittedEntriesAreNotReplaced) {
  Open({1, 1, 1}, 2);
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {2})), Log::Merge::kContradictsCommitted);
  EXPECT_EQ(log_->last(), I(3));
}

TEST_F(LogTest, WrittenInOrderIsDurable) {
  Open({}, 0);
  Append(1);
  const uint64_t first = Write();
  Append(1);
  Append(1);
  const uint64_t second = Write();
  EXPECT_EQ(log_->durable(), I(0));
  log_->OnWritten(first);
  EXPECT_EQ(log_->durable(), I(1));
  log_->OnWritten(second);
  EXPECT_EQ(log_->durable(), I(3));
  log_->OnWritten(first);  // late
  EXPECT_EQ(log_->durable(), I(3));
}

TEST_F(LogTest, ALateAcknowledgementDoesNotCoverReplacedEntries) {
  Open({1}, 0);
  Append(1);
  Append(1);
  const uint64_t old = Write();
  EXPECT_EQ(log_->MergeEntries({T(1), I(2)}, Entries(3, {2, 2})), Log::Merge::kMerged);
  const uint64_t replacing = Write();
  log_->OnWritten(old);
  EXPECT_EQ(log_->durable(), I(2));
  log_->OnWritten(replacing);
  EXPECT_EQ(log_->durable(), I(4));
}

// A B A: the first leader's entries come back; they must be written again.
TEST_F(LogTest, EntriesThatComeBackAreWrittenAgain) {
  Open({1}, 0);
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {2})), Log::Merge::kMerged);
  const uint64_t first = Write();
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {3})), Log::Merge::kMerged);
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {2})), Log::Merge::kMerged);
  EXPECT_TRUE(log_->HasUnwritten());
  log_->OnWritten(first);
  EXPECT_EQ(log_->durable(), I(1));
  log_->OnWritten(Write());
  EXPECT_EQ(log_->durable(), I(2));
}

TEST_F(LogTest, HandsOutOnlyWhatIsCommittedAndDurable) {
  Open({}, 0);
  Append(1);
  Append(1);
  log_->CommitTo(I(2));
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnWritten(Write());
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(1, 2));
  EXPECT_FALSE(log_->HasCommitted());
}

TEST_F(LogTest, BatchesToApplyAreBoundedAndFewAreAhead) {
  Open({1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, {.committed_bytes_max = 2 * kEntry});
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(1, 2));
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(3, 4));
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnApplied(I(1));
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnApplied(I(2));
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(5, 6));
  log_->OnApplied(I(6));
  log_->OnApplied(I(3));  // late
  EXPECT_EQ(log_->applied(), I(6));
}

TEST_F(LogTest, AnEntryLargerThanABatchIsABatch) {
  Open({1, 1}, 2, {.committed_bytes_max = 1});
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(1));
  log_->OnApplied(I(1));
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(2));
}

TEST_F(LogTest, ReadsAcrossDiskAndMemory) {
  Open({1, 1, 1}, 0);
  Append(2);
  Append(2);
  EXPECT_THAT(Indexes(*log_->Read(I(2), I(6), UINT64_MAX)), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(Indexes(*log_->Read(I(2), I(6), 3 * kEntry)), ElementsAre(2, 3, 4));
  EXPECT_THAT(Indexes(*log_->Read(I(2), I(6), 2 * kEntry)), ElementsAre(2, 3));
  EXPECT_THAT(Indexes(*log_->Read(I(3), I(6), 1)), ElementsAre(3));
}

TEST_F(LogTest, RecentEntriesAreReadFromMemory) {
  Open({}, 0, {.cache_bytes_max = 3 * kEntry});
  for (int i = 0; i < 10; ++i) Append(1);
  log_->OnWritten(Write());
  EXPECT_EQ(log_->Read(I(1), I(11), UINT64_MAX)->size(), 10u);
  EXPECT_EQ(disk_.reads(), 0);  // not committed: kept
  log_->CommitTo(I(10));
  EXPECT_EQ(log_->Read(I(8), I(11), UINT64_MAX)->size(), 3u);
  EXPECT_EQ(disk_.reads(), 0);
  EXPECT_EQ(log_->Read(I(7), I(11), UINT64_MAX)->size(), 4u);
  EXPECT_EQ(disk_.reads(), 1);
}

TEST_F(LogTest, CompactedEntriesCannotBeRead) {
  Open({1, 1, 1}, 3);
  EXPECT_EQ(log_->TakeCommitted().size(), 3u);
  log_->OnApplied(I(3));
  disk_.CompactThrough(I(2));
  EXPECT_EQ(log_->first(), I(3));
  EXPECT_FALSE(log_->Read(I(2), I(4), UINT64_MAX).ok());
  EXPECT_EQ(log_->TermAt(I(2)), T(1));
  EXPECT_EQ(log_->TermAt(I(1)), std::nullopt);
}

TEST_F(LogTest, ALogThatCannotBeReadHandsOutNothingMore) {
  Open({1, 1}, 2);
  disk_.Break();
  EXPECT_TRUE(log_->HasCommitted());
  EXPECT_TRUE(log_->TakeCommitted().empty());
  EXPECT_FALSE(log_->HasCommitted());
}

TEST_F(LogTest, AppliedMayBeAheadOfTheCommitOnDisk) {
  disk_.Write({.hard_state = std::nullopt, .entries = Entries(1, {1, 1, 1})});
  Log log(&disk_, I(1), I(2), {});
  EXPECT_EQ(log.commit(), I(2));
  EXPECT_FALSE(log.HasCommitted());
}

using LogDeathTest = LogTest;

TEST_F(LogDeathTest, ALogThatLostCommittedEntriesIsNotUsed) {
  disk_.Write({.hard_state = std::nullopt, .entries = Entries(1, {1, 1})});
  EXPECT_DEATH(Log(&disk_, I(3), I(0), {}), "lost committed entries");
}

// ---------------------------------------------------------------------------------------------
// following a leader

// Where what a leader sent begins to differ from what is here; from there on it is written.
TEST_F(LogTest, FindConflict) {
  struct Case {
    uint64_t first;
    std::vector<uint64_t> terms;
    uint64_t differs;  // 0: nowhere
  };
  for (const Case& c :
       {Case{1, {}, 0}, Case{1, {1, 2, 3}, 0}, Case{2, {2, 3}, 0}, Case{3, {3}, 0},
        Case{1, {1, 2, 3, 4, 4}, 4}, Case{2, {2, 3, 4, 5}, 4}, Case{3, {3, 4, 4}, 4},
        Case{4, {4, 4}, 4}, Case{1, {4, 4}, 1}, Case{2, {1, 4, 4}, 2}, Case{3, {2, 4, 4}, 3}}) {
    disk_ = MemoryLog();
    Open({1, 2, 3}, 0);
    const EntryId previous{*log_->TermAt(I(c.first - 1)), I(c.first - 1)};
    ASSERT_EQ(log_->MergeEntries(previous, Entries(c.first, c.terms)), Log::Merge::kMerged);
    const std::vector<Entry> written = log_->TakeUnwritten(1).entries;
    EXPECT_EQ(written.empty() ? 0 : written.front().index.value(), c.differs);
    EXPECT_EQ(log_->last(),
              I(std::max<uint64_t>(c.differs == 0 ? 3 : 0, c.first + c.terms.size() - 1)));
  }
}

// The whole of paper 5.3 for a log of terms 1, 2, 3, of which the first entry is committed.
TEST_F(LogTest, MaybeAppend) {
  struct Case {
    EntryId previous;
    std::vector<uint64_t> terms;
    Log::Merge merge;
    uint64_t last;
    uint64_t durable;
  };
  const auto id = [](uint64_t term, uint64_t index) { return EntryId{T(term), I(index)}; };
  for (const Case& c : {Case{id(2, 3), {4}, Log::Merge::kMismatch, 3, 3},
                        Case{id(3, 4), {4}, Log::Merge::kMismatch, 3, 3},
                        Case{id(3, 3), {}, Log::Merge::kMerged, 3, 3},
                        Case{id(0, 0), {}, Log::Merge::kMerged, 3, 3},
                        Case{id(3, 3), {4}, Log::Merge::kMerged, 4, 3},
                        Case{id(3, 3), {4, 4}, Log::Merge::kMerged, 5, 3},
                        Case{id(2, 2), {4}, Log::Merge::kMerged, 3, 2},
                        Case{id(1, 1), {4}, Log::Merge::kMerged, 2, 1},
                        Case{id(1, 1), {4, 4}, Log::Merge::kMerged, 3, 1},
                        Case{id(0, 0), {4}, Log::Merge::kContradictsCommitted, 3, 3}}) {
    disk_ = MemoryLog();
    Open({1, 2, 3}, 1);
    EXPECT_EQ(log_->MergeEntries(c.previous, Entries(c.previous.index.value() + 1, c.terms)),
              c.merge);
    EXPECT_EQ(log_->last(), I(c.last));
    EXPECT_EQ(log_->durable(), I(c.durable));
    EXPECT_EQ(log_->commit(), I(1));
  }
}

TEST_F(LogTest, FindConflictByTermInALogThatIsCompacted) {
  disk_ = MemoryLog(EntryId{T(3), I(10)});
  disk_.Write({.entries = Entries(11, {3, 3, 4, 4, 4})});
  log_ = std::make_unique<Log>(&disk_, I(10), I(10), LogLimits{});
  EXPECT_EQ(log_->LastAgreement(I(30), T(3)), (EntryId{T(3), I(12)}));
  EXPECT_EQ(log_->LastAgreement(I(14), T(9)), (EntryId{T(4), I(14)}));
  EXPECT_EQ(log_->LastAgreement(I(14), T(4)), (EntryId{T(4), I(14)}));
  EXPECT_EQ(log_->LastAgreement(I(14), T(3)), (EntryId{T(3), I(12)}));
  EXPECT_EQ(log_->LastAgreement(I(14), T(2)), (EntryId{T(0), I(9)}));
  EXPECT_EQ(log_->LastAgreement(I(11), T(5)), (EntryId{T(3), I(11)}));
  EXPECT_EQ(log_->LastAgreement(I(10), T(3)), (EntryId{T(3), I(10)}));
  EXPECT_EQ(log_->LastAgreement(I(10), T(2)), (EntryId{T(0), I(9)}));
  EXPECT_EQ(log_->LastAgreement(I(9), T(2)), (EntryId{T(0), I(9)}));
  EXPECT_EQ(log_->LastAgreement(I(4), T(2)), (EntryId{T(0), I(4)}));
  EXPECT_EQ(log_->LastAgreement(I(0), T(0)), (EntryId{T(0), I(0)}));
}

TEST_F(LogTest, NextUnstableEntsAreHandedOutOnce) {
  Open({1, 1}, 0);
  EXPECT_FALSE(log_->HasUnwritten());
  Append(1);
  Append(1);
  EXPECT_THAT(Indexes(log_->TakeUnwritten(1).entries), ElementsAre(3, 4));
  EXPECT_FALSE(log_->HasUnwritten());
  EXPECT_THAT(Indexes(log_->TakeUnwritten(2).entries), ElementsAre());
  Append(1);
  EXPECT_THAT(Indexes(log_->TakeUnwritten(3).entries), ElementsAre(5));
}

// Entries that were handed out to be written and are replaced are handed out again from there on,
// and no others.
TEST_F(LogTest, TruncateAndAppend) {
  struct Case {
    size_t handed_out;  // of three entries behind the one on the disk
    uint64_t first;
    std::vector<uint64_t> terms;
    std::vector<uint64_t> unwritten;
  };
  for (const Case& c :
       {Case{0, 5, {1, 1}, {2, 3, 4, 5, 6}}, Case{3, 5, {1, 1}, {5, 6}}, Case{1, 2, {2, 2}, {2, 3}},
        Case{3, 2, {2, 2}, {2, 3}}, Case{1, 3, {2}, {3}}, Case{3, 4, {2, 2}, {4, 5}},
        Case{2, 4, {2}, {4}}, Case{1, 4, {2}, {3, 4}}}) {
    disk_ = MemoryLog();
    Open({1}, 0);
    uint64_t number = 0;
    for (size_t i = 0; i < 3; ++i) {
      Append(1);
      if (log_->last() == I(1 + c.handed_out)) log_->TakeUnwritten(++number);
    }
    const EntryId previous{T(1), I(c.first - 1)};
    ASSERT_EQ(log_->MergeEntries(previous, Entries(c.first, c.terms)), Log::Merge::kMerged);
    EXPECT_EQ(Indexes(log_->TakeUnwritten(++number).entries), c.unwritten);
    log_->OnWritten(number);
    EXPECT_EQ(log_->durable(), log_->last());
  }
}

TEST_F(LogTest, CommitToNeverGoesBack) {
  Open({1, 2, 3}, 2);
  log_->CommitTo(I(1));
  EXPECT_EQ(log_->commit(), I(2));
  log_->CommitTo(I(3));
  EXPECT_EQ(log_->commit(), I(3));
}

TEST_F(LogDeathTest, CommitToBeyondTheLogIsAMistake) {
  Open({1, 2, 3}, 2);
  EXPECT_DEATH(log_->CommitTo(I(4)), "commit beyond the log");
}

// ---------------------------------------------------------------------------------------------
// reading

// Behind 1/100, half on the disk and half in memory.
class LogOfTwoHalves : public LogTest {
 protected:
  static constexpr uint64_t kFirst = 101;
  static constexpr uint64_t kHalf = 108;
  static constexpr uint64_t kEnd = 116;

  LogOfTwoHalves() {
    disk_ = MemoryLog(EntryId{T(1), I(kFirst - 1)});
    std::vector<Entry> stored;
    for (uint64_t i = kFirst; i < kHalf; ++i) stored.push_back(MakeEntry(i - 99, i));
    disk_.Write({.entries = std::move(stored)});
    log_ = std::make_unique<Log>(&disk_, I(100), I(100), LogLimits{});
    for (uint64_t i = kHalf; i < kEnd; ++i) log_->Append(MakeEntry(i - 99, i));
  }
};

TEST_F(LogOfTwoHalves, Term) {
  EXPECT_EQ(log_->TermAt(I(kFirst - 2)), std::nullopt);
  EXPECT_EQ(log_->TermAt(I(kFirst - 1)), T(1));
  for (uint64_t i = kFirst; i < kEnd; ++i) EXPECT_EQ(log_->TermAt(I(i)), T(i - 99));
  EXPECT_EQ(log_->TermAt(I(kEnd)), std::nullopt);
}

// As many as fit, at least one, wherever the halves meet.
TEST_F(LogOfTwoHalves, Slice) {
  for (uint64_t begin = kFirst; begin < kEnd; ++begin) {
    for (uint64_t end = begin + 1; end <= kEnd; ++end) {
      for (const uint64_t bytes_max : {uint64_t{0}, kEntry - 1, kEntry, kEntry + 1, 2 * kEntry,
                                       3 * kEntry - 1, 3 * kEntry, UINT64_MAX}) {
        const uint64_t fit = std::max<uint64_t>(1, std::min(end - begin, bytes_max / kEntry));
        std::vector<uint64_t> expected;
        for (uint64_t i = begin; i < begin + fit; ++i) expected.push_back(i);
        const auto entries = log_->Read(I(begin), I(end), bytes_max);
        ASSERT_TRUE(entries.ok());
        ASSERT_EQ(Indexes(*entries), expected)
            << "[" << begin << ", " << end << ") " << bytes_max << " bytes";
      }
    }
  }
}

// Page by page it is the same.
TEST_F(LogOfTwoHalves, Scan) {
  for (const uint64_t page : {uint64_t{0}, uint64_t{1}, kEntry, kEntry + 1, 2 * kEntry}) {
    for (uint64_t begin = kFirst; begin < kEnd; ++begin) {
      for (uint64_t end = begin; end <= kEnd; ++end) {
        std::vector<Entry> scanned;
        for (LogIndex next = I(begin); next < I(end);) {
          const auto entries = log_->Read(next, I(end), page);
          ASSERT_TRUE(entries.ok());
          ASSERT_FALSE(entries->empty());
          next = entries->back().index + 1;
          scanned.insert(scanned.end(), entries->begin(), entries->end());
        }
        EXPECT_EQ(Indexes(scanned), Indexes(*log_->Read(I(begin), I(end), UINT64_MAX)));
      }
    }
  }
}

TEST_F(LogOfTwoHalves, IsOutOfBounds) {
  for (uint64_t begin : {kFirst - 2, kFirst - 1}) {
    EXPECT_EQ(log_->Read(I(begin), I(kFirst + 1), UINT64_MAX).status().code(),
              absl::StatusCode::kOutOfRange);
  }
  for (uint64_t at : {kFirst, kHalf, kEnd - 1, kEnd}) {
    const auto nothing = log_->Read(I(at), I(at), UINT64_MAX);
    ASSERT_TRUE(nothing.ok()) << at;
    EXPECT_TRUE(nothing->empty());
  }
}

using LogOfTwoHalvesDeathTest = LogOfTwoHalves;

TEST_F(LogOfTwoHalvesDeathTest, ReadingBeyondTheLogIsAMistake) {
  EXPECT_DEATH((void)log_->Read(I(kEnd), I(kEnd + 1), UINT64_MAX), "check failed");
  EXPECT_DEATH((void)log_->Read(I(kEnd + 1), I(kEnd + 1), UINT64_MAX), "check failed");
}

// Nothing that is said of the rest of the log changes by a compaction.
TEST_F(LogTest, CompactionSideEffects) {
  constexpr uint64_t kLast = 1000;
  constexpr uint64_t kStored = 750;
  std::vector<uint64_t> terms;
  for (uint64_t term = 1; term <= kStored; ++term) terms.push_back(term);
  Open(terms, kStored);
  while (log_->HasCommitted()) log_->OnApplied(log_->TakeCommitted().back().index);
  for (uint64_t term = kStored + 1; term <= kLast; ++term) Append(term);
  disk_.CompactThrough(I(500));
  EXPECT_EQ(log_->first(), I(501));
  EXPECT_EQ(log_->last(), I(kLast));
  for (uint64_t i = 500; i <= kLast; ++i) {
    ASSERT_EQ(log_->TermAt(I(i)), T(i));
    ASSERT_TRUE(log_->Matches({T(i), I(i)}));
  }
  const std::vector<Entry> unwritten = log_->TakeUnwritten(1).entries;
  ASSERT_EQ(unwritten.size(), kLast - kStored);
  EXPECT_EQ(unwritten.front().index, I(kStored + 1));
  Append(kLast + 1);
  EXPECT_EQ(log_->last(), I(kLast + 1));
  EXPECT_THAT(Indexes(*log_->Read(I(kLast + 1), I(kLast + 2), UINT64_MAX)), ElementsAre(kLast + 1));
}

// ---------------------------------------------------------------------------------------------
// snapshots

Snapshot SnapshotAt(uint64_t term, uint64_t index) {
  return {.id = {T(term), I(index)}, .conf = {.voters = {NodeId{1}}}};
}

// A log that begins behind a snapshot, as a member finds it at its start.
TEST_F(LogTest, BeginsBehindASnapshot) {
  disk_ = MemoryLog(EntryId{T(1000), I(1000)});
  log_ = std::make_unique<Log>(&disk_, I(1000), I(1000), LogLimits{});
  EXPECT_EQ(log_->first(), I(1001));
  EXPECT_EQ(log_->last_id(), (EntryId{T(1000), I(1000)}));
  EXPECT_EQ(log_->commit(), I(1000));
  EXPECT_EQ(log_->durable(), I(1000));
  EXPECT_FALSE(log_->HasUnwritten());
  EXPECT_FALSE(log_->HasCommitted());
}

TEST_F(LogTest, RestoreTakesThePlaceOfEverything) {
  Open({1, 1, 1, 1}, 2);
  Append(1);
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 4)));
  EXPECT_TRUE(log_->IsRestoring());
  EXPECT_EQ(log_->first(), I(5));
  EXPECT_EQ(log_->last_id(), (EntryId{T(2), I(4)}));
  EXPECT_EQ(log_->commit(), I(4));
  EXPECT_FALSE(log_->HasCommitted());
  EXPECT_TRUE(log_->HasUnwritten());
  EXPECT_EQ(log_->Read(I(4), I(5), UINT64_MAX).status().code(), absl::StatusCode::kOutOfRange);
}

// What the disk holds is of the old log, up to where it is committed; it is not asked.
TEST_F(LogTest, WhileItIsNotDurableOnlyTheSnapshotsOwnTermIsKnown) {
  disk_ = MemoryLog(EntryId{T(1), I(100)});
  disk_.Write({.entries = Entries(101, {1, 1})});
  log_ = std::make_unique<Log>(&disk_, I(101), I(100), LogLimits{});
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(1, 105)));
  for (uint64_t index : {100, 101, 102, 104, 106}) {
    EXPECT_EQ(log_->TermAt(I(index)), std::nullopt) << index;
  }
  EXPECT_EQ(log_->TermAt(I(105)), T(1));
  Append(3);
  EXPECT_EQ(log_->TermAt(I(106)), T(3));
  EXPECT_EQ(log_->last(), I(106));
  EXPECT_THAT(Indexes(*log_->Read(I(106), I(107), UINT64_MAX)), ElementsAre(106));
}

// The snapshot is handed out once, with what has come behind it.
TEST_F(LogTest, ASnapshotIsHandedOutOnce) {
  Open({1}, 0);
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 4)));
  Append(2);
  Log::Unwritten unwritten = log_->TakeUnwritten(1);
  ASSERT_NE(unwritten.snapshot, nullptr);
  EXPECT_EQ(unwritten.snapshot->id, (EntryId{T(2), I(4)}));
  EXPECT_THAT(Indexes(unwritten.entries), ElementsAre(5));
  EXPECT_FALSE(log_->HasUnwritten());
  Append(2);
  unwritten = log_->TakeUnwritten(2);
  EXPECT_EQ(unwritten.snapshot, nullptr);
  EXPECT_THAT(Indexes(unwritten.entries), ElementsAre(6));
}

TEST_F(LogTest, AWriteWithASnapshotMakesItDurableAndApplied) {
  Open({1, 1}, 1);
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 5)));
  Append(2);
  log_->CommitTo(I(6));
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnWritten(Write());
  EXPECT_FALSE(log_->IsRestoring());
  EXPECT_EQ(log_->applied(), I(5));
  EXPECT_EQ(log_->durable(), I(6));
  EXPECT_EQ(log_->TermAt(I(5)), T(2));
  EXPECT_THAT(Indexes(log_->TakeCommitted()), ElementsAre(6));
}

// Acknowledgements of the old log's writes say nothing of the new one.
TEST_F(LogTest, ALateAcknowledgementDoesNotCoverASnapshot) {
  Open({1, 1}, 1);
  for (int i = 0; i < 4; ++i) Append(1);
  const uint64_t old = Write();
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 4)));
  Append(2);
  const uint64_t replacing = Write();
  log_->OnWritten(old);
  EXPECT_LE(log_->durable(), I(1));
  EXPECT_TRUE(log_->IsRestoring());
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnWritten(replacing);
  EXPECT_EQ(log_->durable(), I(5));
  EXPECT_FALSE(log_->IsRestoring());
}

TEST_F(LogTest, EntriesBehindASnapshotAreReplacedLikeOthers) {
  Open({}, 0);
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 4)));
  EXPECT_EQ(log_->MergeEntries({T(2), I(4)}, Entries(5, {2, 2})), Log::Merge::kMerged);
  const uint64_t first = Write();
  EXPECT_EQ(log_->MergeEntries({T(2), I(4)}, Entries(5, {3})), Log::Merge::kMerged);
  EXPECT_EQ(log_->last_id(), (EntryId{T(3), I(5)}));
  EXPECT_EQ(log_->MergeEntries({T(1), I(3)}, Entries(4, {2})), Log::Merge::kMismatch);
  log_->OnWritten(first);
  EXPECT_EQ(log_->durable(), I(4));
  EXPECT_FALSE(log_->IsRestoring());
  log_->OnWritten(Write());
  EXPECT_EQ(log_->durable(), I(5));
}

TEST_F(LogTest, TheNewestOfTwoSnapshotsCounts) {
  Open({1}, 1);
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 4)));
  const uint64_t first = Write();
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(2, 9)));
  const uint64_t second = Write();
  log_->OnWritten(first);
  EXPECT_TRUE(log_->IsRestoring());
  EXPECT_EQ(log_->last(), I(9));
  EXPECT_FALSE(log_->HasCommitted());
  log_->OnWritten(second);
  EXPECT_FALSE(log_->IsRestoring());
  EXPECT_EQ(log_->applied(), I(9));
  EXPECT_EQ(log_->durable(), I(9));
}

// ---------------------------------------------------------------------------------------------
// changes of membership

Entry ChangeAt(uint64_t term, uint64_t index) {
  return {.term = T(term), .index = I(index), .type = EntryType::kConfChange};
}

// What was found at the start is not searched: it may be one.
TEST_F(LogTest, EntriesFoundAtTheStartMayBeChangesUntilTheyAreApplied) {
  Open({1, 1, 1}, 2);
  EXPECT_TRUE(log_->HasUnappliedConfChange());
  EXPECT_TRUE(log_->HasCommittedConfChange());
  log_->OnApplied(log_->TakeCommitted().back().index);
  EXPECT_TRUE(log_->HasUnappliedConfChange());
  EXPECT_FALSE(log_->HasCommittedConfChange());
  log_->CommitTo(I(3));
  log_->OnApplied(log_->TakeCommitted().back().index);
  EXPECT_FALSE(log_->HasUnappliedConfChange());
}

TEST_F(LogTest, AChangeIsUnderWayFromItsAppendToItsApplication) {
  Open({}, 0);
  EXPECT_FALSE(log_->HasUnappliedConfChange());
  log_->Append(ChangeAt(1, 1));
  Append(1);
  EXPECT_TRUE(log_->HasUnappliedConfChange());
  EXPECT_FALSE(log_->HasCommittedConfChange());
  log_->CommitTo(I(2));
  EXPECT_TRUE(log_->HasCommittedConfChange());
  log_->OnWritten(Write());
  log_->TakeCommitted();
  log_->OnApplied(I(1));
  EXPECT_FALSE(log_->HasUnappliedConfChange());
  EXPECT_FALSE(log_->HasCommittedConfChange());
}

TEST_F(LogTest, AChangeThatIsReplacedIsNotUnderWay) {
  Open({1}, 1);
  log_->OnApplied(log_->TakeCommitted().back().index);
  log_->Append(ChangeAt(1, 2));
  EXPECT_TRUE(log_->HasUnappliedConfChange());
  EXPECT_EQ(log_->MergeEntries({T(1), I(1)}, Entries(2, {2})), Log::Merge::kMerged);
  EXPECT_FALSE(log_->HasUnappliedConfChange());
  log_->Append(ChangeAt(2, 3));
  log_->Restore(std::make_shared<const Snapshot>(SnapshotAt(3, 3)));
  EXPECT_FALSE(log_->HasUnappliedConfChange());
}

}  // namespace
}  // namespace keelson::raft
