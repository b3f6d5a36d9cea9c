#include "tests/simulation/raft/disk.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "raft/entry_window.h"

namespace keelson::raft::simulation {
namespace {

void WriteTo(DiskImage& image, const LogWrite& write) {
  if (write.hard_state) image.hard_state = *write.hard_state;
  if (write.snapshot) {
    image.state = StateOf(*write.snapshot);
    image.log.Reset(image.state.id, image.state.hash);
  }
  if (write.entries.empty()) return;
  const LogIndex first = write.entries.front().index;
  KV_CHECK(first >= image.log.first() && first <= image.log.last() + 1) << "gap at " << first;
  image.log.TruncateFrom(first);
  for (const Entry& entry : write.entries) image.log.Append(entry);
}

}  // namespace

Snapshot SnapshotOf(const AppliedState& state) {
  return {.id = state.id,
          .conf = state.conf,
          .data = SharedBytes("state " + std::to_string(state.hash))};
}

AppliedState StateOf(const Snapshot& snapshot) {
  const std::string data(snapshot.data.view());
  const uint64_t hash = data.size() < 7 ? 0 : std::strtoull(data.c_str() + 6, nullptr, 10);
  return {.id = snapshot.id, .hash = hash, .conf = snapshot.conf};
}

SimulatedDisk::SimulatedDisk(DiskImage image, uint64_t seed)
    : written_(image), durable_(std::move(image)), dice_(seed) {}

void SimulatedDisk::Queue(PendingWrite write) {
  const bool replaces = write.write.snapshot || !write.write.entries.empty();
  if (replaces) {
    const LogIndex first = write.write.snapshot ? LogIndex{0} : write.write.entries.front().index;
    for (PendingWrite& earlier : pending_) {
      const std::vector<Entry>& entries = earlier.write.entries;
      if (!entries.empty() && entries.back().index >= first) earlier.replaced = true;
    }
  }
  pending_.push_back(std::move(write));
}

void SimulatedDisk::AddPromises(std::vector<Message> promises) {
  KV_CHECK(!pending_.empty());
  std::move(promises.begin(), promises.end(), std::back_inserter(pending_.back().promises));
}

void SimulatedDisk::CarryOut() {
  KV_CHECK(HasWaiting());
  WriteTo(written_, pending_[carried_out_].write);
  ++carried_out_;
}

void SimulatedDisk::Sync() {
  for (; synced_ < carried_out_; ++synced_) WriteTo(durable_, pending_[synced_].write);
}

SimulatedDisk::PendingWrite SimulatedDisk::TakeSynced() {
  KV_CHECK_GT(synced_, 0u);
  PendingWrite write = std::move(pending_.front());
  pending_.pop_front();
  --synced_;
  --carried_out_;
  return write;
}

void SimulatedDisk::Apply(const Entry& entry, ConfState conf) {
  AppliedState& state = written_.state;
  KV_CHECK_EQ(entry.index, state.id.index + 1);
  state.id = entry.id();
  state.hash = HashAfter(state.hash, entry);
  state.conf = std::move(conf);
}

bool SimulatedDisk::IsInstalling() const {
  return std::any_of(pending_.begin() + static_cast<std::ptrdiff_t>(synced_), pending_.end(),
                     [](const PendingWrite& pending) { return pending.write.snapshot != nullptr; });
}

void SimulatedDisk::Flush() {
  if (!IsInstalling()) durable_.state = written_.state;
}

void SimulatedDisk::CompactThrough(LogIndex index) {
  KV_CHECK_LE(index, durable_.state.id.index);
  if (IsInstalling() || index <= written_.log.base().index) return;
  written_.log.CompactThrough(index);
  durable_.log.CompactThrough(index);
}

SimulatedDisk::CrashReport SimulatedDisk::Crash(Dice& dice) {
  CrashReport report;
  const bool installing = IsInstalling();
  // Writes may have reached the disk though nobody was told.
  while (HasWaiting() && dice.Percent(50)) CarryOut();
  size_t kept = synced_;
  if (HasUnsynced()) kept += static_cast<size_t>(dice.Below(carried_out_ - synced_ + 1));
  for (size_t i = synced_; i < kept; ++i) WriteTo(durable_, pending_[i].write);
  for (size_t i = kept; i < pending_.size(); ++i) {
    const LogWrite& write = pending_[i].write;
    if (!write.entries.empty()) report.lost_tail = true;
    if (write.snapshot) report.snapshot_lost = true;
  }
  report.snapshot_kept = installing && !report.snapshot_lost;
  pending_.clear();
  carried_out_ = synced_ = 0;
  written_ = durable_;
  return report;
}

absl::StatusOr<std::vector<Entry>> SimulatedDisk::Entries(LogIndex begin, LogIndex end,
                                                          uint64_t bytes_max) const {
  const ChainedLog& log = written_.log;
  if (begin < log.first()) return absl::OutOfRangeError("simulated disk: compacted");
  KV_CHECK(begin <= end && end <= log.last() + 1) << "[" << begin << ", " << end << ")";
  std::vector<Entry> entries;
  uint64_t bytes = 0;
  for (LogIndex index = begin; index < end; ++index) {
    const Entry& entry = log.At(index).entry;
    bytes += EntryBytes(entry);
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(entry);
  }
  return entries;
}

// The flushed state or the present one: both are applied, and at or behind the log's beginning.
absl::StatusOr<Snapshot> SimulatedDisk::TakeSnapshot() const {
  if (dice_.Percent(10)) return absl::UnavailableError("simulated disk: no snapshot now");
  const bool flushed = dice_.Percent(50) && !IsInstalling();
  return SnapshotOf(flushed ? durable_.state : written_.state);
}

}  // namespace keelson::raft::simulation
