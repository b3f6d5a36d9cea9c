#include "storage/log_table.h"

#include <algorithm>

#include "base/check.h"
#include "storage/log_format.h"

namespace keelson::storage {

std::optional<Term> LogTable::TermAt(LogIndex index) const {
  if (index == first_ - 1) return term_before_first_;
  if (index < first_ || index > last()) return std::nullopt;
  auto after = std::upper_bound(terms_.begin(), terms_.end(), index,
                                [](LogIndex i, const TermRun& run) { return i < run.first; });
  return std::prev(after)->term;
}

LogTable::Place LogTable::PlaceOf(LogIndex index) const {
  KV_CHECK(index >= first_ && index <= last()) << "no entry " << index;
  const Packed& packed = places_[static_cast<size_t>(index - first_)];
  return {packed.segment, uint64_t{packed.offset} * kRecordAlignment, packed.size};
}

const LogRecord* LogTable::Cached(LogIndex index) const {
  const LogIndex begin = last() + 1 - cache_.size();
  if (index < begin || index > last()) return nullptr;
  return &cache_[static_cast<size_t>(index - begin)];
}

void LogTable::Reset(LogIndex last, Term term) {
  places_.clear();
  terms_.clear();
  cache_.clear();
  cache_bytes_ = 0;
  first_ = last + 1;
  term_before_first_ = term;
}

void LogTable::Append(Term term, const Place& place) {
  KV_CHECK_EQ((place.offset / kRecordAlignment) >> 32, 0u);
  KV_CHECK_EQ(place.segment >> 32, 0u);
  KV_CHECK(places_.empty() || places_.back().segment <= place.segment);
  if (terms_.empty() || terms_.back().term != term) terms_.push_back({last() + 1, term});
  places_.push_back({static_cast<uint32_t>(place.segment),
                     static_cast<uint32_t>(place.offset / kRecordAlignment),
                     static_cast<uint32_t>(place.size)});
}

void LogTable::Append(const LogRecord& record, const Place& place) {
  Append(record.term, place);
  cache_.push_back(record);
  cache_bytes_ += record.data.size();
  while (cache_bytes_ > cache_bytes_max_) {
    cache_bytes_ -= cache_.front().data.size();
    cache_.pop_front();
  }
}

void LogTable::CutAfter(LogIndex index, Term term) {
  if (index + 1 < first_ || index > last()) {
    Reset(index, term);
    return;
  }
  while (last() > index) {
    if (!cache_.empty()) {
      cache_bytes_ -= cache_.back().data.size();
      cache_.pop_back();
    }
    places_.pop_back();
  }
  while (!terms_.empty() && terms_.back().first > index) terms_.pop_back();
}

void LogTable::DropSegmentsBefore(uint64_t segment) {
  while (!places_.empty() && places_.front().segment < segment) DropFirst();
}

void LogTable::DropFirst() {
  term_before_first_ = terms_.front().term;
  if (cache_.size() == places_.size()) {
    cache_bytes_ -= cache_.front().data.size();
    cache_.pop_front();
  }
  places_.pop_front();
  ++first_;
  if (places_.empty() || (terms_.size() > 1 && terms_[1].first <= first_)) {
    terms_.pop_front();
  } else {
    terms_.front().first = first_;
  }
}

}  // namespace keelson::storage
