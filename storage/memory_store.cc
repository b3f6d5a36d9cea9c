#include "storage/memory_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "storage/errors.h"
#include "storage/held_pin.h"
#include "storage/recent_state_hashes.h"
#include "storage/revision_pins.h"
#include "storage/state_hash.h"
#include "storage/store_format.h"
#include "storage/store_model.h"

namespace keelson::storage {
namespace {

// By the name of the table in the store on RocksDB, and its key there.
using Image = std::map<std::string, std::string, std::less<>>;
constexpr char kVersionPrefix = 'v';

std::string MetaImageKey(std::string_view key) { return absl::StrCat("m", std::string(key)); }

std::string ImagePath(const std::string& directory) { return directory + "/state"; }

absl::Status WriteImage(FileSystem& files, const std::string& directory, const Image& image) {
  std::string bytes;
  AppendLittle32(bytes, static_cast<uint32_t>(image.size()));
  for (const auto& [key, value] : image) {
    for (const std::string* part : {&key, &value}) {
      AppendLittle32(bytes, static_cast<uint32_t>(part->size()));
      bytes += *part;
    }
  }
  AppendLittle32(bytes, Crc32c(bytes));
  const std::string making = ImagePath(directory) + ".tmp";
  files.Remove(making).IgnoreError();  // of an attempt that failed
  {
    KV_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(making, OpenMode::kCreateNew));
    const std::string_view pieces[] = {bytes};
    KV_RETURN_IF_ERROR(file->Write(0, pieces));
    KV_RETURN_IF_ERROR(file->Sync());
  }
  KV_RETURN_IF_ERROR(files.Rename(making, ImagePath(directory)));
  return files.SyncDirectory(directory);
}

absl::StatusOr<Image> ReadImage(FileSystem& files, const std::string& directory) {
  KV_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                      files.Open(ImagePath(directory), OpenMode::kExisting));
  KV_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string bytes(size, '\0');
  KV_RETURN_IF_ERROR(file->Read(0, size, bytes.data()).status());
  const auto damaged = [&] { return absl::DataLossError("memory store: damaged " + directory); };
  if (size < 8) return damaged();
  std::string_view rest(bytes);
  std::string_view tail = rest.substr(size - 4);
  rest.remove_suffix(4);
  uint32_t crc = 0, count = 0;
  if (!TakeLittle32(tail, crc) || crc != Crc32c(rest) || !TakeLittle32(rest, count)) {
    return damaged();
  }
  Image image;
  for (uint32_t i = 0; i < count; ++i) {
    std::string parts[2];
    for (std::string& part : parts) {
      uint32_t length = 0;
      if (!TakeLittle32(rest, length) || rest.size() < length) return damaged();
      part = rest.substr(0, length);
      rest.remove_prefix(length);
    }
    image.emplace_hint(image.end(), std::move(parts[0]), std::move(parts[1]));
  }
  return rest.empty() ? absl::StatusOr<Image>(std::move(image)) : damaged();
}

