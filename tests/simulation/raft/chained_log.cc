#include "tests/simulation/raft/chained_log.h"

#include <string_view>

namespace keelson::raft::simulation {
namespace {

uint64_t Scramble(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

uint64_t HashAfter(uint64_t before, const Entry& entry) {
  uint64_t content = 0xcbf29ce484222325;
  for (char c : entry.data.view()) {
    content = (content ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  content += static_cast<uint64_t>(entry.type);
  return Scramble(Scramble(before + entry.term.value()) + content);
}

void ChainedLog::CompactThrough(LogIndex index) {
  if (index == base_.index) return;
  base_hash_ = At(index).hash;
  const EntryId base = At(index).entry.id();
  entries_.erase(entries_.begin(), entries_.begin() + (index - base_.index));
  base_ = base;
}

void ChainedLog::Reset(EntryId base, uint64_t hash) {
  base_ = base;
  base_hash_ = hash;
  entries_.clear();
}

}  // namespace keelson::raft::simulation
