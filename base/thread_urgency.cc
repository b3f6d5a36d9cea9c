#include "base/thread_urgency.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace keelson {

#if defined(__linux__)
namespace {

// struct sched_attr of sched_setattr(2), as its first version.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = 0;  // SCHED_OTHER
  uint64_t flags = 1;   // SCHED_FLAG_RESET_ON_FORK
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;  // of SCHED_OTHER: its time slice; 0: the default
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};
static_assert(sizeof(Attributes) == 48);

constexpr uint64_t kShortestSliceNs = 100'000;

}  // namespace

void SetThreadUrgency(ThreadUrgency urgency) {
  Attributes attributes;
  switch (urgency) {
    case ThreadUrgency::kAnswering:
      attributes.runtime_ns = kShortestSliceNs;
      break;
    case ThreadUrgency::kBackground:
      attributes.nice = 5;
      break;
    case ThreadUrgency::kLeastBackground:
      attributes.nice = 10;
      break;
  }
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}
#else
void SetThreadUrgency(ThreadUrgency) {}
#endif

}  // namespace keelson
