#include "tests/differential/watch_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace keelson::differential {

using etcdserverpb::WatchResponse;

WatchStream::WatchStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
    : stub_(etcdserverpb::Watch::NewStub(channel)) {
  if (!token.empty()) context_.AddMetadata("token", token);
  stream_ = stub_->Watch(&context_);
  reader_ = std::thread([this] { Read(); });
}

WatchStream::~WatchStream() {
  context_.TryCancel();
  reader_.join();
}

void WatchStream::Send(const etcdserverpb::WatchRequest& request) { stream_->Write(request); }

void WatchStream::Read() {
  WatchResponse response;
  while (stream_->Read(&response)) {
    absl::MutexLock lock(&mutex_);
    Take(std::move(response));
    response.Clear();
  }
  const grpc::Status status = stream_->Finish();
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  end_ = absl::StrCat("code ", static_cast<int>(status.error_code()), " ", status.error_message());
}

void WatchStream::Take(WatchResponse response) {
  if (response.created()) {
    // An id may be given again after its watcher was cancelled.
    if (!response.canceled()) complete_until_[response.watch_id()] = 0;
    created_.push_back(std::move(response));
    return;
  }
  if (response.watch_id() == -1 && !response.canceled()) {
    progress_.push_back(response.header().revision());
    return;
  }
  if (!complete_until_.contains(response.watch_id())) {
    violation_ = absl::StrCat("told of a watcher that is not there: ", response.ShortDebugString());
  }
  TakeEvents(response);
  if (response.canceled()) {
    Told told;
    told.canceled = true;
    told.compact_revision = response.compact_revision();
    told.reason = response.cancel_reason();
    told_[response.watch_id()].push_back(std::move(told));
    complete_until_.erase(response.watch_id());
  }
}

void WatchStream::TakeEvents(WatchResponse& response) {
  int64_t& complete_until = complete_until_[response.watch_id()];
  int64_t last = complete_until;
  for (auto& event : *response.mutable_events()) {
    const int64_t revision = event.kv().mod_revision();
    if (revision < last || revision <= complete_until) {
      violation_ = absl::StrCat("watcher ", response.watch_id(), " was told revision ", revision,
                                " after ", last);
    }
    last = revision;
    Told told;
    told.event.Swap(&event);
    told_[response.watch_id()].push_back(std::move(told));
  }
  if (response.events_size() > 0 && response.header().revision() < last) {
    violation_ = absl::StrCat("a header of revision ", response.header().revision(),
                              " above an event of ", last);
  }
  fragments_ += response.fragment();
  // The events of one revision come together, but for an answer that says it goes on.
  if (!response.fragment()) complete_until = last;
}

std::optional<WatchResponse> WatchStream::TakeCreated(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto there = [this]()
                         ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !created_.empty() || ended_; };
  mutex_.AwaitWithTimeout(absl::Condition(&there), timeout);
  if (created_.empty()) return std::nullopt;
  WatchResponse response = std::move(created_.front());
  created_.pop_front();
  return response;
}

std::optional<int64_t> WatchStream::TakeProgress(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !progress_.empty() || ended_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&there), timeout);
  if (progress_.empty()) return std::nullopt;
  const int64_t revision = progress_.front();
  progress_.pop_front();
  return revision;
}

void WatchStream::ForgetProgress() {
  absl::MutexLock lock(&mutex_);
  progress_.clear();
}

size_t WatchStream::WaitTold(int64_t watcher, size_t known, absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto more = [this, watcher, known]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto found = told_.find(watcher);
    return ended_ || (found != told_.end() && found->second.size() > known);
  };
  mutex_.AwaitWithTimeout(absl::Condition(&more), timeout);
  const auto found = told_.find(watcher);
  return found == told_.end() ? 0 : found->second.size();
}

std::vector<int64_t> WatchStream::Watchers() const {
  absl::MutexLock lock(&mutex_);
  std::vector<int64_t> watchers;
  for (const auto& [watcher, told] : told_) watchers.push_back(watcher);
  return watchers;
}

size_t WatchStream::CountTold(int64_t watcher) const {
  absl::MutexLock lock(&mutex_);
  const auto found = told_.find(watcher);
  return found == told_.end() ? 0 : found->second.size();
}

WatchStream::Told WatchStream::GetTold(int64_t watcher, size_t i) const {
  absl::MutexLock lock(&mutex_);
  return told_.at(watcher)[i];
}

std::string WatchStream::Violation() const {
  absl::MutexLock lock(&mutex_);
  return violation_;
}

uint64_t WatchStream::fragments() const {
  absl::MutexLock lock(&mutex_);
  return fragments_;
}

std::string WatchStream::End() const {
  absl::MutexLock lock(&mutex_);
  return end_;
}

}  // namespace keelson::differential
