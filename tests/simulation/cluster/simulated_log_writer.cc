#include "tests/simulation/cluster/simulated_log_writer.h"

#include <algorithm>
#include <utility>

namespace keelson::simulation {

constexpr Time kFullRetry = 100 * kMillisecond;

void SimulatedLogWriter::Write(storage::LogAppend append, server::Task done) {
  environment_.on_write(append);
  appends_.push_back(std::move(append));
  done_.push_back(std::move(done));
  Begin();
}

void SimulatedLogWriter::TruncatePrefix(LogIndex first_kept) {
  first_kept_ = std::max(first_kept_, first_kept);
  Begin();
}

void SimulatedLogWriter::Later(Time at_least, std::function<void()> step) {
  const DiskSpeed& speed = *environment_.speed;
  const Time takes = environment_.dice->Between(speed.latency_min, speed.latency_max);
  const Time when =
      std::max(environment_.scheduler->now() + std::max(at_least, takes), speed.hangs_until);
  environment_.scheduler->At(when, [step = std::move(step), alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) step();
  });
}

void SimulatedLogWriter::Begin() {
  const bool may_truncate = first_kept_ && first_kept_ <= environment_.log->LastIndex() + 1;
  if (busy_ || failed_ || (appends_.empty() && !may_truncate)) return;
  busy_ = true;
  group_ = std::exchange(appends_, {});
  group_done_ = std::exchange(done_, {});
  Later(0, [this] { Perform(); });
}

void SimulatedLogWriter::Perform() {
  absl::Status status = group_.empty() ? absl::OkStatus() : environment_.log->Append(group_);
  if (status.ok() && !group_.empty()) environment_.on_written(group_);
  if (absl::IsResourceExhausted(status) != full_) {
    full_ = !full_;
    environment_.executor->Post([on_full = environment_.on_full, full = full_] { on_full(full); });
  }
  if (full_) {
    status = Truncate();
    if (status.ok()) return Later(kFullRetry, [this] { Perform(); });
  }
  if (status.ok()) status = Truncate();
  Later(0, [this, status] { Finish(status); });
}

// Gives up what was asked for, as far as the log has been written.
absl::Status SimulatedLogWriter::Truncate() {
  if (!first_kept_ || first_kept_ > environment_.log->LastIndex() + 1) return absl::OkStatus();
  return environment_.log->TruncatePrefix(std::exchange(first_kept_, LogIndex()));
}

void SimulatedLogWriter::Finish(absl::Status status) {
  busy_ = false;
  if (!status.ok()) {
    failed_ = true;
    return environment_.executor->Post(
        [on_failure = environment_.on_failure, status = std::move(status)] { on_failure(status); });
  }
  group_.clear();
  environment_.executor->Post([done = std::exchange(group_done_, {})]() mutable {
    for (server::Task& task : done) task();
  });
  Begin();
}

}  // namespace keelson::simulation
