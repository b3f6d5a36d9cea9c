#include "apiserver/runtime/request_pool.h"

#include <deque>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace keelson::runtime {

class RequestPool::Impl {
 public:
  explicit Impl(int threads_max) : threads_max_(static_cast<size_t>(threads_max)) {}

  void Run(Urgency urgency, std::function<void()> request) {
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    (urgency == Urgency::kUrgent ? urgent_ : later_).push_back(std::move(request));
    if (idle_ < urgent_.size() + later_.size() && threads_.size() < threads_max_) {
      try {
        threads_.emplace_back([this] { Work(); });
      } catch (const std::system_error&) {
        // Those there are do it; where there is none, the next request tries again.
      }
    }
    changed_.Signal();
  }

  size_t waiting() const {
    absl::MutexLock lock(&mu_);
    return urgent_.size() + later_.size();
  }

  void Stop() {
    std::deque<std::function<void()>> urgent;  // what they hold is freed without the lock
    std::deque<std::function<void()>> later;
    std::vector<std::thread> threads;
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
      urgent.swap(urgent_);
      later.swap(later_);
      threads.swap(threads_);
      changed_.SignalAll();
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  void Work() {
    while (true) {
      std::function<void()> request;
      {
        absl::MutexLock lock(&mu_);
        ++idle_;
        while (!stopping_ && urgent_.empty() && later_.empty()) changed_.Wait(&mu_);
        --idle_;
        if (stopping_) return;
        auto& from = urgent_.empty() ? later_ : urgent_;
        request = std::move(from.front());
        from.pop_front();
      }
      request();
    }
  }

  const size_t threads_max_;
  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  std::deque<std::function<void()>> urgent_ ABSL_GUARDED_BY(mu_);
  std::deque<std::function<void()>> later_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  size_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // threads without a request
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

RequestPool::RequestPool(int threads_max) : impl_(std::make_unique<Impl>(threads_max)) {}
RequestPool::~RequestPool() { Stop(); }
void RequestPool::Run(Urgency urgency, std::function<void()> request) {
  impl_->Run(urgency, std::move(request));
}
size_t RequestPool::waiting() const { return impl_->waiting(); }
void RequestPool::Stop() { impl_->Stop(); }

}  // namespace keelson::runtime
