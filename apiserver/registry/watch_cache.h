// WatchCache: all objects of one kind as of one revision of the store, kept up to date by a watch,
// and the changes of the last minutes, for clients that watch. Serves lists and watches without
// asking the store.
//
// Thread-safe. Entries and events are immutable and shared. A subscriber is told, on the store
// client's thread, that there is more to read; it reads from its own position whenever it likes, so
// nobody who is slow holds anything but his place, and falls off when the window has moved on.
#ifndef KEELSON_APISERVER_REGISTRY_WATCH_CACHE_H_
#define KEELSON_APISERVER_REGISTRY_WATCH_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "apiserver/api/field_selector.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/labels.h"
#include "base/shared_bytes.h"

namespace keelson::client {
class Client;
}

namespace keelson::registry {

// An object at one version.
class Entry {
 public:
  // text: with its resourceVersion.
  Entry(std::string space, std::string own_name, int64_t at_revision, std::string text)
      : name_space(std::move(space)),
        name(std::move(own_name)),
        revision(at_revision),
        json(std::move(text)) {}

  const std::string name_space;
  const std::string name;
  const int64_t revision;
  const SharedBytes json;  // with its resourceVersion

  // Parsed when first asked for, and kept.
  std::shared_ptr<const api::Json> Dom() const;
  // Parsed for the caller alone.
  api::Json Parse() const;
  // Nothing of it but the metadata, for the caller alone.
  api::Json ParseMetadata() const;
  // Whether selectors of `kind`, which is kept in this entry's kind, choose the object. What they
  // look at is taken out of it once: many clients ask the same of every change.
  bool IsSelected(const api::Kind& kind, const api::LabelSelector& labels,
                  const api::FieldSelector& fields) const;

 private:
  std::shared_ptr<const api::Json> Selectable(const api::Kind& kind) const;

  mutable absl::Mutex mutex_;
  mutable std::shared_ptr<const api::Json> dom_ ABSL_GUARDED_BY(mutex_);
  // The object, but for all that selectors do not look at.
  mutable std::shared_ptr<const api::Json> selectable_ ABSL_GUARDED_BY(mutex_);
};

using EntryPtr = std::shared_ptr<const Entry>;

// Of a key behind the kind's prefix ("namespace/name", or "name") and its value in the store.
// nullptr: the value is no object.
EntryPtr MakeEntry(const api::Kind& kind, std::string_view key, std::string_view stored,
                   int64_t revision);

// How long a read waits for a cache to be as new as it must.
inline constexpr absl::Duration kFreshTimeout = absl::Seconds(3);

struct CacheEvent {
  enum class Type { kAdded, kModified, kDeleted };
  Type type;
  int64_t revision;
  EntryPtr now;     // of a deletion: the last state, with the deletion's revision
  EntryPtr before;  // nullptr: added
};

class WatchCache {
 public:
  struct Options {
    // The window: as many changes, and as old, but never fewer than the first number.
    size_t events_min = 200;
    size_t events_max = 200'000;
    size_t bytes_max = size_t{64} << 20;
    absl::Duration age_max = absl::Minutes(5);
  };
  struct Snapshot {
    std::vector<EntryPtr> entries;  // ordered by namespace and name
    int64_t revision = 0;           // of the store, as of which they are all
    uint64_t next = 0;              // the position of the first event after it
    bool more = false;              // `limit` cut it
    int64_t remaining = 0;          // behind the cut
  };

  // Begins to load at once. `store` outlives it.
  WatchCache(client::Client* store, const api::Kind& kind, Options options);
  ~WatchCache();
  WatchCache(const WatchCache&) = delete;
  WatchCache& operator=(const WatchCache&) = delete;

  // False: not loaded, or not as new as `revision`, within the time.
  bool WaitFor(int64_t revision, absl::Duration timeout);
  bool ready() const;
  int64_t revision() const;

  // nullptr: none.
  EntryPtr Get(std::string_view name_space, std::string_view name) const;
  // An empty namespace: all. From behind "namespace/name" (or "name") `after` on; limit 0: all.
  Snapshot List(std::string_view name_space, std::string_view after = "", size_t limit = 0) const;

  // The position behind the last change of `revision`. Expired (410): the window begins later.
  absl::StatusOr<uint64_t> PositionAfter(int64_t revision) const;
  // Behind the last change; another one as soon as anything has changed.
  uint64_t position() const;
  // Up to `most` events from `*position` on, which moves behind them, and the revision as of which
  // there is nothing else. Expired: they have left the window.
  absl::Status Read(uint64_t* position, size_t most, std::vector<CacheEvent>* events,
                    int64_t* revision) const;

  // `on_more` is called, from a thread of the store's client, whenever Read may give more. No call
  // comes after Unsubscribe has returned.
  uint64_t Subscribe(std::function<void()> on_more);
  void Unsubscribe(uint64_t id);
  // Asks the store how far it is, so that revision() moves while nothing happens.
  void RequestProgress();

  const api::Kind& kind() const { return kind_; }
  size_t size() const;

 private:
  class Impl;
  const api::Kind& kind_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_WATCH_CACHE_H_
