// StallingStore: a Store whose commits can be made to wait, as RocksDB's do when its files pile up,
// or to fail. Everything else is the real store's.
#ifndef KEELSON_SERVER_TESTING_STALLING_STORE_H_
#define KEELSON_SERVER_TESTING_STALLING_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/store.h"

namespace keelson::server {

class StallingStore final : public storage::Store {
 public:
  explicit StallingStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  // The next `count` commits are refused as Unavailable.
  void StallCommits(int count) { stalls_left_ = count; }
  int stalls_left() const { return stalls_left_; }
  // Every commit fails with `status`.
  void FailCommits(absl::Status status) { failure_ = std::move(status); }

  absl::Status CommitBatch() override {
    if (!failure_.ok()) return failure_;
    if (stalls_left_ == 0) return store_->CommitBatch();
    --stalls_left_;
    return absl::UnavailableError("the store would stall");
  }

  LogIndex applied() const override { return store_->applied(); }
  Term applied_term() const override { return store_->applied_term(); }
  LogIndex durable_applied() const override { return store_->durable_applied(); }
  Revision revision() const override { return store_->revision(); }
  Revision compacted() const override { return store_->compacted(); }
  absl::Status Flush() override { return store_->Flush(); }
  void BeginEntry(LogIndex index, Term term) override { store_->BeginEntry(index, term); }
  absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key, std::string_view value,
                                                 const storage::PutOptions& options,
                                                 bool want_previous) override {
    return store_->Put(key, value, options, want_previous);
  }
  absl::StatusOr<Deleted> DeleteRange(const storage::KeyRange& range, bool want_previous) override {
    return store_->DeleteRange(range, want_previous);
  }
  void GrantLease(const storage::LeaseRecord& lease) override { store_->GrantLease(lease); }
  void CheckpointLease(LeaseId id, int64_t remaining_ttl) override {
    store_->CheckpointLease(id, remaining_ttl);
  }
  absl::Status RevokeLease(LeaseId id) override { return store_->RevokeLease(id); }
  absl::Status Compact(Revision revision) override { return store_->Compact(revision); }
  void PutRecord(storage::Table table, std::string_view key, std::string_view value) override {
    store_->PutRecord(table, key, value);
  }
  void DeleteRecord(storage::Table table, std::string_view key) override {
    store_->DeleteRecord(table, key);
  }
  std::vector<storage::StoredEvent> EndEntry() override { return store_->EndEntry(); }
  bool EntryChanged() const override { return store_->EntryChanged(); }
  absl::StatusOr<storage::RangeSummary> Range(
      const storage::RangeQuery& query,
      absl::FunctionRef<void(std::string_view kv)> visit) const override {
    return store_->Range(query, visit);
  }
  absl::StatusOr<std::optional<storage::KeyMeta>> Find(std::string_view key,
                                                       Revision revision) const override {
    return store_->Find(key, revision);
  }
  absl::StatusOr<SharedBytes> Version(std::string_view key, Revision mod_revision) const override {
    return store_->Version(key, mod_revision);
  }
  absl::StatusOr<Revision> Events(
      Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
      absl::FunctionRef<void(storage::StoredEvent event)> visit) const override {
    return store_->Events(first, last, bytes_max, revisions_max, visit);
  }
  absl::StatusOr<KvHash> HashKv(Revision revision) const override {
    return store_->HashKv(revision);
  }
  std::unique_ptr<Pin> PinRevision(Revision revision) override {
    return store_->PinRevision(revision);
  }
  std::vector<storage::LeaseRecord> Leases() const override { return store_->Leases(); }
  std::optional<storage::LeaseRecord> FindLease(LeaseId id) const override {
    return store_->FindLease(id);
  }
  std::vector<std::string> LeaseKeys(LeaseId id) const override { return store_->LeaseKeys(id); }
  LeaseId LeaseOf(std::string_view key) const override { return store_->LeaseOf(key); }
  std::optional<std::string> FindRecord(storage::Table table, std::string_view key) const override {
    return store_->FindRecord(table, key);
  }
  void ForEachRecord(
      storage::Table table,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const override {
    store_->ForEachRecord(table, visit);
  }
  absl::StatusOr<bool> CompactStep(int64_t keys_max) override {
    return store_->CompactStep(keys_max);
  }
  uint64_t SizeOnDisk() const override { return store_->SizeOnDisk(); }
  uint64_t SizeInUse() const override { return store_->SizeInUse(); }
  int64_t KeyCount() const override { return store_->KeyCount(); }

 private:
  const std::unique_ptr<Store> store_;
  int stalls_left_ = 0;
  absl::Status failure_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_STALLING_STORE_H_
