#include "apiserver/runtime/work_queue.h"

#include <atomic>
#include <thread>
#include <vector>

#include "apiserver/runtime/controller.h"
#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::runtime {
namespace {

class WorkQueueTest : public testing::Test {
 protected:
  FakeClock clock_;
  WorkQueue queue_{&clock_};
};

TEST_F(WorkQueueTest, KeyIsInLineOnceHoweverOftenItIsAdded) {
  queue_.Add("a");
  queue_.Add("b");
  queue_.Add("a");
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(queue_.Get(), "a");
  EXPECT_EQ(queue_.Get(), "b");
}

TEST_F(WorkQueueTest, KeyAddedWhileAWorkerHasItComesAgainWhenItIsDone) {
  queue_.Add("a");
  ASSERT_EQ(queue_.Get(), "a");
  queue_.Add("a");
  queue_.Add("a");
  EXPECT_EQ(queue_.size(), 0u);
  queue_.Done("a");
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(WorkQueueTest, KeyThatRestsIsNotGivenOutBeforeHoweverItIsAdded) {
  queue_.Add("a");
  ASSERT_EQ(queue_.Get(), "a");
  queue_.Add("a");
  queue_.Done("a", absl::Seconds(2));
  queue_.Add("a");
  queue_.AddAfter("a", absl::Seconds(1));
  queue_.Add("b");
  EXPECT_EQ(queue_.Get(), "b");
  clock_.Advance(absl::Milliseconds(1999));
  EXPECT_EQ(queue_.size(), 0u);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  queue_.Add("a");
  EXPECT_EQ(queue_.size(), 1u) << "the rest was for once";
}

TEST_F(WorkQueueTest, KeyAddedForLaterComesAtTheEarliestOfItsTimes) {
  queue_.AddAfter("a", absl::Seconds(10));
  queue_.AddAfter("a", absl::Seconds(3));
  queue_.AddAfter("a", absl::Seconds(7));
  clock_.Advance(absl::Milliseconds(2999));
  EXPECT_EQ(queue_.size(), 0u);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  clock_.Advance(absl::Seconds(20));
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(WorkQueueTest, PauseAfterFailuresDoublesUpToItsLimitAndBeginsAnewWhenForgotten) {
  absl::Duration pause = absl::Milliseconds(5);
  for (int i = 0; i < 25; ++i) {
    queue_.AddRateLimited("a");
    EXPECT_EQ(queue_.failures("a"), i + 1);
    clock_.Advance(pause - absl::Nanoseconds(1));
    EXPECT_EQ(queue_.size(), 0u) << i;
    clock_.Advance(absl::Nanoseconds(1));
    ASSERT_EQ(queue_.size(), 1u) << i;
    queue_.Done(*queue_.Get());
    pause = std::min(pause * 2, absl::Seconds(1000));
  }
  EXPECT_EQ(pause, absl::Seconds(1000));
  queue_.Forget("a");
  EXPECT_EQ(queue_.failures("a"), 0);
  queue_.AddRateLimited("a");
  clock_.Advance(absl::Milliseconds(5));
  EXPECT_EQ(queue_.size(), 1u);
}

TEST_F(WorkQueueTest, WhatIsInLineIsStillGivenAfterShutDownAndNothingElse) {
  queue_.Add("a");
  queue_.AddAfter("later", absl::Seconds(1));
  queue_.ShutDown();
  queue_.Add("b");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  EXPECT_EQ(queue_.Get(), std::nullopt);
}

TEST(WorkQueueThreadsTest, ShutDownWakesThoseWhoWait) {
  const RealClock clock;
  WorkQueue queue(&clock);
  std::vector<std::thread> waiters;
  std::atomic<int> ended = 0;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] { ended += queue.Get() == std::nullopt ? 1 : 0; });
  }
  queue.ShutDown();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(ended, 3);
}

// Counts in the worker, fails as often as it is told, throws once.
class CountingController final : public QueueController {
 public:
  explicit CountingController(const Clock* clock) : QueueController("counting", clock, 4) {}
  void Want(int times) {
    for (int i = 0; i < times; ++i) queue().Add("key " + std::to_string(i));
  }
  std::atomic<int> calls = 0;
  std::atomic<int> failures_left = 20;
  std::atomic<int> done = 0;
  std::atomic<bool> threw = false;

 private:
  absl::Status Reconcile(const std::string& key) override {
    ++calls;
    if (!threw.exchange(true)) throw std::runtime_error("boom");
    if (failures_left-- > 0) return absl::UnavailableError("not yet");
    ++done;
    return absl::OkStatus();
  }
};

TEST(QueueControllerTest, FailedKeysComeAgainUntilAllSucceeded) {
  const RealClock clock;
  CountingController controller(&clock);
  controller.Want(50);
  controller.Start();
  const absl::Duration deadline = clock.Now() + absl::Seconds(60);
  while (controller.done < 50 && clock.Now() < deadline) std::this_thread::yield();
  controller.Stop();
  EXPECT_EQ(controller.done, 50);
  EXPECT_EQ(controller.calls, 50 + 20 + 1);
}

}  // namespace
}  // namespace keelson::runtime
