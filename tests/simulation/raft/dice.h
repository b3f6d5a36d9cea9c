// Dice: all chance of a run comes out of one seeded generator, through these few questions.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_DICE_H_
#define KEELSON_TESTS_SIMULATION_RAFT_DICE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/random.h"

namespace keelson::raft::simulation {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}

  uint64_t Next() { return random_.Next(); }
  // Uniform in [0, n). REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return random_.Below(n); }
  // Uniform in [first, last].
  int64_t Between(int64_t first, int64_t last) {
    KV_CHECK_LE(first, last);
    return first + static_cast<int64_t>(Below(static_cast<uint64_t>(last - first) + 1));
  }
  bool Percent(uint64_t percent) { return Below(100) < percent; }
  // Small values often, large ones seldom: each doubling of the range is as likely as the next.
  int64_t Skewed(int64_t first, int64_t last) {
    const auto range = static_cast<uint64_t>(last - first);
    int bits = 0;
    while ((range >> bits) != 0) ++bits;
    const uint64_t top = uint64_t{1} << Below(static_cast<uint64_t>(bits) + 1);
    const uint64_t drawn = Below(top);
    return first + static_cast<int64_t>(drawn < range ? drawn : range);
  }
  // REQUIRES: not empty.
  template <typename T>
  const T& Pick(const std::vector<T>& of) {
    return of[static_cast<size_t>(Below(of.size()))];
  }

 private:
  SeededRandom random_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_DICE_H_
