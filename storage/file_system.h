// FileSystem: the files a store writes itself, seen from outside so that a test can fail, tear or
// forget writes. PosixFileSystem() is the real one. RocksDB's files do not pass through here.
//
// Threads: any; one File may be written at different places by one thread and read by others.
#ifndef KEELSON_STORAGE_FILE_SYSTEM_H_
#define KEELSON_STORAGE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace keelson::storage {

class File {
 public:
  virtual ~File() = default;
  // Writes the pieces one after the other from `offset` on; the file grows when needed.
  // ResourceExhausted: the disk is full; some of it may be written.
  virtual absl::Status Write(uint64_t offset, absl::Span<const std::string_view> pieces) = 0;
  // Reads up to `count` bytes; fewer only at the end of the file.
  virtual absl::StatusOr<uint64_t> Read(uint64_t offset, uint64_t count, char* to) const = 0;
  // Returns when all that was written, and the file's length, would survive a power failure.
  virtual absl::Status Sync() = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;
};

// Held as long as it lives.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

enum class OpenMode : uint8_t { kExisting, kCreateNew };

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // NotFound or AlreadyExists where `mode` says so.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // A directory with all in it; fine when it is not there.
  virtual absl::Status RemoveTree(const std::string& path) = 0;
  // Makes renames, creations and removals in `path` durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // With its parents; fine when it is there.
  virtual absl::Status CreateDirectory(const std::string& path) = 0;
  // Names, sorted. NotFound: no such directory.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  // Bytes that may still be written to the disk that `path` is on.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
  // Unavailable: another process, or another lock of this one, holds it.
  virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) = 0;
};

FileSystem& PosixFileSystem();

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_FILE_SYSTEM_H_
