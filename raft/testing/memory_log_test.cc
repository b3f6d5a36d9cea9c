// MemoryLog keeps what LogView and LogWrite promise: the tests of the core rest on it. Names follow
// etcd-io/raft's storage_test.go (after "Test"), where the same is shown.
#include "raft/testing/memory_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/entry_window.h"
#include "raft/testing/describe.h"

namespace keelson::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

LogIndex I(uint64_t index) { return LogIndex{index}; }

std::vector<Entry> From(uint64_t first, const std::vector<uint64_t>& terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back({.term = Term{term}, .index = I(first++)});
  return entries;
}

// Compacted through 3/3, with entries 3/4, 4/5 and 5/6.
class MemoryLogTest : public ::testing::Test {
 protected:
  MemoryLogTest() { Append(From(4, {3, 4, 5})); }
  void Append(std::vector<Entry> entries) { log_.Write({.entries = std::move(entries)}); }
  std::vector<uint64_t> Read(uint64_t begin, uint64_t end, uint64_t bytes_max = UINT64_MAX) {
    std::vector<uint64_t> indexes;
    const auto entries = log_.Entries(I(begin), I(end), bytes_max);
    EXPECT_TRUE(entries.ok()) << entries.status();
    if (!entries.ok()) return {};
    for (const Entry& entry : *entries) indexes.push_back(entry.index.value());
    return indexes;
  }

  MemoryLog log_{EntryId{Term{3}, I(3)}};
};

TEST_F(MemoryLogTest, Term) {
  EXPECT_EQ(log_.TermAt(I(2)), std::nullopt);
  EXPECT_EQ(log_.TermAt(I(3)), Term{3});
  EXPECT_EQ(log_.TermAt(I(4)), Term{3});
  EXPECT_EQ(log_.TermAt(I(5)), Term{4});
  EXPECT_EQ(log_.TermAt(I(6)), Term{5});
  EXPECT_EQ(log_.TermAt(I(7)), std::nullopt);
}

TEST_F(MemoryLogTest, EntriesAreCutByBytesAfterAtLeastOne) {
  for (uint64_t begin : {2, 3}) {
    EXPECT_EQ(log_.Entries(I(begin), I(5), UINT64_MAX).status().code(),
              absl::StatusCode::kOutOfRange);
  }
  EXPECT_THAT(Read(4, 5), ElementsAre(4));
  EXPECT_THAT(Read(4, 6), ElementsAre(4, 5));
  EXPECT_THAT(Read(4, 7), ElementsAre(4, 5, 6));
  EXPECT_THAT(Read(5, 5), IsEmpty());
  EXPECT_THAT(Read(4, 7, 0), ElementsAre(4));
  constexpr uint64_t kEntry = kEntryOverheadBytes;
  EXPECT_THAT(Read(4, 7, 2 * kEntry), ElementsAre(4, 5));
  EXPECT_THAT(Read(4, 7, 2 * kEntry + kEntry / 2), ElementsAre(4, 5));
  EXPECT_THAT(Read(4, 7, 3 * kEntry - 1), ElementsAre(4, 5));
  EXPECT_THAT(Read(4, 7, 3 * kEntry), ElementsAre(4, 5, 6));
}

TEST_F(MemoryLogTest, LastIndex) {
  EXPECT_EQ(log_.LastIndex(), I(6));
  Append(From(7, {5}));
  EXPECT_EQ(log_.LastIndex(), I(7));
}

TEST_F(MemoryLogTest, FirstIndex) {
  EXPECT_EQ(log_.FirstIndex(), I(4));
  log_.CompactThrough(I(5));
  EXPECT_EQ(log_.FirstIndex(), I(6));
}

TEST_F(MemoryLogTest, CompactKeepsTheTermBeforeTheFirstEntry) {
  for (uint64_t index : {4, 5, 6}) {
    const std::optional<keelson::Term> term = log_.TermAt(I(index));
    log_.CompactThrough(I(index));
    EXPECT_EQ(log_.FirstIndex(), I(index + 1));
    EXPECT_EQ(log_.TermAt(I(index)), term);
    EXPECT_EQ(log_.TermAt(I(index - 1)), std::nullopt);
    EXPECT_EQ(log_.LastIndex(), I(6));
    EXPECT_EQ(log_.entries().size(), 6 - index);
  }
  Append(From(7, {6}));
  EXPECT_EQ(log_.last_id(), (EntryId{keelson::Term{6}, I(7)}));
}

