#include "apiserver/http/worker_pool.h"

#include <utility>

namespace keelson::apiserver {

WorkerPool::WorkerPool(int threads, size_t waiting_max) : waiting_max_(waiting_max) {
  threads_.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

void WorkerPool::End() {
  std::deque<Task> dropped;  // freed without the lock
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
  }
  dropped.clear();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool WorkerPool::TryRun(Task task) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(task));
  return true;
}

void WorkerPool::Work() {
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopped_ || !waiting_.empty();
  };
  while (true) {
    mutex_.LockWhen(absl::Condition(&has_work));
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
