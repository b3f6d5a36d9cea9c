// How a Connection writes: counted at its transport.
#include "http/connection.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "http/raw_client.h"

namespace keelson::http {
namespace {

// A client that is a string, and a socket that takes `room` bytes.
class FakeTransport final : public Transport {
 public:
  struct Script {
    std::string input;
    std::vector<std::string> writes;
    std::vector<size_t> pieces;
    size_t room = SIZE_MAX;
    std::shared_ptr<TransportEvents> readable;
    std::shared_ptr<TransportEvents> writable;
    bool closed = false;
  };
  explicit FakeTransport(Script* script) : script_(script) {}

  Result Read(char* to, size_t size) override {
    if (script_->input.empty()) return {Outcome::kWouldBlock};
    const size_t count = script_->input.copy(to, size);
    script_->input.erase(0, count);
    return {Outcome::kOk, count};
  }
  Result Write(const iovec* pieces, size_t count) override {
    if (script_->room == 0) return {Outcome::kWouldBlock};
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      text.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    }
    text.resize(std::min(text.size(), script_->room));
    script_->room -= text.size();
    script_->pieces.push_back(count);
    script_->writes.push_back(text);
    return {Outcome::kOk, text.size()};
  }
  void WaitReadable(std::shared_ptr<TransportEvents> events) override {
    script_->readable = std::move(events);
  }
  void WaitWritable(std::shared_ptr<TransportEvents> events) override {
    script_->writable = std::move(events);
  }
  void CloseWrite() override {}
  void Close() override {
    script_->closed = true;
    script_->readable = script_->writable = nullptr;
  }
  const std::string& peer_address() const override { return address_; }
  const PeerCertificate& peer_certificate() const override { return nobody_; }
  bool secure() const override { return false; }

 private:
  Script* const script_;
  const std::string address_ = "test:1";
  const PeerCertificate nobody_;
};

class ConnectionTest : public testing::Test, public RequestHandler {
 protected:
  class Handler final : public StreamHandler {
   public:
    Handler(ConnectionTest* test, Stream* stream) : test_(test), stream_(stream) {}
    void OnData(std::string_view) override {}
    void OnEnd() override {
      if (test_->answer_at_once_) Answer(stream_, test_->body_);
    }
    void OnClose(CloseReason) override { std::erase(test_->streams_, stream_); }

   private:
    ConnectionTest* const test_;
    Stream* const stream_;
  };

  static void Answer(Stream* stream, const ByteChain& body) {
    stream->SendHeaders(200, {}, EndStream::kNo);
    stream->SendData(body);
    stream->End({{"t", "x"}});
  }
  std::shared_ptr<StreamHandler> OnRequest(Stream* stream, Request) override {
    streams_.push_back(stream);
    return std::make_shared<Handler>(this, stream);
  }

  ConnectionTest()
      : environment_(new ConnectionEnvironment{
            &loop_, &clock_, {}, this, {}, std::string(size_t{128} << 10, '\0')}),
        connection_(std::make_shared<Connection>(
            environment_, std::make_unique<FakeTransport>(&script_), [](Connection*) {})) {
    connection_->Start();
  }
  ~ConnectionTest() override { connection_->Close(); }

  // A client's bytes: preface with wide windows, and `count` requests.
  void Request100() {
    std::string& in = script_.input;
    in = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    in.append({0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, '\xff', '\xff', '\xff'});
    in.append({0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, '\xff', 0, 0});
    for (int i = 0; i < 100; ++i) {
      // GET http / with an authority: three indexed fields and a literal.
      in.append({0, 0, 6, 1, 5, 0, 0, 0, static_cast<char>(2 * i + 1)});
      in.append({'\x82', '\x86', '\x84', 0x01, 0x01, 't'});
    }
    auto readable = std::move(script_.readable);
    readable->OnReadable();
  }

  asio::io_context loop_{1};
  FakeClock clock_;
  FakeTransport::Script script_;
  std::vector<Stream*> streams_;
  bool answer_at_once_ = true;
  ByteChain body_{std::string(100, 'b')};
  const std::shared_ptr<ConnectionEnvironment> environment_;
  const std::shared_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, AnswersToWhatWasReadGoOutInOneWrite) {
  Request100();
  EXPECT_EQ(script_.writes.size(), 1u);
  EXPECT_EQ(script_.pieces[0], 1u);  // small: copied together
  loop_.poll();
  EXPECT_EQ(script_.writes.size(), 1u);
}

TEST_F(ConnectionTest, WhatArisesInOneTurnOfTheLoopGoesOutInOneWrite) {
  answer_at_once_ = false;
  Request100();
  script_.writes.clear();
  for (Stream* stream : std::vector<Stream*>(streams_)) Answer(stream, body_);
  EXPECT_EQ(script_.writes.size(), 0u);
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(script_.writes.size(), 1u);
}

TEST_F(ConnectionTest, LargePiecesTravelByReference) {
  answer_at_once_ = false;
  Request100();
  script_.writes.clear();
  script_.pieces.clear();
  body_ = ByteChain(std::string(2000, 'b'));
  for (Stream* stream : std::vector<Stream*>(streams_)) Answer(stream, body_);
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(script_.writes.size(), 1u);
  EXPECT_EQ(script_.pieces[0], 201u);  // a hundred bodies, and what is before and behind them
}

TEST_F(ConnectionTest, NothingIsLostWhenTheSocketIsFull) {
  answer_at_once_ = false;
  Request100();
  script_.writes.clear();
  body_ = ByteChain(std::string(20'000, 'b'));
  script_.room = 1000;
  for (Stream* stream : std::vector<Stream*>(streams_)) Answer(stream, body_);
  loop_.restart();
  loop_.poll();
  ASSERT_NE(script_.writable, nullptr);
  // The rest waits in its streams, but for one buffer full.
  size_t queued = 0;
  for (Stream* stream : streams_) queued += stream->queued_bytes();
  EXPECT_GT(queued, 100 * 20'000 - size_t{600'000});
  while (script_.writable != nullptr) {
    script_.room = 7777;
    std::exchange(script_.writable, nullptr)->OnWritable();
    loop_.restart();
    loop_.poll();
  }
  size_t bodies = 0;
  for (const std::string& text : script_.writes) {
    bodies += static_cast<size_t>(std::count(text.begin(), text.end(), 'b'));
  }
  EXPECT_GE(bodies, size_t{100} * 20'000);
  EXPECT_TRUE(streams_.empty());
}

}  // namespace
}  // namespace keelson::http
