// TestNode: a member for tests: the core, a disk that knows written from synced, and a state
// machine that keeps what was applied since it was made or got a snapshot, and the membership.
// Does nothing by itself: each step of the life of a Ready is
// a call, so that a test can let any time pass between them.
//
//   TakeReady -> the write waits -> Write (on the disk) -> Acknowledge (the core hears of it, the
//   promises leave);  committed waits -> Apply
#ifndef KEELSON_RAFT_TESTING_TEST_NODE_H_
#define KEELSON_RAFT_TESTING_TEST_NODE_H_

#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/raw_node.h"
#include "raft/testing/memory_log.h"
#include "raft/types.h"

namespace keelson::raft {

// A member of voters 1..n with the defaults of the tests: election timeout 10 ticks, no pre-vote,
// no check-quorum.
Config TestConfig(uint64_t id, uint64_t voters);

class TestNode {
 public:
  // `config.hard_state` is taken over by the disk.
  TestNode(const Config& config, MemoryLog log, std::unique_ptr<Random> random);
  TestNode(const Config& config, MemoryLog log, uint64_t seed)
      : TestNode(config, std::move(log), std::make_unique<SeededRandom>(seed)) {}
  TestNode(const Config& config, uint64_t seed) : TestNode(config, MemoryLog(), seed) {}

  RawNode& raft() { return *raft_; }
  const RawNode& raft() const { return *raft_; }
  bool alive() const { return raft_ != nullptr; }
  NodeId id() const { return config_.id; }
  const Config& config() const { return config_; }
  // Settings that count from the next Restart on.
  Config& next_config() { return config_; }
  MemoryLog& disk() { return disk_; }
  const MemoryLog& disk() const { return disk_; }

  // The Ready, whose write, promises and committed entries now wait here. nullopt: none.
  std::optional<Ready> TakeReady();
  // Carries out the oldest write; nothing hears of it. False: none waits.
  bool Write();
  // Tells the core of the newest write carried out, and lets the promises leave. Carries out the
  // oldest if none was. Returns its number; 0: nothing waits.
  uint64_t Acknowledge();
  bool HasWriteWaiting() const { return !waiting_.empty(); }
  // A write was carried out and is not acknowledged.
  bool HasWrittenWaiting() const { return !waiting_.empty() && waiting_.front().written; }
  // The oldest write not carried out; nullptr: none.
  const LogWrite* PeekWrite() const;
  // Numbers of the writes not acknowledged that have entries beyond `index`.
  std::vector<uint64_t> WritesBeyond(LogIndex index) const;
  size_t writes_waiting() const { return waiting_.size(); }
  // Of those, carried out.
  size_t writes_carried_out() const;
  bool HasApplyWaiting() const { return !committed_.empty(); }
  // Applies the oldest batch of committed entries, changes of membership included. False: none
  // waits.
  bool Apply();
  // A snapshot of the present state is what peers get from now on.
  void MakeSnapshot();
  // Drops the log up to `index`, with a snapshot there if none is newer. REQUIRES: applied.
  void Compact(LogIndex index);
  // All of the above until nothing is left to do.
  void Run();

  // Messages that have left so far and were not taken.
  std::vector<Message> TakeSent();
  std::vector<ReadGrant> TakeReads();
  std::vector<uint64_t> TakeDroppedReads();

  // Loses everything in memory and all writes not carried out. The state machine keeps what was
  // applied up to `durable_applied`.
  void Crash(LogIndex durable_applied);
  void Crash() { Crash(LogIndex{0}); }
  void Restart(std::unique_ptr<Random> random);
  void Restart(uint64_t seed) { Restart(std::make_unique<SeededRandom>(seed)); }

  // Since it was made or got a snapshot.
  const std::vector<Entry>& applied() const { return applied_; }
  LogIndex applied_index() const { return applied_.empty() ? base_ : applied_.back().index; }
  // The membership as of applied_index().
  const ConfState& conf() const { return ConfAt(applied_index()); }
  // Everything in the log, durable or not, as the core has handed it out.
  std::vector<Entry> LogEntries() const;

 private:
  struct Waiting {
    uint64_t number = 0;
    LogWrite write;
    std::vector<Message> promises;
    bool written = false;
  };

  const ConfState& ConfAt(LogIndex index) const {
    return std::prev(confs_.upper_bound(index))->second;
  }
  void CarryOut(const LogWrite& write);

  Config config_;
  MemoryLog disk_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<RawNode> raft_;
  std::deque<Waiting> waiting_;
  std::deque<std::vector<Entry>> committed_;
  LogIndex base_;                        // what the state was made with, or its snapshot
  std::vector<Entry> applied_;           // from base_ + 1 on
  std::map<LogIndex, ConfState> confs_;  // by the index since which it is in force
  std::vector<Message> sent_;
  std::vector<ReadGrant> reads_;
  std::vector<uint64_t> dropped_reads_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_TEST_NODE_H_
