// Ledger: what the cluster as a whole has done, as only the simulator can know it: every entry ever
// committed, the configuration at every applied index, and of every term its leader, its votes and
// its entries. Nothing is ever taken back here.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_LEDGER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "raft/types.h"
#include "tests/simulation/raft/disk.h"
#include "tests/simulation/raft/member.h"

namespace keelson::raft::simulation {

// A set of members.
using MemberSet = uint32_t;
constexpr MemberSet SetOf(NodeId id) { return MemberSet{1} << id.value(); }

bool Contains(const std::vector<NodeId>& ids, NodeId id);
// In either half.
bool IsVoter(const ConfState& conf, NodeId id);
bool IsMember(const ConfState& conf, NodeId id);
MemberSet VotersOf(const ConfState& conf);
MemberSet MembersOf(const ConfState& conf);
// `set` holds a majority of every half that is not empty; others than voters do not count.
bool IsQuorum(const ConfState& conf, MemberSet set);

struct TermRecord {
  NodeId leader = {};
  MemberSet candidates = 0;
  std::array<NodeId, kMembersMax + 1> vote = {};        // that left the voter, by voter
  std::array<MemberSet, kMembersMax + 1> granted = {};  // that reached the candidate, by candidate
  // The entries of the term, by all logs: the hash of the log up to each.
  LogIndex first = {};
  std::vector<uint64_t> hashes = {};
};

class Ledger {
 public:
  struct Committed {
    Term term;
    Term seen_in;  // of the leader that committed it
    uint64_t hash = 0;
  };

  // Everything begins with `state`.
  explicit Ledger(const AppliedState& state);

  LogIndex last() const { return base_.id.index + committed_.size(); }
  LogIndex base() const { return base_.id.index; }
  uint64_t last_hash() const { return committed_.empty() ? base_.hash : committed_.back().hash; }
  // REQUIRES: base() < index <= last().
  const Committed& At(LogIndex index) const {
    return committed_[static_cast<size_t>(index - base_.id.index) - 1];
  }
  // REQUIRES: base() <= index <= last().
  uint64_t HashAt(LogIndex index) const {
    return index == base_.id.index ? base_.hash : At(index).hash;
  }
  void Commit(const Committed& entry) { committed_.push_back(entry); }

  // What was applied by whoever was first; `conf` results. REQUIRES: index == applied() + 1.
  void RecordApplied(LogIndex index, const ConfState& conf);
  LogIndex applied() const { return applied_ ? applied_ : base_.id.index; }
  // REQUIRES: base() <= index <= applied().
  const ConfState& ConfAt(LogIndex index) const;
  const ConfState& newest_conf() const { return confs_.back().second; }
  // The newest change of configuration.
  LogIndex newest_conf_index() const { return confs_.back().first; }
  // Members of any configuration so far.
  MemberSet ever_members() const { return ever_members_; }

  TermRecord& Of(Term term);
  Term newest_term() const { return Term{terms_.empty() ? 0 : terms_.size() - 1}; }

 private:
  const AppliedState base_;
  std::vector<Committed> committed_;
  LogIndex applied_;
  std::vector<std::pair<LogIndex, ConfState>> confs_;  // where it changed
  MemberSet ever_members_ = 0;
  std::vector<TermRecord> terms_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_LEDGER_H_
