// World: the members, the network between them, and time. It carries out what the cores want and
// what others (the adversary, the clients) do to them, draws how long everything takes, and tells
// the checker of each step. An input reaches a core only through here.
//
// The run of one event: the core gets one input -> the checker compares its state with the one
// before -> the Readys are taken, now or after more inputs -> what they say is checked and put
// under way.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_WORLD_H_
#define KEELSON_TESTS_SIMULATION_RAFT_WORLD_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "raft/raw_node.h"
#include "raft/types.h"
#include "tests/simulation/raft/checker.h"
#include "tests/simulation/raft/counters.h"
#include "tests/simulation/raft/dice.h"
#include "tests/simulation/raft/event_queue.h"
#include "tests/simulation/raft/invariants.h"
#include "tests/simulation/raft/ledger.h"
#include "tests/simulation/raft/member.h"
#include "tests/simulation/raft/network.h"
#include "tests/simulation/raft/observation.h"
#include "tests/simulation/raft/options.h"
#include "tests/simulation/raft/trace.h"

namespace keelson::raft::simulation {

class World {
 public:
  World(const Options& options, Dice& dice, Trace& trace);

  // ---- time
  Time now() const { return now_; }
  bool HasEvents() const { return !queue_.empty(); }
  // The next event; those of the adversary and of the clients are theirs to carry out.
  Event TakeEvent();
  void Run(const Event& event);
  void Schedule(EventKind kind, Time delay) { queue_.Add({.at = now_ + delay, .kind = kind}); }
  uint64_t events() const { return events_; }
  void AtEnd() { checker_.AtEnd(); }

  // ---- inputs. REQUIRES: the member is running.
  ProposeResult Propose(Member& member, std::vector<Proposal> proposals);
  ProposeResult ProposeConfChange(Member& member, const ConfChange& change);
  void RequestRead(Member& member);
  void TransferLeadership(Member& member, NodeId to);
  void ForgetLeader(Member& member);
  void Campaign(Member& member);
  void ReportUnreachable(Member& member, NodeId peer);
  void JumpClock(Member& member, uint64_t ticks);

  // ---- fates
  // A new member without log and configuration. REQUIRES: CanAddMember().
  Member& AddMember();
  bool CanAddMember() const { return members_.size() < kMembersMax; }
  void Crash(Member& member);
  void ScheduleRestart(Member& member, Time delay);
  void Restart(Member& member);
  // Was removed, and is not needed any more.
  void Stop(Member& member);
  void Pause(Member& member, Time length);
  void Resume(Member& member);
  void StallDisk(Member& member, Time length) { member.disk_stalled_until = now_ + length; }
  void StallApply(Member& member, Time length) { member.apply_stalled_until = now_ + length; }
  void Flush(Member& member);
  // Drops the log up to `index`, or as far as the state is durable.
  void Compact(Member& member, LogIndex index);
  // Everything is well from now on; who may run, runs.
  void StopFaults();

  // ---- what is
  const Options& options() const { return options_; }
  Members& members() { return members_; }
  Member& Get(NodeId id) { return *members_[id.value() - 1]; }
  Network& network() { return network_; }
  const Ledger& ledger() const { return ledger_; }
  const Checker& checker() const { return checker_; }
  Counters& counters() { return counters_; }
  Verdict& verdict() { return verdict_; }
  Trace& trace() { return trace_; }
  Dice& dice() { return dice_; }
  bool failed() const { return verdict_.failed(); }
  void Fail(Invariant invariant, std::string what) { verdict_.Fail(invariant, std::move(what)); }
  uint64_t hash() const { return hash_; }
  // The running leader of the latest term; nullptr: none.
  Member* Leader();
  // One of those for which `condition` holds, by chance; nullptr: there is none.
  template <typename Condition>
  Member* Any(Condition condition);
  // A running member that takes itself for a leader, by chance; nullptr: none.
  Member* AnyLeader();
  // A running member by chance; nullptr: none.
  Member* AnyRunning();
  // No change of membership is in its log and not applied.
  bool IsFreeOfChanges(const Member& member) const;
  // Was a member, is not any more, and no voter could need it to learn that.
  bool IsDrained(const Member& member) const;

 private:
  void AddTo(NodeId id, DiskImage image);
  void ScheduleFor(Member& member, EventKind kind, Time delay, uint64_t detail = 0);
  void ScheduleTick(Member& member, Time delay) { ScheduleFor(member, EventKind::kTick, delay); }

  // The core of `member` got an input.
  void AfterInput(Member& member, Cause cause, const Message* message = nullptr);
  void TakeReadys(Member& member);
  void CarryOut(Member& member, Ready ready);
  void Leave(Member& member, Message message);
  void ScheduleSnapshotReport(const Message& message, bool arrived);

  void RunTick(Member& member);
  void RunDeliver(const Event& event);
  void RunDisk(Member& member);
  void RunAcknowledge(Member& member);
  void RunApply(Member& member);
  void RunSnapshotReport(Member& member, uint64_t detail);
  void ApplyNext(Member& member);
  ConfState ApplyConfChangeEntry(Member& member, const Entry& entry);
  void DropOvertaken(Member& member, LogIndex index);
  Time DrawDiskDelay(const SimulatedDisk& disk);
  Time DrawApplyDelay();

  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3; }
  void Tell(NodeId member, const std::string& text) { trace_.Add(now_, member, text); }

  Options options_;
  Dice& dice_;
  Trace& trace_;
  EventQueue queue_;
  Network network_;
  Members members_;
  Ledger ledger_;
  Verdict verdict_;
  Counters counters_;
  Checker checker_;
  Time now_ = 0;
  uint64_t events_ = 0;
  uint64_t next_read_ = 1;
  uint64_t hash_ = 0xcbf29ce484222325;
};

template <typename Condition>
Member* World::Any(Condition condition) {
  const size_t first = static_cast<size_t>(dice_.Below(members_.size()));
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = *members_[(first + i) % members_.size()];
    if (condition(member)) return &member;
  }
  return nullptr;
}

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_WORLD_H_
