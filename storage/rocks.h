// How the Store sets up RocksDB: options, column families, and the translation of its statuses.
// Internal to storage/: no public header includes RocksDB.
#ifndef KEELSON_STORAGE_ROCKS_H_
#define KEELSON_STORAGE_ROCKS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/store.h"

namespace keelson::storage {

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Incomplete, Busy, TryAgain: Unavailable. Corruption, a missing file: DataLoss. No space:
// ResourceExhausted. The rest: Internal.
absl::Status FromRocks(const rocksdb::Status& status, const char* what);

// The database and its column families; closed, with a flush unless told otherwise, at the end.
struct Rocks {
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* rev = nullptr;
  rocksdb::ColumnFamilyHandle* idx = nullptr;
  rocksdb::ColumnFamilyHandle* hist = nullptr;

  static absl::StatusOr<std::unique_ptr<Rocks>> Open(
      const StoreOptions& options, std::shared_ptr<rocksdb::EventListener> listener);
  Rocks() = default;
  Rocks(const Rocks&) = delete;
  Rocks& operator=(const Rocks&) = delete;
  ~Rocks();
  // See Store::LinkFiles.
  absl::Status LinkFiles(const std::string& directory);
  std::vector<rocksdb::ColumnFamilyHandle*> families() const { return {meta, rev, idx, hist}; }
  // 0 when RocksDB does not know it.
  uint64_t Property(rocksdb::ColumnFamilyHandle* family, const std::string& name) const;
  // See Store; `keys` is how many the index has that are not deleted.
  uint64_t UnflushedBytes() const;
  uint64_t SizeOnDisk() const;
  uint64_t SizeInUse(int64_t keys) const;

 private:
  uint64_t IndexSizeInUse(int64_t keys) const;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_ROCKS_H_
