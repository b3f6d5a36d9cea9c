// The seed of a random test: KEELSON_SEED, or a new one; printed, so that a failure can be
// repeated.
#ifndef KEELSON_SERVER_TESTING_SEED_H_
#define KEELSON_SERVER_TESTING_SEED_H_

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keelson::server {

inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Runs `test(seed)` for `rounds` seeds from the given one on; ends at the first failure and says
// how to repeat it.
template <typename Test>
void ForSeeds(uint64_t rounds, Test test) {
  const uint64_t first = FromEnvironment("KEELSON_SEED", SystemSeed());
  rounds = FromEnvironment("KEELSON_ROUNDS", rounds);
  std::printf("KEELSON_SEED=%" PRIu64 " KEELSON_ROUNDS=%" PRIu64 "\n", first, rounds);
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    test(seed);
    if (!testing::Test::HasFailure()) continue;
    std::printf("repeat with KEELSON_SEED=%" PRIu64 " KEELSON_ROUNDS=1\n", seed);
    return;
  }
}

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_SEED_H_
