// Seeded random runs of the core; see testing/simulation.h.
//
//   KEELSON_SEED=n        one seed, instead of many
//   KEELSON_SEEDS=count   how many (default kSeeds)
#include "raft/testing/simulation.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace keelson::raft {
namespace {

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 10000;
#else
constexpr uint64_t kSeeds = 1000;
#endif

volatile uint64_t current_seed = 0;

// A failed KV_CHECK ends the process: say which seed it was.
void PrintSeed(int) {
  std::fprintf(stderr, "reproduce: KEELSON_SEED=%llu raft_simulation_test\n",
               static_cast<unsigned long long>(current_seed));
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

SimulationResult RunSeed(uint64_t seed) {
  current_seed = seed;
  Simulation simulation(seed);
  SimulationResult result = simulation.Run();
  EXPECT_EQ(result.failure, "") << "reproduce: KEELSON_SEED=" << seed << " raft_simulation_test\n"
                                << simulation.options().Describe() << "\nstep " << result.steps;
  return result;
}

TEST(RaftSimulation, InvariantsHoldAndAHealedClusterMakesProgress) {
  std::signal(SIGABRT, PrintSeed);
  const uint64_t only = FromEnvironment("KEELSON_SEED", 0);
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t count = only != 0 ? 1 : FromEnvironment("KEELSON_SEEDS", kSeeds);
  std::printf("seeds %llu to %llu\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1));
  SimulationCounters reached;
  uint64_t steps = 0;
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    const SimulationResult result = RunSeed(seed);
    reached.Add(result.reached);
    steps += result.steps;
    if (seed % 100 == 0) {
      EXPECT_EQ(RunSeed(seed).hash, result.hash) << "seed " << seed << " is not deterministic";
    }
  }
  std::printf("%llu steps\n", static_cast<unsigned long long>(steps));
  for (const auto& [name, times] : reached.Named()) {
    std::printf("  %-18s %llu\n", name.c_str(), static_cast<unsigned long long>(times));
    if (count >= 500) {
      EXPECT_GT(times, 0u) << name << " is never reached";
    }
  }
}

}  // namespace
}  // namespace keelson::raft
