#include "client/watch.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/core.h"
#include "client/errors.h"
#include "client/watch_stream.h"

namespace keelson::client {

Watcher::Watcher(Core& core, WatchRequest request, WatchHandler* handler)
    : stream_(std::make_shared<WatchStream>(core, std::move(request), handler)) {
  stream_->Start();
}

Watcher::~Watcher() {
  stream_->CloseGate();
  stream_->PostCancel();
}

void Watcher::Cancel() { stream_->PostCancel(); }
void Watcher::Resume() { stream_->PostResume(); }
void Watcher::RequestProgress() { stream_->PostProgressRequest(); }

class WatchQueue::Buffer final : public WatchHandler {
 public:
  explicit Buffer(Runtime& runtime) : runtime_(runtime) {}

  void OnCreated(const etcdserverpb::ResponseHeader& header) override {
    absl::MutexLock lock(&mutex_);
    created_ = header;
  }

  Flow OnResponse(etcdserverpb::WatchResponse response) override {
    absl::MutexLock lock(&mutex_);
    responses_.push_back(std::move(response));
    paused_ = responses_.size() >= kResponsesMax;
    return paused_ ? Flow::kPause : Flow::kContinue;
  }

  void OnEnd(const WatchEnd& end) override {
    absl::MutexLock lock(&mutex_);
    end_ = end;
  }

  absl::StatusOr<etcdserverpb::WatchResponse> Next(absl::Duration timeout, bool* resume) {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !responses_.empty() || end_.has_value();
    };
    runtime_.Await(mutex_, absl::Condition(&ready), timeout);
    if (responses_.empty()) {
      return end_.has_value() ? end_->status : absl::DeadlineExceededError(kDeadlineExceeded);
    }
    etcdserverpb::WatchResponse response = std::move(responses_.front());
    responses_.pop_front();
    *resume = paused_ && responses_.size() <= kResponsesMax / 2;
    if (*resume) paused_ = false;
    return response;
  }

  absl::StatusOr<etcdserverpb::ResponseHeader> WaitCreated(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return created_.has_value() || end_.has_value();
    };
    runtime_.Await(mutex_, absl::Condition(&ready), timeout);
    if (created_.has_value()) return *created_;
    return end_.has_value() ? end_->status : absl::DeadlineExceededError(kDeadlineExceeded);
  }

  // Unchanging once set, and asked for only then.
  const WatchEnd& end() const {
    absl::MutexLock lock(&mutex_);
    return *end_;
  }

 private:
  static constexpr size_t kResponsesMax = 64;

  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  std::deque<etcdserverpb::WatchResponse> responses_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<etcdserverpb::ResponseHeader> created_ ABSL_GUARDED_BY(mutex_);
  std::optional<WatchEnd> end_ ABSL_GUARDED_BY(mutex_);
};

WatchQueue::WatchQueue(Core& core, WatchRequest request)
    : buffer_(std::make_unique<Buffer>(core.runtime())),
      watcher_(core, std::move(request), buffer_.get()) {}

WatchQueue::~WatchQueue() = default;

absl::StatusOr<etcdserverpb::WatchResponse> WatchQueue::Next(absl::Duration timeout) {
  bool resume = false;
  auto response = buffer_->Next(timeout, &resume);
  if (resume) watcher_.Resume();
  return response;
}

absl::StatusOr<etcdserverpb::ResponseHeader> WatchQueue::WaitCreated(absl::Duration timeout) {
  return buffer_->WaitCreated(timeout);
}

const WatchEnd& WatchQueue::end() const { return buffer_->end(); }
void WatchQueue::RequestProgress() { watcher_.RequestProgress(); }
void WatchQueue::Cancel() { watcher_.Cancel(); }

}  // namespace keelson::client
