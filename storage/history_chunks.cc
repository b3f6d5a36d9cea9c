#include "storage/history_chunks.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "base/status_macros.h"

namespace keelson::storage {
namespace {

absl::Status Malformed() {
  return absl::DataLossError("state store: malformed chunk of a history");
}

// Steps over the chunks of one key.
class ChunkIterator {
 public:
  ChunkIterator(const Rocks& rocks, std::string_view key)
      : key_(key), it_(rocks.db->NewIterator({}, rocks.hist)) {}

  // To the first chunk whose newest version is at or after `id`.
  void Seek(VersionId id) { it_->Seek(ChunkKey(key_, id)); }
  // To the last chunk whose newest version is at or before `id`.
  void SeekForPrev(VersionId id) { it_->SeekForPrev(ChunkKey(key_, id)); }
  void Next() { it_->Next(); }
  // False: it is at no chunk of the key, or there was an error.
  bool Valid() {
    std::string_view key;
    return it_->Valid() && ParseChunkKey(ToView(it_->key()), key, newest_) && key == key_;
  }
  absl::Status status() const { return FromRocks(it_->status(), "cannot read the state store"); }
  VersionId newest() const { return newest_; }
  std::string_view record_key() const { return ToView(it_->key()); }
  std::string_view value() const { return ToView(it_->value()); }

 private:
  const std::string_view key_;
  const std::unique_ptr<rocksdb::Iterator> it_;
  VersionId newest_;
};

}  // namespace

absl::StatusOr<std::optional<IndexVersion>> FindInChunks(const Rocks& rocks, std::string_view key,
                                                         Revision at) {
  ChunkIterator it(rocks, key);
  KeyHistory::Lookup found;
  // The first chunk that ends after `at` has it unless that begins after it too.
  it.Seek({at + 1, 0});
  if (it.Valid()) {
    if (!FindInHistory(it.value(), at, found)) return Malformed();
    if (found.version.has_value()) return found.version;
  }
  KV_RETURN_IF_ERROR(it.status());
  it.SeekForPrev({at, std::numeric_limits<int64_t>::max()});
  if (it.Valid()) {
    if (!FindInHistory(it.value(), at, found) || !found.version.has_value()) return Malformed();
    return found.version;
  }
  KV_RETURN_IF_ERROR(it.status());
  return std::nullopt;
}

uint64_t WriteChunks(const Rocks& rocks, std::string_view key,
                     absl::Span<const IndexVersion> versions, size_t chunk_versions,
                     rocksdb::WriteBatch& batch) {
  uint64_t chunks = 0;
  while (!versions.empty()) {
    const auto chunk = versions.first(std::min(chunk_versions, versions.size()));
    versions.remove_prefix(chunk.size());
    batch.Put(rocks.hist, ChunkKey(key, chunk.back().id), EncodeHistory(chunk));
    ++chunks;
  }
  return chunks;
}

absl::Status DropChunks(const Rocks& rocks, std::string_view key, Revision floor,
                        ChunksToDrop which, rocksdb::WriteBatch& batch) {
  ChunkIterator it(rocks, key);
  std::string before;  // the chunk before, of which it is not known yet whether it may go
  for (it.Seek({}); it.Valid(); it.Next()) {
    // All before this one was superseded by its newest version at the latest.
    const bool goes = which == ChunksToDrop::kAll || it.newest().main <= floor;
    if (!before.empty() && goes) batch.Delete(rocks.hist, before);
    if (!goes) return absl::OkStatus();
    before = it.record_key();
  }
  if (!before.empty() && which == ChunksToDrop::kAll) batch.Delete(rocks.hist, before);
  return it.status();
}

}  // namespace keelson::storage
