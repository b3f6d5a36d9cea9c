// Random: chance from outside, so that a run can be replayed from its seed.
#ifndef KEELSON_BASE_RANDOM_H_
#define KEELSON_BASE_RANDOM_H_

#include <cstdint>

namespace keelson {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, n). REQUIRES: n > 0.
  uint64_t Below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<Wide>(Next()) * n) >> 64);
  }

 private:
  __extension__ using Wide = unsigned __int128;
};

// SplitMix64 (Steele, Lea, Flood 2014): small, fast, any seed is good. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override;

 private:
  uint64_t state_;
};

// A seed from the system's entropy, for production.
uint64_t SystemSeed();

}  // namespace keelson

#endif  // KEELSON_BASE_RANDOM_H_
