// ElectionChecker: terms, votes, roles and leases: invariants 1, 3, 6, 7, 9, 10, 15, 19 and 21.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_ELECTION_CHECKER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_ELECTION_CHECKER_H_

#include <string>

#include "raft/types.h"
#include "tests/simulation/raft/log_checker.h"
#include "tests/simulation/raft/observation.h"

namespace keelson::raft::simulation {

class ElectionChecker {
 public:
  ElectionChecker(CheckContext context, const LogChecker& logs) : context_(context), logs_(logs) {}

  void AfterInput(const Observation& o);
  void OnLeave(const Member& from, const Message& message);
  void OnArrive(const Member& to, const Message& message);
  void OnConfChanged(const Member& member);
  // At the end of the run.
  void CountSplitVotes();

 private:
  void CheckMonotonic(const Observation& o);
  void CheckRole(const Observation& o);
  void CheckMessageLeftAlone(const Observation& o);
  void CheckCampaign(const Observation& o);
  void CheckElected(const Observation& o);
  void CheckElectionQuorum(const Observation& o);
  void CheckCheckQuorum(const Observation& o);
  void CheckLease(const Observation& o);
  void CountStepDown(const Observation& o);
  void Fail(Invariant invariant, const std::string& what) {
    context_.verdict.Fail(invariant, what);
  }

  // Of a leader: when it last heard of each member of its term, in its own ticks.
  struct Hearing {
    int64_t ticks = 0;
    PerMember<int64_t> heard = {};
  };
  struct HandOver {
    NodeId to = {};
    Term term = {};  // that the transferee is to lead
  };

  CheckContext context_;
  const LogChecker& logs_;
  PerMember<Hearing> hearing_ = {};
  PerMember<HandOver> hand_overs_ = {};  // by the leader that hands over
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_ELECTION_CHECKER_H_
