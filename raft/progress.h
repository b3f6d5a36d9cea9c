// Progress: what a leader believes of one member. A member is probed (one message at a time, until
// the place where the logs agree is found), replicated to (a stream of messages, `next` running
// ahead of what is acknowledged), or was sent a snapshot (nothing else goes until it is known what
// became of it).
//
// Every change of state is one method; nothing outside sets a field.
//
// Invariants:
//   1. match < next
//   2. probing: nothing is in flight; at most one message is unanswered (IsPaused)
//   3. replicating: commit_sent < next; it is what the member knows of the commit index, if
//      nothing was lost
//   4. in a snapshot: pending_snapshot is set and below next, nothing is in flight, nothing is sent
#ifndef KEELSON_RAFT_PROGRESS_H_
#define KEELSON_RAFT_PROGRESS_H_

#include <cstdint>
#include <optional>

#include "base/types.h"
#include "raft/inflights.h"
#include "raft/raw_node.h"

namespace keelson::raft {

// In which halves of the configuration a member votes; a learner votes in none. Outside a joint
// configuration everybody votes in the incoming half or not at all.
struct Suffrage {
  bool incoming = false;
  bool outgoing = false;
};

class Progress {
 public:
  Progress(NodeId id, Suffrage suffrage, const InflightLimits& limits);

  // A new term: nothing is known but that the member may have all of a log that ends at `last`.
  void Reset(LogIndex last);
  void BecomeProbe();
  void BecomeReplicate();
  // A snapshot at `index` was sent.
  void BecomeSnapshot(LogIndex index);
  // The membership has changed; what is believed of the member stays.
  void SetSuffrage(Suffrage suffrage) { suffrage_ = suffrage; }

  // The member holds everything up to `index`, and the own log begins at `log_first`. True: news,
  // or the end of probing.
  bool OnAccepted(LogIndex index, LogIndex log_first);
  // The member refused a message that followed `refused`; its log can agree up to `hint` at best.
  // False: the answer is late and says nothing.
  bool OnRejected(LogIndex refused, LogIndex hint);
  // A message was sent with `count` entries of `bytes` together and the commit index.
  void OnAppendSent(uint64_t count, uint64_t bytes, LogIndex commit);
  void OnCommitSent(LogIndex commit);
  // The member is there, and a lost message may be the reason that it is silent: one more message
  // may go, even an empty one.
  void OnHeartbeatResponse(LogIndex last);
  // What became of the snapshot. Probing goes on when the member is heard again.
  void OnSnapshotSent(SnapshotResult result);
  // Nothing can be sent until the member is heard again.
  void Pause() { paused_ = true; }
  void WantAppend() { append_wanted_ = true; }

  // The durable end of the own log (the leader's own progress).
  void SetOwnMatch(LogIndex durable, LogIndex last);

  bool IsPaused() const { return paused_ || state_ == ProgressState::kSnapshot; }
  bool CanTakeEntries() const { return state_ == ProgressState::kProbe || !inflights_.IsFull(); }
  // A message is due even if it has no entries.
  bool WantsEmptyAppend(LogIndex commit) const {
    return append_wanted_ || (commit > commit_sent_ && commit_sent_ < next_ - 1);
  }

  NodeId id() const { return id_; }
  // In either half.
  bool is_voter() const { return suffrage_.incoming || suffrage_.outgoing; }
  Suffrage suffrage() const { return suffrage_; }
  ProgressState state() const { return state_; }
  LogIndex pending_snapshot() const { return pending_snapshot_; }
  LogIndex match() const { return match_; }
  LogIndex next() const { return next_; }
  const Inflights& inflights() const { return inflights_; }

  // Heard from since the last check-quorum. Cleared by the leader.
  bool recent_active = false;
  // The answer of this member in the election under way.
  std::optional<bool> vote;
  // Newest read-index round it confirmed; grows within a term.
  uint64_t read_round = 0;

 private:
  void CheckInvariants() const;

  NodeId id_;
  Suffrage suffrage_;
  ProgressState state_ = ProgressState::kProbe;
  LogIndex match_;              // grows within a term
  LogIndex next_{1};            // the next entry to send
  LogIndex commit_sent_;        // newest commit index a message carried
  LogIndex pending_snapshot_;   // kSnapshot: its index; else 0
  bool paused_ = false;         // until the next answer
  bool append_wanted_ = false;  // a message is due even without entries
  Inflights inflights_;         // replicating: sent and not acknowledged
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_PROGRESS_H_
