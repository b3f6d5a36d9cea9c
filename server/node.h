// Node: sequences the raft core with the log, the peers and apply; the loop around RawNode. Events
// in (ticks, messages, proposals, reads, completions), commands out through its interfaces. It owns
// no thread and no socket; the simulator runs exactly this code.
//
// Batching has no timers: inputs only mark that there is something to do, and one posted Advance()
// takes all that came in during the turn of the loop. Apply is a stage of its own: while the store
// would stall, committed entries wait and everything else goes on.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_NODE_H_
#define KEELSON_SERVER_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/types.h"
#include "raft/raw_node.h"
#include "server/executor.h"
#include "server/log_writer.h"
#include "server/raft_codec.h"
#include "server/snapshots.h"
#include "storage/raft_log.h"

namespace keelson::server {

// Carries raft messages to peers; may lose them.
class RaftTransport {
 public:
  virtual ~RaftTransport() = default;
  // False: it was certainly not sent. True: it may arrive.
  virtual bool Send(const raft::Message& message) = 0;
};

// What committed entries are applied to, and who hears of the node's changes.
class NodeDelegate {
 public:
  virtual ~NodeDelegate() = default;
  // Takes in entries that follow each other, as one group.
  virtual void ApplyEntries(absl::Span<const raft::Entry> entries) = 0;
  // Makes the group of ApplyEntries take effect, answers and events included. Unavailable: not now;
  // it is called again. Any other error stops the member.
  virtual absl::Status CommitApplied() = 0;
  // A group of ApplyEntries that was not committed will not be: a snapshot takes its place.
  virtual void AbandonApplied() = 0;
  // The store is another one: it stands where a snapshot was taken.
  virtual void OnSnapshotInstalled() = 0;
  virtual void OnLeadership(NodeId leader, Term term, bool is_self) = 0;
  // The node cannot go on: a durable store failed. Called once.
  virtual void OnFatal(absl::Status status) = 0;
};

// What is refused first when more is proposed than applied.
enum class Urgency : uint8_t { kOrdinary, kVital };

struct NodeOptions {
  raft::Config raft;
  absl::Duration tick = absl::Milliseconds(100);
  // Most of the first election timeout counts as over at the start, so that a new cluster has its
  // leader soon (etcd's --initial-election-tick-advance); pre-vote keeps a restarted member from
  // disturbing one.
  bool initial_election_tick_advance = true;
  // Without a leader, or not taken by raft; twice as many vital ones.
  uint64_t proposals_waiting_max = 5000;
  absl::Duration proposal_wait_max = absl::Seconds(7);  // then nobody waits for it any more
  // Committed and not applied: refuse proposals, vital ones at twice as many (etcd).
  uint64_t apply_lag_max = 5000;
  absl::Duration read_retry = absl::Milliseconds(500);  // etcd's readIndexRetryTime
  size_t conf_changes_waiting_max = 64;
  absl::Duration conf_change_retry = absl::Milliseconds(500);
};

class Node {
 public:
  struct Environment {
    Executor* executor;
    Random* random;
    const Clock* clock;
    storage::RaftLog* log;
    LogWriter* log_writer;
    RaftTransport* transport;
    NodeDelegate* delegate;
    Snapshots* snapshots = nullptr;  // null: it neither sends nor installs any
  };

  Node(NodeOptions options, const Environment& environment);
  ~Node();

  // Starts ticking.
  void Start();
  void Stop();

  // Queues a command for the log. False: too many are waiting; nothing was done. Otherwise it is
  // proposed as soon as there is a leader; whether it was committed shows only when it is applied.
  bool Propose(SharedBytes command, Urgency urgency = Urgency::kOrdinary);
  // As Propose, for a change of membership: raft takes one at a time, and a leader elsewhere
  // refuses without a word, so it is proposed again until it is forgotten or too old. It may
  // therefore be committed twice; what it means must allow that. 0: too many are waiting; nothing
  // was done.
  uint64_t ProposeConfChange(const raft::ConfChange& change);
  void ForgetConfChange(uint64_t id);
  // Asks for it; see RawNode::TransferLeadership.
  void TransferLeadership(NodeId to);

  // Runs `done` when this member has applied everything that was committed before the call (a
  // linearizable read may then be served here). Runs until answered; the caller has a deadline of
  // its own and may ask for removal with the returned id.
  using ReadDone = absl::AnyInvocable<void()>;
  uint64_t AwaitLinearizable(ReadDone done);
  void ForgetRead(uint64_t id);

