#include "raft/testing/quorum_definition.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

namespace keelson::raft {

Half MembersOf(const Halves& halves) {
  std::set<NodeId> members;
  for (const Half& half : halves) members.insert(half.begin(), half.end());
  return {members.begin(), members.end()};
}

bool IsQuorum(const Halves& halves, const Half& members) {
  return std::all_of(halves.begin(), halves.end(), [&](const Half& half) {
    Half shared;
    std::set_intersection(half.begin(), half.end(), members.begin(), members.end(),
                          std::back_inserter(shared));
    return half.empty() || shared.size() * 2 > half.size();
  });
}

std::vector<Half> SubsetsOf(const Half& members) {
  std::vector<Half> subsets;
  for (uint64_t chosen = 0; chosen < uint64_t{1} << members.size(); ++chosen) {
    Half& subset = subsets.emplace_back();
    for (size_t i = 0; i < members.size(); ++i) {
      if ((chosen >> i & 1) != 0) subset.push_back(members[i]);
    }
  }
  return subsets;
}

uint64_t ReachedByDefinition(const Halves& halves, const std::map<NodeId, uint64_t>& reached) {
  uint64_t best = 0;
  for (const Half& members : SubsetsOf(MembersOf(halves))) {
    if (!IsQuorum(halves, members)) continue;
    uint64_t all = std::numeric_limits<uint64_t>::max();
    for (NodeId id : members) {
      const auto found = reached.find(id);
      all = std::min(all, found == reached.end() ? 0 : found->second);
    }
    best = std::max(best, all);
  }
  return best;
}

VoteResult VoteByDefinition(const Halves& halves, const std::map<NodeId, bool>& votes) {
  Half granted;
  Half open;
  for (NodeId id : MembersOf(halves)) {
    const auto vote = votes.find(id);
    if (vote == votes.end()) open.push_back(id);
    if (vote != votes.end() && vote->second) granted.push_back(id);
  }
  bool may_win = false;
  bool may_lose = false;
  for (const Half& more : SubsetsOf(open)) {
    const bool wins = IsQuorum(halves, MembersOf({granted, more}));
    (wins ? may_win : may_lose) = true;
  }
  if (may_win && may_lose) return VoteResult::kPending;
  return may_win ? VoteResult::kWon : VoteResult::kLost;
}

bool CanDecideApart(const Halves& a, const Halves& b) {
  const Half all = MembersOf({MembersOf(a), MembersOf(b)});
  for (const Half& members : SubsetsOf(all)) {
    Half others;
    std::set_difference(all.begin(), all.end(), members.begin(), members.end(),
                        std::back_inserter(others));
    if (IsQuorum(a, members) && IsQuorum(b, others)) return true;
  }
  return false;
}

}  // namespace keelson::raft
