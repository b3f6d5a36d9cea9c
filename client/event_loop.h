// EventLoop: the one thread of a client on which asynchronous calls complete, streams read and
// write, and timers fire. It comes with the client's Runtime.
//
// Internal to client/, and to whoever brings a Runtime. An Event stays alive until it has been
// called; each start of an operation with it calls it exactly once, on the loop's thread.
#ifndef KEELSON_CLIENT_EVENT_LOOP_H_
#define KEELSON_CLIENT_EVENT_LOOP_H_

#include <memory>

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
  // Goes after its event has come.
  class Timer {
   public:
    virtual ~Timer() = default;
    // The event comes at once, if it has not come.
    virtual void Cancel() = 0;
  };

  virtual ~EventLoop() = default;
  virtual bool InLoop() const = 0;
  // Runs `work` on the loop's thread, soon. Thread-safe.
  virtual void Post(absl::AnyInvocable<void()> work) = 0;
  virtual std::unique_ptr<Timer> SetTimer(absl::Duration delay, Event* event) = 0;
};

// An event that calls a member function of its owner.
template <typename T, void (T::*kMethod)(bool)>
class MemberEvent final : public EventLoop::Event {
 public:
  explicit MemberEvent(T* owner) : owner_(owner) {}
  void OnEvent(bool ok) override { (owner_->*kMethod)(ok); }

 private:
  T* const owner_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_EVENT_LOOP_H_
