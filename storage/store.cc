#include "storage/store.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "rocksdb/write_batch.h"
#include "storage/errors.h"
#include "storage/etcd_hash.h"
#include "storage/flush_listener.h"
#include "storage/held_pin.h"
#include "storage/key_index.h"
#include "storage/lease_table.h"
#include "storage/range_query.h"
#include "storage/recent_state_hashes.h"
#include "storage/recent_versions.h"
#include "storage/reclaimer.h"
#include "storage/revision_pins.h"
#include "storage/rocks.h"
#include "storage/rocks_environment.h"
#include "storage/state_hash.h"
#include "storage/version_compaction.h"
#include "storage/version_reader.h"

namespace keelson::storage {
namespace {

// Shares of the memory budget for the newest versions and for the key index (docs/architecture.md).
uint64_t RecentBytes(const StoreOptions& options) { return options.memory_budget_bytes / 8; }
uint64_t IndexBytes(const StoreOptions& options) { return options.memory_budget_bytes / 4; }

// Keys written back at a time at the end.
constexpr size_t kClosingKeys = 10000;

KeyIndex::Options IndexOptions(const StoreOptions& options) {
  return {.bytes_max = IndexBytes(options),
          .lag_max = options.index_lag_max,
          .inline_versions = std::max<size_t>(options.index_inline_versions, 1),
          .blocks = {.block_keys = std::max<int64_t>(options.index_block_keys, 8),
                     .leaf_blocks = std::max<size_t>(options.index_leaf_blocks, 8)}};
}

rocksdb::WriteOptions WithoutWal(bool wait) {
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  write.no_slowdown = !wait;
  return write;
}

absl::StatusOr<StoredEvent> EventOf(VersionId id, const SharedBytes& record) {
  VersionRecord parsed;
  KeyValue kv;
  if (!ParseVersionRecord(record.view(), parsed) || !ParseKeyValue(parsed.kv, kv)) {
    return absl::DataLossError(
        absl::StrCat("state store: malformed version ", id.main.value(), ".", id.sub));
  }
  return StoredEvent{.kind = parsed.kind,
                     .revision = id.main,
                     .sub = id.sub,
                     .kv = record.Slice(record.size() - parsed.kv.size(), parsed.kv.size()),
                     .key = kv.key,
                     .previous = parsed.previous.main};
}

// A pin for the length of a scope.
class ScopedPin {
 public:
  ScopedPin(RevisionPins& pins, Revision revision)
      : pins_(pins), revision_(revision), shared_(pins.Add(revision)) {}
  ScopedPin(const ScopedPin&) = delete;
  ScopedPin& operator=(const ScopedPin&) = delete;
  ~ScopedPin() { pins_.Remove(revision_); }
  // Somebody else held the revision already.
  bool shared() const { return shared_; }

 private:
  RevisionPins& pins_;
  const Revision revision_;
  const bool shared_;
};

class RocksStore final : public Store {
 public:
  explicit RocksStore(const StoreOptions& options)
      : options_(options), recent_(RecentBytes(options)) {}
  ~RocksStore() override;

  absl::Status Open();

  LogIndex applied() const override { return Now().applied; }
  Term applied_term() const override { return Now().term; }
  LogIndex durable_applied() const override;
  uint64_t state_hash() const override { return state_hash_; }
  std::optional<uint64_t> FindStateHash(LogIndex index) const override {
    return state_hashes_.Find(index);
  }
  Revision revision() const override { return Now().revision; }
  Revision compacted() const override { return Now().compacted; }
  absl::Status Flush() override;
  absl::Status LinkFiles(const std::string& directory) override {
    return rocks_->LinkFiles(directory);
  }

  void BeginEntry(LogIndex index, Term term) override;
  void BeginOwn() override;
  void BeginAnew(Revision revision) override;
  absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key, std::string_view value,
                                                 const PutOptions& options,
                                                 bool want_previous) override;
  absl::StatusOr<Deleted> DeleteRange(const KeyRange& range, bool want_previous) override;
  void GrantLease(const LeaseRecord& lease) override;
  void CheckpointLease(LeaseId id, int64_t remaining_ttl) override;
  absl::Status RevokeLease(LeaseId id) override;
  absl::Status Compact(Revision revision) override;
  void PutRecord(Table table, std::string_view key, std::string_view value) override;
  void DeleteRecord(Table table, std::string_view key) override;
  std::vector<StoredEvent> EndEntry() override;
  bool EntryChanged() const override { return changes_ > 0; }
  absl::Status CommitBatch() override;

  absl::StatusOr<RangeSummary> Range(
      const RangeQuery& query, absl::FunctionRef<void(std::string_view kv)> visit) const override;
  absl::StatusOr<std::optional<KeyMeta>> Find(std::string_view key,
                                              Revision revision) const override;
  absl::StatusOr<SharedBytes> Version(std::string_view key, Revision mod_revision) const override;
  absl::StatusOr<Revision> Events(Revision first, Revision last, uint64_t bytes_max,
                                  int64_t revisions_max,
                                  absl::FunctionRef<void(StoredEvent event)> visit) const override;
  absl::StatusOr<KvHash> HashKv(Revision revision) const override;
  std::unique_ptr<Pin> PinRevision(Revision revision) override;

