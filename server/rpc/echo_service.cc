#include "server/rpc/echo_service.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <utility>

namespace keelson::rpc {
namespace {

// The server's high-water mark: only above it does OnWritable follow.
constexpr size_t kHighWaterBytes = 1 << 20;

uint64_t TakeNumber(std::string_view* text) {
  uint64_t number = 0;
  const auto result = std::from_chars(text->data(), text->data() + text->size(), number);
  text->remove_prefix(static_cast<size_t>(result.ptr - text->data()));
  while (!text->empty() && text->front() == ' ') text->remove_prefix(1);
  return number;
}

void Echo(const std::shared_ptr<Call>& call, SharedBytes request) {
  if (auto wanted = call->metadata("x-status"); wanted.has_value()) {
    const auto code = static_cast<absl::StatusCode>(TakeNumber(&*wanted));
    return call->Finish(absl::Status(code, absl::string_view(wanted->data(), wanted->size())));
  }
  constexpr std::string_view kMetadata = "METADATA ";
  if (request.view().starts_with(kMetadata)) {
    const auto value = call->metadata(request.view().substr(kMetadata.size()));
    call->Send(ByteChain(std::string(value.value_or("(absent)"))));
  } else {
    call->Send(ByteChain(std::move(request)));
  }
  call->Finish(absl::OkStatus());
}

class Expander final : public StreamReceiver {
 public:
  Expander(std::shared_ptr<Call> call, SharedBytes request) : call_(std::move(call)) {
    std::string_view text = request.view();
    left_ = TakeNumber(&text);
    payload_ = SharedBytes(std::string(TakeNumber(&text), 'x'));
    Pump();
  }
  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override {}
  void OnWritable() override { Pump(); }

 private:
  void Pump() {
    // A message above the high-water mark brings OnWritable; below it there is room for the next.
    while (left_ > 0 && call_->queued_bytes() <= kHighWaterBytes) {
      --left_;
      call_->Send(ByteChain(payload_));
    }
    if (left_ == 0) call_->Finish(absl::OkStatus());
  }
  const std::shared_ptr<Call> call_;
  SharedBytes payload_;
  uint64_t left_ = 0;
};

class Chatter final : public StreamReceiver {
 public:
  Chatter(std::shared_ptr<Call> call, std::shared_ptr<uint64_t> cancels)
      : call_(std::move(call)), cancels_(std::move(cancels)) {}
  void OnMessage(SharedBytes message) override {
    if (message.view() == "fail") return call_->Finish(absl::AbortedError("as you said"));
    call_->Send(ByteChain(std::move(message)));
  }
  void OnHalfClose() override { call_->Finish(absl::OkStatus()); }
  void OnCancel() override { ++*cancels_; }

 private:
  const std::shared_ptr<Call> call_;
  const std::shared_ptr<uint64_t> cancels_;
};

}  // namespace

void RegisterEchoService(asio::io_context* loop, RpcServer* server) {
  auto cancels = std::make_shared<uint64_t>(0);
  server->RegisterUnary("/test.Echo/Echo", Echo);
  server->RegisterUnary("/test.Echo/Wait", [cancels](std::shared_ptr<Call> call, SharedBytes) {
    call->OnCancel([cancels] { ++*cancels; });
  });
  server->RegisterUnary("/test.Echo/Cancels", [cancels](std::shared_ptr<Call> call, SharedBytes) {
    call->Send(ByteChain(std::to_string(*cancels)));
    call->Finish(absl::OkStatus());
  });
  server->RegisterServerStream("/test.Echo/Expand",
                               [](std::shared_ptr<Call> call, SharedBytes request) {
                                 return std::make_unique<Expander>(std::move(call), request);
                               });
  server->RegisterBidi("/test.Echo/Chat", [cancels](std::shared_ptr<Call> call) {
    return std::make_unique<Chatter>(std::move(call), cancels);
  });
  server->RegisterHttp("/health", [](const HttpRequest& request, auto respond) {
    respond({.content_type = "application/json",
             .body = "{\"health\":\"true\",\"query\":\"" + request.query + "\"}"});
  });
  server->RegisterHttp("/echo", [](HttpRequest request, auto respond) {
    respond({.body = request.method + " " + request.body});
  });
}

}  // namespace keelson::rpc
