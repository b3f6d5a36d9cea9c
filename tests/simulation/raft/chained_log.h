// ChainedLog: a log whose every position also has a hash of the whole log up to it, so that two
// logs, or a log and the ledger, are compared by one number. Begins behind `base`: what precedes is
// compacted, or in a snapshot, but its hash is known.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_CHAINED_LOG_H_
#define KEELSON_TESTS_SIMULATION_RAFT_CHAINED_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.h"
#include "raft/types.h"

namespace keelson::raft::simulation {

// The hash of a log, or of the state that came out of it, one entry on.
uint64_t HashAfter(uint64_t before, const Entry& entry);

struct ChainedEntry {
  Entry entry;
  uint64_t hash = 0;
};

class ChainedLog {
 public:
  LogIndex first() const { return base_.index + 1; }
  LogIndex last() const { return base_.index + entries_.size(); }
  EntryId base() const { return base_; }
  EntryId last_id() const { return entries_.empty() ? base_ : entries_.back().entry.id(); }
  uint64_t last_hash() const { return entries_.empty() ? base_hash_ : entries_.back().hash; }

  // REQUIRES: first() <= index <= last().
  const ChainedEntry& At(LogIndex index) const {
    return entries_[static_cast<size_t>(index - first())];
  }
  // Of an entry, or of base().
  std::optional<uint64_t> HashAt(LogIndex index) const {
    if (index == base_.index) return base_hash_;
    if (index < base_.index || index > last()) return std::nullopt;
    return At(index).hash;
  }
  std::optional<Term> TermAt(LogIndex index) const {
    if (index == base_.index) return base_.term;
    if (index < base_.index || index > last()) return std::nullopt;
    return At(index).entry.term;
  }

  // REQUIRES: entry.index == last() + 1.
  void Append(const Entry& entry) { entries_.push_back({entry, HashAfter(last_hash(), entry)}); }
  void Append(const ChainedEntry& entry) { entries_.push_back(entry); }
  // REQUIRES: index >= first().
  void TruncateFrom(LogIndex index) {
    const auto kept = static_cast<size_t>(index - first());
    if (kept < entries_.size()) entries_.resize(kept);
  }
  // REQUIRES: base().index <= index <= last().
  void CompactThrough(LogIndex index);
  // Empty behind `base`.
  void Reset(EntryId base, uint64_t hash);

 private:
  EntryId base_;
  uint64_t base_hash_ = 0;
  std::vector<ChainedEntry> entries_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_CHAINED_LOG_H_
