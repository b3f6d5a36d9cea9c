#include "storage/count_memo.h"

namespace keelson::storage {

std::optional<CountMemo::Known> CountMemo::Find(const KeyRange& range, Revision at) const {
  absl::MutexLock lock(&mutex_);
  for (const Slot& slot : slots_) {
    if (slot.Ends(range, at) && slot.begin <= range.begin) return Known{slot.begin, slot.count};
  }
  return std::nullopt;
}

void CountMemo::Keep(const KeyRange& range, Revision at, int64_t count) {
  absl::MutexLock lock(&mutex_);
  Slot* slot = nullptr;
  for (Slot& known : slots_) {
    if (known.Ends(range, at)) slot = &known;
  }
  if (slot == nullptr) {
    slot = &slots_[next_];
    next_ = (next_ + 1) % slots_.size();
  }
  slot->at = at;
  slot->open_end = range.open_end;
  slot->begin = range.begin;
  slot->end = range.end;
  slot->count = count;
}

}  // namespace keelson::storage
