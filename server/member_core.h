// MemberCore: a member without its sockets and threads: the raft node joined to the state machine,
// clients' pending commands, linearizable reads, watchers and leases. The services of server/ are
// written against it; production and the simulator give it their own executor, clock, stores and
// peers.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_MEMBER_CORE_H_
#define KEELSON_SERVER_MEMBER_CORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/duration_histogram.h"
#include "server/auth/auth_gate.h"
#include "server/auth/request_checks.h"
#include "server/divergence_check.h"
#include "server/lessor.h"
#include "server/node.h"
#include "server/peer_transport.h"
#include "server/pending_requests.h"
#include "server/reconfigurator.h"
#include "server/responses.h"
#include "server/space_gate.h"
#include "server/start_check.h"
#include "server/state_machine.h"
#include "server/watch_hub.h"
#include "storage/store.h"

namespace keelson::server {

struct MemberOptions {
  uint64_t cluster_id = 0;
  NodeId id;
  int election_timeout_ticks = 10;
  int heartbeat_ticks = 1;
  absl::Duration tick = absl::Milliseconds(100);  // --heartbeat-interval
  bool pre_vote = true;
  bool initial_election_tick_advance = true;
  uint64_t request_bytes_max = 1572864;
  int txn_ops_max = 128;
  SpaceOptions space;
  // Applied entries after which the state is written to disk, so that the log can be truncated; and
  // those kept in the log all the same, for members that are a little behind (etcd's numbers).
  uint64_t snapshot_count = 100000;
  uint64_t snapshot_catchup_entries = 5000;
  // Of entries that the raft core keeps in memory; whoever is behind by less needs no snapshot.
  uint64_t raft_cache_bytes_max = raft::Config().cache_bytes_max;
  absl::Duration divergence_check_interval = absl::Seconds(5);
  bool divergence_check_at_start = false;
  bool strict_reconfig_check = true;
  uint32_t learners_max = 1;
  bool promote_learners = false;
  WatchHubOptions watch;
  absl::Duration auth_token_ttl = absl::Seconds(300);
  absl::Duration slow_apply = absl::Milliseconds(100);  // --warning-apply-duration

  absl::Duration election_timeout() const { return tick * election_timeout_ticks; }
  // etcd's ReqTimeout: 5 s for the disk and the network, and two elections.
  absl::Duration request_timeout() const { return absl::Seconds(5) + 2 * election_timeout(); }
  // etcd's minimum: an election and a half, in whole seconds.
  int64_t lease_ttl_min() const;
};

// What a member has done since its start; each only grows.
struct CoreCounters {
  uint64_t leader_changes = 0;
  uint64_t proposals_failed = 0;  // not taken, or not known to be applied in time
  uint64_t slow_applies = 0;      // groups of entries that took longer than slow_apply
  uint64_t slow_reads = 0;        // linearizable reads that were not granted in time
  uint64_t leases_granted = 0;
  uint64_t leases_revoked = 0;
  uint64_t leases_renewed = 0;                          // by this member as leader
  uint64_t leases_expired = 0;                          // the same
  DurationHistogram commit{absl::Milliseconds(1), 14};  // of a group's batch to the store
};

class MemberCore final : public NodeDelegate {
 public:
  struct Environment {
    Executor* executor;
    Random* random;
    const Clock* clock;
    storage::RaftLog* log;
    LogWriter* log_writer;
    storage::Store* store;
    RaftTransport* transport;
    const Jwt* jwt = nullptr;        // null: simple tokens
    Snapshots* snapshots = nullptr;  // null: none are made, and the log is never truncated
    // Asks another member; see PeerTransport::Ask.
    std::function<void(NodeId, const PeerRequest&, absl::AnyInvocable<void(PeerAnswer)>)> ask;
    // How long a connection to the member stands; zero: there is none.
    ConnectedFor connected_for;
    std::function<void()> on_members_changed;  // as the store has them now
    // This member was removed from the cluster and is to stop.
    std::function<void()> on_removed;
    std::function<void(absl::Status)> on_fatal;
    std::function<void(std::string)> on_notice;  // a line for the log
  };

  MemberCore(MemberOptions options, const Environment& environment);
  ~MemberCore() override;

  // `on_started` runs, perhaps at once, when the member takes part and may serve clients. With
  // divergence_check_at_start that is after StartCheck, which may also end the member.
  void Start(Task on_started);
  // Answers everything that waits with "server stopped" and goes silent.
  void Stop();

  // --- for services

  using Done = absl::AnyInvocable<void(Answer)>;
  // Proposes the command whose `op_field` of proto::Command holds `request`; `done` gets its
  // outcome, or the error that kept it from one.
  void Submit(int op_field, std::string_view request, Done done) {
    Submit(op_field, request, Caller(), std::move(done));
  }
  // The same on behalf of `caller`.
  void Submit(int op_field, std::string_view request, const Caller& caller, Done done);
  // The same for what adds `cost` bytes to the store (request_cost.h): it may be held for a while
  // or refused for want of space.
  void SubmitGrowth(int op_field, std::string_view request, const Caller& caller, uint64_t cost,
                    Done done) {
    space_gate_.Submit(op_field, request, caller, cost, std::move(done));
  }
  // As Submit, for what changes raft's membership when it is applied.
  void SubmitConfChange(const raft::ConfChangeStep& step, const proto::MemberChange& change,
                        Done done);
  using ReadDone = absl::AnyInvocable<void(absl::Status)>;
  // Runs `done` once a read here is linearizable.
  void AwaitLinearizable(ReadDone done);

