#include "server/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "raft/conf_change.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kApplyRetry = absl::Milliseconds(2);
// Entries of one apply group; a group is one write batch, and one turn of the loop.
constexpr size_t kApplyGroupMax = 1024;
constexpr size_t kApplyGroupBytesMax = 4 << 20;  // but for a single larger entry

}  // namespace

Node::Node(NodeOptions options, const Environment& environment)
    : options_(std::move(options)),
      executor_(environment.executor),
      clock_(environment.clock),
      log_writer_(environment.log_writer),
      transport_(environment.transport),
      delegate_(environment.delegate),
      snapshots_(environment.snapshots),
      alive_(std::make_shared<int>()),
      log_view_(environment.log, environment.snapshots,
                [this](const absl::Status& status) {
                  // Not from inside of raft.
                  executor_->Post([this, status, alive = std::weak_ptr<int>(alive_)] {
                    if (!alive.expired()) Fail(status);
                  });
                }),
      raft_(options_.raft, &log_view_, environment.random),
      tick_timer_(executor_->NewTimer()),
      applied_(options_.raft.applied),
      applying_(options_.raft.applied),
      apply_timer_(executor_->NewTimer()),
      last_read_context_(environment.random->Next() >> 24 << 20) {}

Node::~Node() = default;

void Node::Start() {
  if (options_.initial_election_tick_advance) {
    for (int i = 1; i < options_.raft.election_timeout_ticks; ++i) raft_.Tick();
  }
  next_tick_ = clock_->Now() + options_.tick;
  tick_timer_->Arm(options_.tick, [this] { OnTick(); });
  ScheduleAdvance();
}

void Node::Stop() {
  stopped_ = true;
  tick_timer_->Cancel();
  apply_timer_->Cancel();
}

bool Node::Propose(SharedBytes command, Urgency urgency) {
  const uint64_t share = urgency == Urgency::kVital ? 2 : 1;
  if (stopped_ || proposals_.size() >= share * options_.proposals_waiting_max ||
      raft_.commit() - applied_ > static_cast<int64_t>(share * options_.apply_lag_max)) {
    return false;
  }
  proposals_.push_back({raft::EntryType::kNormal, std::move(command)});
  proposals_queued_.push_back(clock_->Now());
  ScheduleAdvance();
  return true;
}

uint64_t Node::ProposeConfChange(const raft::ConfChange& change) {
  if (stopped_ || conf_changes_.size() >= options_.conf_changes_waiting_max) return 0;
  conf_changes_.push_back(
      {++last_conf_change_, raft::EncodeConfChange(change), clock_->Now(), clock_->Now(), Term()});
  ScheduleAdvance();
  return last_conf_change_;
}

void Node::ForgetConfChange(uint64_t id) {
  std::erase_if(conf_changes_, [id](const WaitingConfChange& change) { return change.id == id; });
}

void Node::TransferLeadership(NodeId to) {
  if (stopped_) return;
  raft_.TransferLeadership(to);
  ScheduleAdvance();
}

uint64_t Node::AwaitLinearizable(ReadDone done) {
  new_reads_.push_back({++last_read_id_, std::move(done)});
  ScheduleAdvance();
  return last_read_id_;
}

void Node::ForgetRead(uint64_t id) {
  const auto is_it = [id](const Read& read) { return read.id == id; };
  std::erase_if(new_reads_, is_it);
  for (auto& [context, round] : rounds_) std::erase_if(round.reads, is_it);
  std::erase_if(granted_, [&](const auto& item) { return is_it(item.second); });
}

void Node::OnMessage(raft::Message message) {
  if (stopped_) return;
  raft_.Step(std::move(message));
  ScheduleAdvance();
}

void Node::OnUnreachable(NodeId peer) {
  if (stopped_) return;
  raft_.OnUnreachable(peer);
  ScheduleAdvance();
}

void Node::OnLogFull() {
  if (stopped_ || raft_.conf().voters.size() < 2) return;
  raft_.OnStorageStalled();
  ScheduleAdvance();
}

