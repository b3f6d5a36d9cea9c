// EntryWindow and Log.
#include "raft/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    disk_.Write({.hard_state = std::nullopt, .entries = Entries(1, terms)});
    log_ = std::make_unique<Log>(&disk_, I(commit), I(0), limits);
  }
  void Append(uint64_t term) {
    log_->Append(MakeEntry(term, log_->last().value() + 1));
  }
  // Hands out what is unwritten and carries it out.
  uint64_t Write() {
    disk_.Write({.hard_state = std::nullopt, .entries = log_->TakeUnwritten(++number_)});
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
  EXPECT_THAT(Indexes(log_->TakeUnwritten(1)), ElementsAre(4));
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

}  // namespace
}  // namespace keelson::raft