  std::vector<LeaseRecord> Leases() const override { return leases_.All(); }
  std::optional<LeaseRecord> FindLease(LeaseId id) const override { return leases_.Find(id); }
  std::vector<std::string> LeaseKeys(LeaseId id) const override { return leases_.Keys(id); }
  LeaseId LeaseOf(std::string_view key) const override { return leases_.LeaseOf(key); }

  std::optional<std::string> FindRecord(Table table, std::string_view key) const override;
  void ForEachRecord(
      Table table,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const override;

  absl::StatusOr<bool> CompactStep(int64_t keys_max) override;
  void Reclaim(std::function<void(absl::Status)> done) override;
  void StopReclaiming() override { reclaimer_.Stop(); }
  bool reclaimable() const override { return compaction_.removed_bytes() > 0; }
  bool disk_full() const override { return disk_full_.load(std::memory_order_relaxed); }
  uint64_t UnflushedBytes() const override { return rocks_->UnflushedBytes(); }
  uint64_t SizeOnDisk() const override { return rocks_->SizeOnDisk(); }
  uint64_t SizeInUse() const override { return rocks_->SizeInUse(index_->LiveKeys()); }
  int64_t KeyCount() const override { return index_->LiveKeys(); }
  IndexCounters index_counters() const override { return index_->counters(); }

 private:
  absl::Status InitializeOrCheckFormat();
  absl::Status LoadMeta();
  absl::Status LoadMetaRecord(std::string_view key, std::string_view value);
  absl::Status FinishStateHashes();
  absl::Status LoadIndex();
  absl::Status ReplayIndex();
  // The changes that made a key live or deleted it.
  absl::Status ScanLiveness(Revision first, Revision last, KeyIndex::LivenessVisitor visit) const;
  // Writes some of the index back in a batch of its own. False: there was nothing.
  absl::StatusOr<bool> WriteIndex(size_t keys, bool wait);
  absl::Status WriteWithIndex(rocksdb::WriteBatch& batch, bool wait);

  bool OnEntryThread() const {
    return entry_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  // What the caller may see: the apply thread its own entry, others the last finished one.
  Position Now() const {
    if (OnEntryThread()) return working_;
    absl::ReaderMutexLock lock(&mutex_);
    return published_;
  }
  static absl::Status CheckReadable(Revision at, const Position& now, bool pinned);
  // Writes `batch`. A full disk is Unavailable, and the reclaimer set to work.
  absl::Status WriteToRocks(rocksdb::WriteBatch& batch, bool wait);
  // Into the hash goes what entries do, not what every member is given of its own.
  void MixIntoHash(MetaTable table, std::string_view key, std::string_view value) {
    if (!hashing_) return;
    state_hash_ = MixStateHash(state_hash_, static_cast<uint8_t>(table), key, value);
  }
  void OnDiskFull() {
    disk_full_.store(true, std::memory_order_relaxed);
    if (options_.reclaim_by_itself || background_ != nullptr) reclaimer_.Resume();
  }

  VersionId NextId();
  void Write(VersionId id, EventKind kind, VersionId previous, const KeyValue& kv);
  absl::Status DeleteKey(std::string_view key, bool want_previous, Deleted& deleted);
  void MoveLease(std::string_view key, LeaseId from, LeaseId to);
  // All versions with first <= main <= last, in order, until `visit` returns false. `held` shares
  // the record when it is in memory, else it is null.
  using VersionVisitor =
      absl::FunctionRef<bool(VersionId id, std::string_view record, const SharedBytes* held)>;
  absl::Status ScanVersions(Revision first, Revision last, VersionVisitor visit) const;
  // False: `visit` has ended it.
  absl::StatusOr<bool> ScanStoredVersions(Revision first, Revision last,
                                          VersionVisitor visit) const;

  const StoreOptions options_;
  BackgroundWork* const background_ =
      options_.environment == nullptr ? nullptr : options_.environment->background();
  // Set when RocksDB fails for want of space, cleared when it goes on; stands alone.
  std::atomic<bool> disk_full_{false};
  // Hears of RocksDB's errors until that is closed.
  Reclaimer reclaimer_{background_, [this] { disk_full_.store(false, std::memory_order_relaxed); }};
  std::shared_ptr<FlushListener> listener_ =
      std::make_shared<FlushListener>([this] { OnDiskFull(); });
  const std::shared_ptr<RevisionPins> pins_ = std::make_shared<RevisionPins>();
  std::unique_ptr<Rocks> rocks_;
  std::unique_ptr<VersionReader> reader_;

  // Guard themselves.
  std::unique_ptr<KeyIndex> index_;
  RecentVersions recent_;
  LeaseTable leases_;

  // Owned by the apply thread.
  rocksdb::WriteBatch batch_;
  bool opened_ = false;
  Position working_;                 // of the entry under way
  std::optional<Position> batched_;  // the last in batch_
  int64_t changes_ = 0;              // of keys, in the entry under way
  bool hashing_ = false;             // what is under way is an entry
  uint64_t state_hash_ = kStateHashStart;
  RecentStateHashes state_hashes_;
  VersionCompaction compaction_;

  mutable absl::Mutex mutex_;
  Position published_ ABSL_GUARDED_BY(mutex_);  // after the last finished entry
  Revision committed_ ABSL_GUARDED_BY(mutex_);  // in RocksDB up to here
  std::map<std::pair<Table, std::string>, std::string> records_ ABSL_GUARDED_BY(mutex_);
  mutable LogIndex durable_applied_ ABSL_GUARDED_BY(mutex_);

  // The thread between BeginEntry and EndEntry, else none. Read by every reader to learn whether it
  // is itself that thread; no other answer matters to it, so it stands alone.
  std::atomic<std::thread::id> entry_thread_{};
};

// -------------------------------------------------------------------------------------------- open

absl::Status RocksStore::Open() {
  KV_ASSIGN_OR_RETURN(rocks_, Rocks::Open(options_, listener_));
  index_ = std::make_unique<KeyIndex>(
      *rocks_, IndexOptions(options_),
      [this](Revision first, Revision last, KeyIndex::LivenessVisitor visit) {
        return ScanLiveness(first, last, visit);
      });
  reader_ = std::make_unique<VersionReader>(*rocks_, recent_);
  reclaimer_.Start(rocks_.get());
  KV_RETURN_IF_ERROR(InitializeOrCheckFormat());
  KV_RETURN_IF_ERROR(LoadMeta());
  KV_RETURN_IF_ERROR(FinishStateHashes());
  KV_RETURN_IF_ERROR(LoadIndex());
  absl::MutexLock lock(&mutex_);
  published_ = working_;
  committed_ = working_.revision;
  opened_ = true;
  return absl::OkStatus();
}

// An open after this has nothing of the index to do again. What fails here is done then.
RocksStore::~RocksStore() {
  reclaimer_.Stop();
  if (!opened_ || !options_.flush_on_close || OnEntryThread() || batch_.Count() > 0) return;
  while (true) {
    const auto more = WriteIndex(kClosingKeys, /*wait=*/true);
    if (!more.ok() || !*more) return;
  }
}

absl::Status RocksStore::InitializeOrCheckFormat() {
  std::string value;
  const rocksdb::Status status =
      rocks_->db->Get({}, rocks_->meta, MetaKey(MetaTable::kFormat), &value);
  if (status.IsNotFound()) {
    std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator({}, rocks_->rev));
    it->SeekToFirst();
    if (it->Valid()) return absl::DataLossError("state store: it has data but no format");
    AppendLittle32(value, kStoreFormat);
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    KV_RETURN_IF_ERROR(
        FromRocks(rocks_->db->Put(write, rocks_->meta, MetaKey(MetaTable::kFormat), value),
                  "cannot write the state store"));
    return Flush();
  }
  KV_RETURN_IF_ERROR(FromRocks(status, "cannot read the state store"));
  if (value.size() != 4) return absl::DataLossError("state store: malformed format");
  const uint32_t format = LoadLittle32(value.data());
  if (format != kStoreFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("state store of format ", format, "; this program knows ", kStoreFormat));
  }
  return absl::OkStatus();
}

absl::Status RocksStore::LoadMeta() {
  std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator({}, rocks_->meta));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    KV_RETURN_IF_ERROR(LoadMetaRecord(ToView(it->key()), ToView(it->value())));
  }
  return FromRocks(it->status(), "cannot read the state store");
}

