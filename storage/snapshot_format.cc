#include "storage/snapshot_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::storage {
namespace {

constexpr std::string_view kMagic("KEELSNAP", 8);
constexpr std::string_view kTrailerMagic("KEELDONE", 8);

constexpr uint64_t kFileBytesMax = uint64_t{1} << 48;  // so that sums cannot overflow
constexpr size_t kFilesMax = 1 << 20;

absl::Status Malformed(const std::string& what) {
  return absl::DataLossError(absl::StrCat("the snapshot is damaged: ", what));
}

bool IsPlainName(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), plain);
}

bool TakeFile(std::string_view& from, SnapshotFile& file) {
  uint8_t size;
  if (!TakeLittle64(from, file.bytes) || !TakeLittle32(from, file.crc) || !TakeByte(from, size) ||
      from.size() < size || file.bytes > kFileBytesMax) {
    return false;
  }
  file.name = from.substr(0, size);
  from.remove_prefix(size);
  return IsPlainName(file.name);
}

bool TakeDescription(std::string_view from, SnapshotDescription& description) {
  uint64_t applied, term, revision, compacted;
  uint32_t count;
  if (!TakeLittle64(from, applied) || !TakeLittle64(from, term) || !TakeLittle64(from, revision) ||
      !TakeLittle64(from, compacted) || !TakeLittle32(from, count) || count > kFilesMax) {
    return false;
  }
  description.applied = LogIndex(applied);
  description.term = Term(term);
  description.revision = Revision(static_cast<int64_t>(revision));
  description.compacted = Revision(static_cast<int64_t>(compacted));
  for (uint32_t i = 0; i < count; ++i) {
    SnapshotFile file;
    if (!TakeFile(from, file)) return false;
    if (i > 0 && file.name <= description.files.back().name) return false;
    description.files.push_back(std::move(file));
  }
  return from.empty() && description.compacted >= Revision() &&
         description.revision >= description.compacted && description.revision >= Revision(1);
}

uint64_t HeaderBytes(const SnapshotDescription& description) {
  uint64_t bytes = kSnapshotHeadBytes + 4 * 8 + 4 + 4;
  for (const SnapshotFile& file : description.files) bytes += 8 + 4 + 1 + file.name.size();
  return bytes;
}

uint64_t PartBytes(const SnapshotFile& file) {
  const uint64_t pieces = (file.bytes + kSnapshotPieceBytes - 1) / kSnapshotPieceBytes;
  return file.bytes + pieces * kSnapshotPieceHeadBytes;
}

}  // namespace

std::string EncodeSnapshotHeader(const SnapshotDescription& description) {
  std::string to(kMagic);
  AppendLittle32(to, kSnapshotFormat);
  AppendLittle32(to, static_cast<uint32_t>(HeaderBytes(description) - kSnapshotHeadBytes - 4));
  AppendLittle64(to, description.applied.value());
  AppendLittle64(to, description.term.value());
  AppendLittle64(to, static_cast<uint64_t>(description.revision.value()));
  AppendLittle64(to, static_cast<uint64_t>(description.compacted.value()));
  AppendLittle32(to, static_cast<uint32_t>(description.files.size()));
  for (const SnapshotFile& file : description.files) {
    AppendLittle64(to, file.bytes);
    AppendLittle32(to, file.crc);
    to.push_back(static_cast<char>(file.name.size()));
    to += file.name;
  }
  AppendLittle32(to, Crc32c(to));
  return to;
}

absl::StatusOr<uint64_t> SnapshotHeaderBytes(std::string_view head) {
  if (head.size() < kSnapshotHeadBytes || head.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("this is no snapshot");
  }
  const uint32_t format = LoadLittle32(head.data() + 8);
  const uint64_t size = LoadLittle32(head.data() + 12);
  // A damaged number cannot be told from a later format's.
  if (format != kSnapshotFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("a snapshot of format ", format,
                     ", or a damaged one; this program knows format ", kSnapshotFormat));
  }
  if (size > kSnapshotDescriptionBytesMax) return Malformed("the description is too long");
  return kSnapshotHeadBytes + size + 4;
}

absl::StatusOr<SnapshotDescription> DecodeSnapshotHeader(std::string_view header) {
  const auto bytes = SnapshotHeaderBytes(header);
  if (!bytes.ok()) return bytes.status();
  if (header.size() != *bytes) return Malformed("the description is cut short");
  const std::string_view covered = header.substr(0, header.size() - 4);
  if (Crc32c(covered) != LoadLittle32(header.data() + covered.size())) {
    return Malformed("the description does not match its checksum");
  }
  SnapshotDescription description;
  if (!TakeDescription(covered.substr(kSnapshotHeadBytes), description)) {
    return Malformed("the description is malformed");
  }
  return description;
}

std::string EncodeSnapshotPieceHead(std::string_view content) {
  std::string to;
  AppendLittle32(to, static_cast<uint32_t>(content.size()));
  AppendLittle32(to, Crc32c(content));
  return to;
}

uint64_t SnapshotStreamBytes(const SnapshotDescription& description) {
  uint64_t bytes = HeaderBytes(description) + kSnapshotTrailerBytes;
  for (const SnapshotFile& file : description.files) bytes += PartBytes(file);
  return (bytes + kSnapshotAlignment - 1) / kSnapshotAlignment * kSnapshotAlignment;
}

std::string EncodeSnapshotTrailer(std::string_view header, uint64_t stream_bytes) {
  std::string to(kTrailerMagic);
  AppendLittle64(to, stream_bytes);
  AppendLittle32(to, Crc32cExtend(Crc32c(header.substr(0, header.size() - 4)), to));
  return to;
}

}  // namespace keelson::storage
