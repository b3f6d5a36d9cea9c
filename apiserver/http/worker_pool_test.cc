#include "apiserver/http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/barrier.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace keelson::apiserver {
namespace {

TEST(WorkerPoolTest, WhatDoesNotFitIsRefusedAndNothingTakenIsLost) {
  std::atomic<int> ran = 0;
  absl::Notification begun;
  absl::Notification go_on;
  absl::Notification last;
  WorkerPool pool(1, 2);
  ASSERT_TRUE(pool.TryRun([&] {
    begun.Notify();
    go_on.WaitForNotification();
    ++ran;
  }));
  begun.WaitForNotification();
  EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
  EXPECT_TRUE(pool.TryRun([&] {
    ++ran;
    last.Notify();
  }));
  EXPECT_FALSE(pool.TryRun([&] { ++ran; }));
  go_on.Notify();
  last.WaitForNotification();
  EXPECT_EQ(ran, 3);
}

TEST(WorkerPoolTest, TheEndWaitsForWhatRunsAndDropsWhatWaits) {
  std::atomic<bool> done = false;
  std::atomic<bool> ran = false;
  absl::Notification begun;
  absl::Notification dropped;
  WorkerPool pool(1, 1);
  ASSERT_TRUE(pool.TryRun([&] {
    begun.Notify();
    dropped.WaitForNotification();
    done = true;
  }));
  begun.WaitForNotification();
  ASSERT_TRUE(
      pool.TryRun([&ran, held = absl::Cleanup([&dropped] { dropped.Notify(); })] { ran = true; }));
  pool.End();
  EXPECT_TRUE(done);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(pool.TryRun([] {}));
}

TEST(WorkerPoolTest, WorkOfManyCallersIsDoneOnceEachByThemAndNoMoreThreadsThanThePoolHas) {
  constexpr size_t kCallers = 20;
  constexpr size_t kPieces = 50;
  WorkerPool pool(2, 100);
  absl::Mutex mutex;
  std::set<std::thread::id> threads;
  std::vector<std::vector<int>> done(kCallers, std::vector<int>(kPieces));
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      WorkOnAll(pool, 15, kPieces, [&](size_t piece) {
        absl::MutexLock lock(&mutex);
        threads.insert(std::this_thread::get_id());
        ++done[caller][piece];
        return true;
      });
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::vector<int>& pieces : done) EXPECT_EQ(pieces, std::vector<int>(kPieces, 1));
  EXPECT_LE(threads.size(), kCallers + 2);
}

TEST(WorkerPoolTest, WorkIsSharedWithThePool) {
  WorkerPool pool(1, 1);
  absl::Barrier* const both = new absl::Barrier(2);
  WorkOnAll(pool, 1, 2, [&](size_t) {
    if (both->Block()) delete both;  // each waits for the other
    return true;
  });
}

TEST(WorkerPoolTest, WorkDoesNotWaitForAPoolThatIsBusy) {
  absl::Notification begun;
  absl::Notification go_on;
  WorkerPool pool(1, 2);
  ASSERT_TRUE(pool.TryRun([&] {
    begun.Notify();
    go_on.WaitForNotification();
  }));
  begun.WaitForNotification();
  int done = 0;
  WorkOnAll(pool, 15, 10, [&](size_t) { return ++done > 0; });
  EXPECT_EQ(done, 10);
  // The helpers that are still to come have nothing left to do.
  go_on.Notify();
  absl::Notification last;
  while (!pool.TryRun([&] { last.Notify(); })) std::this_thread::yield();
  last.WaitForNotification();
  EXPECT_EQ(done, 10);
}

TEST(WorkerPoolTest, NoMoreIsBegunOnceOneHasFailed) {
  WorkerPool pool(1, 1);
  size_t begun = 0;
  WorkOnAll(pool, 0, 10, [&](size_t piece) {
    ++begun;
    return piece != 3;
  });
  EXPECT_EQ(begun, 4u);
}

}  // namespace
}  // namespace keelson::apiserver
