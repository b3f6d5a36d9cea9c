// The gRPC protocol as the wire shows it: what clients of other make may send, and what they get.
#include "server/rpc/rpc_server.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"
#include "server/rpc/compression.h"
#include "server/rpc/message_reader.h"

namespace keelson::rpc {
namespace {

using http::RawClient;
using Fields = std::map<std::string, std::string>;

// Counts itself and what it hears.
struct Heard {
  std::vector<std::string> messages;
  int half_closes = 0;
  int cancels = 0;
  int writables = 0;
  int alive = 0;
};
class Listener final : public StreamReceiver {
 public:
  Listener(Heard* heard, std::function<void(std::string_view)> on_message = nullptr)
      : heard_(heard), on_message_(std::move(on_message)) {
    ++heard_->alive;
  }
  ~Listener() override { --heard_->alive; }
  void OnMessage(SharedBytes message) override {
    heard_->messages.emplace_back(message.view());
    if (on_message_) on_message_(message.view());
  }
  void OnHalfClose() override { ++heard_->half_closes; }
  void OnCancel() override { ++heard_->cancels; }
  void OnWritable() override { ++heard_->writables; }

 private:
  Heard* const heard_;
  const std::function<void(std::string_view)> on_message_;
};

class RpcServerTest : public testing::Test {
 protected:
  struct Answer {
    std::optional<Fields> header;
    std::optional<Fields> trailer;  // of a trailers-only answer, the same as header
    std::string body;
    bool ended = false;
    std::optional<uint32_t> reset;
    std::string status() const { return Of("grpc-status"); }
    std::string message() const { return Of("grpc-message"); }

   private:
    std::string Of(const char* name) const {
      if (!trailer.has_value()) return "(none)";
      const auto found = trailer->find(name);
      return found == trailer->end() ? "(none)" : found->second;
    }
  };

  RpcServerTest() : server_(&loop_, &clock_, Options()) {
    server_.RegisterUnary("/t.S/Echo", [this](std::shared_ptr<Call> call, SharedBytes request) {
      calls_.push_back(call);
      call->Send(ByteChain(request));
      call->Finish(absl::OkStatus());
    });
    server_.RegisterUnary("/t.S/Keep", [this](std::shared_ptr<Call> call, SharedBytes) {
      call->OnCancel([this] { ++cancels_; });
      calls_.push_back(std::move(call));
    });
    server_.RegisterBidi("/t.S/Chat", [this](std::shared_ptr<Call> call) {
      calls_.push_back(std::move(call));
      return std::make_unique<Listener>(&heard_, on_message_);
    });
    server_.RegisterServerStream("/t.S/List", [this](std::shared_ptr<Call> call, SharedBytes) {
      calls_.push_back(std::move(call));
      return std::make_unique<Listener>(&heard_);
    });
    server_.RegisterHttp("/http", [this](HttpRequest request, auto respond) {
      http_request_ = std::move(request);
      respond_ = std::move(respond);
    });
    KV_CHECK(server_.Listen("127.0.0.1", 0).ok());
    client_ = Connect();
  }

  static RpcServerOptions Options() {
    RpcServerOptions options;
    options.request_bytes_max = 10'000;
    options.cors_origins = {};
    return options;
  }
  void Turn() {
    loop_.run_one_for(std::chrono::milliseconds(10));
    KV_CHECK(std::chrono::steady_clock::now() < end_) << "hangs";
  }
  void RunUntil(const std::function<bool()>& done) {
    while (!done()) Turn();
  }
  std::unique_ptr<RawClient> Connect() {
    return std::make_unique<RawClient>(server_.port(), RawClient::Greeting::kHttp2,
                                       [this] { Turn(); });
  }