absl::Status RocksStore::LoadMetaRecord(std::string_view key, std::string_view value) {
  const auto malformed = [] { return absl::DataLossError("state store: malformed record"); };
  uint8_t table;
  if (!TakeByte(key, table)) return malformed();
  LeaseId id;
  LeaseRecord lease;
  Table record_table;
  switch (static_cast<MetaTable>(table)) {
    case MetaTable::kFormat:
      return absl::OkStatus();
    case MetaTable::kPosition:
      return ParsePosition(value, working_) ? absl::OkStatus() : malformed();
    case MetaTable::kCompaction:
      return compaction_.Load(value) ? absl::OkStatus() : malformed();
    case MetaTable::kLease:
      if (!ParseLeaseMetaKey(key, lease.id) || !ParseLease(value, lease)) return malformed();
      leases_.Put(lease);
      return absl::OkStatus();
    case MetaTable::kLeaseKey:
      if (!ParseLeaseKeyMetaKey(key, id, key)) return malformed();
      if (!leases_.Contains(id) || leases_.LeaseOf(key)) return malformed();
      leases_.Attach(id, key);
      return absl::OkStatus();
    case MetaTable::kStateHash: {
      uint8_t slot;
      const bool ok = ParseStateHashMetaKey(key, slot) && state_hashes_.LoadRecord(slot, value);
      return ok ? absl::OkStatus() : malformed();
    }
    case MetaTable::kRecord: {
      if (!ParseRecordMetaKey(key, record_table, key)) return malformed();
      absl::MutexLock lock(&mutex_);
      records_[{record_table, std::string(key)}] = value;
      return absl::OkStatus();
    }
    case MetaTable::kIndexThrough: {
      Revision through;
      if (!ParseIndexThrough(value, through)) return malformed();
      index_->LoadThrough(through);
      return absl::OkStatus();
    }
    case MetaTable::kCounts:
      return index_->LoadLeaf(key, value) ? absl::OkStatus() : malformed();
  }
  return malformed();
}

