#include "storage/recent_state_hashes.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"

namespace keelson::storage {

std::string EncodeStateHashRun(const StateHashRun& run) {
  std::string bytes;
  bytes.reserve(8 * (run.hashes.size() + 1));
  AppendLittle64(bytes, run.last.value());
  for (const uint64_t hash : run.hashes) AppendLittle64(bytes, hash);
  return bytes;
}

bool ParseStateHashRun(std::string_view bytes, StateHashRun& run) {
  uint64_t last;
  if (!TakeLittle64(bytes, last) || bytes.empty() || bytes.size() % 8 != 0) return false;
  // The oldest may be that of the state before the first entry.
  if (bytes.size() / 8 - 1 > last || bytes.size() / 8 > RecentStateHashes::kRunMax) return false;
  if (last == UINT64_MAX) return false;  // it leaves no index for the entry after
  run.last = LogIndex(last);
  run.hashes.resize(bytes.size() / 8);
  for (uint64_t& hash : run.hashes) TakeLittle64(bytes, hash);
  return true;
}

void RecentStateHashes::Push(LogIndex index, uint64_t hash) {
  if (hashes_.empty() || index != first_ + hashes_.size()) {
    hashes_.clear();
    first_ = index;
    unsaved_ = 0;
  }
  hashes_.push_back(hash);
  if (hashes_.size() > kHeld) {
    hashes_.pop_front();
    ++first_;
  }
}

void RecentStateHashes::Add(LogIndex index, uint64_t hash) {
  Push(index, hash);
  unsaved_ = std::min(unsaved_ + 1, hashes_.size());
}

std::optional<uint64_t> RecentStateHashes::Find(LogIndex index) const {
  if (index < first_ || index >= first_ + hashes_.size()) return std::nullopt;
  return hashes_[static_cast<size_t>(index - first_)];
}

std::optional<RecentStateHashes::Record> RecentStateHashes::TakeRecord() {
  if (unsaved_ == 0) return std::nullopt;
  const auto count = static_cast<ptrdiff_t>(std::min(std::exchange(unsaved_, 0), kRunMax));
  Record record{next_slot_, {first_ + hashes_.size() - 1, {hashes_.end() - count, hashes_.end()}}};
  slots_[next_slot_] = record.run.last;
  next_slot_ = (next_slot_ + 1) % kSlots;
  return record;
}

std::vector<uint8_t> RecentStateHashes::Clear() {
  std::vector<uint8_t> used;
  for (const auto& [slot, last] : std::exchange(slots_, {})) used.push_back(slot);
  hashes_.clear();
  unsaved_ = 0;
  return used;
}

bool RecentStateHashes::LoadRecord(uint8_t slot, std::string_view bytes) {
  StateHashRun run;
  if (slot >= kSlots || !ParseStateHashRun(bytes, run)) return false;
  slots_[slot] = run.last;
  return loaded_.emplace(run.last, std::move(run)).second;
}

std::optional<uint64_t> RecentStateHashes::FinishLoad(LogIndex applied) {
  const std::map<LogIndex, StateHashRun> loaded = std::exchange(loaded_, {});
  for (const auto& [slot, last] : slots_) {
    if (last == applied) next_slot_ = (slot + 1) % kSlots;
  }
  // Those that end with `applied` and follow each other without a gap.
  std::vector<const StateHashRun*> runs;
  LogIndex end = applied;
  for (auto it = loaded.find(end); it != loaded.end(); it = loaded.find(end)) {
    runs.push_back(&it->second);
    if (it->second.hashes.size() > end.value()) break;
    end = end - it->second.hashes.size();
  }
  if (runs.empty()) return std::nullopt;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    LogIndex index = (*run)->last + 1 - (*run)->hashes.size();
    for (const uint64_t hash : (*run)->hashes) {
      Push(index, hash);
      ++index;
    }
  }
  return hashes_.back();
}

}  // namespace keelson::storage
