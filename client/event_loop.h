// EventLoop: the one thread of a client on which asynchronous calls complete, streams read and write,
// and timers fire: a gRPC completion queue with its thread. (The callback API of gRPC 1.51 can stall
// for up to 100 ms on an idle process, and the synchronous one costs a thread per stream.)
//
// Internal to client/. An Event stays alive until it has been called; each start of an operation with
// it as tag calls it exactly once, on the loop's thread.
#ifndef KEELSON_CLIENT_EVENT_LOOP_H_
#define KEELSON_CLIENT_EVENT_LOOP_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace keelson::client {

class EventLoop {
 public:
  class Event {
   public:
    virtual ~Event() = default;
    virtual void OnEvent(bool ok) = 0;
  };

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  // REQUIRES: no operation in flight but those of Post. Runs what was posted, then stops.
  ~EventLoop();

  grpc::CompletionQueue* queue() { return &queue_; }
  bool InLoop() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs `work` on the loop's thread, soon. Thread-safe.
  void Post(absl::AnyInvocable<void()> work);

 private:
  void Run();

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

// A tag that calls a member function of its owner.
template <typename T, void (T::*kMethod)(bool)>
class MemberEvent final : public EventLoop::Event {
 public:
  explicit MemberEvent(T* owner) : owner_(owner) {}
  void OnEvent(bool ok) override { (owner_->*kMethod)(ok); }

 private:
  T* const owner_;
};

// Now plus `from_now` on the monotonic clock, as gRPC wants it for deadlines and alarms.
gpr_timespec GrpcTime(absl::Duration from_now);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_EVENT_LOOP_H_
