// Runner: many seeds, in as many processes as there are cores, so that a seed that aborts (a check
// of the core, a sanitizer) or hangs takes down nothing but its own process, and is known. Each
// seed runs in one thread and shares nothing; one in a hundred is run twice and must repeat itself.
// A seed that fails is run once more with its story remembered, and told.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_RUNNER_H_
#define KEELSON_TESTS_SIMULATION_RAFT_RUNNER_H_

#include <cstdint>
#include <string>

#include "tests/simulation/raft/counters.h"
#include "tests/simulation/raft/event_queue.h"

namespace keelson::raft::simulation {

struct RunnerOptions {
  uint64_t first = 1;
  uint64_t seeds = 1000;   // at most
  double seconds_max = 0;  // 0: no limit
  int jobs = 1;
  std::string repeat = {};  // the command that repeats a seed, but for its number
};

struct RunnerResult {
  uint64_t seeds = 0;
  uint64_t twice = 0;  // of them
  uint64_t events = 0;
  Time simulated = 0;
  double seconds = 0;
  Counters counters = {};
  bool failed = false;  // and it was told why
  uint64_t failed_seed = 0;
};

RunnerResult RunSeeds(const RunnerOptions& options);

// One seed; prints its options first, and the generator's next number last. False: it failed.
bool RunOne(uint64_t seed, bool trace);

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_RUNNER_H_
