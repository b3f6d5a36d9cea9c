// Calls with one answer, blocking or not, over the attempts that their kind allows. Internal to
// client/.
#ifndef KEELSON_CLIENT_UNARY_H_
#define KEELSON_CLIENT_UNARY_H_

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/core.h"

namespace keelson::client {

// A method of a service.
template <typename RequestType, typename ResponseType>
struct Method {
  using Request = RequestType;
  using Response = ResponseType;
  const char* path;
};

template <typename M>
absl::StatusOr<typename M::Response> CallBlocking(Core& core, const M& method, CallKind kind,
                                                  const typename M::Request& request,
                                                  const CallOptions& options,
                                                  std::shared_ptr<Endpoint> only = nullptr) {
  Attempts attempts(core, kind, options, std::move(only));
  for (;;) {
    CallHeader header;
    Endpoint* const endpoint = attempts.Begin(header);
    if (endpoint == nullptr) return attempts.status();
    typename M::Response response;
    const absl::Status status = endpoint->channel->Call(method.path, header, request, &response);
    if (status.ok()) return response;
    const Attempts::Next next = attempts.After(status);
    if (!next.again) return attempts.status();
    core.runtime().Sleep(next.delay);
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
    if (call_ != nullptr) call_->Cancel();
    if (timer_ != nullptr) timer_->Cancel();
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
    timer_ = core_.loop().SetTimer(next.delay, this);
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
    call_.reset();
    response_.Clear();
    CallHeader header;
    Endpoint* const endpoint = attempts_.Begin(header);
    if (endpoint == nullptr) {
      core_.loop().Post([this] { Finish(attempts_.status()); });
      return;
    }
    call_ = endpoint->channel->Prepare(method_.path, header, request_, &response_, &status_);
    call_->Start(this);  // all may be over by now
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
  std::unique_ptr<EventLoop::Timer> timer_;
  Response response_;
  absl::Status status_;
  std::unique_ptr<PendingCall> call_;  // after what it fills in
  bool waiting_ = false;
  bool aborted_ = false;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_UNARY_H_
