// LogChecker: logs, commitment, what is applied, snapshots, and what leaders believe of their
// followers: invariants 2, 4, 5, 8, 11-14, 16, 17, 20 and 28. Keeps the log of each member as the
// core has handed it out; all comparisons are of one hash, so that each costs the same whatever the
// logs' length.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_LOG_CHECKER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_LOG_CHECKER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "raft/types.h"
#include "tests/simulation/raft/chained_log.h"
#include "tests/simulation/raft/observation.h"

namespace keelson::raft::simulation {

class LogChecker {
 public:
  explicit LogChecker(CheckContext context) : context_(context) {}

  void OnStart(const Member& member);
  void AfterInput(const Observation& o);
  // Before the Ready is carried out.
  void OnReady(const Member& member, const Ready& ready);
  // All Readys are taken: the log handed out is the core's.
  void AfterReadys(const Member& member);
  void OnLeave(const Member& from, const Message& message);
  void OnArrive(const Member& to, const Message& message);
  // The state machine of `member` has taken `entry`.
  void OnApplied(const Member& member, const Entry& entry);
  // The entry was given to the core, or rejected by the layer above.
  void OnConfChangeApplied(const Member& member, LogIndex index);
  void OnUnreachable(const Member& member, NodeId peer);

  const ChainedLog& LogOf(NodeId id) const { return handed_[id.value()].log; }
  // In (applied, commit] of the log handed out.
  bool HasUnappliedConfChange(NodeId id, LogIndex applied, LogIndex commit) const;

 private:
  // What the core of a member has handed out in this life.
  struct Handed {
    ChainedLog log = {};
    std::vector<LogIndex> conf_changes = {};  // in the log
    LogIndex conf_applied = {};               // the newest change that took effect
    LogIndex to_apply = {};
    uint64_t ready_number = 0;
  };
  // AppendRequests to a peer since it was last heard, and in how many ticks.
  struct Flow {
    int64_t appends = 0;
    int64_t ticks = 0;
    LogIndex commit = {};
  };

  void CheckBounds(const Observation& o);
  void ExtendLedger(const Observation& o);
  void CheckProgress(const Observation& o);
  void CheckProgressOf(const Observation& o, const ProgressStatus& peer);
  void CheckHardState(const Member& member, const HardState& state, LogIndex last);
  void CheckSnapshotWrite(const Member& member, const Snapshot& snapshot);
  void CheckEntriesWrite(const Member& member, const std::vector<Entry>& entries);
  void CheckTruncation(const Member& member, LogIndex first);
  void CheckAppended(const Member& member, const Entry& entry);
  void RegisterEntry(const Member& member, const Entry& entry, uint64_t hash);
  void CheckCommitted(const Member& member, const std::vector<Entry>& committed);
  void CheckSnapshot(const Member& member, const Snapshot& snapshot);
  void CheckAppendAck(const Member& from, const Message& message, const AppendResponse& response);
  void CheckFlow(const Member& from, const Message& message, const AppendRequest& append);
  void CheckConf(const Member& member);
  void CheckConfAt(const Member& member, LogIndex index, const ConfState& conf);
  void CountConfChange(const Member& member, const ConfState& from, const ConfState& to);
  Handed& Of(const Member& member) { return handed_[member.id.value()]; }
  void Fail(Invariant invariant, const std::string& what) {
    context_.verdict.Fail(invariant, what);
  }

  CheckContext context_;
  PerMember<Handed> handed_ = {};
  PerMember<PerMember<Flow>> flows_ = {};  // [from][to]
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_LOG_CHECKER_H_
