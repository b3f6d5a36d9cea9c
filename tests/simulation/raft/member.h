// Member: one simulated member: the core, its disk, its clock, and what of its world is under way.
// The World moves it; see world.h.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_MEMBER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_MEMBER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/random.h"
#include "raft/raw_node.h"
#include "raft/types.h"
#include "tests/simulation/raft/disk.h"
#include "tests/simulation/raft/event_queue.h"

namespace keelson::raft::simulation {

// Ids are 1..kMembersMax, so that what is known of a member lies in arrays.
constexpr uint64_t kMembersMax = 15;

struct Member {
  Member(NodeId its_id, Config its_config, DiskImage image, Time its_tick_time, uint64_t seed)
      : id(its_id),
        config(std::move(its_config)),
        tick_time(its_tick_time),
        disk(std::move(image), seed),
        seeds(seed + 1) {}

  bool alive() const { return raft != nullptr; }
  bool running() const { return alive() && !paused; }

  const NodeId id;
  const Config config;
  const Time tick_time;  // between two ticks of its clock
  SimulatedDisk disk;
  Dice seeds;  // of its core, a new one for each life

  std::unique_ptr<SeededRandom> random;
  std::unique_ptr<RawNode> raft;  // nullptr: down
  uint32_t life = 0;              // grows with each start
  bool stopped = false;           // was removed, and is down for good

  bool paused = false;
  uint64_t missed_ticks = 0;       // while paused
  std::vector<Event> frozen = {};  // what happened to it while paused

  std::deque<Entry> to_apply = {};
  Time disk_stalled_until = 0;
  Time apply_stalled_until = 0;
  bool stall_reported = false;

  // An event of that kind is in the queue.
  bool disk_scheduled = false;
  bool acknowledge_scheduled = false;
  bool apply_scheduled = false;
  bool ready_scheduled = false;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_MEMBER_H_
