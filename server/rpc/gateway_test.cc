// Calls that come as JSON: what their handlers see and what is answered, with a JSON form that is
// the text itself between two bars.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"
#include "server/rpc/rpc_server.h"

namespace keelson::rpc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class GatewayTest : public testing::Test {
 protected:
  class Chat final : public StreamReceiver {
   public:
    Chat(GatewayTest* test, std::shared_ptr<Call> call) : test_(test), call_(std::move(call)) {}
    ~Chat() override { test_->heard_ += " gone"; }
    void OnMessage(SharedBytes message) override {
      test_->heard_ += " " + std::string(message.view());
      call_->Send(ByteChain(message));
    }
    void OnHalfClose() override {
      test_->heard_ += " half-close";
      if (test_->ends_with_half_close_) call_->Finish(test_->end_);
    }
    void OnCancel() override { test_->heard_ += " cancel"; }

   private:
    GatewayTest* const test_;
    const std::shared_ptr<Call> call_;
  };

  GatewayTest() : server_(&loop_, &clock_, Options()) {
    server_.RegisterUnary("/t.S/Echo", [this](std::shared_ptr<Call> call, SharedBytes request) {
      heard_ = std::string(call->method()) + " " + std::string(request.view());
      EXPECT_EQ(call->metadata("token"), std::nullopt);
      token_ = call->metadata("authorization").value_or("(none)");
      other_ = call->metadata("other").value_or("(none)");
      EXPECT_EQ(call->peer_common_name(), std::nullopt);
      if (end_.ok()) call->Send(ByteChain(request));
      call->Finish(end_);
    });
    server_.RegisterUnary("/t.S/Keep", [this](std::shared_ptr<Call> call, SharedBytes) {
      call->OnCancel([this] { heard_ += " cancel"; });
      kept_ = std::move(call);
    });
    server_.RegisterServerStream(
        "/t.S/List",
        [this](std::shared_ptr<Call> call, SharedBytes) -> std::unique_ptr<StreamReceiver> {
          if (end_.ok()) {
            call->Send(ByteChain(std::string("1")));
            call->Send(ByteChain(std::string("2")));
          }
          call->Finish(end_);
          return nullptr;
        });
    server_.RegisterBidi("/t.S/Chat", [this](std::shared_ptr<Call> call) {
      heard_ += "begin";
      kept_ = call;
      return std::make_unique<Chat>(this, std::move(call));
    });
    MessageJson json;
    json.to_request = [](std::string_view text) -> absl::StatusOr<std::string> {
      if (text == "[0]") return absl::InvalidArgumentError("not \"good\" <&>");
      return std::string(text);
    };
    json.from_answer = [](const ByteChain& answer) { return "|" + answer.Flatten() + "|"; };
    for (const char* name : {"Echo", "Keep", "List", "Chat", "Absent"}) {
      server_.RegisterGateway(std::string("/v3/") + name, std::string("/t.S/") + name, json);
    }
    KV_CHECK(server_.Listen("127.0.0.1", 0).ok());
  }

  static RpcServerOptions Options() {
    RpcServerOptions options;
    options.request_bytes_max = 100;
    return options;
  }
  void Turn() {
    loop_.run_one_for(std::chrono::milliseconds(10));
    KV_CHECK(std::chrono::steady_clock::now() < end_of_test_) << "hangs";
  }
  std::unique_ptr<http::RawClient> Connect() {
    return std::make_unique<http::RawClient>(server_.port(), http::RawClient::Greeting::kNone,
                                             [this] { Turn(); });
  }
  static std::string Post(const std::string& path, const std::string& body,
                          const std::string& headers = "") {
    return "POST " + path + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + headers +
           "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static void Write(http::RawClient& client, const std::string& request) {
    client.AddBytes(request);
    client.Flush();
  }
  static std::string ReadToEnd(http::RawClient& client) {
    while (client.ReadMore()) {
    }
    return std::string(client.input());
  }
  // The whole answer, header and all.
  std::string Ask(const std::string& request) {
    const auto client = Connect();
    Write(*client, request);
    return ReadToEnd(*client);
  }
  static std::string BodyOf(const std::string& answer) {
    const size_t at = answer.find("\r\n\r\n");
    return at == std::string::npos ? "(none)" : answer.substr(at + 4);
  }