class MemoryStore final : public Store {
 public:
  MemoryStore(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  absl::Status Open();

  LogIndex applied() const override { return position_.applied; }
  Term applied_term() const override { return position_.term; }
  LogIndex durable_applied() const override { return durable_applied_; }
  uint64_t state_hash() const override { return state_hash_; }
  std::optional<uint64_t> FindStateHash(LogIndex index) const override {
    return state_hashes_.Find(index);
  }
  Revision revision() const override { return Revision(model_.revision); }
  Revision compacted() const override { return Revision(model_.compacted); }
  absl::Status Flush() override;
  absl::Status LinkFiles(const std::string& directory) override;

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
  bool EntryChanged() const override { return model_.Changed(); }
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
  std::unique_ptr<Pin> PinRevision(Revision revision) override {
    return std::make_unique<HeldPin>(pins_, revision);
  }

  std::vector<LeaseRecord> Leases() const override;
  std::optional<LeaseRecord> FindLease(LeaseId id) const override;
  std::vector<std::string> LeaseKeys(LeaseId id) const override;
  LeaseId LeaseOf(std::string_view key) const override;
  std::optional<std::string> FindRecord(Table table, std::string_view key) const override;
  void ForEachRecord(
      Table table,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const override;

  // Compacted versions are not readable, whether they are there or not.
  absl::StatusOr<bool> CompactStep(int64_t) override {
    KV_CHECK(!in_entry_ && batch_.empty()) << "compaction within a batch";
    return true;
  }
  void Reclaim(std::function<void(absl::Status)> done) override {
    if (done) done(absl::OkStatus());
  }
  void StopReclaiming() override {}
  bool reclaimable() const override { return false; }
  bool disk_full() const override { return false; }
  uint64_t UnflushedBytes() const override { return 0; }
  uint64_t SizeOnDisk() const override { return bytes_; }
  uint64_t SizeInUse() const override { return bytes_; }
  int64_t KeyCount() const override { return model_.LiveKeys(); }
  IndexCounters index_counters() const override { return {}; }

 private:
  using Change = StoreModel::Version;

  absl::Status Load(std::string_view key, std::string_view value);
  absl::Status LoadMeta(std::string_view key, std::string_view value);
  absl::Status LoadVersion(std::string_view key, std::string_view value);

  void CheckInEntry() const { KV_CHECK(in_entry_) << "change outside an entry"; }
  void Mix(MetaTable table, std::string_view key, std::string_view value) {
    if (hashing_) {
      state_hash_ = MixStateHash(state_hash_, static_cast<uint8_t>(table), key, value);
    }
  }
  void Set(std::string key, std::string value) { batch_.emplace_back(std::move(key), value); }
  void Erase(std::string key) { batch_.emplace_back(std::move(key), std::nullopt); }
  // The place of the change that is to replace the live version of a key.
  VersionId NewestOf(const std::string& key) const;
  // Takes the change that the model made last.
  void Write(VersionId previous);
  void MoveLease(const std::string& key, int64_t from, int64_t to);
  void DeleteKey(const std::string& key);
  absl::Status CheckReadable(Revision at, bool pinned) const;
  // The bytes of a record, and the event in it.
  StoredEvent EventOf(const Change& version) const;

  FileSystem& files_;
  const std::string directory_;
  const std::shared_ptr<RevisionPins> pins_ = std::make_shared<RevisionPins>();

  // After all finished entries, and the one under way.
  StoreModel model_;
  Position position_;  // applied and term alone
  uint64_t state_hash_ = kStateHashStart;
  RecentStateHashes state_hashes_;
  std::map<std::pair<Table, std::string>, std::string> records_;
  std::map<std::string, VersionId> newest_;  // the last change of a key
  bool in_entry_ = false;
  bool hashing_ = false;

  std::vector<std::pair<std::string, std::optional<std::string>>> batch_;
  Image image_;  // of what was committed
  uint64_t bytes_ = 0;
  LogIndex image_applied_;
  LogIndex durable_applied_;
};

// -------------------------------------------------------------------------------------------- open

absl::Status MemoryStore::Open() {
  KV_RETURN_IF_ERROR(files_.CreateDirectory(directory_));
  auto image = ReadImage(files_, directory_);
  if (absl::IsNotFound(image.status())) {
    return WriteImage(files_, directory_, image_);
  }
  KV_RETURN_IF_ERROR(image.status());
  image_ = *std::move(image);
  for (const auto& [key, value] : image_) {
    KV_RETURN_IF_ERROR(Load(key, value));
    bytes_ += key.size() + value.size();
  }
  const std::optional<uint64_t> hash = state_hashes_.FinishLoad(position_.applied);
  if (!hash && position_.applied) {
    return absl::DataLossError("memory store: no hash of the state where it stands");
  }
  state_hash_ = hash.value_or(kStateHashStart);
  // A restored state may have gone over revisions.
  model_.revision = std::max(model_.revision, position_.revision.value());
  model_.compacted = position_.compacted.value();
  image_applied_ = durable_applied_ = position_.applied;
  return absl::OkStatus();
}

absl::Status MemoryStore::Load(std::string_view key, std::string_view value) {
  const std::string_view rest = key.substr(1);
  return key.front() == kVersionPrefix ? LoadVersion(rest, value) : LoadMeta(rest, value);
}

absl::Status MemoryStore::LoadVersion(std::string_view key, std::string_view value) {
  VersionId id;
  VersionRecord record;
  KeyValue kv;
  if (!ParseVersionKey(key, id) || !ParseVersionRecord(value, record) ||
      !ParseKeyValue(record.kv, kv)) {
    return absl::DataLossError("memory store: malformed version");
  }
  Change version;
  version.main = id.main.value();
  version.sub = id.sub;
  version.deleted = record.kind == EventKind::kDelete;
  version.key = kv.key;
  version.value = kv.value;
  version.create = kv.create_revision.value();
  version.version = kv.version;
  version.lease = kv.lease.value();
  version.previous = record.previous.main.value();
  model_.Restore(version);
  newest_[version.key] = id;
  return absl::OkStatus();
}

absl::Status MemoryStore::LoadMeta(std::string_view key, std::string_view value) {
  const auto malformed = [] { return absl::DataLossError("memory store: malformed record"); };
  uint8_t table;
  if (!TakeByte(key, table)) return malformed();
  LeaseRecord lease;
  LeaseId id;
  Table record_table;
  switch (static_cast<MetaTable>(table)) {
    case MetaTable::kPosition:
      return ParsePosition(value, position_) ? absl::OkStatus() : malformed();
    case MetaTable::kLease:
      if (!ParseLeaseMetaKey(key, lease.id) || !ParseLease(value, lease)) return malformed();
      model_.leases[lease.id.value()] = {lease.granted_ttl, lease.remaining_ttl};
      return absl::OkStatus();
    case MetaTable::kLeaseKey:
      if (!ParseLeaseKeyMetaKey(key, id, key)) return malformed();
      if (!model_.leases.contains(id.value())) return malformed();
      model_.lease_of[std::string(key)] = id.value();
      return absl::OkStatus();
    case MetaTable::kRecord:
      if (!ParseRecordMetaKey(key, record_table, key)) return malformed();
      records_[{record_table, std::string(key)}] = value;
      return absl::OkStatus();
    case MetaTable::kStateHash: {
      uint8_t slot;
      const bool ok = ParseStateHashMetaKey(key, slot) && state_hashes_.LoadRecord(slot, value);
      return ok ? absl::OkStatus() : malformed();
    }
    default:
      return malformed();
  }
}

absl::Status MemoryStore::Flush() {
  const LogIndex applied = image_applied_;
  if (KV_PLANTED("applied-index-apart")) {
    image_[MetaImageKey(MetaKey(MetaTable::kPosition))] = EncodePosition(position_);
  }
  KV_RETURN_IF_ERROR(WriteImage(files_, directory_, image_));
  durable_applied_ = applied;
  return absl::OkStatus();
}

absl::Status MemoryStore::LinkFiles(const std::string& directory) {
  KV_RETURN_IF_ERROR(Flush());
  KV_RETURN_IF_ERROR(files_.CreateDirectory(directory));
  return WriteImage(files_, directory, image_);
}

// ------------------------------------------------------------------------------------------- apply

void MemoryStore::BeginEntry(LogIndex index, Term term) {
  KV_CHECK(!in_entry_) << "entry within an entry";
  const bool bootstrap = !index && !position_.applied;
  KV_CHECK(bootstrap || index == position_.applied + 1) << index << " after " << position_.applied;
  position_.applied = index;
  position_.term = term;
  hashing_ = !bootstrap;
  in_entry_ = true;
  model_.Begin();
}

void MemoryStore::BeginOwn() {
  KV_CHECK(!in_entry_) << "entry within an entry";
  hashing_ = false;
  in_entry_ = true;
  model_.Begin();
}

void MemoryStore::BeginAnew(Revision revision) {
  CheckInEntry();
  position_ = Position();
  state_hash_ = MixStateHash(state_hash_, static_cast<uint64_t>(revision.value()));
  for (const uint8_t slot : state_hashes_.Clear()) Erase(MetaImageKey(StateHashMetaKey(slot)));
  state_hashes_.Add(position_.applied, state_hash_);
  if (revision.value() <= model_.revision || KV_PLANTED("restore-without-bump")) return;
  model_.revision = model_.compacted = revision.value();
}

VersionId MemoryStore::NewestOf(const std::string& key) const {
  const auto it = newest_.find(key);
  return it == newest_.end() || !model_.Live(key) ? VersionId{} : it->second;
}

void MemoryStore::Write(VersionId previous) {
  const Change version = model_.EntryEvents().back();
  const VersionId id{Revision(version.main), version.sub};
  std::string key, record;
  AppendVersionKey(id, key);
  AppendVersionRecordHead(version.deleted ? EventKind::kDelete : EventKind::kPut, previous, record);
  record += StoreModel::Encode(version);
  Mix(MetaTable::kPosition, key, record);
  newest_[version.key] = id;
  Set(absl::StrCat("v", key), std::move(record));
}

void MemoryStore::MoveLease(const std::string& key, int64_t from, int64_t to) {
  if (from == to) return;
  if (from != 0) {
    const std::string record = LeaseKeyMetaKey(LeaseId(from), key);
    Mix(MetaTable::kLeaseKey, record, "-");
    if (!KV_PLANTED("lease-key-left-on-disk")) Erase(MetaImageKey(record));
  }
  if (to != 0) {
    const std::string record = LeaseKeyMetaKey(LeaseId(to), key);
    Mix(MetaTable::kLeaseKey, record, "+");
    Set(MetaImageKey(record), "");
  }
}

absl::StatusOr<std::optional<SharedBytes>> MemoryStore::Put(std::string_view key,
                                                            std::string_view value,
                                                            const PutOptions& options,
                                                            bool want_previous) {
  CheckInEntry();
  const std::string name(key);
  const auto live = model_.At(name, model_.revision);
  if ((options.ignore_value || options.ignore_lease) && !live) {
    return absl::FailedPreconditionError("the key does not exist");
  }
  const int64_t old_lease = LeaseOf(key).value();
  const int64_t lease = options.ignore_lease ? old_lease : options.lease.value();
  if (lease != 0 && lease != old_lease && !model_.leases.contains(lease)) {
    return absl::FailedPreconditionError("the lease does not exist");
  }
  const VersionId previous = NewestOf(name);
  model_.Put(name, options.ignore_value ? live->value : std::string(value), lease);
  Write(previous);
  MoveLease(name, old_lease, lease);
  if (!want_previous || !live) return std::optional<SharedBytes>();
  return std::optional<SharedBytes>(SharedBytes(StoreModel::Encode(*live)));
}

void MemoryStore::DeleteKey(const std::string& key) {
  const VersionId previous = NewestOf(key);
  const int64_t lease = LeaseOf(key).value();
  model_.Delete({key, {}, false});
  Write(previous);
  MoveLease(key, lease, 0);
}

absl::StatusOr<Store::Deleted> MemoryStore::DeleteRange(const KeyRange& range, bool want_previous) {
  CheckInEntry();
  Deleted deleted;
  for (const Change& version : model_.LiveIn(range, model_.revision)) {
    DeleteKey(version.key);
    ++deleted.count;
    if (want_previous) deleted.previous.push_back(SharedBytes(StoreModel::Encode(version)));
  }
  return deleted;
}

void MemoryStore::GrantLease(const LeaseRecord& lease) {
  CheckInEntry();
  model_.leases[lease.id.value()] = {lease.granted_ttl, lease.remaining_ttl};
  Mix(MetaTable::kLease, LeaseMetaKey(lease.id), EncodeLease(lease));
  Set(MetaImageKey(LeaseMetaKey(lease.id)), EncodeLease(lease));
}

void MemoryStore::CheckpointLease(LeaseId id, int64_t remaining_ttl) {
  auto lease = FindLease(id);
  if (!lease) return;  // revoked meanwhile
  lease->remaining_ttl = remaining_ttl;
  GrantLease(*lease);
}

absl::Status MemoryStore::RevokeLease(LeaseId id) {
  CheckInEntry();
  if (!model_.leases.contains(id.value())) return absl::NotFoundError("the lease does not exist");
  for (const std::string& key : LeaseKeys(id)) DeleteKey(key);
  model_.leases.erase(id.value());
  Mix(MetaTable::kLease, LeaseMetaKey(id), "");
  Erase(MetaImageKey(LeaseMetaKey(id)));
  return absl::OkStatus();
}

absl::Status MemoryStore::Compact(Revision revision) {
  CheckInEntry();
  if (revision > this->revision()) return absl::OutOfRangeError(kFutureRevisionMessage);
  const bool never_and_nothing = !revision && !compacted();
  if (revision <= compacted() && !never_and_nothing) {
    return absl::OutOfRangeError(kCompactedMessage);
  }
  model_.compacted = revision.value();
  if (hashing_) state_hash_ = MixStateHash(state_hash_, static_cast<uint64_t>(revision.value()));
  return absl::OkStatus();
}

void MemoryStore::PutRecord(Table table, std::string_view key, std::string_view value) {
  CheckInEntry();
  records_[{table, std::string(key)}] = value;
  Mix(MetaTable::kRecord, RecordMetaKey(table, key), value);
  Set(MetaImageKey(RecordMetaKey(table, key)), std::string(value));
}

void MemoryStore::DeleteRecord(Table table, std::string_view key) {
  CheckInEntry();
  records_.erase({table, std::string(key)});
  Mix(MetaTable::kRecord, RecordMetaKey(table, key), "");
  Erase(MetaImageKey(RecordMetaKey(table, key)));
}

std::vector<StoredEvent> MemoryStore::EndEntry() {
  CheckInEntry();
  std::vector<StoredEvent> events;
  for (const Change& version : model_.EntryEvents()) events.push_back(EventOf(version));
  if (hashing_) {
    state_hash_ = MixStateHash(state_hash_, position_.applied.value());
    state_hash_ = MixStateHash(state_hash_, position_.term.value());
    state_hashes_.Add(position_.applied, state_hash_);
  }
  in_entry_ = false;
  return events;
}

absl::Status MemoryStore::CommitBatch() {
  KV_CHECK(!in_entry_) << "commit within an entry";
  position_.revision = revision();
  position_.compacted = compacted();
  Set(MetaImageKey(MetaKey(MetaTable::kPosition)), EncodePosition(position_));
  if (const auto hashes = state_hashes_.TakeRecord()) {
    Set(MetaImageKey(StateHashMetaKey(hashes->slot)), EncodeStateHashRun(hashes->run));
  }
  for (auto& [key, value] : batch_) {
    if (value) {
      bytes_ += key.size() + value->size();
      image_.insert_or_assign(std::move(key), *std::move(value));
    } else {
      image_.erase(key);
    }
  }
  batch_.clear();
  image_applied_ = position_.applied;
  return absl::OkStatus();
}

// -------------------------------------------------------------------------------------------- read

absl::Status MemoryStore::CheckReadable(Revision at, bool pinned) const {
  if (at > revision()) return absl::OutOfRangeError(kFutureRevisionMessage);
  if (at >= compacted() || (pinned && pins_->Contains(at))) return absl::OkStatus();
  return absl::OutOfRangeError(kCompactedMessage);
}

absl::StatusOr<RangeSummary> MemoryStore::Range(
    const RangeQuery& query, absl::FunctionRef<void(std::string_view kv)> visit) const {
  const Revision at = query.revision > Revision() ? query.revision : revision();
  KV_RETURN_IF_ERROR(CheckReadable(at, query.pinned));
  const StoreModel::Answer answer = model_.Range(query, at.value());
  for (const std::string& kv : answer.kvs) visit(kv);
  return RangeSummary{.count = answer.count, .more = answer.more, .revision = revision()};
}

absl::StatusOr<std::optional<KeyMeta>> MemoryStore::Find(std::string_view key,
                                                         Revision asked) const {
  const Revision at = asked > Revision() ? asked : revision();
  KV_RETURN_IF_ERROR(CheckReadable(at, false));
  const auto found = model_.At(std::string(key), at.value());
  if (!found) return std::optional<KeyMeta>();
  return std::optional<KeyMeta>({Revision(found->create), Revision(found->main), found->version});
}

absl::StatusOr<SharedBytes> MemoryStore::Version(std::string_view key,
                                                 Revision mod_revision) const {
  const auto found = model_.Exact(std::string(key), mod_revision.value());
  if (!found) return absl::NotFoundError("no such version");
  return SharedBytes(StoreModel::Encode(*found));
}

StoredEvent MemoryStore::EventOf(const Change& version) const {
  StoredEvent event;
  event.kind = version.deleted ? EventKind::kDelete : EventKind::kPut;
  event.revision = Revision(version.main);
  event.sub = version.sub;
  event.kv = SharedBytes(StoreModel::Encode(version));
  KeyValue kv;
  KV_CHECK(ParseKeyValue(event.kv.view(), kv));
  event.key = kv.key;
  event.previous = Revision(version.previous);
  return event;
}

absl::StatusOr<Revision> MemoryStore::Events(
    Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
    absl::FunctionRef<void(StoredEvent event)> visit) const {
  if (first < compacted()) return absl::OutOfRangeError(kCompactedMessage);
  last = std::min(last, revision());
  uint64_t bytes = 0;
  int64_t revisions = 0;
  for (Revision at = first; at <= last; ++at) {
    const auto changes = model_.Changes(at.value(), at.value());
    if (changes.empty()) continue;
    if (revisions >= 1 && (revisions >= revisions_max || bytes >= bytes_max)) return at;
    ++revisions;
    for (const Change& version : changes) {
      StoredEvent event = EventOf(version);
      bytes += event.kv.size();
      visit(std::move(event));
    }
  }
  return std::max(first, last + 1);
}

absl::StatusOr<Store::KvHash> MemoryStore::HashKv(Revision asked) const {
  const Revision at = asked > Revision() ? asked : revision();
  if (at > revision()) return absl::OutOfRangeError(kFutureRevisionMessage);
  if (at < compacted()) return absl::OutOfRangeError(kCompactedMessage);
  return KvHash{.hash = model_.Hash(at.value()), .compacted = compacted(), .revision = at};
}

std::vector<LeaseRecord> MemoryStore::Leases() const {
  std::vector<LeaseRecord> leases;
  for (const auto& [id, ttl] : model_.leases) {
    leases.push_back({LeaseId(id), ttl.first, ttl.second});
  }
  return leases;
}

std::optional<LeaseRecord> MemoryStore::FindLease(LeaseId id) const {
  const auto it = model_.leases.find(id.value());
  if (it == model_.leases.end()) return std::nullopt;
  return LeaseRecord{id, it->second.first, it->second.second};
}

std::vector<std::string> MemoryStore::LeaseKeys(LeaseId id) const {
  std::vector<std::string> keys;
  for (const auto& [key, lease] : model_.lease_of) {
    if (lease == id.value()) keys.push_back(key);
  }
  return keys;
}

LeaseId MemoryStore::LeaseOf(std::string_view key) const {
  const auto it = model_.lease_of.find(std::string(key));
  return it == model_.lease_of.end() ? LeaseId() : LeaseId(it->second);
}

std::optional<std::string> MemoryStore::FindRecord(Table table, std::string_view key) const {
  const auto it = records_.find({table, std::string(key)});
  if (it == records_.end()) return std::nullopt;
  return it->second;
}

void MemoryStore::ForEachRecord(
    Table table,
    absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const {
  const auto records = records_;  // `visit` may change them
  for (auto it = records.lower_bound({table, std::string()});
       it != records.end() && it->first.first == table; ++it) {
    visit(it->first.second, it->second);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> MemoryStates::Open(const StoreOptions& options) {
  auto store = std::make_unique<MemoryStore>(files_, options.directory);
  KV_RETURN_IF_ERROR(store->Open());
  return store;
}

absl::StatusOr<StoredState> MemoryStates::ReadStored(const std::string& directory) {
  KV_ASSIGN_OR_RETURN(const Image image, ReadImage(files_, directory));
  const auto found = image.find(MetaImageKey(MetaKey(MetaTable::kPosition)));
  Position position;
  if (found == image.end() || !ParsePosition(found->second, position)) {
    return absl::DataLossError("memory store: no position");
  }
  StoredState state{.applied = position.applied,
                    .term = position.term,
                    .revision = position.revision,
                    .compacted = position.compacted,
                    .cluster = {}};
  const std::string prefix = MetaImageKey(RecordMetaKey(Table::kCluster, ""));
  for (auto it = image.lower_bound(prefix);
       it != image.end() && std::string_view(it->first).starts_with(prefix); ++it) {
    state.cluster.emplace(it->first.substr(prefix.size()), it->second);
  }
  return state;
}

}  // namespace keelson::storage
