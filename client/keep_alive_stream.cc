#include "client/keep_alive_stream.h"

#include <algorithm>
#include <utility>

#include "base/planted_bug.h"
#include "client/errors.h"

namespace keelson::client {

KeepAliveStream::KeepAliveStream(Core& core, int64_t id, LeaseListener* listener,
                                 const std::optional<LeaseGrant>& grant)
    : core_(core),
      id_(id),
      listener_(listener),
      // Where the TTL is not known yet, this is how long the first answer may take.
      lost_at_(grant.has_value() ? grant->asked_at + grant->ttl
                                 : core.clock().Now() + core.options().request_timeout),
      ttl_(grant.has_value() ? grant->ttl : core.options().request_timeout) {}

void KeepAliveStream::Start() {
  self_ = shared_from_this();
  core_.Enroll(this);
  core_.loop().Post([this] { Open(); });
}

void KeepAliveStream::PostCancel() {
  core_.loop().Post([self = shared_from_this()] {
    self->Stop(absl::CancelledError("the lease is no longer kept"));
  });
}

void KeepAliveStream::Open() {
  if (stopped_.has_value()) return MaybeEnd();
  stream_ = std::make_unique<Stream>(static_cast<Stream::Owner*>(this));
  CallHeader header;
  header.metadata.emplace_back("hasleader", "true");
  absl::StatusOr<std::string> token = core_.AddMetadata(header);
  if (!token.ok()) {
    stream_.reset();
    return ReopenOrStop(token.status());
  }
  token_ = *std::move(token);
  endpoint_ = core_.Pick(failures_ > 0 ? endpoint_.get() : nullptr);
  stream_->Start(*endpoint_->channel, kLeaseKeepAlive, header);
  Renew();
}

void KeepAliveStream::Renew() {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(id_);
  asked_at_ = core_.clock().Now();
  stream_->Write(std::move(request));
  SetTimer(Wait::kAnswer, ttl_ / 3);
}

void KeepAliveStream::SetTimer(Wait wait, absl::Duration delay) {
  wait_ = wait;
  delay = std::clamp(lost_at_ - core_.clock().Now(), absl::ZeroDuration(), delay);
  if (timer_running_) {
    next_delay_ = delay;
    timer_->Cancel();
    return;
  }
  timer_running_ = true;
  timer_ = core_.loop().SetTimer(delay, &timer_over_);
}

void KeepAliveStream::OnTimer(bool) {
  timer_running_ = false;
  if (stopped_.has_value()) return MaybeEnd();
  if (next_delay_.has_value()) {
    const absl::Duration delay = *std::exchange(next_delay_, std::nullopt);
    return SetTimer(wait_, delay);
  }
  if (core_.clock().Now() >= lost_at_) {
    return Stop(absl::DeadlineExceededError("the lease was not renewed within its TTL"));
  }
  switch (wait_) {
    case Wait::kReopen:
      return Open();
    case Wait::kRenew:
      return Renew();
    case Wait::kAnswer:
      // OnClosed goes on at another endpoint.
      return stream_->Cancel();
  }
}

void KeepAliveStream::OnMessage(etcdserverpb::LeaseKeepAliveResponse response) {
  if (stopped_.has_value()) return stream_->Read();
  failures_ = 0;
  refreshed_token_ = false;
  if (response.ttl() <= 0) return Stop(absl::NotFoundError(kLeaseNotFound));
  ttl_ = absl::Seconds(response.ttl());
  // The server may have renewed it as soon as it was asked.
  lost_at_ = asked_at_ + ttl_ * (KV_PLANTED("client-lease-lost-late") ? 4 : 1);
  if (listener_ != nullptr) gate_.Run([&] { listener_->OnRenewed(response); });
  SetTimer(Wait::kRenew, ttl_ / 3);
  stream_->Read();
}

void KeepAliveStream::OnClosed(const absl::Status& status) {
  stream_.reset();
  ReopenOrStop(status);
}

void KeepAliveStream::ReopenOrStop(const absl::Status& status) {
  if (stopped_.has_value()) return MaybeEnd();
  switch (JudgeStreamEnd(status.code(), status.message())) {
    case Verdict::kGiveUp:
      return Stop(status);
    case Verdict::kRefreshToken:
      if (refreshed_token_ || core_.options().user.empty()) return Stop(status);
      refreshed_token_ = true;
      core_.DropToken(token_);
      break;
    case Verdict::kTryElsewhere:
      break;
  }
  SetTimer(Wait::kReopen, RetryDelay(++failures_, core_.endpoint_count(), core_.Jitter()));
}

void KeepAliveStream::Stop(absl::Status why) {
  if (stopped_.has_value()) return;
  stopped_ = std::move(why);
  if (stream_ != nullptr) stream_->Cancel();
  if (timer_running_) timer_->Cancel();
  MaybeEnd();
}

void KeepAliveStream::MaybeEnd() {
  if (stream_ != nullptr || timer_running_ || self_ == nullptr) return;
  if (listener_ != nullptr) gate_.Run([&] { listener_->OnLost(*stopped_); });
  core_.Dismiss(this);
  self_.reset();  // may be the last reference
}

}  // namespace keelson::client
