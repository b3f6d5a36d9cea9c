// LogTable: what RaftLog keeps in memory of its entries: where each lies (12 bytes an entry), its
// term (a run a term), and the newest records themselves up to a limit of bytes.
//
// Invariants:
//  1. Entries are consecutive: first(), first() + 1, …, last().
//  2. Their segments do not decrease with the index.
//  3. The cache holds the newest entries: a suffix of the log.
//
// Not thread-safe; RaftLog's mutex guards it.
#ifndef KEELSON_STORAGE_LOG_TABLE_H_
#define KEELSON_STORAGE_LOG_TABLE_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "storage/raft_log.h"

namespace keelson::storage {

class LogTable {
 public:
  struct Place {
    uint64_t segment = 0;  // its sequence
    uint64_t offset = 0;   // of the record's header
    uint64_t size = 0;     // of its payload
  };

  explicit LogTable(uint64_t cache_bytes_max) : cache_bytes_max_(cache_bytes_max) {}

  LogIndex first() const { return first_; }
  LogIndex last() const { return first_ + places_.size() - 1; }
  // Also of the entry before the first.
  std::optional<Term> TermAt(LogIndex index) const;
  // REQUIRES: first() <= index <= last().
  Place PlaceOf(LogIndex index) const;
  // Null when it is not in the cache.
  const LogRecord* Cached(LogIndex index) const;

  // The log is empty and goes on after the entry `last` of `term`.
  void Reset(LogIndex last, Term term);
  // Adds the entry last() + 1.
  void Append(Term term, const Place& place);
  // Also into the cache.
  void Append(const LogRecord& record, const Place& place);
  // The log ends with the entry `index` of `term` now; entries after it are forgotten, and all are
  // when `index` is not among them.
  void CutAfter(LogIndex index, Term term);
  // Forgets the entries that lie in segments before `segment`.
  void DropSegmentsBefore(uint64_t segment);

 private:
  struct Packed {
    uint32_t segment;
    uint32_t offset;  // / kRecordAlignment
    uint32_t size;
  };
  struct TermRun {
    LogIndex first;
    Term term;
  };

  void DropFirst();

  const uint64_t cache_bytes_max_;
  LogIndex first_{1};
  Term term_before_first_;
  std::deque<Packed> places_;
  std::deque<TermRun> terms_;  // ascending; covers exactly the entries
  std::deque<LogRecord> cache_;
  uint64_t cache_bytes_ = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_LOG_TABLE_H_
