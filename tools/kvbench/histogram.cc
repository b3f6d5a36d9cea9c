#include "tools/kvbench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace keelson::kvbench {
namespace {

constexpr int kHalfBits = 7;  // 128 buckets a power of two
constexpr uint64_t kHalf = 1u << kHalfBits;

size_t BucketOf(uint64_t ns) {
  if (ns < 2 * kHalf) return ns;
  const int shift = std::bit_width(ns) - (kHalfBits + 1);
  return static_cast<size_t>(shift) * kHalf + (ns >> shift);
}

// The last value of a bucket.
uint64_t EndOf(size_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  const size_t shift = bucket / kHalf - 1;
  return ((bucket - shift * kHalf + 1) << shift) - 1;
}

uint64_t Clamp(absl::Duration value) {
  value = std::clamp(value, absl::ZeroDuration(), Histogram::kMax);
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(value));
}

}  // namespace

Histogram::Histogram() : buckets_(BucketOf(Clamp(kMax)) + 1) {}

void Histogram::Record(absl::Duration value) {
  const uint64_t ns = Clamp(value);
  ++buckets_[BucketOf(ns)];
  ++count_;
  sum_ns_ += static_cast<double>(ns);
  min_ns_ = std::min(min_ns_, ns);
  max_ns_ = std::max(max_ns_, ns);
}

void Histogram::Clear() { *this = Histogram(); }

absl::Duration Histogram::min() const { return absl::Nanoseconds(count_ == 0 ? 0 : min_ns_); }
absl::Duration Histogram::max() const { return absl::Nanoseconds(max_ns_); }
absl::Duration Histogram::mean() const {
  return count_ == 0 ? absl::ZeroDuration() : absl::Nanoseconds(sum_ns_ / static_cast<double>(count_));
}

absl::Duration Histogram::Percentile(double percent) const {
  KV_CHECK(percent >= 0 && percent <= 100);
  if (count_ == 0) return absl::ZeroDuration();
  const double exact = percent / 100 * static_cast<double>(count_);
  // A hair less than the product, so that 99.9 % of 1000 is 999 and not, by rounding, 1000.
  const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(exact - 1e-6)));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return absl::Nanoseconds(std::min(EndOf(i), max_ns_));
  }
  return max();
}

}  // namespace keelson::kvbench
