#include "raft/quorum.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/check.h"

namespace keelson::raft {

VoteResult MajorityVote(const VoteCount& count) {
  KV_CHECK_LE(count.granted + count.rejected, count.voters);
  if (count.voters == 0) return VoteResult::kWon;
  const size_t needed = MajorityOf(count.voters);
  if (count.granted >= needed) return VoteResult::kWon;
  if (count.voters - count.rejected < needed) return VoteResult::kLost;
  return VoteResult::kPending;
}

uint64_t MajorityReached(std::span<uint64_t> values) {
  if (values.empty()) return std::numeric_limits<uint64_t>::max();
  auto decisive = values.begin() + static_cast<std::ptrdiff_t>(MajorityOf(values.size()) - 1);
  std::nth_element(values.begin(), decisive, values.end(), std::greater<>());
  return *decisive;
}

VoteResult JointVote(VoteResult a, VoteResult b) {
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  return a == b ? a : VoteResult::kPending;
}

}  // namespace keelson::raft
