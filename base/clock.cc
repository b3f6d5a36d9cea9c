#include "base/clock.h"

#include <ctime>

namespace keelson {

absl::Duration RealClock::Now() const {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace keelson
