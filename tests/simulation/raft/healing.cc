#include "tests/simulation/raft/healing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/conf_change.h"
#include "raft/testing/describe.h"

namespace keelson::raft::simulation {

void Healing::Run() {
  world_.StopFaults();
  if (world_.failed() || !DemandLeader()) return;
  if (!DemandConfChangesDone() || !DemandConvergence(Invariant::kConverges)) return;
  if (!DemandCommits() || !DemandReads()) return;
  if (dice_.Percent(40)) TransferLeadership();
  if (!world_.failed() && dice_.Percent(40)) CutOffFollower();
  if (!world_.failed() && dice_.Percent(25)) CutOffLeader();
}

// ---------------------------------------------------------------------------------------------
// time

bool Healing::RunUntil(Time bound, const std::function<bool()>& done) {
  const Time end = world_.now() + bound;
  Time next_look = world_.now();
  while (!world_.failed() && world_.HasEvents()) {
    if (world_.now() >= next_look) {
      Tend();
      if (world_.failed()) return false;
      if (done()) return true;
      next_look = world_.now() + kTickTime / 2;
    }
    if (world_.now() > end) return false;
    const Event event = world_.TakeEvent();
    if (event.member) world_.Run(event);
  }
  return false;
}

void Healing::RunFor(Time length) {
  const Time end = world_.now() + length;
  RunUntil(length + kTickTime, [&] { return world_.now() >= end; });
}

bool Healing::Demand(Invariant invariant, Time bound, const std::string& what,
                     const std::function<bool()>& done) {
  if (IsDisturbed()) bound *= 4;
  if (RunUntil(bound, done)) return true;
  if (!world_.failed()) {
    world_.Fail(invariant,
                absl::StrCat(what, " within ", bound / kTickTime, " ticks\n", DescribeMembers()));
  }
  return false;
}

void Healing::Tend() {
  for (size_t i = 0; i < world_.members().size(); ++i) {
    Member& member = *world_.members()[i];
    world_.Flush(member);
    if (!member.stopped && world_.IsDrained(member)) world_.Stop(member);
    if (member.stopped && IsMember(world_.ledger().newest_conf(), member.id)) {
      world_.Restart(member);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// what must come true

bool Healing::DemandLeader() {
  return Demand(Invariant::kLeaderElected, 10 * Timeout(), "no leader",
                [&] { return HasLeader(); });
}

bool Healing::DemandConfChangesDone() {
  Time next_leave = world_.now();
  return Demand(Invariant::kConfChangeCompletes, 20 * Timeout(),
                "a change of membership is not done", [&] {
                  Member* leader = world_.Leader();
                  if (leader == nullptr) return false;
                  const Status status = leader->raft->status();
                  if (!world_.IsFreeOfChanges(*leader)) return false;
                  const bool removed = !IsVoter(status.conf, leader->id);
                  if (removed && leader->config.step_down_on_removal) return false;
                  if (!status.conf.IsJoint()) return status.conf == world_.ledger().newest_conf();
                  if (!status.conf.auto_leave && world_.now() >= next_leave) {
                    next_leave = world_.now() + Timeout();
                    world_.ProposeConfChange(*leader, {});
                  }
                  return false;
                });
}

bool Healing::DemandConvergence(Invariant invariant) {
  const auto entries = static_cast<Time>(world_.ledger().last().value());
  return Demand(invariant, 20 * Timeout() + 2 * entries * kTickTime, "members do not converge",
                [&] { return IsConverged(); });
}

// At every member, for it must arrive wherever it starts.
bool Healing::DemandCommits() {
  for (size_t i = 0; i < world_.members().size(); ++i) {
    Member& member = *world_.members()[i];
    LogIndex target = {};
    Time next_try = world_.now();
    if (!member.running() || !IsMember(world_.ledger().newest_conf(), member.id)) continue;
    const bool committed =
        Demand(Invariant::kProposalCommits, 10 * Timeout(),
               absl::StrCat("a proposal at m", member.id.value(), " does not commit"), [&] {
                 if (target && world_.ledger().last() >= target) return true;
                 if (world_.now() < next_try) return false;
                 const LogIndex before = world_.ledger().last();
                 const ProposeResult result = clients_.Propose(member, 1);
                 const bool sent =
                     result == ProposeResult::kAccepted || result == ProposeResult::kForwarded;
                 target = sent ? before + 1 : LogIndex{0};
                 next_try = world_.now() + (sent ? 2 * Timeout() : kTickTime);
                 return false;
               });
    if (!committed) return false;
  }
  return true;
}

bool Healing::DemandReads() {
  const auto granted = [&] {
    return world_.counters().count(static_cast<size_t>(Reached::kReadsGranted));
  };
  for (size_t i = 0; i < world_.members().size(); ++i) {
    Member& member = *world_.members()[i];
    if (!member.running() || !IsMember(world_.ledger().newest_conf(), member.id)) continue;
    const uint64_t before = granted();
    Time next_try = world_.now();
    const bool answered =
        Demand(Invariant::kProposalCommits, 10 * Timeout(),
               absl::StrCat("a read at m", member.id.value(), " is not answered"), [&] {
                 if (granted() > before) return true;
                 if (world_.now() >= next_try && !world_.checker().reads().IsWaiting(member.id)) {
                   next_try = world_.now() + kTickTime;
                   world_.RequestRead(member);
                 }
                 return granted() > before;
               });
    if (!answered) return false;
  }
  return true;
}

void Healing::TransferLeadership() {
  Member* leader = world_.Leader();
  const NodeId to = PickVoter().id;
  // One that hears nothing of it cannot take over: it must be given up.
  const bool deaf =
      to != leader->id && world_.ledger().newest_conf().voters.size() >= 3 && dice_.Percent(30);
  world_.network().SetIsolated(to, deaf);
  world_.TransferLeadership(*leader, to);
  const bool ended =
      Demand(Invariant::kTransferEnds, 3 * Timeout(), "a transfer does not end", [&] {
        const bool handed_over = leader->raft->role() != Role::kLeader;
        return (handed_over || !leader->raft->status().transferee) && (deaf || HasLeader());
      });
  world_.network().SetIsolated(to, false);
  if (ended) DemandConvergence(Invariant::kConverges);
}

void Healing::CutOffFollower() {
  Member& cut_off = PickVoter();
  if (world_.trace().on()) world_.trace().Add(world_.now(), cut_off.id, "is cut off");
  world_.network().SetIsolated(cut_off.id, true);
  const bool compact = dice_.Percent(60);
  for (int i = 0; i < 6 && !world_.failed(); ++i) {
    RunFor(kTickTime * dice_.Between(1, world_.options().config.election_timeout_ticks / 2));
    Member* leader = world_.Leader();
    if (leader == nullptr || leader->id == cut_off.id) continue;
    clients_.Propose(*leader, 2);
    if (compact) world_.Compact(*leader, leader->disk.state().id.index);
  }
  if (world_.failed()) return;
  const auto installed = [&] {
    return world_.counters().count(static_cast<size_t>(Reached::kSnapshotsInstalled));
  };
  const uint64_t before = installed();
  world_.network().MendAll();
  if (world_.trace().on()) world_.trace().Add(world_.now(), cut_off.id, "is connected again");
  if (!DemandConvergence(Invariant::kRecovers)) return;
  world_.counters().Add(installed() > before ? Reached::kHealedCatchUpBySnapshot
                                             : Reached::kHealedCatchUpByLog);
}

// What is proposed to a leader that reaches nobody must not pile up without bound.
void Healing::CutOffLeader() {
  Member* leader = world_.Leader();
  if (leader == nullptr) return;
  if (world_.trace().on()) world_.trace().Add(world_.now(), leader->id, "is cut off");
  world_.network().SetIsolated(leader->id, true);
  for (int i = 0; i < 30 && !world_.failed(); ++i) {
    RunFor(kTickTime / 2);
    if (!world_.failed()) clients_.Propose(*leader, 1);
  }
  if (world_.failed()) return;
  world_.network().MendAll();
  DemandConvergence(Invariant::kRecovers);
}

// ---------------------------------------------------------------------------------------------
// what is

bool Healing::HasLeader() {
  const Member* leader = world_.Leader();
  if (leader == nullptr) return false;
  MemberSet followers = 0;
  for (const auto& member : world_.members()) {
    const bool follows = member->running() && member->raft->leader() == leader->id &&
                         member->raft->term() == leader->raft->term();
    if (follows) followers |= SetOf(member->id);
  }
  return IsQuorum(leader->raft->conf(), followers);
}

bool Healing::IsConverged() {
  const Member* leader = world_.Leader();
  if (leader == nullptr || IsDisturbed()) return false;
  const Status status = leader->raft->status();
  if (status.commit != status.last || status.commit != world_.ledger().last()) return false;
  if (!(status.conf == world_.ledger().newest_conf())) return false;
  for (const ProgressStatus& progress : status.progress) {
    if (progress.id == leader->id) continue;
    if (progress.state != ProgressState::kReplicate || progress.match != status.last) return false;
  }
  return std::all_of(world_.members().begin(), world_.members().end(), [&](const auto& member) {
    if (!IsMember(status.conf, member->id)) return true;
    return member->running() && member->raft->leader() == leader->id &&
           member->raft->commit() == status.commit &&
           member->disk.state().id.index == status.commit;
  });
}

bool Healing::IsDisturbed() {
  const Ledger& ledger = world_.ledger();
  return std::any_of(world_.members().begin(), world_.members().end(), [&](const auto& member) {
    const bool was = (ledger.ever_members() & SetOf(member->id)) != 0;
    return member->running() && was && !IsMember(ledger.newest_conf(), member->id);
  });
}

Member& Healing::PickVoter() {
  return world_.Get(dice_.Pick(world_.ledger().newest_conf().voters));
}

std::string Healing::DescribeMembers() {
  std::string text = absl::StrCat("committed ", world_.ledger().last().value(), ", newest ",
                                  Describe(world_.ledger().newest_conf()), "\n");
  for (const auto& member : world_.members()) {
    absl::StrAppend(&text, "m", member->id.value(), ": ");
    if (!member->alive()) {
      absl::StrAppend(&text, member->stopped ? "stopped\n" : "down\n");
      continue;
    }
    const Status status = member->raft->status();
    absl::StrAppend(&text, std::string(Describe(status.role)), " term ", status.term.value(),
                    " leader m", status.leader.value(), " last ", status.last.value(), " commit ",
                    status.commit.value(), " applied ", status.applied.value(), " ",
                    Describe(status.conf), "\n");
    for (const ProgressStatus& peer : status.progress) {
      absl::StrAppend(&text, "    m", peer.id.value(), " ", std::string(Describe(peer.state)),
                      " match ", peer.match.value(), " next ", peer.next.value(),
                      peer.paused ? " paused" : "", "\n");
    }
  }
  return text;
}

}  // namespace keelson::raft::simulation
