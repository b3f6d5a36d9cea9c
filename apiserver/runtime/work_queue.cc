#include "apiserver/runtime/work_queue.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/check.h"

namespace keelson::runtime {

namespace {

// From so many on, rests that are over are forgotten.
constexpr size_t kRestsMax = 1000;

}  // namespace

class WorkQueue::Impl {
 public:
  Impl(const Clock* clock, Options options) : clock_(clock), options_(options) {}

  void Add(std::string key) {
    absl::MutexLock lock(&mu_);
    AddNow(std::move(key));
  }

  void AddAfter(std::string key, absl::Duration delay) {
    absl::MutexLock lock(&mu_);
    if (shut_down_) return;
    if (delay <= absl::ZeroDuration()) return AddNow(std::move(key));
    AddAt(clock_->Now() + delay, std::move(key));
  }

  absl::Duration NextPause(const std::string& key) {
    absl::MutexLock lock(&mu_);
    int& failures = failures_[key];
    absl::Duration pause = options_.backoff_first;
    for (int i = 0; i < failures && pause < options_.backoff_max; ++i) pause *= 2;
    ++failures;
    return std::min(pause, options_.backoff_max);
  }

  void Forget(const std::string& key) {
    absl::MutexLock lock(&mu_);
    failures_.erase(key);
  }

  int failures(const std::string& key) const {
    absl::MutexLock lock(&mu_);
    const auto found = failures_.find(key);
    return found == failures_.end() ? 0 : found->second;
  }

  std::optional<std::string> Get() {
    absl::MutexLock lock(&mu_);
    while (true) {
      TakeDue();
      if (!ready_.empty()) break;
      if (shut_down_) return std::nullopt;
      if (waiting_.empty()) {
        wake_.Wait(&mu_);
      } else {
        wake_.WaitWithTimeout(&mu_, waiting_.begin()->first - clock_->Now());
      }
    }
    std::string key = std::move(ready_.front());
    ready_.pop_front();
    queued_.erase(key);
    busy_.insert(key);
    return key;
  }

  void Done(const std::string& key, absl::Duration rest) {
    absl::MutexLock lock(&mu_);
    KV_CHECK_EQ(busy_.erase(key), 1u) << key << " is with no worker";
    if (rest > absl::ZeroDuration() && !shut_down_) {
      const absl::Duration now = clock_->Now();
      if (rests_.size() >= kRestsMax) {
        std::erase_if(rests_, [now](const auto& other) { return other.second <= now; });
      }
      rests_[key] = now + rest;
      if (queued_.erase(key) > 0) AddAt(now + rest, key);
    }
    if (queued_.contains(key)) {
      ready_.push_back(key);
      wake_.Signal();
    }
    if (shut_down_) wake_.SignalAll();
  }

  void ShutDown() {
    absl::MutexLock lock(&mu_);
    shut_down_ = true;
    waiting_.clear();
    due_.clear();
    wake_.SignalAll();
  }

  size_t size() {
    absl::MutexLock lock(&mu_);
    TakeDue();
    return ready_.size();
  }

 private:
  void AddNow(std::string key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (shut_down_ || queued_.contains(key)) return;
    if (const auto rest = rests_.find(key); rest != rests_.end() && !busy_.contains(key)) {
      if (clock_->Now() < rest->second) return AddAt(rest->second, std::move(key));
      rests_.erase(rest);
    }
    queued_.insert(key);
    if (busy_.contains(key)) return;  // Done puts it into line
    ready_.push_back(std::move(key));
    wake_.Signal();
  }

  void AddAt(absl::Duration due, std::string key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto [known, is_new] = due_.emplace(key, due);
    if (!is_new) {
      if (known->second <= due) return;
      waiting_.erase({known->second, key});
      known->second = due;
    }
    waiting_.emplace(due, std::move(key));
    wake_.Signal();
  }

  void TakeDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (waiting_.empty()) return;
    const absl::Duration now = clock_->Now();
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      std::string key = std::move(waiting_.extract(waiting_.begin()).value().second);
      due_.erase(key);
      AddNow(std::move(key));
    }
  }

  const Clock* const clock_;
  const Options options_;

  mutable absl::Mutex mu_;
  absl::CondVar wake_;
  std::deque<std::string> ready_ ABSL_GUARDED_BY(mu_);
  // What must be looked at: all of ready_, and what a worker has but must look at again.
  std::unordered_set<std::string> queued_ ABSL_GUARDED_BY(mu_);
  std::unordered_set<std::string> busy_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<absl::Duration, std::string>> waiting_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<std::string, absl::Duration> due_ ABSL_GUARDED_BY(mu_);    // of waiting_
  std::unordered_map<std::string, absl::Duration> rests_ ABSL_GUARDED_BY(mu_);  // until when
  std::unordered_map<std::string, int> failures_ ABSL_GUARDED_BY(mu_);
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

WorkQueue::WorkQueue(const Clock* clock, Options options)
    : impl_(std::make_unique<Impl>(clock, options)) {}
WorkQueue::~WorkQueue() = default;

void WorkQueue::Add(std::string key) { impl_->Add(std::move(key)); }
void WorkQueue::AddAfter(std::string key, absl::Duration delay) {
  impl_->AddAfter(std::move(key), delay);
}
void WorkQueue::AddRateLimited(std::string key) {
  const absl::Duration pause = impl_->NextPause(key);
  impl_->AddAfter(std::move(key), pause);
}
void WorkQueue::Forget(const std::string& key) { impl_->Forget(key); }
int WorkQueue::failures(const std::string& key) const { return impl_->failures(key); }
std::optional<std::string> WorkQueue::Get() { return impl_->Get(); }
void WorkQueue::Done(const std::string& key, absl::Duration rest) { impl_->Done(key, rest); }
void WorkQueue::ShutDown() { impl_->ShutDown(); }
size_t WorkQueue::size() const { return impl_->size(); }

}  // namespace keelson::runtime
