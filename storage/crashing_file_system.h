// CrashingFileSystem: files in memory that behave as on a disk that loses power. What was not
// synced survives in any selection of 512-byte sectors or 4 KiB pages, or up to some point;
// directory changes that were not synced survive up to some point in their order, that of the
// machine or that of their own directory; all but the last few dozen do in any case, as on a file
// system that writes its journal now and then. Calls can be made to fail, bytes be changed at rest
// and on their way to the reader. One seed, one run.
//
// A sync that fails leaves behind what a disk and a kernel do: some of the data is on the disk,
// some is not, and none of it will be written again, so that the next sync succeeds for nothing.
//
// RocksDB runs on it through storage/crashing_rocks.h. Thread-safe.
#ifndef KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_
#define KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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
  absl::Status RemoveTree(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override;

  // From now on the files together hold no more than this; a write beyond it stops where the disk
  // is full.
  void SetCapacity(uint64_t bytes);
  // From now on every call fails, as if the process were gone; then its objects can be destroyed.
  void Halt();
  // The same after `count` more calls that change something.
  void HaltAfter(uint64_t count);
  bool halted() const;
  // The machine comes back. What was not synced survives as drawn from the random source, or not at
  // all, or (as when only the process ended) whole.
  enum class Survivors : uint8_t { kDrawn, kNothing, kAll };
  void Restart(Survivors survivors = Survivors::kDrawn);
  // Only the process ended: another one finds what this one wrote, and a power failure after that
  // forgets what neither has synced.
  void Revive();

  void FailNextSync(absl::Status status = absl::UnavailableError("injected: sync failed"));
  void FailNextWrite(absl::Status status = absl::UnavailableError("injected: write failed"));
  // After `count` more calls that change something, such calls on files and directories whose path
  // begins with `under` fail.
  struct Failure {
    enum class Kind : uint8_t { kInputOutput, kNoSpace };  // kNoSpace: syncs and removals work
    Kind kind = Kind::kInputOutput;
    bool lasting = false;  // until Restart() or Revive(); else once
    std::string under = {};
  };
  void FailAfter(uint64_t count, Failure failure);
  // How many calls have failed so since the last Restart() or Revive().
  uint64_t failures() const;
  // One bit of about every `one_in`-th read of a file under `under` is wrong, for that read only,
  // in `count` reads, after the first `skip`. 0: no more.
  void FlipReads(uint64_t one_in, const std::string& under = {}, uint64_t count = UINT64_MAX,
                 uint64_t skip = 0);
  uint64_t flips() const;
  // Calls that change something so far, and a hash over them: which, on what, how much of it.
  uint64_t changes() const;
  uint64_t trace() const;

  std::string Content(const std::string& path);
  // On the disk itself, as damage is. Bytes past the end are left out.
  void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes);
  // The whole content, on the disk itself.
  void Replace(const std::string& path, const std::string& bytes);
  // A second name for a file.
  absl::Status Link(const std::string& from, const std::string& to);
  // Every file with its content, by path; and a disk that has exactly these, all of them durable.
  // REQUIRES of Load: no file is open.
  std::map<std::string, std::string> Save() const;
  void Load(const std::map<std::string, std::string>& contents);
  void Delete(const std::string& path) { Remove(path).IgnoreError(); }

 private:
  static constexpr uint64_t kSector = 512;
  static constexpr uint64_t kPage = 4096;
  static constexpr size_t kHistoryMax = 64;  // changes of names that may be lost

  struct Inode {
    std::string live;
    std::string durable;
    std::set<uint64_t> dirty;  // sectors
    uint64_t counted = 0;      // when Used() last came to it
  };
  class MemoryFile;
  class MemoryLock;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  // by path

  enum class Change : uint8_t { kGrow, kSync, kRemove };

  absl::Status Alive() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Also before a change.
  absl::Status MayChange(const std::string& path, Change change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FlipsRead(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Put(Inode& inode, uint64_t offset, std::string_view bytes);
  void Forget(Inode& inode, Survivors survivors) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The names after some change since the last sync.
  const Names& DrawNames() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Names SurvivingNames(Survivors survivors) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ClearFaults() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void SaveSector(Inode& inode, uint64_t sector);
  // With the files directly and further down in it. Durable at once: who renames a directory here
  // does not need it after a crash.
  void RenameDirectory(const std::string& from, const std::string& to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t Used() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Trace(uint64_t word) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NameChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  SeededRandom random_ ABSL_GUARDED_BY(mutex_);
  bool halted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<uint64_t> changes_left_ ABSL_GUARDED_BY(mutex_);  // until it halts by itself
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t trace_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t counts_of_used_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Failure> failure_ ABSL_GUARDED_BY(mutex_);
  uint64_t failure_after_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t flip_one_in_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string flip_under_ ABSL_GUARDED_BY(mutex_);
  uint64_t flips_skip_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t flips_left_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t flips_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t capacity_ ABSL_GUARDED_BY(mutex_) = uint64_t{1} << 62;
  absl::Status fail_sync_ ABSL_GUARDED_BY(mutex_);   // not Ok: of the next sync
  absl::Status fail_write_ ABSL_GUARDED_BY(mutex_);  // the same of the next write
  Names names_ ABSL_GUARDED_BY(mutex_);
  Names durable_names_ ABSL_GUARDED_BY(mutex_);
  std::vector<Names> history_ ABSL_GUARDED_BY(mutex_);  // after each change since the last sync
  std::set<std::string> directories_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_CRASHING_FILE_SYSTEM_H_
