// The seed of a random test: KEELSON_SEED, or a new one; printed, so that a failure can be
// repeated.
#ifndef KEELSON_RAFT_TESTING_SEED_H_
#define KEELSON_RAFT_TESTING_SEED_H_

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/random.h"

namespace keelson::raft {

inline uint64_t TestSeed() {
  const char* given = std::getenv("KEELSON_SEED");
  const uint64_t seed = given == nullptr ? SystemSeed() : std::strtoull(given, nullptr, 10);
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed);
  return seed;
}

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SEED_H_
