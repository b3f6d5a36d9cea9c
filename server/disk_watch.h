// DiskWatch: a thread that asks the system, twice a second, how much room the disks have on which
// this member's directories lie. A thread of its own, for a disk that hangs answers nothing.
#ifndef KEELSON_SERVER_DISK_WATCH_H_
#define KEELSON_SERVER_DISK_WATCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/executor.h"
#include "storage/file_system.h"

namespace keelson::server {

class DiskWatch {
 public:
  struct Options {
    std::vector<std::string> directories;
    absl::Duration interval = absl::Milliseconds(500);
  };
  // `on_free` gets, on the executor, the bytes free on the fullest of the disks. `files` and
  // `executor` outlive the watch.
  DiskWatch(Options options, storage::FileSystem* files, Executor* executor,
            std::function<void(uint64_t)> on_free);
  DiskWatch(const DiskWatch&) = delete;
  DiskWatch& operator=(const DiskWatch&) = delete;
  ~DiskWatch();

 private:
  void Run();
  bool Stopping() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_; }

  const Options options_;
  storage::FileSystem* const files_;
  Executor* const executor_;
  const std::function<void(uint64_t)> on_free_;

  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_DISK_WATCH_H_
