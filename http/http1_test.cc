// HTTP/1.1 as its clients see it, byte by byte.
#include <string>

#include "asio/steady_timer.hpp"
#include "http/http_fixture.h"

namespace keelson::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Http1Test : public HttpFixture {
 protected:
  // Sends and reads until the server closes.
  std::string Ask(std::string_view bytes) {
    const auto client = Connect(RawClient::Greeting::kNone);
    client->AddBytes(bytes);
    client->Flush();
    std::string all;
    while (client->ReadMore()) {
      all.append(client->input());
      client->SkipInput(client->input().size());
    }
    return all;
  }
  // Reads until `end` has come; the input up to there.
  static std::string ReadThrough(RawClient* client, std::string_view end) {
    while (client->input().find(end) == std::string_view::npos) {
      if (!client->ReadMore()) return "closed after: " + std::string(client->input());
    }
    const size_t size = client->input().find(end) + end.size();
    std::string taken(client->input().substr(0, size));
    client->SkipInput(size);
    return taken;
  }
};

TEST_F(Http1Test, AnswersAndClosesWhenAsked) {
  Start();
  EXPECT_EQ(Ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\nGET /a?b=c ");
  ASSERT_EQ(exchanges_.size(), 1u);
  EXPECT_EQ(exchanges_[0]->request.headers.Get("host"), "x");
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
}

TEST_F(Http1Test, KeepsTheConnectionForTheNextRequest) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  for (int i = 0; i < 3; ++i) {
    client->AddBytes("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    client->Flush();
    EXPECT_THAT(ReadThrough(client.get(), "GET /x "), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(Http1Test, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  const std::string all =
      Ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
          "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
          "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_LT(all.find("GET /1 "), all.find("POST /2 abc"));
  EXPECT_LT(all.find("POST /2 abc"), all.find("GET /3 "));
  EXPECT_THAT(all, EndsWith("GET /3 "));
}

TEST_F(Http1Test, APipelinedRequestWaitsForTheAnswerBeforeIt) {
  on_end_ = nullptr;
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1 && exchanges_[0]->ended; });
  for (int i = 0; i < 5; ++i) Turn();
  EXPECT_EQ(exchanges_.size(), 1u);
  exchanges_[0]->stream->SendHeaders(204, {}, EndStream::kYes);
  RunUntil([this] { return exchanges_.size() == 2; });
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
}

TEST_F(Http1Test, ChunkedBodiesBothWays) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(std::string_view("one"));
    ByteChain chain;
    chain.Append(SharedBytes(std::string(20, 't')));
    chain.Append(SharedBytes(exchange->body));
    exchange->stream->SendData(chain);
    exchange->stream->End({});
  };
  Start();
  EXPECT_THAT(Ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                  "Connection: close\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: t\r\n\r\n"),
              EndsWith("transfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\none\r\n"
                       "19\r\nttttttttttttttttttttabcde\r\n0\r\n\r\n"));
}

TEST_F(Http1Test, RequestsMayComeByteByByte) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  for (const char byte :
       std::string_view("POST /abc HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz")) {
    client->AddBytes({&byte, 1});
    client->Flush();
    Turn();
  }
  EXPECT_THAT(ReadThrough(client.get(), "POST /abc xyz"), StartsWith("HTTP/1.1 200 OK"));
}

