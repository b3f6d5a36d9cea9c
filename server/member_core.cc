#include "server/member_core.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "proto/keelson/command.pb.h"
#include "server/alarm_key.h"
#include "server/errors.h"
#include "server/member_changes.h"
#include "server/membership.h"
#include "server/proto_writer.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kHousekeeping = absl::Milliseconds(100);
constexpr absl::Duration kAskRetry = absl::Milliseconds(50);
constexpr int kRevokesAtOnce = 1000;
// A step of compaction is short, for all else waits for it, and followed by a rest of so many times
// what it took: clients have most of the loop, and a million revisions are still gone in seconds.
constexpr int64_t kCompactionChanges = 48;
constexpr int kCompactionRest = 7;
// Commands of this member that are neither applied nor given up; those that keep a cluster alive
// may be twice as many as those that change keys.
constexpr size_t kPendingMax = 20000;
// What a command may carry beyond the client's own bytes.
constexpr uint64_t kCommandOverhead = 80;

raft::Config RaftConfig(const MemberOptions& options, const storage::RaftLog& log,
                        const storage::Store& store) {
  raft::Config config;
  config.id = options.id;
  config.conf = StoredConfState(store);
  config.hard_state = ToHardState(log.state());
  config.applied =
      store.applied() - (KV_PLANTED("entries-applied-again") && store.applied() ? 1 : 0);
  config.election_timeout_ticks = options.election_timeout_ticks;
  config.heartbeat_ticks = options.heartbeat_ticks;
  config.pre_vote = options.pre_vote;
  config.cache_bytes_max = options.raft_cache_bytes_max;
  return config;
}

NodeOptions MakeNodeOptions(const MemberOptions& options, const storage::RaftLog& log,
                            const storage::Store& store) {
  NodeOptions node;
  node.raft = RaftConfig(options, log, store);
  node.tick = options.tick;
  node.initial_election_tick_advance = options.initial_election_tick_advance;
  node.proposal_wait_max = options.request_timeout();
  return node;
}

ReconfiguratorOptions MakeReconfiguratorOptions(const MemberOptions& options) {
  ReconfiguratorOptions reconfiguration;
  reconfiguration.self = options.id;
  reconfiguration.strict = options.strict_reconfig_check;
  reconfiguration.learners_max = options.learners_max;
  reconfiguration.promote_learners = options.promote_learners;
  reconfiguration.tick = options.tick;
  reconfiguration.hand_over_max = 2 * options.election_timeout();
  reconfiguration.removal_grace = std::max(absl::Seconds(1), options.election_timeout());
  return reconfiguration;
}

// Changes of keys come in floods; what ends or survives one is to be heard in it.
Urgency UrgencyOf(int op_field) {
  switch (op_field) {
    case proto::Command::kPutFieldNumber:
    case proto::Command::kDeleteRangeFieldNumber:
    case proto::Command::kTxnFieldNumber:
      return Urgency::kOrdinary;
    default:
      return Urgency::kVital;
  }
}

void AnswerReadiness(MemberCore* core, NodeId id, absl::AnyInvocable<void(PeerAnswer)> respond) {
  const PeerAnswer readiness = core->reconfigurator().ReadinessOf(id);
  if (readiness != PeerAnswer(Reconfigurator::kNoMember)) return respond(readiness);
  // Whoever asks may have seen an addition applied elsewhere that the leader has yet to apply; it
  // has done so after this.
  core->AwaitLinearizable([core, id, respond = std::move(respond)](absl::Status status) mutable {
    respond(status.ok() ? core->reconfigurator().ReadinessOf(id) : std::nullopt);
  });
}

}  // namespace

int64_t MemberOptions::lease_ttl_min() const {
  return static_cast<int64_t>(std::ceil(1.5 * absl::ToDoubleSeconds(election_timeout())));
}

