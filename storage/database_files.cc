#include "storage/database_files.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "storage/rocks.h"

namespace keelson::storage {
namespace {

constexpr char kManifest[] = "MANIFEST-";
// Made before CURRENT when the database is; whoever crashes between the two has no data yet.
constexpr char kFirstManifest[] = "MANIFEST-000001";

// MANIFEST := block*      of 32 KiB; the last may be shorter
//   block  := record* zero*
//   record := crc:le32 size:le16 type:u8 payload:size
//   crc       masked CRC-32C of type and payload
//   type      1 whole, 2 first, 3 middle, 4 last piece
constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;

uint32_t Mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

// The payloads of records are changes of the set of files. All that we look at is how many writes
// the database had seen, which never becomes less:
//   change := field*   field := tag:varint value    text: size:varint and bytes; number: varint
enum Tag : uint64_t {
  kComparator = 1,  // text
  kLogNumber = 2,   // this and the others: number
  kNextFile = 3,
  kLastSequence = 4,  // nothing but those here comes before it
  kPreviousLog = 9,
  kMinLog = 10,
  kMaxFamily = 203,
  kIgnorable = 1 << 13,  // bit of tags whose value is text
};

uint64_t LastSequence(std::string_view change, uint64_t otherwise) {
  uint64_t tag, value;
  while (TakeVarint(change, tag) && TakeVarint(change, value)) {
    if (tag == kComparator || (tag & kIgnorable) != 0) {
      if (value > change.size()) break;
      change.remove_prefix(value);
    } else if (tag == kLastSequence) {
      return value;
    } else if (tag != kLogNumber && tag != kNextFile && tag != kPreviousLog && tag != kMinLog &&
               tag != kMaxFamily) {
      break;
    }
  }
  return otherwise;
}

// A piece of a record: records that do not fit into their block are cut.
struct Piece {
  size_t begin = 0, end = 0;  // in the file
  bool first = false, last = false;
  std::string_view payload;
};

// The valid piece that begins at `at` and ends in the same block.
std::optional<Piece> PieceAt(std::string_view bytes, size_t at) {
  const std::string_view rest =
      bytes.substr(at, std::min(kBlockBytes - at % kBlockBytes, bytes.size() - at));
  if (rest.size() < kHeaderBytes) return std::nullopt;
  const size_t size = static_cast<uint8_t>(rest[4]) | static_cast<uint8_t>(rest[5]) << 8;
  const auto type = static_cast<uint8_t>(rest[6]);
  if (type < 1 || type > 4 || size > rest.size() - kHeaderBytes) return std::nullopt;
  const std::string_view covered = rest.substr(kHeaderBytes - 1, 1 + size);
  if (Mask(Crc32c(covered)) != LoadLittle32(rest.data())) return std::nullopt;
  return Piece{.begin = at,
               .end = at + kHeaderBytes + size,
               .first = type <= 2,
               .last = type == 1 || type == 4,
               .payload = covered.substr(1)};
}

// What is too short for a header at the end of a block is filled up.
size_t NextHeader(size_t at) {
  const size_t left = kBlockBytes - at % kBlockBytes;
  return left < kHeaderBytes ? at + left : at;
}

// How many changes of its group follow the one that ends with these bytes.
std::optional<uint64_t> LeftOfGroup(std::string_view payload) {
  // The last field of a change of a group: its tag 300, and a number below 128.
  if (payload.size() < 3 || payload[payload.size() - 3] != '\xac' ||
      payload[payload.size() - 2] != '\x02' || (payload.back() & 0x80) != 0) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(payload.back());
}

// Whether what follows the damage at `damage` may have been written together with what was there:
// the rest of its record, and changes that say they belong to one group.
bool IsOfOneWrite(std::string_view bytes, size_t damage) {
  uint64_t left = UINT64_MAX;
  bool of_damaged = true;  // pieces without a beginning
  std::string record;
  for (size_t at = damage + 1; at < bytes.size();) {
    const std::optional<Piece> piece = PieceAt(bytes, at);
    if (!piece.has_value()) {  // also: where it begins is not known
      ++at;
      continue;
    }
    at = NextHeader(piece->end);
    if (piece->first) {
      of_damaged = false;
      record.clear();
    }
    record += piece->payload;
    if (!piece->last) continue;
    const std::optional<uint64_t> now_left = LeftOfGroup(record);
    if (!now_left.has_value() && of_damaged) continue;
    if (!now_left.has_value() || *now_left >= left) return false;
    left = *now_left;
  }
  return true;
}

// In one step: a copy takes its place.
absl::Status CutManifest(rocksdb::Env& env, const std::string& directory, const std::string& path,
                         const std::string& bytes) {
  // A name that RocksDB removes when it finds it.
  const std::string copy = absl::StrCat(directory, "/000001.dbtmp");
  constexpr char kWhat[] = "cannot cut the torn end of the MANIFEST";
  KV_RETURN_IF_ERROR(
      FromRocks(rocksdb::WriteStringToFile(&env, bytes, copy, /*should_sync=*/true), kWhat));
  return FromRocks(env.RenameFile(copy, path), kWhat);
}

}  // namespace

ManifestState LookAtManifest(std::string_view bytes) {
  uint64_t sequence = 0;
  size_t at = 0;
  while (at < bytes.size()) {
    const std::optional<Piece> piece = PieceAt(bytes, at);
    if (!piece.has_value()) {
      return {.valid_bytes = at, .damaged = !IsOfOneWrite(bytes, at)};
    }
    const uint64_t last = piece->first ? LastSequence(piece->payload, sequence) : sequence;
    if (last < sequence) return {.valid_bytes = at, .damaged = true};  // of another place
    sequence = last;
    at = NextHeader(piece->end);
  }
  return {.valid_bytes = bytes.size(), .damaged = false};
}

absl::Status PrepareDatabaseFiles(rocksdb::Env& env, const std::string& directory) {
  std::vector<std::string> names;
  // A folder that cannot be listed is RocksDB's matter: mostly it is not there yet.
  if (!env.GetChildren(directory, &names).ok()) return absl::OkStatus();
  const std::string current_path = absl::StrCat(directory, "/CURRENT");
  if (std::find(names.begin(), names.end(), "CURRENT") == names.end()) {
    const bool has_data = std::any_of(names.begin(), names.end(), [](const std::string& name) {
      return absl::EndsWith(name, ".sst") ||
             (absl::StartsWith(name, kManifest) && name != kFirstManifest);
    });
    if (!has_data) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("state store: ", current_path, " is missing"));
  }
  std::string current;
  KV_RETURN_IF_ERROR(FromRocks(rocksdb::ReadFileToString(&env, current_path, &current),
                               "cannot read the state store"));
  if (!absl::StartsWith(current, kManifest) || current.back() != '\n') {
    return absl::DataLossError(
        absl::StrCat("state store: ", current_path, " does not name a MANIFEST"));
  }
  current.pop_back();
  const std::string path = absl::StrCat(directory, "/", current);
  if (std::find(names.begin(), names.end(), current) == names.end()) {
    return absl::DataLossError(
        absl::StrCat("state store: the MANIFEST that ", current_path, " names is missing"));
  }
  std::string manifest;
  KV_RETURN_IF_ERROR(
      FromRocks(rocksdb::ReadFileToString(&env, path, &manifest), "cannot read the state store"));
  const ManifestState state = LookAtManifest(manifest);
  if (state.damaged) {
    return absl::DataLossError(absl::StrCat("state store: ", path, " at offset ", state.valid_bytes,
                                            ": damaged, and not at its end"));
  }
  if (state.valid_bytes == manifest.size()) return absl::OkStatus();
  return CutManifest(env, directory, path, manifest.substr(0, state.valid_bytes));
}

}  // namespace keelson::storage
