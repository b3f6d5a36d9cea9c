// Options: what exists in one run: the size of the cluster, the configuration of its members, which
// kinds of fault may happen and how often. Drawn from the seed, so that each run is extreme in some
// way: a fault that is always there hides what happens without it.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_OPTIONS_H_
#define KEELSON_TESTS_SIMULATION_RAFT_OPTIONS_H_

#include <cstdint>
#include <string>

#include "raft/raw_node.h"
#include "tests/simulation/raft/dice.h"
#include "tests/simulation/raft/event_queue.h"

namespace keelson::raft::simulation {

struct Options {
  uint64_t voters = 3;
  // The first entries of every log add the first voters, as a store does that boots from its log;
  // otherwise the logs begin compacted, and new members need a snapshot.
  bool conf_in_log = false;
  int64_t safety_ticks = 200;

  // Of every member; id, conf and state are filled in for each.
  Config config = {};

  int rate_percent = 0;  // by how much the rates of two clocks differ at most
  bool pauses = false;   // a member stands still while its messages and acknowledgements queue
  bool jumps = false;    // a clock jumps ahead
  bool crashes = false;

  Time latency_max = 0;  // of a link that is well
  uint64_t loss_percent = 0;
  uint64_t duplicate_percent = 0;
  uint64_t long_delay_percent = 0;  // of messages that come election timeouts late
  bool reordering = false;
  bool partitions = false;
  bool one_way_cuts = false;
  bool flapping = false;
  bool unreachable_reports = false;
  uint64_t snapshot_loss_percent = 0;
  bool snapshot_mischief = false;  // reported late or wrongly, repeated, or much delayed

  bool slow_disks = false;
  bool disk_stalls = false;
  bool late_acks = false;  // durable for long before the member hears of it
  bool slow_apply = false;
  bool apply_stalls = false;
  bool compaction = false;  // eager, so that snapshots are needed

  bool membership = false;
  bool transfers = false;
  bool forgetting = false;
  bool campaigns = false;  // out of turn

  Time fault_interval = kTickTime;
  Time client_interval = kTickTime;
  uint64_t read_percent = 0;  // of the clients' requests; with few writes logs are equal for long
  uint64_t ready_delay_percent = 0;  // of inputs after which the Ready waits for more

  static Options Draw(Dice& dice);
  std::string Describe() const;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_OPTIONS_H_
