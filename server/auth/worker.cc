#include "server/auth/worker.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
namespace keelson::server {

struct ThreadedWorker::Shared {
  struct Item {
    uint64_t number = 0;
    Wanted wanted;
    Work work;
  };

  // Of the standard library, so that the thread sanitizer sees it.
  std::mutex mu;
  std::condition_variable changed;
  Executor* executor = nullptr;           // guarded by mu; null once the worker is gone
  std::weak_ptr<ThreadedWorker*> worker;  // guarded by mu
  std::deque<Item> queue;                 // guarded by mu
};

ThreadedWorker::ThreadedWorker(Executor* executor, size_t queue_max)
    : queue_max_(queue_max),
      self_(std::make_shared<ThreadedWorker*>(this)),
      shared_(std::make_shared<Shared>()) {
  shared_->executor = executor;
  shared_->worker = self_;
  std::thread thread([shared = shared_] { Loop(shared); });
  pthread_setname_np(thread.native_handle(), "auth");
  thread.detach();  // its end may be hours away; see the header
}

ThreadedWorker::~ThreadedWorker() {
  self_.reset();
  std::deque<Shared::Item> dropped;
  std::lock_guard lock(shared_->mu);
  shared_->executor = nullptr;
  dropped.swap(shared_->queue);
  shared_->changed.notify_one();
}

bool ThreadedWorker::Run(Wanted wanted, Work work, Done done) {
  if (waiting_.size() >= queue_max_) return false;
  const uint64_t number = ++last_number_;
  waiting_.emplace(number, std::move(done));
  std::lock_guard lock(shared_->mu);
  shared_->queue.push_back({number, std::move(wanted), std::move(work)});
  shared_->changed.notify_one();
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
      std::unique_lock lock(shared->mu);
      shared->changed.wait(
          lock, [&shared] { return shared->executor == nullptr || !shared->queue.empty(); });
      if (shared->executor == nullptr) return;
      item = std::move(shared->queue.front());
      shared->queue.pop_front();
    }
    Result result = absl::CancelledError("nobody waits for it");
    if (item.wanted->load(std::memory_order_relaxed)) result = item.work();
    // Under the lock, against the rule, because the executor is there only as long as the worker
    // is; to post is to put into a queue, and takes no lock of ours.
    std::lock_guard lock(shared->mu);
    if (shared->executor == nullptr) return;
    shared->executor->Post(
        [worker = shared->worker, number = item.number, result = std::move(result)]() mutable {
          const auto self = worker.lock();
          if (self) (*self)->OnResult(number, std::move(result));
        });
  }
}

}  // namespace keelson::server