// They are written with each batch of entries, as the position is.
absl::Status RocksStore::FinishStateHashes() {
  const std::optional<uint64_t> hash = state_hashes_.FinishLoad(working_.applied);
  if (!hash && working_.applied) {
    return absl::DataLossError("state store: no hash of the state where it stands");
  }
  state_hash_ = hash.value_or(kStateHashStart);
  return absl::OkStatus();
}

absl::Status RocksStore::LoadIndex() {
  if (!index_->FinishLoad(compaction_.through())) {
    return absl::DataLossError("state store: the counts of keys are not complete");
  }
  if (index_->through() > working_.revision) {
    return absl::DataLossError("state store: the key index is ahead of the revision");
  }
  std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator({}, rocks_->rev));
  it->SeekToLast();
  VersionId newest{Revision(1), 0};
  if (it->Valid() && !ParseVersionKey(ToView(it->key()), newest)) {
    return absl::DataLossError("state store: malformed key of the newest version");
  }
  KV_RETURN_IF_ERROR(FromRocks(it->status(), "cannot read the state store"));
  // A restored state may have gone over revisions; all of them are compacted then.
  const bool jumped = newest.main < working_.revision && working_.compacted == working_.revision;
  if (newest.main != working_.revision && !jumped && !KV_PLANTED("revision-from-versions")) {
    return absl::DataLossError(absl::StrCat("state store: newest version ", newest.main.value(),
                                            ", but revision ", working_.revision.value()));
  }
  if (KV_PLANTED("revision-from-versions")) working_.revision = newest.main;
  KV_RETURN_IF_ERROR(ReplayIndex());
  index_->Settle(working_.revision);
  return absl::OkStatus();
}

absl::Status RocksStore::ReplayIndex() {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.readahead_size = 4 << 20;
  std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator(read, rocks_->rev));
  std::string start;
  AppendVersionKey({index_->through() + 1, 0}, start);
  for (it->Seek(start); it->Valid(); it->Next()) {
    VersionId id;
    VersionRecord record;
    KeyValue kv;
    if (!ParseVersionKey(ToView(it->key()), id) ||
        !ParseVersionRecord(ToView(it->value()), record) || !ParseKeyValue(record.kv, kv) ||
        kv.mod_revision != id.main || (record.kind == EventKind::kPut && kv.version <= 0)) {
      return absl::DataLossError(
          absl::StrCat("state store: malformed version record from ", id.main.value(), " on"));
    }
    const bool put = record.kind == EventKind::kPut;
    KV_RETURN_IF_ERROR(index_->Replay(
        kv.key, {.id = id, .create = kv.create_revision, .version = put ? kv.version : 0},
        !put                   ? -1
        : record.previous.main ? 0
                               : 1));
  }
  return FromRocks(it->status(), "cannot read the state store");
}

// ---------------------------------------------------------------------------------------- position

LogIndex RocksStore::durable_applied() const {
  Position position;
  if (listener_->TakeFlushed()) {
    rocksdb::ReadOptions read;
    read.read_tier = rocksdb::kPersistedTier;  // without a log of its own: what is in files
    std::string value;
    const rocksdb::Status status =
        rocks_->db->Get(read, rocks_->meta, MetaKey(MetaTable::kPosition), &value);
    // Unreadable, it stays what it was: more of the raft log is kept than needed.
    if (!status.ok() || !ParsePosition(value, position)) position = Position();
  }
  absl::MutexLock lock(&mutex_);
  durable_applied_ = std::max(durable_applied_, position.applied);
  return durable_applied_;
}

absl::Status RocksStore::Flush() {
  return FromRocks(rocks_->db->Flush(rocksdb::FlushOptions(), rocks_->families()),
                   "cannot flush the state store");
}

// ------------------------------------------------------------------------------------------- apply

void RocksStore::BeginEntry(LogIndex index, Term term) {
  KV_CHECK(!OnEntryThread()) << "entry within an entry";
  if (batch_.Count() == 0) KV_FAILPOINT(beforeStartDBTxn);
  const bool bootstrap = !index && !working_.applied;
  KV_CHECK(bootstrap || index == working_.applied + 1) << index << " after " << working_.applied;
  working_.applied = index;
  working_.term = term;
  changes_ = 0;
  hashing_ = !bootstrap;
  entry_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  if (batch_.Count() == 0) KV_FAILPOINT(afterStartDBTxn);
}

void RocksStore::BeginOwn() {
  KV_CHECK(!OnEntryThread()) << "entry within an entry";
  hashing_ = false;
  entry_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

void RocksStore::BeginAnew(Revision revision) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  working_.applied = LogIndex();
  working_.term = Term();
  // Members that begin with different states are told apart as others are.
  state_hash_ = MixStateHash(state_hash_, static_cast<uint64_t>(revision.value()));
  for (const uint8_t slot : state_hashes_.Clear()) {
    batch_.Delete(rocks_->meta, StateHashMetaKey(slot));
  }
  state_hashes_.Add(working_.applied, state_hash_);
  if (revision <= working_.revision || KV_PLANTED("restore-without-bump")) return;
  working_.revision = working_.compacted = revision;
}

