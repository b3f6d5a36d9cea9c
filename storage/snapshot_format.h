// The bytes of a snapshot stream (docs/on-disk-format.md, "Snapshot"): one store at one applied
// index, for a peer or for a file. Encoders and decoders only.
//
//   stream      := header part{count} trailer zero*      padded to a multiple of 512
//   header      := magic:8 "KEELSNAP" format:le32 size:le32 description:size crc:le32
//                  crc = CRC-32C of all before it
//   description := applied:le64 term:le64 revision:le64 compacted:le64 count:le32 file{count}
//   file        := bytes:le64 crc:le32 name_size:u8 name      crc of the file's content
//   part        := piece*                                     of one file, in the header's order
//   piece       := size:le32 crc:le32 content:size            64 KiB each, the last of a file less
//   trailer     := magic:8 "KEELDONE" bytes:le64 crc:le32     bytes: of the whole stream;
//                  crc = CRC-32C of the header without its own crc (with it, the sum
//                  would be the same for all), then of the 16 bytes before
//
// The stream follows from the files alone, so that a reader can go on at any offset of it, over
// another connection too.
//
// Numbers here reach disk and wire: do not renumber.
#ifndef KEELSON_STORAGE_SNAPSHOT_FORMAT_H_
#define KEELSON_STORAGE_SNAPSHOT_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/types.h"

namespace keelson::storage {

inline constexpr uint32_t kSnapshotFormat = 1;
inline constexpr uint64_t kSnapshotPieceBytes = 64 << 10;
inline constexpr uint64_t kSnapshotAlignment = 512;
inline constexpr uint64_t kSnapshotHeadBytes = 16;  // of the header, up to its size
inline constexpr uint64_t kSnapshotPieceHeadBytes = 8;
inline constexpr uint64_t kSnapshotTrailerBytes = 20;
inline constexpr uint64_t kSnapshotDescriptionBytesMax = 16 << 20;

struct SnapshotFile {
  std::string name;
  uint64_t bytes = 0;
  uint32_t crc = 0;
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

// What a snapshot is of.
struct SnapshotDescription {
  LogIndex applied;
  Term term;
  Revision revision;
  Revision compacted;
  std::vector<SnapshotFile> files;  // by name
  friend bool operator==(const SnapshotDescription&, const SnapshotDescription&) = default;
};

std::string EncodeSnapshotHeader(const SnapshotDescription& description);
// The length of the header that begins with these kSnapshotHeadBytes. DataLoss: no snapshot.
// FailedPrecondition: of another format.
absl::StatusOr<uint64_t> SnapshotHeaderBytes(std::string_view head);
// DataLoss: damaged, or what no snapshot says: names that are not plain or not ascending.
absl::StatusOr<SnapshotDescription> DecodeSnapshotHeader(std::string_view header);

std::string EncodeSnapshotPieceHead(std::string_view content);

// The length of the stream of `description`.
uint64_t SnapshotStreamBytes(const SnapshotDescription& description);
// Without the padding; `stream_bytes` as above.
std::string EncodeSnapshotTrailer(std::string_view header, uint64_t stream_bytes);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_SNAPSHOT_FORMAT_H_
