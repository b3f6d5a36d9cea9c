// EventLoop: where a node agent and a simulated runtime live: what is posted or comes due runs one
// after the other, so that nothing there needs a lock. ThreadLoop is a thread; ManualLoop is a
// test's virtual time.
#ifndef KEELSON_APISERVER_NODE_EVENT_LOOP_H_
#define KEELSON_APISERVER_NODE_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "absl/time/time.h"

namespace keelson::node {

class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // The time of day.
  virtual absl::Time Now() const = 0;
  // Any thread. What runs must not block.
  virtual void Post(std::function<void()> act) = 0;
  // On the loop only. In order of their times, then of the calls.
  virtual void After(absl::Duration delay, std::function<void()> act) = 0;
};

// What is to run when; a part of loops.
class Timers {
 public:
  void Add(absl::Duration when, std::function<void()> act);
  // Infinite: none.
  absl::Duration next() const;
  // The next one, if it is due.
  std::function<void()> TakeDue(absl::Duration now);

 private:
  struct Timer {
    absl::Duration when;
    uint64_t number;
    std::function<void()> act;
  };
  struct Later {
    bool operator()(const Timer& a, const Timer& b) const {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };
  std::vector<Timer> heap_;
  uint64_t next_number_ = 0;
};

class ThreadLoop final : public EventLoop {
 public:
  ThreadLoop();
  // As Stop.
  ~ThreadLoop() override;

  absl::Time Now() const override;
  void Post(std::function<void()> act) override;
  void After(absl::Duration delay, std::function<void()> act) override;
  // Drops what has not run and returns when nothing runs any more.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

class ManualLoop final : public EventLoop {
 public:
  absl::Time Now() const override { return start_ + elapsed_; }
  void Post(std::function<void()> act) override { posted_.push(std::move(act)); }
  void After(absl::Duration delay, std::function<void()> act) override {
    timers_.Add(elapsed_ + delay, std::move(act));
  }
  // Runs all that is posted or comes due within the time.
  void RunFor(absl::Duration time);
  // What is posted, and what that posts.
  void RunPosted();

 private:
  const absl::Time start_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Duration elapsed_ = absl::ZeroDuration();
  std::queue<std::function<void()>> posted_;
  Timers timers_;
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_EVENT_LOOP_H_