  // The TTL after the renewal, 0: no such lease; error: no leader could be asked.
  using LeaseDone = absl::AnyInvocable<void(absl::StatusOr<int64_t>)>;
  void RenewLease(LeaseId id, LeaseDone done);
  void LeaseRemaining(LeaseId id, LeaseDone done);
  // Runs `done` when what is compacted logically has gone physically.
  using CompactionDone = absl::AnyInvocable<void(absl::Status)>;
  void AwaitPhysicalCompaction(CompactionDone done);

  // Gives back what compactions removed; see Store::Reclaim. `done` runs on the executor.
  using ReclaimDone = absl::AnyInvocable<void(absl::Status)>;
  void Reclaim(ReclaimDone done);

  Header header() const;
  const MemberOptions& options() const { return options_; }
  storage::Store& store() { return *store_; }
  Node& node() { return node_; }
  WatchHub& watch_hub() { return watch_hub_; }
  Reconfigurator& reconfigurator() { return reconfigurator_; }
  const Clock& clock() const { return *clock_; }
  Snapshots* snapshots() { return snapshots_; }
  const AuthStore& auth() const { return state_machine_.auth(); }
  AuthView auth_view() const { return {state_machine_.auth(), *store_}; }
  AuthGate& auth_gate() { return auth_gate_; }
  Random& random() { return *random_; }
  std::unique_ptr<Timer> NewTimer() { return executor_->NewTimer(); }
  // Runs `task` after what the loop has to do now, unless this member is gone by then.
  void Post(Task task);
  bool stopped() const { return stopped_; }
  // Growth is refused because a disk of this member is full.
  bool out_of_disk() const { return space_gate_.out_of_disk(); }

  // --- for those who watch the disks

  void OnDiskFree(uint64_t bytes) { space_gate_.OnDiskFree(bytes); }
  // See LogWriter.
  void OnLogFull(bool full);
  const CoreCounters& counters() const { return counters_; }
  KvCounters* kv_counters() { return state_machine_.kv_counters(); }
  size_t proposals_pending() const { return pending_.size(); }

  // --- for the transport

  void OnRaftMessage(raft::Message message) {
    if (started_) node_.OnMessage(std::move(message));
  }
  void OnUnreachable(NodeId peer) { node_.OnUnreachable(peer); }
  // A peer refuses this member because it was removed.
  void OnToldOfRemoval() { reconfigurator_.OnToldOfRemoval(); }
  void OnPeerRequest(PeerRequest request, absl::AnyInvocable<void(PeerAnswer)> respond);

  // --- NodeDelegate

  void ApplyEntries(absl::Span<const raft::Entry> entries) override;
  absl::Status CommitApplied() override;
  void AbandonApplied() override;
  void OnSnapshotInstalled() override;
  void OnLeadership(NodeId leader, Term term, bool is_self) override;
  void OnFatal(absl::Status status) override;

 private:
  void Begin();
  StateHashes AllStateHashes();
  void RaiseCorrupt(NodeId member);
  Reconfigurator::Environment ReconfiguratorEnvironment(const Environment& environment);
  std::string EncodeCommand(uint64_t id, int op_field, std::string_view request,
                            const Caller& caller) const;
  bool serving() const { return !stopped_ && !reconfigurator_.removed(); }
  void AskLeader(PeerRequest request, LeaseDone done, absl::Duration give_up);
  void AnswerFromLessor(const PeerRequest& request, absl::AnyInvocable<void(PeerAnswer)> respond);
  void AnswerUpToDate(const PeerRequest& request, absl::AnyInvocable<void(PeerAnswer)> respond);
  AuthGate::Environment GateEnvironment();
  void OnHousekeeping();
  void RevokeExpired();
  // Its next step, after a rest.
  void ScheduleCompaction(absl::Duration rest = absl::ZeroDuration());
  void CompactionStep();
  void TruncateLog();

  const MemberOptions options_;
  Executor* const executor_;
  Random* const random_;
  const Clock* const clock_;
  storage::Store* const store_;
  storage::RaftLog* const log_;
  LogWriter* const log_writer_;
  Snapshots* const snapshots_;
  const std::function<void(NodeId, const PeerRequest&, absl::AnyInvocable<void(PeerAnswer)>)> ask_;
  const std::function<void(absl::Status)> on_fatal_;
  const std::function<void(std::string)> on_notice_;
  std::shared_ptr<int> alive_;

  CoreCounters counters_;
  absl::Duration group_began_;  // to be applied; valid while one is under way
  NodeId last_leader_;          // 0: none
  StateMachine state_machine_;
  PendingRequests pending_;
  struct PendingRead {
    absl::Duration deadline;
    uint64_t node_id;
    std::shared_ptr<ReadDone> done;
  };
  std::deque<PendingRead> reads_;  // by deadline; answered ones have a null *done
  Lessor lessor_;
  WatchHub watch_hub_;
  AuthGate auth_gate_;
  Node node_;
  SpaceGate space_gate_;
  DivergenceCheck divergence_check_;
  StartCheck start_check_;
  bool started_ = false;
  Reconfigurator reconfigurator_;
  bool stopped_ = false;
  absl::Duration leader_lost_at_ = -absl::InfiniteDuration();
  std::unique_ptr<Timer> housekeeping_;
  std::unique_ptr<Timer> compaction_timer_;
  bool flushing_ = false;       // the store, so that the log can be truncated
  bool group_applied_ = false;  // and not yet committed: the store may not compact
  bool compaction_scheduled_ = false;
  bool compaction_due_ = false;      // once the group is committed
  bool compaction_stalled_ = false;  // the store could not take the last step
  std::vector<CompactionDone> compaction_waiters_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_CORE_H_
