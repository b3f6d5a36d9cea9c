#include "tools/kvctl/check_load.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace keelson::kvctl {
namespace {

// What the answers, which come on the client's loop, leave for the thread that asks.
class Tally {
 public:
  // Waits until fewer than `clients` are under way; one more is then.
  void Begin(int64_t clients) {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return under_way_ < clients;
    };
    mutex_.Await(absl::Condition(&has_room));
    ++under_way_;
  }

  // It was not sent.
  void TakeBack() {
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }

  void End(const absl::Status& status, absl::Duration took) {
    absl::MutexLock lock(&mutex_);
    --under_way_;
    if (!status.ok()) {
      if (failed_++ == 0) first_failure_ = status;
      return;
    }
    const double seconds = absl::ToDoubleSeconds(took);
    ++done_;
    slowest_ = std::max(slowest_, seconds);
    // Welford's method: sums of squares would drown small deviations.
    const double off = seconds - mean_;
    mean_ += off / static_cast<double>(done_);
    squares_ += off * (seconds - mean_);
  }

  WriteLoadResult Wait(absl::Duration start, const Clock& clock) {
    absl::MutexLock lock(&mutex_);
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return under_way_ == 0; };
    mutex_.Await(absl::Condition(&idle));
    return {.done = done_,
            .failed = failed_,
            .first_failure = first_failure_,
            .took = clock.Now() - start,
            .slowest = slowest_,
            .deviation = done_ > 0 ? std::sqrt(squares_ / static_cast<double>(done_)) : 0};
  }

 private:
  absl::Mutex mutex_;
  int64_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t failed_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status first_failure_ ABSL_GUARDED_BY(mutex_);
  double slowest_ ABSL_GUARDED_BY(mutex_) = 0;
  double mean_ ABSL_GUARDED_BY(mutex_) = 0;
  double squares_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

WriteLoadResult RunWriteLoad(client::Kv& kv, const WriteLoadOptions& options,
                             const std::function<void(int64_t)>& on_progress) {
  const RealClock clock;
  const std::string value(kCheckValueBytes, 'v');
  Tally tally;
  const absl::Duration start = clock.Now();
  for (int64_t i = 0; i < options.writes; ++i) {
    if (options.rate > 0) {
      const absl::Duration due = start + absl::Seconds(static_cast<double>(i) / options.rate);
      absl::SleepFor(due - clock.Now());
    }
    tally.Begin(options.clients);
    const absl::Duration began = clock.Now();
    if (began - start >= options.time_max) {
      tally.TakeBack();
      break;
    }
    etcdserverpb::PutRequest request;
    request.set_key(absl::StrFormat("%s%016x", options.prefix, i));
    request.set_value(value);
    kv.PutAsync(std::move(request), options.call,
                [&tally, &clock, began](const absl::StatusOr<etcdserverpb::PutResponse>& answer) {
                  tally.End(answer.status(), clock.Now() - began);
                });
    on_progress(i + 1);
  }
  return tally.Wait(start, clock);
}

}  // namespace keelson::kvctl
