#include "base/thread_urgency.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "gtest/gtest.h"

namespace keelson {
namespace {

int Niceness() { return getpriority(PRIO_PROCESS, 0); }

// The calling thread's time slice, in nanoseconds; 0: the kernel does not tell.
uint64_t SliceNs() {
  uint64_t attributes[6] = {};  // struct sched_attr; the fourth is sched_runtime
  if (syscall(SYS_sched_getattr, 0, attributes, sizeof attributes, 0) != 0) return 0;
  return attributes[3];
}

TEST(ThreadUrgencyTest, IsOfTheCallingThreadAlone) {
  const int before = Niceness();
  int background = -1, least = -1;
  std::thread([&] {
    SetThreadUrgency(ThreadUrgency::kBackground);
    background = Niceness();
    SetThreadUrgency(ThreadUrgency::kLeastBackground);
    least = Niceness();
  }).join();
  EXPECT_EQ(background, 5);
  EXPECT_EQ(least, 10);
  EXPECT_EQ(Niceness(), before);
}

TEST(ThreadUrgencyTest, AThreadThatAnswersHasNoMoreThanItsShareAndKeepsItsSlicesToItself) {
  int niceness = -1;
  uint64_t slice = 0, of_a_child = 0;
  std::thread([&] {
    SetThreadUrgency(ThreadUrgency::kAnswering);
    niceness = Niceness();
    slice = SliceNs();
    std::thread([&] { of_a_child = SliceNs(); }).join();
  }).join();
  EXPECT_EQ(niceness, 0);
  if (slice == 0) GTEST_SKIP() << "this kernel knows no slices";
  EXPECT_LT(slice, SliceNs());
  EXPECT_EQ(of_a_child, SliceNs());
}

}  // namespace
}  // namespace keelson
