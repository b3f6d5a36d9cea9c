// Reconfigurator: changes of the membership from the member that is asked for them: checked,
// proposed, answered when they are applied; what this member itself becomes by them: a learner, a
// voter, or removed; and leadership handed over on request. Part of MemberCore.
//
// A promotion is the leader's to judge, for it alone knows how far the learner is; another member
// asks it and then proposes the change itself. With promote_learners the leader promotes every
// learner that has caught up by itself.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_RECONFIGURATOR_H_
#define KEELSON_SERVER_RECONFIGURATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/executor.h"
#include "server/member_checks.h"
#include "server/node.h"
#include "server/peer_transport.h"
#include "server/state_machine.h"

namespace keelson::server {

struct ReconfiguratorOptions {
  NodeId self;
  bool strict = true;  // --strict-reconfig-check
  uint32_t learners_max = 1;
  bool promote_learners = false;
  absl::Duration healthy_after = absl::Seconds(5);  // etcd's HealthInterval
  absl::Duration tick = absl::Milliseconds(100);
  absl::Duration removal_grace = absl::Seconds(1);  // from the own removal to on_removed
  absl::Duration hand_over_max = absl::Seconds(2);
};

class Reconfigurator {
 public:
  using Done = absl::AnyInvocable<void(Answer)>;
  struct Environment {
    Executor* executor;
    const Clock* clock;
    const storage::Store* store;
    Node* node;
    ConnectedFor connected_for;
    // Proposes a change as a command, or as the context of raft's own change.
    std::function<void(const proto::MemberChange&, Done)> submit;
    // Asks the leader; the value is a Readiness.
    std::function<void(const PeerRequest&, absl::AnyInvocable<void(absl::StatusOr<int64_t>)>)>
        ask_leader;
    std::function<void()> on_members_changed;
    std::function<void()> on_removed;  // once
  };

  Reconfigurator(ReconfiguratorOptions options, Environment environment);
  void Stop();

  // --- for services. The answer's body is that of the method, without its header.
  void Add(const etcdserverpb::MemberAddRequest& request, Done done);
  void Remove(NodeId id, Done done);
  void Update(const etcdserverpb::MemberUpdateRequest& request, Done done);
  void Promote(NodeId id, Done done);
  // Answers when this member sees the new leader; `give_up` is by the clock.
  using TransferDone = absl::AnyInvocable<void(absl::Status)>;
  void TransferLeadership(NodeId to, absl::Duration give_up, TransferDone done);

  // Before this member ends: if it leads, somebody else is to, so that nobody has to notice that it
  // has gone. `done` runs when that is so, when there is nobody, or when it takes too long.
  void HandOver(absl::AnyInvocable<void()> done);

  // This member is a learner, as far as it knows.
  bool is_learner() const { return is_learner_; }
  // It is no member any more: it serves nobody and is about to stop.
  bool removed() const { return removed_; }

  // --- for MemberCore
  // The store has other members than before.
  void OnMembersChanged();
  // Another member says that this one was removed.
  void OnToldOfRemoval();
  // How far a learner is, as the leader knows. Reaches the wire: do not renumber.
  enum Readiness : int64_t { kReady = 0, kNotReady = 1, kNoMember = 2 };
  PeerAnswer ReadinessOf(NodeId id) const;
  void OnHousekeeping();

 private:
  NodeId Successor() const;
  MembersView View(const std::vector<etcdserverpb::Member>& members) const;
  void AwaitLeader(NodeId to, absl::Duration give_up, TransferDone done);
  void NoticeOwnPlace();

  const ReconfiguratorOptions options_;
  const Environment environment_;
  std::shared_ptr<int> alive_;
  bool is_learner_ = false;
  bool removed_ = false;
  bool stopped_ = false;
  bool promoting_ = false;
  absl::Duration promote_again_ = -absl::InfiniteDuration();
  std::unique_ptr<Timer> removal_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RECONFIGURATOR_H_
