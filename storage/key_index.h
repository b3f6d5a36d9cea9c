// KeyIndex: for each key the versions it has had, in revision order: which record of the key space
// holds the version that was live at a revision. Exact, ordered, counted. This one is in memory and
// filled by a scan at open; nothing outside this class knows that.
//
// Invariants:
//  1. The versions of a key ascend by (main, sub); at most the last of a run of puts is followed by
//     a tombstone, and a tombstone is followed by a put or nothing.
//  2. LiveKeys() is the number of keys whose newest version is not a tombstone.
//
// Threads: changes on the apply thread; reads on any. A read at a revision that no change is being
// made at sees that revision as a whole, also while later ones are added: the lock is let go of
// every few hundred keys, so that a long walk does not hold up apply. A walk below the revision
// that Trim works at must hold a pin on its revision (RevisionPins).
#ifndef KEELSON_STORAGE_KEY_INDEX_H_
#define KEELSON_STORAGE_KEY_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "base/types.h"
#include "storage/store.h"
#include "storage/store_format.h"

namespace keelson::storage {

struct IndexVersion {
  VersionId id;
  Revision create;
  int64_t version = 0;  // 0: a tombstone
  bool deleted() const { return version == 0; }
  friend bool operator==(const IndexVersion&, const IndexVersion&) = default;
};

class KeyIndex {
 public:
  struct PutResult {
    IndexVersion now;
    std::optional<IndexVersion> replaced;  // the live version before; nullopt: there was none
  };

  // The key gets the value written at `id`. REQUIRES: id is greater than any before.
  PutResult Put(std::string_view key, VersionId id);
  // The key is deleted at `id`; returns the version it had. REQUIRES: it is live.
  IndexVersion Delete(std::string_view key, VersionId id);
  // Adds a version as it was stored. REQUIRES: in revision order.
  void Restore(std::string_view key, const IndexVersion& version);
  // Forgets the versions of `key` that were superseded at or before `revision`, and a tombstone
  // before it.
  void Trim(std::string_view key, Revision revision);

  // The version of `key` live at `at`.
  std::optional<IndexVersion> Find(std::string_view key, Revision at) const;
  // The version written in the main revision `main`, and the main revision of the version after it
  // (0: it is the newest). Neither when it is not known (any more).
  struct Exact {
    IndexVersion version;
    Revision superseded;
  };
  std::optional<Exact> FindExact(std::string_view key, Revision main) const;
  // Calls `visit` for the versions live at `at`, keys ascending, until it returns false. It must
  // not call back.
  using Visitor = absl::FunctionRef<bool(std::string_view key, const IndexVersion& version)>;
  void Walk(const KeyRange& range, Revision at, Visitor visit) const;
  // How many versions Walk would visit.
  int64_t Count(const KeyRange& range, Revision at) const;
  int64_t LiveKeys() const;

 private:
  // Most keys have one version: it is inline. Older ones lie in a vector, ascending.
  struct History {
    IndexVersion newest;
    std::unique_ptr<std::vector<IndexVersion>> older;

    const IndexVersion* At(Revision at) const;
    void Push(const IndexVersion& version);
  };
  struct Entry {
    std::string key;
    History history;
  };
  // Views into Entry::key. The order is for ranges; single keys are found by hash, which costs one
  // or two cache misses where the tree costs one for each level and comparison.
  using Map = absl::btree_map<std::string_view, std::unique_ptr<Entry>>;
  using ByHash = absl::flat_hash_map<std::string_view, Entry*>;

  Entry* FindEntry(std::string_view key) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto found = by_hash_.find(key);
    return found == by_hash_.end() ? nullptr : found->second;
  }
  void AddEntry(std::string_view key, const IndexVersion& version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto entry = std::make_unique<Entry>(
        Entry{std::string(key), History{.newest = version, .older = nullptr}});
    by_hash_.emplace(entry->key, entry.get());
    const std::string_view own = entry->key;
    keys_.emplace(own, std::move(entry));
  }

  mutable absl::Mutex mutex_;
  Map keys_ ABSL_GUARDED_BY(mutex_);
  ByHash by_hash_ ABSL_GUARDED_BY(mutex_);
  int64_t live_keys_ ABSL_GUARDED_BY(mutex_) = 0;
  Revision newest_ ABSL_GUARDED_BY(mutex_);  // main revision of the newest change
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_KEY_INDEX_H_
