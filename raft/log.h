// Log: the log as the protocol sees it: a stored part behind a LogView and the tail in memory
// (entries not yet durable, and a bounded number of recent ones so that peers and apply seldom
// cause a read). Knows what is handed out to be written, what of it is durable, what is committed,
// and what is handed out to be applied.
//
// A snapshot takes the place of everything: while it is not durable (IsRestoring) the stored part
// is of no meaning and not looked at.
//
// Invariants:
//   1. window.first <= durable + 1, or <= snapshot + 1 while restoring: what is not durable is in
//      memory
//   2. durable <= handed_to_write <= last
//   3. applied <= handed_to_apply <= min(commit, durable); handed_to_apply is the snapshot's index
//      while restoring and nothing else is handed out
//   4. commit <= last; terms do not decrease along the log
//   5. committed entries are never truncated
//   6. a write in the queue promises only entries that are still in the log: truncation lowers what
//      the acknowledgement of an earlier write will mean (see TruncateFrom)
#ifndef KEELSON_RAFT_LOG_H_
#define KEELSON_RAFT_LOG_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/types.h"
#include "raft/entry_window.h"
#include "raft/raw_node.h"
#include "raft/types.h"

namespace keelson::raft {

struct LogLimits {
  uint64_t cache_bytes_max = 16 << 20;     // of entries kept in memory beyond need
  uint64_t committed_bytes_max = 4 << 20;  // handed out to apply at once
};

class Log {
 public:
  // REQUIRES: `view` holds `applied` or the entries from applied + 1 on, and applied <=
  // view->LastIndex().
  Log(const LogView* view, LogIndex commit, LogIndex applied, const LogLimits& limits);

  const LogView& view() const { return *view_; }
  LogIndex first() const;
  LogIndex last() const { return window_.end() - 1; }
  EntryId last_id() const { return {last_term_, last()}; }
  LogIndex durable() const { return durable_; }
  LogIndex commit() const { return commit_; }
  LogIndex applied() const { return applied_; }

  // nullopt: not held. Index 0 has term 0.
  std::optional<Term> TermAt(LogIndex index) const;
  bool Matches(EntryId id) const { return TermAt(id.index) == id.term; }
  // A log that ends with `other` is at least as complete as this one (paper 5.4.1).
  bool IsUpToDate(EntryId other) const;
  // The last position at or below `index` whose term is not above `term`: where a log that has
  // `term` at `index` can agree with this one at the latest. Its term is 0 where it is not held.
  EntryId LastAgreement(LogIndex index, Term term) const;

  // A change of membership is in the log and not applied. True also as long as one may be among the
  // entries found at the start.
  bool HasUnappliedConfChange() const {
    return !conf_changes_.empty() || applied_ < unknown_through_;
  }
  // Likewise among the committed entries.
  bool HasCommittedConfChange() const {
    return applied_ < std::min(commit_, unknown_through_) ||
           (!conf_changes_.empty() && conf_changes_.front() <= commit_);
  }

  // Leader: adds to the end. REQUIRES: entry follows last_id().
  void Append(Entry entry);

  enum class Merge {
    kMerged,
    kMismatch,              // `previous` is not in the log
    kContradictsCommitted,  // the sender would overwrite what is committed; nothing was changed
  };
  // Follower: takes over what is new of `entries`, which follow each other and `previous`.
  Merge MergeEntries(EntryId previous, std::vector<Entry> entries);

  // Follower: the log becomes that of a member which applied everything up to the snapshot.
  // REQUIRES: snapshot->id.index > commit().
  void Restore(SnapshotPtr snapshot);
  // A snapshot is not durable yet.
  bool IsRestoring() const { return restoring_.has_value(); }

  // Entries from `begin`, as many as fit, at least one if there is one.
  absl::StatusOr<std::vector<Entry>> Read(LogIndex begin, LogIndex end, uint64_t bytes_max) const;

  // REQUIRES: index <= last(). Does nothing if it is not news.
  void CommitTo(LogIndex index);
  // Payload bytes of entries in [begin, end) that are in memory.
  uint64_t PayloadBytes(LogIndex begin, LogIndex end) const;

  // What was added since the last time; to be acknowledged as write `number`.
  bool HasUnwritten() const { return unwritten_snapshot_ != nullptr || handed_to_write_ < last(); }
  struct Unwritten {
    SnapshotPtr snapshot = {};  // null: none
    std::vector<Entry> entries = {};
  };
  Unwritten TakeUnwritten(uint64_t number);
  void OnWritten(uint64_t number);

  // Committed and durable entries, in order. A further batch is handed out while the earlier ones
  // are being applied, until kBatchesAhead * committed_bytes_max of them are not.
  static constexpr uint64_t kBatchesAhead = 2;
  bool HasCommitted() const;
  std::vector<Entry> TakeCommitted();
  void OnApplied(LogIndex index);

 private:
  struct PendingWrite {
    uint64_t number = 0;
    LogIndex last;      // durable with this write, if it is still the same log
    LogIndex snapshot;  // installed with this write; 0: none
  };
  struct PendingApply {
    LogIndex last;
    uint64_t bytes = 0;
  };

  void TruncateFrom(LogIndex index);
  // What may be applied: committed, and durable here.
  LogIndex Appliable() const;
  void Shrink();
  void CheckInvariants() const;

  const LogView* const view_;
  const LogLimits limits_;
  EntryWindow window_;
  Term last_term_;
  LogIndex durable_;                   // falls only when uncommitted entries are replaced
  LogIndex handed_to_write_;           // likewise
  LogIndex commit_;                    // only grows
  LogIndex handed_to_apply_;           // only grows
  LogIndex applied_;                   // only grows
  std::deque<PendingWrite> writes_;    // by number
  std::deque<PendingApply> applies_;   // by index
  uint64_t applying_bytes_ = 0;        // sum of applies_
  std::optional<EntryId> restoring_;   // the newest snapshot, until it is durable
  SnapshotPtr unwritten_snapshot_;     // the same, until it is handed out
  std::deque<LogIndex> conf_changes_;  // changes of membership in the log, not applied; ascending
  // What lies up to here was not looked at for such changes. Falls when entries are replaced.
  LogIndex unknown_through_;
  bool unreadable_ = false;  // the view failed: nothing more to apply, the owner stops the node
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_LOG_H_