  static std::string Framed(std::string_view message, bool compressed = false) {
    char prefix[kMessagePrefixBytes];
    EncodeMessagePrefix(compressed, message.size(), prefix);
    return std::string(prefix, kMessagePrefixBytes).append(message);
  }
  int32_t Open(const std::string& path, const RawClient::Fields& more = {}, uint8_t flags = 0) {
    RawClient::Fields fields = {{":method", "POST"}, {":scheme", "http"},
                                {":path", path},     {":authority", "t"},
                                {"te", "trailers"},  {"content-type", "application/grpc"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return client_->AddHeaders(fields, flags);
  }
  void Data(int32_t stream, std::string_view bytes, bool end = false) {
    client_->AddFrame(NGHTTP2_DATA, end ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes);
  }
  void Reset(int32_t stream) {
    client_->AddFrame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
  }
  bool ReadUntil(const std::function<bool()>& done) {
    while (!done()) {
      client_->Flush();
      std::vector<RawClient::Frame> frames;
      if (!client_->ReadFrames(&frames)) return done();
      for (const RawClient::Frame& frame : frames) Take(frame);
    }
    return true;
  }
  const Answer& ReadAnswer(int32_t stream) {
    ReadUntil([&] { return answers_[stream].ended || answers_[stream].reset.has_value(); });
    return answers_[stream];
  }
  const Answer& Ask(const std::string& path, std::string_view body,
                    const RawClient::Fields& more = {}) {
    const int32_t stream = Open(path, more);
    Data(stream, body, true);
    return ReadAnswer(stream);
  }

  asio::io_context loop_{1};
  RealClock clock_;
  std::vector<std::shared_ptr<Call>> calls_;
  Heard heard_;
  int cancels_ = 0;
  std::function<void(std::string_view)> on_message_;
  std::optional<HttpRequest> http_request_;
  std::function<void(HttpResponse)> respond_;
  RpcServer server_;
  std::unique_ptr<RawClient> client_;
  std::map<int32_t, Answer> answers_;

 private:
  void Take(const RawClient::Frame& frame) {
    Answer& answer = answers_[frame.stream];
    if (frame.type == NGHTTP2_RST_STREAM) answer.reset = 0;
    if (frame.type == NGHTTP2_DATA) answer.body.append(frame.payload);
    if (frame.type == NGHTTP2_HEADERS) {
      const RawClient::Fields list = client_->DecodeHeaders(frame.payload);
      const Fields fields(list.begin(), list.end());
      if (!answer.header.has_value()) answer.header = fields;
      if ((frame.flags & NGHTTP2_FLAG_END_STREAM) != 0) answer.trailer = fields;
    }
    if (frame.type <= NGHTTP2_HEADERS) {
      answer.ended |= (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
  }

  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

TEST_F(RpcServerTest, UnaryOnTheWire) {
  const Answer& answer = Ask("/t.S/Echo", Framed("abc"));
  EXPECT_EQ(answer.header, (Fields{{":status", "200"}, {"content-type", "application/grpc"}}));
  EXPECT_EQ(answer.body, Framed("abc"));
  EXPECT_EQ(answer.trailer, (Fields{{"grpc-status", "0"}}));
  EXPECT_EQ(calls_[0]->method(), "/t.S/Echo");
  EXPECT_FALSE(calls_[0]->cancelled());
}

TEST_F(RpcServerTest, AMessageMayBeSpreadOverFrames) {
  const std::string body = Framed(std::string(5000, 'x'));
  const int32_t stream = Open("/t.S/Echo");
  for (const char& byte : body.substr(0, 20)) Data(stream, {&byte, 1});
  Data(stream, "");
  Data(stream, body.substr(20));
  Data(stream, "", true);
  EXPECT_EQ(ReadAnswer(stream).body, body);
}

TEST_F(RpcServerTest, OneFrameMayHoldManyMessages) {
  const int32_t stream = Open("/t.S/Chat");
  Data(stream, Framed("a") + Framed("") + Framed("b") + Framed("cut").substr(0, 6));
  Data(stream, Framed("cut").substr(6), true);
  client_->Flush();
  RunUntil([this] { return heard_.half_closes == 1; });
  EXPECT_EQ(heard_.messages, (std::vector<std::string>{"a", "", "b", "cut"}));
}

TEST_F(RpcServerTest, EarlyErrorsAreTrailersOnly) {
  const Answer& method = Ask("/t.S/None", Framed(""));
  EXPECT_EQ(method.header, (Fields{{":status", "200"},
                                   {"content-type", "application/grpc"},
                                   {"grpc-accept-encoding", "gzip"},
                                   {"grpc-status", "12"},
                                   {"grpc-message", "unknown method None for service t.S"}}));
  EXPECT_EQ(method.header, method.trailer);
  EXPECT_EQ(Ask("/x.Y/Z", "").message(), "unknown service x.Y");
  EXPECT_EQ(Ask("/", "").message(), "malformed method name: \"/\"");
  EXPECT_EQ(Ask("/abc", "").status(), "12");
}

TEST_F(RpcServerTest, UnaryTakesExactlyOneMessage) {
  EXPECT_EQ(Ask("/t.S/Echo", "").status(), "13");
  EXPECT_EQ(Ask("/t.S/Echo", Framed("a") + Framed("b")).status(), "13");
  EXPECT_EQ(Ask("/t.S/List", Framed("a") + Framed("b")).status(), "13");
  EXPECT_EQ(Ask("/t.S/Echo", Framed("abc").substr(0, 6)).status(), "13");
  EXPECT_TRUE(calls_.empty());
  const int32_t stream = Open("/t.S/Echo", {}, NGHTTP2_FLAG_END_STREAM);
  EXPECT_EQ(ReadAnswer(stream).status(), "13");
}

TEST_F(RpcServerTest, TooLargeAMessage) {
  const int32_t stream = Open("/t.S/Echo");
  Data(stream, Framed(std::string(10'001, 'x')).substr(0, 5));
  const Answer& answer = ReadAnswer(stream);
  EXPECT_EQ(answer.status(), "8");
  EXPECT_EQ(answer.message(), "grpc: received message larger than max (10001 vs. 10000)");
  ReadUntil([&] { return answer.reset.has_value(); });  // the client may stop sending
}

TEST_F(RpcServerTest, GzipIsAnsweredWithGzipWhereItPays) {
  const RawClient::Fields gzip = {{"grpc-encoding", "gzip"},
                                  {"grpc-accept-encoding", "identity,deflate, gzip"}};
  const std::string large(5000, 'x');
  const Answer& compressed = Ask("/t.S/Echo", Framed(Gzip(ByteChain(large)), true), gzip);
  EXPECT_EQ(compressed.header->at("grpc-encoding"), "gzip");
  ASSERT_GT(compressed.body.size(), kMessagePrefixBytes);
  EXPECT_EQ(compressed.body[0], 1);
  EXPECT_EQ(*Gunzip(std::string_view(compressed.body).substr(kMessagePrefixBytes), 10'000), large);
  EXPECT_EQ(Ask("/t.S/Echo", Framed("small"), gzip).body, Framed("small"));
  const Answer& plain =
      Ask("/t.S/Echo", Framed(Gzip(ByteChain(large)), true), {{"grpc-encoding", "gzip"}});
  EXPECT_FALSE(plain.header->contains("grpc-encoding"));
  EXPECT_EQ(plain.body, Framed(large));
}

TEST_F(RpcServerTest, EncodingsWeDoNotHave) {
  const Answer& answer = Ask("/t.S/Echo", Framed("x"), {{"grpc-encoding", "snappy"}});
  EXPECT_EQ(answer.status(), "12");
  EXPECT_EQ(answer.message(), "grpc: Decompressor is not installed for grpc-encoding \"snappy\"");
  EXPECT_EQ(answer.header->at("grpc-accept-encoding"), "gzip");
  EXPECT_EQ(Ask("/t.S/Echo", Framed("x", true)).message(),
            "grpc: compressed flag set with identity or empty encoding");
  EXPECT_EQ(Ask("/t.S/Echo", Framed("not gzip", true), {{"grpc-encoding", "gzip"}}).status(), "13");
  EXPECT_EQ(Ask("/t.S/Echo", Framed(Gzip(ByteChain(std::string(1 << 20, 'b'))), true),
                {{"grpc-encoding", "gzip"}})
                .status(),
            "8");
}

TEST_F(RpcServerTest, ContentTypes) {
  for (const char* type : {"application/grpc+proto", "application/grpc;x=y"}) {
    const int32_t stream = client_->AddHeaders({{":method", "POST"},
                                                {":scheme", "http"},
                                                {":path", "/t.S/Echo"},
                                                {":authority", "t"},
                                                {"content-type", type}},
                                               0);
    Data(stream, Framed("x"), true);
    EXPECT_EQ(ReadAnswer(stream).status(), "0") << type;
  }
  for (const char* type : {"application/json", "application/grpc-web", ""}) {
    const int32_t stream = client_->AddHeaders({{":method", "POST"},
                                                {":scheme", "http"},
                                                {":path", "/t.S/Echo"},
                                                {":authority", "t"},
                                                {"content-type", type}},
                                               0);
    Data(stream, Framed("x"), true);
    EXPECT_EQ(ReadAnswer(stream).header->at(":status"), "415") << type;
  }
  const int32_t get = client_->AddHeaders({{":method", "GET"},
                                           {":scheme", "http"},
                                           {":path", "/t.S/Echo"},
                                           {":authority", "t"},
                                           {"content-type", "application/grpc"}},
                                          NGHTTP2_FLAG_END_STREAM);
  EXPECT_EQ(ReadAnswer(get).header->at(":status"), "405");
}

TEST_F(RpcServerTest, MetadataIsDecoded) {
  Ask("/t.S/Echo", Framed(""),
      {{"token", "first"},
       {"token", "second"},
       {"a-bin", "AP8"},
       {"b-bin", "AP8="},
       {"c-bin", "!"}});
  const Call& call = *calls_.at(0);
  EXPECT_EQ(call.metadata("token"), "first");
  EXPECT_EQ(call.metadata("a-bin"), std::string("\0\xff", 2));
  EXPECT_EQ(call.metadata("b-bin"), std::string("\0\xff", 2));
  EXPECT_EQ(call.metadata("c-bin"), std::nullopt);
  EXPECT_EQ(call.metadata("absent"), std::nullopt);
  EXPECT_EQ(call.deadline(), std::nullopt);
}

TEST_F(RpcServerTest, ADeadlineEndsTheCall) {
  const Answer& answer = Ask("/t.S/Keep", Framed(""), {{"grpc-timeout", "20m"}});
  EXPECT_EQ(answer.status(), "4");
  EXPECT_EQ(answer.message(), "context deadline exceeded");
  EXPECT_EQ(cancels_, 1);
  EXPECT_TRUE(calls_[0]->cancelled());
  EXPECT_TRUE(calls_[0]->deadline().has_value());
  calls_[0]->Send(ByteChain(std::string("late")));
  calls_[0]->Finish(absl::OkStatus());
  EXPECT_EQ(Ask("/t.S/Echo", Framed(""), {{"grpc-timeout", "0n"}}).status(), "0");
  EXPECT_EQ(Ask("/t.S/Echo", Framed(""), {{"grpc-timeout", "soon"}}).status(), "13");
}

TEST_F(RpcServerTest, EveryCallIsCountedOnceByHowItEnded) {
  Ask("/t.S/Echo", Framed("abc"));
  Ask("/t.S/Echo", "");
  Ask("/t.S/Echo", Framed(""), {{"grpc-timeout", "soon"}});
  Ask("/t.S/Keep", Framed("x"), {{"grpc-timeout", "0n"}});
  Ask("/x.Y/Z", "");
  std::map<std::string, const MethodStatistics*> methods;
  for (const MethodStatistics* method : server_.statistics()) {
    EXPECT_EQ(method->service, "t.S");
    methods[method->method] = method;
  }
  ASSERT_EQ(methods.size(), 4u);
  const MethodStatistics& echo = *methods.at("Echo");
  EXPECT_STREQ(echo.type, "unary");
  EXPECT_STREQ(methods.at("List")->type, "server_stream");
  EXPECT_STREQ(methods.at("Chat")->type, "bidi_stream");
  EXPECT_EQ(echo.started, 3u);
  EXPECT_EQ(echo.received, 1u);
  EXPECT_EQ(echo.received_bytes, 3u);
  EXPECT_EQ(echo.sent, 1u);
  EXPECT_EQ(echo.sent_bytes, 3u);
  EXPECT_EQ(echo.handled[0], 1u);
  EXPECT_EQ(echo.handled[13], 2u);
  EXPECT_EQ(methods.at("Keep")->handled[4], 1u);
  EXPECT_EQ(echo.handling, nullptr);
}

TEST_F(RpcServerTest, ADeadlineEndsAStreamInItsMiddle) {
  const int32_t stream = Open("/t.S/Chat", {{"grpc-timeout", "20m"}});
  ReadUntil([this] { return calls_.size() == 1 || answers_.size() > 1; });
  RunUntil([this] { return calls_.size() == 1; });
  calls_[0]->Send(ByteChain(std::string("one")));
  const Answer& answer = ReadAnswer(stream);
  EXPECT_EQ(answer.status(), "4");
  EXPECT_EQ(answer.body, Framed("one"));
  EXPECT_EQ(heard_.cancels, 1);
  RunUntil([this] { return heard_.alive == 0; });
}

TEST_F(RpcServerTest, ManyDeadlinesInAnyOrder) {
  std::vector<int32_t> streams;
  for (int i = 0; i < 200; ++i) {
    streams.push_back(Open("/t.S/Keep", {{"grpc-timeout", std::to_string(1 + i * 37 % 50) + "m"}}));
    Data(streams.back(), Framed(""), true);
  }
  for (const int32_t stream : streams) EXPECT_EQ(ReadAnswer(stream).status(), "4");
  EXPECT_EQ(cancels_, 200);
}

TEST_F(RpcServerTest, CancellationByTheClient) {
  const int32_t unary = Open("/t.S/Keep");
  Data(unary, Framed(""), true);
  const int32_t chat = Open("/t.S/Chat");
  const int32_t list = Open("/t.S/List");
  Data(list, Framed(""), true);
  client_->Flush();
  RunUntil([this] { return calls_.size() == 3; });
  Reset(unary);
  Reset(chat);
  Reset(list);
  client_->Flush();
  RunUntil([this] { return heard_.alive == 0 && cancels_ == 1; });
  EXPECT_EQ(heard_.cancels, 2);
  for (const auto& call : calls_) {
    EXPECT_TRUE(call->cancelled());
    EXPECT_EQ(call->queued_bytes(), 0u);
    EXPECT_NE(call->peer(), "");
    call->Send(ByteChain(std::string("too late")));
    call->Finish(absl::OkStatus());
  }
  EXPECT_EQ(Ask("/t.S/Echo", Framed("on")).status(), "0");
}

TEST_F(RpcServerTest, LossOfTheConnectionCancels) {
  Data(Open("/t.S/Keep"), Framed(""), true);
  Open("/t.S/Chat");
  client_->Flush();
  RunUntil([this] { return calls_.size() == 2; });
  client_->Abort();
  RunUntil([this] { return heard_.alive == 0 && cancels_ == 1 && heard_.cancels == 1; });
}

TEST_F(RpcServerTest, FinishIsTheLastWord) {
  const int32_t stream = Open("/t.S/Chat");
  client_->Flush();
  RunUntil([this] { return calls_.size() == 1; });
  calls_[0]->OnCancel([this] { ++cancels_; });
  calls_[0]->Send(ByteChain(std::string("a")));
  calls_[0]->Finish(absl::AbortedError("why \xc3\xbc"));
  calls_[0]->Finish(absl::OkStatus());
  calls_[0]->Send(ByteChain(std::string("b")));
  Data(stream, Framed("ignored"));
  const Answer& answer = ReadAnswer(stream);
  EXPECT_EQ(answer.body, Framed("a"));
  EXPECT_EQ(answer.status(), "10");
  EXPECT_EQ(answer.message(), "why %C3%BC");
  RunUntil([this] { return heard_.alive == 0; });
  EXPECT_EQ(heard_.cancels, 0);
  EXPECT_EQ(cancels_, 0);
  EXPECT_TRUE(heard_.messages.empty());
}

TEST_F(RpcServerTest, AReceiverMayFinishItsCallFromInside) {
  on_message_ = [this](std::string_view) { calls_.back()->Finish(absl::OkStatus()); };
  const int32_t stream = Open("/t.S/Chat");
  Data(stream, Framed("a") + Framed("b"));
  EXPECT_EQ(ReadAnswer(stream).status(), "0");
  EXPECT_EQ(heard_.messages.size(), 1u);
  RunUntil([this] { return heard_.alive == 0; });
}

TEST_F(RpcServerTest, AWriterHearsWhenTheClientHasCaughtUp) {
  const int32_t stream = Open("/t.S/List");
  Data(stream, Framed(""), true);
  client_->Flush();
  RunUntil([this] { return calls_.size() == 1; });
  size_t sent = 0;
  while (calls_[0]->queued_bytes() < (8 << 20)) {
    calls_[0]->Send(ByteChain(std::string(100'000, 'x')));
    sent += 100'005;
  }
  ReadUntil([this] { return heard_.writables > 0; });
  EXPECT_EQ(heard_.writables, 1);
  EXPECT_LE(calls_[0]->queued_bytes(), size_t{256} << 10);
  calls_[0]->Finish(absl::OkStatus());
  EXPECT_EQ(ReadAnswer(stream).body.size(), sent);
}

TEST_F(RpcServerTest, RequestsOfAClientThatDoesNotReadAreHeldBack) {
  client_ = std::make_unique<RawClient>(server_.port(), RawClient::Greeting::kHttp2Narrow,
                                        [this] { Turn(); });
  on_message_ = [this](std::string_view) {
    calls_.back()->Send(ByteChain(std::string(100'000, 'x')));
  };
  Open("/t.S/Chat");
  for (int i = 0; i < 20; ++i) Data(1, Framed("more"));
  client_->Flush();
  RunUntil([this] { return heard_.messages.size() == 20; });
  // From here on what comes is heard, but the client's window shrinks: a megabyte is the end of it.
  EXPECT_GT(calls_[0]->queued_bytes(), size_t{1} << 20);
}

TEST_F(RpcServerTest, PlainHttpOverHttp2) {
  const int32_t stream = client_->AddHeaders(
      {{":method", "POST"}, {":scheme", "http"}, {":path", "/http?a=b&c"}, {":authority", "t"}}, 0);
  Data(stream, "body", true);
  client_->Flush();
  RunUntil([this] { return http_request_.has_value(); });
  EXPECT_EQ(http_request_->path, "/http");
  EXPECT_EQ(http_request_->query, "a=b&c");
  EXPECT_EQ(http_request_->body, "body");
  respond_({.status = 201, .content_type = "a/b", .body = "late answer"});
  respond_({.body = "ignored"});
  const Answer& answer = ReadAnswer(stream);
  EXPECT_EQ(answer.header,
            (Fields{{":status", "201"}, {"content-type", "a/b"}, {"content-length", "11"}}));
  EXPECT_EQ(answer.body, "late answer");
  const int32_t none = client_->AddHeaders(
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/none"}, {":authority", "t"}},
      NGHTTP2_FLAG_END_STREAM);
  EXPECT_EQ(ReadAnswer(none).header->at(":status"), "404");
  const int32_t large = client_->AddHeaders(
      {{":method", "POST"}, {":scheme", "http"}, {":path", "/http"}, {":authority", "t"}}, 0);
  Data(large, std::string(10'001, 'x'));
  EXPECT_EQ(ReadAnswer(large).header->at(":status"), "413");
}

TEST_F(RpcServerTest, AnHttpAnswerAfterTheClientLeftIsDropped) {
  const int32_t stream = client_->AddHeaders(
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/http"}, {":authority", "t"}},
      NGHTTP2_FLAG_END_STREAM);
  client_->Flush();
  RunUntil([this] { return http_request_.has_value(); });
  Reset(stream);
  EXPECT_EQ(Ask("/t.S/Echo", Framed("")).status(), "0");
  respond_({.body = "too late"});
  EXPECT_EQ(Ask("/t.S/Echo", Framed("")).status(), "0");
}

TEST_F(RpcServerTest, ShutdownLetsCallsEnd) {
  const int32_t stream = Open("/t.S/Keep");
  Data(stream, Framed(""), true);
  client_->Flush();
  RunUntil([this] { return calls_.size() == 1; });
  bool done = false;
  server_.Shutdown(absl::Seconds(30), [&] { done = true; });
  calls_[0]->Send(ByteChain(std::string("bye")));
  calls_[0]->Finish(absl::OkStatus());
  EXPECT_EQ(ReadAnswer(stream).body, Framed("bye"));
  ReadUntil([] { return false; });
  client_->CloseWrite();
  RunUntil([&] { return done; });
}

TEST_F(RpcServerTest, ACallMayOutliveItsServer) {
  auto server = std::make_unique<RpcServer>(&loop_, &clock_, Options());
  std::shared_ptr<Call> kept;
  server->RegisterUnary("/t.S/Keep",
                        [&](std::shared_ptr<Call> call, SharedBytes) { kept = std::move(call); });
  ASSERT_TRUE(server->Listen("127.0.0.1", 0).ok());
  client_ =
      std::make_unique<RawClient>(server->port(), RawClient::Greeting::kHttp2, [this] { Turn(); });
  Data(Open("/t.S/Keep", {{"grpc-timeout", "1H"}}), Framed(""), true);
  client_->Flush();
  RunUntil([&] { return kept != nullptr; });
  server.reset();
  EXPECT_TRUE(kept->cancelled());
  kept->Finish(absl::OkStatus());
  kept.reset();
  loop_.poll();
}

}  // namespace
}  // namespace keelson::rpc