  // The entry at `index` is being applied; see RawNode::ApplyConfChange. To be called by the
  // delegate from ApplyEntries.
  absl::StatusOr<raft::ConfState> ApplyConfChange(LogIndex index, const raft::ConfChange& change) {
    return raft_.ApplyConfChange(index, change);
  }

  // An InstallSnapshot only after its state has arrived.
  void OnMessage(raft::Message message);
  void OnUnreachable(NodeId peer);
  // A write of the log waits for room on the disk: with other members there, one of them had better
  // lead.
  void OnLogFull();
  void Campaign();

  NodeId leader() const { return raft_.leader(); }
  bool is_leader() const { return raft_.role() == raft::Role::kLeader; }
  Term term() const { return raft_.term(); }
  LogIndex commit() const { return raft_.commit(); }
  LogIndex applied() const { return applied_; }
  raft::Status status() const { return raft_.status(); }

 private:
  struct Read {
    uint64_t id;
    ReadDone done;
  };
  // The part of a Ready that rests on the log.
  struct Write {
    uint64_t number;
    raft::SnapshotPtr snapshot;  // to be installed first; null: none
    storage::LogAppend append;
    std::vector<raft::Message> messages;  // to be sent when it is durable
  };

  void ScheduleAdvance();
  void Advance();
  void ProposeWaiting();
  void ProposeConfChanges();
  void RequestReads();
  void Carry(raft::Ready ready);
  void HandOverWrites();
  void BeginInstall(const raft::Snapshot& snapshot);
  void FinishInstall(absl::Status status, LogIndex index);
  void SendSnapshot(const raft::Message& message);
  void NoticeStalledLog();
  void SendOrKeep(const raft::Message& message);
  void Keep(const raft::ProposeRequest& request);
  void MaybeApply();
  void FinishApply();
  void ServeReads();
  void OnTick();
  void RetryReads();
  void DropStaleProposals();
  void DropStaleConfChanges();
  void NoticeLeadership();
  void Fail(absl::Status status);

  const NodeOptions options_;
  Executor* const executor_;
  const Clock* const clock_;
  LogWriter* const log_writer_;
  RaftTransport* const transport_;
  NodeDelegate* const delegate_;
  Snapshots* const snapshots_;
  std::shared_ptr<int> alive_;  // what was handed to snapshots_ may come back after the end
  const RaftLogView log_view_;
  raft::RawNode raft_;

  bool stopped_ = false;
  bool advance_scheduled_ = false;
  std::unique_ptr<Timer> tick_timer_;
  absl::Duration next_tick_;

  std::vector<raft::Proposal> proposals_;         // not yet given to raft
  std::vector<absl::Duration> proposals_queued_;  // when, ascending; one for each of proposals_
  // What this turn gave to raft to send on, and when it was queued, should it come back unsent.
  std::vector<raft::Proposal> forwarded_;
  std::vector<absl::Duration> forwarded_queued_;

  struct WaitingConfChange {
    uint64_t id;
    SharedBytes data;
    absl::Duration queued;
    absl::Duration again;  // not to be proposed before
    Term asked;            // in this term; in a later one at once
  };
  std::deque<WaitingConfChange> conf_changes_;  // by id
  uint64_t last_conf_change_ = 0;

  std::deque<Write> held_;  // not yet handed to the log: they wait for a snapshot to be installed
  bool installing_ = false;
  // To see a log that hangs: of the writes handed to it the newest, the newest that is done, the
  // one that was the newest at some tick, and how many ticks ago that was.
  uint64_t last_write_ = 0, last_written_ = 0, watched_write_ = 0;
  int watched_ticks_ = 0;

  std::deque<raft::Entry> committed_;  // handed out, not yet given to the delegate
  LogIndex applied_;
  LogIndex applying_;  // last entry of the group under way; == applied_ when none is
  std::unique_ptr<Timer> apply_timer_;

  uint64_t last_read_id_ = 0;
  uint64_t last_read_context_ = 0;
  std::vector<Read> new_reads_;  // to go into the next round
  struct Round {
    std::vector<Read> reads;
    absl::Duration asked;
  };
  std::map<uint64_t, Round> rounds_;       // by context; asked and not granted
  std::multimap<LogIndex, Read> granted_;  // waiting for apply
  NodeId leader_;
  Term leader_term_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_NODE_H_
