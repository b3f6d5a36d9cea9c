// Load: keeps a number of unary requests outstanding over the given links, measures a part of them.
//
//   warm-up ──► measuring ──► draining ──► done
//
// Operations count when their answer arrives while measuring; the load does not pause between the
// phases, so that the window shows the steady state. With a rate, requests have a time at which
// they are due: one that could not go out because too many were outstanding is timed from then, not
// from when it went (else a server that stalls would slow the measuring of its stall).
//
// Thread: the loop.
#ifndef KEELSON_TOOLS_KVBENCH_LOAD_H_
#define KEELSON_TOOLS_KVBENCH_LOAD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "base/clock.h"
#include "tools/kvbench/histogram.h"
#include "tools/kvbench/link.h"
#include "tools/kvbench/options.h"
#include "tools/kvbench/workload.h"

namespace keelson::kvbench {

struct LoadResult {
  Histogram latency;  // of those that succeeded while measuring
  absl::Duration elapsed;
  uint64_t succeeded = 0;  // in all phases
  uint64_t failed = 0;     // in all phases
  absl::Status first_failure;
  uint64_t not_found = 0;  // gets while measuring whose key was not there
};

class Load {
 public:
  struct Hooks {
    std::function<void()> measuring_begins;
    std::function<void()> measuring_ends;
  };

  // All outlive the load.
  Load(asio::io_context* loop, const Clock* clock, const Options& options, Links* links,
       Hooks hooks);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Runs the loop until all is done: at most warmup + duration + timeout.
  LoadResult Run();

 private:
  class Slot;
  enum class Phase { kWarmup, kMeasuring, kDraining };

  void BeginMeasuring();
  void EndMeasuring(absl::Duration now);
  void OnAnswer(Slot* slot, const absl::Status& status, std::string_view answer);
  void Fail(const absl::Status& status);
  // True when one more request may be started now.
  bool MayStart() const;
  // Starts a request that counts from `since`; ends the load when no link takes one.
  void Start(Slot* slot, absl::Duration since);
  void StartDue();
  void WatchForSilence();

  asio::io_context* const loop_;
  const Clock* const clock_;
  const Options options_;
  Links* const links_;
  const Hooks hooks_;
  Workload workload_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<Slot*> idle_;
  size_t outstanding_ = 0;

  Phase phase_ = Phase::kWarmup;
  absl::Duration measuring_since_;
  absl::Duration last_answer_;
  uint64_t budget_ = 0;    // requests that may still be started; for --total
  uint64_t answered_ = 0;  // while measuring
  LoadResult result_;

  asio::steady_timer phase_timer_;
  asio::steady_timer silence_timer_;
  asio::steady_timer due_timer_;
  absl::Duration next_due_;             // with a rate
  std::deque<absl::Duration> overdue_;  // requests that found all slots busy
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_LOAD_H_
