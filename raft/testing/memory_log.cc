#include "raft/testing/memory_log.h"

#include "absl/status/status.h"
#include "base/check.h"
#include "raft/entry_window.h"

namespace keelson::raft {

void MemoryLog::Write(const LogWrite& write) {
  if (!write.entries.empty() && !write.snapshot) {
    KV_CHECK_GT(write.entries.front().index, hard_state_.commit) << "committed entries replaced";
  }
  if (write.hard_state) {
    KV_CHECK_GE(write.hard_state->term, hard_state_.term);
    KV_CHECK_GE(write.hard_state->commit, hard_state_.commit);
    hard_state_ = *write.hard_state;
  }
  if (write.snapshot) {
    KV_CHECK_GE(hard_state_.commit, write.snapshot->id.index) << "a snapshot of what may be undone";
    base_ = write.snapshot->id;
    entries_.clear();
  }
  if (!write.entries.empty()) Append(write.entries);
  KV_CHECK_LE(hard_state_.commit, LastIndex()) << "commit beyond the log";
}

void MemoryLog::Append(const std::vector<Entry>& entries) {
  const LogIndex first = entries.front().index;
  KV_CHECK(first >= FirstIndex() && first <= LastIndex() + 1) << "gap at " << first;
  entries_.resize(static_cast<size_t>(first - FirstIndex()));
  for (const Entry& entry : entries) {
    KV_CHECK_EQ(entry.index, LastIndex() + 1);
    entries_.push_back(entry);
  }
}

void MemoryLog::CompactThrough(LogIndex index) {
  const Term term = *TermAt(index);
  entries_.erase(entries_.begin(), entries_.begin() + (index - base_.index));
  base_ = {term, index};
}

std::optional<Term> MemoryLog::TermAt(LogIndex index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > LastIndex()) return std::nullopt;
  return entries_[static_cast<size_t>(index - FirstIndex())].term;
}

absl::StatusOr<std::vector<Entry>> MemoryLog::Entries(LogIndex begin, LogIndex end,
                                                      uint64_t bytes_max) const {
  ++reads_;
  if (broken_) return absl::DataLossError("memory log: broken by the test");
  if (begin < FirstIndex()) return absl::OutOfRangeError("memory log: compacted");
  KV_CHECK(begin <= end && end <= LastIndex() + 1) << "[" << begin << ", " << end << ")";
  std::vector<Entry> entries;
  uint64_t bytes = 0;
  for (LogIndex index = begin; index < end; ++index) {
    const Entry& entry = entries_[static_cast<size_t>(index - FirstIndex())];
    bytes += EntryBytes(entry);
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(entry);
  }
  return entries;
}

absl::StatusOr<Snapshot> MemoryLog::TakeSnapshot() const {
  if (!snapshot_) return absl::UnavailableError("memory log: no snapshot");
  KV_CHECK_GE(snapshot_->id.index, base_.index) << "an old snapshot";
  return *snapshot_;
}

}  // namespace keelson::raft
