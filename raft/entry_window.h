// EntryWindow: a run of consecutive entries in memory, the tail of the log. Grows at its end,
// shrinks at both ends.
//
// Invariant: the entry at position i has index first() + i.
#ifndef KEELSON_RAFT_ENTRY_WINDOW_H_
#define KEELSON_RAFT_ENTRY_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "raft/types.h"

namespace keelson::raft {

// What an entry counts for in the limits on messages and batches: payload, and a little for the
// rest, so that empty entries are not free.
constexpr uint64_t kEntryOverheadBytes = 32;
inline uint64_t EntryBytes(const Entry& entry) { return entry.data.size() + kEntryOverheadBytes; }

class EntryWindow {
 public:
  // Empty; the first entry to come is `next`.
  explicit EntryWindow(LogIndex next) : first_(next) {}

  LogIndex first() const { return first_; }
  LogIndex end() const { return first_ + size(); }
  size_t size() const { return entries_.size() - dropped_; }
  bool empty() const { return size() == 0; }
  bool Contains(LogIndex index) const { return index >= first_ && index < end(); }
  // Of all entries held.
  uint64_t bytes() const { return bytes_; }

  // REQUIRES: Contains(index).
  const Entry& At(LogIndex index) const;
  // REQUIRES: entry.index == end().
  void Append(Entry entry);
  // Drops [index, end()). An index before first() leaves the window empty, with `index` to come.
  void TruncateFrom(LogIndex index);
  // Drops everything; the first entry to come is `next`.
  void Reset(LogIndex next);
  // Drops from the front, below `end`, until no more than `bytes_max` are left.
  void ShrinkTo(uint64_t bytes_max, LogIndex end);
  // Entries in [begin, end), cut after at least one when they pass `bytes_max`.
  // REQUIRES: first() <= begin <= end <= end().
  std::vector<Entry> Copy(LogIndex begin, LogIndex end, uint64_t bytes_max) const;

 private:
  void Compact();

  std::vector<Entry> entries_;  // the first `dropped_` are dead
  size_t dropped_ = 0;
  LogIndex first_;
  uint64_t bytes_ = 0;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_ENTRY_WINDOW_H_
