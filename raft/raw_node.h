// RawNode: the raft protocol as a deterministic state machine (Ongaro's thesis; etcd-io/raft's
// RawNode with asynchronous storage writes is the model). Inputs are ticks, messages, proposals,
// read requests and acknowledgements; the output is one value, Ready. It owns no socket, file,
// thread, clock or random source, and the same inputs give the same outputs.
//
// Thread: none of its own; calls must not overlap. Every call runs to its end without waiting.
//
// How it is driven:
//   1. Feed inputs: Tick, Step, Propose, RequestReadIndex, OnWritten, OnApplied.
//   2. When HasReady(): TakeReady(). Send `send_now`; hand `write` to the log; when it is durable,
//   call
//      OnWritten(number) and send `send_after_write`; apply `committed` in order, then OnApplied.
//   Several Readys may be under way; writes are carried out and acknowledged in the order of their
//   numbers.
//   3. A committed entry of type kConfChange is decoded (raft/conf_change.h) and given to
//   ApplyConfChange when it is applied, before OnApplied of its index, unless the layer above
//   rejects it, which every member must do alike. The ConfState of the newest applied change
//   belongs into the durable state, with the applied index: a restart needs it.
#ifndef KEELSON_RAFT_RAW_NODE_H_
#define KEELSON_RAFT_RAW_NODE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/types.h"
#include "raft/types.h"

namespace keelson::raft {

// The written part of the log, as raft needs to see it. It holds at least every entry acknowledged
// by OnWritten that was not replaced since; reads beyond that are not made.
class LogView {
 public:
  virtual ~LogView() = default;
  // First index still held; LastIndex() + 1 when none is.
  virtual LogIndex FirstIndex() const = 0;
  virtual LogIndex LastIndex() const = 0;
  // Term of an entry, or of FirstIndex() - 1; nullopt for any other index.
  virtual std::optional<Term> TermAt(LogIndex index) const = 0;
  // Entries in [begin, end), cut after at least one when they pass `bytes_max`. OutOfRange: begin
  // is below FirstIndex(). Any other error: the log cannot be read and the owner of the view stops
  // the node.
  virtual absl::StatusOr<std::vector<Entry>> Entries(LogIndex begin, LogIndex end,
                                                     uint64_t bytes_max) const = 0;
  // A snapshot for a member that needs entries before FirstIndex(); its id is an applied entry at
  // or after FirstIndex() - 1. An error: there is none now; asked again later.
  virtual absl::StatusOr<Snapshot> TakeSnapshot() const = 0;
};

// How a leader serves linearizable reads (thesis 6.4).
enum class ReadMode : uint8_t {
  kQuorum,  // a round of heartbeats confirms that it still leads
  // Without a round while a quorum's answers prove that nobody else can have been elected (thesis
  // 6.4.1). Rests on Config::clock_drift_percent, on check_quorum, and on every member of the
  // cluster having this mode: a member that restarts must not vote for an election timeout.
  kLease,
};

struct Config {
  NodeId id = {};
  ConfState conf = {};        // as of `applied`; empty: a new member, which takes no entries
                              // before a snapshot has told it the membership
  HardState hard_state = {};  // as found in the log
  LogIndex applied = {};      // durable in the state machine; entries after it are handed out again

  int election_timeout_ticks = 10;  // drawn anew from [n, 2n) for every election
  int heartbeat_ticks = 1;
  bool pre_vote = true;
  bool check_quorum = true;
  ReadMode read_mode = ReadMode::kQuorum;
  // kLease: by how much the rates of two members' clocks (of their ticks) may differ at most.
  int clock_drift_percent = 10;
  // A leader that a change removes or demotes gives up leadership when it has applied it; otherwise
  // it leads, without being counted, until somebody else is elected.
  bool step_down_on_removal = true;
  // Proposed changes of membership are not checked; those that are not legal change nothing when
  // they are applied. For a layer above that has stricter checks of its own, and for tests; it must
  // not propose a change while another is in the log and not applied, or majorities of different
  // members need not intersect.
  bool disable_conf_change_validation = false;

