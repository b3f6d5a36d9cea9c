#include "raft/raft.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"

namespace keelson::raft {
namespace {

// Beyond this no honest term is; a term near the end of its range could not be followed by another.
constexpr Term kTermMax{uint64_t{1} << 62};

InflightLimits LimitsOf(const Config& config) {
  return {.messages_max = static_cast<size_t>(config.inflight_messages_max),
          .bytes_max = config.inflight_bytes_max};
}

// Entries follow `previous` and each other, in terms that do not decrease up to `term`.
bool IsWellFormed(const AppendRequest& request, Term term) {
  EntryId before = request.previous;
  if (before.index > LogIndex{UINT64_MAX / 2} || before.term > term) return false;
  for (const Entry& entry : request.entries) {
    if (entry.index != before.index + 1) return false;
    if (entry.term < before.term || entry.term > term || entry.term == Term{0}) return false;
    before = entry.id();
  }
  return true;
}

}  // namespace

Raft::Raft(const Config& config, const LogView* view, Random* random)
    : id_(config.id),
      config_(config),
      random_(random),
      log_(view, config.hard_state.commit, config.applied,
           {.cache_bytes_max = config.cache_bytes_max,
            .committed_bytes_max = config.committed_bytes_max}),
      tracker_(config.conf, LimitsOf(config)),
      term_(config.hard_state.term),
      vote_(config.hard_state.vote),
      forwarded_reads_(random->Next()) {
  KV_CHECK(id_);
  KV_CHECK_GT(config.election_timeout_ticks, config.heartbeat_ticks);
  KV_CHECK_GT(config.heartbeat_ticks, 0);
  // A torn write may have left entries of a term without the hard state that came with them.
  // Nothing was promised in that term, or the hard state would be durable.
  if (log_.last_id().term > term_) {
    term_ = log_.last_id().term;
    vote_ = NodeId{0};
  }
  tracker_.Reset(log_.last());
  ResetElectionTimer();
}

Status Raft::status() const {
  Status status{.id = id_,
                .leader = leader_,
                .role = role_,
                .term = term_,
                .vote = vote_,
                .commit = log_.commit(),
                .applied = log_.applied(),
                .last = log_.last(),
                .progress = {},
                .refused_messages = refused_messages_};
  if (role_ != Role::kLeader) return status;
  for (const Progress& member : tracker_.members()) {
    status.progress.push_back({.id = member.id(),
                               .match = member.match(),
                               .next = member.next(),
                               .state = member.state(),
                               .recent_active = member.recent_active});
  }
  return status;
}

// ---------------------------------------------------------------------------------------------
// changes of role

void Raft::BecomeFollower(Term term, NodeId leader) {
  Reset(term);
  role_ = Role::kFollower;
  SetLeader(leader);
}

// Asks whether an election could be won without starting one: neither term nor vote change
// (thesis 9.6).
void Raft::BecomePreCandidate() {
  KV_CHECK(role_ != Role::kLeader);
  SetLeader(NodeId{0});
  role_ = Role::kPreCandidate;
  tracker_.ResetVotes();
  ResetElectionTimer();
}

void Raft::BecomeCandidate() {
  KV_CHECK(role_ != Role::kLeader);
  Reset(term_ + 1);
  role_ = Role::kCandidate;
  vote_ = id_;
}

void Raft::BecomeLeader() {
  KV_CHECK(role_ == Role::kCandidate);
  Reset(term_);
  role_ = Role::kLeader;
  SetLeader(id_);
  term_first_ = log_.last() + 1;
  // Entries of earlier terms become committed with this one (paper 5.4.2, 8).
  AppendOwn({});
  OnLogDurable();
}

void Raft::Reset(Term term) {
  KV_CHECK_GE(term, term_);
  if (term > term_) {
    term_ = term;
    vote_ = NodeId{0};
  }
  SetLeader(NodeId{0});
  ResetElectionTimer();
  heartbeat_ticks_ = 0;
  tracker_.Reset(log_.last());
  uncommitted_bytes_ = 0;
  appends_due_ = false;
}

void Raft::SetLeader(NodeId leader) {
  if (leader == leader_) return;
  if (leader_) DropReads();
  leader_ = leader;
}

void Raft::ResetElectionTimer() {
  const int base = config_.election_timeout_ticks;
  election_ticks_ = 0;
  election_timeout_ = base + static_cast<int>(random_->Below(static_cast<uint64_t>(base)));
}

// ---------------------------------------------------------------------------------------------
// elections

void Raft::Tick() {
  if (role_ == Role::kLeader) {
    TickLeader();
  } else {
    TickElection();
  }
}

void Raft::TickElection() {
  const int patience = std::max(config_.election_timeout_ticks / 2, config_.heartbeat_ticks);
  for (uint64_t batch : forwarded_reads_.TickAndTakeOverdue(patience)) {
    Send(leader_, ReadIndexRequest{.context = batch});
  }
  if (++election_ticks_ >= election_timeout_) Campaign();
}

void Raft::Campaign() {
  if (role_ == Role::kLeader || !tracker_.IsVoter(id_)) {
    election_ticks_ = 0;
    return;
  }
  if (config_.pre_vote) {
    BecomePreCandidate();
    const Term next_term = term_ + 1;
    for (const Progress& member : tracker_.members()) {
      if (!member.is_voter() || member.id() == id_) continue;
      outbox_.now.push_back({.from = id_,
                             .to = member.id(),
                             .term = next_term,
                             .body = VoteRequest{.pre_vote = true, .last = log_.last_id()}});
    }
    tracker_.RecordVote(id_, true);
    CountVotes();
    return;
  }
  CampaignForReal();
}

// The request waits for the write, and not only the own vote: it says that this member holds the
// log up to `last`. Were it sent before that is durable, a crash could lose the tail and the term;
// a second candidacy in the same term, with a shorter log, would then be helped by answers to the
// first (testdata/campaign_lost_tail.txt).
void Raft::CampaignForReal() {
  BecomeCandidate();
  for (const Progress& member : tracker_.members()) {
    if (!member.is_voter() || member.id() == id_) continue;
    Promise(member.id(), term_, VoteRequest{.last = log_.last_id()});
  }
}

void Raft::OnHardStateDurable(const HardState& state) {
  if (role_ != Role::kCandidate || state.term != term_ || state.vote != id_) return;
  tracker_.RecordVote(id_, true);
  CountVotes();
}

void Raft::CountVotes() {
  switch (tracker_.CountVotes()) {
    case VoteResult::kPending:
      return;
    case VoteResult::kLost:
      BecomeFollower(term_, NodeId{0});
      return;
    case VoteResult::kWon:
      if (role_ == Role::kPreCandidate) {
        CampaignForReal();
      } else {
        BecomeLeader();
      }
  }
}

// A member that hears its leader helps nobody to depose it: one that was cut off and comes back
// with a higher term cannot disturb the rest (thesis 4.2.3).
bool Raft::HeardLeaderRecently() const {
  return config_.check_quorum && leader_ && election_ticks_ < config_.election_timeout_ticks;
}

bool Raft::AcceptTerm(const Message& message) {
  if (message.term == term_) return true;
  if (message.term < term_) {
    AnswerStale(message);
    return false;
  }
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (!request->leader_transfer && HeardLeaderRecently()) return false;
    if (request->pre_vote) return true;
  }
  if (const auto* response = std::get_if<VoteResponse>(&message.body)) {
    // The term in which one would campaign, not one that anybody is in.
    if (response->pre_vote && response->granted) return true;
  }
  BecomeFollower(message.term, NodeId{0});
  return true;
}

