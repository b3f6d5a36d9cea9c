// Runtime: what a client gets from outside: time, waiting, its loop, chance, and the way to
// servers. Production has gRPC, the machine's clock and threads (client/grpc_runtime.h); a
// simulation brings its own, in which all of that is virtual. The client's logic, and what is built
// on it (sessions, locks, elections), waits and sleeps here and nowhere else.
//
// Thread-safe.
#ifndef KEELSON_CLIENT_RUNTIME_H_
#define KEELSON_CLIENT_RUNTIME_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/channel.h"
#include "client/event_loop.h"
#include "client/options.h"

namespace keelson::client {

class Runtime {
 public:
  // REQUIRES: nothing is in flight but what was posted.
  virtual ~Runtime() = default;
  virtual const Clock& clock() const = 0;
  virtual uint64_t seed() = 0;
  virtual EventLoop& loop() = 0;
  virtual void Sleep(absl::Duration time) = 0;
  // As Mutex::AwaitWithTimeout.
  virtual bool Await(absl::Mutex& mutex, const absl::Condition& condition, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
  // The way to the server that `endpoint` names (client/options.h). InvalidArgument: it names none.
  virtual absl::StatusOr<std::shared_ptr<Channel>> Dial(const std::string& endpoint) = 0;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_RUNTIME_H_
