// Histogram: counts of durations in buckets whose width grows with the value (as HdrHistogram
// does): constant memory, a few nanoseconds to record, percentiles true to within 1/128.
//
//   value < 256 ns         one bucket a nanosecond
//   [2^k, 2^(k+1)), k>=8   128 buckets of 2^(k-7) ns
//
// Thread: one.
#ifndef KEELSON_TOOLS_KVBENCH_HISTOGRAM_H_
#define KEELSON_TOOLS_KVBENCH_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace keelson::kvbench {

class Histogram {
 public:
  Histogram();

  // Negative durations count as 0, those above kMax as kMax.
  void Record(absl::Duration value);
  void Clear();

  uint64_t count() const { return count_; }
  // Exact. Zero when empty.
  absl::Duration min() const;
  absl::Duration max() const;
  absl::Duration mean() const;
  // The smallest recorded value that `percent` of all values do not exceed, rounded up to the end
  // of its bucket, and never above max(). Zero when empty. REQUIRES: 0 <= percent <= 100.
  absl::Duration Percentile(double percent) const;

  static constexpr absl::Duration kMax = absl::Hours(1);

 private:
  std::vector<uint32_t> buckets_;
  uint64_t count_ = 0;
  double sum_ns_ = 0;
  uint64_t min_ns_ = UINT64_MAX;
  uint64_t max_ns_ = 0;
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_HISTOGRAM_H_
