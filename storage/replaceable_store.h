// ReplaceableStore: a store in whose place another one can be put, as an installed snapshot is,
// while everybody keeps the same pointer.
//
// Thread: the apply thread. Replace must not overlap with any other call.
#ifndef KEELSON_STORAGE_REPLACEABLE_STORE_H_
#define KEELSON_STORAGE_REPLACEABLE_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/store.h"

namespace keelson::storage {

class ReplaceableStore : public Store {
 public:
  explicit ReplaceableStore(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  // Returns the one before. REQUIRES: no entry is under way. A batch that was not committed is lost
  // with the old store.
  std::shared_ptr<Store> Replace(std::shared_ptr<Store> store) {
    return std::exchange(store_, std::move(store));
  }
  // For a thread that reads or flushes it longer than a call.
  const std::shared_ptr<Store>& now() const { return store_; }

  LogIndex applied() const override { return store_->applied(); }
  Term applied_term() const override { return store_->applied_term(); }
  LogIndex durable_applied() const override { return store_->durable_applied(); }
  uint64_t state_hash() const override { return store_->state_hash(); }
  std::optional<uint64_t> FindStateHash(LogIndex index) const override {
    return store_->FindStateHash(index);
  }
  Revision revision() const override { return store_->revision(); }
  Revision compacted() const override { return store_->compacted(); }
  absl::Status Flush() override { return store_->Flush(); }
  absl::Status LinkFiles(const std::string& directory) override {
    return store_->LinkFiles(directory);
  }
  void BeginEntry(LogIndex index, Term term) override { store_->BeginEntry(index, term); }
  void BeginOwn() override { store_->BeginOwn(); }
  void BeginAnew(Revision revision) override { store_->BeginAnew(revision); }
  absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key, std::string_view value,
                                                 const PutOptions& options,
                                                 bool want_previous) override {
    return store_->Put(key, value, options, want_previous);
  }
  absl::StatusOr<Deleted> DeleteRange(const KeyRange& range, bool want_previous) override {
    return store_->DeleteRange(range, want_previous);
  }
  void GrantLease(const LeaseRecord& lease) override { store_->GrantLease(lease); }
  void CheckpointLease(LeaseId id, int64_t remaining_ttl) override {
    store_->CheckpointLease(id, remaining_ttl);
  }
  absl::Status RevokeLease(LeaseId id) override { return store_->RevokeLease(id); }
  absl::Status Compact(Revision revision) override { return store_->Compact(revision); }
  void PutRecord(Table table, std::string_view key, std::string_view value) override {
    store_->PutRecord(table, key, value);
  }
  void DeleteRecord(Table table, std::string_view key) override {
    store_->DeleteRecord(table, key);
  }
  std::vector<StoredEvent> EndEntry() override { return store_->EndEntry(); }
  bool EntryChanged() const override { return store_->EntryChanged(); }
  absl::Status CommitBatch() override { return store_->CommitBatch(); }
  absl::StatusOr<RangeSummary> Range(
      const RangeQuery& query, absl::FunctionRef<void(std::string_view kv)> visit) const override {
    return store_->Range(query, visit);
  }
  absl::StatusOr<std::optional<KeyMeta>> Find(std::string_view key,
                                              Revision revision) const override {
    return store_->Find(key, revision);
  }
  absl::StatusOr<SharedBytes> Version(std::string_view key, Revision mod_revision) const override {
    return store_->Version(key, mod_revision);
  }
  absl::StatusOr<Revision> Events(Revision first, Revision last, uint64_t bytes_max,
                                  int64_t revisions_max,
                                  absl::FunctionRef<void(StoredEvent event)> visit) const override {
    return store_->Events(first, last, bytes_max, revisions_max, visit);
  }
  absl::StatusOr<KvHash> HashKv(Revision revision) const override {
    return store_->HashKv(revision);
  }
  std::unique_ptr<Pin> PinRevision(Revision revision) override {
    return store_->PinRevision(revision);
  }
  std::vector<LeaseRecord> Leases() const override { return store_->Leases(); }
  std::optional<LeaseRecord> FindLease(LeaseId id) const override { return store_->FindLease(id); }
  std::vector<std::string> LeaseKeys(LeaseId id) const override { return store_->LeaseKeys(id); }
  LeaseId LeaseOf(std::string_view key) const override { return store_->LeaseOf(key); }
  std::optional<std::string> FindRecord(Table table, std::string_view key) const override {
    return store_->FindRecord(table, key);
  }
  void ForEachRecord(
      Table table,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const override {
    store_->ForEachRecord(table, visit);
  }
  absl::StatusOr<bool> CompactStep(int64_t keys_max) override {
    return store_->CompactStep(keys_max);
  }
  void Reclaim(std::function<void(absl::Status)> done) override {
    store_->Reclaim(std::move(done));
  }
  void StopReclaiming() override { store_->StopReclaiming(); }
  bool reclaimable() const override { return store_->reclaimable(); }
  bool disk_full() const override { return store_->disk_full(); }
  uint64_t UnflushedBytes() const override { return store_->UnflushedBytes(); }
  uint64_t SizeOnDisk() const override { return store_->SizeOnDisk(); }
  uint64_t SizeInUse() const override { return store_->SizeInUse(); }
  int64_t KeyCount() const override { return store_->KeyCount(); }
  IndexCounters index_counters() const override { return store_->index_counters(); }

 private:
  std::shared_ptr<Store> store_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_REPLACEABLE_STORE_H_