VersionId RocksStore::NextId() {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  if (changes_ == 0) ++working_.revision;
  return {working_.revision, changes_++};
}

void RocksStore::Write(VersionId id, EventKind kind, VersionId previous, const KeyValue& kv) {
  std::string key;
  AppendVersionKey(id, key);
  std::string record;
  record.reserve(kv.key.size() + kv.value.size() + 64);
  AppendVersionRecordHead(kind, previous, record);
  AppendKeyValue(kv, record);
  batch_.Put(rocks_->rev, key, record);
  MixIntoHash(MetaTable::kPosition, key, record);
  recent_.Add(id, SharedBytes(std::move(record)));
}

absl::StatusOr<std::optional<SharedBytes>> RocksStore::Put(std::string_view key,
                                                           std::string_view value,
                                                           const PutOptions& options,
                                                           bool want_previous) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  if (options.ignore_value || options.ignore_lease) {
    KV_ASSIGN_OR_RETURN(const auto found, index_->Find(key, working_.revision));
    if (!found.has_value()) return absl::FailedPreconditionError("the key does not exist");
  }
  const LeaseId old_lease = leases_.LeaseOf(key);
  const LeaseId lease = options.ignore_lease ? old_lease : options.lease;
  if (lease && lease != old_lease && !leases_.Contains(lease)) {
    return absl::FailedPreconditionError("the lease does not exist");
  }
  const VersionId id = NextId();
  KV_ASSIGN_OR_RETURN(const KeyIndex::PutResult put, index_->Put(key, id));
  std::optional<SharedBytes> previous;
  if (put.replaced.has_value() && (want_previous || options.ignore_value)) {
    KV_ASSIGN_OR_RETURN(previous, reader_->Load(put.replaced->id));
  }
  KeyValue kv{.key = key,
              .create_revision = put.now.create,
              .mod_revision = id.main,
              .version = put.now.version,
              .value = value,
              .lease = lease};
  if (options.ignore_value) {
    KeyValue old;
    if (!ParseKeyValue(previous->view(), old)) {
      return absl::DataLossError("state store: malformed KeyValue");
    }
    kv.value = old.value;
  }
  Write(id, EventKind::kPut, put.replaced ? put.replaced->id : VersionId{}, kv);
  MoveLease(key, old_lease, lease);
  if (!want_previous) previous.reset();
  return previous;
}

void RocksStore::MoveLease(std::string_view key, LeaseId from, LeaseId to) {
  if (from == to) return;
  if (from) {
    leases_.Detach(key);
    MixIntoHash(MetaTable::kLeaseKey, LeaseKeyMetaKey(from, key), "-");
    if (!KV_PLANTED("lease-key-left-on-disk")) {
      batch_.Delete(rocks_->meta, LeaseKeyMetaKey(from, key));
    }
  }
  if (to) {
    leases_.Attach(to, key);
    MixIntoHash(MetaTable::kLeaseKey, LeaseKeyMetaKey(to, key), "+");
    batch_.Put(rocks_->meta, LeaseKeyMetaKey(to, key), rocksdb::Slice());
  }
}

absl::Status RocksStore::DeleteKey(std::string_view key, bool want_previous, Deleted& deleted) {
  const VersionId id = NextId();
  KV_ASSIGN_OR_RETURN(const IndexVersion replaced, index_->Delete(key, id));
  if (want_previous) {
    KV_ASSIGN_OR_RETURN(SharedBytes previous, reader_->Load(replaced.id));
    deleted.previous.push_back(std::move(previous));
  }
  KeyValue kv;
  kv.key = key;
  kv.mod_revision = id.main;
  Write(id, EventKind::kDelete, replaced.id, kv);
  MoveLease(key, leases_.LeaseOf(key), LeaseId());
  ++deleted.count;
  return absl::OkStatus();
}

absl::StatusOr<Store::Deleted> RocksStore::DeleteRange(const KeyRange& range, bool want_previous) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  std::vector<std::string> keys;
  const auto take = [&keys](std::string_view key, const IndexVersion&) {
    keys.emplace_back(key);
    return true;
  };
  KV_RETURN_IF_ERROR(index_->Walk(range, working_.revision, take));
  Deleted deleted;
  for (const std::string& key : keys) {
    KV_RETURN_IF_ERROR(DeleteKey(key, want_previous, deleted));
  }
  return deleted;
}

void RocksStore::GrantLease(const LeaseRecord& lease) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  leases_.Put(lease);
  MixIntoHash(MetaTable::kLease, LeaseMetaKey(lease.id), EncodeLease(lease));
  batch_.Put(rocks_->meta, LeaseMetaKey(lease.id), EncodeLease(lease));
}

void RocksStore::CheckpointLease(LeaseId id, int64_t remaining_ttl) {
  std::optional<LeaseRecord> lease = leases_.Find(id);
  if (!lease.has_value()) return;  // revoked meanwhile
  lease->remaining_ttl = remaining_ttl;
  GrantLease(*lease);
}

