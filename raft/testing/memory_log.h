// MemoryLog: a LogView for tests: what is on the disk, and no more. A write that was not carried
// out when a node crashes never was here.
#ifndef KEELSON_RAFT_TESTING_MEMORY_LOG_H_
#define KEELSON_RAFT_TESTING_MEMORY_LOG_H_

#include <optional>
#include <utility>
#include <vector>

#include "raft/raw_node.h"
#include "raft/types.h"

namespace keelson::raft {

class MemoryLog final : public LogView {
 public:
  // Starts empty, as if compacted through `base`.
  explicit MemoryLog(EntryId base = {}) : base_(base) {}

  // A snapshot in it empties the log; what it does to the state is not this class's matter.
  void Write(const LogWrite& write);
  // Drops entries up to `index`. REQUIRES: index is held.
  void CompactThrough(LogIndex index);
  // What TakeSnapshot gives from now on; without one there is none.
  void SetSnapshot(Snapshot snapshot) { snapshot_ = std::move(snapshot); }
  // Reads of entries fail from now on.
  void Break() { broken_ = true; }

  const HardState& hard_state() const { return hard_state_; }
  const std::vector<Entry>& entries() const { return entries_; }
  EntryId last_id() const { return entries_.empty() ? base_ : entries_.back().id(); }
  // Reads of entries so far.
  int reads() const { return reads_; }

  LogIndex FirstIndex() const override { return base_.index + 1; }
  LogIndex LastIndex() const override { return base_.index + entries_.size(); }
  std::optional<Term> TermAt(LogIndex index) const override;
  absl::StatusOr<std::vector<Entry>> Entries(LogIndex begin, LogIndex end,
                                             uint64_t bytes_max) const override;
  absl::StatusOr<Snapshot> TakeSnapshot() const override;

 private:
  void Append(const std::vector<Entry>& entries);

  EntryId base_;  // what precedes the first entry
  std::vector<Entry> entries_;
  HardState hard_state_;
  std::optional<Snapshot> snapshot_;
  bool broken_ = false;
  mutable int reads_ = 0;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_MEMORY_LOG_H_