void Node::Campaign() {
  raft_.Campaign();
  ScheduleAdvance();
}

void Node::ScheduleAdvance() {
  if (advance_scheduled_ || stopped_) return;
  advance_scheduled_ = true;
  executor_->Post([this] {
    advance_scheduled_ = false;
    Advance();
  });
}

void Node::Advance() {
  if (stopped_) return;
  ProposeWaiting();
  ProposeConfChanges();
  RequestReads();
  while (!stopped_ && raft_.HasReady()) Carry(raft_.TakeReady());
  forwarded_.clear();
  forwarded_queued_.clear();
  NoticeLeadership();
  MaybeApply();
}

void Node::ProposeWaiting() {
  if (proposals_.empty() || !raft_.leader()) return;
  // Propose takes all or nothing, so what is refused must stay ours: copies share the payload.
  const raft::ProposeResult result = raft_.Propose(proposals_);
  if (result == raft::ProposeResult::kForwarded) {
    forwarded_ = std::exchange(proposals_, {});
    forwarded_queued_ = std::exchange(proposals_queued_, {});
  } else if (result == raft::ProposeResult::kAccepted) {
    proposals_.clear();
    proposals_queued_.clear();
  }
}

// Each alone: raft takes all proposals of a call or none. One that is refused here is tried again
// with the next turn; of one that was sent on nothing more is heard than that it is applied.
void Node::ProposeConfChanges() {
  if (!raft_.leader()) return;
  const absl::Duration now = clock_->Now();
  for (WaitingConfChange& change : conf_changes_) {
    if (change.asked == raft_.term() && now < change.again) continue;
    const raft::ProposeResult result = raft_.Propose({{raft::EntryType::kConfChange, change.data}});
    if (result != raft::ProposeResult::kAccepted && result != raft::ProposeResult::kForwarded) {
      continue;
    }
    change.asked = raft_.term();
    change.again = now + options_.conf_change_retry;
  }
}

void Node::RequestReads() {
  if (new_reads_.empty() || !raft_.leader()) return;
  const uint64_t context = ++last_read_context_;
  if (!raft_.RequestReadIndex(context)) return;
  rounds_[context] = Round{std::exchange(new_reads_, {}), clock_->Now()};
}

// Proposals for a leader that cannot be reached wait for the next tick and perhaps the next leader.
// Those that may have arrived are not sent twice.
void Node::SendOrKeep(const raft::Message& message) {
  const bool heartbeat = std::holds_alternative<raft::Heartbeat>(message.body);
  if (heartbeat && KV_FAILPOINT_VALUE(raftDropHeartbeat)) return;
  if (std::holds_alternative<raft::InstallSnapshot>(message.body)) return SendSnapshot(message);
  if (KV_PLANTED("proposal-sent-twice")) (void)transport_->Send(message);
  if (transport_->Send(message)) return;
  const auto* request = std::get_if<raft::ProposeRequest>(&message.body);
  if (request != nullptr) Keep(*request);
}

// Our own keep their age, however often they come back, so that DropStaleProposals finds them.
void Node::Keep(const raft::ProposeRequest& request) {
  const bool own = !forwarded_.empty() && request.proposals.size() == forwarded_.size() &&
                   request.proposals[0].data.data() == forwarded_[0].data.data();
  if (own) {
    proposals_.insert(proposals_.begin(), forwarded_.begin(), forwarded_.end());
    proposals_queued_.insert(proposals_queued_.begin(), forwarded_queued_.begin(),
                             forwarded_queued_.end());
    return;
  }
  for (const raft::Proposal& proposal : request.proposals) {
    // A change of membership is proposed again by the member that was asked for it.
    if (proposal.type == raft::EntryType::kConfChange) continue;
    proposals_.push_back(proposal);
    proposals_queued_.push_back(clock_->Now());
  }
}

