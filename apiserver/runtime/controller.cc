#include "apiserver/runtime/controller.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/runtime/log.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::runtime {

namespace {

// What takes long to look at, an owner of ten thousands of pods, changes all the time while they
// come and go; to look at it after every change would be all that a processor does.
constexpr absl::Duration kCheap = absl::Milliseconds(5);
constexpr absl::Duration kRestMax = absl::Milliseconds(500);

// Of a processor, that this thread has used.
absl::Duration ThreadTime() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

}  // namespace

class QueueController::Impl {
 public:
  Impl(std::string name, int workers) : name_(std::move(name)), workers_(workers) {}
  ~Impl() { KV_CHECK(threads_.empty()) << name_ << " was not stopped"; }

  void Start(QueueController* controller) {
    for (int i = 0; i < workers_; ++i) {
      threads_.emplace_back([this, controller] { Work(controller); });
    }
  }

  Counts counts(const WorkQueue& queue) const {
    return {.name = name_, .waiting = queue.size(), .reconciled = reconciled_, .failed = failed_};
  }

  void Stop(WorkQueue* queue) {
    stopping_ = true;
    queue->ShutDown();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void Work(QueueController* controller) {
    WorkQueue& queue = controller->queue_;
    while (const std::optional<std::string> key = queue.Get()) {
      const absl::Duration before = ThreadTime();
      if (!stopping_) Reconcile(controller, *key);
      const absl::Duration took = ThreadTime() - before;
      queue.Done(*key, took < kCheap ? absl::ZeroDuration() : std::min(took * 4, kRestMax));
    }
  }

  void Reconcile(QueueController* controller, const std::string& key) {
    const absl::Status status = [&] {
      try {
        return controller->Reconcile(key);
      } catch (const std::exception& error) {
        return absl::InternalError(error.what());
      }
    }();
    ++reconciled_;
    if (status.ok()) return controller->queue_.Forget(key);
    ++failed_;
    const std::string line = Concat(name_, ": ", key, ": ", std::string(status.message()));
    // Others have changed the object meanwhile; that is usual.
    if (api::IsConflict(status)) {
      LogDebug(line);
    } else {
      LogWarning(line);
    }
    controller->queue_.AddRateLimited(key);
  }

  const std::string name_;
  const int workers_;
  std::vector<std::thread> threads_;
  // Statistics; each stands alone.
  std::atomic<uint64_t> reconciled_ = 0;
  std::atomic<uint64_t> failed_ = 0;
  std::atomic<bool> stopping_ = false;  // only grows; read by workers between two keys
};

QueueController::QueueController(std::string name, const Clock* clock, int workers)
    : queue_(clock), impl_(std::make_unique<Impl>(std::move(name), workers)) {}
QueueController::~QueueController() = default;
void QueueController::Start() { impl_->Start(this); }
Controller::Counts QueueController::counts() const { return impl_->counts(queue_); }
void QueueController::Stop() { impl_->Stop(&queue_); }

}  // namespace keelson::runtime
