// Clock: time from outside. Production passes RealClock; a test passes FakeClock and
// steps it; the simulator passes virtual time. Nothing outside this file reads a clock of the
// system.
#ifndef KEELSON_BASE_CLOCK_H_
#define KEELSON_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace keelson {

class Clock {
 public:
  virtual ~Clock() = default;
  // Time since an unspecified start; never goes back and is not touched by wall-clock changes.
  virtual absl::Duration Now() const = 0;
  // The time of day, which may jump: for what is to be named or understood elsewhere, never for
  // how long something takes.
  virtual absl::Time WallTime() const = 0;
};

// CLOCK_BOOTTIME: goes on while the machine sleeps, so that a lease cannot outlive its TTL that
// way. Thread-safe.
class RealClock final : public Clock {
 public:
  absl::Duration Now() const override;
  absl::Time WallTime() const override;
};

class FakeClock final : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  absl::Time WallTime() const override { return absl::UnixEpoch() + now_ + wall_offset_; }
  void Advance(absl::Duration by) { now_ += by; }
  void JumpWallTime(absl::Duration by) { wall_offset_ += by; }

 private:
  absl::Duration now_ = absl::ZeroDuration();
  absl::Duration wall_offset_ = absl::ZeroDuration();
};

}  // namespace keelson

#endif  // KEELSON_BASE_CLOCK_H_