MemberCore::MemberCore(MemberOptions options, const Environment& environment)
    : options_(options),
      executor_(environment.executor),
      random_(environment.random),
      clock_(environment.clock),
      store_(environment.store),
      log_(environment.log),
      log_writer_(environment.log_writer),
      snapshots_(environment.snapshots),
      ask_(environment.ask),
      on_fatal_(environment.on_fatal),
      on_notice_(environment.on_notice),
      alive_(std::make_shared<int>()),
      state_machine_(store_, options.id,
                     [this](LogIndex index, const raft::ConfChange& change) {
                       return node_.ApplyConfChange(index, change);
                     }),
      pending_(random_),
      lessor_(store_, clock_, options.election_timeout()),
      watch_hub_(options.watch, store_, executor_, random_, [this] { return header(); }),
      auth_gate_({options.auth_token_ttl, environment.jwt, environment.log->LastIndex()},
                 GateEnvironment()),
      node_(MakeNodeOptions(options, *environment.log, *store_),
            Node::Environment{executor_, random_, clock_, environment.log, environment.log_writer,
                              environment.transport, this, environment.snapshots}),
      space_gate_(options.space, options.id,
                  {executor_, clock_, store_,
                   [this](int op_field, std::string_view request, const Caller& caller, Done done) {
                     Submit(op_field, request, caller, std::move(done));
                   },
                   on_notice_}),
      divergence_check_(options.divergence_check_interval, AllStateHashes(),
                        [this](NodeId member) { RaiseCorrupt(member); }),
      start_check_(AllStateHashes(), executor_),
      reconfigurator_(MakeReconfiguratorOptions(options), ReconfiguratorEnvironment(environment)),
      housekeeping_(executor_->NewTimer()),
      compaction_timer_(executor_->NewTimer()) {}

// The store's thread posts to the executor, which may go after us but before the store.
MemberCore::~MemberCore() { store_->StopReclaiming(); }

AuthGate::Environment MemberCore::GateEnvironment() {
  return {&state_machine_.auth(), clock_, [this] { return node_.applied(); },
          [this](AuthGate::ReadDone done) { AwaitLinearizable(std::move(done)); }};
}

Reconfigurator::Environment MemberCore::ReconfiguratorEnvironment(const Environment& environment) {
  Reconfigurator::Environment of;
  of.executor = executor_;
  of.clock = clock_;
  of.store = store_;
  of.node = &node_;
  of.connected_for = environment.connected_for;
  of.submit = [this](const proto::MemberChange& change, Done done) {
    if (const auto step = RaftStepOf(change)) {
      return SubmitConfChange(*step, change, std::move(done));
    }
    Submit(proto::Command::kMemberChangeFieldNumber, change.SerializeAsString(), std::move(done));
  };
  of.ask_leader = [this](const PeerRequest& request, LeaseDone done) {
    AskLeader(request, std::move(done), clock_->Now() + options_.request_timeout());
  };
  of.on_members_changed = environment.on_members_changed;
  of.on_removed = environment.on_removed;
  return of;
}

void MemberCore::Start(Task on_started) {
  if (!options_.divergence_check_at_start) {
    Begin();
    return on_started();
  }
  start_check_.Run([this, on_started = std::move(on_started)](StartVerdict verdict) mutable {
    if (verdict == StartVerdict::kDiffers) {
      return OnFatal(
          absl::DataLossError("the other members had another state where this one stands"));
    }
    on_notice_(verdict == StartVerdict::kAgrees
                   ? "this member's state agrees with the others'"
                   : "too few members could say whether this one's state agrees with theirs");
    Begin();
    on_started();
  });
}

void MemberCore::Begin() {
  started_ = true;
  node_.Start();
  housekeeping_->Arm(kHousekeeping, [this] { OnHousekeeping(); });
  ScheduleCompaction();
}

void MemberCore::Stop() {
  if (stopped_) return;
  stopped_ = true;
  start_check_.Stop();
  node_.Stop();
  housekeeping_->Cancel();
  compaction_timer_->Cancel();
  lessor_.Demote();
  space_gate_.Stop();
  reconfigurator_.Stop();
  pending_.FailAll(ErrStopped());
  for (CompactionDone& waiter : std::exchange(compaction_waiters_, {})) waiter(ErrStopped());
  for (PendingRead& read : std::exchange(reads_, {})) {
    if (*read.done) std::exchange(*read.done, nullptr)(ErrStopped());
  }
}

void MemberCore::Post(Task task) {
  executor_->Post([task = std::move(task), alive = std::weak_ptr<int>(alive_)]() mutable {
    if (!alive.expired()) task();
  });
}

Header MemberCore::header() const {
  return {options_.cluster_id, options_.id, store_->revision(), node_.term()};
}

// -----------------------------------------------------------------------------------------
// requests

