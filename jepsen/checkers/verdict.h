// What every checker of this folder answers, and the time their histories are told in.
//
// A checker is a function of a recorded history. It knows nothing of the system that made it, and
// is the same for a simulated one and for real processes. Its memory and time are bounded: what it
// cannot decide within its bounds is kUndecided, which is counted and never taken for kHolds.
#ifndef KEELSON_JEPSEN_CHECKERS_VERDICT_H_
#define KEELSON_JEPSEN_CHECKERS_VERDICT_H_

#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <utility>

namespace keelson::checkers {

// Nanoseconds of one monotonic clock that all clients of a history share.
using Time = int64_t;
inline constexpr Time kNever = std::numeric_limits<Time>::max();
inline constexpr Time kSecond = 1'000'000'000;

// What a client knows of its operation.
enum class Outcome : uint8_t {
  kOk,
  kRefused,  // it certainly did not take effect
  kUnknown,  // it may have, or may yet: timed out, connection lost, …
};

struct Verdict {
  enum class Kind : uint8_t { kHolds, kBroken, kUndecided };
  Kind kind = Kind::kHolds;
  std::string why;  // a sentence, unless it holds

  bool holds() const { return kind == Kind::kHolds; }
  bool broken() const { return kind == Kind::kBroken; }
  static Verdict Broken(std::string why) { return {Kind::kBroken, std::move(why)}; }
  static Verdict Undecided(std::string why) { return {Kind::kUndecided, std::move(why)}; }

  friend std::ostream& operator<<(std::ostream& os, const Verdict& verdict) {
    constexpr const char* kNames[] = {"holds", "broken", "undecided"};
    return os << kNames[static_cast<int>(verdict.kind)] << ": " << verdict.why;
  }
};

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_VERDICT_H_
