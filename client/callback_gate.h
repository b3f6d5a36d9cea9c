// CallbackGate: lets a user's object be called from the loop until the user closes the gate, and makes
// closing wait for a call that is running. Internal to client/.
#ifndef KEELSON_CLIENT_CALLBACK_GATE_H_
#define KEELSON_CLIENT_CALLBACK_GATE_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/event_loop.h"

namespace keelson::client {

class CallbackGate {
 public:
  // On the loop: runs `call` unless the gate is closed. False when it is. The lock is not held
  // meanwhile.
  template <typename Call>
  bool Run(const Call& call) {
    {
      absl::MutexLock lock(&mutex_);
      if (closed_) return false;
      running_ = true;
    }
    call();
    absl::MutexLock lock(&mutex_);
    running_ = false;
    return true;
  }

  // After this no call runs, but one that this is called from.
  void Close(const EventLoop& loop) {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    if (loop.InLoop()) return;
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !running_; };
    mutex_.Await(absl::Condition(&idle));
  }

 private:
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CALLBACK_GATE_H_