// A sender of an earlier term must learn of this one, or a member that got ahead (cut off, then
// healed) would be deaf to its leader for ever.
void Raft::AnswerStale(const Message& message) {
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    Promise(message.from, term_, VoteResponse{.pre_vote = request->pre_vote, .granted = false});
  } else if (std::holds_alternative<AppendRequest>(message.body) ||
             std::holds_alternative<Heartbeat>(message.body)) {
    Send(message.from, HeartbeatResponse{});
  }
}

void Raft::On(const Message& message, const VoteRequest& request) {
  const bool later_term = message.term > term_;  // only of a pre-vote
  const bool free = vote_ == message.from || (!vote_ && !leader_) || later_term;
  const bool granted = free && log_.IsUpToDate(request.last);
  if (granted && !request.pre_vote) {
    election_ticks_ = 0;
    vote_ = message.from;
  }
  Promise(message.from, granted ? message.term : term_,
          VoteResponse{.pre_vote = request.pre_vote, .granted = granted});
}

void Raft::On(const Message& message, const VoteResponse& response) {
  const bool awaited = response.pre_vote ? role_ == Role::kPreCandidate : role_ == Role::kCandidate;
  if (!awaited) return;
  if (response.pre_vote && response.granted && message.term != term_ + 1) return;
  tracker_.RecordVote(message.from, response.granted);
  CountVotes();
}

