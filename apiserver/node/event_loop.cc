#include "apiserver/node/event_loop.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/clock.h"

namespace keelson::node {

void Timers::Add(absl::Duration when, std::function<void()> act) {
  heap_.push_back({when, next_number_++, std::move(act)});
  std::push_heap(heap_.begin(), heap_.end(), Later());
}

absl::Duration Timers::next() const {
  return heap_.empty() ? absl::InfiniteDuration() : heap_.front().when;
}

std::function<void()> Timers::TakeDue(absl::Duration now) {
  if (next() > now) return nullptr;
  std::pop_heap(heap_.begin(), heap_.end(), Later());
  std::function<void()> act = std::move(heap_.back().act);
  heap_.pop_back();
  return act;
}

class ThreadLoop::Impl {
 public:
  Impl() : thread_([this] { Run(); }) {}

  void Post(std::function<void()> act) {
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    posted_.push_back(std::move(act));
    if (posted_.size() == 1) changed_.Signal();
  }
  void After(absl::Duration delay, std::function<void()> act) {
    timers_.Add(clock_.Now() + delay, std::move(act));
  }
  void Stop() {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
      changed_.Signal();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run() {
    while (true) {
      std::deque<std::function<void()>> posted;
      {
        absl::MutexLock lock(&mu_);
        while (!stopping_ && posted_.empty() && timers_.next() > clock_.Now()) {
          changed_.WaitWithTimeout(&mu_, timers_.next() - clock_.Now());
        }
        if (stopping_) return;
        posted.swap(posted_);
      }
      for (std::function<void()>& act : posted) act();
      const absl::Duration now = clock_.Now();
      while (std::function<void()> act = timers_.TakeDue(now)) act();
    }
  }

  const RealClock clock_;
  Timers timers_;  // the thread's
  absl::Mutex mu_;
  absl::CondVar changed_;
  std::deque<std::function<void()>> posted_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses all of the above
};

ThreadLoop::ThreadLoop() : impl_(std::make_unique<Impl>()) {}
ThreadLoop::~ThreadLoop() { Stop(); }
absl::Time ThreadLoop::Now() const { return absl::Now(); }
void ThreadLoop::Post(std::function<void()> act) { impl_->Post(std::move(act)); }
void ThreadLoop::After(absl::Duration delay, std::function<void()> act) {
  impl_->After(delay, std::move(act));
}
void ThreadLoop::Stop() { impl_->Stop(); }

void ManualLoop::RunPosted() {
  while (!posted_.empty()) {
    const std::function<void()> act = std::move(posted_.front());
    posted_.pop();
    act();
  }
}

void ManualLoop::RunFor(absl::Duration time) {
  const absl::Duration end = elapsed_ + time;
  RunPosted();
  while (timers_.next() <= end) {
    elapsed_ = std::max(elapsed_, timers_.next());
    timers_.TakeDue(elapsed_)();
    RunPosted();
  }
  elapsed_ = end;
}

}  // namespace keelson::node
