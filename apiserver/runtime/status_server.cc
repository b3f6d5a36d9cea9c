#include "apiserver/runtime/status_server.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/concat.h"
#include "http/server.h"

namespace keelson::runtime {

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