  uint64_t append_bytes_max = 1 << 20;  // entries in one AppendRequest
  int inflight_messages_max = 256;      // AppendRequests under way to one follower
  uint64_t inflight_bytes_max = 16 << 20;
  uint64_t uncommitted_bytes_max = 64 << 20;  // proposals are refused beyond
  // In one Ready; a further batch comes before OnApplied until twice as much is not applied.
  uint64_t committed_bytes_max = 4 << 20;
  uint64_t cache_bytes_max = 16 << 20;  // durable entries kept in memory for peers and apply
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

enum class ProposeResult {
  kAccepted,           // appended to the leader's log here
  kForwarded,          // sent on to the leader; may be lost without a word
  kNoLeader,           // nobody to propose to; nothing was done
  kFull,               // uncommitted_bytes_max reached; nothing was done
  kTransferring,       // leadership is being handed over; nothing was done
  kConfChangeRefused,  // another change is not applied yet, or this one is not legal; nothing done
};

enum class SnapshotResult : uint8_t { kDelivered, kFailed };

enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

struct ProgressStatus {
  NodeId id = {};
  LogIndex match = {};
  LogIndex next = {};
  ProgressState state = ProgressState::kProbe;
  bool recent_active = false;
  bool learner = false;
  bool paused = false;             // nothing is sent until the member answers
  LogIndex pending_snapshot = {};  // kSnapshot: what it was sent
  uint64_t inflight_messages = 0;  // kReplicate
  uint64_t inflight_bytes = 0;
};

struct Status {
  NodeId id = {};
  NodeId leader = {};  // 0: none known
  Role role = Role::kFollower;
  Term term = {};
  NodeId vote = {};
  LogIndex commit = {};
  LogIndex applied = {};
  LogIndex last = {};
  ConfState conf = {};
  NodeId transferee = {};          // leader: whom it hands over to; 0: nobody
  uint64_t uncommitted_bytes = 0;  // leader: payload of its term's uncommitted entries
  bool holds_lease = false;        // leader: reads need no round now
  bool storage_stalled = false;
  std::vector<ProgressStatus> progress = {};  // leader only, by id
  // Messages that no correct peer sends, or that contradict what is committed here. Not 0: a peer
  // or this log is broken.
  uint64_t refused_messages = 0;
};

class RawNode {
 public:
  // `log` and `random` outlive the node. REQUIRES: config.id is not 0; config.conf is legal
  // (CheckConf in raft/conf_change.h) or empty; `log` holds the entries from config.applied + 1 on,
  // and both config.applied and hard_state.commit lie within it; 0 < heartbeat_ticks <
  // election_timeout_ticks; kLease goes with check_quorum.
  RawNode(const Config& config, const LogView* log, Random* random);
  ~RawNode();
  RawNode(const RawNode&) = delete;
  RawNode& operator=(const RawNode&) = delete;

  // One unit of time: heartbeats, election timeout, check-quorum.
  void Tick();
  // A message of a peer. Anything a peer can send is legal: what makes no sense is ignored.
  void Step(Message message);
  // Becomes a candidate now (a pre-candidate with pre_vote). Does nothing on a leader or a
  // non-voter, while a snapshot is being installed, while a committed change of membership is not
  // applied, or while the storage is stalled; with kLease also while a leader was heard recently.
  void Campaign();
  // Appends, or forwards to the leader. All of the proposals or none.
  ProposeResult Propose(std::vector<Proposal> proposals);
  // Proposes a change of membership. At most one may be in the log and not applied; a leader that
  // cannot rule that out refuses. A forwarded one may be refused by the leader without a word.
  ProposeResult ProposeConfChange(const ConfChange& change);
  // The entry at `index` is being applied: the membership changes as it says. Returns the new one.
  // An error: the change is not legal now (only possible without validation); nothing changed.
  // Changes at or before an installed snapshot are in it and are ignored. A change without steps
  // must not be rejected by the layer above: the leader would propose it again and again.
  absl::StatusOr<ConfState> ApplyConfChange(LogIndex index, const ConfChange& change);
  // Hands leadership over to the voter `to`; asked of a follower, its leader is asked. Proposals
  // are refused meanwhile; given up after an election timeout, or when it is asked to hand over to
  // itself. Nothing happens if `to` is no voter.
  void TransferLeadership(NodeId to);
  // kLease: the caller was held up and ticks are late by more than one interval. The lease is void
  // until a round of heartbeats that is sent from now on is answered. To be called before anything
  // else; without it a leader could serve stale reads after a pause.
  void RevokeLease();
  // A follower forgets who leads, without changing its term, so that it helps somebody to be
  // elected before its election timeout. Nothing happens on other roles, or with ReadMode::kLease.
  void ForgetLeader();
  // Asks for an index that a linearizable read started now must see (thesis 6.4). `context` must be
  // unique for the life of this node, 0 excepted. Answered by Ready::reads or Ready::dropped_reads;
  // a request sent to a leader that has died is dropped when the term changes. False: no leader is
  // known; nothing will be answered.
  bool RequestReadIndex(uint64_t context);
  // Everything up to Ready `number` is durable.
  void OnWritten(uint64_t number);
  // Everything up to `index` is applied.
  void OnApplied(LogIndex index);
  // The transport lost its connection to `peer`: go back to probing it.
  void OnUnreachable(NodeId peer);
  // What became of the InstallSnapshot sent to `peer`. To be called for every one that was taken
  // from a Ready: until then, or until the peer answers, it gets nothing else.
  void OnSnapshotSent(NodeId peer, SnapshotResult result);
  // The log has not carried out a write for too long: a leader steps down, and tells the member
  // that is furthest to campaign; nobody campaigns until a write is acknowledged again.
  void OnStorageStalled();

  bool HasReady() const;
  Ready TakeReady();

  NodeId leader() const;
  Role role() const;
  Term term() const;
  LogIndex commit() const;
  const ConfState& conf() const;
  Status status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_RAW_NODE_H_
