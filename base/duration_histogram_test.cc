#include "base/duration_histogram.h"

#include "gtest/gtest.h"

namespace keelson {
namespace {

TEST(DurationHistogramTest, BoundsBelongToTheirBuckets) {
  DurationHistogram histogram(absl::Milliseconds(1), 3);
  for (const absl::Duration time :
       {absl::ZeroDuration(), absl::Milliseconds(1), absl::Microseconds(1001),
        absl::Milliseconds(2), absl::Milliseconds(4), absl::Microseconds(4001), absl::Hours(1),
        -absl::Seconds(1)}) {
    histogram.Observe(time);
  }
  const DurationHistogram::Snapshot snapshot = histogram.Read();
  ASSERT_EQ(snapshot.buckets.size(), 3u);
  EXPECT_DOUBLE_EQ(snapshot.buckets[0].bound_seconds, 0.001);
  EXPECT_DOUBLE_EQ(snapshot.buckets[2].bound_seconds, 0.004);
  EXPECT_EQ(snapshot.buckets[0].cumulative, 3u);
  EXPECT_EQ(snapshot.buckets[1].cumulative, 5u);
  EXPECT_EQ(snapshot.buckets[2].cumulative, 6u);
  EXPECT_EQ(snapshot.count, 8u);
  EXPECT_NEAR(snapshot.sum_seconds, 3600.012, 0.001);
}

}  // namespace
}  // namespace keelson
