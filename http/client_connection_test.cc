// The client's side against our own server's side.
#include "http/client_connection.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/write.hpp"
#include "base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/server.h"

namespace keelson::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kHangTimeout = std::chrono::seconds(20);

// Answers with what came, and with the path as a trailer. "/stuck" is never answered, "/reset" is
// reset after the header, "/early" is answered with a header only.
class Echo final : public RequestHandler {
 public:
  std::shared_ptr<StreamHandler> OnRequest(Stream* stream, Request request) override {
    return std::make_shared<One>(stream, std::string(request.headers.Get(":path")));
  }

 private:
  class One final : public StreamHandler {
   public:
    One(Stream* stream, std::string path) : stream_(stream), path_(std::move(path)) {
      if (path_ == "/stuck") return;
      const Header header = {"x-part", "header"};
      stream_->SendHeaders(200, {&header, 1}, path_ == "/early" ? EndStream::kYes : EndStream::kNo);
      if (path_ == "/reset") stream_->Reset(ResetCode::kEnhanceYourCalm);
    }
    void OnData(std::string_view bytes) override {
      stream_->Consume(bytes.size());
      stream_->SendData(bytes);
    }
    void OnEnd() override {
      const Header trailer = {"x-path", path_};
      stream_->End({&trailer, 1});
    }
    void OnClose(CloseReason) override {}

   private:
    Stream* const stream_;
    const std::string path_;
  };
};

// Collects one answer.
struct Answer final : ClientStreamHandler {
  void OnField(FieldBlock block, std::string_view name, std::string_view value) override {
    (block == FieldBlock::kHeader ? header : trailer).emplace(name, value);
  }
  void OnData(std::string_view bytes) override {
    body.append(bytes);
    if (on_data) on_data();
  }
  void OnClose(ClientStreamEnd how) override {
    ++closed;
    end = how;
    if (on_close) on_close();
  }

  std::map<std::string, std::string, std::less<>> header, trailer;
  std::string body;
  int closed = 0;
  ClientStreamEnd end = {};
  std::function<void()> on_data, on_close;
};

class ClientConnectionTest : public ::testing::Test {
 protected:
  ClientConnectionTest() : server_(&loop_, &clock_, &echo_, ServerOptions()) {
    EXPECT_TRUE(server_.Listen("127.0.0.1", 0).ok());
    connection_ = std::make_unique<ClientConnection>(&loop_);
  }

  void Connect() {
    connection_->Connect(
        "127.0.0.1", server_.port(),
        [this](const absl::Status& status) {
          EXPECT_TRUE(status.ok()) << status;
          connected_ = true;
        },
        [this](const absl::Status& status) { closed_ = status; });
    RunUntil([this] { return connected_; });
  }

  template <typename Condition>
  void RunUntil(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kHangTimeout;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "hangs";
      loop_.run_one_for(std::chrono::seconds(1));
    }
  }

  const PreparedHeaders* Post(const std::string& path) {
    const Header fields[] = {{":method", "POST"},
                             {":scheme", "http"},
                             {":path", path},
                             {":authority", "test"}};
    prepared_.push_back(std::make_unique<PreparedHeaders>(fields));
    return prepared_.back().get();
  }

  std::vector<std::unique_ptr<PreparedHeaders>> prepared_;
  asio::io_context loop_;
  RealClock clock_;
  Echo echo_;
  Server server_;
  std::unique_ptr<ClientConnection> connection_;
  bool connected_ = false;
  absl::Status closed_;
};

TEST_F(ClientConnectionTest, AnswerComesWithHeaderBodyAndTrailers) {
  Connect();
  Answer answer;
  EXPECT_GT(connection_->Open(*Post("/a"), "hello", EndStream::kYes, &answer), 0);
  EXPECT_EQ(connection_->open_streams(), 1u);
  RunUntil([&] { return answer.closed > 0; });
  EXPECT_EQ(answer.end.reason, ClientStreamEnd::Reason::kAnswered);
  EXPECT_EQ(answer.header[":status"], "200");
  EXPECT_EQ(answer.header["x-part"], "header");
  EXPECT_EQ(answer.trailer["x-path"], "/a");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(connection_->open_streams(), 0u);
}

TEST_F(ClientConnectionTest, AnswerOfOneHeaderBlockIsComplete) {
  Connect();
  Answer answer;
  connection_->Open(*Post("/early"), "", EndStream::kYes, &answer);
  RunUntil([&] { return answer.closed > 0; });
  EXPECT_EQ(answer.end.reason, ClientStreamEnd::Reason::kAnswered);
  EXPECT_EQ(answer.header["x-part"], "header");
}

TEST_F(ClientConnectionTest, ManyStreamsInOneTurnAllGetTheirOwnAnswer) {
  Connect();
  const PreparedHeaders* post = Post("/many");
  std::vector<Answer> answers(2000);
  int closed = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    answers[i].on_close = [&] { ++closed; };
    connection_->Open(*post, "body " + std::to_string(i), EndStream::kYes, &answers[i]);
  }
  RunUntil([&] { return closed == 2000; });
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].body, "body " + std::to_string(i));
  }
}

TEST_F(ClientConnectionTest, BodyLargerThanEveryWindowArrivesWhole) {
  Connect();
  Answer answer;
  const std::string body(20 << 20, 'x');
  connection_->Open(*Post("/large"), body, EndStream::kYes, &answer);
  RunUntil([&] { return answer.closed > 0; });
  EXPECT_EQ(answer.body.size(), body.size());
}

