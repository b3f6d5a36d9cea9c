// Checker: everything that must hold after every event. The World tells it what happens; it asks
// the core for its state after each input and lets the parts judge the difference.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_CHECKER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_CHECKER_H_

#include <cstdint>

#include "raft/types.h"
#include "tests/simulation/raft/election_checker.h"
#include "tests/simulation/raft/log_checker.h"
#include "tests/simulation/raft/observation.h"
#include "tests/simulation/raft/read_checker.h"

namespace keelson::raft::simulation {

class Checker {
 public:
  explicit Checker(CheckContext context)
      : context_(context), logs_(context), elections_(context, logs_), reads_(context) {}

  // A life begins or ends.
  void OnStart(const Member& member);
  void OnCrash(const Member& member);
  // `message` is what was stepped, for Cause::kMessage.
  void AfterInput(const Member& member, Cause cause, const Message* message = nullptr);
  void OnReady(const Member& member, const Ready& ready);
  void AfterReadys(const Member& member);
  void OnLeave(const Member& from, const Message& message);
  // Before it is stepped.
  void OnArrive(const Member& to, const Message& message);
  void OnApplied(const Member& member, const Entry& entry) { logs_.OnApplied(member, entry); }
  void OnConfChangeApplied(const Member& member, LogIndex index);
  void OnUnreachable(const Member& member, NodeId peer) { logs_.OnUnreachable(member, peer); }
  void OnReadRequested(const Member& member, uint64_t context);
  void AtEnd() { elections_.CountSplitVotes(); }
  // Events are numbered by the World.
  void set_event(uint64_t event) { event_ = event; }

  // As of the last input.
  const Seen& SeenOf(NodeId id) const { return seen_[id.value()]; }
  const LogChecker& logs() const { return logs_; }
  const ReadChecker& reads() const { return reads_; }

 private:
  CheckContext context_;
  LogChecker logs_;
  ElectionChecker elections_;
  ReadChecker reads_;
  PerMember<Seen> seen_ = {};
  uint64_t event_ = 0;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_CHECKER_H_
