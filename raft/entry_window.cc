#include "raft/entry_window.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::raft {

const Entry& EntryWindow::At(LogIndex index) const {
  KV_DCHECK(Contains(index));
  return entries_[dropped_ + static_cast<size_t>(index - first_)];
}

void EntryWindow::Append(Entry entry) {
  KV_CHECK_EQ(entry.index, end());
  bytes_ += EntryBytes(entry);
  entries_.push_back(std::move(entry));
}

void EntryWindow::TruncateFrom(LogIndex index) {
  if (index <= first_) return Reset(index);
  while (end() > index) {
    bytes_ -= EntryBytes(entries_.back());
    entries_.pop_back();
  }
}

void EntryWindow::Reset(LogIndex next) {
  entries_.clear();
  dropped_ = 0;
  bytes_ = 0;
  first_ = next;
}

void EntryWindow::ShrinkTo(uint64_t bytes_max, LogIndex end) {
  while (!empty() && first_ < end && bytes_ > bytes_max) {
    Entry& oldest = entries_[dropped_];
    bytes_ -= EntryBytes(oldest);
    oldest.data = SharedBytes();
    ++dropped_;
    ++first_;
  }
  Compact();
}

std::vector<Entry> EntryWindow::Copy(LogIndex begin, LogIndex end, uint64_t bytes_max) const {
  KV_CHECK(first_ <= begin && begin <= end && end <= this->end())
      << "[" << begin << ", " << end << ") of [" << first_ << ", " << this->end() << ")";
  const auto from = entries_.begin() + static_cast<std::ptrdiff_t>(dropped_) + (begin - first_);
  const auto limit = from + (end - begin);
  auto to = from;
  for (uint64_t bytes = 0; to != limit; ++to) {
    bytes += EntryBytes(*to);
    if (bytes > bytes_max && to != from) break;
  }
  return std::vector<Entry>(from, to);
}

// The dead entries are moved over when they are half of all: constant work an entry, amortised.
void EntryWindow::Compact() {
  if (dropped_ < 64 || dropped_ * 2 < entries_.size()) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(dropped_));
  dropped_ = 0;
}

}  // namespace keelson::raft
