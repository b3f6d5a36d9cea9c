#include "tests/simulation/cluster/virtual_time.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::simulation {

void Scheduler::At(Time when, Task task) {
  heap_.push_back({std::max(when, now_), ++last_number_, std::move(task)});
  std::push_heap(heap_.begin(), heap_.end());
}

bool Scheduler::RunNext(Time end) {
  if (heap_.empty() || heap_.front().when > end) {
    now_ = std::max(now_, end);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end());
  Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.when;
  ++events_;
  Mix(static_cast<uint64_t>(now_));
  event.task();
  return true;
}

void Scheduler::Mix(std::string_view text) { Mix(uint64_t{Crc32c(text)} << 32 | text.size()); }

void VirtualClock::SetRate(double rate) {
  base_ = Local();
  since_ = scheduler_->now();
  rate_ = rate;
}

Time VirtualClock::Until(absl::Duration local) const {
  const Time left = absl::ToInt64Nanoseconds(local) - Local();
  return left <= 0 ? 0 : static_cast<Time>(static_cast<double>(left) / rate_) + 1;
}

class VirtualExecutor::Core : public std::enable_shared_from_this<Core> {
 public:
  using Due = std::pair<absl::Duration, uint64_t>;  // and a number, for those due together

  Core(Scheduler* scheduler, const VirtualClock* clock, Dice* dice, Options options)
      : scheduler_(scheduler), clock_(clock), dice_(dice), options_(options) {}

  void Post(server::Task task) {
    posted_.push_back(std::move(task));
    ScheduleTurn();
  }
  Due Arm(absl::Duration delay, server::Task task) {
    if (options_.timers_late) delay += absl::Nanoseconds(options_.timers_late());
    const Due due{clock_->Now() + delay, ++last_timer_};
    timers_.emplace(due, std::move(task));
    ScheduleTimers();
    return due;
  }
  // A task that owns its timer goes with it, so it must not be destroyed inside the map.
  void Cancel(const Due& due) { (void)timers_.extract(due); }
  void PauseUntil(Time when) { paused_until_ = std::max(paused_until_, when); }
  void Drop() {
    std::exchange(timers_, {}).clear();
    std::exchange(posted_, {}).clear();
  }

 private:
  void ScheduleTurn() {
    if (turn_scheduled_ || posted_.empty()) return;
    turn_scheduled_ = true;
    const Time wait = dice_->Between(options_.turn_min, options_.turn_max);
    scheduler_->At(std::max(scheduler_->now() + wait, paused_until_), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Turn();
    });
  }
  void Turn() {
    turn_scheduled_ = false;
    if (scheduler_->now() < paused_until_) return ScheduleTurn();
    for (size_t n = std::min(posted_.size(), options_.tasks_a_turn); n > 0 && !posted_.empty();
         --n) {
      server::Task task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
    ScheduleTurn();
  }

  void ScheduleTimers() {
    if (timers_.empty()) return;
    const Time when =
        std::max(scheduler_->now() + clock_->Until(timers_.begin()->first.first), paused_until_);
    if (when >= timers_scheduled_) return;
    timers_scheduled_ = when;
    scheduler_->At(when, [weak = weak_from_this(), when] {
      const auto self = weak.lock();
      if (self && self->timers_scheduled_ == when) self->RunTimers();
    });
  }
  void RunTimers() {
    timers_scheduled_ = kNever;
    while (scheduler_->now() >= paused_until_ && !timers_.empty() &&
           timers_.begin()->first.first <= clock_->Now()) {
      server::Task task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      task();
    }
    ScheduleTimers();
  }

  Scheduler* const scheduler_;
  const VirtualClock* const clock_;
  Dice* const dice_;
  const Options options_;
  std::deque<server::Task> posted_;
  std::map<Due, server::Task> timers_;
  uint64_t last_timer_ = 0;
  bool turn_scheduled_ = false;
  Time timers_scheduled_ = kNever;
  Time paused_until_ = 0;
};

class VirtualExecutor::VirtualTimer final : public server::Timer {
 public:
  explicit VirtualTimer(std::weak_ptr<Core> core) : core_(std::move(core)) {}
  ~VirtualTimer() override { Cancel(); }
  void Arm(absl::Duration delay, server::Task task) override {
    Cancel();
    if (const auto core = core_.lock()) due_ = core->Arm(delay, std::move(task));
  }
  void Cancel() override {
    if (const auto core = core_.lock()) core->Cancel(due_);
  }

 private:
  const std::weak_ptr<Core> core_;
  Core::Due due_;
};

VirtualExecutor::VirtualExecutor(Scheduler* scheduler, const VirtualClock* clock, Dice* dice,
                                 Options options)
    : core_(std::make_shared<Core>(scheduler, clock, dice, options)) {}
VirtualExecutor::~VirtualExecutor() { core_->Drop(); }

void VirtualExecutor::Post(server::Task task) { core_->Post(std::move(task)); }
std::unique_ptr<server::Timer> VirtualExecutor::NewTimer() {
  return std::make_unique<VirtualTimer>(core_);
}
void VirtualExecutor::PauseUntil(Time when) { core_->PauseUntil(when); }

}  // namespace keelson::simulation
