// RaftInvariants: what raft promises, checked on whole members at the edges of raft: what is handed
// to the log, what is on the disk, what leaves, what is applied. The numbers are those of
// docs/simulation.md: 1 to 3, 5, 9 to 14 and 17; tests/simulation/raft checks these and the rest on
// raft alone, from within. A log is compared by the hash of all of it, as there.
//
// Members are known by their numbers.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_RAFT_INVARIANTS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_RAFT_INVARIANTS_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "raft/types.h"
#include "server/node.h"
#include "storage/raft_log.h"
#include "tests/simulation/raft/chained_log.h"

namespace keelson::simulation {

class RaftInvariants {
 public:
  struct Environment {
    std::function<void(int n, const std::string& invariant)> broken;
    std::function<int(NodeId)> number_of;  // 0: nobody's
  };
  explicit RaftInvariants(Environment environment) : environment_(std::move(environment)) {}

  // A life begins with this log.
  void OnStart(int n, const storage::RaftLog& log);
  // The disk of the member need not have any more what it had. (What it has acknowledged still
  // counts: a leader may be about to hear of it.)
  void OnDamaged(int n) { members_[n].damaged = true; }
  void OnWrite(int n, const server::Node& node, const storage::LogAppend& append);
  // All of it was written; it is on the disk, and all before it, if one of them was to be.
  void OnWritten(int n, absl::Span<const storage::LogAppend> group);
  void OnSend(int n, const server::Node& node, const raft::Message& message);
  void OnApplied(int n, const server::Node& node, LogIndex index);

 private:
  using Log = raft::simulation::ChainedLog;

  struct Image {
    storage::LogState state;
    Log log;
    bool Holds(LogIndex index, uint64_t hash) const {
      return log.base().index > index || log.HashAt(index) == hash;
    }
  };
  struct Member {
    Image handed;                              // to the log
    Image durable;                             // at least
    std::vector<storage::LogAppend> unsynced;  // written
    LogIndex commit;
    Term term;
    bool damaged = false;
  };
  struct TermRecord {
    int leader = 0;
    std::map<int, NodeId> votes;  // that have left, by voter
    LogIndex first;               // of its entries, which all have their hash
    std::vector<uint64_t> hashes;
  };
  struct Committed {
    Term term;
    Term seen_in;  // of the leader that committed it
    uint64_t hash = 0;
  };

  void Observe(int n, const server::Node& node);
  void Commit(int n, const server::Node& node, Term term);
  void CheckElected(int n, const server::Node& node);
  void CheckState(int n, const storage::LogState& state);
  void LearnOfLeader(int n, Term term);
  void CheckEntry(int n, const server::Node& node, const raft::Entry& entry, uint64_t hash);
  void CheckVote(int n, const raft::Message& message, const raft::VoteResponse& response);
  void CheckAcknowledgement(int n, const raft::Message& message,
                            const raft::AppendResponse& response);
  bool IsDurableAtQuorum(const raft::ConfState& conf, LogIndex index, uint64_t hash) const;
  // Carries out the append; false: it does not fit. A reset takes its hash from what is committed.
  bool Take(const storage::LogAppend& append, Image& image) const;
  uint64_t CommittedHash(LogIndex index) const {
    return index.value() == 0 ? 0 : committed_[index.value() - 1].hash;
  }
  LogIndex last_committed() const { return LogIndex(committed_.size()); }
  void Fail(int n, const std::string& what) { environment_.broken(n, what); }

  const Environment environment_;
  std::map<int, Member> members_;
  std::map<uint64_t, TermRecord> terms_;
  std::vector<Committed> committed_;  // of the index - 1
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_RAFT_INVARIANTS_H_
