// RevisionPins: revisions that reads hold on to, so that nothing they need is removed. There are
// few at a time, most of them of the newest revision. Thread-safe.
#ifndef KEELSON_STORAGE_REVISION_PINS_H_
#define KEELSON_STORAGE_REVISION_PINS_H_

#include <algorithm>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "base/types.h"

namespace keelson::storage {

class RevisionPins {
 public:
  // True if it was pinned before.
  bool Add(Revision revision) {
    absl::MutexLock lock(&mutex_);
    const auto it = std::lower_bound(pinned_.begin(), pinned_.end(), revision);
    const bool before = it != pinned_.end() && *it == revision;
    pinned_.insert(it, revision);
    return before;
  }
  // REQUIRES: it was added as often as it is removed.
  void Remove(Revision revision) {
    absl::MutexLock lock(&mutex_);
    pinned_.erase(std::lower_bound(pinned_.begin(), pinned_.end(), revision));
  }
  bool Contains(Revision revision) const {
    absl::MutexLock lock(&mutex_);
    return std::binary_search(pinned_.begin(), pinned_.end(), revision);
  }
  // The lowest pinned revision, `none` when there is none or it is higher.
  Revision LowestOr(Revision none) const {
    absl::MutexLock lock(&mutex_);
    return pinned_.empty() ? none : std::min(pinned_.front(), none);
  }

 private:
  mutable absl::Mutex mutex_;
  absl::InlinedVector<Revision, 8> pinned_ ABSL_GUARDED_BY(mutex_);  // ascending
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_REVISION_PINS_H_
