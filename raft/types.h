// The plain structs that go into and come out of the raft core. server/ translates them to the wire
// and to the log; nothing here knows how either looks.
#ifndef KEELSON_RAFT_TYPES_H_
#define KEELSON_RAFT_TYPES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/shared_bytes.h"
#include "base/types.h"

namespace keelson::raft {

// Reaches disk and wire: do not renumber.
enum class EntryType : uint8_t {
  kNormal =
      0,  // a command of the layer above; empty data = the entry a leader starts its term with
  kConfChange = 1,  // a change of membership
};

struct EntryId {
  Term term = {};
  LogIndex index = {};
  friend bool operator==(const EntryId&, const EntryId&) = default;
};

struct Entry {
  Term term = {};
  LogIndex index = {};
  EntryType type = EntryType::kNormal;
  SharedBytes data = {};  // shared with the log, the peers and apply; never copied
  EntryId id() const { return {term, index}; }
};

// What must be durable before a promise that rests on it is sent. `commit` may lag behind what was
// known before a crash: it is learned again, and never lies below what was applied durably.
struct HardState {
  Term term = {};
  NodeId vote = {};  // 0: no vote in `term`
  LogIndex commit = {};
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Who takes part (thesis 4; raft/conf_change.h has the rules). Every list ascends, without 0 and
// without repeats. In a joint configuration, and only there, `voters_outgoing` is not empty:
// decisions need a majority of `voters` and one of `voters_outgoing`.
struct ConfState {
  std::vector<NodeId> voters = {};
  std::vector<NodeId> learners = {};  // replicated to, never counted; disjoint from both voters
  std::vector<NodeId> voters_outgoing = {};
  std::vector<NodeId> learners_next = {};  // of voters_outgoing: become learners on leaving
  bool auto_leave = false;                 // the leader leaves the joint configuration by itself
  bool IsJoint() const { return !voters_outgoing.empty(); }
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

// Reaches disk and wire: do not renumber.
enum class ConfChangeType : uint8_t {
  kAddVoter = 0,  // or promotes a learner
  kRemove = 1,
  kUpdate = 2,      // changes nothing here: what is known of the member changes in the layer above
  kAddLearner = 3,  // or demotes a voter
};
struct ConfChangeStep {
  ConfChangeType type = ConfChangeType::kAddVoter;
  NodeId node = {};
  friend bool operator==(const ConfChangeStep&, const ConfChangeStep&) = default;
};
// How a change passes through a joint configuration. Reaches disk and wire: do not renumber.
enum class ConfTransition : uint8_t {
  kAuto = 0,           // directly if it is one step, else as kJointImplicit
  kJointImplicit = 1,  // joint; the leader leaves it as soon as that is safe
  kJointExplicit = 2,  // joint until a change without steps is proposed
};
// A change of membership. kAuto without steps leaves a joint configuration.
struct ConfChange {
  ConfTransition transition = ConfTransition::kAuto;
  std::vector<ConfChangeStep> steps = {};
  SharedBytes context = {};  // of the layer above; not looked at
  friend bool operator==(const ConfChange&, const ConfChange&) = default;
};

// The state at a log position, in place of the log up to it (thesis 5). What `data` is, is the
// layer above's matter: a small state itself, or the name of a large one that travels beside the
// message.
struct Snapshot {
  EntryId id = {};  // the last entry it holds
  ConfState conf = {};
  SharedBytes data = {};
};
// Rare and not small, so that what may hold one holds this; never changed once it is made.
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// -------------------------------------------------------------------------------------------
// messages

// Raft paper 5.2; thesis 9.6 for pre-vote.
struct VoteRequest {
  bool pre_vote = false;
  bool leader_transfer = false;  // may disturb a leader that is still heard
  EntryId last = {};             // of the candidate's log
};
struct VoteResponse {
  bool pre_vote = false;
  bool granted = false;
  // Refused: the newest entry that the sender knows to be committed. A candidate that holds it
  // learns that here: it may be the change of membership that takes the sender's vote away
  // (docs/raft.md).
  EntryId commit = {};
};

// Raft paper 5.3. Without entries it probes, or carries the commit index.
struct AppendRequest {
  EntryId previous = {};
  LogIndex commit = {};
  std::vector<Entry> entries = {};
};
struct AppendResponse {
  bool rejected = false;
  // Rejected: entries are of no use to the receiver, which has no state that they could follow.
  bool needs_snapshot = false;
  // Accepted: the last index now known to match; rejected: the `previous` that was refused.
  LogIndex index = {};
  EntryId reject_hint = {};  // rejected: where the follower's log could match at the latest
};

// Heartbeats carry no log position, so they cannot be delayed behind entries. `read_context` is 0
// or the newest read-index round that an answer confirms (thesis 6.4).
struct Heartbeat {
  LogIndex commit = {};  // min(match, commit): never beyond what the follower is known to have
  uint64_t read_context = 0;
};
struct HeartbeatResponse {
  uint64_t read_context = 0;
};

// A follower asks its leader for a read index; the answer goes back with the same context.
struct ReadIndexRequest {
  uint64_t context = 0;
};
struct ReadIndexResponse {
  uint64_t context = 0;
  LogIndex index = {};
};

// Thesis 5.3. Answered by an AppendResponse for what the receiver then holds.
struct InstallSnapshot {
  SnapshotPtr snapshot = {};  // never null
};

// Leadership transfer (thesis 3.10). A follower asks its leader to hand over to `to`; the leader
// tells the member that has caught up to campaign at once.
struct TransferRequest {
  NodeId to = {};
};
struct TimeoutNow {};

// A proposal sent on by a member that is not the leader.
struct Proposal {
  EntryType type = EntryType::kNormal;
  SharedBytes data = {};
};
struct ProposeRequest {
  std::vector<Proposal> proposals = {};
};

using MessageBody = std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse,
                                 Heartbeat, HeartbeatResponse, ReadIndexRequest, ReadIndexResponse,
                                 ProposeRequest, InstallSnapshot, TransferRequest, TimeoutNow>;

struct Message {
  NodeId from = {};
  NodeId to = {};
  // Of the sender; a pre-vote request carries the term it would campaign in, and so does the answer
  // that grants it.
  Term term = {};
  MessageBody body = {};
};

// ----------------------------------------------------------------------------------------------
// ready

// One write to the log. Entries follow each other; the first may lie at or below the current tail,
// whose rest is then replaced.
//
// With a snapshot the write replaces everything: the state becomes the snapshot's, the log is empty
// and goes on behind it, with `entries` if there are any. The write is acknowledged when both are
// durable. After a crash in the middle, the member must find either the old state and log or the
// new ones. Committed entries handed out before and not yet applied are of no use then; OnApplied
// for them may still be called, or not.
struct LogWrite {
  std::optional<HardState> hard_state = {};
  SnapshotPtr snapshot = {};  // null: none
  std::vector<Entry> entries = {};
  bool must_sync = false;
  bool empty() const { return !hard_state && !snapshot && entries.empty(); }
};

// Serve the read asked for under `context` once applied >= index.
struct ReadGrant {
  uint64_t context = 0;
  LogIndex index = {};
};

// Everything the core wants from the world after the inputs so far. The order is in the type.
struct Ready {
  uint64_t number = 0;  // acknowledged by OnWritten(number) when `write` is not empty
  std::vector<Message> send_now = {};          // may leave before the write
  LogWrite write = {};                         // in order of `number`
  std::vector<Message> send_after_write = {};  // promises about `write` and all before it
  std::vector<Entry> committed = {};           // durable here; apply in order, then OnApplied
  std::vector<ReadGrant> reads = {};
  std::vector<uint64_t> dropped_reads = {};  // contexts that will never be granted: ask again
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TYPES_H_