TEST_F(MemoryLogTest, AppendReplacesFromItsFirstEntryOn) {
  Append(From(4, {3, 6, 6}));
  EXPECT_EQ(Describe(log_.entries()), "[3/4 \"\", 6/5 \"\", 6/6 \"\"]");
  Append(From(4, {3, 6, 6, 6}));
  EXPECT_EQ(log_.LastIndex(), I(7));
  Append(From(5, {7}));
  EXPECT_EQ(Describe(log_.entries()), "[3/4 \"\", 7/5 \"\"]");
  Append(From(6, {7}));
  EXPECT_EQ(Describe(log_.entries()), "[3/4 \"\", 7/5 \"\", 7/6 \"\"]");
}

TEST_F(MemoryLogTest, CreateSnapshotIsWhatTakeSnapshotGives) {
  EXPECT_FALSE(log_.TakeSnapshot().ok());
  for (uint64_t index : {4, 5}) {
    log_.SetSnapshot({.id = {*log_.TermAt(I(index)), I(index)},
                      .conf = {.voters = {NodeId{1}, NodeId{2}}},
                      .data = SharedBytes(std::string("data"))});
    const auto snapshot = log_.TakeSnapshot();
    ASSERT_TRUE(snapshot.ok());
    EXPECT_EQ(snapshot->id.index, I(index));
    EXPECT_EQ(snapshot->conf.voters.size(), 2u);
    EXPECT_EQ(snapshot->data.view(), "data");
  }
}

// The log is empty then and goes on behind it, with what came in the same write.
TEST_F(MemoryLogTest, ApplySnapshotReplacesTheLog) {
  const auto snapshot =
      std::make_shared<const Snapshot>(Snapshot{.id = {keelson::Term{6}, I(5)}, .conf = {}});
  log_.Write({.hard_state = HardState{keelson::Term{6}, NodeId{0}, I(5)}, .snapshot = snapshot});
  EXPECT_EQ(log_.FirstIndex(), I(6));
  EXPECT_EQ(log_.LastIndex(), I(5));
  EXPECT_EQ(log_.TermAt(I(5)), keelson::Term{6});
  EXPECT_EQ(log_.TermAt(I(4)), std::nullopt);
  Append(From(6, {6}));
  EXPECT_EQ(log_.LastIndex(), I(6));

  const auto later =
      std::make_shared<const Snapshot>(Snapshot{.id = {keelson::Term{6}, I(9)}, .conf = {}});
  log_.Write({.hard_state = HardState{keelson::Term{6}, NodeId{0}, I(9)},
              .snapshot = later,
              .entries = From(10, {6, 7})});
  EXPECT_EQ(log_.FirstIndex(), I(10));
  EXPECT_EQ(log_.LastIndex(), I(11));
}

using MemoryLogDeathTest = MemoryLogTest;

// What the core must never ask for.
TEST_F(MemoryLogDeathTest, WritesThatBreakAPromiseAreRefused) {
  EXPECT_DEATH(Append(From(8, {5})), "gap at 8");
  EXPECT_DEATH(Append(From(3, {5})), "gap at 3");
  const HardState state{keelson::Term{5}, NodeId{0}, I(5)};
  log_.Write({.hard_state = state});
  EXPECT_DEATH(Append(From(5, {6})), "committed entries replaced");
  EXPECT_DEATH(log_.Write({.hard_state = HardState{keelson::Term{4}, NodeId{0}, I(5)}}), "");
  EXPECT_DEATH(log_.Write({.hard_state = HardState{keelson::Term{5}, NodeId{0}, I(4)}}), "");
  EXPECT_DEATH(log_.Write({.hard_state = HardState{keelson::Term{5}, NodeId{0}, I(9)}}),
               "commit beyond the log");
}

}  // namespace
}  // namespace keelson::raft
