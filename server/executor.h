// Executor: where a member's code runs. Production wraps one asio::io_context (the core loop); the
// simulator passes its own with virtual time. Everything posted runs one after the other, never
// inside the call that posted it.
#ifndef KEELSON_SERVER_EXECUTOR_H_
#define KEELSON_SERVER_EXECUTOR_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace keelson::server {

using Task = absl::AnyInvocable<void()>;

// Thread: the executor's.
class Timer {
 public:
  virtual ~Timer() = default;  // cancels
  // Runs `task` once after `delay`; an earlier task of this timer that has not run yet is dropped.
  virtual void Arm(absl::Duration delay, Task task) = 0;
  virtual void Cancel() = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // From any thread.
  virtual void Post(Task task) = 0;
  virtual std::unique_ptr<Timer> NewTimer() = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_EXECUTOR_H_
