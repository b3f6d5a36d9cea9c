#include "raft/forwarded_reads.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::raft {

uint64_t ForwardedReads::Begin() {
  KV_CHECK(CanBegin());
  if (next_number_ == 0) ++next_number_;
  const uint64_t number = next_number_++;
  under_way_.push_back({.number = number, .ticks = 0, .contexts = std::exchange(waiting_, {})});
  return number;
}

std::vector<uint64_t> ForwardedReads::TakeAnswered(uint64_t number) {
  auto batch = std::find_if(under_way_.begin(), under_way_.end(),
                            [number](const Batch& b) { return b.number == number; });
  if (batch == under_way_.end()) return {};
  std::vector<uint64_t> contexts = std::move(batch->contexts);
  under_way_.erase(batch);
  return contexts;
}

std::vector<uint64_t> ForwardedReads::TickAndTakeOverdue(int patience_ticks) {
  std::vector<uint64_t> overdue;
  for (Batch& batch : under_way_) {
    if (++batch.ticks < patience_ticks) continue;
    batch.ticks = 0;
    overdue.push_back(batch.number);
  }
  return overdue;
}

std::vector<uint64_t> ForwardedReads::TakeAll() {
  std::vector<uint64_t> all;
  for (Batch& batch : under_way_) {
    all.insert(all.end(), batch.contexts.begin(), batch.contexts.end());
  }
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  under_way_.clear();
  waiting_.clear();
  return all;
}

}  // namespace keelson::raft