void Node::Carry(raft::Ready ready) {
  if (is_leader() && !ready.send_now.empty()) KV_FAILPOINT(raftBeforeLeaderSend);
  for (const raft::Message& message : ready.send_now) SendOrKeep(message);
  if (!ready.write.empty() || !ready.send_after_write.empty()) {
    raft::SnapshotPtr snapshot = ready.write.snapshot;
    held_.push_back({ready.number, std::move(snapshot), ToLogAppend(std::move(ready.write)),
                     std::move(ready.send_after_write)});
    HandOverWrites();
  }
  for (raft::Entry& entry : ready.committed) committed_.push_back(std::move(entry));
  for (const raft::ReadGrant& grant : ready.reads) {
    auto round = rounds_.extract(grant.context);
    if (round.empty()) continue;
    for (Read& read : round.mapped().reads) granted_.emplace(grant.index, std::move(read));
  }
  for (const uint64_t context : ready.dropped_reads) {
    auto round = rounds_.extract(context);
    if (round.empty()) continue;
    for (Read& read : round.mapped().reads) new_reads_.push_back(std::move(read));
  }
  ServeReads();
}

// Writes go to the log in order; one with a snapshot only once the state is in its place: a crash
// between the two is mended at the next start, the other way round it could not be.
void Node::HandOverWrites() {
  while (!stopped_ && (!installing_ || KV_PLANTED("log-reset-before-snapshot")) && !held_.empty()) {
    if (held_.front().snapshot != nullptr) {
      BeginInstall(*std::exchange(held_.front().snapshot, nullptr));
      if (!KV_PLANTED("log-reset-before-snapshot")) return;
    }
    Write write = std::move(held_.front());
    held_.pop_front();
    log_writer_->Write(std::move(write.append), [this, number = write.number, id = ++last_write_,
                                                 messages = std::move(write.messages)]() mutable {
      last_written_ = id;
      if (stopped_) return;
      if (!is_leader() && !messages.empty()) KV_FAILPOINT(raftBeforeFollowerSend);
      for (const raft::Message& message : messages) SendOrKeep(message);
      KV_FAILPOINT(raftBeforeAdvance);
      raft_.OnWritten(number);
      ScheduleAdvance();
    });
  }
}

void Node::BeginInstall(const raft::Snapshot& snapshot) {
  if (snapshots_ == nullptr) return Fail(absl::InternalError("a snapshot, and nobody to install"));
  KV_FAILPOINT(raftBeforeApplySnap);
  installing_ = true;
  // What is not applied yet is in the snapshot.
  committed_.clear();
  apply_timer_->Cancel();
  if (applying_ != applied_) delegate_->AbandonApplied();
  applying_ = applied_;
  snapshots_->Install(snapshot, [this, index = snapshot.id.index,
                                 alive = std::weak_ptr<int>(alive_)](absl::Status status) {
    if (!alive.expired()) FinishInstall(std::move(status), index);
  });
}

void Node::FinishInstall(absl::Status status, LogIndex index) {
  if (stopped_) return;
  if (!status.ok()) return Fail(std::move(status));
  KV_FAILPOINT(raftAfterApplySnap);
  installing_ = false;
  applied_ = applying_ = index;
  delegate_->OnSnapshotInstalled();
  ServeReads();
  KV_FAILPOINT(raftBeforeWALSaveSnaphot);
  HandOverWrites();
  ScheduleAdvance();
}

void Node::SendSnapshot(const raft::Message& message) {
  const auto done = [this, peer = message.to,
                     alive = std::weak_ptr<int>(alive_)](raft::SnapshotResult result) {
    if (alive.expired() || stopped_) return;
    raft_.OnSnapshotSent(peer, result);
    ScheduleAdvance();
  };
  if (snapshots_ != nullptr) return snapshots_->Send(message, done);
  executor_->Post([done] { done(raft::SnapshotResult::kFailed); });
}

