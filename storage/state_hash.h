// The rolling hash of applied state: a chain over the effects of all entries, in order. Two members
// that have applied the same index have the same value, or their states differ; one that replays
// entries after a crash comes to the same values again.
//
//   chain_0   := kStateHashStart
//   chain     := Mix(chain, effect)       for each effect of an entry: what is written, byte by
//   byte chain_i   := Mix(chain, index, term)  at the end of the entry i
//
// Reaches disk and other members: a change of it is a change of format.
#ifndef KEELSON_STORAGE_STATE_HASH_H_
#define KEELSON_STORAGE_STATE_HASH_H_

#include <cstdint>
#include <string_view>

#include "base/crc32c.h"

namespace keelson::storage {

inline constexpr uint64_t kStateHashStart = 0x4b45454c534f4e31;

// The finalizer of splitmix64; every bit of `word` reaches every bit of the result.
inline uint64_t MixStateHash(uint64_t chain, uint64_t word) {
  uint64_t h = chain * 0x9e3779b97f4a7c15 + word;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
  h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
  return h ^ (h >> 31);
}

// An effect: `table` tells where, `key` what, `value` what of it.
inline uint64_t MixStateHash(uint64_t chain, uint8_t table, std::string_view key,
                             std::string_view value) {
  chain = MixStateHash(chain, uint64_t{table} << 56 | key.size());
  chain = MixStateHash(chain, uint64_t{Crc32c(key)} << 32 | Crc32c(value));
  return MixStateHash(chain, value.size());
}

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STATE_HASH_H_
