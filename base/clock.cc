#include "base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace keelson {

absl::Duration RealClock::Now() const {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

absl::Time RealClock::WallTime() const { return absl::Now(); }

}  // namespace keelson