absl::Status RocksStore::RevokeLease(LeaseId id) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  if (!leases_.Contains(id)) return absl::NotFoundError("the lease does not exist");
  Deleted deleted;
  for (const std::string& key : leases_.Keys(id)) {
    KV_RETURN_IF_ERROR(DeleteKey(key, /*want_previous=*/false, deleted));
  }
  leases_.Remove(id);
  MixIntoHash(MetaTable::kLease, LeaseMetaKey(id), "");
  batch_.Delete(rocks_->meta, LeaseMetaKey(id));
  return absl::OkStatus();
}

absl::Status RocksStore::Compact(Revision revision) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  if (revision > working_.revision) return absl::OutOfRangeError(kFutureRevisionMessage);
  const bool never_and_nothing = !revision && !working_.compacted;
  if (revision <= working_.compacted && !never_and_nothing) {
    return absl::OutOfRangeError(kCompactedMessage);
  }
  KV_FAILPOINT(compactBeforeCommitScheduledCompact);
  working_.compacted = revision;
  KV_FAILPOINT(compactAfterCommitScheduledCompact);
  if (hashing_) state_hash_ = MixStateHash(state_hash_, static_cast<uint64_t>(revision.value()));
  return absl::OkStatus();
}

void RocksStore::PutRecord(Table table, std::string_view key, std::string_view value) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  batch_.Put(rocks_->meta, RecordMetaKey(table, key), ToSlice(value));
  MixIntoHash(MetaTable::kRecord, RecordMetaKey(table, key), value);
  absl::MutexLock lock(&mutex_);
  records_[{table, std::string(key)}] = value;
}

void RocksStore::DeleteRecord(Table table, std::string_view key) {
  KV_CHECK(OnEntryThread()) << "change outside an entry";
  batch_.Delete(rocks_->meta, RecordMetaKey(table, key));
  MixIntoHash(MetaTable::kRecord, RecordMetaKey(table, key), "");
  absl::MutexLock lock(&mutex_);
  records_.erase({table, std::string(key)});
}

std::vector<StoredEvent> RocksStore::EndEntry() {
  KV_CHECK(OnEntryThread()) << "no entry under way";
  std::vector<StoredEvent> events;
  if (changes_ > 0) {
    const auto records = recent_.FindAll(working_.revision);
    KV_CHECK(records.has_value()) << "records of the entry under way are not held";
    events.reserve(records->size());
    for (const SharedBytes& record : *records) {
      auto event = EventOf({working_.revision, static_cast<int64_t>(events.size())}, record);
      KV_CHECK(event.ok()) << "malformed record of the entry under way";
      events.push_back(*std::move(event));
    }
  }
  if (KV_PLANTED("applied-index-apart")) {
    rocksdb::WriteBatch apart;
    apart.Put(rocks_->meta, MetaKey(MetaTable::kPosition), EncodePosition(working_));
    WriteToRocks(apart, /*wait=*/false).IgnoreError();
  }
  index_->Settle(working_.revision);  // before readers are told of the revision
  if (hashing_) {
    state_hash_ = MixStateHash(state_hash_, working_.applied.value());
    state_hash_ = MixStateHash(state_hash_, working_.term.value());
    state_hashes_.Add(working_.applied, state_hash_);
  }
  {
    absl::MutexLock lock(&mutex_);
    published_ = working_;
  }
  changes_ = 0;
  entry_thread_.store(std::thread::id(), std::memory_order_relaxed);
  return events;
}

absl::Status RocksStore::WriteToRocks(rocksdb::WriteBatch& batch, bool wait) {
  const rocksdb::Status status = rocks_->db->Write(WithoutWal(wait), &batch);
  // Nothing is lost: what a flush could not write is still in memory and in the raft log.
  if (status.IsNoSpace()) {
    OnDiskFull();
    return absl::UnavailableError("the state store's disk is full");
  }
  return FromRocks(status, "cannot write the state store");
}

absl::Status RocksStore::CommitBatch() {
  KV_CHECK(!OnEntryThread()) << "commit within an entry";
  KV_FAILPOINT(beforeWritebackBuf);
  KV_RETURN_IF_ERROR(index_->WriteDue(batch_));
  KV_FAILPOINT(afterWritebackBuf);
  if (batched_ != working_) {  // not so when a stalled batch is tried again, and again
    batch_.Put(rocks_->meta, MetaKey(MetaTable::kPosition), EncodePosition(working_));
    if (const auto hashes = state_hashes_.TakeRecord()) {
      batch_.Put(rocks_->meta, StateHashMetaKey(hashes->slot), EncodeStateHashRun(hashes->run));
    }
    batched_ = working_;
  }
  KV_FAILPOINT(beforeCommit);
  KV_RETURN_IF_ERROR(WriteToRocks(batch_, /*wait=*/false));
  KV_FAILPOINT(afterCommit);
  index_->Written();
  batch_.Clear();
  batched_.reset();
  {
    absl::MutexLock lock(&mutex_);
    committed_ = working_.revision;
  }
  recent_.Committed(working_.revision);
  return absl::OkStatus();
}

// -------------------------------------------------------------------------------------------- read

absl::Status RocksStore::CheckReadable(Revision at, const Position& now, bool pinned) {
  if (at > now.revision) return absl::OutOfRangeError(kFutureRevisionMessage);
  if (at >= now.compacted || pinned) return absl::OkStatus();
  return absl::OutOfRangeError(kCompactedMessage);
}

