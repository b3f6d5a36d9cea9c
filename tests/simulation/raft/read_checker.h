// ReadChecker: linearizable reads: invariants 7, 18 and 19. A read index must be at or after
// everything that was committed, as far as anybody knew, when the read began; and with
// ReadMode::kQuorum a majority of voters must have answered a heartbeat that was sent after that,
// whether or not the index would have been right anyway.
//
// Events are numbered, for several may happen at one time.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_READ_CHECKER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_READ_CHECKER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "raft/types.h"
#include "tests/simulation/raft/observation.h"

namespace keelson::raft::simulation {

class ReadChecker {
 public:
  explicit ReadChecker(CheckContext context) : context_(context) {}

  void OnRequested(const Member& member, uint64_t context, uint64_t event);
  void AfterInput(const Observation& o);
  void OnReady(const Member& member, const Ready& ready);
  void AfterReadys(const Member& member);
  void OnLeave(const Member& from, const Message& message, uint64_t event);
  void OnArrive(const Member& to, const Message& message, uint64_t event);
  void OnCrash(const Member& member) { waiting_[member.id.value()].clear(); }
  bool IsWaiting(NodeId id) const { return !waiting_[id.value()].empty(); }

 private:
  struct Read {
    uint64_t context = 0;
    LogIndex required = {};  // committed when it began
    uint64_t event = 0;      // when it began
    Term term = {};          // of the member when it began
    bool at_leader = false;
  };
  // Of a leader in its present term.
  struct Rounds {
    std::vector<std::pair<uint64_t, uint64_t>> sent = {};  // round, event in which it first left
    PerMember<uint64_t> confirmed = {};  // by member: the newest event it confirms leadership after
    std::map<std::pair<NodeId, uint64_t>, uint64_t> requests = {};  // of others: when they came
  };

  void Grant(const Member& member, const ReadGrant& grant);
  bool IsConfirmed(const Member& leader, uint64_t event) const;
  Read* Find(const Member& member, uint64_t context);
  void Fail(Invariant invariant, const std::string& what) {
    context_.verdict.Fail(invariant, what);
  }

  CheckContext context_;
  PerMember<std::vector<Read>> waiting_ = {};
  PerMember<Rounds> rounds_ = {};
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_READ_CHECKER_H_
