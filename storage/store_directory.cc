#include "storage/store_directory.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"

namespace keelson::storage {
namespace {

constexpr std::string_view kMagic("KEELSTOR", 8);
constexpr size_t kPointerBytes = 44;

constexpr char kFirstName[] = "store";
constexpr char kPrefix[] = "store-";
constexpr char kCheckpointPrefix[] = "checkpoint-";
constexpr char kPointerName[] = "store.current";
constexpr char kPointerTemporary[] = "store.current.tmp";

std::string HexName(const char* prefix, uint64_t number) {
  return absl::StrCat(prefix, absl::Hex(number, absl::kZeroPad16));
}

std::optional<uint64_t> ParseHexName(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + 16) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name.substr(prefix.size())) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    number = number << 4 | static_cast<uint64_t>(digit);
  }
  return number;
}

}  // namespace

std::string EncodeStorePointer(const StorePointer& pointer) {
  std::string to(kMagic);
  AppendLittle32(to, kStorePointerFormat);
  AppendLittle32(to, 0);
  AppendLittle64(to, pointer.generation);
  AppendLittle64(to, pointer.installed.index.value());
  AppendLittle64(to, pointer.installed.term.value());
  AppendLittle32(to, Crc32c(to));
  return to;
}

absl::StatusOr<StorePointer> DecodeStorePointer(std::string_view bytes) {
  if (bytes.size() != kPointerBytes || bytes.substr(0, kMagic.size()) != kMagic ||
      Crc32c(bytes.substr(0, kPointerBytes - 4)) !=
          LoadLittle32(bytes.data() + kPointerBytes - 4)) {
    return absl::DataLossError("it is damaged");
  }
  if (const uint32_t format = LoadLittle32(bytes.data() + 8); format != kStorePointerFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is of format ", format, "; this program knows ", kStorePointerFormat));
  }
  StorePointer pointer;
  pointer.generation = LoadLittle64(bytes.data() + 16);
  pointer.installed.index = LogIndex(LoadLittle64(bytes.data() + 24));
  pointer.installed.term = Term(LoadLittle64(bytes.data() + 32));
  return pointer;
}

absl::StatusOr<StoreDirectory> StoreDirectory::Open(std::string parent, FileSystem* files) {
  StoreDirectory directory(std::move(parent), files != nullptr ? files : &PosixFileSystem());
  KV_RETURN_IF_ERROR(directory.files_->CreateDirectory(directory.parent_));
  KV_RETURN_IF_ERROR(directory.ReadPointer());
  return directory;
}

std::string StoreDirectory::PathOf(uint64_t generation) const {
  return absl::StrCat(parent_, "/",
                      generation == 0 ? std::string(kFirstName) : HexName(kPrefix, generation));
}

std::string StoreDirectory::PointerPath() const { return absl::StrCat(parent_, "/", kPointerName); }

std::string StoreDirectory::NewCheckpoint() {
  return absl::StrCat(parent_, "/", HexName(kCheckpointPrefix, ++last_checkpoint_));
}

absl::Status StoreDirectory::ReadPointer() {
  const auto file = files_->Open(PointerPath(), OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  KV_RETURN_IF_ERROR(file.status());
  std::string bytes(kPointerBytes + 1, '\0');
  KV_ASSIGN_OR_RETURN(const uint64_t count, (*file)->Read(0, bytes.size(), bytes.data()));
  const auto pointer = DecodeStorePointer(std::string_view(bytes).substr(0, count));
  if (!pointer.ok()) {
    return absl::Status(pointer.status().code(),
                        absl::StrCat(PointerPath(), ": ", pointer.status().message()));
  }
  pointer_ = *pointer;
  last_generation_ = pointer_.generation;
  return absl::OkStatus();
}

absl::Status StoreDirectory::RemoveLeftovers() {
  KV_ASSIGN_OR_RETURN(const auto names, files_->List(parent_));
  for (const std::string& name : names) {
    const bool former = name == kFirstName && pointer_.generation != 0;
    const auto generation = ParseHexName(kPrefix, name);
    if (former || (generation.has_value() && *generation != pointer_.generation) ||
        ParseHexName(kCheckpointPrefix, name).has_value()) {
      KV_RETURN_IF_ERROR(files_->RemoveTree(absl::StrCat(parent_, "/", name)));
    } else if (name == kPointerTemporary) {
      KV_RETURN_IF_ERROR(files_->Remove(absl::StrCat(parent_, "/", name)));
    }
  }
  return absl::OkStatus();
}

absl::Status StoreDirectory::Install(const std::string& incoming, const LogPosition& position) {
  const auto generation = ParseHexName(absl::StrCat(parent_, "/", kPrefix), incoming);
  KV_CHECK(generation.has_value() && *generation > pointer_.generation)
      << incoming << " was not given out";
  const StorePointer pointer{*generation, position};
  const std::string temporary = absl::StrCat(parent_, "/", kPointerTemporary);
  if (const auto status = files_->Remove(temporary); !status.ok() && !absl::IsNotFound(status)) {
    return status;  // of an attempt that failed
  }
  KV_ASSIGN_OR_RETURN(const auto file, files_->Open(temporary, OpenMode::kCreateNew));
  KV_RETURN_IF_ERROR(file->Write(0, {EncodeStorePointer(pointer)}));
  if (!KV_PLANTED("snapshot-pointer-unsynced")) KV_RETURN_IF_ERROR(file->Sync());
  // The directory's own name first: a pointer to nowhere must not survive alone.
  KV_RETURN_IF_ERROR(files_->SyncDirectory(parent_));
  KV_RETURN_IF_ERROR(files_->Rename(temporary, PointerPath()));
  KV_RETURN_IF_ERROR(files_->SyncDirectory(parent_));
  pointer_ = pointer;
  return absl::OkStatus();
}

absl::Status StoreDirectory::Remove(const std::string& path) {
  KV_CHECK_NE(path, current());
  return files_->RemoveTree(path);
}

}  // namespace keelson::storage
