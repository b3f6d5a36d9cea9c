#include "server/divergence_check.h"

#include <utility>

namespace keelson::server {

void RecentStateHashes::Add(LogIndex index, uint64_t hash) {
  if (hashes_.empty() || index != first_ + hashes_.size()) {
    hashes_.clear();
    first_ = index;
  }
  hashes_.push_back(hash);
  if (hashes_.size() > kHeld) {
    hashes_.pop_front();
    ++first_;
  }
}

std::optional<uint64_t> RecentStateHashes::Find(LogIndex index) const {
  if (index < first_ || index >= first_ + hashes_.size()) return std::nullopt;
  const uint64_t hash = hashes_[static_cast<size_t>(index - first_)];
  return hash == 0 ? std::nullopt : std::optional(hash);
}

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

DivergenceCheck::DivergenceCheck(absl::Duration interval, Environment environment)
    : interval_(interval),
      environment_(std::move(environment)),
      next_(environment_.clock->Now() + interval) {}

void DivergenceCheck::CheckAtStart() {
  if (!environment_.applied()) return;  // nothing yet
  start_index_ = environment_.applied();
  start_next_ = environment_.clock->Now() + kSettle;
  start_give_up_ = environment_.clock->Now() + kStartMax;
}

void DivergenceCheck::OnTick(bool is_leader) {
  const absl::Duration now = environment_.clock->Now();
  if (start_index_ && now >= start_next_) {
    start_next_ = now + kSettle;
    start_round_ = Ask(*start_index_, &DivergenceCheck::JudgeSelf);
    if (now >= start_give_up_) start_index_.reset();
  }
  if (now < next_) return;
  if (!is_leader) {
    index_.reset();
    round_.reset();
    return;
  }
  if (!index_) {
    index_ = environment_.applied();
    next_ = now + kSettle;
    return;
  }
  round_ = Ask(*index_, &DivergenceCheck::Judge);
  index_.reset();
  next_ = now + interval_;
}

std::shared_ptr<DivergenceCheck::Round> DivergenceCheck::Ask(LogIndex index, Judgement judge) {
  const auto round = std::make_shared<Round>();
  const std::vector<NodeId> members = environment_.members();
  for (const NodeId member : members) round->hashes[member] = std::nullopt;
  round->hashes[environment_.self] = environment_.hash_at(index);
  round->missing = round->hashes.size() - 1;
  for (const NodeId member : members) {
    if (member == environment_.self) continue;
    // Nobody holds the round any more when another one has begun, or we are gone. An answer that
    // comes at once, for a member that cannot be reached, must not find that.
    environment_.ask(
        member, index,
        [this, member, judge, weak = std::weak_ptr<Round>(round)](std::optional<uint64_t> hash) {
          const std::shared_ptr<Round> asked = weak.lock();
          if (asked == nullptr) return;
          asked->hashes[member] = hash;
          if (--asked->missing == 0) (this->*judge)(*asked);
        });
  }
  return round;
}

void DivergenceCheck::Judge(const Round& round) {
  for (const NodeId member : FindDivergent(round.hashes)) environment_.raise(member);
}

void DivergenceCheck::JudgeSelf(const Round& round) {
  size_t known = 0;
  for (const auto& [member, hash] : round.hashes) known += hash ? 1 : 0;
  if (known <= round.hashes.size() / 2) return;  // too few have said it; ask again
  start_index_.reset();
  for (const NodeId member : FindDivergent(round.hashes)) {
    if (member == environment_.self) environment_.stop_self();
  }
}

}  // namespace keelson::server
