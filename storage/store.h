// Store: the replicated state of a member on RocksDB: the versioned key space (MVCC as etcd defines
// it, reference: etcd's mvcc package), leases and their keys, small tables of the layers above
// (members, alarms, auth), and the index of the last applied entry. An entry's effects and the
// applied index go into one WriteBatch. There is no write-ahead log of its own: after a crash the
// store is at some earlier applied index and the raft log is replayed from there.
//
// Threads: one thread applies (Begin… to CommitBatch) and the same thread reads at the newest
// revision and inside a transaction. Everything const may also be called from other threads.
//
// Errors: Unavailable from CommitBatch or CompactStep means that RocksDB would stall, or that the
// disk is full (the store sees by itself to taking writes again when it no longer is): nothing is
// lost, call it again later. Any other error of them is final; the node stops.
#ifndef KEELSON_STORAGE_STORE_H_
#define KEELSON_STORAGE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/shared_bytes.h"
#include "base/types.h"
#include "storage/key_value.h"

namespace keelson::storage {

class RocksEnvironment;

// [begin, end); `end` empty: only the key `begin`; `open_end`: no upper bound.
struct KeyRange {
  std::string_view begin;
  std::string_view end;
  bool open_end = false;
  // From etcd's key/range_end convention: range_end "" = one key, "\0" = from key on.
  static KeyRange FromWire(std::string_view key, std::string_view range_end);
  bool single() const { return end.empty() && !open_end; }
  bool Contains(std::string_view key) const;
};

enum class SortOrder : uint8_t { kNone = 0, kAscend = 1, kDescend = 2 };  // etcd's numbers
enum class SortTarget : uint8_t { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

struct RangeQuery {
  KeyRange range;
  Revision revision;  // <= 0: newest
  int64_t limit = 0;  // <= 0: none
  SortOrder order = SortOrder::kNone;
  SortTarget target = SortTarget::kKey;
  bool keys_only = false;
  bool count_only = false;
  // The caller holds a pin on the revision: it is answered though a compaction has passed it.
  bool pinned = false;
  Revision min_mod, max_mod, min_create, max_create;  // 0: off
};

struct RangeSummary {
  int64_t count = 0;  // keys in the range at the revision, whatever limit and filters
  bool more = false;
  Revision revision;  // the store's revision when read (not the one asked for)
};

// What the key index knows of the live version of a key.
struct KeyMeta {
  Revision create_revision;
  Revision mod_revision;
  int64_t version = 0;
};

enum class EventKind : uint8_t { kPut = 0, kDelete = 1 };

// One change. `kv` is the encoded KeyValue as watchers see it: for a delete, key and mod_revision
// only.
struct StoredEvent {
  EventKind kind = EventKind::kPut;
  Revision revision;
  int64_t sub = 0;
  SharedBytes kv;
  std::string_view key;  // points into kv
  Revision previous;     // mod_revision of the version it replaced; 0: there was none
};

struct PutOptions {
  LeaseId lease;
  bool ignore_value = false;  // keep the value; the key must exist
  bool ignore_lease = false;  // keep the lease; the key must exist
};

struct LeaseRecord {
  LeaseId id;
  int64_t granted_ttl = 0;    // seconds
  int64_t remaining_ttl = 0;  // last checkpoint; 0: none
};

// Tables of the layers above; what the values mean is their matter. Reaches disk: do not renumber.
enum class Table : uint8_t { kCluster = 1, kMembers = 2, kAlarms = 3, kAuth = 4 };

struct StoreOptions {
  std::string directory;
  uint64_t memory_budget_bytes = 256 << 20;  // memtables, block cache, key index, newest versions
  uint64_t flush_bytes = 64 << 20;           // unflushed data that triggers a flush, at most
  uint64_t background_bytes_per_second = 128 << 20;  // of flushes and compactions of files
  bool flush_on_close = true;  // false: an orderly end leaves what a crash would leave
  // Gives space back, and goes on after a full disk, without being asked, on a thread of its own.
  // false: of tests whose runs must repeat.
  bool reclaim_by_itself = true;
  RocksEnvironment* environment = nullptr;  // of tests; outlives the store
  // About how many changes an open after a crash has to go through again.
  uint64_t index_lag_max = 400000;
  // Sizes within the key index: live keys in a counted block, blocks in a record of counts, older
  // versions in the record of a key.
  int64_t index_block_keys = 512;
  size_t index_leaf_blocks = 256;
  size_t index_inline_versions = 64;
};

// What the key index has done since it was opened, and what it holds.
struct IndexCounters {
  uint64_t rounds = 0, pieces = 0, records = 0, chunks = 0;  // written back
  uint64_t replayed = 0;                                     // changes, at open
  uint64_t loads = 0, evictions = 0, chunk_reads = 0;
  uint64_t block_splits = 0, block_merges = 0, leaf_splits = 0, leaf_merges = 0;
  uint64_t counts_by_blocks = 0, counts_by_changes = 0, counts_by_walk = 0, counts_from_memo = 0;
  uint64_t bytes = 0, dirty = 0, blocks = 0;  // held now
};

class Store {
 public:
  // Opens or makes it. DataLoss: damaged. FailedPrecondition: written in a newer format.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);
  virtual ~Store() = default;