// ---------------------------------------------------------------------------------------------
// replication: the follower's side

bool Raft::FollowLeader(const Message& message) {
  if (leader_ != message.from) {
    if (leader_) {  // includes this member itself
      Refuse();
      return false;
    }
    BecomeFollower(term_, message.from);
  }
  election_ticks_ = 0;
  return true;
}

void Raft::On(const Message& message, AppendRequest& request) {
  if (!IsWellFormed(request, message.term)) return Refuse();
  if (!FollowLeader(message)) return;
  if (request.previous.index < log_.commit()) {
    Promise(message.from, term_, AppendResponse{.index = log_.commit()});
    return;
  }
  const LogIndex last = request.previous.index + request.entries.size();
  switch (log_.MergeEntries(request.previous, std::move(request.entries))) {
    case Log::Merge::kMerged:
      log_.CommitTo(std::min(request.commit, last));
      Promise(message.from, term_, AppendResponse{.index = last});
      return;
    case Log::Merge::kMismatch:
      // Also a refusal waits for the write: it may rest on a log that a crash would undo.
      Promise(message.from, term_,
              AppendResponse{.rejected = true,
                             .index = request.previous.index,
                             .reject_hint = log_.LastAgreement(request.previous.index,
                                                               request.previous.term)});
      return;
    case Log::Merge::kContradictsCommitted:
      return Refuse();
  }
}

void Raft::On(const Message& message, const Heartbeat& heartbeat) {
  if (!FollowLeader(message)) return;
  // A leader never sends more than it knows to be here.
  if (heartbeat.commit > log_.last()) {
    Refuse();
  } else {
    log_.CommitTo(heartbeat.commit);
  }
  Send(message.from, HeartbeatResponse{.read_context = heartbeat.read_context});
}

// ---------------------------------------------------------------------------------------------
// replication: the leader's side

void Raft::TickLeader() {
  ++heartbeat_ticks_;
  if (++election_ticks_ >= config_.election_timeout_ticks) {
    election_ticks_ = 0;
    if (config_.check_quorum && !tracker_.TakeQuorumActive(id_)) {
      BecomeFollower(term_, NodeId{0});
      return;
    }
  }
  if (heartbeat_ticks_ >= config_.heartbeat_ticks) BroadcastHeartbeat();
}

void Raft::BroadcastHeartbeat() {
  heartbeat_ticks_ = 0;
  for (Progress& peer : tracker_.members()) {
    if (peer.id() == id_) continue;
    const LogIndex commit = std::min(peer.match(), log_.commit());
    peer.OnCommitSent(commit);
    Send(peer.id(), Heartbeat{.commit = commit, .read_context = read_rounds_.newest()});
  }
}

ProposeResult Raft::Propose(std::vector<Proposal> proposals) {
  if (role_ != Role::kLeader) {
    if (!leader_) return ProposeResult::kNoLeader;
    Send(leader_, ProposeRequest{.proposals = std::move(proposals)});
    return ProposeResult::kForwarded;
  }
  uint64_t bytes = 0;
  for (const Proposal& proposal : proposals) bytes += proposal.data.size();
  // What does not fit even alone is let in alone: refusing it would be for ever.
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > config_.uncommitted_bytes_max) {
    return ProposeResult::kFull;
  }
  for (Proposal& proposal : proposals) AppendOwn(std::move(proposal));
  return ProposeResult::kAccepted;
}

