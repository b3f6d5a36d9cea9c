#include "storage/store.h"

#include <thread>

#include "absl/synchronization/notification.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/crashing_file_system.h"
#include "storage/crashing_rocks.h"
#include "storage/memory_store.h"
#include "storage/store_contract.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

class RocksHarness final : public StoreHarness {
 public:
  explicit RocksHarness(StoreOptions options) : options_(std::move(options)) {
    options_.directory = directory_.File("state");
    options_.flush_on_close = false;  // whatever a test does not flush is lost with the store
  }
  absl::StatusOr<std::unique_ptr<Store>> Open() override { return Store::Open(options_); }
  void Crash(std::unique_ptr<Store> store) override { store.reset(); }

 private:
  const TemporaryDirectory directory_;
  StoreOptions options_;
};

std::unique_ptr<StoreHarness> Defaults() { return std::make_unique<RocksHarness>(StoreOptions()); }

// Next to nothing is held in memory: everything is read from RocksDB.
std::unique_ptr<StoreHarness> TinyBudget() {
  StoreOptions options;
  options.memory_budget_bytes = 8;
  return std::make_unique<RocksHarness>(options);
}

// An index of which every part is as small as can be.
std::unique_ptr<StoreHarness> TinyIndex() {
  StoreOptions options;
  options.memory_budget_bytes = 8;
  options.index_lag_max = 1;
  options.index_block_keys = 8;
  options.index_leaf_blocks = 8;
  options.index_inline_versions = 1;
  return std::make_unique<RocksHarness>(options);
}

// The store of simulations, on a disk that forgets what was not synced.
class MemoryHarness final : public StoreHarness {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open() override {
    return states_.Open({.directory = "/state"});
  }
  void Crash(std::unique_ptr<Store> store) override {
    files_.Halt();
    store.reset();
    files_.Restart(CrashingFileSystem::Survivors::kNothing);
  }

 private:
  CrashingFileSystem files_{1};
  MemoryStates states_{files_};
};

std::unique_ptr<StoreHarness> InMemory() { return std::make_unique<MemoryHarness>(); }

INSTANTIATE_TEST_SUITE_P(InMemory, StoreContract, testing::Values(&InMemory));
INSTANTIATE_TEST_SUITE_P(TinyIndex, StoreContract, testing::Values(&TinyIndex));
INSTANTIATE_TEST_SUITE_P(Defaults, StoreContract, testing::Values(&Defaults));
INSTANTIATE_TEST_SUITE_P(TinyBudget, StoreContract, testing::Values(&TinyBudget));

// When the index is written back, and what a compaction has removed, is each member's own matter.
TEST(StateHashTest, IsTheSameHoweverTheIndexIsWrittenBackAndVersionsAreRemoved) {
  std::vector<uint64_t> hashes;
  for (const auto make : {&Defaults, &TinyIndex, &TinyBudget, &InMemory}) {
    const std::unique_ptr<StoreHarness> harness = make();
    const bool removes = make != &Defaults;
    auto store = harness->Open();
    ASSERT_TRUE(store.ok()) << store.status();
    for (int i = 1; i <= 2000; ++i) {
      (*store)->BeginEntry((*store)->applied() + 1, Term(1));
      const std::string key = "k" + std::to_string(i % 300);
      if (i % 7 == 0) {
        EXPECT_TRUE((*store)->DeleteRange({key, {}, false}, false).ok());
      } else {
        EXPECT_TRUE((*store)->Put(key, std::to_string(i), {}, false).ok());
      }
      if (i % 100 == 0) {
        EXPECT_TRUE((*store)->Compact((*store)->revision()).ok());
      }
      (*store)->EndEntry();
      absl::Status status;
      do {  // tiny memtables fill faster than they are flushed
        status = (*store)->CommitBatch();
      } while (absl::IsUnavailable(status));
      ASSERT_TRUE(status.ok()) << status;
      if (removes && i % 100 == 0) {
        status = (*store)->CompactStep(50).status();
        ASSERT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
      }
    }
    hashes.push_back((*store)->state_hash());
  }
  EXPECT_EQ(hashes[1], hashes[0]);
  EXPECT_EQ(hashes[2], hashes[0]);
  EXPECT_EQ(hashes[3], hashes[0]);
}

// ------------------------------------------------------------------------------------------- space

