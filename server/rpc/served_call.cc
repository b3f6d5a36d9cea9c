#include "server/rpc/served_call.h"

#include <utility>

#include "base/check.h"

namespace keelson::rpc {
namespace {

// Answers of which less than this is unsent are not looked after one by one.
constexpr size_t kUnsentListed = 4 << 10;

}  // namespace

ServedCall::ServedCall(const CallEnvironment* environment, const Method* method,
                       http::Stream* stream, http::HeaderBlock headers)
    : environment_(environment),
      method_(method),
      stream_(stream),
      headers_(std::move(headers)),
      meter_(method->statistics.get(), environment->clock),
      load_(environment->load) {
  load_->OnCallOpened();
}

ServedCall::~ServedCall() {
  KV_CHECK(!deadline_pending_) << "OnClose comes first";
  ReleaseHeld();
  load_->Leave(this);
  load_->OnCallClosed();
}

std::optional<absl::Duration> ServedCall::deadline() const {
  if (!deadline_.has_value()) return std::nullopt;
  return deadline_->first;
}

std::string ServedCall::peer() const {
  return stream_ == nullptr ? peer_ : stream_->peer_address();
}

std::optional<std::string_view> ServedCall::peer_common_name() const {
  const std::string& name =
      stream_ == nullptr ? peer_common_name_ : stream_->peer_certificate().common_name;
  return name.empty() ? std::nullopt : std::optional<std::string_view>(name);
}

void ServedCall::SetDeadline(absl::Duration timeout) {
  deadline_ = environment_->deadlines->Add(environment_->clock->Now() + timeout, this);
  deadline_pending_ = true;
}

// --- request ------------------------------------------------------------------------------------

void ServedCall::TakeWindow(size_t bytes) {
  if (stream_->queued_bytes() > environment_->high_water_bytes) {
    unconsumed_ += bytes;
  } else {
    stream_->Consume(bytes);
  }
}

bool ServedCall::CountPartial(uint64_t bytes) {
  if (bytes == partial_bytes_) return true;
  if (load_->CountPartial(partial_bytes_, bytes)) {
    partial_bytes_ = bytes;
    return true;
  }
  load_->CountRefusal(method_->lane.lane);
  Fail(environment_->refusal);
  return false;
}

void ServedCall::Begin(SharedBytes request) {
  CountPartial(0);
  const Lane lane = method_->lane.Of(request.view());
  stream_->CountIn(load_->unsent(lane));
  request_bytes_ = request.size();
  request_ = std::move(request);
  times_.arrived = environment_->clock->Now();
  switch (load_->Enter(this, lane, request_bytes_, times_.arrived)) {
    case LoadControl::Entry::kRuns:
      times_.begun = times_.arrived;
      return RunHandler();
    case LoadControl::Entry::kWaits:
      return;
    case LoadControl::Entry::kRefused:
      return Finish(environment_->refusal);
  }
}

void ServedCall::RunHandler() {
  begun_ = true;
  SharedBytes request = std::exchange(request_, {});
  if (const auto* handler = std::get_if<UnaryHandler>(&method_->handler)) {
    return (*handler)(shared_from_this(), std::move(request));
  }
  if (const auto* handler = std::get_if<BidiHandler>(&method_->handler)) {
    receiver_ = (*handler)(shared_from_this());
    return;
  }
  receiver_ =
      std::get<ServerStreamHandler>(method_->handler)(shared_from_this(), std::move(request));
  // From here on its client's reading sets its pace; those who read at once are not in its way.
  if (lane() != Lane::kStream) load_->Leave(this);
}

// --- answer -------------------------------------------------------------------------------------

void ServedCall::NoteUnsent() {
  if (stream_->queued_bytes() >= kUnsentListed) {
    load_->ListUnsent(this, environment_->clock->Now());
  }
}

bool ServedCall::congested() {
  return stream_ != nullptr && load_->Congested(this, environment_->clock->Now());
}

void ServedCall::Hold(size_t bytes) {
  if (!active()) return;
  held_bytes_ += bytes;
  load_->unsent(lane())->queued_bytes += bytes;
}

void ServedCall::ReleaseHeld() {
  load_->unsent(lane())->queued_bytes -= std::exchange(held_bytes_, 0);
}

void ServedCall::Finish(const absl::Status& status) {
  load_->Leave(this);
  ReleaseHeld();
  if (!active()) return;
  finished_ = true;
  times_.finished = environment_->clock->Now();
  code_ = status.code();
  meter_.Ended(status.code());
  RemoveDeadline();
  SendStatus(status);
  on_cancel_ = nullptr;
}

// --- end ----------------------------------------------------------------------------------------

void ServedCall::OnCancel(std::function<void()> callback) {
  if (active()) on_cancel_ = std::move(callback);
}

void ServedCall::OnWritable() {
  if (unconsumed_ > 0) stream_->Consume(std::exchange(unconsumed_, 0));
  if (active() && receiver_ != nullptr) receiver_->OnWritable();
}

void ServedCall::OnUncongested() {
  if (active() && receiver_ != nullptr) receiver_->OnWritable();
}

void ServedCall::OnShed() {
  if (stream_ == nullptr) return;
  const std::shared_ptr<ServedCall> self = shared_from_this();
  const bool was_active = active();
  meter_.Ended(absl::StatusCode::kResourceExhausted);
  RemoveDeadline();
  stream_->Reset(http::ResetCode::kEnhanceYourCalm);
  if (was_active) Cancel();
}

void ServedCall::OnDeadline() {
  deadline_pending_ = false;
  Fail(absl::DeadlineExceededError("context deadline exceeded"));
}

void ServedCall::Fail(const absl::Status& status) {
  if (!active()) return;
  const std::shared_ptr<ServedCall> self = shared_from_this();
  code_ = status.code();
  meter_.Ended(status.code());
  RemoveDeadline();
  SendStatus(status);
  Cancel();
}

void ServedCall::Cancel() {
  cancelled_ = true;
  if (!begun_) load_->Leave(this);
  ReleaseHeld();
  if (const auto callback = std::exchange(on_cancel_, nullptr)) callback();
  if (receiver_ != nullptr) receiver_->OnCancel();
}

void ServedCall::OnClose(http::CloseReason) {
  const bool was_active = active();
  meter_.Ended(absl::StatusCode::kCancelled);
  TellIfSlow();
  if (!finished_) {
    peer_ = stream_->peer_address();
    peer_common_name_ = stream_->peer_certificate().common_name;
  }
  load_->UnlistUnsent(this);
  CountPartial(0);
  stream_ = nullptr;
  RemoveDeadline();
  if (was_active) Cancel();
  receiver_.reset();
}

void ServedCall::TellIfSlow() {
  if (!environment_->on_slow || !unary() || !begun_) return;
  times_.closed = environment_->clock->Now();
  if (times_.closed - times_.arrived < environment_->slow_after) return;
  environment_->on_slow({method_->path, stream_->peer_address(), request_bytes_,
                         stream_->taken_bytes() + stream_->queued_bytes(), code_, times_});
}

void ServedCall::RemoveDeadline() {
  if (!std::exchange(deadline_pending_, false)) return;
  environment_->deadlines->Remove(*deadline_);
}

}  // namespace keelson::rpc
