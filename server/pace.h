// Pace: holds a flow of bytes to a rate. What was not used is not saved up, but for a moment's
// worth, without which timers that fire late would lower the rate.
//
// Not thread-safe.
#ifndef KEELSON_SERVER_PACE_H_
#define KEELSON_SERVER_PACE_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace keelson::server {

class Pace {
 public:
  // 0: no limit.
  explicit Pace(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // `bytes` go out at `now`; how long to wait before the next ones.
  absl::Duration Take(uint64_t bytes, absl::Duration now) {
    if (bytes_per_second_ == 0) return absl::ZeroDuration();
    const absl::Duration cost =
        absl::Seconds(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_));
    paid_until_ = std::max(paid_until_, now - kBurst) + cost;
    return std::max(paid_until_ - now, absl::ZeroDuration());
  }

 private:
  static constexpr absl::Duration kBurst = absl::Milliseconds(20);

  const uint64_t bytes_per_second_;
  absl::Duration paid_until_ = -absl::InfiniteDuration();  // everything sent so far, at the rate
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PACE_H_
