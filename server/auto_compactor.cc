#include "server/auto_compactor.h"

#include <algorithm>
#include <utility>

namespace keelson::server {
namespace {

constexpr absl::Duration kByNumber = absl::Minutes(5);
constexpr absl::Duration kByAgeMax = absl::Hours(1);
constexpr int kSamplesPerInterval = 10;
constexpr absl::Duration kBetweenSamplesMin = absl::Milliseconds(100);

absl::Duration BetweenSamples(const AutoCompaction& options) {
  if (options.mode == AutoCompaction::Mode::kRevision) return kByNumber;
  return std::max(kBetweenSamplesMin, std::min(options.retention, kByAgeMax) / kSamplesPerInterval);
}

}  // namespace

AutoCompactor::AutoCompactor(const AutoCompaction& options, Environment environment)
    : options_(options),
      environment_(std::move(environment)),
      between_samples_(BetweenSamples(options)),
      samples_max_(static_cast<size_t>(options.retention / between_samples_) + 1),
      timer_(environment_.executor->NewTimer()),
      rest_(options.retention) {}

void AutoCompactor::Start() {
  if (options_.mode == AutoCompaction::Mode::kOff) return;
  last_compaction_ = environment_.clock->Now();
  if (options_.mode == AutoCompaction::Mode::kPeriodic) {
    samples_.push_back(environment_.revision());
  }
  Arm();
}

void AutoCompactor::Arm() {
  timer_->Arm(between_samples_, [this] { OnTimer(); });
}

void AutoCompactor::OnTimer() {
  Arm();
  if (options_.mode == AutoCompaction::Mode::kPeriodic) return SampleAge();
  if (environment_.is_leader()) Compact(environment_.revision() - options_.revisions);
}

void AutoCompactor::SampleAge() {
  samples_.push_back(environment_.revision());
  if (samples_.size() > samples_max_) samples_.pop_front();
  const absl::Duration now = environment_.clock->Now();
  if (!environment_.is_leader() || now - last_compaction_ < rest_) return;
  Compact(samples_.front());
}

void AutoCompactor::Compact(int64_t revision) {
  if (compacting_ || revision <= 0 || revision == compacted_) return;
  compacting_ = true;
  environment_.compact(revision,
                       [this, revision, alive = std::weak_ptr<bool>(alive_)](bool compacted) {
                         if (alive.expired()) return;
                         compacting_ = false;
                         if (!compacted) return;
                         compacted_ = revision;
                         last_compaction_ = environment_.clock->Now();
                         rest_ = std::min(options_.retention, kByAgeMax);
                       });
}

}  // namespace keelson::server
