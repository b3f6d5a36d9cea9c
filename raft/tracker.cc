#include "raft/tracker.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/check.h"

namespace keelson::raft {

Tracker::Tracker(const ConfState& conf, const InflightLimits& limits) {
  KV_CHECK(conf.voters_outgoing.empty() && conf.learners_next.empty())
      << "joint configurations are not supported";
  std::vector<std::pair<NodeId, Suffrage>> order;
  for (NodeId id : conf.voters) order.emplace_back(id, Suffrage::kVoter);
  for (NodeId id : conf.learners) order.emplace_back(id, Suffrage::kLearner);
  std::sort(order.begin(), order.end());
  members_.reserve(order.size());
  for (const auto& [id, suffrage] : order) {
    KV_CHECK(id) << "0 is not a member id";
    KV_CHECK(members_.empty() || members_.back().id() != id) << "member " << id << " named twice";
    members_.emplace_back(id, suffrage, limits);
  }
  voters_ = conf.voters.size();
}

const Progress* Tracker::Find(NodeId id) const {
  for (const Progress& member : members_) {
    if (member.id() == id) return &member;
  }
  return nullptr;
}

Progress* Tracker::Find(NodeId id) {
  return const_cast<Progress*>(static_cast<const Tracker*>(this)->Find(id));
}

bool Tracker::IsVoter(NodeId id) const {
  const Progress* member = Find(id);
  return member != nullptr && member->is_voter();
}

void Tracker::Reset(LogIndex last) {
  for (Progress& member : members_) member.Reset(last);
}

void Tracker::ResetVotes() {
  for (Progress& member : members_) member.vote.reset();
}

void Tracker::RecordVote(NodeId id, bool granted) {
  Progress* member = Find(id);
  if (member != nullptr && !member->vote) member->vote = granted;
}

VoteResult Tracker::CountVotes() const {
  VoteCount count{.voters = voters_};
  for (const Progress& member : members_) {
    if (!member.is_voter() || !member.vote) continue;
    ++(*member.vote ? count.granted : count.rejected);
  }
  return MajorityVote(count);
}

template <typename Value>
uint64_t Tracker::Reached(Value value) const {
  absl::InlinedVector<uint64_t, 8> values;
  for (const Progress& member : members_) {
    if (member.is_voter()) values.push_back(value(member));
  }
  return MajorityReached(std::span(values.data(), values.size()));
}

LogIndex Tracker::CommittedIndex() const {
  return LogIndex{Reached([](const Progress& member) { return member.match().value(); })};
}

uint64_t Tracker::ConfirmedReadRound() const {
  return Reached([](const Progress& member) { return member.read_round; });
}

bool Tracker::TakeQuorumActive(NodeId self) {
  VoteCount heard{.voters = voters_};
  for (Progress& member : members_) {
    if (member.is_voter() && (member.recent_active || member.id() == self)) ++heard.granted;
    member.recent_active = member.id() == self;
  }
  return MajorityVote(heard) == VoteResult::kWon;
}

}  // namespace keelson::raft
