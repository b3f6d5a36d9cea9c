#include "apiserver/http/worker_pool.h"

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

}  // namespace keelson::apiserver
