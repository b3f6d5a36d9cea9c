#include "storage/recent_state_hashes.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace keelson::storage {
namespace {

TEST(RecentStateHashesTest, HoldsTheNewestAndForgetsTheOldest) {
  RecentStateHashes hashes;
  EXPECT_EQ(hashes.Find(LogIndex(1)), std::nullopt);
  const uint64_t last = RecentStateHashes::kHeld + 10;
  for (uint64_t i = 1; i <= last; ++i) hashes.Add(LogIndex(i), i * 3);
  EXPECT_EQ(hashes.Find(LogIndex(10)), std::nullopt);
  EXPECT_EQ(hashes.Find(LogIndex(11)), 33);
  EXPECT_EQ(hashes.Find(LogIndex(last)), last * 3);
  EXPECT_EQ(hashes.Find(LogIndex(last + 1)), std::nullopt);
  hashes.Add(LogIndex(last + 100), 5);
  EXPECT_EQ(hashes.Find(LogIndex(last)), std::nullopt) << "there is a gap";
  EXPECT_EQ(hashes.Find(LogIndex(last + 100)), 5);
}

class SavedStateHashesTest : public testing::Test {
 protected:
  // As one batch: the entries after the last.
  void Add(uint64_t count) {
    for (; count > 0; --count) {
      ++last_;
      hashes_.Add(LogIndex(last_), last_ * 3);
    }
    Save();
  }
  void Save() {
    const auto record = hashes_.TakeRecord();
    ASSERT_TRUE(record);
    disk_[record->slot] = EncodeStateHashRun(record->run);
    EXPECT_FALSE(hashes_.TakeRecord()) << "there is nothing new";
  }
  void Reopen() {
    hashes_ = RecentStateHashes();
    for (const auto& [slot, bytes] : disk_) ASSERT_TRUE(hashes_.LoadRecord(slot, bytes));
    ASSERT_EQ(hashes_.FinishLoad(LogIndex(last_)), last_ * 3);
  }
  // The oldest that is found, with no gap after it.
  uint64_t Oldest() {
    uint64_t index = last_;
    while (index > 0 && hashes_.Find(LogIndex(index)) == index * 3) --index;
    for (uint64_t i = 0; i <= index; ++i) EXPECT_EQ(hashes_.Find(LogIndex(i)), std::nullopt) << i;
    return index + 1;
  }

  std::map<uint8_t, std::string> disk_;
  RecentStateHashes hashes_;
  uint64_t last_ = 0;
};

TEST_F(SavedStateHashesTest, ThoseOfTheNewestBatchesOutliveARestart) {
  for (int i = 0; i < 1000; ++i) {
    Add(1 + i % 3);
    if (i % 7 == 0) Reopen();
  }
  const uint64_t oldest = last_ + 1 - (RecentStateHashes::kSlots - 1) * 2;
  Reopen();
  EXPECT_LE(Oldest(), oldest);
  EXPECT_EQ(disk_.size(), RecentStateHashes::kSlots);
}

TEST_F(SavedStateHashesTest, OfALargeBatchTheNewestAreSaved) {
  Add(1);
  Add(RecentStateHashes::kRunMax + 1);
  Add(1);
  Reopen();
  EXPECT_EQ(Oldest(), 3);
}

TEST_F(SavedStateHashesTest, AStateThatBeginsAnewHasNothingOfItsOldLife) {
  for (int i = 0; i < 10; ++i) Add(1);
  for (const uint8_t slot : hashes_.Clear()) disk_.erase(slot);
  EXPECT_TRUE(disk_.empty());
  EXPECT_EQ(hashes_.Find(LogIndex(10)), std::nullopt);
  last_ = 0;
  hashes_.Add(LogIndex(0), 77);
  Save();
  Add(2);
  Reopen();
  EXPECT_EQ(hashes_.Find(LogIndex(0)), 77);
  EXPECT_EQ(hashes_.Find(LogIndex(1)), 3);
  EXPECT_EQ(hashes_.Find(LogIndex(3)), std::nullopt);
}

TEST_F(SavedStateHashesTest, WithoutARecordOfWhereTheStateStandsNothingIsKnown) {
  Add(3);
  RecentStateHashes hashes;
  EXPECT_TRUE(hashes.LoadRecord(0, disk_.at(0)));
  EXPECT_EQ(hashes.FinishLoad(LogIndex(4)), std::nullopt);
  EXPECT_EQ(hashes.Find(LogIndex(3)), std::nullopt);
}

TEST(StateHashRunTest, WhatIsNotARunIsRefused) {
  const std::string good = EncodeStateHashRun({LogIndex(2), {5, 6, 7}});
  StateHashRun run;
  EXPECT_TRUE(ParseStateHashRun(good, run));
  EXPECT_EQ(run, (StateHashRun{LogIndex(2), {5, 6, 7}}));
  EXPECT_FALSE(ParseStateHashRun("", run));
  EXPECT_FALSE(ParseStateHashRun(good.substr(0, 8), run)) << "no hash";
  EXPECT_FALSE(ParseStateHashRun(good.substr(0, 15), run));
  EXPECT_FALSE(ParseStateHashRun(good + good.substr(8, 8), run)) << "more than there can be";
  EXPECT_FALSE(ParseStateHashRun(EncodeStateHashRun({LogIndex(UINT64_MAX), {5}}), run))
      << "no entry can follow";
  EXPECT_FALSE(ParseStateHashRun(
      EncodeStateHashRun({LogIndex(1000), std::vector<uint64_t>(RecentStateHashes::kRunMax + 1)}),
      run));
  RecentStateHashes hashes;
  EXPECT_FALSE(hashes.LoadRecord(RecentStateHashes::kSlots, good));
  EXPECT_TRUE(hashes.LoadRecord(0, good));
  EXPECT_FALSE(hashes.LoadRecord(1, good)) << "two that end at the same entry";
}

}  // namespace
}  // namespace keelson::storage