void Raft::On(const Message& message, ProposeRequest& request) {
  // A sender of a later term knows that this leader is deposed. Sending on cannot go in circles:
  // the terms do not fall on the way, and a term has one leader.
  if (message.term > term_ || leader_ == message.from) return;
  Propose(std::move(request.proposals));
}

void Raft::AppendOwn(Proposal proposal) {
  KV_CHECK(role_ == Role::kLeader);
  uncommitted_bytes_ += proposal.data.size();
  log_.Append({.term = term_,
               .index = log_.last() + 1,
               .type = proposal.type,
               .data = std::move(proposal.data)});
  appends_due_ = true;
}

void Raft::OnLogDurable() {
  if (role_ != Role::kLeader) return;
  if (Progress* self = tracker_.Find(id_)) self->SetOwnMatch(log_.durable(), log_.last());
  MaybeCommit();
}

// Only an entry of the own term is committed by counting; those before it come with it
// (paper 5.4.2).
void Raft::MaybeCommit() {
  const LogIndex reached = tracker_.CommittedIndex();
  if (reached <= log_.commit() || reached < term_first_) return;
  const LogIndex begin = std::max(log_.commit() + 1, term_first_);
  KV_DCHECK(log_.TermAt(reached) == term_);
  const uint64_t bytes = log_.PayloadBytes(begin, reached + 1);
  KV_CHECK_LE(bytes, uncommitted_bytes_);
  uncommitted_bytes_ -= bytes;
  log_.CommitTo(reached);
  appends_due_ = true;
}

void Raft::On(const Message& message, const AppendResponse& response) {
  Progress* peer = tracker_.Find(message.from);
  if (role_ != Role::kLeader || peer == nullptr) return;
  peer->recent_active = true;
  if (response.rejected) {
    const EntryId hint = response.reject_hint;
    const LogIndex agreed =
        hint.term ? log_.LastAgreement(hint.index, hint.term).index : hint.index;
    peer->OnRejected(response.index, agreed);
  } else if (response.index > log_.last()) {
    Refuse();
  } else if (peer->OnAccepted(response.index)) {
    MaybeCommit();
  }
  appends_due_ |= IsAppendDue(*peer);
}

void Raft::On(const Message& message, const HeartbeatResponse& response) {
  Progress* peer = tracker_.Find(message.from);
  if (role_ != Role::kLeader || peer == nullptr) return;
  peer->recent_active = true;
  peer->OnHeartbeatResponse(log_.last());
  appends_due_ |= IsAppendDue(*peer);
  if (response.read_context > read_rounds_.last_number()) return Refuse();
  if (response.read_context > peer->read_round) {
    peer->read_round = response.read_context;
    GrantConfirmedReads();
  }
}

void Raft::OnUnreachable(NodeId peer) {
  Progress* member = tracker_.Find(peer);
  if (role_ != Role::kLeader || member == nullptr || peer == id_) return;
  // Entries under way are likely lost. While probing, the next heartbeat does as well.
  if (member->state() == ProgressState::kReplicate) member->BecomeProbe();
  appends_due_ = true;
}

void Raft::SendAppends(Progress& peer) {
  while (MaybeSendAppend(peer)) {
  }
}

bool Raft::HasEntriesFor(const Progress& peer) const {
  return peer.next() <= log_.last() && peer.CanTakeEntries();
}

bool Raft::IsAppendDue(const Progress& peer) const {
  return !peer.IsPaused() && (HasEntriesFor(peer) || peer.WantsEmptyAppend(log_.commit()));
}

bool Raft::MaybeSendAppend(Progress& peer) {
  if (!IsAppendDue(peer)) return false;
  const bool has_entries = HasEntriesFor(peer);
  const LogIndex previous = peer.next() - 1;
  const std::optional<Term> previous_term = log_.TermAt(previous);
  std::vector<Entry> entries;
  bool readable = previous_term.has_value();
  if (readable && has_entries) {
    auto read = log_.Read(peer.next(), log_.last() + 1, config_.append_bytes_max);
    readable = read.ok() && !read->empty();
    if (readable) entries = *std::move(read);
  }
  if (!readable) {
    // What the peer needs is compacted: only a snapshot would help it.
    peer.Pause();
    return false;
  }
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += EntryBytes(entry);
  peer.OnAppendSent(entries.size(), bytes, log_.commit());
  Send(peer.id(), AppendRequest{.previous = {*previous_term, previous},
                                .commit = log_.commit(),
                                .entries = std::move(entries)});
  return true;
}

