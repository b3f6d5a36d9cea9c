// The plain structs that go into and come out of the raft core. server/ translates them to the wire
// and to the log; nothing here knows how either looks.
#ifndef KEELSON_RAFT_TYPES_H_
#define KEELSON_RAFT_TYPES_H_

#include <cstdint>
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

// Who takes part. `voters_outgoing` is not empty only inside a joint configuration.
struct ConfState {
  std::vector<NodeId> voters = {};
  std::vector<NodeId> learners = {};
  std::vector<NodeId> voters_outgoing = {};
  std::vector<NodeId> learners_next = {};
  bool auto_leave = false;
};

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
};

// Raft paper 5.3. Without entries it probes, or carries the commit index.
struct AppendRequest {
  EntryId previous = {};
  LogIndex commit = {};
  std::vector<Entry> entries = {};
};
struct AppendResponse {
  bool rejected = false;
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

// A proposal sent on by a member that is not the leader.
struct Proposal {
  EntryType type = EntryType::kNormal;
  SharedBytes data = {};
};
struct ProposeRequest {
  std::vector<Proposal> proposals = {};
};

using MessageBody =
    std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, Heartbeat,
                 HeartbeatResponse, ReadIndexRequest, ReadIndexResponse, ProposeRequest>;

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
struct LogWrite {
  std::optional<HardState> hard_state = {};
  std::vector<Entry> entries = {};
  bool must_sync = false;
  bool empty() const { return !hard_state && entries.empty(); }
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
  std::vector<uint64_t> dropped_reads = {};    // contexts that will never be granted: ask again
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TYPES_H_