  // ---------------------------------------------------------------- position
  virtual LogIndex applied() const = 0;
  virtual Term applied_term() const = 0;
  // Highest applied index that a crash now would leave; the raft log is needed after it.
  virtual LogIndex durable_applied() const = 0;
  // The rolling hash after the last finished entry (state_hash.h). Apply thread.
  virtual uint64_t state_hash() const = 0;
  // That after the entry `index`, if it is one of the newest (recent_state_hashes.h). Apply thread.
  virtual std::optional<uint64_t> FindStateHash(LogIndex index) const = 0;
  virtual Revision revision() const = 0;   // 1 when empty
  virtual Revision compacted() const = 0;  // 0 when never compacted (etcd: -1)
  // Writes everything applied so far to disk and waits. Any thread.
  virtual absl::Status Flush() = 0;
  // Flushes, and makes `directory`, which must not be there, a second name for the files of the
  // store as they are then (hard links; RocksDB never changes a file). Any thread.
  virtual absl::Status LinkFiles(const std::string& directory) = 0;

  // ------------------------------------------------------------------- apply
  // Entries are collected in a batch: BeginEntry, changes, EndEntry, …, CommitBatch. Reads see the
  // changes at once. All changes of one entry share one main revision, taken at the first of them.
  // REQUIRES: index == applied-so-far + 1; or 0, before the first, for what every member is given.
  virtual void BeginEntry(LogIndex index, Term term) = 0;
  // Begins a group of changes that is no entry: records of this member alone. The position stays.
  virtual void BeginOwn() = 0;
  // Within BeginOwn: the state becomes the first one of another cluster: no entry is applied. If
  // `revision` is beyond the present one, it is the revision from now on and everything before it
  // is compacted, so that whoever watched the old cluster is told.
  virtual void BeginAnew(Revision revision) = 0;
  // The encoded KeyValue that was replaced, nullopt if none, when `want_previous`.
  // REQUIRES: the lease exists or is 0; with ignore_* the key exists.
  virtual absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key,
                                                         std::string_view value,
                                                         const PutOptions& options,
                                                         bool want_previous) = 0;
  struct Deleted {
    int64_t count = 0;
    std::vector<SharedBytes> previous;  // when wanted, in key order
  };
  virtual absl::StatusOr<Deleted> DeleteRange(const KeyRange& range, bool want_previous) = 0;
  virtual void GrantLease(const LeaseRecord& lease) = 0;
  virtual void CheckpointLease(LeaseId id, int64_t remaining_ttl) = 0;
  // Forgets the lease and deletes its keys, in order, in the entry's revision.
  virtual absl::Status RevokeLease(LeaseId id) = 0;
  // Marks everything superseded at or before `revision` as gone. OutOfRange as Range would give.
  virtual absl::Status Compact(Revision revision) = 0;
  virtual void PutRecord(Table table, std::string_view key, std::string_view value) = 0;
  virtual void DeleteRecord(Table table, std::string_view key) = 0;
  // Ends the entry; its events in order. Without changes there are none and the revision stays.
  virtual std::vector<StoredEvent> EndEntry() = 0;
  // True if the entry under way has changed a key so far.
  virtual bool EntryChanged() const = 0;
  virtual absl::Status CommitBatch() = 0;

