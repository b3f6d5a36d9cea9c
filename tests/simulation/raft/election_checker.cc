#include "tests/simulation/raft/election_checker.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "raft/testing/describe.h"

namespace keelson::raft::simulation {
namespace {

// On behalf of a client: says nothing about terms.
bool IsRequest(const Message& message) {
  return std::holds_alternative<ProposeRequest>(message.body) ||
         std::holds_alternative<ReadIndexRequest>(message.body) ||
         std::holds_alternative<TransferRequest>(message.body);
}

bool IsPreVoteRequest(const Message& message) {
  const auto* request = std::get_if<VoteRequest>(&message.body);
  return request != nullptr && request->pre_vote;
}

// What may leave before the term it carries is durable: raft.md says why for each.
bool MayPrecedeDurableTerm(const Message& message) {
  if (IsRequest(message) || IsPreVoteRequest(message)) return true;
  if (const auto* response = std::get_if<VoteResponse>(&message.body)) {
    return response->pre_vote && response->granted;  // carries a term that nobody may be in
  }
  return std::holds_alternative<HeartbeatResponse>(message.body);
}

}  // namespace

void ElectionChecker::AfterInput(const Observation& o) {
  CheckMonotonic(o);
  CheckRole(o);
  CheckMessageLeftAlone(o);
  CheckCampaign(o);
  if (o.BecameLeader()) CheckElected(o);
  CheckCheckQuorum(o);
  CheckLease(o);
  if (o.before.role == Role::kLeader && o.now.role != Role::kLeader) CountStepDown(o);
  if (o.before.transferee && !o.now.transferee && o.now.role == Role::kLeader) {
    context_.counters.Add(Reached::kTransfersAborted);
  }
}

void ElectionChecker::CheckMonotonic(const Observation& o) {
  if (o.now.term < o.before.term) Fail(Invariant::kMonotonic, "the term fell");
  if (o.now.commit < o.before.commit) Fail(Invariant::kMonotonic, "the commit index fell");
  if (o.now.applied < o.before.applied) Fail(Invariant::kMonotonic, "the applied index fell");
  const bool revoted = o.now.term == o.before.term && o.before.vote && o.now.vote != o.before.vote;
  if (revoted) Fail(Invariant::kMonotonic, "the vote changed within a term");
}

void ElectionChecker::CheckRole(const Observation& o) {
  const Role from = o.before.role;
  const Role to = o.now.role;
  if (o.cause == Cause::kStart) {
    if (to != Role::kFollower) Fail(Invariant::kRoles, "a member starts as another than follower");
    return;
  }
  if (to == Role::kLeader) {
    const bool same = from == Role::kLeader || from == Role::kCandidate;
    if (!same || o.now.term != o.before.term) {
      Fail(Invariant::kRoles, absl::StrCat("leader out of ", std::string(Describe(from))));
    }
  }
  if (to == Role::kPreCandidate) {
    // One that is asked for its vote in the present term may give it and go on.
    const bool asked = from == Role::kPreCandidate && o.cause == Cause::kMessage;
    const bool unchanged = o.now.term == o.before.term && (o.now.vote == o.before.vote || asked);
    if (!unchanged) Fail(Invariant::kRoles, "a pre-candidate changed its term or vote");
  }
  if (to == Role::kCandidate) {
    if (o.now.vote != o.member.id) Fail(Invariant::kRoles, "a candidate votes for another");
    const bool campaigned = from != Role::kCandidate || o.now.term != o.before.term;
    if (campaigned && o.now.term <= o.before.term) {
      Fail(Invariant::kRoles, "a campaign in an old term");
    }
  }
  if (from == Role::kLeader && to != Role::kLeader && to != Role::kFollower) {
    Fail(Invariant::kRoles, "a leader became a candidate");
  }
}

// A pre-vote request and a message of an earlier term leave the receiver as it was.
void ElectionChecker::CheckMessageLeftAlone(const Observation& o) {
  if (o.cause != Cause::kMessage) return;
  const bool pre_vote = IsPreVoteRequest(*o.message);
  const bool stale = o.message->term < o.before.term && !IsRequest(*o.message);
  if (o.now.refused_messages != 0) {
    return Fail(Invariant::kLateMessages,
                absl::StrCat("an honest message was refused: ", Describe(*o.message)));
  }
  if (!pre_vote && !stale) return;
  // A refused vote tells what is committed, and that is true in every term.
  const auto* response = std::get_if<VoteResponse>(&o.message->body);
  if (response != nullptr && response->commit.index > o.before.commit &&
      o.now.commit == response->commit.index && o.now.term == o.before.term) {
    return;
  }
  const bool unchanged = o.now.term == o.before.term && o.now.vote == o.before.vote &&
                         o.now.role == o.before.role && o.now.commit == o.before.commit &&
                         o.now.last == o.before.last && o.now.leader == o.before.leader;
  if (unchanged) return;
  Fail(pre_vote ? Invariant::kRoles : Invariant::kLateMessages,
       absl::StrCat("changed by ", Describe(*o.message)));
}

void ElectionChecker::CheckCampaign(const Observation& o) {
  const bool campaigns = o.now.role == Role::kPreCandidate || o.now.role == Role::kCandidate;
  const bool did = o.before.role == Role::kPreCandidate || o.before.role == Role::kCandidate;
  if (!campaigns || did) return;
  if (!IsVoter(o.now.conf, o.member.id)) {
    Fail(Invariant::kLearnersNotCounted, "campaigns without being a voter");
  }
  if (logs_.HasUnappliedConfChange(o.member.id, o.now.applied, o.now.commit)) {
    Fail(Invariant::kOneConfChange, "campaigns with a committed change of membership not applied");
  }
}

void ElectionChecker::CheckElected(const Observation& o) {
  context_.counters.Add(Reached::kElections);
  TermRecord& record = context_.ledger.Of(o.now.term);
  if (record.leader) {
    Fail(Invariant::kOneLeaderPerTerm,
         absl::StrCat("m", record.leader.value(), " and m", o.member.id.value(), " in term ",
                      o.now.term.value()));
  }
  record.leader = o.member.id;
  Hearing& hearing = hearing_[o.member.id.value()];
  hearing = {};
  CheckElectionQuorum(o);
  for (const auto& other : context_.members) {
    const HandOver& hand_over = hand_overs_[other->id.value()];
    if (hand_over.to == o.member.id && hand_over.term == o.now.term) {
      context_.counters.Add(Reached::kTransfersDone);
    }
    if (other->id == o.member.id || !other->running()) continue;
    const Status status = other->raft->status();
    if (status.holds_lease && status.term < o.now.term) {
      Fail(Invariant::kLeaseReads, absl::StrCat("elected while m", other->id.value(),
                                                " holds a lease of term ", status.term.value()));
    }
  }
}

void ElectionChecker::CheckElectionQuorum(const Observation& o) {
  const Member& member = o.member;
  const HardState& durable = member.disk.durable().hard_state;
  if (durable.term != o.now.term || durable.vote != member.id) {
    Fail(Invariant::kVoteDurable, "a leader whose own vote is not durable");
  }
  const MemberSet voters = VotersOf(o.now.conf);
  const MemberSet granted =
      context_.ledger.Of(o.now.term).granted[member.id.value()] | SetOf(member.id);
  if (!IsQuorum(o.now.conf, granted)) {
    const bool learners = (granted & ~voters) != 0;
    Fail(learners ? Invariant::kLearnersNotCounted : Invariant::kQuorumsIntersect,
         "elected without a majority of every half");
  }
  // The newest entry of an earlier term stands for all before it.
  const Ledger& ledger = context_.ledger;
  LogIndex index = ledger.last();
  while (index > ledger.base() && ledger.At(index).seen_in >= o.now.term) --index;
  if (index == ledger.base()) return;
  const uint64_t hash = ledger.HashAt(index);
  const ChainedLog& log = logs_.LogOf(member.id);
  if (log.base().index <= index && log.HashAt(index) != hash) {
    Fail(Invariant::kLeaderCompleteness,
         absl::StrCat("the new leader lacks committed entry ", index.value()));
  }
  for (const auto& other : context_.members) {
    const bool counted = (granted & voters & SetOf(other->id)) != 0;
    if (counted && other->disk.durable().Holds(index, hash)) return;
  }
  Fail(Invariant::kQuorumsIntersect,
       absl::StrCat("nobody who elected the leader holds committed entry ", index.value()));
}

// A leader that for two election timeouts hears no majority of voters has stepped down.
void ElectionChecker::CheckCheckQuorum(const Observation& o) {
  const bool ticked = o.cause == Cause::kTick || o.cause == Cause::kMissedTick;
  if (!ticked || o.now.role != Role::kLeader || !o.member.config.check_quorum) return;
  Hearing& hearing = hearing_[o.member.id.value()];
  ++hearing.ticks;
  const int64_t since = hearing.ticks - 2 * o.member.config.election_timeout_ticks;
  if (since <= 0) return;
  MemberSet active = SetOf(o.member.id);
  for (uint64_t id = 1; id <= kMembersMax; ++id) {
    if (hearing.heard[id] >= since) active |= SetOf(NodeId{id});
  }
  if (!IsQuorum(o.now.conf, active)) {
    Fail(Invariant::kLearnersNotCounted, "leads though no quorum answers");
  }
}

void ElectionChecker::CheckLease(const Observation& o) {
  if (!o.now.holds_lease || o.cause == Cause::kMissedTick) return;
  if (o.now.role != Role::kLeader) Fail(Invariant::kLeaseReads, "a lease without leadership");
  for (Term term = context_.ledger.newest_term(); term > o.now.term; --term) {
    if (!context_.ledger.Of(term).leader) continue;
    Fail(Invariant::kLeaseReads,
         absl::StrCat("a lease though term ", term.value(), " has a leader"));
  }
}

void ElectionChecker::CountStepDown(const Observation& o) {
  if (o.before.transferee) {
    hand_overs_[o.member.id.value()] = {.to = o.before.transferee, .term = o.now.term};
  }
  if (o.now.term != o.before.term) return;
  const bool ticked = o.cause == Cause::kTick || o.cause == Cause::kMissedTick;
  if (ticked) context_.counters.Add(Reached::kCheckQuorumStepDowns);
  if (o.cause == Cause::kStorageStalled) context_.counters.Add(Reached::kStorageStallStepDowns);
}

void ElectionChecker::OnLeave(const Member& from, const Message& message) {
  const HardState& durable = from.disk.durable().hard_state;
  if (durable.term < message.term && !MayPrecedeDurableTerm(message)) {
    Fail(Invariant::kVoteDurable, absl::StrCat("its term is not durable: ", Describe(message)));
  }
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (request->pre_vote) return;
    TermRecord& record = context_.ledger.Of(message.term);
    record.candidates |= SetOf(from.id);
    if (record.vote[from.id.value()] && record.vote[from.id.value()] != from.id) {
      Fail(Invariant::kOneLeaderPerTerm, "a candidate that voted for another in the term");
    }
    record.vote[from.id.value()] = from.id;
  }
  const auto* response = std::get_if<VoteResponse>(&message.body);
  if (response == nullptr) return;
  if (response->pre_vote && !response->granted) context_.counters.Add(Reached::kPreVoteRejects);
  if (response->pre_vote || !response->granted) return;
  NodeId& vote = context_.ledger.Of(message.term).vote[from.id.value()];
  if (vote && vote != message.to) {
    Fail(Invariant::kOneLeaderPerTerm,
         absl::StrCat("two votes in term ", message.term.value(), ": for m", vote.value(), " and m",
                      message.to.value()));
  }
  vote = message.to;
  const bool kept =
      durable.term > message.term || (durable.term == message.term && durable.vote == message.to);
  if (!kept) Fail(Invariant::kVoteDurable, "a vote leaves before it is durable");
}

void ElectionChecker::OnArrive(const Member& to, const Message& message) {
  Hearing& hearing = hearing_[to.id.value()];
  if (message.term == to.raft->term()) hearing.heard[message.from.value()] = hearing.ticks;
  const auto* response = std::get_if<VoteResponse>(&message.body);
  if (response == nullptr || response->pre_vote || !response->granted) return;
  context_.ledger.Of(message.term).granted[to.id.value()] |= SetOf(message.from);
}

void ElectionChecker::OnConfChanged(const Member& member) {
  Hearing& hearing = hearing_[member.id.value()];
  hearing.heard.fill(hearing.ticks);
}

void ElectionChecker::CountSplitVotes() {
  for (Term term{1}; term <= context_.ledger.newest_term(); ++term) {
    const TermRecord& record = context_.ledger.Of(term);
    const bool several = (record.candidates & (record.candidates - 1)) != 0;
    if (several && !record.leader) context_.counters.Add(Reached::kSplitVotes);
  }
}

}  // namespace keelson::raft::simulation
