#include "tests/simulation/raft/read_checker.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "raft/testing/describe.h"

namespace keelson::raft::simulation {

void ReadChecker::OnRequested(const Member& member, uint64_t context, uint64_t event) {
  const bool at_leader = member.raft->role() == Role::kLeader;
  if (!at_leader) context_.counters.Add(Reached::kReadsForwarded);
  waiting_[member.id.value()].push_back({.context = context,
                                         .required = context_.ledger.last(),
                                         .event = event,
                                         .term = member.raft->term(),
                                         .at_leader = at_leader});
}

void ReadChecker::AfterInput(const Observation& o) {
  if (o.BecameLeader()) rounds_[o.member.id.value()] = {};
}

ReadChecker::Read* ReadChecker::Find(const Member& member, uint64_t context) {
  for (Read& read : waiting_[member.id.value()]) {
    if (read.context == context) return &read;
  }
  return nullptr;
}

void ReadChecker::OnReady(const Member& member, const Ready& ready) {
  for (const ReadGrant& grant : ready.reads) Grant(member, grant);
  for (uint64_t context : ready.dropped_reads) {
    Read* read = Find(member, context);
    if (read == nullptr) return Fail(Invariant::kLinearizableReads, "an unknown read was dropped");
    context_.counters.Add(Reached::kReadsDropped);
    *read = waiting_[member.id.value()].back();
    waiting_[member.id.value()].pop_back();
  }
}

void ReadChecker::Grant(const Member& member, const ReadGrant& grant) {
  Read* read = Find(member, grant.context);
  if (read == nullptr) {
    return Fail(Invariant::kLinearizableReads, "a read was granted twice, or not asked for");
  }
  const bool lease = context_.options.config.read_mode == ReadMode::kLease;
  context_.counters.Add(Reached::kReadsGranted);
  if (grant.index < read->required) {
    Fail(lease ? Invariant::kLeaseReads : Invariant::kLinearizableReads,
         absl::StrCat("a read at ", grant.index.value(), " that began when ",
                      read->required.value(), " was committed"));
  }
  if (grant.index > context_.ledger.last()) {
    Fail(Invariant::kLinearizableReads, "a read index that is not committed");
  }
  if (read->at_leader && !IsConfirmed(member, read->event)) {
    if (!lease) {
      Fail(Invariant::kLinearizableReads,
           "a read was granted, and no quorum of voters has confirmed the leader since it began");
    }
    context_.counters.Add(Reached::kLeaseReads);
  }
  *read = waiting_[member.id.value()].back();
  waiting_[member.id.value()].pop_back();
}

void ReadChecker::AfterReadys(const Member& member) {
  for (const Read& read : waiting_[member.id.value()]) {
    if (read.term == member.raft->term()) continue;
    return Fail(Invariant::kLinearizableReads, "a read outlives the term it was asked in");
  }
}

bool ReadChecker::IsConfirmed(const Member& leader, uint64_t event) const {
  const Rounds& rounds = rounds_[leader.id.value()];
  MemberSet confirmed = SetOf(leader.id);
  for (uint64_t id = 1; id <= kMembersMax; ++id) {
    if (rounds.confirmed[id] >= event) confirmed |= SetOf(NodeId{id});
  }
  return IsQuorum(leader.raft->conf(), confirmed);
}

void ReadChecker::OnLeave(const Member& from, const Message& message, uint64_t event) {
  Rounds& rounds = rounds_[from.id.value()];
  if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
    const uint64_t round = heartbeat->read_context;
    if (round == 0) return;
    if (rounds.sent.empty() || rounds.sent.back().first < round) {
      rounds.sent.push_back({round, event});
    }
  } else if (const auto* response = std::get_if<ReadIndexResponse>(&message.body)) {
    const auto request = rounds.requests.find({message.to, response->context});
    const bool lease = from.config.read_mode == ReadMode::kLease;
    if (lease || from.raft->role() != Role::kLeader) return;
    if (request == rounds.requests.end() || !IsConfirmed(from, request->second)) {
      Fail(Invariant::kLinearizableReads,
           absl::StrCat("answers a read that no quorum has confirmed: ", Describe(message)));
    }
  }
}

void ReadChecker::OnArrive(const Member& to, const Message& message, uint64_t event) {
  Rounds& rounds = rounds_[to.id.value()];
  if (const auto* response = std::get_if<HeartbeatResponse>(&message.body)) {
    if (response->read_context == 0 || message.term != to.raft->term()) return;
    const auto sent =
        std::find_if(rounds.sent.rbegin(), rounds.sent.rend(),
                     [&](const auto& round) { return round.first <= response->read_context; });
    if (sent == rounds.sent.rend()) return;
    uint64_t& confirmed = rounds.confirmed[message.from.value()];
    confirmed = std::max(confirmed, sent->second);
  } else if (const auto* request = std::get_if<ReadIndexRequest>(&message.body)) {
    rounds.requests.try_emplace({message.from, request->context}, event);
  }
}

}  // namespace keelson::raft::simulation
