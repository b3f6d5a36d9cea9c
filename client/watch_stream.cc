#include "client/watch_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/planted_bug.h"
#include "client/errors.h"

namespace keelson::client {
namespace {

// "rpc error: code = PermissionDenied desc = etcdserver: permission denied": the one place where
// the wire carries a Go error as text.
absl::Status FromCancelReason(absl::string_view reason) {
  if (reason.empty()) return absl::CancelledError("etcdserver: watch canceled");
  absl::string_view rest = reason;
  if (absl::ConsumePrefix(&rest, "rpc error: code = ")) {
    const size_t end = rest.find(" desc = ");
    if (end != absl::string_view::npos) {
      const absl::string_view code = rest.substr(0, end);
      const absl::string_view message = rest.substr(end + 8);
      if (code == "PermissionDenied") return absl::PermissionDeniedError(message);
      if (code == "Unauthenticated") return absl::UnauthenticatedError(message);
      return absl::InvalidArgumentError(message);
    }
  }
  if (reason == kCompacted) return absl::OutOfRangeError(reason);
  return absl::InvalidArgumentError(reason);
}

}  // namespace

WatchStream::WatchStream(Core& core, WatchRequest request, WatchHandler* handler)
    : core_(core),
      request_(std::move(request)),
      handler_(handler),
      next_revision_(request_.start_revision) {}

void WatchStream::Start() {
  self_ = shared_from_this();
  core_.Enroll(this);
  core_.loop().Post([this] { Open(); });
}

void WatchStream::PostCancel() {
  core_.loop().Post([self = shared_from_this()] { self->Cancel(); });
}

void WatchStream::PostResume() {
  core_.loop().Post([self = shared_from_this()] {
    self->paused_ = false;
    if (self->stream_ != nullptr) self->stream_->Read();
  });
}

void WatchStream::PostProgressRequest() {
  core_.loop().Post([self = shared_from_this()] {
    if (self->stream_ == nullptr) return;
    etcdserverpb::WatchRequest request;
    request.mutable_progress_request();
    self->stream_->Write(std::move(request));
  });
}

etcdserverpb::WatchRequest WatchStream::CreateRequest() const {
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(request_.key);
  create.set_range_end(request_.range_end);
  const bool skips = KV_PLANTED("client-watch-skips") && announced_;
  create.set_start_revision(next_revision_ + (skips ? 1 : 0));
  create.set_prev_kv(request_.prev_kv);
  create.set_progress_notify(request_.progress_notify);
  for (const auto filter : request_.filters) create.add_filters(filter);
  create.set_fragment(request_.fragment);
  return request;
}

void WatchStream::Open() {
  if (cancelled_) return End(absl::CancelledError("etcdserver: watch canceled"));
  fragments_.reset();
  stream_ = std::make_unique<Stream>(static_cast<Stream::Owner*>(this));
  // A member that has lost its leader ends the stream instead of showing an ever older past.
  CallHeader header;
  header.metadata.emplace_back("hasleader", "true");
  absl::StatusOr<std::string> token = core_.AddMetadata(header);
  if (!token.ok()) {
    stream_.reset();
    return ReopenOrEnd(token.status());
  }
  token_ = *std::move(token);
  endpoint_ = core_.Pick(failures_ > 0 ? endpoint_.get() : nullptr);
  stream_->Start(*endpoint_->channel, "/etcdserverpb.Watch/Watch", header);
  stream_->Write(CreateRequest());
}

void WatchStream::Cancel() {
  if (cancelled_) return;
  cancelled_ = true;
  if (stream_ != nullptr) return stream_->Cancel();
  if (timer_ != nullptr) timer_->Cancel();
}

void WatchStream::OnMessage(etcdserverpb::WatchResponse response) {
  if (response.canceled()) {
    OnServerCancel(response);
    if (!paused_) stream_->Read();
    return;
  }
  failures_ = 0;
  refreshed_token_ = false;
  if (response.created()) {
    // From here on nothing may be missed, even if the stream breaks before the first event.
    if (next_revision_ == 0) next_revision_ = response.header().revision() + 1;
    if (!announced_) {
      announced_ = true;
      gate_.Run([&] { handler_->OnCreated(response.header()); });
    }
  } else if (auto whole = Assemble(std::move(response)); whole.has_value()) {
    Deliver(*std::move(whole));
  }
  if (!paused_) stream_->Read();
}

std::optional<etcdserverpb::WatchResponse> WatchStream::Assemble(
    etcdserverpb::WatchResponse response) {
  if (!fragments_.has_value()) {
    if (!response.fragment()) return response;
    fragments_ = std::move(response);
    return std::nullopt;
  }
  const bool last = !response.fragment();
  fragments_->mutable_events()->MergeFrom(response.events());
  if (!last) return std::nullopt;
  fragments_->set_fragment(false);
  return std::exchange(fragments_, std::nullopt);
}

void WatchStream::Deliver(etcdserverpb::WatchResponse response) {
  const int64_t seen = response.events().empty() ? response.header().revision()
                                                 : response.events().rbegin()->kv().mod_revision();
  next_revision_ = std::max(next_revision_, seen + (KV_PLANTED("client-watch-repeats") ? 0 : 1));
  gate_.Run([&] {
    if (handler_->OnResponse(std::move(response)) == WatchHandler::Flow::kPause) paused_ = true;
  });
}

void WatchStream::OnServerCancel(const etcdserverpb::WatchResponse& response) {
  WatchEnd end;
  end.status = response.compact_revision() != 0 ? absl::OutOfRangeError(kCompacted)
                                                : FromCancelReason(response.cancel_reason());
  end.compact_revision = response.compact_revision();
  end.response = response;
  // An expired token is not the end; the stream is closed and opened again with a new one.
  if (JudgeStreamEnd(end.status.code(), end.status.message()) != Verdict::kRefreshToken ||
      refreshed_token_ || core_.options().user.empty()) {
    end_ = std::move(end);
  } else {
    refreshed_token_ = true;
    core_.DropToken(token_);
  }
  stream_->Cancel();
}

void WatchStream::OnClosed(const absl::Status& status) {
  stream_.reset();
  if (end_.has_value()) return End(end_->status);
  ReopenOrEnd(status);
}

void WatchStream::ReopenOrEnd(const absl::Status& status) {
  if (cancelled_) return End(absl::CancelledError("etcdserver: watch canceled"));
  switch (JudgeStreamEnd(status.code(), status.message())) {
    case Verdict::kGiveUp:
      return End(status);
    case Verdict::kRefreshToken:
      if (refreshed_token_ || core_.options().user.empty()) return End(status);
      refreshed_token_ = true;
      core_.DropToken(token_);
      break;
    case Verdict::kTryElsewhere:
      break;
  }
  const absl::Duration delay = RetryDelay(++failures_, core_.endpoint_count(), core_.Jitter());
  timer_ = core_.loop().SetTimer(delay, &pause_over_);
}

void WatchStream::OnPauseOver(bool) { Open(); }

void WatchStream::End(absl::Status status) {
  WatchEnd end = end_.value_or(WatchEnd());
  end.status = std::move(status);
  gate_.Run([&] { handler_->OnEnd(end); });
  core_.Dismiss(this);
  self_.reset();  // may be the last reference
}

}  // namespace keelson::client