// ---------------------------------------------------------------------------------------------
// reads

bool Raft::RequestReadIndex(uint64_t context) {
  if (!leader_) return false;
  if (role_ == Role::kLeader) {
    read_rounds_.AddOwn({.from = id_, .context = context});
  } else {
    forwarded_reads_.Add(context);
  }
  return true;
}

void Raft::On(const Message& message, const ReadIndexRequest& request) {
  // Whoever is in a later term knows that this leader is deposed. Not counted as a refusal: the
  // member asks again, whoever leads then.
  if (role_ != Role::kLeader || message.term > term_) return;
  read_rounds_.AddOfPeer({.from = message.from, .context = request.context});
}

void Raft::On(const Message& message, const ReadIndexResponse& response) {
  if (message.from != leader_) return;
  for (uint64_t context : forwarded_reads_.TakeAnswered(response.context)) {
    outbox_.reads.push_back({.context = context, .index = response.index});
  }
}

void Raft::BeginReadRound() {
  const uint64_t number = read_rounds_.Begin(log_.commit());
  if (Progress* self = tracker_.Find(id_)) self->read_round = number;
  if (!tracker_.IsOnlyVoter(id_)) BroadcastHeartbeat();
  GrantConfirmedReads();
}

void Raft::GrantConfirmedReads() {
  for (const ReadRound& round : read_rounds_.TakeConfirmed(tracker_.ConfirmedReadRound())) {
    for (const ReadRequest& request : round.requests) {
      if (request.from == id_) {
        outbox_.reads.push_back({.context = request.context, .index = round.index});
      } else {
        Send(request.from, ReadIndexResponse{.context = request.context, .index = round.index});
      }
    }
  }
}

void Raft::DropReads() {
  for (const ReadRequest& request : read_rounds_.TakeAll()) {
    if (request.from == id_) outbox_.dropped_reads.push_back(request.context);
  }
  for (uint64_t context : forwarded_reads_.TakeAll()) outbox_.dropped_reads.push_back(context);
}

// ---------------------------------------------------------------------------------------------
// messages

void Raft::Step(Message message) {
  const bool sensible = message.from && message.from != id_ && message.to == id_ &&
                        message.term > Term{0} && message.term <= kTermMax;
  if (!sensible) return Refuse();
  // Requests on behalf of a client say nothing about terms: a member that is ahead does not depose
  // the leader by asking it for something.
  const bool request = std::holds_alternative<ProposeRequest>(message.body) ||
                       std::holds_alternative<ReadIndexRequest>(message.body);
  if (!request && !AcceptTerm(message)) return;
  std::visit([&](auto& body) { On(message, body); }, message.body);
}

void Raft::Send(NodeId to, MessageBody body) {
  outbox_.now.push_back({.from = id_, .to = to, .term = term_, .body = std::move(body)});
}

void Raft::Promise(NodeId to, Term term, MessageBody body) {
  outbox_.after_write.push_back({.from = id_, .to = to, .term = term, .body = std::move(body)});
}

bool Raft::HasOutput() const {
  if (!outbox_.empty() || appends_due_ || CanBeginReadRound()) return true;
  return role_ != Role::kLeader && forwarded_reads_.CanBegin();
}

void Raft::FillOutbox() {
  if (role_ != Role::kLeader) {
    if (forwarded_reads_.CanBegin()) {
      Send(leader_, ReadIndexRequest{.context = forwarded_reads_.Begin()});
    }
    return;
  }
  if (CanBeginReadRound()) BeginReadRound();
  if (!std::exchange(appends_due_, false)) return;
  for (Progress& peer : tracker_.members()) {
    if (peer.id() != id_) SendAppends(peer);
  }
}

Outbox Raft::TakeOutbox() { return std::exchange(outbox_, {}); }

}  // namespace keelson::raft
