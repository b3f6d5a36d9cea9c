// RunRange: etcd's Range on the key index and the stored versions: which keys, in which order, how
// many. The revision has been checked and is held by the caller.
#ifndef KEELSON_STORAGE_RANGE_QUERY_H_
#define KEELSON_STORAGE_RANGE_QUERY_H_

#include "storage/key_index.h"
#include "storage/version_reader.h"

namespace keelson::storage {

// `summary.revision` is left alone.
absl::Status RunRange(const KeyIndex& index, const VersionReader& reader, const RangeQuery& query,
                      Revision at, VersionReader::Visitor visit, RangeSummary& summary);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RANGE_QUERY_H_
