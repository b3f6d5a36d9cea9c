// LeaseTable: leases, the keys attached to each, and the lease of each key; the in-memory side of
// the lease records of the Store. Thread-safe; changed on the apply thread only.
#ifndef KEELSON_STORAGE_LEASE_TABLE_H_
#define KEELSON_STORAGE_LEASE_TABLE_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/synchronization/mutex.h"
#include "storage/store.h"

namespace keelson::storage {

class LeaseTable {
 public:
  // Adds it or changes its times.
  void Put(const LeaseRecord& lease);
  // REQUIRES: no keys are attached to it.
  void Remove(LeaseId id);
  // REQUIRES: the lease exists and the key has none.
  void Attach(LeaseId id, std::string_view key);
  // Returns the lease the key had; 0: none.
  LeaseId Detach(std::string_view key);

  std::vector<LeaseRecord> All() const;  // by id
  std::optional<LeaseRecord> Find(LeaseId id) const;
  bool Contains(LeaseId id) const;
  std::vector<std::string> Keys(LeaseId id) const;  // in order
  LeaseId LeaseOf(std::string_view key) const;

 private:
  struct Entry {
    LeaseRecord record;
    absl::btree_set<std::string, std::less<>> keys;
  };

  mutable absl::Mutex mutex_;
  absl::btree_map<LeaseId, Entry> leases_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, LeaseId, std::less<>> lease_of_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_LEASE_TABLE_H_
