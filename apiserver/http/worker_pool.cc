#include "apiserver/http/worker_pool.h"

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>

namespace keelson::apiserver {

WorkerPool::WorkerPool(int threads_max, size_t waiting_max)
    : threads_max_(static_cast<size_t>(threads_max)), waiting_max_(waiting_max) {}

void WorkerPool::End() {
  std::deque<Task> dropped;  // freed without the lock
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
    threads.swap(threads_);
  }
  dropped.clear();
  for (std::thread& thread : threads) thread.join();
}

bool WorkerPool::TryRun(Task task) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || waiting_.size() >= waiting_max_) return false;
  if (idle_ <= waiting_.size() && threads_.size() < threads_max_) {
    try {
      threads_.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) return false;  // else the others will do it
    }
  }
  waiting_.push_back(std::move(task));
  return true;
}

void WorkerPool::Work() {
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopped_ || !waiting_.empty();
  };
  while (true) {
    mutex_.Lock();
    ++idle_;
    mutex_.Await(absl::Condition(&has_work));
    --idle_;
    if (stopped_) {
      mutex_.Unlock();
      return;
    }
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    mutex_.Unlock();
    task();
  }
}

namespace {

// What the threads share that work on the same. A helper that comes when all is done finds nothing
// to do, and does not touch `work`, which is gone then.
class SharedWork {
 public:
  SharedWork(size_t count, absl::FunctionRef<bool(size_t)> work) : left_(count), work_(work) {}

  void Run() {
    mutex_.Lock();
    while (left_ > 0) {
      const size_t mine = next_++;
      --left_;
      ++running_;
      mutex_.Unlock();
      const bool go_on = work_(mine);
      mutex_.Lock();
      --running_;
      if (!go_on) left_ = 0;
    }
    mutex_.Unlock();
  }
  // REQUIRES: Run has returned on this thread.
  void WaitForAll() {
    absl::MutexLock lock(&mutex_);
    const auto none_runs = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    mutex_.Await(absl::Condition(&none_runs));
  }

 private:
  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t left_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  const absl::FunctionRef<bool(size_t)> work_;
};

}  // namespace

void WorkOnAll(WorkerPool& pool, size_t helpers_max, size_t count,
               absl::FunctionRef<bool(size_t)> work) {
  const auto shared = std::make_shared<SharedWork>(count, work);
  for (size_t i = 1; i < std::min(count, helpers_max + 1); ++i) {
    if (!pool.TryRun([shared] { shared->Run(); })) break;
  }
  shared->Run();
  shared->WaitForAll();
}

}  // namespace keelson::apiserver
