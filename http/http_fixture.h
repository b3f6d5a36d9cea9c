// What the tests of http/ share: a Server, its loop and its clients on one thread, under a fake
// clock, with a handler that the test scripts.
#ifndef KEELSON_HTTP_HTTP_FIXTURE_H_
#define KEELSON_HTTP_HTTP_FIXTURE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asio/io_context.hpp"
#include "base/check.h"
#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"
#include "http/server.h"

namespace keelson::http {

// Everything that happened to one request, and the means to answer it.
struct Exchange {
  Stream* stream = nullptr;  // null once closed
  Request request;
  std::string body;
  bool ended = false;
  int writable_count = 0;
  std::optional<CloseReason> closed;
  bool consume = true;  // gives the window back as data comes
};

class HttpFixture : public testing::Test, public RequestHandler {
 protected:
  HttpFixture() { options_.sweep_interval = absl::Milliseconds(1); }
  ~HttpFixture() override { server_.reset(); }

  void Start() {
    server_ = std::make_unique<Server>(&loop_, &clock_, this, options_);
    const absl::Status status = server_->Listen("127.0.0.1", 0);
    KV_CHECK(status.ok()) << status;
  }

  // One turn of the loop. The limit ends a hang.
  void Turn() {
    loop_.run_one_for(std::chrono::milliseconds(10));
    KV_CHECK(++turns_ < 20'000'000) << "hangs";
  }
  void RunUntil(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      Turn();
      KV_CHECK(std::chrono::steady_clock::now() < end) << "hangs";
    }
  }
  std::unique_ptr<RawClient> Connect(RawClient::Greeting greeting) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    return std::make_unique<RawClient>(server_->port(), greeting, [this, end] {
      Turn();
      KV_CHECK(std::chrono::steady_clock::now() < end) << "hangs";
    });
  }

  static RawClient::Fields Get(const std::string& path) {
    return {{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "test"}};
  }
  static RawClient::Fields Post(const std::string& path) {
    return {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "test"}};
  }

  // The usual answer to a request that is complete; tests replace it.
  std::function<void(Exchange*)> on_end_ = [](Exchange* exchange) {
    const std::string body = std::string(exchange->request.headers.Get(":method")) + " " +
                             std::string(exchange->request.headers.Get(":path")) + " " +
                             exchange->body;
    const std::string size = std::to_string(body.size());
    exchange->stream->SendHeaders(200, {{"content-length", size}}, EndStream::kNo);
    exchange->stream->SendData(std::string_view(body));
    exchange->stream->End({});
  };
  std::function<void(Exchange*)> on_request_;
  std::function<void(Exchange*)> on_writable_;
  std::function<void(Exchange*)> on_client_closed_;

  // Newest last; entries stay.
  std::vector<std::shared_ptr<Exchange>> exchanges_;
  size_t OpenExchanges() const {
    size_t open = 0;
    for (const auto& exchange : exchanges_) open += exchange->closed.has_value() ? 0 : 1;
    return open;
  }

  asio::io_context loop_{1};
  FakeClock clock_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;

 private:
  class Recorder final : public StreamHandler {
   public:
    Recorder(HttpFixture* test, std::shared_ptr<Exchange> exchange)
        : test_(test), exchange_(std::move(exchange)) {}
    void OnData(std::string_view bytes) override {
      exchange_->body.append(bytes);
      if (exchange_->consume) exchange_->stream->Consume(bytes.size());
    }
    void OnEnd() override {
      EXPECT_FALSE(exchange_->ended);
      exchange_->ended = true;
      if (test_->on_end_) test_->on_end_(exchange_.get());
    }
    void OnWritable() override {
      ++exchange_->writable_count;
      if (test_->on_writable_) test_->on_writable_(exchange_.get());
    }
    void OnClientClosed() override {
      if (test_->on_client_closed_) test_->on_client_closed_(exchange_.get());
    }
    void OnClose(CloseReason reason) override {
      EXPECT_FALSE(exchange_->closed.has_value());
      exchange_->closed = reason;
      exchange_->stream = nullptr;
    }

   private:
    HttpFixture* const test_;
    const std::shared_ptr<Exchange> exchange_;
  };

  std::shared_ptr<StreamHandler> OnRequest(Stream* stream, Request request) override {
    auto exchange = std::make_shared<Exchange>();
    exchange->stream = stream;
    exchange->request = std::move(request);
    exchanges_.push_back(exchange);
    if (on_request_) on_request_(exchange.get());
    return std::make_shared<Recorder>(this, exchange);
  }

  int64_t turns_ = 0;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_HTTP_FIXTURE_H_
