// ManualExecutor: an Executor that runs nothing by itself. A test runs what was posted, and steps a
// FakeClock from timer to timer. Several executors may share a clock, as the members of a cluster
// in one process do; then the test steps it for all of them.
#ifndef KEELSON_SERVER_TESTING_MANUAL_EXECUTOR_H_
#define KEELSON_SERVER_TESTING_MANUAL_EXECUTOR_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "base/clock.h"
#include "server/executor.h"

namespace keelson::server {

class ManualExecutor final : public Executor {
 public:
  // `clock` outlives the executor, which outlives its timers.
  explicit ManualExecutor(FakeClock* clock) : clock_(clock) {}
  // What has not run is dropped, as when a process ends.
  ~ManualExecutor() override {
    std::exchange(timers_, {}).clear();
    std::exchange(posted_, {}).clear();
  }

  void Post(Task task) override { posted_.push_back(std::move(task)); }
  std::unique_ptr<Timer> NewTimer() override { return std::make_unique<ManualTimer>(this); }

  bool idle() const { return posted_.empty(); }
  // False: nothing was posted.
  bool RunOne() {
    if (posted_.empty()) return false;
    Task task = std::move(posted_.front());
    posted_.pop_front();
    task();
    return true;
  }
  void RunPosted() {
    while (RunOne()) {
    }
  }

  // When the next timer is due; infinite when none is armed.
  absl::Duration next_timer() const {
    return timers_.empty() ? absl::InfiniteDuration() : timers_.begin()->first.first;
  }
  // Runs the timers that are due, and what they post.
  void RunTimers() {
    while (next_timer() <= clock_->Now()) {
      Task task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
      RunPosted();
    }
  }
  // Lets `time` pass, timer by timer.
  void Advance(absl::Duration time) {
    const absl::Duration end = clock_->Now() + time;
    RunPosted();
    while (next_timer() <= end) {
      if (next_timer() > clock_->Now()) clock_->Advance(next_timer() - clock_->Now());
      RunTimers();
    }
    clock_->Advance(end - clock_->Now());
  }

 private:
  using Due = std::pair<absl::Duration, uint64_t>;  // and a number, for those due together

  class ManualTimer final : public Timer {
   public:
    explicit ManualTimer(ManualExecutor* executor) : executor_(executor) {}
    ~ManualTimer() override { Cancel(); }
    void Arm(absl::Duration delay, Task task) override {
      Cancel();
      due_ = {executor_->clock_->Now() + delay, ++executor_->last_timer_};
      executor_->timers_.emplace(due_, std::move(task));
    }
    // A task that owns this timer goes with it, so it must not be destroyed inside the map.
    void Cancel() override { (void)executor_->timers_.extract(due_); }

   private:
    ManualExecutor* const executor_;
    Due due_;
  };

  FakeClock* const clock_;
  std::deque<Task> posted_;
  std::map<Due, Task> timers_;
  uint64_t last_timer_ = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_MANUAL_EXECUTOR_H_
