// One run: a cluster and its clients from a seed, a time of faults, a time without, a judgement.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATION_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATION_H_

#include <cstdint>
#include <string>

#include "tests/simulation/cluster/options.h"
#include "tests/simulation/cluster/reached.h"

namespace keelson::simulation {

struct RunResult {
  std::string broken;   // the invariant, in a sentence, with what was seen; empty: none
  std::string stories;  // the newest events of each member, if it is broken
  uint64_t hash = 0;    // over all events
  uint64_t events = 0;
  uint64_t entries = 0;  // applied
  Time simulated = 0;
  Counters counters;
};

enum class Trace : uint8_t { kOff, kOn };
RunResult RunSimulation(const Options& options, Trace trace);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATION_H_