void Node::MaybeApply() {
  if (stopped_ || applying_ != applied_ || committed_.empty()) return;
  std::vector<raft::Entry> group;
  group.reserve(std::min(committed_.size(), kApplyGroupMax));
  size_t bytes = 0;
  while (!committed_.empty() && group.size() < kApplyGroupMax && bytes < kApplyGroupBytesMax) {
    bytes += committed_.front().data.size();
    group.push_back(std::move(committed_.front()));
    committed_.pop_front();
  }
  KV_CHECK_EQ(group.front().index, applied_ + 1);
  applying_ = group.back().index;
  delegate_->ApplyEntries(group);
  FinishApply();
}

void Node::FinishApply() {
  absl::Status status = delegate_->CommitApplied();
  if (absl::IsUnavailable(status)) {
    apply_timer_->Arm(kApplyRetry, [this] { FinishApply(); });
    return;
  }
  if (!status.ok()) {
    Fail(std::move(status));
    return;
  }
  applied_ = applying_;
  raft_.OnApplied(applied_);
  ServeReads();
  if (!committed_.empty() || raft_.HasReady()) ScheduleAdvance();
}

void Node::ServeReads() {
  while (!granted_.empty() &&
         (granted_.begin()->first <= applied_ || KV_PLANTED("read-before-applied"))) {
    Read read = std::move(granted_.begin()->second);
    granted_.erase(granted_.begin());
    read.done();
  }
}

void Node::OnTick() {
  if (stopped_) return;
  raft_.Tick();
  NoticeStalledLog();
  RetryReads();
  DropStaleProposals();
  DropStaleConfChanges();
  // A loop that was held up does not make up for lost ticks in one burst: that would be an election
  // timeout the leader had no chance to answer.
  const absl::Duration now = clock_->Now();
  next_tick_ = std::max(next_tick_ + options_.tick, now + options_.tick / 2);
  tick_timer_->Arm(next_tick_ - now, [this] { OnTick(); });
  ScheduleAdvance();
}

// Counted in ticks, not by the clock: when this process was stopped the log was too.
void Node::NoticeStalledLog() {
  if (last_written_ >= watched_write_) {
    watched_write_ = last_write_;
    watched_ticks_ = 0;
    return;
  }
  if (++watched_ticks_ < options_.raft.election_timeout_ticks) return;
  watched_ticks_ = 0;
  raft_.OnStorageStalled();
}

// The request or its answer may be lost on the way to another member's leader. Each attempt has a
// context of its own: an answer to the old one must not be taken for the new (etcd issue 20418).
void Node::RetryReads() {
  const absl::Duration now = clock_->Now();
  for (auto it = rounds_.begin(); it != rounds_.end();) {
    if (now - it->second.asked < options_.read_retry) {
      ++it;
      continue;
    }
    if (KV_PLANTED("read-context-reused") && it->first == last_read_context_) --last_read_context_;
    for (Read& read : it->second.reads) new_reads_.push_back(std::move(read));
    it = rounds_.erase(it);
  }
}

// A write that its client was told had timed out must not be made much later, when a leader turns
// up.
void Node::DropStaleProposals() {
  const absl::Duration oldest = clock_->Now() - options_.proposal_wait_max;
  const auto fresh = std::upper_bound(proposals_queued_.begin(), proposals_queued_.end(), oldest);
  const auto stale = fresh - proposals_queued_.begin();
  proposals_queued_.erase(proposals_queued_.begin(), fresh);
  proposals_.erase(proposals_.begin(), proposals_.begin() + stale);
}

void Node::DropStaleConfChanges() {
  const absl::Duration oldest = clock_->Now() - options_.proposal_wait_max;
  while (!conf_changes_.empty() && conf_changes_.front().queued <= oldest) {
    conf_changes_.pop_front();
  }
}

void Node::NoticeLeadership() {
  if (raft_.leader() == leader_ && raft_.term() == leader_term_) return;
  leader_ = raft_.leader();
  leader_term_ = raft_.term();
  delegate_->OnLeadership(leader_, leader_term_, is_leader());
  if (leader_ && (!proposals_.empty() || !new_reads_.empty())) ScheduleAdvance();
}

void Node::Fail(absl::Status status) {
  if (stopped_) return;
  Stop();
  delegate_->OnFatal(std::move(status));
}

}  // namespace keelson::server
