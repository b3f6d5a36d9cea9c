// KeyIndex: for each key the versions it has had, in revision order: which record of the key space
// holds the version that was live at a revision. Exact, ordered, counted, and bounded in memory:
// the records lie in column family "idx", what has changed lately and what is used often in memory.
//
// Changes are made in memory. When enough keys have changed since the last time they are frozen and
// written piece by piece with the batches of the Store; the last piece says through which revision
// "idx" is complete. At open the changes after that revision are made again (Replay). A record may
// be newer than that revision: a change that it has already is left out.
//
// Invariants:
//  1. A key whose entry is dirty has its whole history in memory, but for what is in chunks;
//  RocksDB
//     has an older state of it.
//  2. A key without entry is in RocksDB as it is.
//  3. Counts are those after Settled(); the changes of an entry under way are kept apart.
//
// Threads: changes on the apply thread; reads on any. A read at a revision that no change is being
// made at sees that revision as a whole, also while later ones are added: memory is looked at under
// the lock, and after it RocksDB, which then has whatever has left memory meanwhile. A read below
// the floor that Trim works at must hold a pin on its revision (RevisionPins).
#ifndef KEELSON_STORAGE_KEY_INDEX_H_
#define KEELSON_STORAGE_KEY_INDEX_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "base/types.h"
#include "rocksdb/write_batch.h"
#include "storage/block_counts.h"
#include "storage/count_memo.h"
#include "storage/key_history.h"
#include "storage/rocks.h"
#include "storage/store.h"
#include "storage/store_format.h"

namespace keelson::storage {

class KeyIndex {
 public:
  struct Options {
    uint64_t bytes_max = 32 << 20;    // of entries in memory
    uint64_t lag_max = 400000;        // changes since the last time frozen, at most about
    size_t inline_versions = 64;      // older versions in the record of a key, at most
    BlockCounts::Limits blocks = {};  // of the counts
  };
  // Visits the changes with first <= main <= last that made a key live (+1) or deleted it (-1).
  using LivenessVisitor = absl::FunctionRef<bool(std::string_view key, int live)>;
  using LivenessScan =
      std::function<absl::Status(Revision first, Revision last, LivenessVisitor visit)>;

  // `rocks` must outlive it.
  KeyIndex(const Rocks& rocks, const Options& options, LivenessScan scan);
  ~KeyIndex();

  // ------------------------------------------------------------------------------------- at open
  // A leaf of the counts, first keys ascending. False: malformed.
  bool LoadLeaf(std::string_view first, std::string_view bytes);
  // "idx" is complete through this revision.
  void LoadThrough(Revision through);
  // After the above. `floor`: everything superseded at or before it may be gone. False: the counts
  // do not cover the key space.
  bool FinishLoad(Revision floor);
  Revision through() const { return through_; }
  // A change after through(), in order; `live`: it made the key live (+1) or deleted it (-1).
  absl::Status Replay(std::string_view key, const IndexVersion& version, int live);

  // ------------------------------------------------------------------------------------- changes
  struct PutResult {
    IndexVersion now;
    std::optional<IndexVersion> replaced;  // the live version before; nullopt: there was none
  };
  // The key gets the value written at `id`. REQUIRES: id is greater than any before.
  absl::StatusOr<PutResult> Put(std::string_view key, VersionId id);
  // The key is deleted at `id`; returns the version it had. REQUIRES: it is live.
  absl::StatusOr<IndexVersion> Delete(std::string_view key, VersionId id);
  // No more changes will have a main revision up to this one.
  void Settle(Revision revision);
  // What was superseded at or before `floor`, and tombstones before it, may be forgotten.
  // REQUIRES: floor <= through().
  void RaiseFloor(Revision floor) { floor_ = std::max(floor_, floor); }
  // Forgets it for this key and adds the key's record to `batch`; Written() or Abandoned() as
  // below.
  absl::Status Trim(std::string_view key, rocksdb::WriteBatch& batch);

  // ---------------------------------------------------------------------------------- write-back
  // Adds to `batch` what is due; Written() when the batch is in RocksDB, Abandoned() when it was
  // dropped. REQUIRES: between entries; all changes are in RocksDB or in `batch`.
  absl::Status WriteDue(rocksdb::WriteBatch& batch);
  // The same, about `keys` keys and leaves, due or not. False: nothing was left to write.
  absl::StatusOr<bool> WriteSome(rocksdb::WriteBatch& batch, size_t keys);
  void Written();
  void Abandoned();

  // --------------------------------------------------------------------------------------- reads
  // The version of `key` live at `at`.
  absl::StatusOr<std::optional<IndexVersion>> Find(std::string_view key, Revision at) const;
  // The newest version of `key` at or before `at`, also a tombstone.
  absl::StatusOr<std::optional<IndexVersion>> FindAny(std::string_view key, Revision at) const;
  // Calls `visit` for the versions live at `at`, keys ascending, until it returns false.
  using Visitor = absl::FunctionRef<bool(std::string_view key, const IndexVersion& version)>;
  absl::Status Walk(const KeyRange& range, Revision at, Visitor visit) const;
  // How many versions Walk would visit.
  absl::StatusOr<int64_t> Count(const KeyRange& range, Revision at) const;
  // At the settled revision.
  int64_t LiveKeys() const;
  IndexCounters counters() const;

