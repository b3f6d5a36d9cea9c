#include "apiserver/runtime/request_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"

namespace keelson::runtime {
namespace {

using Urgency = RequestPool::Urgency;

TEST(RequestPool, UrgentRequestsOvertakeOthers) {
  RequestPool pool(1);
  absl::Notification begun;
  absl::Notification go;
  absl::Notification done;
  std::string order;  // touched by the pool's one thread
  pool.Run(Urgency::kLater, [&] {
    begun.Notify();
    go.WaitForNotification();
  });
  begun.WaitForNotification();
  pool.Run(Urgency::kLater, [&] { order += "a"; });
  pool.Run(Urgency::kLater, [&] {
    order += "b";
    done.Notify();
  });
  pool.Run(Urgency::kUrgent, [&] { order += "c"; });
  EXPECT_EQ(pool.waiting(), 3u);
  go.Notify();
  done.WaitForNotification();
  EXPECT_EQ(order, "cab");
}

TEST(RequestPool, RequestsRunAtTheSameTime) {
  RequestPool pool(3);
  auto* barrier = new absl::Barrier(4);
  for (int i = 0; i < 3; ++i) {
    pool.Run(Urgency::kUrgent, [barrier] {
      if (barrier->Block()) delete barrier;
    });
  }
  if (barrier->Block()) delete barrier;  // all are in it, or this never returns
}

TEST(RequestPool, StopDropsWhatWaitsAndWaitsForWhatRuns) {
  RequestPool pool(1);
  absl::Notification begun;
  std::atomic<int> finished = 0;
  pool.Run(Urgency::kLater, [&] {
    begun.Notify();
    finished += 1;
  });
  begun.WaitForNotification();
  pool.Stop();
  EXPECT_EQ(finished, 1);
  pool.Run(Urgency::kUrgent, [&] { finished += 10; });
  EXPECT_EQ(pool.waiting(), 0u);
  EXPECT_EQ(finished, 1);
}

}  // namespace
}  // namespace keelson::runtime
