#include "tests/simulation/raft/ledger.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::raft::simulation {
namespace {

bool IsMajority(const std::vector<NodeId>& half, MemberSet set) {
  size_t count = 0;
  for (NodeId id : half) count += (set & SetOf(id)) != 0 ? 1 : 0;
  return half.empty() || count > half.size() / 2;
}

}  // namespace

bool Contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool IsVoter(const ConfState& conf, NodeId id) {
  return Contains(conf.voters, id) || Contains(conf.voters_outgoing, id);
}

bool IsMember(const ConfState& conf, NodeId id) {
  return IsVoter(conf, id) || Contains(conf.learners, id);
}

MemberSet VotersOf(const ConfState& conf) {
  MemberSet set = 0;
  for (NodeId id : conf.voters) set |= SetOf(id);
  for (NodeId id : conf.voters_outgoing) set |= SetOf(id);
  return set;
}

MemberSet MembersOf(const ConfState& conf) {
  MemberSet set = VotersOf(conf);
  for (NodeId id : conf.learners) set |= SetOf(id);
  return set;
}

bool IsQuorum(const ConfState& conf, MemberSet set) {
  return IsMajority(conf.voters, set) && IsMajority(conf.voters_outgoing, set);
}

Ledger::Ledger(const AppliedState& state) : base_(state) {
  confs_.push_back({state.id.index, state.conf});
  ever_members_ = MembersOf(state.conf);
}

void Ledger::RecordApplied(LogIndex index, const ConfState& conf) {
  KV_CHECK_EQ(index, applied() + 1);
  applied_ = index;
  if (conf == newest_conf()) return;
  confs_.push_back({index, conf});
  ever_members_ |= MembersOf(conf);
}

const ConfState& Ledger::ConfAt(LogIndex index) const {
  for (size_t i = confs_.size(); i > 1; --i) {
    if (confs_[i - 1].first <= index) return confs_[i - 1].second;
  }
  return confs_.front().second;
}

TermRecord& Ledger::Of(Term term) {
  KV_CHECK_LT(term.value(), 1'000'000u) << "terms grow without bound";
  if (term.value() >= terms_.size()) terms_.resize(term.value() + 1);
  return terms_[term.value()];
}

}  // namespace keelson::raft::simulation
