#include "server/auth/worker.h"

#include <pthread.h>

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace keelson::server {

struct ThreadedWorker::Shared {
  struct Item {
    uint64_t number = 0;
    Wanted wanted;
    Work work;
  };

  absl::Mutex mu;
  Executor* executor ABSL_GUARDED_BY(mu) = nullptr;  // null once the worker is gone
  std::weak_ptr<ThreadedWorker*> worker ABSL_GUARDED_BY(mu);
  std::deque<Item> queue ABSL_GUARDED_BY(mu);
};

ThreadedWorker::ThreadedWorker(Executor* executor, size_t queue_max)
    : queue_max_(queue_max),
      self_(std::make_shared<ThreadedWorker*>(this)),
      shared_(std::make_shared<Shared>()) {
  {
    absl::MutexLock lock(&shared_->mu);
    shared_->executor = executor;
    shared_->worker = self_;
  }
  std::thread thread([shared = shared_] { Loop(shared); });
  pthread_setname_np(thread.native_handle(), "auth");
  thread.detach();  // its end may be hours away; see the header
}

ThreadedWorker::~ThreadedWorker() {
  self_.reset();
  std::deque<Shared::Item> dropped;
  absl::MutexLock lock(&shared_->mu);
  shared_->executor = nullptr;
  dropped.swap(shared_->queue);
}

bool ThreadedWorker::Run(Wanted wanted, Work work, Done done) {
  if (waiting_.size() >= queue_max_) return false;
  const uint64_t number = ++last_number_;
  waiting_.emplace(number, std::move(done));
  absl::MutexLock lock(&shared_->mu);
  shared_->queue.push_back({number, std::move(wanted), std::move(work)});
  return true;
}

void ThreadedWorker::OnResult(uint64_t number, Result result) {
  auto node = waiting_.extract(number);
  node.mapped()(std::move(result));
}

void ThreadedWorker::Loop(const std::shared_ptr<Shared>& shared) {
  while (true) {
    Shared::Item item;
    {
      const auto ready = [&shared]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared->mu) {
        return shared->executor == nullptr || !shared->queue.empty();
      };
      absl::MutexLock lock(&shared->mu, absl::Condition(&ready));
      if (shared->executor == nullptr) return;
      item = std::move(shared->queue.front());
      shared->queue.pop_front();
    }
    Result result = absl::CancelledError("nobody waits for it");
    if (item.wanted->load(std::memory_order_relaxed)) result = item.work();
    // Under the lock, against the rule, because the executor is there only as long as the worker
    // is; to post is to put into a queue, and takes no lock of ours.
    absl::MutexLock lock(&shared->mu);
    if (shared->executor == nullptr) return;
    shared->executor->Post(
        [worker = shared->worker, number = item.number, result = std::move(result)]() mutable {
          const auto self = worker.lock();
          if (self) (*self)->OnResult(number, std::move(result));
        });
  }
}

}  // namespace keelson::server
