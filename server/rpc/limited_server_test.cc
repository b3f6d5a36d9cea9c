// A server whose lanes are narrow: what its clients see of waiting, of being refused and of being
// let go, by gRPC and by the gateway.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"
#include "nghttp2/nghttp2.h"
#include "server/rpc/message_reader.h"
#include "server/rpc/rpc_server.h"

namespace keelson::rpc {
namespace {

using http::RawClient;
using testing::HasSubstr;
using testing::StartsWith;

class LimitedServerTest : public testing::Test {
 protected:
  LimitedServerTest() : server_(&loop_, &clock_, Options()) {
    server_.RegisterUnary("/t.S/Keep", [this](std::shared_ptr<Call> call, SharedBytes request) {
      kept_.emplace(request.view(), std::move(call));
    });
    server_.RegisterUnary("/t.S/Large", [](const std::shared_ptr<Call>& call, SharedBytes) {
      call->Send(ByteChain(std::string(kLarge, 'x')));
      call->Finish(absl::OkStatus());
    });
    server_.RegisterUnary("/t.S/Vital", [](const std::shared_ptr<Call>& call, SharedBytes) {
      call->Send(ByteChain(std::string("alive")));
      call->Finish(absl::OkStatus());
    });
    MessageJson json;
    json.to_request = [](std::string_view text) { return std::string(text); };
    json.from_answer = [](const ByteChain& answer) { return answer.Flatten(); };
    for (const char* name : {"Keep", "Large", "Vital"}) {
      server_.RegisterGateway(std::string("/v3/") + name, std::string("/t.S/") + name, json);
    }
    KV_CHECK(server_.Listen("127.0.0.1", 0).ok());
    client_ = Connect(RawClient::Greeting::kHttp2);
  }

  static constexpr size_t kLarge = 8 << 20;  // more than a socket takes

