#include "apiserver/http/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace keelson::apiserver {
namespace {

TEST(WorkerPoolTest, WhatDoesNotFitIsRefusedAndNothingTakenIsLost) {
  std::atomic<int> ran = 0;
  absl::Notification begun;
  absl::Notification go_on;
  {
    WorkerPool pool(1, 2);
    ASSERT_TRUE(pool.TryRun([&] {
      begun.Notify();
      go_on.WaitForNotification();
      ++ran;
    }));
    begun.WaitForNotification();
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_FALSE(pool.TryRun([&] { ++ran; }));
    go_on.Notify();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace keelson::apiserver
