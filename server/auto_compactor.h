// AutoCompactor: compacts old revisions away by itself, as --auto-compaction-mode and -retention
// say. Every member samples, so that a new leader goes on where the old one was; only the leader
// compacts.
//
//   by age     a sample of the revision every tenth of the retention (at most of an hour), and a
//              compaction to the oldest sample once it is as old as the retention; then one every
//              retention, or hour
//   by number  every five minutes to so many revisions before the newest
//
// A compaction that failed is tried again at the next sample.
//
// Thread: the core loop.
#ifndef KEELSON_SERVER_AUTO_COMPACTOR_H_
#define KEELSON_SERVER_AUTO_COMPACTOR_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/config.h"
#include "server/executor.h"

namespace keelson::server {

class AutoCompactor {
 public:
  struct Environment {
    Executor* executor;
    const Clock* clock;
    std::function<bool()> is_leader;
    std::function<int64_t()> revision;
    // `done` gets OK also for what is compacted already.
    std::function<void(int64_t revision, absl::AnyInvocable<void(bool compacted)> done)> compact;
  };

  AutoCompactor(const AutoCompaction& options, Environment environment);
  ~AutoCompactor() = default;  // no compaction is begun any more
  AutoCompactor(const AutoCompactor&) = delete;
  AutoCompactor& operator=(const AutoCompactor&) = delete;

  // REQUIRES: called once.
  void Start();

 private:
  void Arm();
  void OnTimer();
  void SampleAge();
  void Compact(int64_t revision);

  const AutoCompaction options_;
  const Environment environment_;
  const absl::Duration between_samples_;
  const size_t samples_max_;  // by age
  const std::unique_ptr<Timer> timer_;
  std::deque<int64_t> samples_;     // by age: revisions, the oldest first
  absl::Duration last_compaction_;  // or the start
  absl::Duration rest_;             // from one to the next; shorter from the first on
  int64_t compacted_ = 0;
  bool compacting_ = false;
  // What an answer that comes after the end finds gone.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTO_COMPACTOR_H_
