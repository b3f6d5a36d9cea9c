#include "storage/store.h"

#include "gtest/gtest.h"
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

INSTANTIATE_TEST_SUITE_P(TinyIndex, StoreContract, testing::Values(&TinyIndex));
INSTANTIATE_TEST_SUITE_P(Defaults, StoreContract, testing::Values(&Defaults));
INSTANTIATE_TEST_SUITE_P(TinyBudget, StoreContract, testing::Values(&TinyBudget));

}  // namespace
}  // namespace keelson::storage
