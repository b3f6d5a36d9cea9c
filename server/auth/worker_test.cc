#include "server/auth/worker.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

// Runs what is posted when the test asks, on the test's thread.
class WaitingExecutor final : public Executor {
 public:
  void Post(Task task) override {
    std::lock_guard lock(mu_);
    tasks_.push_back(std::move(task));
    posted_.notify_all();
  }
  std::unique_ptr<Timer> NewTimer() override { return nullptr; }
  void RunOne() {
    Task task;
    {
      std::unique_lock lock(mu_);
      posted_.wait(lock, [this] { return !tasks_.empty(); });
      task = std::move(tasks_.front());
      tasks_.erase(tasks_.begin());
    }
    task();
  }

 private:
  std::mutex mu_;
  std::condition_variable posted_;
  std::vector<Task> tasks_;
};

// Once.
class Signal {
 public:
  void Notify() {
    std::lock_guard lock(mu_);
    notified_ = true;
    changed_.notify_all();
  }
  void WaitForNotification() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return notified_; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool notified_ = false;  // guarded by mu_
};

std::shared_ptr<std::atomic<bool>> Wanted() { return std::make_shared<std::atomic<bool>>(true); }

class WorkerTest : public testing::Test {
 protected:
  // Keeps the worker's thread until `Release`.
  void Occupy() {
    ASSERT_TRUE(worker_->Run(
        Wanted(),
        [begun = begun_, release = release_] {
          begun->Notify();
          release->WaitForNotification();
          return Worker::Result("occupied");
        },
        [](const Worker::Result&) {}));
    begun_->WaitForNotification();
  }
  void Release() { release_->Notify(); }

  WaitingExecutor executor_;
  std::shared_ptr<Signal> begun_ = std::make_shared<Signal>();
  std::shared_ptr<Signal> release_ = std::make_shared<Signal>();
  std::unique_ptr<ThreadedWorker> worker_ = std::make_unique<ThreadedWorker>(&executor_, 3);
};

TEST_F(WorkerTest, WorkRunsElsewhereAndItsResultComesHere) {
  const std::thread::id here = std::this_thread::get_id();
  std::string result;
  ASSERT_TRUE(worker_->Run(
      Wanted(),
      [here] { return Worker::Result(std::this_thread::get_id() == here ? "here" : "elsewhere"); },
      [&](Worker::Result r) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        result = *std::move(r);
      }));
  executor_.RunOne();
  EXPECT_EQ(result, "elsewhere");
}

TEST_F(WorkerTest, BeyondItsLimitItRefuses) {
  Occupy();
  const auto run = [this] {
    return worker_->Run(
        Wanted(), [] { return Worker::Result(""); }, [](const Worker::Result&) {});
  };
  EXPECT_TRUE(run());
  EXPECT_TRUE(run());
  EXPECT_FALSE(run());
  Release();
  executor_.RunOne();
  EXPECT_TRUE(run()) << "one of them is done";
}

TEST_F(WorkerTest, WhatNobodyWantsAnyMoreIsNotBegun) {
  Occupy();
  const auto wanted = Wanted();
  bool begun = false;
  absl::Status status;
  ASSERT_TRUE(worker_->Run(
      wanted,
      [&begun] {
        begun = true;
        return Worker::Result("");
      },
      [&status](const Worker::Result& result) { status = result.status(); }));
  wanted->store(false);
  Release();
  executor_.RunOne();
  executor_.RunOne();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_FALSE(begun);
}

// A password of the highest cost takes hours; a member that is told to stop does not wait for it.
TEST_F(WorkerTest, ItsEndWaitsForNothingAndRunsNothing) {
  Occupy();
  auto alive = std::make_shared<int>();
  ASSERT_TRUE(worker_->Run(
      Wanted(), [] { return Worker::Result(""); },
      [alive](const Worker::Result&) { FAIL() << "the worker is gone"; }));
  worker_.reset();
  EXPECT_EQ(alive.use_count(), 1) << "who waits is let go of here, not on the other thread";
  Release();
}

}  // namespace
}  // namespace keelson::server