void MemberCore::Submit(int op_field, std::string_view request, const Caller& caller, Done done) {
  const auto refuse = [&](absl::Status status) { done(Answer{0, std::move(status), {}, {}}); };
  if (!serving()) return refuse(ErrStopped());
  if (request.size() > options_.request_bytes_max) return refuse(ErrRequestTooLarge());
  // It could not be applied here before there is room, and every read would have to wait for it.
  if (store_->disk_full()) return refuse(ErrNoSpace());
  const Urgency urgency = UrgencyOf(op_field);
  if (pending_.size() >= (urgency == Urgency::kVital ? 2 * kPendingMax : kPendingMax)) {
    ++counters_.proposals_failed;
    return refuse(ErrTooManyRequests());
  }
  const uint64_t id = pending_.Add(clock_->Now() + options_.request_timeout(), std::move(done));
  if (!node_.Propose(SharedBytes(EncodeCommand(id, op_field, request, caller)), urgency)) {
    ++counters_.proposals_failed;
    pending_.Complete(Answer{id, ErrTooManyRequests(), {}, {}});
  }
}

std::string MemberCore::EncodeCommand(uint64_t id, int op_field, std::string_view request,
                                      const Caller& caller) const {
  std::string command;
  command.reserve(request.size() + caller.user.size() + kCommandOverhead);
  ProtoWriter writer(&command);
  writer.Uint(proto::Command::kFormatFieldNumber, kCommandFormat);
  writer.Uint(proto::Command::kOriginFieldNumber, options_.id.value());
  writer.Uint(proto::Command::kRequestFieldNumber, id);
  writer.Bytes(proto::Command::kUsernameFieldNumber, caller.user);
  writer.Uint(proto::Command::kAuthRevisionFieldNumber, caller.auth_revision);
  writer.Message(op_field, request);
  return command;
}

void MemberCore::SubmitConfChange(const raft::ConfChangeStep& step,
                                  const proto::MemberChange& change, Done done) {
  if (!serving()) return done(Answer{0, ErrStopped(), {}, {}});
  const std::string request = change.SerializeAsString();
  if (request.size() > options_.request_bytes_max) {
    return done(Answer{0, ErrRequestTooLarge(), {}, {}});
  }
  // Proposed again and again until it is answered, whatever the answer is.
  auto proposal = std::make_shared<uint64_t>(0);
  const uint64_t id = pending_.Add(clock_->Now() + options_.request_timeout(),
                                   [this, proposal, done = std::move(done)](Answer answer) mutable {
                                     node_.ForgetConfChange(*proposal);
                                     done(std::move(answer));
                                   });
  const std::string command =
      EncodeCommand(id, proto::Command::kMemberChangeFieldNumber, request, Caller());
  *proposal = node_.ProposeConfChange({.steps = {step}, .context = SharedBytes::Copy(command)});
  if (*proposal == 0) pending_.Complete(Answer{id, ErrTooManyRequests(), {}, {}});
}

void MemberCore::AwaitLinearizable(ReadDone done) {
  if (!serving()) return done(ErrStopped());
  if (KV_PLANTED("read-unconfirmed")) return done(absl::OkStatus());
  auto shared = std::make_shared<ReadDone>(std::move(done));
  const uint64_t id = node_.AwaitLinearizable([shared] {
    if (*shared) std::exchange(*shared, nullptr)(absl::OkStatus());
  });
  reads_.push_back({clock_->Now() + options_.request_timeout(), id, std::move(shared)});
}

void MemberCore::OnHousekeeping() {
  const absl::Duration now = clock_->Now();
  const absl::Status timeout = now - leader_lost_at_ < options_.request_timeout() * 2
                                   ? ErrTimeoutLeaderLost()
                                   : ErrTimeout();
  counters_.proposals_failed += pending_.Expire(now, timeout);
  while (!reads_.empty() && (reads_.front().deadline <= now || !*reads_.front().done)) {
    PendingRead read = std::move(reads_.front());
    reads_.pop_front();
    if (!*read.done) continue;
    node_.ForgetRead(read.node_id);
    ++counters_.slow_reads;
    std::exchange(*read.done, nullptr)(timeout);
  }
  RevokeExpired();
  reconfigurator_.OnHousekeeping();
  TruncateLog();
  if (std::exchange(compaction_stalled_, false)) ScheduleCompaction();
  space_gate_.OnTick();
  divergence_check_.OnTick(node_.is_leader());
  housekeeping_->Arm(kHousekeeping, [this] { OnHousekeeping(); });
}

// --------------------------------------------------------------------------------------------
// apply

void MemberCore::ApplyEntries(absl::Span<const raft::Entry> entries) {
  group_applied_ = true;
  group_began_ = clock_->Now();
  state_machine_.Apply(entries);
}