  static RpcServerOptions Options() {
    RpcServerOptions options;
    options.load[Lane::kWrite] = {.running_max = 1, .waiting_max = 1};
    options.load[Lane::kRange] = {.waiting_max = 10, .unsent_bytes_max = 1 << 20};
    options.load.partial_bytes_max = 1 << 20;
    options.load.stalled_max = absl::Milliseconds(1);
    options.lanes = [](std::string_view method) {
      return LaneRule{method == "/t.S/Keep"    ? Lane::kWrite
                      : method == "/t.S/Large" ? Lane::kRange
                                               : Lane::kVital};
    };
    options.refusal = absl::ResourceExhaustedError("full");
    return options;
  }
  void Turn() {
    loop_.run_one_for(std::chrono::milliseconds(10));
    KV_CHECK(std::chrono::steady_clock::now() < end_) << "hangs";
  }
  void RunUntil(const std::function<bool()>& done) {
    while (!done()) Turn();
  }
  std::unique_ptr<RawClient> Connect(RawClient::Greeting greeting) {
    return std::make_unique<RawClient>(server_.port(), greeting, [this] { Turn(); });
  }
  static std::string Framed(std::string_view message) {
    char prefix[kMessagePrefixBytes];
    EncodeMessagePrefix(false, message.size(), prefix);
    return std::string(prefix, kMessagePrefixBytes).append(message);
  }
  // Sends a call without waiting for anything.
  static int32_t Begin(RawClient* client, const std::string& method, std::string_view request) {
    const int32_t stream = client->AddHeaders({{":method", "POST"},
                                               {":scheme", "http"},
                                               {":path", "/t.S/" + method},
                                               {":authority", "t"},
                                               {"te", "trailers"},
                                               {"content-type", "application/grpc"}},
                                              0);
    client->AddFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, Framed(request));
    client->Flush();
    return stream;
  }
  // "grpc-status message", or "reset".
  std::string Outcome(RawClient* client, int32_t wanted) {
    while (!outcomes_.contains({client, wanted})) {
      std::vector<RawClient::Frame> frames;
      KV_CHECK(client->ReadFrames(&frames)) << "closed";
      client->Flush();
      for (const RawClient::Frame& frame : frames) {
        if (frame.type == NGHTTP2_RST_STREAM)
          outcomes_.emplace(std::pair(client, frame.stream), "reset");
        if (frame.type != NGHTTP2_HEADERS) continue;
        std::string status, message;
        for (const auto& [name, value] : client->DecodeHeaders(frame.payload)) {
          if (name == "grpc-status") status = value;
          if (name == "grpc-message") message = " " + value;
        }
        if (!status.empty()) outcomes_[{client, frame.stream}] = status + message;
      }
    }
    return outcomes_[{client, wanted}];
  }
  std::string Ask(const std::string& method, std::string_view request) {
    return Outcome(client_.get(), Begin(client_.get(), method, request));
  }
  std::string Post(const std::string& method, const std::string& body) {
    const auto client = Connect(RawClient::Greeting::kNone);
    client->AddBytes("POST /v3/" + method + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" +
                     "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    client->Flush();
    while (client->ReadMore()) {
    }
    return std::string(client->input());
  }
  const LoadControl::LaneState& In(Lane lane) const { return server_.load().state(lane); }

  asio::io_context loop_{1};
  RealClock clock_;
  std::map<std::string, std::shared_ptr<Call>, std::less<>> kept_;  // by request
  RpcServer server_;
  std::unique_ptr<RawClient> client_;
  std::map<std::pair<RawClient*, int32_t>, std::string> outcomes_;
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

TEST_F(LimitedServerTest, WhatFindsNoPlaceWaitsThenIsRefusedWhileOtherLanesAnswer) {
  Begin(client_.get(), "Keep", "a");
  const int32_t second = Begin(client_.get(), "Keep", "b");
  RunUntil([this] { return In(Lane::kWrite).waiting == 1; });
  EXPECT_FALSE(kept_.contains("b"));
  EXPECT_EQ(Ask("Keep", "c"), "8 full");
  EXPECT_EQ(Ask("Vital", ""), "0");
  kept_.extract("a").mapped()->Finish(absl::OkStatus());
  RunUntil([this] { return kept_.contains("b"); });
  kept_.extract("b").mapped()->Finish(absl::OkStatus());
  EXPECT_EQ(Outcome(client_.get(), second), "0");
  EXPECT_EQ(In(Lane::kWrite).running, 0);
  EXPECT_EQ(In(Lane::kWrite).refused_total, 1);
}

TEST_F(LimitedServerTest, TheGatewaysCallsAreInTheSameLanes) {
  Begin(client_.get(), "Keep", "a");
  Begin(client_.get(), "Keep", "b");
  RunUntil([this] { return In(Lane::kWrite).waiting == 1; });
  const std::string refused = Post("Keep", "1");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(refused, HasSubstr(R"({"error":"full","message":"full","code":8})"));
  EXPECT_THAT(Post("Vital", "1"), HasSubstr("alive"));
}

TEST_F(LimitedServerTest, ACancelledCallHasItsPlaceUntilItsHandlerLetsGo) {
  const int32_t stream = Begin(client_.get(), "Keep", "a");
  RunUntil([this] { return kept_.contains("a"); });
  client_->AddFrame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
  client_->Flush();
  RunUntil([this] { return kept_.at("a")->cancelled(); });
  EXPECT_EQ(In(Lane::kWrite).running, 1);
  kept_.clear();
  EXPECT_EQ(In(Lane::kWrite).running, 0);
}

TEST_F(LimitedServerTest, ACallThatIsCancelledWhileItWaitsLeavesTheLine) {
  Begin(client_.get(), "Keep", "a");
  const int32_t stream = Begin(client_.get(), "Keep", "b");
  RunUntil([this] { return In(Lane::kWrite).waiting == 1; });
  client_->AddFrame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
  client_->Flush();
  RunUntil([this] { return In(Lane::kWrite).waiting == 0; });
  kept_.clear();
}

TEST_F(LimitedServerTest, AClientThatDoesNotReadIsLetGoAndOthersGoOn) {
  const auto lazy = Connect(RawClient::Greeting::kHttp2Narrow);
  const int32_t unread = Begin(lazy.get(), "Large", "");
  RunUntil([this] { return In(Lane::kRange).unsent.queued_bytes > 1 << 20; });
  EXPECT_EQ(Ask("Vital", ""), "0");
  EXPECT_EQ(Ask("Large", ""), "0") << "it had to wait until the other one was let go";
  EXPECT_EQ(In(Lane::kRange).queued_total, 1);
  EXPECT_EQ(In(Lane::kRange).shed_total, 1);
  EXPECT_EQ(Outcome(lazy.get(), unread), "reset");
  RunUntil([this] { return In(Lane::kRange).unsent.queued_bytes == 0; });
}

TEST_F(LimitedServerTest, TheGatewaysUnreadAnswersCountToo) {
  const auto lazy = Connect(RawClient::Greeting::kNone);
  lazy->AddBytes("POST /v3/Large HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1");
  lazy->Flush();
  // A socket takes what fits into the kernel's buffers; the rest is unsent until it is let go.
  RunUntil([this] { return In(Lane::kRange).unsent.queued_bytes > 0; });
  RunUntil([this] { return In(Lane::kRange).unsent.queued_bytes == 0; });
}

TEST_F(LimitedServerTest, RequestsThatAreNotWholeAreRefusedWhenTheyHoldTooMuch) {
  ASSERT_EQ(Ask("Vital", ""), "0");  // the windows are wide from here on
  // Each below the limit of a message; the fourth is more than all may hold.
  std::vector<int32_t> streams;
  const std::string part = Framed(std::string(400'000, 'x')).substr(0, 300'000);
  for (int i = 0; i < 4; ++i) {
    const int32_t stream = client_->AddHeaders({{":method", "POST"},
                                                {":scheme", "http"},
                                                {":path", "/t.S/Keep"},
                                                {":authority", "t"},
                                                {"te", "trailers"},
                                                {"content-type", "application/grpc"}},
                                               0);
    streams.push_back(stream);
    for (size_t at = 0; at < part.size(); at += 16'000) {
      client_->AddFrame(NGHTTP2_DATA, 0, stream, std::string_view(part).substr(at, 16'000));
    }
    client_->Flush();
  }
  EXPECT_EQ(Outcome(client_.get(), streams.back()), "8 full");
  EXPECT_EQ(Ask("Vital", ""), "0");
}

}  // namespace
}  // namespace keelson::rpc
