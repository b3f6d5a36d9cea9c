#include "apiserver/http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/cleanup/cleanup.h"
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

}  // namespace
}  // namespace keelson::apiserver
