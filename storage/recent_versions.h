// RecentVersions: the records of the newest revisions, in memory: all that RocksDB does not have
// yet (the batch under way), and as many before it as the limit of bytes allows. Main revisions are
// consecutive, so a record is found by position, without a hash.
//
// Threads: Add and Committed on the apply thread; reads on any.
#ifndef KEELSON_STORAGE_RECENT_VERSIONS_H_
#define KEELSON_STORAGE_RECENT_VERSIONS_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/shared_bytes.h"
#include "storage/store_format.h"

namespace keelson::storage {

class RecentVersions {
 public:
  explicit RecentVersions(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // REQUIRES: id follows the one before: the next sub revision, or the next main revision.
  void Add(VersionId id, SharedBytes record);
  // Revisions up to this one are in RocksDB and may be let go of.
  void Committed(Revision revision);

  // The record, nullopt when it is not held.
  std::optional<SharedBytes> Find(VersionId id) const;
  // All records of `main`; nullopt when they are not held.
  std::optional<std::vector<SharedBytes>> FindAll(Revision main) const;

 private:
  // What a record costs beside its bytes: control block, string, slot.
  static constexpr uint64_t kOverheadBytes = 96;

  void Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Records of `main` are [begin, end) of records_. False: not held.
  bool Locate(Revision main, uint64_t& begin, uint64_t& end) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const uint64_t bytes_max_;

  mutable absl::Mutex mutex_;
  std::deque<SharedBytes> records_ ABSL_GUARDED_BY(mutex_);
  // For each main revision from first_main_ on: the number of records ever added before it.
  std::deque<uint64_t> starts_ ABSL_GUARDED_BY(mutex_);
  Revision first_main_ ABSL_GUARDED_BY(mutex_);
  Revision committed_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;  // records ever removed
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RECENT_VERSIONS_H_
