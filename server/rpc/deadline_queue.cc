#include "server/rpc/deadline_queue.h"

#include <algorithm>
#include <chrono>

namespace keelson::rpc {
namespace {

// A timer that fires early by rounding must not turn the loop; one that far away need not be exact.
constexpr absl::Duration kWaitMin = absl::Milliseconds(1);
constexpr absl::Duration kWaitMax = absl::Hours(1);

}  // namespace

DeadlineQueue::DeadlineQueue(asio::io_context* loop, const Clock* clock)
    : clock_(clock), timer_(*loop) {}

DeadlineQueue::~DeadlineQueue() { *alive_ = false; }

DeadlineQueue::Key DeadlineQueue::Add(absl::Duration at, DeadlineOwner* owner) {
  const Key key = {at, next_number_++};
  owners_.emplace(key, owner);
  if (at < armed_at_) Arm();
  return key;
}

void DeadlineQueue::Arm() {
  if (owners_.empty()) {
    armed_at_ = absl::InfiniteDuration();
    return;
  }
  const absl::Duration now = clock_->Now();
  const absl::Duration wait = std::clamp(owners_.begin()->first.first - now, kWaitMin, kWaitMax);
  armed_at_ = now + wait;
  timer_.expires_after(absl::ToChronoNanoseconds(wait));
  timer_.async_wait([this, alive = alive_](const asio::error_code& error) {
    if (error || !*alive) return;
    const absl::Duration fired = clock_->Now();
    while (!owners_.empty() && owners_.begin()->first.first <= fired) {
      DeadlineOwner* owner = owners_.begin()->second;
      owners_.erase(owners_.begin());
      owner->OnDeadline();
      if (!*alive) return;
    }
    Arm();
  });
}

}  // namespace keelson::rpc
