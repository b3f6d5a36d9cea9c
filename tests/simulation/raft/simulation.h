// Simulation: one run, from one seed, in one thread: a cluster of cores under an adversary and its
// clients, then healed. Same seed, same run: Result::hash covers every event, and `next` is the
// number the generator would give next.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_SIMULATION_H_
#define KEELSON_TESTS_SIMULATION_RAFT_SIMULATION_H_

#include <cstdint>
#include <string>

#include "tests/simulation/raft/counters.h"
#include "tests/simulation/raft/invariants.h"
#include "tests/simulation/raft/trace.h"

namespace keelson::raft::simulation {

struct Result {
  uint64_t hash = 0;
  uint64_t next = 0;
  uint64_t events = 0;
  Time simulated = 0;
  Counters counters = {};
  Verdict verdict = {};
};

// What a run of `seed` is made of.
std::string DescribeOptions(uint64_t seed);

Result RunSeed(uint64_t seed, Trace& trace);

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_SIMULATION_H_
