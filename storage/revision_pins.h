// RevisionPins: revisions that reads hold on to, so that nothing they need is removed.
// Thread-safe.
#ifndef KEELSON_STORAGE_REVISION_PINS_H_
#define KEELSON_STORAGE_REVISION_PINS_H_

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/synchronization/mutex.h"
#include "base/types.h"

namespace keelson::storage {

class RevisionPins {
 public:
  // True if it was pinned before.
  bool Add(Revision revision) {
    absl::MutexLock lock(&mutex_);
    const bool before = pinned_.contains(revision);
    pinned_.insert(revision);
    return before;
  }
  void Remove(Revision revision) {
    absl::MutexLock lock(&mutex_);
    pinned_.erase(pinned_.find(revision));
  }
  // The lowest pinned revision, `none` when there is none or it is higher.
  Revision LowestOr(Revision none) const {
    absl::MutexLock lock(&mutex_);
    return pinned_.empty() || *pinned_.begin() > none ? none : *pinned_.begin();
  }

 private:
  mutable absl::Mutex mutex_;
  absl::btree_multiset<Revision> pinned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_REVISION_PINS_H_
