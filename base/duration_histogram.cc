#include "base/duration_histogram.h"

#include <algorithm>

#include "base/check.h"

namespace keelson {

DurationHistogram::DurationHistogram(absl::Duration first, int bounds)
    : first_ns_(absl::ToInt64Nanoseconds(first)), bounds_(bounds) {
  KV_CHECK(first_ns_ > 0 && bounds >= 1 && bounds <= kBoundsMax);
}

void DurationHistogram::Observe(absl::Duration time) {
  const int64_t ns = std::max<int64_t>(absl::ToInt64Nanoseconds(time), 0);
  int bucket = 0;
  while (bucket < bounds_ && ns > first_ns_ << bucket) ++bucket;
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
}

DurationHistogram::Snapshot DurationHistogram::Read() const {
  Snapshot snapshot = {{}, 0, 0};
  for (int i = 0; i < bounds_; ++i) {
    snapshot.count += counts_[static_cast<size_t>(i)].load(std::memory_order_relaxed);
    snapshot.buckets.push_back({static_cast<double>(first_ns_ << i) / 1e9, snapshot.count});
  }
  snapshot.count += counts_[static_cast<size_t>(bounds_)].load(std::memory_order_relaxed);
  snapshot.sum_seconds = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
  return snapshot;
}

}  // namespace keelson