class StoreSpaceTest : public testing::Test {
 protected:
  StoreSpaceTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto store = Store::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Entry(const std::function<void()>& changes) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    changes();
    store_->EndEntry();
    ASSERT_TRUE(store_->CommitBatch().ok());
  }
  // Values that no compression makes smaller.
  void PutMany(int keys, size_t value_bytes) {
    for (int i = 0; i < keys; ++i) {
      std::string value(value_bytes, '\0');
      for (char& c : value) c = static_cast<char>(random_.Next());
      Entry([&] { EXPECT_TRUE(store_->Put("k" + std::to_string(i), value, {}, false).ok()); });
    }
  }
  void CompactAll() {
    Entry([&] { EXPECT_TRUE(store_->Compact(store_->revision()).ok()); });
    for (bool done = false; !done;) {
      const auto step = store_->CompactStep(100);
      ASSERT_TRUE(step.ok()) << step.status();
      done = *step;
    }
  }
  absl::Status Reclaim() {
    absl::Notification over;
    absl::Status outcome;
    store_->Reclaim([&](absl::Status status) {
      outcome = std::move(status);
      over.Notify();
    });
    over.WaitForNotification();
    return outcome;
  }
  uint32_t Hash() const {
    const auto hash = store_->HashKv(Revision());
    EXPECT_TRUE(hash.ok()) << hash.status();
    return hash.ok() ? hash->hash : 0;
  }

  static constexpr uint64_t kValueBytes = 10000;
  static constexpr uint64_t kOnce = 200 * kValueBytes;  // PutMany(200, kValueBytes)

  const TemporaryDirectory directory_;
  StoreOptions options_{.directory = directory_.File("state")};
  SeededRandom random_{1};
  std::unique_ptr<Store> store_;
};

TEST_F(StoreSpaceTest, TheSizeIsThatOfWhatIsStored) {
  EXPECT_LT(store_->SizeInUse(), 10000u);
  PutMany(200, kValueBytes);
  EXPECT_NEAR(static_cast<double>(store_->SizeInUse()), kOnce, kOnce / 10.0) << "in memory";
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_NEAR(static_cast<double>(store_->SizeInUse()), kOnce, kOnce / 10.0) << "in files";
  EXPECT_GE(store_->SizeOnDisk(), store_->SizeInUse());
}

TEST_F(StoreSpaceTest, WritingTheSameRecordAgainAndAgainUsesNoSpace) {
  for (int i = 0; i < 2000; ++i) {
    Entry([&] { store_->PutRecord(Table::kCluster, "r", std::string(1000, 'x')); });
  }
  EXPECT_LT(store_->SizeInUse(), 100000u);
}

TEST_F(StoreSpaceTest, SpaceOfReplacedVersionsComesBackByItself) {
  for (int i = 0; i < 4; ++i) PutMany(200, kValueBytes);
  EXPECT_GT(store_->SizeInUse(), 3 * kOnce);
  const uint32_t hash = [&] {
    CompactAll();
    return Hash();
  }();
  EXPECT_TRUE(Reclaim().ok());  // waits for the one under way
  EXPECT_LT(store_->SizeInUse(), kOnce * 5 / 4);
  EXPECT_LT(store_->SizeOnDisk(), kOnce * 5 / 4);
  EXPECT_EQ(Hash(), hash);
  Reopen();
  EXPECT_EQ(Hash(), hash);
}

TEST_F(StoreSpaceTest, SpaceOfDeletedKeysComesBack) {
  PutMany(200, kValueBytes);
  ASSERT_TRUE(store_->Flush().ok());
  Entry([&] { EXPECT_TRUE(store_->DeleteRange({"k", "l"}, false).ok()); });
  CompactAll();
  EXPECT_TRUE(Reclaim().ok());
  EXPECT_LT(store_->SizeInUse(), kOnce / 10);
}

TEST_F(StoreSpaceTest, LittleThatWasRemovedIsReclaimedWhenAskedFor) {
  PutMany(200, kValueBytes);
  PutMany(5, kValueBytes);
  EXPECT_FALSE(store_->reclaimable());
  CompactAll();
  EXPECT_TRUE(store_->reclaimable());
  EXPECT_TRUE(Reclaim().ok());
  EXPECT_FALSE(store_->reclaimable());
  EXPECT_NEAR(static_cast<double>(store_->SizeInUse()), kOnce, kOnce / 50.0);
}

