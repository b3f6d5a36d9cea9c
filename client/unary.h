// Calls with one answer, blocking or not, over the attempts that their kind allows. Internal to
// client/.
#ifndef KEELSON_CLIENT_UNARY_H_
#define KEELSON_CLIENT_UNARY_H_

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "client/core.h"

namespace keelson::client {

// A method of a service: where its stub is, and the two ways to call it.
template <typename StubType, typename RequestType, typename ResponseType>
struct Method {
  using Stub = StubType;
  using Request = RequestType;
  using Response = ResponseType;
  std::unique_ptr<StubType> const Endpoint::*stub;
  grpc::Status (StubType::*blocking)(grpc::ClientContext*, const RequestType&, ResponseType*);
  std::unique_ptr<grpc::ClientAsyncResponseReader<ResponseType>> (StubType::*async)(
      grpc::ClientContext*, const RequestType&, grpc::CompletionQueue*);
};

template <typename M>
absl::StatusOr<typename M::Response> CallBlocking(Core& core, const M& method, CallKind kind,
                                                  const typename M::Request& request,
                                                  const CallOptions& options,
                                                  std::shared_ptr<Endpoint> only = nullptr) {
  Attempts attempts(core, kind, options, std::move(only));
  for (;;) {
    grpc::ClientContext context;
    Endpoint* const endpoint = attempts.Begin(context);
    if (endpoint == nullptr) return attempts.status();
    typename M::Response response;
    const grpc::Status status =
        ((*(endpoint->*method.stub)).*method.blocking)(&context, request, &response);
    if (status.ok()) return response;
    const Attempts::Next next = attempts.After(status);
    if (!next.again) return attempts.status();
    absl::SleepFor(next.delay);
  }
}

// Deletes itself after the callback, which runs on the loop's thread.
template <typename M>
class AsyncCall final : public Operation, public EventLoop::Event {
 public:
  using Request = typename M::Request;
  using Response = typename M::Response;
  using Done = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  static void Start(Core& core, const M& method, CallKind kind, Request request,
                    const CallOptions& options, Done done) {
    auto* call = new AsyncCall(core, method, kind, std::move(request), options, std::move(done));
    core.Enroll(call);
    call->Attempt();
  }

  void Abort() override {
    aborted_ = true;
    if (context_.has_value()) context_->TryCancel();
    if (alarm_.has_value()) alarm_->Cancel();
  }

  void OnEvent(bool) override {
    if (waiting_) {  // the pause before another attempt is over
      waiting_ = false;
      if (aborted_) return Finish(absl::CancelledError("the client was closed"));
      return Attempt();
    }
    if (status_.ok()) return Finish(std::move(response_));
    if (aborted_) return Finish(absl::CancelledError("the client was closed"));
    const Attempts::Next next = attempts_.After(status_);
    if (!next.again) return Finish(attempts_.status());
    waiting_ = true;
    alarm_.emplace().Set(core_.loop().queue(), GrpcTime(next.delay), this);
  }

 private:
  AsyncCall(Core& core, const M& method, CallKind kind, Request request, const CallOptions& options,
            Done done)
      : core_(core),
        method_(method),
        request_(std::move(request)),
        attempts_(core, kind, options),
        done_(std::move(done)) {}

  void Attempt() {
    reader_.reset();  // lives in the memory of the context's call
    context_.emplace();
    response_.Clear();
    Endpoint* const endpoint = attempts_.Begin(*context_);
    if (endpoint == nullptr) {
      core_.loop().Post([this] { Finish(attempts_.status()); });
      return;
    }
    reader_ = ((*(endpoint->*method_.stub)).*method_.async)(&*context_, request_,
                                                            core_.loop().queue());
    reader_->Finish(&response_, &status_, this);
  }

  void Finish(absl::StatusOr<Response> result) {
    done_(std::move(result));
    core_.Dismiss(this);
    delete this;
  }

  Core& core_;
  const M method_;
  const Request request_;
  Attempts attempts_;
  Done done_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader_;
  std::optional<grpc::Alarm> alarm_;
  Response response_;
  grpc::Status status_;
  bool waiting_ = false;
  bool aborted_ = false;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_UNARY_H_
