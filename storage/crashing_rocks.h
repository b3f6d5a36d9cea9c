// CrashingRocks: lets RocksDB run on a CrashingFileSystem, so that a Store and a raft log lose
// power at the same moment. RocksDB's background work (flushes, compactions, removals) is done by
// one thread, in the order in which it was asked for, and only when the test says so: then the
// calls of the file system come in an order that depends on the seed alone. (What is left to chance
// is when a memtable counts as full: RocksDB's skip lists draw their heights from a source of their
// own.)
#ifndef KEELSON_STORAGE_CRASHING_ROCKS_H_
#define KEELSON_STORAGE_CRASHING_ROCKS_H_

#include <cstdint>
#include <memory>

#include "storage/crashing_file_system.h"
#include "storage/rocks_environment.h"

namespace keelson::storage {

class CrashingRocks final : public RocksEnvironment {
 public:
  // `files` outlives it, and it outlives every store that runs on it.
  explicit CrashingRocks(CrashingFileSystem& files);
  ~CrashingRocks() override;

  rocksdb::Env* env() override;
  BackgroundWork* background() override { return background_; }
  void SetBackground(BackgroundWork* background) { background_ = background; }

  enum class Work : uint8_t { kAll, kFlushes, kRetries };
  // While it lives, background work goes on; it ends when there is none left, or only compactions
  // that wait for another try because one has failed. Around calls that wait for such work. What
  // the caller does beside compactions comes in no certain order with what they do: opening and
  // closing a store want flushes only. Closing one that compacts by itself wants kRetries: its
  // thread waits for its own compaction to be given up, and none may be left waiting.
  class Running {
   public:
    explicit Running(CrashingRocks& rocks, Work work = Work::kAll);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

   private:
    CrashingRocks& rocks_;
  };
  // Does what there is to do.
  void Run() { const Running running(*this); }

 private:
  class Files;
  class Environment;
  const std::unique_ptr<Environment> environment_;
  BackgroundWork* background_ = nullptr;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_CRASHING_ROCKS_H_
