#include "server/disk_watch.h"

#include <pthread.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace keelson::server {

DiskWatch::DiskWatch(Options options, storage::FileSystem* files, Executor* executor,
                     std::function<void(uint64_t)> on_free)
    : options_(std::move(options)),
      files_(files),
      executor_(executor),
      on_free_(std::move(on_free)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "disk");
}

DiskWatch::~DiskWatch() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void DiskWatch::Run() {
  while (true) {
    uint64_t free = std::numeric_limits<uint64_t>::max();
    for (const std::string& directory : options_.directories) {
      // One that cannot be asked is not held against the member.
      const auto bytes = files_->FreeBytes(directory);
      if (bytes.ok()) free = std::min(free, *bytes);
    }
    executor_->Post([on_free = on_free_, free] { on_free(free); });
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(this, &DiskWatch::Stopping), options_.interval)) {
      return;
    }
  }
}

}  // namespace keelson::server
