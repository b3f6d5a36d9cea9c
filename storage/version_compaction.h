// VersionCompaction: finds the versions that a compaction has made superfluous, in steps. It goes
// once over the changes between the last target and the new one: each names the version it
// replaced, and that one goes. So the work is that of the changes compacted, not of the keys.
// Internal to storage/.
//
// Thread: the apply thread.
#ifndef KEELSON_STORAGE_VERSION_COMPACTION_H_
#define KEELSON_STORAGE_VERSION_COMPACTION_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "rocksdb/write_batch.h"
#include "storage/key_index.h"
#include "storage/rocks.h"
#include "storage/store_format.h"

namespace keelson::storage {

class VersionCompaction {
 public:
  // What a batch does once it is written.
  struct Step {
    CompactionProgress progress;
    uint64_t removed_bytes = 0;  // about
  };

  // The record of MetaTable::kCompaction. False: malformed.
  bool Load(std::string_view record) { return ParseCompactionProgress(record, progress_); }
  // Everything superseded at or before it is gone.
  Revision through() const { return progress_.through; }

  // Puts removals toward `target`, of about `changes_max` changes, into `batch`, and raises the
  // index's floor. REQUIRES: target > through(), and the index is written back through it.
  absl::StatusOr<Step> Build(Revision target, int64_t changes_max, const Rocks& rocks,
                             KeyIndex& index, rocksdb::WriteBatch& batch) const;
  // The batch of the step is in RocksDB.
  void Written(const Step& step) {
    progress_ = step.progress;
    removed_bytes_ += step.removed_bytes;
  }

  // About what the versions took that were removed since Forget.
  uint64_t removed_bytes() const { return removed_bytes_; }
  void ForgetRemoved() { removed_bytes_ = 0; }

 private:
  CompactionProgress progress_;
  uint64_t removed_bytes_ = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_VERSION_COMPACTION_H_
