#include "raft/raft.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/planted_bug.h"
#include "raft/conf_change.h"

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

bool IsWellFormed(const SnapshotPtr& pointer, Term term) {
  if (pointer == nullptr) return false;
  const Snapshot& snapshot = *pointer;
  return snapshot.id.index > LogIndex{0} && snapshot.id.index <= LogIndex{UINT64_MAX / 2} &&
         snapshot.id.term > Term{0} && snapshot.id.term <= term && !snapshot.conf.voters.empty() &&
         CheckConf(snapshot.conf).ok();
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
      leader_heard_ticks_(KV_PLANTED("lease-forgotten-on-restart") ? config.election_timeout_ticks
                                                                   : 0),
      conf_index_(config.applied),
      lease_(config.election_timeout_ticks, config.clock_drift_percent),
      forwarded_reads_(random->Next()) {
  KV_CHECK(id_);
  KV_CHECK(config.read_mode == ReadMode::kQuorum || config.check_quorum)
      << "leases rest on check_quorum";
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
                .conf = tracker_.conf(),
                .transferee = transferee_,
                .uncommitted_bytes = uncommitted_bytes_,
                .holds_lease = HoldsLease(),
                .storage_stalled = storage_stalled_,
                .progress = {},
                .refused_messages = refused_messages_};
  if (role_ != Role::kLeader) return status;
  for (const Progress& member : tracker_.members()) {
    status.progress.push_back({.id = member.id(),
                               .match = member.match(),
                               .next = member.next(),
                               .state = member.state(),
                               .recent_active = member.recent_active,
                               .learner = !member.is_voter(),
                               .paused = member.IsPaused(),
                               .pending_snapshot = member.pending_snapshot(),
                               .inflight_messages = member.inflights().count(),
                               .inflight_bytes = member.inflights().bytes()});
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

// A later term is no reason for a follower to wait longer: to hear the leader and to give a vote
// are (paper 5.2). Otherwise a member whose log is too short to be elected could, by campaigning,
// keep those from it that could be.
void Raft::AdoptTerm(Term term) {
  const bool waiting = role_ == Role::kFollower;
  const int ticks = election_ticks_;
  const int timeout = election_timeout_;
  BecomeFollower(term, NodeId{0});
  if (!waiting) return;
  election_ticks_ = ticks;
  election_timeout_ = timeout;
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
  if (!KV_PLANTED("no-empty-entry")) AppendOwn({});
  CountOwnLog();
  MaybeLeaveJoint();
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
  AbortTransfer();
  timeout_now_sent_ = false;
  step_down_at_ = LogIndex{0};
  lease_.Revoke();
}

void Raft::SetLeader(NodeId leader) {
  if (leader == leader_) return;
  if (leader_ && !KV_PLANTED("reads-outlive-term")) DropReads();
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
  ++leader_heard_ticks_;
  lease_.Tick();
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

bool Raft::MayCampaign() const {
  if (role_ == Role::kLeader || !tracker_.IsVoter(id_)) return false;
  // A committed change that is not applied may have taken the vote of this member or of those it
  // would ask: with the old membership two leaders could be elected side by side.
  const bool applied = !log_.HasCommittedConfChange() || KV_PLANTED("campaign-before-conf-applied");
  return !log_.IsRestoring() && applied && !storage_stalled_;
}

void Raft::Campaign() {
  if (!MayCampaign()) return;
  // An application may ask at any time; the own vote, too, is one that a lease counts on.
  if (config_.read_mode == ReadMode::kLease && HeardLeaderRecently()) return;
  if (!config_.pre_vote) return CampaignForReal(CampaignKind::kOrdinary);
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
}

// The request waits for the write, and not only the own vote: it says that this member holds the
// log up to `last`. Were it sent before that is durable, a crash could lose the tail and the term;
// a second candidacy in the same term, with a shorter log, would then be helped by answers to the
// first (testdata/campaign_lost_tail.txt).
void Raft::CampaignForReal(CampaignKind kind) {
  BecomeCandidate();
  for (const Progress& member : tracker_.members()) {
    if (!member.is_voter() || member.id() == id_) continue;
    Promise(
        member.id(), term_,
        VoteRequest{.leader_transfer = kind == CampaignKind::kTransfer, .last = log_.last_id()});
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
        CampaignForReal(CampaignKind::kOrdinary);
      } else {
        BecomeLeader();
      }
  }
}

// A member that hears its leader helps nobody to depose it: one that was cut off and comes back
// with a higher term cannot disturb the rest (thesis 4.2.3).
bool Raft::HeardLeaderRecently() const {
  if (!config_.check_quorum) return false;
  if (role_ == Role::kLeader) return true;
  // A lease outlives the term of the leader that holds it, and a restart of this member.
  if (config_.read_mode == ReadMode::kLease) {
    return leader_heard_ticks_ < config_.election_timeout_ticks;
  }
  return leader_ && election_ticks_ < config_.election_timeout_ticks;
}

bool Raft::AcceptTerm(const Message& message) {
  const auto* vote = std::get_if<VoteRequest>(&message.body);
  if (message.term == term_) {
    // In the present term, too, a vote could depose the leader of an earlier one, whose lease it
    // would break.
    return vote == nullptr || config_.read_mode != ReadMode::kLease || vote->leader_transfer ||
           !HeardLeaderRecently();
  }
  if (message.term < term_) {
    if (KV_PLANTED("stale-term-accepted")) return true;
    AnswerStale(message);
    return false;
  }
  if (vote != nullptr) {
    if (!vote->leader_transfer && HeardLeaderRecently()) return false;
    if (vote->pre_vote && !KV_PLANTED("pre-vote-changes-term")) return true;
  }
  if (const auto* response = std::get_if<VoteResponse>(&message.body)) {
    // The term in which one would campaign, not one that anybody is in.
    if (response->pre_vote && response->granted) return true;
  }
  AdoptTerm(message.term);
  return true;
}

// A sender of an earlier term must learn of this one, or a member that got ahead (cut off, then
// healed) would be deaf to its leader for ever.
void Raft::AnswerStale(const Message& message) {
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    Promise(message.from, term_, Refusal(request->pre_vote));
  } else if (std::holds_alternative<AppendRequest>(message.body) ||
             std::holds_alternative<Heartbeat>(message.body) ||
             std::holds_alternative<InstallSnapshot>(message.body)) {
    Send(message.from, HeartbeatResponse{});
  }
}

void Raft::On(const Message& message, const VoteRequest& request) {
  const bool later_term = message.term > term_;  // only of a pre-vote
  const bool free =
      vote_ == message.from || (!vote_ && !leader_) || later_term || KV_PLANTED("vote-twice");
  const bool granted =
      free && (log_.IsUpToDate(request.last) || KV_PLANTED("election-restriction"));
  if (granted && !request.pre_vote) {
    election_ticks_ = 0;
    vote_ = message.from;
  }
  if (granted) {
    Promise(message.from, message.term,
            VoteResponse{.pre_vote = request.pre_vote, .granted = true});
  } else {
    Promise(message.from, term_, Refusal(request.pre_vote));
  }
}

VoteResponse Raft::Refusal(bool pre_vote) const {
  const LogIndex commit = KV_PLANTED("refusal-hides-commit") ? LogIndex{0} : log_.commit();
  return {.pre_vote = pre_vote, .commit = {log_.TermAt(commit).value_or(Term{0}), commit}};
}

// A candidate may need the vote of a member that a committed change has removed, and that refuses
// because its log is longer; if the candidate holds the change but does not know that it is
// committed, nobody could ever be elected (testdata/removed_leader_with_longer_log.txt). What is
// committed is so in every term, so the term of the answer does not matter.
void Raft::LearnCommit(const VoteResponse& response) {
  if (role_ == Role::kLeader || response.granted || !log_.Matches(response.commit)) return;
  log_.CommitTo(response.commit.index);
  if (IsCampaigning() && log_.HasCommittedConfChange()) BecomeFollower(term_, NodeId{0});
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
  leader_heard_ticks_ = 0;
  return true;
}

void Raft::On(const Message& message, AppendRequest& request) {
  if (!IsWellFormed(request, message.term)) return Refuse();
  if (!FollowLeader(message)) return;
  if (tracker_.members().empty()) {
    // The entries say how the membership changed, not what it was.
    Promise(
        message.from, term_,
        AppendResponse{.rejected = true, .needs_snapshot = true, .index = request.previous.index});
    return;
  }
  if (request.previous.index < log_.commit()) {
    Promise(message.from, term_, AppendResponse{.index = log_.commit()});
    return;
  }
  const LogIndex last = request.previous.index + request.entries.size();
  switch (log_.MergeEntries(request.previous, std::move(request.entries))) {
    case Log::Merge::kMerged:
      log_.CommitTo(
          std::min(request.commit, KV_PLANTED("commit-beyond-append") ? log_.last() : last));
      Promise(message.from, term_,
              AppendResponse{.index = KV_PLANTED("append-ack-beyond-match") ? log_.last() : last});
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

void Raft::On(const Message& message, InstallSnapshot& install) {
  if (!IsWellFormed(install.snapshot, message.term)) return Refuse();
  if (!FollowLeader(message)) return;
  const EntryId id = install.snapshot->id;
  if (id.index > log_.commit() || KV_PLANTED("stale-snapshot-accepted")) {
    if (log_.Matches(id)) {
      // All of it is here: only that it is committed was not known.
      log_.CommitTo(id.index);
    } else {
      conf_index_ = id.index;
      if (!KV_PLANTED("snapshot-keeps-conf")) tracker_.SetConf(install.snapshot->conf, id.index);
      log_.Restore(std::move(install.snapshot));
    }
  }
  // A stale one is answered with what is here: the leader goes on behind that.
  Promise(message.from, term_, AppendResponse{.index = log_.commit()});
}

// ---------------------------------------------------------------------------------------------
// replication: the leader's side

void Raft::TickLeader() {
  ++heartbeat_ticks_;
  if (transferee_ && ++transfer_ticks_ >= config_.election_timeout_ticks &&
      !KV_PLANTED("transfer-never-aborted")) {
    AbortTransfer();
  }
  if (++election_ticks_ >= config_.election_timeout_ticks) {
    election_ticks_ = 0;
    if (config_.check_quorum && !tracker_.TakeQuorumActive(id_)) {
      BecomeFollower(term_, NodeId{0});
      return;
    }
  }
  if (heartbeat_ticks_ < config_.heartbeat_ticks) return;
  BroadcastHeartbeat();
  // TimeoutNow may be lost, or come to a member that has a change of membership yet to apply and
  // must not campaign: it is told again, while the transfer lasts.
  if (const Progress* peer = tracker_.Find(transferee_)) MaybeHandOver(*peer);
}

void Raft::BroadcastHeartbeat() {
  heartbeat_ticks_ = 0;
  uint64_t round = read_rounds_.newest();
  if (config_.read_mode == ReadMode::kLease) {
    round = read_rounds_.NewNumber();
    lease_.OnRoundSent(round);
    if (Progress* self = tracker_.Find(id_)) self->read_round = round;
  }
  for (Progress& peer : tracker_.members()) {
    if (peer.id() == id_) continue;
    const LogIndex commit = KV_PLANTED("heartbeat-commit-uncapped")
                                ? log_.commit()
                                : std::min(peer.match(), log_.commit());
    peer.OnCommitSent(commit);
    Send(peer.id(), Heartbeat{.commit = commit, .read_context = round});
  }
}

ProposeResult Raft::Propose(std::vector<Proposal> proposals) {
  if (role_ != Role::kLeader) {
    if (!leader_) return ProposeResult::kNoLeader;
    Send(leader_, ProposeRequest{.proposals = std::move(proposals)});
    return ProposeResult::kForwarded;
  }
  // A leader that was removed leads the others to a new one, no more.
  if (step_down_at_ || tracker_.Find(id_) == nullptr) return ProposeResult::kNoLeader;
  if (transferee_) return ProposeResult::kTransferring;
  uint64_t bytes = 0;
  bool changes = false;
  for (const Proposal& proposal : proposals) {
    bytes += proposal.data.size();
    if (proposal.type != EntryType::kConfChange) continue;
    if (std::exchange(changes, true) || !IsLegalProposal(proposal)) {
      return ProposeResult::kConfChangeRefused;
    }
  }
  // What does not fit even alone is let in alone: refusing it would be for ever.
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > config_.uncommitted_bytes_max &&
      !KV_PLANTED("uncommitted-unlimited")) {
    return ProposeResult::kFull;
  }
  for (Proposal& proposal : proposals) AppendOwn(std::move(proposal));
  return ProposeResult::kAccepted;
}

void Raft::On(const Message& message, ProposeRequest& request) {
  // A sender of a later term knows that this leader is deposed. Sending on cannot go in circles:
  // the terms do not fall on the way, and a term has one leader.
  if (message.term > term_ || leader_ == message.from) return;
  // A change of membership that is refused must not take the others with it.
  std::vector<Proposal> commands;
  for (Proposal& proposal : request.proposals) {
    if (proposal.type == EntryType::kConfChange) {
      Propose({std::move(proposal)});
    } else {
      commands.push_back(std::move(proposal));
    }
  }
  if (!commands.empty()) Propose(std::move(commands));
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

void Raft::OnLogWritten() {
  storage_stalled_ = false;
  CountOwnLog();
}

void Raft::CountOwnLog() {
  if (role_ != Role::kLeader) return;
  const LogIndex own = KV_PLANTED("own-log-counted-early") ? log_.last() : log_.durable();
  if (Progress* self = tracker_.Find(id_)) self->SetOwnMatch(own, log_.last());
  MaybeCommit();
}

// Only an entry of the own term is committed by counting; those before it come with it
// (paper 5.4.2).
void Raft::MaybeCommit() {
  const LogIndex reached = tracker_.CommittedIndex();
  const bool own_term = reached >= term_first_ || KV_PLANTED("old-term-commit");
  if (reached <= log_.commit() || !own_term) return;
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
  if (response.needs_snapshot) {
    // Late if anything has arrived there since, or is on its way.
    if (!peer->match() && peer->state() != ProgressState::kSnapshot) MaybeSendSnapshot(*peer);
  } else if (response.rejected) {
    const EntryId hint = response.reject_hint;
    const LogIndex agreed =
        hint.term ? log_.LastAgreement(hint.index, hint.term).index : hint.index;
    // Probing too low is legal, and without it the mistakes of the receiver cannot be seen.
    const bool low = KV_PLANTED("commit-beyond-append") || KV_PLANTED("append-ack-beyond-match");
    peer->OnRejected(response.index, low ? LogIndex{agreed.value() / 2} : agreed);
  } else if (response.index > log_.last()) {
    Refuse();
  } else if (peer->OnAccepted(response.index, log_.first())) {
    MaybeCommit();
    MaybeHandOver(*peer);
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
  const uint64_t round = KV_PLANTED("read-confirmed-by-old-answer") ? read_rounds_.last_number()
                                                                    : response.read_context;
  if (round > peer->read_round) {
    peer->read_round = round;
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

void Raft::OnSnapshotSent(NodeId peer, SnapshotResult result) {
  Progress* member = tracker_.Find(peer);
  if (role_ != Role::kLeader || member == nullptr || peer == id_) return;
  if (KV_PLANTED("snapshot-report-ignored")) return;
  member->OnSnapshotSent(result);
}

// Without its disk a leader commits nothing by itself, and what it sends is not its own any more
// after a crash. The one that is furthest takes over, if it hears of it; else an election timeout
// does. Just after a check of the quorum nobody counts as heard: then the furthest of all.
void Raft::OnStorageStalled() {
  storage_stalled_ = true;
  if (role_ == Role::kLeader) StepDown();
}

void Raft::StepDown() {
  const auto hope = [](const Progress& member) {
    return std::pair(member.recent_active, member.match());
  };
  const Progress* furthest = nullptr;
  for (const Progress& member : tracker_.members()) {
    if (member.id() == id_ || !member.is_voter()) continue;
    if (furthest == nullptr || hope(member) > hope(*furthest)) furthest = &member;
  }
  if (furthest != nullptr) Send(furthest->id(), TimeoutNow{});
  BecomeFollower(term_, NodeId{0});
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
    MaybeSendSnapshot(peer);
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

// What the peer needs is compacted. A snapshot is large: it is not sent to a member that is not
// there. Asked again after the next heartbeat that is answered.
void Raft::MaybeSendSnapshot(Progress& peer) {
  peer.Pause();
  if (!peer.recent_active) return;
  absl::StatusOr<Snapshot> snapshot = log_.view().TakeSnapshot();
  if (!snapshot.ok() || snapshot->id.index <= peer.match()) return;
  peer.BecomeSnapshot(snapshot->id.index);
  Send(peer.id(), InstallSnapshot{std::make_shared<Snapshot>(*std::move(snapshot))});
}

// ---------------------------------------------------------------------------------------------
// membership (thesis 4)

ProposeResult Raft::ProposeConfChange(const ConfChange& change) {
  return Propose({{.type = EntryType::kConfChange, .data = EncodeConfChange(change)}});
}

// A change is legal while no other is in the log and not applied. So the membership that it will be
// applied to is the present one.
bool Raft::IsLegalProposal(const Proposal& proposal) const {
  const std::optional<ConfChange> change = DecodeConfChange(proposal.data);
  if (!change) return false;
  if (config_.disable_conf_change_validation) return true;
  if (log_.HasUnappliedConfChange() && !KV_PLANTED("second-conf-change")) return false;
  return raft::ApplyConfChange(tracker_.conf(), *change).ok();
}

absl::StatusOr<ConfState> Raft::ApplyConfChange(LogIndex index, const ConfChange& change) {
  if (index <= conf_index_ && !KV_PLANTED("conf-change-applied-twice")) return tracker_.conf();
  absl::StatusOr<ConfState> next = raft::ApplyConfChange(tracker_.conf(), change);
  conf_index_ = index;
  if (next.ok()) SwitchTo(*next);
  return next;
}

void Raft::SwitchTo(const ConfState& conf) {
  tracker_.SetConf(conf, log_.last());
  if (role_ != Role::kLeader) return;
  // What a quorum of the old membership proved, one of the new may not have.
  lease_.Revoke();
  if (transferee_ && !tracker_.IsVoter(transferee_)) AbortTransfer();
  CountOwnLog();
  GrantConfirmedReads();
  appends_due_ = true;
  if (!config_.step_down_on_removal || tracker_.IsVoter(id_) || step_down_at_) return;
  if (KV_PLANTED("removed-leader-stays")) return;
  // Not before a majority of the rest knows that the change is committed: by the old membership
  // they may need the vote of this member, which is perhaps about to be switched off.
  AppendOwn({});
  step_down_at_ = log_.last();
}

// The second half of a change that passes through a joint configuration. It must not be lost to a
// limit on proposals, or the cluster would need both majorities for ever.
void Raft::MaybeLeaveJoint() {
  if (role_ != Role::kLeader || !tracker_.conf().auto_leave || log_.HasUnappliedConfChange())
    return;
  if (KV_PLANTED("no-auto-leave")) return;
  AppendOwn({.type = EntryType::kConfChange, .data = EncodeConfChange(ConfChange{})});
}

void Raft::OnApplied(LogIndex index) {
  log_.OnApplied(index);
  MaybeLeaveJoint();
}

// ---------------------------------------------------------------------------------------------
// leadership transfer (thesis 3.10)

void Raft::TransferLeadership(NodeId to) {
  if (role_ != Role::kLeader) {
    if (leader_) Send(leader_, TransferRequest{.to = to});
    return;
  }
  const Progress* peer = tracker_.Find(to);
  if (peer == nullptr || !peer->is_voter() || to == transferee_) return;
  AbortTransfer();
  if (to == id_) return;
  transferee_ = to;
  appends_due_ = true;
  MaybeHandOver(*peer);
}

void Raft::AbortTransfer() {
  transferee_ = NodeId{0};
  transfer_ticks_ = 0;
}

void Raft::MaybeHandOver(const Progress& peer) {
  if (peer.id() != transferee_ || peer.match() != log_.last()) return;
  timeout_now_sent_ = true;
  Send(peer.id(), TimeoutNow{});
}

void Raft::On(const Message& message, const TransferRequest& request) {
  // As with proposals: not for a leader that the sender knows to be deposed, and never back.
  if (message.term > term_ || leader_ == message.from) return;
  TransferLeadership(request.to);
}

void Raft::On(const Message&, const TimeoutNow&) {
  if (role_ == Role::kFollower && MayCampaign()) CampaignForReal(CampaignKind::kTransfer);
}

void Raft::ForgetLeader() {
  if (role_ != Role::kFollower || config_.read_mode == ReadMode::kLease) return;
  SetLeader(NodeId{0});
}

// ---------------------------------------------------------------------------------------------
// reads

bool Raft::HoldsLease() const {
  return role_ == Role::kLeader && config_.read_mode == ReadMode::kLease && lease_.Holds() &&
         (!timeout_now_sent_ || KV_PLANTED("lease-through-transfer")) && CommittedInOwnTerm();
}

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

void Raft::GrantReads(const ReadRound& round) {
  for (const ReadRequest& request : round.requests) {
    if (request.from == id_) {
      outbox_.reads.push_back({.context = request.context, .index = round.index});
    } else {
      Send(request.from, ReadIndexResponse{.context = request.context, .index = round.index});
    }
  }
}

void Raft::GrantConfirmedReads() {
  const uint64_t confirmed = tracker_.ConfirmedReadRound();
  lease_.OnRoundConfirmed(confirmed);
  for (const ReadRound& round : read_rounds_.TakeConfirmed(confirmed)) GrantReads(round);
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
                       std::holds_alternative<ReadIndexRequest>(message.body) ||
                       std::holds_alternative<TransferRequest>(message.body);
  if (const auto* vote = std::get_if<VoteResponse>(&message.body)) LearnCommit(*vote);
  if (!request && !AcceptTerm(message)) return;
  std::visit([&](auto& body) { On(message, body); }, message.body);
}

void Raft::Send(NodeId to, MessageBody body) {
  outbox_.now.push_back({.from = id_, .to = to, .term = term_, .body = std::move(body)});
}

void Raft::Promise(NodeId to, Term term, MessageBody body) {
  const bool early =
      (KV_PLANTED("vote-before-durable") && std::holds_alternative<VoteResponse>(body)) ||
      (KV_PLANTED("vote-request-before-durable") && std::holds_alternative<VoteRequest>(body)) ||
      (KV_PLANTED("append-ack-before-durable") && std::holds_alternative<AppendResponse>(body));
  std::vector<Message>& box = early ? outbox_.now : outbox_.after_write;
  box.push_back({.from = id_, .to = to, .term = term, .body = std::move(body)});
}

bool Raft::HasOutput() const {
  if (!outbox_.empty() || appends_due_ || CanBeginReadRound()) return true;
  if (read_rounds_.HasWaiting() && HoldsLease()) return true;
  return role_ != Role::kLeader && forwarded_reads_.CanBegin();
}

void Raft::FillOutbox() {
  if (role_ != Role::kLeader) {
    if (forwarded_reads_.CanBegin()) {
      Send(leader_, ReadIndexRequest{.context = forwarded_reads_.Begin()});
    }
    return;
  }
  if (read_rounds_.HasWaiting() && HoldsLease()) {
    GrantReads(read_rounds_.TakeWaiting(log_.commit()));
  }
  if (CanBeginReadRound()) BeginReadRound();
  if (!std::exchange(appends_due_, false)) return;
  for (Progress& peer : tracker_.members()) {
    if (peer.id() != id_) SendAppends(peer);
  }
  if (step_down_at_ && log_.commit() >= step_down_at_) StepDown();
}

Outbox Raft::TakeOutbox() { return std::exchange(outbox_, {}); }

}  // namespace keelson::raft
