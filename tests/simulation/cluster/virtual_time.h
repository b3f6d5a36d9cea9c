// The time of a simulation, and what of a member runs in it: a queue of events for all, for each
// member a clock that may be wrong about how fast time passes, and executors that run its tasks a
// few at a time, so that anything may happen in between, a crash too.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_TIME_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_TIME_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/executor.h"
#include "tests/simulation/raft/dice.h"

namespace keelson::simulation {

using raft::simulation::Dice;

using Time = int64_t;  // nanoseconds since the run began, as they really pass
inline constexpr Time kMicrosecond = 1000;
inline constexpr Time kMillisecond = 1000 * kMicrosecond;
inline constexpr Time kSecond = 1000 * kMillisecond;
inline constexpr Time kNever = std::numeric_limits<Time>::max();

class Scheduler {
 public:
  using Task = absl::AnyInvocable<void()>;

  Time now() const { return now_; }
  void At(Time when, Task task);
  void After(Time delay, Task task) { At(now_ + delay, std::move(task)); }
  // Runs the next event, at its time; those of one time run in the order they were made. False:
  // there is none, or it is after `end`, and now it is `end`.
  bool RunNext(Time end);

  // A hash over all events and whatever else a run mixes in: of two runs of a seed it is the same.
  void Mix(uint64_t word) { hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15 + (hash_ >> 29); }
  void Mix(std::string_view text);
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }

 private:
  struct Event {
    Time when;
    uint64_t number;
    Task task;
    bool operator<(const Event& other) const {  // the first is the largest
      return when != other.when ? when > other.when : number > other.number;
    }
  };

  Time now_ = 0;
  uint64_t last_number_ = 0;
  uint64_t events_ = 0;
  uint64_t hash_ = 1;
  std::vector<Event> heap_;
};

// A member's: it drifts, and its time of day jumps.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(const Scheduler* scheduler) : scheduler_(scheduler) {}
  absl::Duration Now() const override { return absl::Nanoseconds(Local()); }
  absl::Time WallTime() const override {
    return absl::FromUnixSeconds(1'700'000'000) + Now() + wall_offset_;
  }
  void JumpWallTime(absl::Duration by) { wall_offset_ += by; }
  // Nanoseconds of this clock for each that passes.
  void SetRate(double rate);
  // How long really until this clock has gone on by `local`.
  Time Until(absl::Duration local) const;

 private:
  Time Local() const {
    return base_ + static_cast<Time>(static_cast<double>(scheduler_->now() - since_) * rate_);
  }

  const Scheduler* const scheduler_;
  double rate_ = 1;
  Time base_ = kSecond;  // at since_
  Time since_ = 0;
  absl::Duration wall_offset_ = absl::ZeroDuration();
};

class VirtualExecutor final : public server::Executor {
 public:
  struct Options {
    Time turn_min = 1 * kMicrosecond;  // from a task that was posted to its turn
    Time turn_max = 20 * kMicrosecond;
    size_t tasks_a_turn = 1000;
    std::function<Time()> timers_late = nullptr;  // draws by how much; null: not at all
  };
  // All outlive the executor. What has not run when it ends is dropped, as when a process ends.
  VirtualExecutor(Scheduler* scheduler, const VirtualClock* clock, Dice* dice, Options options);
  ~VirtualExecutor() override;

  void Post(server::Task task) override;
  std::unique_ptr<server::Timer> NewTimer() override;
  // Nothing runs before that, as in a process that is stopped.
  void PauseUntil(Time when);

 private:
  class Core;
  class VirtualTimer;
  const std::shared_ptr<Core> core_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_TIME_H_
