#include "raft/inflights.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::raft {

Inflights::Inflights(const InflightLimits& limits) : limits_(limits) {
  KV_CHECK_GT(limits.messages_max, 0u);
  KV_CHECK_GT(limits.bytes_max, 0u);
}

void Inflights::Add(LogIndex last, uint64_t bytes) {
  KV_CHECK(!IsFull());
  KV_DCHECK(count_ == 0 || At(count_ - 1).last < last);
  if (count_ == ring_.size()) Grow();
  ++count_;
  At(count_ - 1) = {last, bytes};
  bytes_ += bytes;
}

void Inflights::FreeThrough(LogIndex index) {
  while (count_ > 0 && At(0).last <= index) {
    bytes_ -= At(0).bytes;
    begin_ = (begin_ + 1) % ring_.size();
    --count_;
  }
}

void Inflights::Clear() {
  begin_ = 0;
  count_ = 0;
  bytes_ = 0;
}

void Inflights::Grow() {
  std::vector<Sent> larger(std::max<size_t>(8, ring_.size() * 2));
  for (size_t i = 0; i < count_; ++i) larger[i] = At(i);
  ring_ = std::move(larger);
  begin_ = 0;
}

}  // namespace keelson::raft
