// BackgroundWork: where a Store does what nothing waits for, from outside: a simulation has it done
// in its own time, by its one thread. Production has none: a Store begins a thread when there is
// something to do.
#ifndef KEELSON_STORAGE_BACKGROUND_WORK_H_
#define KEELSON_STORAGE_BACKGROUND_WORK_H_

#include <functional>

#include "absl/time/time.h"

namespace keelson::storage {

class BackgroundWork {
 public:
  virtual ~BackgroundWork() = default;
  // Runs `task` later, after `delay` at the earliest, on the thread that ends the store; it may
  // wait for the disk. May be called on any thread, also by a thread of RocksDB.
  virtual void After(absl::Duration delay, std::function<void()> task) = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_BACKGROUND_WORK_H_
