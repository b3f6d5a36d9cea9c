// Clients: what is asked of the cluster: proposals with payloads that never repeat, reads, and
// changes of membership, legal and not, of any running member.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_CLIENTS_H_
#define KEELSON_TESTS_SIMULATION_RAFT_CLIENTS_H_

#include <cstdint>
#include <vector>

#include "raft/types.h"
#include "tests/simulation/raft/world.h"

namespace keelson::raft::simulation {

class Clients {
 public:
  explicit Clients(World& world) : world_(world), dice_(world.dice()) {}

  // One request, drawn.
  void Act();
  // `count` commands with payloads that were never used.
  ProposeResult Propose(Member& member, uint64_t count);
  void ProposeConfChange(Member& member);

 private:
  ConfChange DrawConfChange(NodeId leader);
  ConfChange DrawIllegal(const ConfState& conf);
  ConfChange DrawReplaceLeader(const ConfState& conf, NodeId leader);
  ConfChange DrawSeveral(const ConfState& conf);
  ConfChangeStep DrawStep(const ConfState& conf);
  // A member that has never been one, started if it must be; 0: there are no more.
  NodeId FreshMember();

  World& world_;
  Dice& dice_;
  uint64_t next_payload_ = 1;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_CLIENTS_H_