  // -------------------------------------------------------------------- read
  // Calls `visit` with each encoded KeyValue in the order asked for. OutOfRange with
  // kCompactedMessage or kFutureRevisionMessage of storage/errors.h.
  virtual absl::StatusOr<RangeSummary> Range(
      const RangeQuery& query, absl::FunctionRef<void(std::string_view kv)> visit) const = 0;
  // The live version of `key` at `revision` (<= 0: newest), from the index alone; nullopt when
  // absent.
  virtual absl::StatusOr<std::optional<KeyMeta>> Find(std::string_view key,
                                                      Revision revision) const = 0;
  // The encoded version written at `revision` for `key`; NotFound when compacted away.
  virtual absl::StatusOr<SharedBytes> Version(std::string_view key,
                                              Revision mod_revision) const = 0;
  // Events with first <= revision <= last, in order, cut between revisions after `bytes_max` or
  // `revisions_max`; returns the revision to go on from (last + 1 when all were visited).
  // OutOfRange: first < compacted().
  virtual absl::StatusOr<Revision> Events(
      Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
      absl::FunctionRef<void(StoredEvent event)> visit) const = 0;
  // etcd's HashKV at `revision` (<= 0: newest).
  struct KvHash {
    uint32_t hash = 0;
    Revision compacted;
    Revision revision;
  };
  virtual absl::StatusOr<KvHash> HashKv(Revision revision) const = 0;

  // A range read in steps keeps its revision readable, for its holder alone (RangeQuery::pinned),
  // although a compaction passes it meanwhile.
  class Pin {
   public:
    virtual ~Pin() = default;
  };
  virtual std::unique_ptr<Pin> PinRevision(Revision revision) = 0;

  virtual std::vector<LeaseRecord> Leases() const = 0;
  virtual std::optional<LeaseRecord> FindLease(LeaseId id) const = 0;
  virtual std::vector<std::string> LeaseKeys(LeaseId id) const = 0;
  virtual LeaseId LeaseOf(std::string_view key) const = 0;

  virtual std::optional<std::string> FindRecord(Table table, std::string_view key) const = 0;
  virtual void ForEachRecord(
      Table table,
      absl::FunctionRef<void(std::string_view key, std::string_view value)> visit) const = 0;

  // -------------------------------------------------------------- background
  // Removes superseded versions below compacted() physically, about `keys_max` keys of work at a
  // time, on the apply thread between batches. True: nothing is left to do.
  virtual absl::StatusOr<bool> CompactStep(int64_t keys_max) = 0;

  // Gives space back: rewrites, on a thread of the store's own and with nobody waiting, the files
  // that hold removed versions. It also happens by itself when they are more than an eighth.
  // `done`, which may be empty, is called on that thread; ResourceExhausted: the disk is full.
  virtual void Reclaim(std::function<void(absl::Status)> done) = 0;
  // Ends what Reclaim began and begins nothing more: after it no `done` is called, all have been,
  // with Cancelled. To be called before what they refer to goes.
  virtual void StopReclaiming() = 0;
  // Versions were removed and the space not yet given back.
  virtual bool reclaimable() const = 0;
  // True: it takes no writes because the disk is full, as far as it has tried.
  virtual bool disk_full() const = 0;

  // Bytes that are in memory only, to be written to files.
  virtual uint64_t UnflushedBytes() const = 0;
  // Bytes of all files and of what is to be written to them.
  virtual uint64_t SizeOnDisk() const = 0;
  // Without files and records that have been replaced and wait for their removal. Versions count
  // until they are removed and their space was given back.
  virtual uint64_t SizeInUse() const = 0;
  virtual int64_t KeyCount() const = 0;
  virtual IndexCounters index_counters() const = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STORE_H_
