#include "server/rpc/admission.h"

#include <memory>
#include <utility>
#include <vector>

namespace keelson::rpc {
namespace {

constexpr size_t kWaitingBytesMax = 4 << 20;

// Keeps what the client sends until its call is let in, and hands everything on after that.
class WaitingReceiver final : public StreamReceiver {
 public:
  using Make = std::function<std::unique_ptr<StreamReceiver>()>;

  WaitingReceiver(Admission* admission, std::shared_ptr<Call> call, Make make)
      : call_(std::move(call)),
        make_(std::move(make)),
        self_(std::make_shared<WaitingReceiver*>(this)) {
    admission->Await(call_, [weak = std::weak_ptr<WaitingReceiver*>(self_)](absl::Status status) {
      if (const auto self = weak.lock()) (*self)->OnTold(status);
    });
  }

  void OnMessage(SharedBytes message) override {
    if (inner_) return inner_->OnMessage(std::move(message));
    bytes_ += message.size();
    if (bytes_ > kWaitingBytesMax) {
      self_.reset();
      messages_.clear();
      return call_->Finish(absl::ResourceExhaustedError("too much was sent before the call began"));
    }
    messages_.push_back(std::move(message));
  }
  void OnHalfClose() override {
    if (inner_) return inner_->OnHalfClose();
    half_closed_ = true;
  }
  void OnCancel() override {
    self_.reset();
    if (inner_) inner_->OnCancel();
  }
  void OnWritable() override {
    if (inner_) inner_->OnWritable();
  }

 private:
  void OnTold(const absl::Status& status) {
    if (call_->cancelled()) return;
    if (!status.ok()) return call_->Finish(status);
    inner_ = make_();
    if (!inner_) return;  // it ended the call
    // A message may end the call, which is not the end of us: that comes later, from outside.
    for (SharedBytes& message : std::exchange(messages_, {})) inner_->OnMessage(std::move(message));
    if (half_closed_) inner_->OnHalfClose();
  }

  const std::shared_ptr<Call> call_;
  const Make make_;
  std::shared_ptr<WaitingReceiver*> self_;
  std::vector<SharedBytes> messages_;  // of a call that waits
  size_t bytes_ = 0;                   // in them
  bool half_closed_ = false;
  std::unique_ptr<StreamReceiver> inner_;  // null while the call waits
};

// Null: the call has ended.
std::unique_ptr<StreamReceiver> AdmitStream(Admission* admission, std::shared_ptr<Call> call,
                                            WaitingReceiver::Make make) {
  const std::optional<absl::Status> told = admission->Check(*call);
  if (!told) {
    return std::make_unique<WaitingReceiver>(admission, std::move(call), std::move(make));
  }
  if (told->ok()) return make();
  call->Finish(*told);
  return nullptr;
}

}  // namespace

UnaryHandler Admitted(Admission* admission, UnaryHandler handler) {
  return
      [admission, handler = std::move(handler)](std::shared_ptr<Call> call, SharedBytes request) {
        const std::optional<absl::Status> told = admission->Check(*call);
        if (told && told->ok()) return handler(std::move(call), std::move(request));
        if (told) return call->Finish(*told);
        admission->Await(call, [&handler, call, request = std::move(request)](absl::Status status) {
          if (call->cancelled()) return;
          if (!status.ok()) return call->Finish(status);
          handler(call, request);
        });
      };
}

ServerStreamHandler Admitted(Admission* admission, ServerStreamHandler handler) {
  return
      [admission, handler = std::move(handler)](std::shared_ptr<Call> call, SharedBytes request) {
        const auto make = [&handler, call, request] { return handler(call, request); };
        return AdmitStream(admission, call, make);
      };
}

BidiHandler Admitted(Admission* admission, BidiHandler handler) {
  return [admission, handler = std::move(handler)](std::shared_ptr<Call> call) {
    const auto make = [&handler, call] { return handler(call); };
    return AdmitStream(admission, call, make);
  };
}

}  // namespace keelson::rpc
