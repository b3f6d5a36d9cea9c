#include "server/divergence_check.h"

#include <utility>

namespace keelson::server {

std::vector<NodeId> FindDivergent(const std::map<NodeId, std::optional<uint64_t>>& hashes) {
  std::map<uint64_t, size_t> votes;
  bool all_known = true;
  for (const auto& [member, hash] : hashes) {
    if (hash) {
      ++votes[*hash];
    } else {
      all_known = false;
    }
  }
  if (votes.size() < 2) return {};
  for (const auto& [majority, count] : votes) {
    if (count <= hashes.size() / 2) continue;
    std::vector<NodeId> divergent;
    for (const auto& [member, hash] : hashes) {
      if (hash && *hash != majority) divergent.push_back(member);
    }
    return divergent;
  }
  return all_known ? std::vector<NodeId>{NodeId(0)} : std::vector<NodeId>{};
}

DivergenceCheck::DivergenceCheck(absl::Duration interval, StateHashes states,
                                 std::function<void(NodeId)> raise)
    : interval_(interval),
      states_(std::move(states)),
      raise_(std::move(raise)),
      next_(states_.clock->Now() + interval) {}

void DivergenceCheck::OnTick(bool is_leader) {
  const absl::Duration now = states_.clock->Now();
  if (now < next_) return;
  if (!is_leader) {
    index_.reset();
    round_.reset();
    return;
  }
  if (!index_) {
    index_ = states_.applied();
    next_ = now + kSettle;
    return;
  }
  Ask(*index_);
  index_.reset();
  next_ = now + interval_;
}

void DivergenceCheck::Ask(LogIndex index) {
  round_ = std::make_shared<Round>();
  const std::shared_ptr<Round> round = round_;
  const std::vector<NodeId> members = states_.members();
  for (const NodeId member : members) round->hashes[member] = std::nullopt;
  round->hashes[states_.self] = states_.hash_at(index);
  round->missing = round->hashes.size() - 1;
  for (const NodeId member : members) {
    if (member == states_.self) continue;
    // Nobody holds the round any more when another one has begun, or we are gone.
    states_.ask(member, index,
                [this, member, weak = std::weak_ptr<Round>(round)](std::optional<uint64_t> hash) {
                  const std::shared_ptr<Round> asked = weak.lock();
                  if (asked == nullptr) return;
                  asked->hashes[member] = hash;
                  if (--asked->missing == 0) Judge(*asked);
                });
  }
}

void DivergenceCheck::Judge(const Round& round) {
  for (const NodeId member : FindDivergent(round.hashes)) raise_(member);
}

}  // namespace keelson::server
