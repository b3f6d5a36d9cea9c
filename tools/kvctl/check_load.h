// WriteLoad: puts of 1 KiB under a prefix, as the checks need them: paced or as fast as they are
// answered, with so many under way at a time. Measures each.
//
// Thread: one.
#ifndef KEELSON_TOOLS_KVCTL_CHECK_LOAD_H_
#define KEELSON_TOOLS_KVCTL_CHECK_LOAD_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/client.h"

namespace keelson::kvctl {

inline constexpr int64_t kCheckValueBytes = 1024;

struct WriteLoadOptions {
  std::string prefix = {};
  int64_t writes = 0;
  int64_t clients = 1;                                 // puts under way at a time, at most
  double rate = 0;                                     // a second; 0: no pace
  absl::Duration time_max = absl::InfiniteDuration();  // no put begins after that
  client::CallOptions call = {};
};

struct WriteLoadResult {
  int64_t done = 0;
  int64_t failed = 0;
  absl::Status first_failure = {};
  absl::Duration took = {};
  // Of those done, in seconds.
  double slowest = 0;
  double deviation = 0;
  double rate() const { return static_cast<double>(done) / absl::ToDoubleSeconds(took); }
};

// Keys are `prefix` and a number. `on_progress` is told how many puts were begun.
WriteLoadResult RunWriteLoad(client::Kv& kv, const WriteLoadOptions& options,
                             const std::function<void(int64_t)>& on_progress);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_CHECK_LOAD_H_
