// Healing: the second phase of a run. The faults have stopped and all who may run do; now the
// cluster must make progress within bounds of virtual time: invariants 22 to 28. The bounds are
// counted in election timeouts of the slowest member; docs/simulation.md has the table.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_HEALING_H_
#define KEELSON_TESTS_SIMULATION_RAFT_HEALING_H_

#include <cstdint>
#include <functional>
#include <string>

#include "tests/simulation/raft/clients.h"
#include "tests/simulation/raft/world.h"

namespace keelson::raft::simulation {

class Healing {
 public:
  Healing(World& world, Clients& clients) : world_(world), clients_(clients), dice_(world.dice()) {}

  void Run();

 private:
  // Lets time pass until `done`; false: it did not come true within `bound`, or the run has failed.
  bool RunUntil(Time bound, const std::function<bool()>& done);
  void RunFor(Time length);
  // As RunUntil, and the run has failed if it returns false.
  bool Demand(Invariant invariant, Time bound, const std::string& what,
              const std::function<bool()>& done);
  // What an operator does all the time: flushes, and stops those who were removed.
  void Tend();

  bool DemandLeader();
  bool DemandConfChangesDone();
  bool DemandConvergence(Invariant invariant);
  bool DemandCommits();
  bool DemandReads();
  void TransferLeadership();
  void CutOffFollower();
  void CutOffLeader();

  bool HasLeader();
  bool IsConverged();
  std::string DescribeMembers();
  // The longest election timeout of any member.
  Time Timeout() const { return 2 * world_.options().config.election_timeout_ticks * kTickTime; }
  // Members that were removed and do not know it disturb those that do not use pre-vote.
  bool IsDisturbed();
  Member& PickVoter();

  World& world_;
  Clients& clients_;
  Dice& dice_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_HEALING_H_