absl::Status MemberCore::CommitApplied() {
  const absl::Duration commit_began = clock_->Now();
  KV_ASSIGN_OR_RETURN(Applied applied, state_machine_.Commit());
  const absl::Duration now = clock_->Now();
  counters_.commit.Observe(now - commit_began);
  if (now - group_began_ > options_.slow_apply) ++counters_.slow_applies;
  group_applied_ = false;
  counters_.leases_revoked += applied.revoked.size();
  counters_.leases_granted += applied.granted.size();
  // A lease revoked and granted again within the group exists; the other way round it does not, and
  // OnGranted sees that.
  for (const LeaseId id : applied.revoked) lessor_.OnRevoked(id);
  for (const LeaseId id : applied.granted) lessor_.OnGranted(id);
  if (applied.grown) space_gate_.OnGrown();
  auth_gate_.OnTokenChanges(applied.tokens);
  watch_hub_.OnEvents(applied.events, store_->revision());
  for (Answer& answer : applied.answers) {
    answer.applying = group_began_;
    answer.applied = now;
    if (KV_PLANTED("answer-revision-of-group")) answer.revision = store_->revision();
    pending_.Complete(std::move(answer));
  }
  if (applied.members_changed) reconfigurator_.OnMembersChanged();
  if (std::exchange(compaction_due_, false) || applied.compacted) ScheduleCompaction();
  return absl::OkStatus();
}

void MemberCore::AbandonApplied() {
  state_machine_.Abandon();
  group_applied_ = false;
}

void MemberCore::OnSnapshotInstalled() {
  // What was proposed here may be in the snapshot or not; nobody can say any more.
  counters_.proposals_failed +=
      pending_.FailAll(KV_PLANTED("snapshot-answers-pending") ? absl::OkStatus() : ErrTimeout());
  state_machine_.OnStoreReplaced();
  auth_gate_.OnStateReplaced();
  if (!KV_PLANTED("watch-not-told-of-snapshot")) watch_hub_.OnStoreReplaced();
  reconfigurator_.OnMembersChanged();
  compaction_due_ = false;
  ScheduleCompaction();
}

void MemberCore::OnLeadership(NodeId leader, Term term, bool is_self) {
  if (is_self) {
    lessor_.Promote(term);
  } else {
    lessor_.Demote();
  }
  if (leader && leader != last_leader_) ++counters_.leader_changes;
  last_leader_ = leader;
  if (!leader) leader_lost_at_ = clock_->Now();
  on_notice_(leader ? absl::StrCat("leader is ", absl::Hex(leader.value()), " in term ",
                                   term.value(), is_self ? " (this member)" : "")
                    : absl::StrCat("no leader in term ", term.value()));
}

void MemberCore::OnLogFull(bool full) {
  space_gate_.OnLogFull(full);
  if (full) node_.OnLogFull();
}

void MemberCore::OnFatal(absl::Status status) {
  Stop();
  on_fatal_(std::move(status));
}

// -------------------------------------------------------------------------------------------
// the log's head

// The log is needed from the store's durable position on; some more is kept, for a member that is a
// little behind is served from the log at less cost than by a snapshot.
void MemberCore::TruncateLog() {
  if (snapshots_ == nullptr) return;
  const LogIndex durable = store_->durable_applied();
  // On a full disk the store tries by itself.
  if (!flushing_ && !store_->disk_full() &&
      static_cast<uint64_t>(store_->applied() - durable) >= options_.snapshot_count) {
    flushing_ = true;
    snapshots_->Flush([this, alive = std::weak_ptr<int>(alive_)](absl::Status status) {
      if (alive.expired()) return;
      flushing_ = false;
      if (!status.ok()) on_notice_(absl::StrCat("cannot flush the state: ", status.message()));
    });
  }
  if (durable.value() <= options_.snapshot_catchup_entries) return;
  LogIndex first_kept = durable + 1 - options_.snapshot_catchup_entries;
  if (const auto needed = snapshots_->NeededFrom()) first_kept = std::min(first_kept, *needed);
  if (first_kept > log_->FirstIndex()) log_writer_->TruncatePrefix(first_kept);
}

// -------------------------------------------------------------------------------------------
// divergence

