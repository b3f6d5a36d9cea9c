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
};

struct Config {
  NodeId id = {};
  ConfState conf = {};
  HardState hard_state = {};  // as found in the log
  LogIndex applied = {};  // durable in the state machine; entries after it are handed out again

  int election_timeout_ticks = 10;  // drawn anew from [n, 2n) for every election
  int heartbeat_ticks = 1;
  bool pre_vote = true;
  bool check_quorum = true;

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
  kAccepted,   // appended to the leader's log here
  kForwarded,  // sent on to the leader; may be lost without a word
  kNoLeader,   // nobody to propose to; nothing was done
  kFull,       // uncommitted_bytes_max reached; nothing was done
};

enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

struct ProgressStatus {
  NodeId id = {};
  LogIndex match = {};
  LogIndex next = {};
  ProgressState state = ProgressState::kProbe;
  bool recent_active = false;
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
  std::vector<ProgressStatus> progress = {};  // leader only, by id
  // Messages that no correct peer sends, or that contradict what is committed here. Not 0: a peer
  // or this log is broken.
  uint64_t refused_messages = 0;
};

class RawNode {
 public:
  // `log` and `random` outlive the node. REQUIRES: config.id and the voters are not 0; `log` holds
  // the entries from config.applied + 1 on, and both config.applied and hard_state.commit lie
  // within it; 0 < heartbeat_ticks < election_timeout_ticks.
  RawNode(const Config& config, const LogView* log, Random* random);
  ~RawNode();
  RawNode(const RawNode&) = delete;
  RawNode& operator=(const RawNode&) = delete;

  // One unit of time: heartbeats, election timeout, check-quorum.
  void Tick();
  // A message of a peer. Anything a peer can send is legal: what makes no sense is ignored.
  void Step(Message message);
  // Becomes a candidate now (a pre-candidate with pre_vote). Does nothing on a leader or a
  // non-voter.
  void Campaign();
  // Appends, or forwards to the leader. All of the proposals or none.
  ProposeResult Propose(std::vector<Proposal> proposals);
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

  bool HasReady() const;
  Ready TakeReady();

  NodeId leader() const;
  Role role() const;
  Term term() const;
  LogIndex commit() const;
  Status status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_RAW_NODE_H_