absl::StatusOr<RangeSummary> RocksStore::Range(
    const RangeQuery& query, absl::FunctionRef<void(std::string_view kv)> visit) const {
  const Revision at = query.revision > Revision() ? query.revision : Now().revision;
  // The pin comes before the look at the compacted revision: a compaction seen afterwards respects
  // it, one seen before is answered with an error.
  const ScopedPin pin(*pins_, at);
  const Position now = Now();
  // (Whoever holds a pin on a store that was replaced holds nothing here.)
  KV_RETURN_IF_ERROR(CheckReadable(at, now, query.pinned && pin.shared()));
  RangeSummary summary;
  summary.revision = now.revision;
  KV_RETURN_IF_ERROR(RunRange(*index_, *reader_, query, at, visit, summary));
  return summary;
}

absl::StatusOr<std::optional<KeyMeta>> RocksStore::Find(std::string_view key,
                                                        Revision revision) const {
  const Revision at = revision > Revision() ? revision : Now().revision;
  const ScopedPin pin(*pins_, at);
  KV_RETURN_IF_ERROR(CheckReadable(at, Now(), false));
  KV_ASSIGN_OR_RETURN(const std::optional<IndexVersion> found, index_->Find(key, at));
  if (!found.has_value()) return std::optional<KeyMeta>();
  return std::optional<KeyMeta>({found->create, found->id.main, found->version});
}

absl::StatusOr<SharedBytes> RocksStore::Version(std::string_view key, Revision mod_revision) const {
  const ScopedPin pin(*pins_, mod_revision);
  KV_ASSIGN_OR_RETURN(const auto found, index_->FindAny(key, mod_revision));
  if (!found.has_value() || found->id.main != mod_revision || found->deleted()) {
    return absl::NotFoundError("no such version");
  }
  if (const Revision compacted = Now().compacted; mod_revision <= compacted) {
    KV_ASSIGN_OR_RETURN(const auto left, index_->FindAny(key, compacted));
    if (!left.has_value() || left->id != found->id) return absl::NotFoundError(kCompactedMessage);
  }
  return reader_->Load(found->id);
}

