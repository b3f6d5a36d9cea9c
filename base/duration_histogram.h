// DurationHistogram: how often something took how long, in buckets that double. An observation is a
// few comparisons and two additions: cheap enough for every sync and every request.
//
// Thread: any. The numbers of a snapshot taken meanwhile may be one observation apart.
#ifndef KEELSON_BASE_DURATION_HISTOGRAM_H_
#define KEELSON_BASE_DURATION_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace keelson {

class DurationHistogram {
 public:
  static constexpr int kBoundsMax = 24;

  // Buckets of up to `first`, 2 * first, 4 * first, ... and one for what is longer. REQUIRES: first
  // is positive; 1 <= bounds <= kBoundsMax.
  DurationHistogram(absl::Duration first, int bounds);

  void Observe(absl::Duration time);

  struct Snapshot {
    struct Bucket {
      double bound_seconds;
      uint64_t cumulative;  // observations of up to the bound
    };
    std::vector<Bucket> buckets;
    uint64_t count;
    double sum_seconds;
  };
  Snapshot Read() const;

 private:
  const int64_t first_ns_;
  const int bounds_;
  // Atomic, for one thread observes and another one reads; they need not agree with one another.
  std::array<std::atomic<uint64_t>, kBoundsMax + 1> counts_ = {};  // the one above all bounds last
  std::atomic<int64_t> sum_ns_ = 0;
};

}  // namespace keelson

#endif  // KEELSON_BASE_DURATION_HISTOGRAM_H_
