#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"

namespace keelson::raft {

Log::Log(const LogView* view, LogIndex commit, LogIndex applied, const LogLimits& limits)
    : view_(view),
      limits_(limits),
      window_(view->LastIndex() + 1),
      durable_(view->LastIndex()),
      handed_to_write_(view->LastIndex()),
      commit_(std::max(commit, applied)),
      handed_to_apply_(applied),
      applied_(applied),
      unknown_through_(view->LastIndex()) {
  KV_CHECK_LE(commit_, last()) << "the log lost committed entries";
  KV_CHECK_GE(applied + 1, view->FirstIndex()) << "the log lacks entries to apply";
  last_term_ = TermAt(last()).value_or(Term{0});
}

LogIndex Log::first() const {
  if (restoring_) return restoring_->index + 1;
  return std::min(window_.first(), view_->FirstIndex());
}

std::optional<Term> Log::TermAt(LogIndex index) const {
  if (window_.Contains(index)) return window_.At(index).term;
  if (index > last()) return std::nullopt;
  if (restoring_) {
    if (index == restoring_->index) return restoring_->term;
    return std::nullopt;
  }
  if (index == LogIndex{0}) return Term{0};
  return view_->TermAt(index);
}

bool Log::IsUpToDate(EntryId other) const {
  return other.term > last_term_ || (other.term == last_term_ && other.index >= last());
}

EntryId Log::LastAgreement(LogIndex index, Term term) const {
  for (index = std::min(index, last()); index > LogIndex{0}; --index) {
    const std::optional<Term> own = TermAt(index);
    if (!own) return {Term{0}, index};
    if (*own <= term) return {*own, index};
  }
  return {Term{0}, LogIndex{0}};
}

void Log::Append(Entry entry) {
  KV_CHECK_GE(entry.term, last_term_);
  last_term_ = entry.term;
  if (entry.type == EntryType::kConfChange) conf_changes_.push_back(entry.index);
  window_.Append(std::move(entry));
}

Log::Merge Log::MergeEntries(EntryId previous, std::vector<Entry> entries) {
  if (!Matches(previous)) return Merge::kMismatch;
  auto fresh = std::find_if(entries.begin(), entries.end(),
                            [this](const Entry& entry) { return !Matches(entry.id()); });
  if (KV_PLANTED("append-truncates-matching") && fresh == entries.end() && !entries.empty() &&
      entries.back().index >= commit_ && entries.back().index < last()) {
    TruncateFrom(entries.back().index + 1);
  }
  if (fresh == entries.end()) return Merge::kMerged;
  if (fresh->index <= commit_) return Merge::kContradictsCommitted;
  if (fresh->index <= last()) TruncateFrom(fresh->index);
  for (; fresh != entries.end(); ++fresh) Append(std::move(*fresh));
  CheckInvariants();
  return Merge::kMerged;
}

// Entries from `index` on are replaced by a new leader's. Writes of the old ones may be under way,
// and their acknowledgement must not be taken for one of the new entries at the same index
// (the ABA race; testdata/async_storage_writes_append_aba_race.txt plays it):
//   1. a leader of term 1 has us append entry 5, in write #1, not yet durable
//   2. a leader of term 2 replaces it: entry 5', in write #2
//   3. the acknowledgement of #1 arrives: entry 5 was durable at index 5, entry 5' is not
// An acknowledgement names a write, and each write under way remembers the last index it stands
// for. Replacing entries lowers that: here #1 stands for index 4 from step 2 on.
void Log::TruncateFrom(LogIndex index) {
  KV_CHECK_GT(index, commit_) << "committed entries are never replaced";
  const LogIndex kept = index - 1;
  last_term_ = TermAt(kept).value_or(Term{0});
  window_.TruncateFrom(index);
  durable_ = std::min(durable_, kept);
  handed_to_write_ = std::min(handed_to_write_, kept);
  for (PendingWrite& write : writes_) {
    if (!KV_PLANTED("late-ack-counts")) write.last = std::min(write.last, kept);
  }
  unknown_through_ = std::min(unknown_through_, kept);
  while (!conf_changes_.empty() && conf_changes_.back() > kept) conf_changes_.pop_back();
}

// What was committed before stays true of what is on the disk; beyond that the old log may be
// another leader's, and nothing of it, under way to the disk or there, counts any more.
void Log::Restore(SnapshotPtr snapshot) {
  KV_CHECK(snapshot->id.index > commit_ || KV_PLANTED("stale-snapshot-accepted"));
  durable_ = std::min(durable_, commit_);
  for (PendingWrite& write : writes_) write.last = std::min(write.last, commit_);
  const LogIndex index = snapshot->id.index;
  window_.Reset(index + 1);
  last_term_ = snapshot->id.term;
  handed_to_write_ = index;
  commit_ = index;
  handed_to_apply_ = index;
  conf_changes_.clear();
  unknown_through_ = LogIndex{0};
  restoring_ = snapshot->id;
  unwritten_snapshot_ = std::move(snapshot);
}

absl::StatusOr<std::vector<Entry>> Log::Read(LogIndex begin, LogIndex end,
                                             uint64_t bytes_max) const {
  if (begin >= window_.first()) return window_.Copy(begin, end, bytes_max);
  if (restoring_) return absl::OutOfRangeError("raft log: before the snapshot being installed");
  auto entries = view_->Entries(begin, std::min(end, window_.first()), bytes_max);
  if (!entries.ok() || entries->empty() || end <= window_.first()) return entries;
  if (entries->back().index + 1 != window_.first()) return entries;
  // The stored part fits: go on with what is in memory, while it does.
  uint64_t bytes = 0;
  for (const Entry& entry : *entries) bytes += EntryBytes(entry);
  if (bytes + EntryBytes(window_.At(window_.first())) > bytes_max) return entries;
  for (Entry& entry : window_.Copy(window_.first(), end, bytes_max - bytes)) {
    entries->push_back(std::move(entry));
  }
  return entries;
}

void Log::CommitTo(LogIndex index) {
  if (index <= commit_) return;
  KV_CHECK_LE(index, last()) << "commit beyond the log";
  commit_ = index;
  Shrink();
}

uint64_t Log::PayloadBytes(LogIndex begin, LogIndex end) const {
  uint64_t bytes = 0;
  for (LogIndex index = std::max(begin, window_.first()); index < end; ++index) {
    bytes += window_.At(index).data.size();
  }
  return bytes;
}

Log::Unwritten Log::TakeUnwritten(uint64_t number) {
  if (!HasUnwritten()) return {};
  Unwritten unwritten;
  unwritten.snapshot = std::exchange(unwritten_snapshot_, nullptr);
  unwritten.entries = window_.Copy(handed_to_write_ + 1, window_.end(), UINT64_MAX);
  handed_to_write_ = last();
  writes_.push_back({.number = number,
                     .last = last(),
                     .snapshot = unwritten.snapshot ? unwritten.snapshot->id.index : LogIndex{0}});
  return unwritten;
}

void Log::OnWritten(uint64_t number) {
  while (!writes_.empty() && writes_.front().number <= number) {
    const PendingWrite write = writes_.front();
    writes_.pop_front();
    durable_ = std::max(durable_, write.last);
    if (!write.snapshot) continue;
    if (restoring_ && restoring_->index == write.snapshot) restoring_.reset();
    OnApplied(write.snapshot);
  }
  Shrink();
  CheckInvariants();
}

LogIndex Log::Appliable() const {
  return KV_PLANTED("apply-before-durable") ? commit_ : std::min(commit_, durable_);
}

bool Log::HasCommitted() const {
  return handed_to_apply_ < Appliable() && !unreadable_ &&
         applying_bytes_ < kBatchesAhead * limits_.committed_bytes_max;
}

std::vector<Entry> Log::TakeCommitted() {
  if (!HasCommitted()) return {};
  auto entries = Read(handed_to_apply_ + 1, Appliable() + 1, limits_.committed_bytes_max);
  if (!entries.ok() || entries->empty()) {
    unreadable_ = true;
    return {};
  }
  PendingApply batch{.last = entries->back().index};
  for (const Entry& entry : *entries) batch.bytes += EntryBytes(entry);
  handed_to_apply_ = batch.last;
  applying_bytes_ += batch.bytes;
  applies_.push_back(batch);
  return *std::move(entries);
}

void Log::OnApplied(LogIndex index) {
  if (index <= applied_) return;
  KV_CHECK_LE(index, handed_to_apply_) << "applied what was not handed out";
  applied_ = index;
  while (!applies_.empty() && applies_.front().last <= index) {
    applying_bytes_ -= applies_.front().bytes;
    applies_.pop_front();
  }
  while (!conf_changes_.empty() && conf_changes_.front() <= index) conf_changes_.pop_front();
}

void Log::Shrink() { window_.ShrinkTo(limits_.cache_bytes_max, std::min(durable_, commit_) + 1); }

void Log::CheckInvariants() const {
  const LogIndex stored = restoring_ ? restoring_->index : durable_;
  KV_CHECK_LE(window_.first(), stored + 1);
  KV_CHECK_LE(durable_, handed_to_write_);
  KV_CHECK_LE(handed_to_write_, last());
  KV_CHECK_LE(commit_, last());
  KV_CHECK_LE(applied_, handed_to_apply_);
  KV_CHECK_LE(handed_to_apply_, std::min(commit_, stored));
}

}  // namespace keelson::raft
