// Readers on threads of their own while the store is written: whatever the index is doing meanwhile
// (writing back, evicting, cutting blocks, compacting), a read at a revision sees that revision.
//
// Entry i deletes one of kLive keys and puts another, so that at every revision after the first
// exactly kLive keys are live, and which of them follows from the revision.

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/key_value.h"
#include "storage/store.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

constexpr int64_t kLive = 300;
constexpr int64_t kKeys = 2 * kLive;  // the live ones are a window that moves round
constexpr int64_t kEntries = 6000;

std::string KeyOf(int64_t i) { return "key-" + std::to_string(100000 + i * 7919 % kKeys); }

// What is live at `revision`: the first entry made revision 2 with keys 0 to kLive - 1.
std::set<std::string> LiveAt(int64_t revision) {
  std::set<std::string> keys;
  for (int64_t i = revision - 2; i < revision - 2 + kLive; ++i) keys.insert(KeyOf(i));
  return keys;
}

class StoreReadersTest : public testing::Test {
 protected:
  StoreReadersTest() {
    StoreOptions options;
    options.directory = directory_.File("state");
    options.memory_budget_bytes = 256 << 10;
    options.index_lag_max = 100;
    options.index_block_keys = 16;
    options.index_leaf_blocks = 8;
    options.index_inline_versions = 2;
    store_ = *Store::Open(options);
    store_->BeginEntry(LogIndex(1), Term(1));
    for (int64_t i = 0; i < kLive; ++i) Put(KeyOf(i));
    store_->EndEntry();
    Commit();
  }
  void Put(const std::string& key) { ASSERT_TRUE(store_->Put(key, "v", {}, false).ok()); }
  void Commit() {
    absl::Status status = store_->CommitBatch();
    while (absl::IsUnavailable(status)) {
      std::this_thread::yield();
      status = store_->CommitBatch();
    }
    ASSERT_TRUE(status.ok()) << status;
  }

  void Write() {
    for (int64_t i = 0; i < kEntries && !HasFailure(); ++i) {
      store_->BeginEntry(store_->applied() + 1, Term(1));
      ASSERT_TRUE(store_->DeleteRange({KeyOf(i), {}, false}, false).ok());
      Put(KeyOf(i + kLive));
      store_->EndEntry();
      if (i % 4 != 0) continue;
      Commit();
      if (i % 400 == 0) {
        store_->BeginEntry(store_->applied() + 1, Term(1));
        ASSERT_TRUE(store_->Compact(store_->revision() - 150).ok() || i < 400);
        store_->EndEntry();
        Commit();
      }
      const auto done = store_->CompactStep(20);
      ASSERT_TRUE(done.ok() || absl::IsUnavailable(done.status())) << done.status();
    }
    Commit();
    written_.store(true);
  }

  void Read(uint64_t seed) {
    SeededRandom random(seed);
    while (!written_.load() && !HasFailure()) {
      const Revision at = store_->revision() - static_cast<int64_t>(random.Below(100));
      if (at < Revision(2)) continue;
      const std::set<std::string> live = LiveAt(at.value());
      const std::string begin = KeyOf(static_cast<int64_t>(random.Below(kKeys)));
      RangeQuery query;
      query.range = {begin, {}, true};
      query.revision = at;
      query.limit = static_cast<int64_t>(random.Below(2) * random.Below(200));
      query.keys_only = random.Below(2) == 0;
      std::vector<std::string> keys;
      const auto summary = store_->Range(query, [&keys](std::string_view bytes) {
        KeyValue kv;
        ASSERT_TRUE(ParseKeyValue(bytes, kv));
        keys.emplace_back(kv.key);
      });
      if (absl::IsOutOfRange(summary.status())) continue;  // compacted meanwhile
      ASSERT_TRUE(summary.ok()) << summary.status();
      const std::vector<std::string> expected(live.lower_bound(begin), live.end());
      EXPECT_EQ(summary->count, static_cast<int64_t>(expected.size())) << "at " << at.value();
      ASSERT_LE(keys.size(), expected.size());
      EXPECT_TRUE(std::equal(keys.begin(), keys.end(), expected.begin())) << "at " << at.value();
      const auto found = store_->Find(begin, at);
      if (found.ok()) {
        EXPECT_EQ(found->has_value(), live.contains(begin));
      }
      reads_.fetch_add(1);
    }
  }

  const TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  // Between the test's threads; each stands alone.
  std::atomic<bool> written_{false};
  std::atomic<int64_t> reads_{0};
};

TEST_F(StoreReadersTest, ARevisionIsSeenAsAWholeWhileTheIndexWorks) {
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 2; ++seed) readers.emplace_back([this, seed] { Read(seed); });
  Write();
  written_.store(true);
  for (std::thread& reader : readers) reader.join();
  const IndexCounters counters = store_->index_counters();
  EXPECT_GT(reads_.load(), 10);
  EXPECT_GT(counters.rounds, 10u);
  EXPECT_GT(counters.evictions, 100u);
  EXPECT_GT(counters.block_splits, 10u);
  EXPECT_GT(counters.counts_by_changes + counters.counts_from_memo, 0u);
}

}  // namespace
}  // namespace keelson::storage
