#include "server/reconfigurator.h"

#include <algorithm>
#include <utility>

#include "server/errors.h"
#include "server/membership.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kPromotionRetry = absl::Seconds(1);
// A learner that has this share of the leader's log is in sync (etcd's readyPercentThreshold).
constexpr uint64_t kReadyTenths = 9;

Answer Refusal(absl::Status status) { return {0, std::move(status), {}, {}}; }

}  // namespace

Reconfigurator::Reconfigurator(ReconfiguratorOptions options, Environment environment)
    : options_(options),
      environment_(std::move(environment)),
      alive_(std::make_shared<int>()),
      removal_(environment_.executor->NewTimer()) {
  const auto self = FindMember(*environment_.store, options_.self);
  is_learner_ = self && self->islearner();
}

void Reconfigurator::Stop() {
  stopped_ = true;
  removal_->Cancel();
}

MembersView Reconfigurator::View(const std::vector<etcdserverpb::Member>& members) const {
  return {options_.self, members, environment_.connected_for, options_.healthy_after};
}

// -------------------------------------------------------------------------------------------
// changes

void Reconfigurator::Add(const etcdserverpb::MemberAddRequest& request, Done done) {
  auto urls =
      CheckPeerUrls(std::vector<std::string>(request.peerurls().begin(), request.peerurls().end()));
  if (!urls.ok()) return done(Refusal(urls.status()));
  const std::vector<etcdserverpb::Member> members = Members(*environment_.store);
  if (options_.strict) {
    absl::Status status =
        request.islearner() ? CheckAddingLearner(View(members)) : CheckAddingVoter(View(members));
    if (!status.ok()) return done(Refusal(std::move(status)));
  }
  // The same URLs may have been added and removed within this second, or in one that the clock was
  // put back to.
  int64_t unix_seconds = absl::ToUnixSeconds(environment_.clock->WallTime());
  NodeId id = ComputeAddedMemberId(*urls, unix_seconds);
  while (!id || WasRemoved(*environment_.store, id)) {
    id = ComputeAddedMemberId(*urls, ++unix_seconds);
  }
  proto::MemberChange change;
  etcdserverpb::Member* const member = change.mutable_add()->mutable_member();
  member->set_id(id.value());
  for (std::string& url : *urls) member->add_peerurls(std::move(url));
  member->set_islearner(request.islearner());
  change.mutable_add()->set_learners_max(options_.learners_max);
  environment_.submit(change, std::move(done));
}

void Reconfigurator::Remove(NodeId id, Done done) {
  const std::vector<etcdserverpb::Member> members = Members(*environment_.store);
  if (options_.strict) {
    absl::Status status = CheckRemoving(View(members), id);
    if (!status.ok()) return done(Refusal(std::move(status)));
  }
  proto::MemberChange change;
  change.set_remove(id.value());
  environment_.submit(change, std::move(done));
}

void Reconfigurator::Update(const etcdserverpb::MemberUpdateRequest& request, Done done) {
  auto urls =
      CheckPeerUrls(std::vector<std::string>(request.peerurls().begin(), request.peerurls().end()));
  if (!urls.ok()) return done(Refusal(urls.status()));
  proto::MemberChange change;
  change.mutable_update()->set_id(request.id());
  for (std::string& url : *urls) change.mutable_update()->add_peerurls(std::move(url));
  environment_.submit(change, std::move(done));
}

void Reconfigurator::Promote(NodeId id, Done done) {
  auto on_readiness = [this, id, done = std::move(done), alive = std::weak_ptr<int>(alive_)](
                          absl::StatusOr<int64_t> readiness) mutable {
    if (!readiness.ok()) return done(Refusal(readiness.status()));
    if (alive.expired()) return done(Refusal(ErrStopped()));
    if (*readiness == kNoMember) return done(Refusal(ErrMemberNotFound()));
    if (*readiness != kReady) return done(Refusal(ErrLearnerNotReady()));
    if (options_.strict) {
      absl::Status status = CheckPromoting(View(Members(*environment_.store)));
      if (!status.ok()) return done(Refusal(std::move(status)));
    }
    proto::MemberChange change;
    change.set_promote(id.value());
    environment_.submit(change, std::move(done));
  };
  environment_.ask_leader({PeerRequestKind::kReadiness, id.value()}, std::move(on_readiness));
}