absl::Status RocksStore::ScanVersions(Revision first, Revision last, VersionVisitor visit) const {
  while (first <= last) {
    while (const auto records = recent_.FindAll(first)) {
      for (size_t i = 0; i < records->size(); ++i) {
        if (!visit({first, static_cast<int64_t>(i)}, (*records)[i].view(), &(*records)[i])) {
          return absl::OkStatus();
        }
      }
      if (++first > last) return absl::OkStatus();
    }
    Revision until;
    {
      absl::ReaderMutexLock lock(&mutex_);
      until = std::min(last, committed_);
    }
    KV_CHECK_GE(until, first) << "a revision is neither in memory nor in RocksDB";
    KV_ASSIGN_OR_RETURN(const bool go_on, ScanStoredVersions(first, until, visit));
    if (!go_on) return absl::OkStatus();
    first = until + 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RocksStore::ScanStoredVersions(Revision first, Revision last,
                                                    VersionVisitor visit) const {
  std::string start;
  AppendVersionKey({first, 0}, start);
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(rocks_->db->NewIterator(read, rocks_->rev));
  for (it->Seek(start); it->Valid(); it->Next()) {
    VersionId id;
    if (!ParseVersionKey(ToView(it->key()), id)) return absl::DataLossError("state store: bad key");
    if (id.main > last) return true;
    if (!visit(id, ToView(it->value()), nullptr)) return false;
  }
  KV_RETURN_IF_ERROR(FromRocks(it->status(), "cannot read the state store"));
  return true;
}

absl::Status RocksStore::ScanLiveness(Revision first, Revision last,
                                      KeyIndex::LivenessVisitor visit) const {
  bool malformed = false;
  const auto take = [&](VersionId, std::string_view stored, const SharedBytes*) {
    VersionRecord record;
    KeyValue kv;
    malformed = !ParseVersionRecord(stored, record) || !ParseKeyValue(record.kv, kv);
    if (malformed) return false;
    if (record.kind == EventKind::kDelete) return visit(kv.key, -1);
    return record.previous.main ? true : visit(kv.key, 1);
  };
  KV_RETURN_IF_ERROR(ScanVersions(first, last, take));
  return malformed ? absl::DataLossError("state store: malformed version record")
                   : absl::OkStatus();
}

absl::StatusOr<Revision> RocksStore::Events(
    Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
    absl::FunctionRef<void(StoredEvent event)> visit) const {
  const ScopedPin pin(*pins_, first);
  const Position now = Now();
  if (first < now.compacted) return absl::OutOfRangeError(kCompactedMessage);
  last = std::min(last, now.revision);
  Revision next = std::max(first, last + 1);
  Revision current;  // whose events are being visited
  uint64_t bytes = 0;
  int64_t revisions = 0;
  absl::Status status;
  const auto take = [&](VersionId id, std::string_view record, const SharedBytes* held) {
    if (id.main != current) {
      if (current && (revisions >= revisions_max || bytes >= bytes_max)) {
        next = current + 1;
        return false;
      }
      current = id.main;
      ++revisions;
    }
    bytes += record.size();
    auto event = EventOf(id, held != nullptr ? *held : SharedBytes::Copy(record));
    status = event.status();
    if (event.ok()) visit(*std::move(event));
    return status.ok();
  };
  KV_RETURN_IF_ERROR(ScanVersions(first, last, take));
  KV_RETURN_IF_ERROR(status);
  return next;
}

absl::StatusOr<Store::KvHash> RocksStore::HashKv(Revision revision) const {
  const Revision compacted = Now().compacted;
  // Which old versions count depends on what replaced them: none of it may go meanwhile.
  const ScopedPin pin(*pins_, compacted);
  const Position now = Now();
  const Revision at = revision > Revision() ? revision : now.revision;
  if (at > now.revision) return absl::OutOfRangeError(kFutureRevisionMessage);
  if (at < now.compacted) return absl::OutOfRangeError(kCompactedMessage);
  KV_ASSIGN_OR_RETURN(const int64_t live_keys, index_->Count({{}, {}, true}, at));
  EtcdHasher hasher({.at = at, .compacted = compacted, .nothing_live = live_keys == 0}, *index_);
  absl::Status status;
  const auto hash = [&](VersionId id, std::string_view stored, const SharedBytes*) {
    status = hasher.Add(id, stored);
    return status.ok();
  };
  KV_RETURN_IF_ERROR(ScanVersions(Revision(1), at, hash));
  KV_RETURN_IF_ERROR(status);
  return KvHash{.hash = hasher.hash(), .compacted = compacted, .revision = at};
}

std::unique_ptr<Store::Pin> RocksStore::PinRevision(Revision revision) {
  return std::make_unique<HeldPin>(pins_, revision);
}

std::optional<std::string> RocksStore::FindRecord(Table table, std::string_view key) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = records_.find({table, std::string(key)});
  if (it == records_.end()) return std::nullopt;
  return it->second;
}

void RocksStore::ForEachRecord(
    Table table,
    absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const {
  std::vector<std::pair<std::string, std::string>> found;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (auto it = records_.lower_bound({table, std::string()});
         it != records_.end() && it->first.first == table; ++it) {
      found.emplace_back(it->first.second, it->second);
    }
  }
  for (const auto& [key, value] : found) visit(key, value);
}

// -------------------------------------------------------------------------------------- background

absl::StatusOr<bool> RocksStore::CompactStep(int64_t keys_max) {
  KV_CHECK(!OnEntryThread() && batch_.Count() == 0) << "compaction within a batch";
  const Revision target =
      KV_PLANTED("compaction-past-pin") ? working_.compacted : pins_->LowestOr(working_.compacted);
  if (target <= compaction_.through()) return true;
  if (index_->through() < target && !KV_PLANTED("compaction-before-index")) {
    // What the index may have to go through again at open must not be removed.
    KV_ASSIGN_OR_RETURN(bool wrote,
                        WriteIndex(static_cast<size_t>(std::max<int64_t>(keys_max, 1)), false));
    KV_CHECK(wrote) << "the index is complete, but not through " << target.value();
    return false;
  }
  rocksdb::WriteBatch batch;
  KV_ASSIGN_OR_RETURN(const VersionCompaction::Step step,
                      compaction_.Build(target, keys_max, *rocks_, *index_, batch));
  KV_FAILPOINT(compactBeforeCommitBatch);
  if (step.progress.through == target) KV_FAILPOINT(compactBeforeSetFinishedCompact);
  KV_RETURN_IF_ERROR(WriteWithIndex(batch, /*wait=*/false));
  KV_FAILPOINT(compactAfterCommitBatch);
  compaction_.Written(step);
  if (compaction_.through() != target) return false;
  KV_FAILPOINT(compactAfterSetFinishedCompact);
  if (options_.reclaim_by_itself && compaction_.removed_bytes() > SizeInUse() / 8) {
    Reclaim(nullptr);
  }
  return true;
}

void RocksStore::Reclaim(std::function<void(absl::Status)> done) {
  compaction_.ForgetRemoved();
  reclaimer_.Reclaim(std::move(done));
}

absl::Status RocksStore::WriteWithIndex(rocksdb::WriteBatch& batch, bool wait) {
  absl::Status status = WriteToRocks(batch, wait);
  if (status.ok()) {
    index_->Written();
  } else {
    index_->Abandoned();
  }
  return status;
}

absl::StatusOr<bool> RocksStore::WriteIndex(size_t keys, bool wait) {
  rocksdb::WriteBatch batch;
  KV_ASSIGN_OR_RETURN(const bool some, index_->WriteSome(batch, keys));
  if (!some) return false;
  KV_RETURN_IF_ERROR(WriteWithIndex(batch, wait));
  return true;
}

}  // namespace

KeyRange KeyRange::FromWire(std::string_view key, std::string_view range_end) {
  if (range_end == std::string_view("\0", 1)) return {key, {}, true};
  return {key, range_end, false};
}

bool KeyRange::Contains(std::string_view key) const {
  if (single()) return key == begin;
  return key >= begin && (open_end || key < end);
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  auto store = std::make_unique<RocksStore>(options);
  KV_RETURN_IF_ERROR(store->Open());
  return store;
}

}  // namespace keelson::storage