TEST_F(ClientConnectionTest, StreamStaysOpenForMoreUntilItIsEnded) {
  Connect();
  Answer answer;
  const int32_t stream = connection_->Open(*Post("/bidi"), "", EndStream::kNo, &answer);
  connection_->Send(stream, "one", EndStream::kNo);  // before the header went out
  RunUntil([&] { return answer.body == "one"; });
  connection_->Send(stream, " two", EndStream::kNo);
  RunUntil([&] { return answer.body == "one two"; });
  EXPECT_EQ(answer.closed, 0);
  connection_->Send(stream, "", EndStream::kYes);
  connection_->Send(stream, "ignored", EndStream::kNo);
  RunUntil([&] { return answer.closed > 0; });
  EXPECT_EQ(answer.body, "one two");
}

TEST_F(ClientConnectionTest, ResetByEitherSideIsTold) {
  Connect();
  Answer by_server, by_us, unsent;
  connection_->Open(*Post("/reset"), "", EndStream::kNo, &by_server);
  RunUntil([&] { return by_server.closed > 0; });
  EXPECT_EQ(by_server.end.reason, ClientStreamEnd::Reason::kReset);
  EXPECT_EQ(by_server.end.error_code, 11u);

  const int32_t stream = connection_->Open(*Post("/bidi"), "x", EndStream::kNo, &by_us);
  RunUntil([&] { return !by_us.body.empty(); });
  connection_->Reset(stream);
  RunUntil([&] { return by_us.closed > 0; });
  EXPECT_EQ(by_us.end.reason, ClientStreamEnd::Reason::kReset);

  connection_->Reset(connection_->Open(*Post("/bidi"), "x", EndStream::kNo, &unsent));
  RunUntil([&] { return unsent.closed > 0; });
  EXPECT_EQ(unsent.end.reason, ClientStreamEnd::Reason::kReset);
}

TEST_F(ClientConnectionTest, LostConnectionEndsEveryStreamOnce) {
  Connect();
  Answer stuck, also_stuck;
  connection_->Open(*Post("/stuck"), "", EndStream::kYes, &stuck);
  connection_->Open(*Post("/stuck"), "", EndStream::kNo, &also_stuck);
  RunUntil([&] { return server_.connection_count() == 1; });
  server_.Shutdown(absl::ZeroDuration(), [] {});
  RunUntil([&] { return !closed_.ok(); });
  EXPECT_EQ(stuck.closed, 1);
  EXPECT_EQ(also_stuck.closed, 1);
  EXPECT_EQ(stuck.end.reason, ClientStreamEnd::Reason::kConnectionLost);
  EXPECT_EQ(connection_->Open(*Post("/late"), "", EndStream::kYes, &stuck), 0);
}

TEST_F(ClientConnectionTest, GracefulShutdownOfTheServerClosesAfterTheLastAnswer) {
  Connect();
  Answer answer;
  const int32_t stream = connection_->Open(*Post("/bidi"), "x", EndStream::kNo, &answer);
  RunUntil([&] { return !answer.body.empty(); });
  server_.Shutdown(absl::Seconds(10), [] {});
  connection_->Send(stream, "y", EndStream::kYes);
  RunUntil([&] { return !closed_.ok(); });
  EXPECT_EQ(answer.end.reason, ClientStreamEnd::Reason::kAnswered);
  EXPECT_EQ(answer.body, "xy");
}

TEST_F(ClientConnectionTest, HandlersMayCloseOrDestroyTheConnection) {
  Connect();
  Answer first, second;
  first.on_data = [&] { connection_->Close(); };
  connection_->Open(*Post("/a"), "x", EndStream::kYes, &first);
  RunUntil([&] { return !closed_.ok(); });
  EXPECT_EQ(first.closed, 1);

  connection_ = std::make_unique<ClientConnection>(&loop_);
  connected_ = false;
  Connect();
  second.on_data = [&] { connection_ = nullptr; };
  connection_->Open(*Post("/a"), "x", EndStream::kYes, &second);
  RunUntil([&] { return connection_ == nullptr; });
  loop_.poll();
  EXPECT_EQ(second.closed, 0);  // nothing is called after the destructor
}

TEST_F(ClientConnectionTest, NobodyListeningIsUnavailableWithTheReason) {
  uint16_t port;
  {
    asio::ip::tcp::acceptor unused(loop_, {asio::ip::address_v4::loopback(), 0});
    port = unused.local_endpoint().port();
  }
  absl::Status status;
  connection_->Connect(
      "127.0.0.1", port, [&](const absl::Status& got) { status = got; }, nullptr);
  RunUntil([&] { return !status.ok(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), AllOf(StartsWith("dial tcp 127.0.0.1:"), HasSubstr("refused")));
}

TEST_F(ClientConnectionTest, AnswerThatIsNotHttpTwoClosesTheConnection) {
  asio::ip::tcp::acceptor acceptor(loop_, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket other(loop_);
  acceptor.async_accept(other, [&](const asio::error_code&) {
    asio::write(other, asio::buffer("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 47));
  });
  Answer answer;
  connection_->Connect(
      "127.0.0.1", acceptor.local_endpoint().port(),
      [&](const absl::Status&) {
        connection_->Open(*Post("/"), "", EndStream::kYes, &answer);
      },
      [&](const absl::Status& status) { closed_ = status; });
  RunUntil([&] { return !closed_.ok(); });
  EXPECT_EQ(answer.closed, 1);
}

}  // namespace
}  // namespace keelson::http