PeerAnswer Reconfigurator::ReadinessOf(NodeId id) const {
  if (!environment_.node->is_leader()) return std::nullopt;
  const raft::Status raft = environment_.node->status();
  const auto find = [&raft](NodeId wanted) {
    return std::find_if(raft.progress.begin(), raft.progress.end(),
                        [wanted](const auto& progress) { return progress.id == wanted; });
  };
  const auto learner = find(id);
  if (learner == raft.progress.end()) return kNoMember;
  const auto own = find(options_.self);
  const uint64_t leader_match =
      own == raft.progress.end() ? raft.commit.value() : own->match.value();
  return learner->match.value() * 10 < leader_match * kReadyTenths ? kNotReady : kReady;
}

// -------------------------------------------------------------------------------------------
// leadership

void Reconfigurator::TransferLeadership(NodeId to, absl::Duration give_up, TransferDone done) {
  if (!environment_.node->is_leader()) return done(ErrNotLeader());
  const auto member = FindMember(*environment_.store, to);
  if (!member || member->islearner()) return done(ErrBadLeaderTransferee());
  environment_.node->TransferLeadership(to);
  AwaitLeader(to, give_up, std::move(done));
}

void Reconfigurator::AwaitLeader(NodeId to, absl::Duration give_up, TransferDone done) {
  if (environment_.node->leader() == to) return done(absl::OkStatus());
  if (stopped_) return done(ErrStopped());
  if (environment_.clock->Now() >= give_up) return done(ErrTimeoutLeaderTransfer());
  auto timer = std::make_shared<std::unique_ptr<Timer>>(environment_.executor->NewTimer());
  Timer* const raw = timer->get();
  raw->Arm(options_.tick, [this, to, give_up, timer, done = std::move(done),
                           alive = std::weak_ptr<int>(alive_)]() mutable {
    if (alive.expired()) return done(ErrStopped());
    AwaitLeader(to, give_up, std::move(done));
  });
}

void Reconfigurator::HandOver(absl::AnyInvocable<void()> done) {
  const NodeId to = Successor();
  if (!to) return done();
  // Whoever has to wait too long for it ends all the same.
  TransferLeadership(to, environment_.clock->Now() + options_.hand_over_max,
                     [done = std::move(done)](const absl::Status&) mutable { done(); });
}

// Of the voters that answer, the one that has been connected for longest, as in etcd; 0: this
// member does not lead, or nobody is there.
NodeId Reconfigurator::Successor() const {
  NodeId successor;
  if (stopped_ || !environment_.node->is_leader()) return successor;
  absl::Duration longest;
  for (const raft::ProgressStatus& member : environment_.node->status().progress) {
    if (member.id == options_.self || member.learner || !member.recent_active) continue;
    const absl::Duration connected = environment_.connected_for(member.id);
    if (connected <= longest) continue;
    longest = connected;
    successor = member.id;
  }
  return successor;
}

// -------------------------------------------------------------------------------------------
// what this member becomes

void Reconfigurator::OnMembersChanged() {
  NoticeOwnPlace();
  environment_.on_members_changed();
}

void Reconfigurator::NoticeOwnPlace() {
  const auto self = FindMember(*environment_.store, options_.self);
  if (self) is_learner_ = self->islearner();
  if (removed_ || !WasRemoved(*environment_.store, options_.self)) return;
  removed_ = true;
  // Others may still need to hear that the change is committed, above all from a leader that was
  // removed.
  removal_->Arm(options_.removal_grace, [this] { environment_.on_removed(); });
}

void Reconfigurator::OnToldOfRemoval() {
  if (stopped_ || removed_) return;
  removed_ = true;
  environment_.on_removed();
}

void Reconfigurator::OnHousekeeping() {
  if (!options_.promote_learners || promoting_ || !environment_.node->is_leader()) return;
  const absl::Duration now = environment_.clock->Now();
  if (now < promote_again_) return;
  for (const etcdserverpb::Member& member : Members(*environment_.store)) {
    if (!member.islearner() || member.name().empty()) continue;
    const NodeId id(member.id());
    if (ReadinessOf(id) != PeerAnswer(kReady)) continue;
    promoting_ = true;
    promote_again_ = now + kPromotionRetry;
    // A refusal is tried again; nobody waits for the answer.
    Promote(id, [this, alive = std::weak_ptr<int>(alive_)](Answer) {
      if (!alive.expired()) promoting_ = false;
    });
    return;
  }
}

}  // namespace keelson::server
