// SimulatedDisk: the log and the state machine of one member, twice: as the running member sees
// them, and as they survive a crash.
//
//   Queue -> the write waits -> CarryOut -> what the member reads -> Sync -> what a crash leaves
//         -> Acknowledge -> the core hears of it, the promises leave
//
// Writes are carried out whole and in order; of those carried out and not synced a crash leaves a
// prefix. A write with a snapshot replaces log and state in one step. The state machine is flushed
// whenever it pleases, and never beyond what the log has durably.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_DISK_H_
#define KEELSON_TESTS_SIMULATION_RAFT_DISK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "raft/raw_node.h"
#include "raft/types.h"
#include "tests/simulation/raft/chained_log.h"
#include "tests/simulation/raft/dice.h"
#include "tests/simulation/raft/event_queue.h"

namespace keelson::raft::simulation {

// A state machine that has applied everything up to `id`.
struct AppliedState {
  EntryId id = {};
  uint64_t hash = 0;
  ConfState conf = {};
};

Snapshot SnapshotOf(const AppliedState& state);
AppliedState StateOf(const Snapshot& snapshot);

struct DiskImage {
  HardState hard_state = {};
  ChainedLog log = {};
  AppliedState state = {};
  // An entry and all before it are here, in the log or in the state.
  bool Holds(LogIndex index, uint64_t hash) const {
    return log.base().index > index || log.HashAt(index) == hash;
  }
};

class SimulatedDisk final : public LogView {
 public:
  struct PendingWrite {
    uint64_t number = 0;
    LogWrite write = {};
    std::vector<Message> promises = {};
    Time since = 0;
    bool replaced = false;  // a later write replaces entries of this one
  };
  struct CrashReport {
    bool lost_tail = false;
    bool snapshot_lost = false;  // a snapshot was being installed, and is not there
    bool snapshot_kept = false;  // likewise, and is there
  };

  SimulatedDisk(DiskImage image, uint64_t seed);

  void Queue(PendingWrite write);
  // The promises are about all writes queued so far. REQUIRES: there are some.
  void AddPromises(std::vector<Message> promises);
  bool HasWaiting() const { return carried_out_ < pending_.size(); }
  bool HasUnsynced() const { return synced_ < carried_out_; }
  // REQUIRES: HasWaiting().
  void CarryOut();
  void Sync();
  // Of the writes that are synced and not acknowledged, oldest first.
  size_t synced() const { return synced_; }
  // From the front of pending().
  size_t carried_out() const { return carried_out_; }
  const std::deque<PendingWrite>& pending() const { return pending_; }
  // Takes the oldest. REQUIRES: synced() > 0.
  PendingWrite TakeSynced();

  // REQUIRES: the entry follows state().id.
  void Apply(const Entry& entry, ConfState conf);
  // What is applied becomes durable, unless a snapshot is being installed.
  void Flush();
  // Drops the log up to `index`. REQUIRES: durable().state.id.index >= index.
  void CompactThrough(LogIndex index);
  bool IsInstalling() const;

  CrashReport Crash(Dice& dice);

  const DiskImage& written() const { return written_; }
  const DiskImage& durable() const { return durable_; }
  const AppliedState& state() const { return written_.state; }

  LogIndex FirstIndex() const override { return written_.log.first(); }
  LogIndex LastIndex() const override { return written_.log.last(); }
  std::optional<Term> TermAt(LogIndex index) const override { return written_.log.TermAt(index); }
  absl::StatusOr<std::vector<Entry>> Entries(LogIndex begin, LogIndex end,
                                             uint64_t bytes_max) const override;
  absl::StatusOr<Snapshot> TakeSnapshot() const override;

 private:
  DiskImage written_;
  DiskImage durable_;
  std::deque<PendingWrite> pending_;  // synced, then carried out, then waiting
  size_t carried_out_ = 0;            // of pending_, from the front; >= synced_
  size_t synced_ = 0;
  mutable Dice dice_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_DISK_H_
