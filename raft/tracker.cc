#include "raft/tracker.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "raft/conf_change.h"

namespace keelson::raft {
namespace {

bool Has(const std::vector<NodeId>& ascending, NodeId id) {
  return std::binary_search(ascending.begin(), ascending.end(), id);
}

std::vector<NodeId> MembersOf(const ConfState& conf) {
  std::vector<NodeId> ids = conf.voters;
  ids.insert(ids.end(), conf.voters_outgoing.begin(), conf.voters_outgoing.end());
  ids.insert(ids.end(), conf.learners.begin(), conf.learners.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

Tracker::Tracker(const ConfState& conf, const InflightLimits& limits) : limits_(limits) {
  SetConf(conf, LogIndex{0});
}

void Tracker::SetConf(const ConfState& conf, LogIndex last) {
  const absl::Status legal = CheckConf(conf);
  KV_CHECK(legal.ok()) << legal.message();
  conf_ = conf;
  std::vector<Progress> before = std::exchange(members_, {});
  auto old = before.begin();
  for (NodeId id : MembersOf(conf_)) {
    const Suffrage suffrage{.incoming = Has(conf_.voters, id),
                            .outgoing = Has(conf_.voters_outgoing, id)};
    while (old != before.end() && old->id() < id) ++old;
    if (old != before.end() && old->id() == id) {
      members_.push_back(std::move(*old));
      members_.back().SetSuffrage(suffrage);
      continue;
    }
    members_.emplace_back(id, suffrage, limits_).Reset(last);
    members_.back().recent_active = true;
  }
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

template <typename Answer>
VoteResult Tracker::Poll(Answer answer) const {
  VoteCount incoming{.voters = conf_.voters.size()};
  VoteCount outgoing{.voters = conf_.voters_outgoing.size()};
  for (const Progress& member : members_) {
    const bool learner = KV_PLANTED("learner-keeps-leader") && !member.is_voter();
    if (learner) ++incoming.voters;
    const std::optional<bool> granted = answer(member);
    if (!granted) continue;
    if (member.suffrage().incoming || learner) ++(*granted ? incoming.granted : incoming.rejected);
    if (member.suffrage().outgoing) ++(*granted ? outgoing.granted : outgoing.rejected);
  }
  if (KV_PLANTED("joint-election-one-majority")) return MajorityVote(incoming);
  return JointVote(MajorityVote(incoming), MajorityVote(outgoing));
}

VoteResult Tracker::CountVotes() const {
  return Poll([](const Progress& member) { return member.vote; });
}

template <typename Value>
uint64_t Tracker::Reached(Value value) const {
  absl::InlinedVector<uint64_t, 8> incoming;
  absl::InlinedVector<uint64_t, 8> outgoing;
  for (const Progress& member : members_) {
    const bool learner = KV_PLANTED("learner-counted") && !member.is_voter();
    if (member.suffrage().incoming || learner) incoming.push_back(value(member));
    if (member.suffrage().outgoing) outgoing.push_back(value(member));
  }
  if (KV_PLANTED("joint-commit-one-majority")) outgoing.clear();
  return JointReached(MajorityReached(std::span(incoming.data(), incoming.size())),
                      MajorityReached(std::span(outgoing.data(), outgoing.size())));
}

LogIndex Tracker::CommittedIndex() const {
  return LogIndex{Reached([](const Progress& member) { return member.match().value(); })};
}

uint64_t Tracker::ConfirmedReadRound() const {
  return Reached([](const Progress& member) { return member.read_round; });
}

bool Tracker::TakeQuorumActive(NodeId self) {
  const VoteResult heard = Poll([&](const Progress& member) {
    const bool miscounted =
        KV_PLANTED("check-quorum-off-by-one") && member.id() == members_.front().id();
    return std::optional<bool>(member.recent_active || member.id() == self || miscounted);
  });
  for (Progress& member : members_) member.recent_active = member.id() == self;
  return heard == VoteResult::kWon;
}

}  // namespace keelson::raft
