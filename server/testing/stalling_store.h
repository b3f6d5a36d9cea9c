// StallingStore: a Store whose commits can be made to wait, as RocksDB's do when its files pile up,
// or to fail. Everything else is the real store's.
#ifndef KEELSON_SERVER_TESTING_STALLING_STORE_H_
#define KEELSON_SERVER_TESTING_STALLING_STORE_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "storage/replaceable_store.h"

namespace keelson::server {

class StallingStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;

  // The next `count` commits are refused as Unavailable.
  void StallCommits(int count) { stalls_left_ = count; }
  int stalls_left() const { return stalls_left_; }
  // Every commit fails with `status`.
  void FailCommits(absl::Status status) { failure_ = std::move(status); }

  absl::Status CommitBatch() override {
    if (!failure_.ok()) return failure_;
    if (stalls_left_ == 0) return ReplaceableStore::CommitBatch();
    --stalls_left_;
    return absl::UnavailableError("the store would stall");
  }

  // Steps of compaction are refused as Unavailable, as on a full disk, until told otherwise.
  void StallCompaction(bool stall) { stall_compaction_ = stall; }
  int compact_steps() const { return compact_steps_; }
  absl::StatusOr<bool> CompactStep(int64_t keys_max) override {
    ++compact_steps_;
    if (stall_compaction_) return absl::UnavailableError("the store would stall");
    return ReplaceableStore::CompactStep(keys_max);
  }

  // The next value put is another one than everybody else's.
  void CorruptNextPut() { corrupt_next_put_ = true; }
  absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key, std::string_view value,
                                                 const storage::PutOptions& options,
                                                 bool want_previous) override {
    if (!std::exchange(corrupt_next_put_, false)) {
      return ReplaceableStore::Put(key, value, options, want_previous);
    }
    return ReplaceableStore::Put(key, std::string(value) + "?", options, want_previous);
  }

  // A test says what is in use; until it does, it is what the store says.
  void SetSizeInUse(uint64_t bytes) { size_in_use_ = bytes; }
  uint64_t SizeInUse() const override {
    return size_in_use_.value_or(ReplaceableStore::SizeInUse());
  }

 private:
  int stalls_left_ = 0;
  bool stall_compaction_ = false;
  int compact_steps_ = 0;
  absl::Status failure_;
  std::optional<uint64_t> size_in_use_;
  bool corrupt_next_put_ = false;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_STALLING_STORE_H_
