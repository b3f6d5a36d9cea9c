#include "storage/version_compaction.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "storage/key_value.h"

namespace keelson::storage {
namespace {

// A key with so many versions in a row is looked for when it is compacted; the history of another
// is shortened when it next changes.
constexpr int64_t kVersionsLeft = 16;

}  // namespace

absl::StatusOr<VersionCompaction::Step> VersionCompaction::Build(Revision target,
                                                                 int64_t changes_max,
                                                                 const Rocks& rocks,
                                                                 KeyIndex& index,
                                                                 rocksdb::WriteBatch& batch) const {
  std::string start;
  AppendVersionKey(progress_.next, start);
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(rocks.db->NewIterator(read, rocks.rev));
  std::set<std::string> keys;  // to be trimmed
  Step step{.progress = progress_};
  CompactionProgress& progress = step.progress;
  progress.through = target;
  progress.next = {target, 0};
  int64_t visited = 0;
  const uint64_t average =
      (rocks.Property(rocks.rev, rocksdb::DB::Properties::kLiveSstFilesSize) +
       rocks.Property(rocks.rev, rocksdb::DB::Properties::kCurSizeAllMemTables)) /
      (1 + rocks.Property(rocks.rev, rocksdb::DB::Properties::kEstimateNumKeys));
  for (it->Seek(start); it->Valid(); it->Next()) {
    VersionId id;
    VersionRecord record;
    KeyValue kv;
    if (!ParseVersionKey(ToView(it->key()), id) ||
        !ParseVersionRecord(ToView(it->value()), record) || !ParseKeyValue(record.kv, kv)) {
      return absl::DataLossError("state store: malformed version record");
    }
    if (id.main > target) break;
    if (visited++ == changes_max) {
      progress.through = progress_.through;
      progress.next = id;
      break;
    }
    // What is deleted at the target itself is for who watches from there.
    const bool kept = id.main == target && !KV_PLANTED("compaction-drops-deletion") &&
                      !KV_PLANTED("revision-from-versions");
    const bool gone = record.kind == EventKind::kDelete && !kept;
    if (gone) batch.Delete(rocks.rev, it->key());
    if (record.previous.main) {
      std::string previous;
      AppendVersionKey(record.previous, previous);
      batch.Delete(rocks.rev, previous);
      // What it took is not known without reading it: as much as what replaced it, or the average.
      step.removed_bytes += std::max<uint64_t>(kVersionKeyBytes + it->value().size(), average);
    }
    if (gone || kv.version > kVersionsLeft) keys.emplace(kv.key);
  }
  KV_RETURN_IF_ERROR(FromRocks(it->status(), "cannot read the state store"));
  index.RaiseFloor(target);
  for (const std::string& key : keys) KV_RETURN_IF_ERROR(index.Trim(key, batch));
  batch.Put(rocks.meta, MetaKey(MetaTable::kCompaction), EncodeCompactionProgress(progress));
  return step;
}

}  // namespace keelson::storage
