#include "storage/database_files.h"

#include <algorithm>
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

// The bytes of the record at the front, 0: there is no valid one.
size_t RecordBytes(std::string_view block) {
  if (block.size() < kHeaderBytes) return 0;
  const size_t size = static_cast<uint8_t>(block[4]) | static_cast<uint8_t>(block[5]) << 8;
  const auto type = static_cast<uint8_t>(block[6]);
  if (type < 1 || type > 4 || size > block.size() - kHeaderBytes) return 0;
  const uint32_t crc = Crc32c(block.substr(kHeaderBytes - 1, 1 + size));
  return Mask(crc) == LoadLittle32(block.data()) ? kHeaderBytes + size : 0;
}

}  // namespace

size_t FindDamageInManifest(std::string_view bytes) {
  size_t damage = std::string_view::npos;
  uint64_t sequence = 0;
  for (size_t begin = 0; begin < bytes.size(); begin += kBlockBytes) {
    const std::string_view block = bytes.substr(begin, kBlockBytes);
    if (damage != std::string_view::npos && RecordBytes(block) > 0) return damage;
    size_t at = 0;
    while (const size_t size = RecordBytes(block.substr(at))) {
      const bool begins = block[at + 6] <= 2;
      const std::string_view payload = block.substr(at + kHeaderBytes, size - kHeaderBytes);
      const uint64_t last = begins ? LastSequence(payload, sequence) : sequence;
      if (last < sequence) return begin + at;  // of another place
      sequence = last;
      at += size;
    }
    const bool whole = block.size() == kBlockBytes && block.size() - at < kHeaderBytes;
    if (!whole && at < block.size()) damage = std::min(damage, begin + at);
  }
  return std::string_view::npos;
}

absl::Status CheckDatabaseFiles(rocksdb::Env& env, const std::string& directory) {
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
  const size_t damage = FindDamageInManifest(manifest);
  if (damage == std::string_view::npos) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("state store: ", path, " at offset ", damage, ": damaged, and not at its end"));
}

}  // namespace keelson::storage