StateHashes MemberCore::AllStateHashes() {
  StateHashes states;
  states.self = options_.id;
  states.clock = clock_;
  states.members = [this] {
    std::vector<NodeId> ids;
    for (const auto& member : Members(*store_)) ids.emplace_back(member.id());
    return ids;
  };
  states.applied = [this] { return node_.applied(); };
  states.hash_at = [this](LogIndex index) { return store_->FindStateHash(index); };
  states.ask = [this](NodeId peer, LogIndex index, StateHashes::Answer done) {
    const PeerRequest request{PeerRequestKind::kStateHash, index.value()};
    ask_(peer, request, [done = std::move(done)](PeerAnswer answer) mutable {
      done(answer ? std::optional(static_cast<uint64_t>(*answer)) : std::nullopt);
    });
  };
  states.ask_applied = [this](NodeId peer, auto done) {
    ask_(peer, {PeerRequestKind::kApplied}, [done = std::move(done)](PeerAnswer answer) mutable {
      done(answer ? std::optional(LogIndex(static_cast<uint64_t>(*answer))) : std::nullopt);
    });
  };
  return states;
}

void MemberCore::RaiseCorrupt(NodeId member) {
  if (store_->FindRecord(storage::Table::kAlarms,
                         AlarmKey{member, etcdserverpb::CORRUPT}.Encode())) {
    return;
  }
  on_notice_(member ? absl::StrCat("member ", absl::Hex(member.value()),
                                   " has other data than the majority: raising alarm CORRUPT")
                    : "the members have different data: raising alarm CORRUPT");
  etcdserverpb::AlarmRequest request;
  request.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
  request.set_memberid(member.value());
  request.set_alarm(etcdserverpb::CORRUPT);
  // Should it be lost, the next comparison raises it.
  Submit(proto::Command::kAlarmFieldNumber, request.SerializeAsString(), [](const Answer&) {});
}

// -------------------------------------------------------------------------------------------
// leases

void MemberCore::RevokeExpired() {
  if (!lessor_.is_primary()) return;
  const std::vector<LeaseId> expired = lessor_.TakeExpired(kRevokesAtOnce);
  if (expired.empty()) return;
  counters_.leases_expired += expired.size();
  proto::LeaseRevoke revoke;
  for (const LeaseId id : expired) revoke.add_ids(id.value());
  revoke.set_leader_term(lessor_.term().value());
  // Nobody waits for the answer; what is lost is asked for again.
  Submit(proto::Command::kLeaseRevokeFieldNumber, revoke.SerializeAsString(), [](Answer) {});
}

void MemberCore::AnswerFromLessor(const PeerRequest& request,
                                  absl::AnyInvocable<void(PeerAnswer)> respond) {
  if (!lessor_.is_primary()) return respond(std::nullopt);
  const bool denied_early =
      KV_PLANTED("lease-denied-by-new-leader") ||
      (KV_PLANTED("lease-denied-by-stalled-leader") && store_->FindLease(request.lease()));
  // Until a leader has applied an entry of its own term, its log may still hold what an earlier one
  // decided: a revocation of the very lease that would be told to live on.
  const bool decided = store_->applied_term() >= lessor_.term();
  if ((lessor_.Knows(request.lease()) && decided) || denied_early) {
    return AnswerUpToDate(request, std::move(respond));
  }
  // A leader at the beginning of its term may not have applied the grant yet, and one whose store
  // stalls may not have committed it, when others have answered for it; "no such lease" would make
  // the client give up a lease that lives. What was committed before the question has been applied
  // after this.
  AwaitLinearizable([this, request, respond = std::move(respond)](absl::Status status) mutable {
    if (!status.ok() || !lessor_.is_primary()) return respond(std::nullopt);
    AnswerUpToDate(request, std::move(respond));
  });
}

void MemberCore::AnswerUpToDate(const PeerRequest& request,
                                absl::AnyInvocable<void(PeerAnswer)> respond) {
  switch (request.kind) {
    case PeerRequestKind::kLeaseRenew:
      lessor_.Renew(request.lease(), [this, respond = std::move(respond)](int64_t ttl) mutable {
        if (ttl > 0) ++counters_.leases_renewed;
        respond(ttl < 0 ? std::nullopt : PeerAnswer(ttl));
      });
      return;
    case PeerRequestKind::kLeaseRemaining:
      KV_FAILPOINT(beforeLookupWhenLeaseTimeToLive);
      return respond(store_->FindLease(request.lease()) ? lessor_.Remaining(request.lease()) : -1);
    default:
      return respond(std::nullopt);  // of a newer member
  }
}