TEST_F(StoreSpaceTest, WritesGoOnWhileSpaceIsReclaimed) {
  for (int i = 0; i < 4; ++i) PutMany(200, kValueBytes);
  CompactAll();
  absl::Notification over;
  store_->Reclaim([&](const absl::Status&) { over.Notify(); });
  int writes = 0;
  while (!over.HasBeenNotified()) {
    PutMany(1, 100);
    ++writes;
  }
  EXPECT_GT(writes, 0);
}

TEST_F(StoreSpaceTest, AStoreThatClosesAnswersWhoWaits) {
  PutMany(200, kValueBytes);
  int answers = 0;
  for (int i = 0; i < 5; ++i) store_->Reclaim([&](const absl::Status&) { ++answers; });
  store_.reset();
  EXPECT_EQ(answers, 5);
}

// The record of a key in the index is written again when the key changes. Its files hold what was
// replaced; the versions in `rev` do count, as long as they are not compacted.
TEST_F(StoreSpaceTest, RecordsOfTheIndexThatWereReplacedAreNotInUse) {
  constexpr int kRounds = 6;  // fewer files than RocksDB begins to merge
  constexpr uint64_t kKeys = 300, kKeyBytes = 1000;
  options_.index_lag_max = 1;
  Reopen();
  std::vector<std::string> keys(kKeys, std::string(kKeyBytes, '\0'));
  for (std::string& key : keys) {
    for (char& c : key) c = static_cast<char>(random_.Next());
  }
  for (int round = 0; round < kRounds; ++round) {
    for (const std::string& key : keys) {
      Entry([&] { EXPECT_TRUE(store_->Put(key, "v", {}, false).ok()); });
    }
    for (int i = 0; i < 10; ++i) Entry([] {});  // the rest of the index is written back
    ASSERT_TRUE(store_->Flush().ok());
  }
  const uint64_t versions = kRounds * kKeys * kKeyBytes;
  const uint64_t index = kKeys * kKeyBytes;
  EXPECT_GT(store_->SizeOnDisk(), versions + 3 * index) << "the test is about what is replaced";
  EXPECT_GT(store_->SizeInUse(), versions + index / 2);
  EXPECT_LT(store_->SizeInUse(), versions + 2 * index);
}

// --------------------------------------------------------------------------------- a disk that is
// full

class StoreFullDiskTest : public testing::Test {
 protected:
  StoreFullDiskTest() { Open(); }
  ~StoreFullDiskTest() override {
    const CrashingRocks::Running running(rocks_);
    store_.reset();
  }

  void Open() {
    const CrashingRocks::Running running(rocks_);
    auto store = Store::Open({.directory = "state", .environment = &rocks_});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  absl::Status Put(int key) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    EXPECT_TRUE(store_->Put("k" + std::to_string(key), std::string(1000, 'v'), {}, false).ok());
    store_->EndEntry();
    return store_->CommitBatch();
  }
  void FillDisk() { files_.SetCapacity(0); }
  void MakeRoom() { files_.SetCapacity(uint64_t{1} << 40); }

  CrashingFileSystem files_{1};
  CrashingRocks rocks_{files_};
  std::unique_ptr<Store> store_;
};

TEST_F(StoreFullDiskTest, AFlushThatFindsNoRoomIsMadeUpForByItself) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put(i).ok());
  const CrashingRocks::Running running(rocks_);
  FillDisk();
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Flush()));
  EXPECT_TRUE(store_->disk_full());
  EXPECT_LT(store_->durable_applied(), LogIndex(100));
  EXPECT_EQ(store_->KeyCount(), 100) << "what is in memory is served";
  MakeRoom();
  while (store_->disk_full()) std::this_thread::yield();  // it is tried every second
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->durable_applied(), LogIndex(100));
  ASSERT_TRUE(Put(100).ok());
}

TEST_F(StoreFullDiskTest, OneThatIsClosedOnAFullDiskLosesOnlyWhatTheLogStillHas) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(i).ok());
  {
    const CrashingRocks::Running running(rocks_);
    ASSERT_TRUE(store_->Flush().ok());
    for (int i = 50; i < 100; ++i) ASSERT_TRUE(Put(i).ok());
    FillDisk();
    EXPECT_TRUE(absl::IsResourceExhausted(store_->Flush()));
    store_.reset();
  }
  MakeRoom();
  Open();
  EXPECT_EQ(store_->applied(), LogIndex(50));
  EXPECT_EQ(store_->KeyCount(), 50);
}

}  // namespace
}  // namespace keelson::storage
