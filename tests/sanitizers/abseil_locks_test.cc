// That the thread sanitizer sees Abseil's locks (abseil_locks.cc), and still sees where there is
// none.

#include <cstdlib>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace keelson {
namespace {

constexpr int kReported = 66;  // the exit status of a program that the sanitizer has reported on
constexpr int kRounds = 1000;

// Two threads of which one waits for the other in every way the locks have.
void ShareUnderLocks() {
  absl::Mutex mutex;
  absl::CondVar changed;
  absl::Notification over;
  int number = 0;
  bool halfway = false;
  int handed_over = 0;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::MutexLock lock(&mutex);
      ++number;
      halfway = halfway || i == kRounds / 2;
      changed.SignalAll();
    }
    handed_over = 1;
    over.Notify();
  });
  for (int i = 0; i < kRounds; ++i) {
    absl::MutexLock lock(&mutex);
    ++number;
  }
  mutex.LockWhen(absl::Condition(&halfway));
  ++number;
  mutex.AwaitWithTimeout(absl::Condition(&halfway), absl::Seconds(1));
  changed.WaitWithTimeout(&mutex, absl::Milliseconds(1));
  ++number;
  mutex.Unlock();
  if (mutex.TryLock()) {
    ++number;
    mutex.Unlock();
  }
  over.WaitForNotification();
  ++handed_over;
  mutex.ReaderLock();
  if (number < 2 * kRounds) std::abort();
  mutex.ReaderUnlock();
  other.join();
}

// As above, but for one variable that no lock guards.
void ShareWithoutLock() {
  absl::Mutex mutex;
  int number = 0;
  const auto count = [&] {
    for (int i = 0; i < kRounds; ++i) {
      absl::MutexLock lock(&mutex);
    }
    ++number;
  };
  std::thread one(count);
  std::thread other(count);
  one.join();
  other.join();
}

TEST(AbseilLocksDeathTest, WhatALockGuardsIsNoRace) {
  EXPECT_EXIT(
      {
        ShareUnderLocks();
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(AbseilLocksDeathTest, WhatNoLockGuardsIsARace) {
  EXPECT_EXIT(
      {
        for (int i = 0; i < 100; ++i) ShareWithoutLock();
        std::exit(0);
      },
      testing::ExitedWithCode(kReported), "data race");
}

}  // namespace
}  // namespace keelson
