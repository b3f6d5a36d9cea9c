#include "apiserver/runtime/status_server.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/concat.h"
#include "http/server.h"

namespace keelson::runtime {

namespace {

constexpr absl::Duration kMoreInterval = absl::Milliseconds(200);
// Pages at once that have more to come.
constexpr size_t kGrowingMax = 1000;
// A client that has not taken so much yet is kept waiting for more.
constexpr size_t kQueuedBytesMax = 256 << 10;

// An answer that grows. Of the server's thread.
class GrowingAnswer final : public http::StreamHandler,
                            public std::enable_shared_from_this<GrowingAnswer> {
 public:
  // `count`, which outlives it, is of all that there are.
  GrowingAnswer(asio::io_context* loop, http::Stream* stream, Page page, size_t* count)
      : stream_(stream), page_(std::move(page)), timer_(*loop), count_(count) {
    ++*count_;
  }
  ~GrowingAnswer() override { --*count_; }

  void Begin() {
    stream_->SendHeaders(page_.status, {{"content-type", page_.type}}, http::EndStream::kNo);
    if (!page_.body.empty()) stream_->SendData(page_.body);
    page_.body.clear();
    Wait();
  }
  void OnData(std::string_view bytes) override { stream_->Consume(bytes.size()); }
  void OnEnd() override {}
  void OnClientClosed() override { End(); }
  void OnClose(http::CloseReason reason) override {
    stream_ = nullptr;
    timer_.cancel();
  }

 private:
  void Wait() {
    timer_.expires_after(absl::ToChronoNanoseconds(kMoreInterval));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (error || self->stream_ == nullptr || self->ended_) return;
      if (self->stream_->queued_bytes() < kQueuedBytesMax) {
        const std::optional<std::string> more = self->page_.more();
        if (!more) return self->End();
        if (!more->empty()) self->stream_->SendData(*more);
      }
      self->Wait();
    });
  }
  void End() {
    if (stream_ == nullptr || ended_) return;
    ended_ = true;
    timer_.cancel();
    stream_->End({});
  }

  http::Stream* stream_;  // null once closed
  Page page_;
  bool ended_ = false;
  asio::steady_timer timer_;
  size_t* const count_;
};

}  // namespace

class StatusServer::Impl : public http::RequestHandler {
 public:
  ~Impl() override { Stop(); }

  void Serve(std::string prefix, Render render) { pages_[std::move(prefix)] = std::move(render); }

  absl::Status Listen(const std::string& address) {
    const size_t colon = address.rfind(':');
    uint32_t port = 0;
    if (colon == address.npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
        port > UINT16_MAX) {
      return absl::InvalidArgumentError(Concat("\"", address, "\" is not host:port"));
    }
    server_ = std::make_unique<http::Server>(&loop_, &clock_, this, http::ServerOptions{});
    return server_->Listen(address.substr(0, colon), static_cast<uint16_t>(port));
  }

  void Run() {
    thread_ = std::thread([this] {
      const auto work = asio::make_work_guard(loop_);
      loop_.run();
    });
  }

  uint16_t port() const { return server_ == nullptr ? 0 : server_->port(); }

  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(loop_,
               [this] { server_->Shutdown(absl::ZeroDuration(), [this] { loop_.stop(); }); });
    thread_.join();
    server_.reset();
  }

  std::shared_ptr<http::StreamHandler> OnRequest(http::Stream* stream,
                                                 http::Request request) override {
    const std::string_view target = request.headers.Get(":path");
    const size_t question = target.find('?');
    const std::string_view path = target.substr(0, question);
    const std::string_view query =
        question == target.npos ? std::string_view() : target.substr(question + 1);
    Page page{404, "text/plain; charset=utf-8", "404 page not found\n"};
    if (request.headers.Get(":method") != "GET") {
      page = {405, "text/plain; charset=utf-8", "405 method not allowed\n"};
    } else if (const Render* render = Find(path); render != nullptr) {
      page = (*render)(path, query);
    }
    if (page.more && growing_ >= kGrowingMax) {
      page = {503, "text/plain; charset=utf-8", "too many answers are growing\n"};
    }
    if (page.more) {
      auto answer = std::make_shared<GrowingAnswer>(&loop_, stream, std::move(page), &growing_);
      answer->Begin();
      return answer;
    }
    const std::string length = std::to_string(page.body.size());
    const http::Header headers[] = {{"content-type", page.type}, {"content-length", length}};
    stream->SendHeaders(page.status, headers, http::EndStream::kNo);
    stream->SendData(page.body);
    stream->End({});
    return nullptr;
  }

 private:
  const Render* Find(std::string_view path) const {
    const Render* found = nullptr;
    for (const auto& [prefix, render] : pages_) {
      if (path.starts_with(prefix)) found = &render;  // in order: the longest is the last
    }
    return found;
  }

  const RealClock clock_{};
  std::map<std::string, Render> pages_;
  size_t growing_ = 0;  // of the loop, which may end after the server
  asio::io_context loop_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

StatusServer::StatusServer() : impl_(std::make_unique<Impl>()) {}
StatusServer::~StatusServer() = default;
void StatusServer::Serve(std::string prefix, Render render) {
  impl_->Serve(std::move(prefix), std::move(render));
}

void StatusServer::ServeStatus(std::function<bool()> ready, std::function<std::string()> metrics) {
  const auto alive = [](std::string_view, std::string_view) { return Page{.body = "ok"}; };
  Serve("/healthz", alive);
  Serve("/livez", alive);
  Serve("/readyz", [ready = std::move(ready)](std::string_view, std::string_view) {
    return ready() ? Page{.body = "ok"} : Page{.status = 503, .body = "not ready\n"};
  });
  Serve("/metrics", [metrics = std::move(metrics)](std::string_view, std::string_view) {
    return Page{.type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics()};
  });
}

absl::Status StatusServer::Listen(const std::string& address) { return impl_->Listen(address); }
void StatusServer::Run() { impl_->Run(); }
uint16_t StatusServer::port() const { return impl_->port(); }
void StatusServer::Stop() { impl_->Stop(); }

}  // namespace keelson::runtime