  asio::io_context loop_{1};
  FakeClock clock_;
  std::string heard_, token_, other_;
  absl::Status end_;
  bool ends_with_half_close_ = true;
  std::shared_ptr<Call> kept_;
  RpcServer server_;
  const std::chrono::steady_clock::time_point end_of_test_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

TEST_F(GatewayTest, UnaryCallSeesTheFirstValueAndItsMetadata) {
  const std::string answer = Ask(
      Post("/v3/Echo", " {\"a\":1} rest", "authorization: secret\r\ngrpc-metadata-other: b\r\n"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("content-type: application/json\r\n"));
  EXPECT_THAT(answer, HasSubstr("access-control-allow-origin: *\r\n"));
  EXPECT_EQ(BodyOf(answer), "|{\"a\":1}|");
  EXPECT_EQ(heard_, "/t.S/Echo {\"a\":1}");
  EXPECT_EQ(token_, "secret");
  EXPECT_EQ(other_, "b");
  EXPECT_EQ(BodyOf(Ask(Post("/v3beta/Echo", "{}"))), "|{}|");
  EXPECT_EQ(BodyOf(Ask(Post("/v3/Echo", ""))), "||");
}

TEST_F(GatewayTest, ErrorsHaveTheirHttpStatus) {
  end_ = absl::NotFoundError("a \"b\" <c>");
  const std::string answer = Ask(Post("/v3/Echo", "{}"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(BodyOf(answer),
            R"({"error":"a \"b\" \u003cc\u003e","message":"a \"b\" \u003cc\u003e","code":5})");
  EXPECT_THAT(Ask(Post("/v3/Echo", "[0]")), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(BodyOf(Ask(Post("/v3/Echo", "{"))),
            R"({"error":"unexpected EOF","message":"unexpected EOF","code":3})");
  EXPECT_THAT(Ask(Post("/v3/Absent", "{}")), StartsWith("HTTP/1.1 501 "));
  EXPECT_EQ(BodyOf(Ask(Post("/v3/nowhere", "{}"))), "Not Found\n");
  EXPECT_THAT(Ask("GET /v3/Echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask("OPTIONS /v3/Echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(GatewayTest, LimitsAreThoseOfGrpc) {
  const std::string answer = Ask(Post("/v3/Echo", "\"" + std::string(100, 'a') + "\""));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(answer, HasSubstr("grpc: received message larger than max (102 vs. 100)"));
  // What is no message yet is not kept without end either.
  EXPECT_THAT(Ask(Post("/v3/Echo", "\"" + std::string(200'000, 'a'))), StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(Ask(Post("/v3/Chat", "\"" + std::string(200'000, 'a'))), StartsWith("HTTP/1.1 429 "));
  EXPECT_EQ(heard_, "");
}

TEST_F(GatewayTest, StreamOfAnswersIsALineEach) {
  const std::string answer = Ask(Post("/v3/List", "{}"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("{\"result\":|1|}\n\r\n"));
  EXPECT_THAT(answer, HasSubstr("{\"result\":|2|}\n\r\n"));
  end_ = absl::UnavailableError("away");
  const std::string failed = Ask(Post("/v3/List", "{}"));
  EXPECT_THAT(failed, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(failed, HasSubstr(R"({"error":{"grpc_code":14,"http_code":503,"message":"away",)"
                                R"("http_status":"Service Unavailable","code":14}})"));
}

TEST_F(GatewayTest, StreamOfRequestsIsAValueEach) {
  const std::string answer = Ask(Post("/v3/Chat", "{\"a\":1}{\"b\":2}\n {}"));
  EXPECT_THAT(answer, HasSubstr("{\"result\":|{\"a\":1}|}\n"));
  EXPECT_THAT(answer, EndsWith("0\r\n\r\n"));
  EXPECT_EQ(heard_, "begin {\"a\":1} {\"b\":2} {} half-close gone");
}

TEST_F(GatewayTest, StreamBeginsWithoutAMessageToo) {
  EXPECT_THAT(Ask(Post("/v3/Chat", "")), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(heard_, "begin half-close gone");
}

TEST_F(GatewayTest, FirstBadValueIsAnsweredALaterOneEndsTheRequests) {
  const std::string answer = Ask(Post("/v3/Chat", "[0]"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(BodyOf(answer), HasSubstr("\"code\":2}"));
  EXPECT_EQ(heard_, "");
  EXPECT_THAT(Ask(Post("/v3/Chat", "{} [0] {}")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(heard_, "begin {} half-close gone");
}

TEST_F(GatewayTest, ErrorInTheMiddleOfAStreamIsItsLastLine) {
  end_ = absl::OutOfRangeError("compacted");
  EXPECT_THAT(Ask(Post("/v3/Chat", "{}")),
              HasSubstr(R"({"error":{"grpc_code":11,"http_code":400,"message":"compacted",)"));
}

TEST_F(GatewayTest, ClientThatGoesAwayCancels) {
  ends_with_half_close_ = false;
  auto client = Connect();
  Write(*client, Post("/v3/Chat", "{}"));
  while (heard_.find("half-close") == std::string::npos) Turn();
  client.reset();
  while (heard_.find("gone") == std::string::npos) Turn();
  EXPECT_EQ(heard_, "begin {} half-close cancel gone");
  EXPECT_TRUE(kept_->cancelled());
  kept_->Send(ByteChain(std::string("late")));
  kept_->Finish(absl::OkStatus());
}

TEST_F(GatewayTest, DeadlineEndsTheCall) {
  auto client = Connect();
  Write(*client, Post("/v3/Keep", "{}", "grpc-timeout: 5S\r\n"));
  while (kept_ == nullptr) Turn();
  EXPECT_EQ(kept_->deadline(), clock_.Now() + absl::Seconds(5));
  clock_.Advance(absl::Seconds(6));
  // The queue's timer is a real one: another deadline makes it look at the clock.
  const std::string other = Ask(Post("/v3/Echo", "{}", "grpc-timeout: 0n\r\n"));
  const std::string answer = ReadToEnd(*client);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(answer, HasSubstr("context deadline exceeded"));
  EXPECT_EQ(heard_.substr(heard_.size() - 7), " cancel");
  EXPECT_THAT(Ask(Post("/v3/Echo", "{}", "grpc-timeout: soon\r\n")),
              HasSubstr("invalid grpc-timeout: soon"));
}

// --- over a WebSocket -------------------------------------------------------------------------

class GatewaySocketTest : public GatewayTest {
 protected:
  static std::string Opening(const std::string& path, const std::string& more = "") {
    return "GET " + path +
           " HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
           "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           more + "\r\n";
  }
  // A client's message, with a mask of zeros.
  static std::string Text(const std::string& text) {
    return std::string({'\x81', static_cast<char>(0x80 | text.size()), 0, 0, 0, 0}) + text;
  }
  static std::string Close() { return std::string("\x88\x80\0\0\0\0", 6); }
  // What comes, until it has `end`.
  static std::string ReadUntil(http::RawClient& client, const std::string& end) {
    while (client.input().find(end) == std::string_view::npos && client.ReadMore()) {
    }
    return std::string(client.input());
  }
  // The bytes behind the handshake.
  static std::string FramesOf(const std::string& input) { return BodyOf(input); }
  static std::string Answer(const std::string& text) {
    return std::string({'\x81', static_cast<char>(text.size())}) + text;
  }
  static constexpr std::string_view kNormal{"\x88\x02\x03\xE8", 4};
};

TEST_F(GatewaySocketTest, AUnaryCallIsOneMessageEachWayAndTheEnd) {
  const std::string input = Ask(Opening("/v3/Echo") + Text("{\"a\":1}"));
  EXPECT_THAT(input, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(input, HasSubstr("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_EQ(FramesOf(input), Answer("|{\"a\":1}|") + std::string(kNormal));
  EXPECT_EQ(heard_, "/t.S/Echo {\"a\":1}");
  EXPECT_EQ(token_, "(none)");
}

TEST_F(GatewaySocketTest, AValueMayComeInTwoMessages) {
  Ask(Opening("/v3/Echo") + Text("{\"a\":") + Text("1}"));
  EXPECT_EQ(heard_, "/t.S/Echo {\"a\":\n1}");
}

TEST_F(GatewaySocketTest, ThePagesTokenIsTheSecondOfTwoProtocols) {
  const std::string input =
      Ask(Opening("/v3/Echo", "sec-websocket-protocol: Bearer, secret\r\n") + Text("{}"));
  EXPECT_THAT(input, HasSubstr("sec-websocket-protocol: Bearer\r\n"));
  EXPECT_EQ(token_, "Bearer secret");
}

TEST_F(GatewaySocketTest, AnErrorIsItsJson) {
  end_ = absl::NotFoundError("none");
  EXPECT_EQ(FramesOf(Ask(Opening("/v3/Echo") + Text("{}"))),
            Answer(R"({"error":"none","message":"none","code":5})") + std::string(kNormal));
  EXPECT_THAT(FramesOf(Ask(Opening("/v3/Chat") + Text("x"))), HasSubstr("\"code\":2"));
}

TEST_F(GatewaySocketTest, AServerStreamIsAMessageALine) {
  EXPECT_EQ(FramesOf(Ask(Opening("/v3/List") + Text("{}"))),
            Answer("{\"result\":|1|}") + Answer("{\"result\":|2|}") + std::string(kNormal));
}

TEST_F(GatewaySocketTest, AConversationGoesBothWaysUntilTheClientCloses) {
  const auto client = Connect();
  Write(*client, Opening("/v3/Chat"));
  for (const char* value : {"{\"a\":1}", "{\"b\":2}"}) {
    Write(*client, Text(value));
    ReadUntil(*client, Answer(std::string("{\"result\":|") + value + "|}"));
  }
  EXPECT_EQ(heard_, "begin {\"a\":1} {\"b\":2}");
  Write(*client, std::string("\x89\x82\0\0\0\0hi", 8));
  ReadUntil(*client, "\x8A\x02hi");
  Write(*client, Close());
  EXPECT_THAT(ReadToEnd(*client), EndsWith(std::string(kNormal)));
  EXPECT_EQ(heard_, "begin {\"a\":1} {\"b\":2} cancel gone");
}

TEST_F(GatewaySocketTest, AClientThatIsGoneEndsItsCall) {
  {
    const auto client = Connect();
    Write(*client, Opening("/v3/Chat") + Text("{}"));
    ReadUntil(*client, "|{}|");
  }
  while (heard_ != "begin {} cancel gone") Turn();
  const auto half = Connect();
  Write(*half, Opening("/v3/Keep") + Text("{}"));
  while (kept_ == nullptr || kept_->cancelled()) Turn();
  half->CloseWrite();
  ReadToEnd(*half);
  EXPECT_TRUE(kept_->cancelled());
}

TEST_F(GatewaySocketTest, WhoBreaksTheRulesIsToldAndSentAway) {
  const auto frames = [this](const std::string& bytes) {
    return FramesOf(Ask(Opening("/v3/Chat") + Text("{}") + bytes));
  };
  EXPECT_THAT(frames("\x81\x01x"), EndsWith(std::string("\x88\x02\x03\xEA", 4)));  // no mask
  EXPECT_THAT(frames(Text("\xFF")), EndsWith(std::string("\x88\x02\x03\xEF", 4)));
  EXPECT_THAT(frames(std::string("\x81\xFF\0\0\0\0\x7F\xFF\xFF\xFF\0\0\0\0", 14)),
              EndsWith(std::string("\x88\x02\x03\xF1", 4)));
  EXPECT_THAT(heard_, EndsWith("cancel gone"));
}

TEST_F(GatewaySocketTest, AnOpeningThatIsNoneIsRefused) {
  EXPECT_THAT(Ask("GET /v3/Chat HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, close\r\n"
                  "upgrade: websocket\r\nsec-websocket-version: 8\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /v3/Nobody HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, close\r\n"
                  "upgrade: websocket\r\n\r\n"),
              StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(heard_, "");
}

}  // namespace
}  // namespace keelson::rpc