 private:
  struct Entry {
    std::string key;
    KeyHistory history;            // empty: the key is not known (any more)
    bool dirty = false;            // in pending_ or frozen_
    bool changed = false;          // since it was put into the piece under way
    bool chunks_obsolete = false;  // those in RocksDB are to be dropped
    uint32_t weight = 0;           // what it counts in bytes_
    // Set by readers under the shared lock, taken by eviction; stands alone.
    mutable std::atomic<bool> used{false};
    Entry* newer = nullptr;  // in the list of clean ones
    Entry* older = nullptr;
  };
  using ByHash = absl::flat_hash_map<std::string_view, std::unique_ptr<Entry>>;  // Entry::key
  using ByKey = absl::btree_map<std::string_view, Entry*>;
  struct Held {
    std::string key;
    KeyHistory::Lookup found;
    bool known;
  };
  struct LivenessChange {
    std::string key;
    int live;
    int size;
  };
  struct Piece {
    struct Item {
      Entry* entry;
      size_t spilled;  // so many of its oldest versions are in chunks then
      bool drops_chunks;
    };
    std::vector<Item> items;
    bool complete = false;  // it ends the round
    bool empty() const { return items.empty() && !complete; }
  };
  using Change = absl::FunctionRef<void(Entry& entry)>;
  // A version that lies in chunks has not been looked for.
  using Scanner = absl::FunctionRef<bool(std::string_view key, const KeyHistory::Lookup& found)>;

  // Runs `change` on the entry of `key` under the lock; it becomes dirty if that says so.
  absl::Status ChangeEntry(std::string_view key, Change change);
  absl::StatusOr<KeyHistory> Load(std::string_view key) const;
  Entry* FindEntry(std::string_view key) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto found = by_hash_.find(key);
    return found == by_hash_.end() ? nullptr : found->second.get();
  }
  Entry& AddEntry(std::string_view key, KeyHistory history) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveEntry(Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkDirty(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Weigh(Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Link(Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unlink(Entry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Evict() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TrimEntry(Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Status MaintainBlocks(rocksdb::WriteBatch& batch);
  absl::Status SplitBlock(const BlockCounts::Oversized& block);
  bool RoundIsDue() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void BeginRound() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AddPiece(rocksdb::WriteBatch& batch, size_t keys, size_t leaves);
  absl::Status AddToPiece(Entry& entry, rocksdb::WriteBatch& batch);

  // Memory's part of a walk: from `from` on, at most some; true: these are all.
  bool CollectHeld(std::string_view from, const KeyRange& range, Revision at,
                   std::vector<Held>& held) const;
  // Visits all keys known, keys ascending.
  absl::Status Scan(const KeyRange& range, Revision at, Scanner visit) const;
  // nullopt: there are more than `most`.
  absl::StatusOr<std::optional<int64_t>> CountByWalk(const KeyRange& range, Revision at,
                                                     int64_t most) const;
  absl::StatusOr<std::optional<int64_t>> CountFromMemo(const KeyRange& range, Revision at) const;
  absl::StatusOr<int64_t> CountByBlocks(const KeyRange& range, Revision at) const;
  // How many keys were made live less those deleted in [begin, end) with first <= main <= last.
  absl::StatusOr<int64_t> LiveChange(const BlockCounts::Whole& range, Revision first,
                                     Revision last) const;

  const Rocks& rocks_;
  const Options options_;
  const LivenessScan scan_;

  // Owned by the apply thread.
  Revision through_;
  Revision round_through_;  // of the round under way
  bool round_open_ = false;
  size_t round_entries_ = 0;
  uint64_t lag_ = 0;      // changes since the last round began
  uint64_t changes_ = 0;  // since the last batch
  Revision floor_;
  Piece piece_;
  std::vector<std::pair<Revision, std::vector<CountedBlock>>> loaded_leaves_;

  mutable absl::Mutex mutex_;
  mutable ByHash by_hash_ ABSL_GUARDED_BY(mutex_);
  // The dirty ones: changed since the round under way began, and those it has yet to write.
  ByKey pending_ ABSL_GUARDED_BY(mutex_);
  ByKey frozen_ ABSL_GUARDED_BY(mutex_);
  mutable Entry clean_ ABSL_GUARDED_BY(mutex_);  // ring of the clean ones
  mutable uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of pending_, about
  // Written pieces so far: what a reader has read from RocksDB may only become an entry when none
  // came in between.
  uint64_t pieces_written_ ABSL_GUARDED_BY(mutex_) = 0;
  BlockCounts blocks_ ABSL_GUARDED_BY(mutex_);
  Revision settled_ ABSL_GUARDED_BY(mutex_){1};
  std::vector<LivenessChange> unsettled_ ABSL_GUARDED_BY(mutex_);
  mutable IndexCounters counters_ ABSL_GUARDED_BY(mutex_);  // but for those below

  mutable CountMemo memo_;  // guards itself

  // Counted by readers on any thread; nothing depends on them.
  struct ReadCounters {
    std::atomic<uint64_t> loads{0}, chunk_reads{0}, counts_by_blocks{0}, counts_by_changes{0},
        counts_by_walk{0}, counts_from_memo{0};
  };
  mutable ReadCounters read_counters_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_KEY_INDEX_H_