TEST_F(Http1Test, HeadHasTheHeaderOfGetAndNoBody) {
  Start();
  EXPECT_EQ(Ask("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\n");
}

TEST_F(Http1Test, ExpectIsAnsweredBeforeTheBodyComes) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes(
      "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  client->Flush();
  EXPECT_EQ(ReadThrough(client.get(), "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client->AddBytes("hi");
  client->Flush();
  EXPECT_THAT(ReadThrough(client.get(), "PUT /a hi"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(Http1Test, AnAnswerBeforeTheBodyIsReadClosesTheConnection) {
  on_request_ = [](Exchange* exchange) { exchange->stream->SendHeaders(413, {}, EndStream::kYes); };
  on_end_ = nullptr;
  Start();
  EXPECT_EQ(Ask("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\npart of it"),
            "HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n"
            "connection: close\r\n\r\n");
}

TEST_F(Http1Test, Http10ClosesUnlessAskedToKeepAlive) {
  Start();
  EXPECT_THAT(Ask("GET /a HTTP/1.0\r\n\r\n"), HasSubstr("connection: close\r\n"));
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  client->Flush();
  EXPECT_THAT(ReadThrough(client.get(), "GET /a "), HasSubstr("connection: keep-alive\r\n"));
}

TEST_F(Http1Test, AnEndlessAnswerToHttp10EndsWithTheConnection) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(std::string_view("body"));
    exchange->stream->End({});
  };
  Start();
  EXPECT_EQ(Ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody");
}

TEST_F(Http1Test, AClientMayCloseItsSideAfterTheRequest) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client->Flush();
  client->CloseWrite();
  EXPECT_THAT(ReadThrough(client.get(), "GET /a "), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_FALSE(client->ReadMore());
}

TEST_F(Http1Test, AHandlerHearsThatItsClientClosed) {
  on_end_ = nullptr;
  on_client_closed_ = [](Exchange* exchange) { exchange->stream->Reset(ResetCode::kCancel); };
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  client->CloseWrite();
  EXPECT_FALSE(client->ReadMore());
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kReset);
}

TEST_F(Http1Test, BadRequestsGetOneShortAnswer) {
  Start();
  const std::string large = "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a');
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 300; ++i) many += "h" + std::to_string(i) + ": v\r\n";
  const struct {
    std::string bytes;
    std::string answer;
  } cases[] = {
      {"garbage\r\n\r\n", "400 Bad Request"},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "400 Bad Request"},  // a TLS client
      {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},                // no Host
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "400 Bad Request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400 Bad Request"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"},
      {"PRI * HTTP/2.0\r\n\r\nXX", "400 Bad Request"},
      {large, "431 Request Header Fields Too Large"},
      {many + "\r\n", "431 Request Header Fields Too Large"},
  };
  for (const auto& [bytes, answer] : cases) {
    const std::string got = Ask(bytes);
    EXPECT_THAT(got, StartsWith("HTTP/1.1 " + answer)) << bytes.substr(0, 80);
    EXPECT_THAT(got, HasSubstr("connection: close\r\n"));
  }
  EXPECT_TRUE(exchanges_.empty());
  RunUntil([this] { return server_->connection_count() == 0; });
}

TEST_F(Http1Test, ABrokenBodyEndsTheRequestWithoutAnAnswer) {
  Start();
  EXPECT_EQ(Ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "");
  ASSERT_EQ(exchanges_.size(), 1u);
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kReset);
}

TEST_F(Http1Test, ASlowHeaderIsTimedOut) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET / HTTP/1.1\r\nHost");
  client->Flush();
  while (server_->connection_count() == 0) Turn();
  for (int i = 0; i < 3; ++i) Turn();
  clock_.Advance(options_.header_timeout + absl::Seconds(1));
  EXPECT_THAT(ReadThrough(client.get(), "\r\n"), StartsWith("HTTP/1.1 408 Request Timeout"));
}

TEST_F(Http1Test, AConnectionThatSaysNothingIsClosed) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  while (server_->connection_count() == 0) Turn();
  clock_.Advance(options_.header_timeout);
  EXPECT_FALSE(client->ReadMore());
}

TEST_F(Http1Test, ABodyThatStopsIsTimedOut) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123");
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  clock_.Advance(options_.body_timeout);
  EXPECT_THAT(ReadThrough(client.get(), "\r\n"), StartsWith("HTTP/1.1 408 Request Timeout"));
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kReset);
}

TEST_F(Http1Test, AnIdleConnectionIsClosed) {
  Start();
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client->Flush();
  ReadThrough(client.get(), "GET /a ");
  clock_.Advance(options_.http1_idle_timeout);
  EXPECT_FALSE(client->ReadMore());
}