void MemberCore::OnPeerRequest(PeerRequest request, absl::AnyInvocable<void(PeerAnswer)> respond) {
  if (request.kind == PeerRequestKind::kStateHash) {
    const auto hash = store_->FindStateHash(LogIndex(request.id));
    return respond(hash ? PeerAnswer(static_cast<int64_t>(*hash)) : std::nullopt);
  }
  if (request.kind == PeerRequestKind::kApplied) {
    return respond(static_cast<int64_t>(node_.applied().value()));
  }
  if (request.kind == PeerRequestKind::kReadiness) {
    return AnswerReadiness(this, NodeId(request.id), std::move(respond));
  }
  if (request.kind == PeerRequestKind::kLeaseRenew) KV_FAILPOINT(beforeServeHTTPLeaseRenew);
  if (request.kind == PeerRequestKind::kLeaseRemaining) {
    KV_FAILPOINT(beforeLookupWhenForwardLeaseTimeToLive);
  }
  AnswerFromLessor(request, std::move(respond));
}

// Asks whoever is leader, again when it was not or did not answer, until `give_up`.
void MemberCore::AskLeader(PeerRequest request, LeaseDone done, absl::Duration give_up) {
  auto shared = std::make_shared<LeaseDone>(std::move(done));
  auto on_answer = [this, request, shared, give_up,
                    alive = std::weak_ptr<int>(alive_)](PeerAnswer answer) {
    if (answer) return (*shared)(*answer);
    if (alive.expired() || stopped_) return (*shared)(ErrStopped());
    if (clock_->Now() >= give_up) return (*shared)(ErrTimeout());
    auto timer = std::make_shared<std::unique_ptr<Timer>>(executor_->NewTimer());
    Timer* const raw = timer->get();
    raw->Arm(kAskRetry,
             [this, request, shared, give_up, timer, again = std::weak_ptr<int>(alive_)]() mutable {
               if (again.expired()) return;
               AskLeader(request, std::move(*shared), give_up);
             });
  };
  const NodeId leader = node_.leader();
  if (leader == options_.id) return OnPeerRequest(request, std::move(on_answer));
  if (!leader) return on_answer(std::nullopt);
  ask_(leader, request, std::move(on_answer));
}

void MemberCore::RenewLease(LeaseId id, LeaseDone done) {
  AskLeader({PeerRequestKind::kLeaseRenew, static_cast<uint64_t>(id.value())}, std::move(done),
            clock_->Now() + options_.request_timeout());
}

void MemberCore::LeaseRemaining(LeaseId id, LeaseDone done) {
  AskLeader({PeerRequestKind::kLeaseRemaining, static_cast<uint64_t>(id.value())}, std::move(done),
            clock_->Now() + options_.request_timeout());
}

// ---------------------------------------------------------------------------------------
// compaction

void MemberCore::AwaitPhysicalCompaction(CompactionDone done) {
  if (stopped_) return done(ErrStopped());
  compaction_waiters_.push_back(std::move(done));
  ScheduleCompaction();
}

void MemberCore::Reclaim(ReclaimDone done) {
  if (stopped_) return done(ErrStopped());
  // Shared with the store's thread, which may outlive this object.
  auto shared = std::make_shared<ReclaimDone>(std::move(done));
  store_->Reclaim([this, shared, alive = std::weak_ptr<int>(alive_),
                   executor = executor_](absl::Status status) {
    executor->Post([this, shared, alive, status = std::move(status)] {
      if (alive.expired()) return;
      (*shared)(stopped_ ? ErrStopped() : FromStorage(status));
    });
  });
}

void MemberCore::ScheduleCompaction(absl::Duration rest) {
  if (compaction_scheduled_ || stopped_) return;
  compaction_scheduled_ = true;
  compaction_timer_->Arm(rest, [this] {
    compaction_scheduled_ = false;
    CompactionStep();
  });
}

void MemberCore::CompactionStep() {
  if (stopped_) return;
  if (group_applied_) {
    compaction_due_ = true;
    return;
  }
  const absl::Duration began = clock_->Now();
  const absl::StatusOr<bool> done = store_->CompactStep(kCompactionChanges);
  if (absl::IsUnavailable(done.status())) {
    compaction_stalled_ = true;  // until the next housekeeping
    return;
  }
  if (!done.ok()) return OnFatal(done.status());
  if (!*done) return ScheduleCompaction((clock_->Now() - began) * kCompactionRest);
  for (CompactionDone& waiter : std::exchange(compaction_waiters_, {})) waiter(absl::OkStatus());
}

}  // namespace keelson::server
