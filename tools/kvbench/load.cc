#include "tools/kvbench/load.h"

#include <algorithm>
#include <utility>

#include "tools/kvbench/etcd_messages.h"

namespace keelson::kvbench {
namespace {

// With a rate: how often we look whether a request is due.
constexpr absl::Duration kDueTick = absl::Microseconds(250);
// A server that falls behind the rate makes us remember that many due times, no more.
constexpr size_t kOverdueMax = 1 << 20;

}  // namespace

class Load::Slot final : public UnaryCall {
 public:
  Slot(Load* load, size_t link) : load_(load), link_(link) {}

  absl::Duration since;

  // Sends on our link, or, when that is gone, on the next that is not.
  bool Send(std::string_view request) {
    Links& links = *load_->links_;
    for (size_t i = 0; i < links.size(); ++i) {
      Link* link = links[link_].get();
      const bool get = load_->options_.operation == Operation::kGet;
      if (Start(link, get ? *link->get : *link->put, request)) return true;
      link_ = (link_ + 1) % links.size();
    }
    return false;
  }

 private:
  void OnAnswer(const absl::Status& status, std::string_view answer) override {
    load_->OnAnswer(this, status, answer);
  }

  Load* const load_;
  size_t link_;
};

Load::Load(asio::io_context* loop, const Clock* clock, const Options& options, Links* links,
           Hooks hooks)
    : loop_(loop),
      clock_(clock),
      options_(options),
      links_(links),
      hooks_(std::move(hooks)),
      workload_(options),
      phase_timer_(*loop),
      silence_timer_(*loop),
      due_timer_(*loop) {
  for (size_t i = 0; i < options.outstanding; ++i) {
    slots_.push_back(std::make_unique<Slot>(this, i % links->size()));
    idle_.push_back(slots_.back().get());
  }
}

Load::~Load() = default;

LoadResult Load::Run() {
  const absl::Duration now = clock_->Now();
  last_answer_ = next_due_ = now;
  budget_ = UINT64_MAX;
  if (options_.warmup > absl::ZeroDuration()) {
    phase_timer_.expires_after(absl::ToChronoNanoseconds(options_.warmup));
    phase_timer_.async_wait([this](const asio::error_code& error) {
      if (!error && phase_ == Phase::kWarmup) BeginMeasuring();
    });
  } else {
    BeginMeasuring();
  }
  if (options_.rate > 0) {
    StartDue();
  } else {
    while (!idle_.empty() && MayStart()) {
      Slot* slot = idle_.front();
      idle_.pop_front();
      Start(slot, now);
    }
  }
  WatchForSilence();
  loop_->restart();
  while (phase_ != Phase::kDraining || outstanding_ > 0) {
    if (loop_->run_one() == 0) break;
  }
  phase_timer_.cancel();
  silence_timer_.cancel();
  due_timer_.cancel();
  loop_->restart();
  loop_->poll();  // the cancelled timers, which point to us
  return std::move(result_);
}

void Load::BeginMeasuring() {
  phase_ = Phase::kMeasuring;
  measuring_since_ = clock_->Now();
  if (options_.total > 0) budget_ = options_.total - std::min<uint64_t>(options_.total, outstanding_);
  if (hooks_.measuring_begins) hooks_.measuring_begins();
  phase_timer_.expires_after(absl::ToChronoNanoseconds(options_.duration));
  phase_timer_.async_wait([this](const asio::error_code& error) {
    if (!error && phase_ == Phase::kMeasuring) EndMeasuring(clock_->Now());
  });
}

void Load::EndMeasuring(absl::Duration now) {
  if (phase_ == Phase::kMeasuring) {
    result_.elapsed = now - measuring_since_;
    if (hooks_.measuring_ends) hooks_.measuring_ends();
  }
  phase_ = Phase::kDraining;
}

void Load::Fail(const absl::Status& status) {
  ++result_.failed;
  if (result_.first_failure.ok()) result_.first_failure = status;
}

void Load::OnAnswer(Slot* slot, const absl::Status& status, std::string_view answer) {
  const absl::Duration now = clock_->Now();
  --outstanding_;
  last_answer_ = now;
  std::optional<uint64_t> found = 1;
  if (status.ok() && options_.operation == Operation::kGet) found = ReadRangeCount(answer);
  if (!status.ok()) {
    Fail(status);
  } else if (!found) {
    Fail(absl::InternalError("the answer is not a RangeResponse"));
  } else {
    ++result_.succeeded;
  }
  if (phase_ == Phase::kMeasuring) {
    if (status.ok() && found) {
      result_.latency.Record(now - slot->since);
      if (*found == 0) ++result_.not_found;
    }
    if (++answered_ == options_.total) EndMeasuring(now);
  }
  if (!MayStart()) {
    idle_.push_back(slot);
  } else if (options_.rate == 0) {
    Start(slot, now);
  } else if (!overdue_.empty()) {
    const absl::Duration due = overdue_.front();
    overdue_.pop_front();
    Start(slot, due);
  } else {
    idle_.push_back(slot);
  }
}

bool Load::MayStart() const { return phase_ != Phase::kDraining && budget_ > 0; }

void Load::Start(Slot* slot, absl::Duration since) {
  slot->since = since;
  if (slot->Send(workload_.Next(since))) {
    ++outstanding_;
    --budget_;
    return;
  }
  idle_.push_back(slot);
  if (phase_ == Phase::kDraining) return;
  Fail(absl::UnavailableError("no connection is left"));
  EndMeasuring(clock_->Now());
}

void Load::StartDue() {
  const absl::Duration now = clock_->Now();
  const absl::Duration gap = absl::Seconds(1 / options_.rate);
  for (; next_due_ <= now; next_due_ += gap) {
    if (!MayStart()) break;
    if (idle_.empty()) {
      if (overdue_.size() < kOverdueMax) overdue_.push_back(next_due_);
      continue;
    }
    Slot* slot = idle_.front();
    idle_.pop_front();
    Start(slot, now);
  }
  if (!MayStart()) return;
  due_timer_.expires_after(absl::ToChronoNanoseconds(std::max(kDueTick, next_due_ - now)));
  due_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) StartDue();
  });
}

void Load::WatchForSilence() {
  const bool silent = outstanding_ > 0 && clock_->Now() - last_answer_ > options_.timeout;
  if (silent) {
    Fail(absl::DeadlineExceededError("no answer for " + absl::FormatDuration(options_.timeout)));
    EndMeasuring(clock_->Now());
    for (const auto& link : *links_) link->connection->Close();
    return;
  }
  silence_timer_.expires_after(std::chrono::milliseconds(100));
  silence_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) WatchForSilence();
  });
}

}  // namespace keelson::kvbench
