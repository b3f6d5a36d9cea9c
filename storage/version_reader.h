// VersionReader: fetches stored versions by their place: from the newest in memory, else from
// RocksDB. Thread-safe.
#ifndef KEELSON_STORAGE_VERSION_READER_H_
#define KEELSON_STORAGE_VERSION_READER_H_

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/shared_bytes.h"
#include "storage/recent_versions.h"
#include "storage/rocks.h"

namespace keelson::storage {

class VersionReader {
 public:
  // Both must outlive it.
  VersionReader(const Rocks& rocks, const RecentVersions& recent)
      : rocks_(rocks), recent_(recent) {}

  // The encoded KeyValue stored at `id`. DataLoss: it is not there or not readable.
  absl::StatusOr<SharedBytes> Load(VersionId id) const;
  // Calls `visit` with the encoded KeyValue of each, in the order of `ids`.
  using Visitor = absl::FunctionRef<void(std::string_view kv)>;
  absl::Status LoadAll(absl::Span<const VersionId> ids, Visitor visit) const;

 private:
  static constexpr size_t kChunk = 128;

  absl::Status LoadByScan(absl::Span<const VersionId> ids, rocksdb::Iterator& it,
                          Visitor visit) const;
  absl::Status LoadByKeys(absl::Span<const VersionId> ids, Visitor visit) const;

  const Rocks& rocks_;
  const RecentVersions& recent_;
};

// The KeyValue in a record of "rev", sharing its bytes. DataLoss: malformed.
absl::StatusOr<SharedBytes> KeyValueOf(const SharedBytes& record);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_VERSION_READER_H_
