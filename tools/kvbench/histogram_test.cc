#include "tools/kvbench/histogram.h"

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keelson::kvbench {
namespace {

TEST(HistogramTest, EmptyIsZeroEverywhere) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(50), absl::ZeroDuration());
  EXPECT_EQ(histogram.min(), absl::ZeroDuration());
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
  EXPECT_EQ(histogram.mean(), absl::ZeroDuration());
}

TEST(HistogramTest, OneValueIsEveryPercentile) {
  Histogram histogram;
  histogram.Record(absl::Microseconds(1234));
  for (double percent : {0.0, 50.0, 99.9, 100.0}) {
    EXPECT_EQ(histogram.Percentile(percent), absl::Microseconds(1234));
  }
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int ns = 1; ns <= 200; ++ns) histogram.Record(absl::Nanoseconds(ns));
  EXPECT_EQ(histogram.Percentile(50), absl::Nanoseconds(100));
  EXPECT_EQ(histogram.Percentile(99), absl::Nanoseconds(198));
  EXPECT_EQ(histogram.Percentile(100), absl::Nanoseconds(200));
  EXPECT_EQ(histogram.mean(), absl::Nanoseconds(100.5));
}

TEST(HistogramTest, RankIsNotMovedByRounding) {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) histogram.Record(absl::Nanoseconds(1));
  histogram.Record(absl::Seconds(1));
  EXPECT_EQ(histogram.Percentile(99.9), absl::Nanoseconds(1));
  EXPECT_EQ(histogram.Percentile(100), absl::Seconds(1));
}

TEST(HistogramTest, ValuesOutsideTheRangeCountAtItsEnds) {
  Histogram histogram;
  histogram.Record(-absl::Seconds(1));
  histogram.Record(absl::InfiniteDuration());
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.min(), absl::ZeroDuration());
  EXPECT_EQ(histogram.max(), Histogram::kMax);
}

TEST(HistogramTest, PercentilesAgreeWithASortedListToWithinOnePart) {
  SeededRandom random(7);
  Histogram histogram;
  std::vector<int64_t> sorted;
  for (int i = 0; i < 100000; ++i) {
    // All magnitudes from nanoseconds to minutes.
    const auto ns = static_cast<int64_t>(random.Next() >> (28 + random.Below(36)));
    sorted.push_back(ns);
    histogram.Record(absl::Nanoseconds(ns));
  }
  std::sort(sorted.begin(), sorted.end());
  for (double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const auto at = static_cast<size_t>(percent / 100 * static_cast<double>(sorted.size()) + 0.5);
    const auto exact = static_cast<double>(sorted[at - 1]);
    const double got = absl::ToDoubleNanoseconds(histogram.Percentile(percent));
    EXPECT_GE(got, exact) << percent;
    EXPECT_LE(got, exact * (1 + 1.0 / 128) + 1) << percent;
  }
}

TEST(HistogramTest, ClearForgets) {
  Histogram histogram;
  histogram.Record(absl::Seconds(1));
  histogram.Clear();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), absl::ZeroDuration());
}

}  // namespace
}  // namespace keelson::kvbench