TEST_F(Http1Test, AHandlerThatDoesNotConsumeStopsTheUpload) {
  options_.stream_window_bytes = 100'000;
  on_request_ = [](Exchange* exchange) { exchange->consume = false; };
  Start();
  constexpr size_t kBody = 32 << 20;
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kBody) +
                   "\r\n\r\n");
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  Exchange* exchange = exchanges_[0].get();
  // Far more than socket buffers hold is on its way; only a window of it gets in.
  client->AddBytes(std::string(kBody, 'b'));
  size_t most = 0;
  size_t consumed = 0;
  std::function<void()> consume_rest = [&] {
    most = std::max(most, exchange->body.size() - consumed);
    if (exchange->stream == nullptr || exchange->body.size() == consumed) return;
    const size_t step = exchange->body.size() - consumed;
    consumed += step;
    exchange->stream->Consume(step);
  };
  on_end_ = [](Exchange* e) { e->stream->SendHeaders(204, {}, EndStream::kYes); };
  // Flush runs the loop while it waits; a timer-free consumer: each turn gives back what came.
  asio::steady_timer pace(loop_);
  std::function<void()> tick = [&] {
    pace.expires_after(std::chrono::microseconds(100));
    pace.async_wait([&](const asio::error_code& error) {
      if (error) return;
      consume_rest();
      tick();
    });
  };
  tick();
  client->Flush();
  EXPECT_THAT(ReadThrough(client.get(), "\r\n\r\n"), StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(exchange->body.size(), kBody);
  EXPECT_LE(most, options_.stream_window_bytes + 4 * 128 * 1024);
  pace.cancel();
}

TEST_F(Http1Test, ShutdownFinishesTheRunningRequestAndCloses) {
  on_end_ = nullptr;
  Start();
  const auto busy = Connect(RawClient::Greeting::kNone);
  busy->AddBytes("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  busy->Flush();
  const auto idle = Connect(RawClient::Greeting::kNone);
  RunUntil([this] { return exchanges_.size() == 1 && server_->connection_count() == 2; });
  bool done = false;
  server_->Shutdown(absl::Seconds(60), [&] { done = true; });
  EXPECT_FALSE(idle->ReadMore());
  EXPECT_FALSE(done);
  exchanges_[0]->stream->SendHeaders(204, {}, EndStream::kYes);
  EXPECT_THAT(ReadThrough(busy.get(), "\r\n\r\n"), HasSubstr("connection: close\r\n"));
  EXPECT_FALSE(busy->ReadMore());
  busy->CloseWrite();
  RunUntil([&] { return done; });
}

// From then on both sides are bytes of no form, also those that came with the request.
TEST_F(Http1Test, AnUpgradedStreamIsBytesBothWays) {
  Start();
  on_request_ = [](Exchange* exchange) {
    EXPECT_TRUE(exchange->stream->Upgrade({{"upgrade", "x"}}));
    EXPECT_FALSE(exchange->stream->Upgrade({}));
    exchange->stream->SendData("hello");
  };
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendData(exchange->body);
    exchange->stream->End({});
  };
  const auto client = Connect(RawClient::Greeting::kNone);
  client->AddBytes("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nGET ");
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1 && exchanges_[0]->body == "GET "; });
  client->AddBytes("/ HTTP");
  client->Flush();
  client->CloseWrite();
  while (client->ReadMore()) {
  }
  EXPECT_EQ(client->input(),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: x\r\n\r\n"
            "helloGET / HTTP");
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
}

TEST_F(Http1Test, ARequestWithABodyOrOfAnOldClientIsNotUpgraded) {
  Start();
  on_request_ = [](Exchange* exchange) { EXPECT_FALSE(exchange->stream->Upgrade({})); };
  for (const char* request : {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx",
                              "GET / HTTP/1.0\r\nhost: x\r\n\r\n"}) {
    const auto client = Connect(RawClient::Greeting::kNone);
    client->AddBytes(request);
    client->Flush();
    client->CloseWrite();
    while (client->ReadMore()) {
    }
    EXPECT_EQ(client->input().substr(9, 3), "200") << request;
  }
}

}  // namespace
}  // namespace keelson::http
