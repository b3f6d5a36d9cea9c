// Chunks: where the older versions of keys with very many of them lie, in column family "hist", so
// that the record of such a key in "idx" stays small. Written and removed with batches of the
// index; read on any thread.
#ifndef KEELSON_STORAGE_HISTORY_CHUNKS_H_
#define KEELSON_STORAGE_HISTORY_CHUNKS_H_

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rocksdb/write_batch.h"
#include "storage/key_history.h"
#include "storage/rocks.h"

namespace keelson::storage {

// The newest version of `key` at or before `at` among those in chunks, also a tombstone.
absl::StatusOr<std::optional<IndexVersion>> FindInChunks(const Rocks& rocks, std::string_view key,
                                                         Revision at);

// Adds `versions` to `batch` as chunks of at most `chunk_versions`; returns how many there are.
// REQUIRES: ascending, not empty, newer than all in chunks already.
uint64_t WriteChunks(const Rocks& rocks, std::string_view key,
                     absl::Span<const IndexVersion> versions, size_t chunk_versions,
                     rocksdb::WriteBatch& batch);

// Deletes the chunks that hold only what was superseded at or before `floor`, or all.
enum class ChunksToDrop { kSuperseded, kAll };
absl::Status DropChunks(const Rocks& rocks, std::string_view key, Revision floor,
                        ChunksToDrop which, rocksdb::WriteBatch& batch);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_HISTORY_CHUNKS_H_
