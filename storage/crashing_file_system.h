// CrashingFileSystem: files in memory that behave as on a disk that loses power. What was not
// synced survives in any selection of 512-byte sectors; directory changes that were not synced
// survive up to some point in their order. Writes and syncs can be made to fail, bytes be changed.
// One seed, one run.
//
// Thread-safe.
#ifndef KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_
#define KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "storage/file_system.h"

namespace keelson::storage {

class CrashingFileSystem final : public FileSystem {
 public:
  explicit CrashingFileSystem(uint64_t seed) : random_(seed) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override;

  // From now on every call fails, as if the process were gone; then its objects can be destroyed.
  void Halt();
  // The machine comes back. What was not synced survives as drawn from the random source, or not at
  // all, or (as when only the process ended) whole.
  enum class Survivors : uint8_t { kDrawn, kNothing, kAll };
  void Restart(Survivors survivors = Survivors::kDrawn);

  void FailNextSync();
  void FailNextWrite();
  std::string Content(const std::string& path);
  // On the disk itself, as damage is. Bytes past the end are left out.
  void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes);
  void Delete(const std::string& path) { Remove(path).IgnoreError(); }

 private:
  static constexpr uint64_t kSector = 512;

  struct Inode {
    std::string live;
    std::string durable;
    std::set<uint64_t> dirty;  // sectors
  };
  class MemoryFile;
  class MemoryLock;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  // by path

  absl::Status Alive() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveSector(Inode& inode, uint64_t sector) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NameChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { history_.push_back(names_); }

  mutable absl::Mutex mutex_;
  SeededRandom random_ ABSL_GUARDED_BY(mutex_);
  bool halted_ ABSL_GUARDED_BY(mutex_) = false;
  bool fail_sync_ ABSL_GUARDED_BY(mutex_) = false;
  bool fail_write_ ABSL_GUARDED_BY(mutex_) = false;
  Names names_ ABSL_GUARDED_BY(mutex_);
  Names durable_names_ ABSL_GUARDED_BY(mutex_);
  std::vector<Names> history_ ABSL_GUARDED_BY(mutex_);  // after each change since the last sync
  std::set<std::string> directories_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_
