// What a run is like: drawn from its seed, so that each seed has some kinds of faults and clients,
// and not others, and sizes that push this or that place of the code. What is switched off by hand,
// to find out what a failure needs, is left out of what the seed would have had and changes nothing
// else of the draw.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_OPTIONS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_OPTIONS_H_

#include <cstdint>
#include <set>
#include <string>

#include "tests/simulation/cluster/virtual_time.h"

namespace keelson::simulation {

// A part of a run that it may have or not. The names are for --without.
// clang-format off
#define KEELSON_SIMULATION_FEATURES(X) \
  X(partitions) X(one_way) X(client_partitions) X(loss) X(duplication) X(reorder) X(crashes) \
  X(mid_write) X(crash_all) X(pauses) X(slow_disks) X(hanging_disks) X(failing_disks) \
  X(full_disks) X(stalls) X(drift) X(broken_snapshots) X(membership) X(transfers) X(compaction) \
  X(registers) X(lists) X(bank) X(set) X(watches) X(leases) X(locks) X(elections) X(objects) \
  X(damage) X(flipped_reads) X(wall_jumps) X(auth) X(overload) X(reluctance) \
  X(outdated) X(held_links) X(alarms) \
  X(steady_watches) X(snapshot_races) X(stopped_readers) X(stalled_grants) \
  X(library) X(sleeping_leaders)
// clang-format on

enum class Feature : uint8_t {
#define X(name) k_##name,
  KEELSON_SIMULATION_FEATURES(X)
#undef X
      kCount
};
inline constexpr size_t kFeatures = static_cast<size_t>(Feature::kCount);
const char* NameOf(Feature feature);
// kCount: there is none of that name.
Feature FeatureNamed(const std::string& name);

struct Options {
  uint64_t seed = 0;
  Time duration = 60 * kSecond;
  std::set<Feature> features;
  bool real_stores = false;      // RocksDB, on the same disks
  uint64_t library_percent = 0;  // of the clients, who speak through the client library

  int members = 3;
  int clients = 6;
  Time tick = 100 * kMillisecond;
  Time network_min = 100 * kMicrosecond;
  Time network_max = 2 * kMillisecond;
  uint64_t loss_permille = 0;
  uint64_t duplicate_permille = 0;
  Time fault_pause_max = 4 * kSecond;   // between two faults
  Time think_max = 300 * kMillisecond;  // of a client between two operations
  uint64_t snapshot_count = 1000;
  uint64_t snapshot_catchup_entries = 100;
  uint64_t log_segment_bytes = 32 << 10;  // the log is cut by whole ones
  uint64_t log_cache_bytes = 32 << 20;
  uint64_t raft_cache_bytes = 16 << 20;
  size_t tasks_a_turn = 1000;
  uint64_t client_memory_bytes = uint64_t{1} << 30;
  uint64_t lane_width = 5000;  // writes and reads at once; as many again wait
  Time load_wait_max = 7 * kSecond;
  uint64_t queue_scale = 1;  // a client's queue counts as so many times its bytes
  int64_t watch_catch_up_revisions = 1000;
  Time snapshot_idle_max = 10 * kSecond;  // a state that nobody is sent is given up
  // Of members.
  bool pre_vote = true;
  bool early_election = true;  // the first one after a start
  bool start_check = false;
  bool leader_promotes = false;  // learners that have caught up
  Time token_ttl = 300 * kSecond;
  std::string bug;  // planted in a part that a member is given; empty: none

  bool has(Feature feature) const { return features.contains(feature); }
};

// One seed in so many is on real stores.
inline constexpr uint64_t kRealStoresOneIn = 25;
Options DrawOptions(uint64_t seed, Time duration, const std::set<Feature>& without);
std::string Describe(const Options& options);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_OPTIONS_H_
