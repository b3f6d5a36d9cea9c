#include "tools/kvbench/workload.h"

#include <algorithm>

#include "base/coding.h"

namespace keelson::kvbench {
namespace {

constexpr std::string_view kPrefix = "kvbench/";
constexpr size_t kNoiseBytes = 1 << 20;

}  // namespace

Workload::Workload(const Options& options) : options_(options), random_(options.seed) {
  key_.assign(options.key_size, '0');
  uint64_t digits = 1;
  for (uint64_t n = options.key_space - 1; n >= 10; n /= 10) ++digits;
  const size_t prefix = std::min<size_t>(kPrefix.size(), options.key_size - digits);
  key_.replace(0, prefix, kPrefix.substr(0, prefix));
  if (options.operation == Operation::kGet) return;
  while (noise_.size() < kNoiseBytes + options.value_size) AppendBig64(noise_, random_.Next());
}

std::string_view Workload::Key(uint64_t number) {
  for (size_t at = key_.size(); at > 0 && key_[at - 1] >= '0' && key_[at - 1] <= '9'; --at) {
    key_[at - 1] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  return key_;
}

std::string_view Workload::Value(absl::Duration now) {
  const size_t at = random_.Below(kNoiseBytes);
  const std::string_view value = std::string_view(noise_).substr(at, options_.value_size);
  if (options_.operation != Operation::kWatch) return value;
  value_.assign(value);
  StoreBig64(value_.data(), static_cast<uint64_t>(absl::ToInt64Nanoseconds(now)));
  return value_;
}

std::optional<absl::Duration> Workload::PutTime(std::string_view value) {
  if (value.size() < sizeof(uint64_t)) return std::nullopt;
  return absl::Nanoseconds(static_cast<int64_t>(LoadBig64(value.data())));
}

std::string_view Workload::Next(absl::Duration now) {
  const bool random = options_.key_order == KeyOrder::kRandom;
  const uint64_t number =
      random ? random_.Below(options_.key_space) : next_number_++ % options_.key_space;
  request_.clear();
  if (options_.operation == Operation::kGet) {
    AppendGet(request_, Key(number), options_.consistency);
  } else {
    AppendPut(request_, Key(number), Value(now));
  }
  return request_;
}

}  // namespace keelson::kvbench
