// CountMemo: counts at past revisions, which never change, by where their ranges end: a client that
// reads a range page by page asks for the count of the rest of it again and again, at one revision,
// with a begin that moves on. Holds a few. Thread-safe.
#ifndef KEELSON_STORAGE_COUNT_MEMO_H_
#define KEELSON_STORAGE_COUNT_MEMO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/types.h"
#include "storage/store.h"

namespace keelson::storage {

class CountMemo {
 public:
  struct Known {
    std::string begin;
    int64_t count = 0;
  };
  // The count of a range that ends where `range` ends and begins at or before it.
  std::optional<Known> Find(const KeyRange& range, Revision at) const;
  void Keep(const KeyRange& range, Revision at, int64_t count);

 private:
  struct Slot {
    Revision at;  // 0: not in use
    bool open_end = false;
    std::string begin, end;
    int64_t count = 0;
    bool Ends(const KeyRange& range, Revision revision) const {
      return at == revision && open_end == range.open_end && end == range.end;
    }
  };

  mutable absl::Mutex mutex_;
  std::array<Slot, 32> slots_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_COUNT_MEMO_H_
