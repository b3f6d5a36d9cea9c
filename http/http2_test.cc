// HTTP/2 as its clients see it, frame by frame: flow control, limits, misbehaviour, shutdown.
#include <sys/resource.h>

#include <map>
#include <string>

#include "base/coding.h"
#include "http/http_fixture.h"

namespace keelson::http {
namespace {

using Frame = RawClient::Frame;

class Http2Test : public HttpFixture {
 protected:
  // What one stream got.
  struct Answer {
    std::string data;
    bool ended = false;
    std::optional<uint32_t> reset;
  };

  std::unique_ptr<RawClient> Http2() { return Connect(RawClient::Greeting::kHttp2); }

  // Reads frames into answers_ until `done`, or the server closes (false).
  bool ReadUntil(RawClient* client, const std::function<bool()>& done) {
    while (!done()) {
      client->Flush();
      std::vector<Frame> frames;
      if (!client->ReadFrames(&frames)) return done();
      for (const Frame& frame : frames) Take(frame);
    }
    return true;
  }
  bool ReadAnswer(RawClient* client, int32_t stream) {
    return ReadUntil(client, [this, stream] {
      return answers_[stream].ended || answers_[stream].reset.has_value();
    });
  }
  // Reads until the server closes; the code and text of the last GOAWAY.
  std::pair<uint32_t, std::string> ReadGoAway(RawClient* client) {
    ReadUntil(client, [] { return false; });
    KV_CHECK(goaway_.has_value());
    return *goaway_;
  }

  std::map<int32_t, Answer> answers_;
  std::optional<std::pair<uint32_t, std::string>> goaway_;
  std::vector<uint32_t> goaway_streams_;
  std::vector<std::string> pings_;
  uint64_t connection_window_ = 65535;
  std::map<int32_t, uint64_t> stream_window_;
  int settings_acks_ = 0;

 private:
  void Take(const Frame& frame) {
    Answer& answer = answers_[frame.stream];
    switch (frame.type) {
      case NGHTTP2_DATA:
        answer.data.append(frame.payload);
        [[fallthrough]];
      case NGHTTP2_HEADERS:
        if ((frame.flags & NGHTTP2_FLAG_END_STREAM) != 0) answer.ended = true;
        break;
      case NGHTTP2_RST_STREAM:
        answer.reset = LoadBig32(frame.payload.data());
        break;
      case NGHTTP2_GOAWAY:
        goaway_streams_.push_back(LoadBig32(frame.payload.data()));
        goaway_ = {LoadBig32(frame.payload.data() + 4), std::string(frame.payload.substr(8))};
        break;
      case NGHTTP2_PING:
        if (frame.flags == 0) pings_.emplace_back(frame.payload);
        break;
      case NGHTTP2_SETTINGS:
        if (frame.flags != 0) ++settings_acks_;
        break;
      case NGHTTP2_WINDOW_UPDATE:
        (frame.stream == 0 ? connection_window_ : stream_window_[frame.stream]) +=
            LoadBig32(frame.payload.data());
        break;
      default:
        break;
    }
  }
};

TEST_F(Http2Test, AnswersRequestsWithAndWithoutBodies) {
  Start();
  const auto client = Http2();
  const int32_t get = client->AddHeaders(Get("/a"), NGHTTP2_FLAG_END_STREAM);
  const int32_t post = client->AddHeaders(Post("/b"), 0);
  client->AddFrame(NGHTTP2_DATA, 0, post, "one ");
  client->AddFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, post, "two");
  ASSERT_TRUE(ReadAnswer(client.get(), get));
  ASSERT_TRUE(ReadAnswer(client.get(), post));
  EXPECT_EQ(answers_[get].data, "GET /a ");
  EXPECT_EQ(answers_[post].data, "POST /b one two");
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
  EXPECT_EQ(exchanges_[1]->closed, CloseReason::kFinished);
}

TEST_F(Http2Test, BytesMayComeOneByOne) {
  Start();
  const auto narrow = Connect(RawClient::Greeting::kHttp2Narrow);
  // Taken apart by hand: the client's output is not visible, so the same bytes are built again.
  std::string bytes;
  const std::string block = narrow->EncodeHeaders(Get("/slow"));
  const auto client = Connect(RawClient::Greeting::kNone);
  bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes.append({0, 0, 0, 4, 0, 0, 0, 0, 0});
  bytes.append({0, 0, static_cast<char>(block.size()), 1, 5, 0, 0, 0, 1});
  bytes.append(block);
  for (const char byte : bytes) {
    client->AddBytes({&byte, 1});
    client->Flush();
    Turn();
  }
  ASSERT_TRUE(ReadAnswer(client.get(), 1));
  EXPECT_EQ(answers_[1].data, "GET /slow ");
}

TEST_F(Http2Test, TrailersFollowTheLastByte) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(std::string_view("data"));
    const std::string value = "copied";
    exchange->stream->End({{"a", value}, {"b", "static", Header::Storage::kStatic}});
  };
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  std::vector<uint8_t> types;
  bool ended = false;
  RawClient::Fields fields;
  client->Flush();
  while (!ended) {
    std::vector<Frame> frames;
    ASSERT_TRUE(client->ReadFrames(&frames));
    for (const Frame& frame : frames) {
      if (frame.stream != stream || frame.type > NGHTTP2_HEADERS) continue;
      types.push_back(frame.type);
      ended = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      if (frame.type != NGHTTP2_HEADERS) continue;
      for (auto& field : client->DecodeHeaders(frame.payload)) fields.push_back(std::move(field));
    }
  }
  EXPECT_EQ(types, (std::vector<uint8_t>{NGHTTP2_HEADERS, NGHTTP2_DATA, NGHTTP2_HEADERS}));
  EXPECT_EQ(fields, (RawClient::Fields{{":status", "200"}, {"a", "copied"}, {"b", "static"}}));
}

TEST_F(Http2Test, TrailersAloneAfterAllDataWentOut) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(std::string_view("data"));
  };
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return answers_[stream].data == "data"; }));
  exchanges_[0]->stream->End({{"a", "b"}});
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  EXPECT_EQ(answers_[stream].data, "data");
}

TEST_F(Http2Test, AnAnswerBeforeTheEndOfTheRequestStopsTheClient) {
  on_request_ = [](Exchange* exchange) { exchange->stream->SendHeaders(403, {}, EndStream::kYes); };
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Post("/"), 0);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return answers_[stream].reset.has_value(); }));
  EXPECT_TRUE(answers_[stream].ended);
  EXPECT_EQ(answers_[stream].reset, NGHTTP2_NO_ERROR);
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
}

TEST_F(Http2Test, ResetByTheClientReachesTheHandler) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  client->AddFrame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
  client->Flush();
  RunUntil([this] { return exchanges_[0]->closed.has_value(); });
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kReset);
}

TEST_F(Http2Test, LossOfTheConnectionReachesEveryHandler) {
  on_end_ = nullptr;
  Start();
  for (const bool abort : {false, true}) {
    exchanges_.clear();
    const auto client = Http2();
    for (int i = 0; i < 10; ++i) client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
    client->Flush();
    RunUntil([this] { return exchanges_.size() == 10; });
    abort ? client->Abort() : client->CloseWrite();
    RunUntil([this] { return OpenExchanges() == 0; });
    EXPECT_EQ(exchanges_[9]->closed, CloseReason::kConnectionLost);
    RunUntil([this] { return server_->connection_count() == 0; });
  }
}

TEST_F(Http2Test, ResetByTheHandlerReachesTheClient) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(std::string(100, 'x'));
    exchange->stream->Reset(ResetCode::kInternalError);
  };
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  EXPECT_EQ(answers_[stream].reset, NGHTTP2_INTERNAL_ERROR);
}

// --- flow control -------------------------------------------------------------------------------

TEST_F(Http2Test, AReaderThatNeverReadsHoldsABoundedAmount) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    while (exchange->stream->queued_bytes() <= (1 << 20)) {
      exchange->stream->SendData(ByteChain(std::string(10'000, 'x')));
    }
  };
  Start();
  const auto client = Http2();  // its windows are open; its socket is not read
  for (int i = 0; i < 20; ++i) client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 20; });
  for (int i = 0; i < 100; ++i) Turn();
  size_t queued = 0;
  for (const auto& exchange : exchanges_) queued += exchange->stream->queued_bytes();
  // Socket buffers take some; what left the streams for the connection's buffer is little.
  EXPECT_GT(queued, size_t{8} << 20);
  // Once it reads, everything comes, and every handler that was too far ahead hears it may go on.
  on_writable_ = [](Exchange* exchange) { exchange->stream->End({}); };
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return OpenExchanges() == 0; }));
  for (const auto& exchange : exchanges_) EXPECT_EQ(exchange->writable_count, 1);
}

TEST_F(Http2Test, NothingIsSentBeyondTheClientsWindows) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(ByteChain(std::string(300'000, 'x')));
    exchange->stream->End({{"t", "1"}});
  };
  Start();
  const auto client = Connect(RawClient::Greeting::kHttp2Narrow);
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return answers_[stream].data.size() >= 65535; }));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_EQ(answers_[stream].data.size(), 65535u);
  EXPECT_EQ(exchanges_[0]->stream->queued_bytes(), 300'000u - 65535u);
  std::string increment;
  AppendBig32(increment, 1 << 20);
  client->AddFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment);
  client->AddFrame(NGHTTP2_WINDOW_UPDATE, 0, stream, increment);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  EXPECT_EQ(answers_[stream].data, std::string(300'000, 'x'));
}

TEST_F(Http2Test, ALargeUploadFlowsAsTheHandlerConsumes) {
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Post("/"), 0);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return settings_acks_ > 0; }));
  constexpr size_t kBody = 50 << 20;
  size_t sent = 0;
  const std::string chunk(16384, 'u');
  stream_window_[stream] = options_.stream_window_bytes;
  const auto room = [&] { return std::min(connection_window_, stream_window_[stream]) - sent; };
  while (sent < kBody) {
    while (sent < kBody && room() >= chunk.size()) {
      client->AddFrame(NGHTTP2_DATA, 0, stream, chunk);
      sent += chunk.size();
    }
    ASSERT_TRUE(ReadUntil(client.get(), [&] { return room() >= chunk.size(); }));
  }
  client->AddFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, "");
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  EXPECT_EQ(exchanges_[0]->body.size(), sent);
}

TEST_F(Http2Test, AHandlerThatDoesNotConsumeHoldsItsStreamOnly) {
  on_request_ = [](Exchange* exchange) {
    exchange->consume = exchange->request.headers.Get(":path") != "/slow";
  };
  Start();
  const auto client = Http2();
  const int32_t slow = client->AddHeaders(Post("/slow"), 0);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return settings_acks_ > 0; }));
  const std::string chunk(16384, 'u');
  for (int i = 0; i < (1 << 20) / 16384; ++i) client->AddFrame(NGHTTP2_DATA, 0, slow, chunk);
  const int32_t other = client->AddHeaders(Post("/other"), 0);
  client->AddFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, other, chunk);
  ASSERT_TRUE(ReadAnswer(client.get(), other));
  EXPECT_EQ(stream_window_[slow], 0u);
  EXPECT_EQ(exchanges_[0]->body.size(), size_t{1} << 20);
  exchanges_[0]->stream->Consume(1 << 20);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return stream_window_[slow] > 0; }));
  EXPECT_EQ(stream_window_[slow], uint64_t{1} << 20);
  // One byte too many for the window is the client's fault, and the stream's end.
  for (int i = 0; i <= (1 << 20) / 16384; ++i) client->AddFrame(NGHTTP2_DATA, 0, slow, chunk);
  ASSERT_TRUE(ReadUntil(client.get(),
                        [&] { return answers_[slow].reset.has_value() || goaway_.has_value(); }));
}

TEST_F(Http2Test, StreamsTakeTurns) {
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    const bool large = exchange->request.headers.Get(":path") == "/large";
    exchange->stream->SendData(ByteChain(std::string(large ? 100 << 20 : 100, 'x')));
    exchange->stream->End({});
  };
  Start();
  const auto client = Http2();
  const int32_t large = client->AddHeaders(Get("/large"), NGHTTP2_FLAG_END_STREAM);
  const int32_t small = client->AddHeaders(Get("/small"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), small));
  EXPECT_LT(answers_[large].data.size(), size_t{50} << 20);
  ASSERT_TRUE(ReadAnswer(client.get(), large));
  EXPECT_EQ(answers_[large].data.size(), size_t{100} << 20);
}

TEST_F(Http2Test, NewStreamsAreRefusedWhileTooMuchIsQueued) {
  options_.connection_queued_bytes_max = 10 << 20;
  on_end_ = [](Exchange* exchange) {
    exchange->stream->SendHeaders(200, {}, EndStream::kNo);
    exchange->stream->SendData(ByteChain(std::string(6 << 20, 'x')));
    exchange->stream->End({});
  };
  Start();
  const auto client = Connect(RawClient::Greeting::kHttp2Narrow);
  client->AddHeaders(Get("/1"), NGHTTP2_FLAG_END_STREAM);
  client->AddHeaders(Get("/2"), NGHTTP2_FLAG_END_STREAM);
  const int32_t third = client->AddHeaders(Get("/3"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), third));
  EXPECT_EQ(answers_[third].reset, NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(exchanges_.size(), 2u);
}

// --- limits and misbehaviour --------------------------------------------------------------------

TEST_F(Http2Test, TooLargeAHeaderIsAnswered431) {
  Start();
  const auto client = Http2();
  RawClient::Fields large = Get("/");
  for (int i = 0; i < 5; ++i) large.emplace_back("x" + std::to_string(i), std::string(14'000, 'v'));
  RawClient::Fields many = Get("/");
  for (int i = 0; i < 300; ++i) many.emplace_back("h" + std::to_string(i), "v");
  // Indexed fields are small on the wire and large here.
  RawClient::Fields bomb = Get("/");
  for (int i = 0; i < 1000; ++i) bomb.emplace_back("bomb", std::string(3000, 'b'));
  for (const RawClient::Fields& fields : {many, bomb}) {
    const int32_t stream = client->AddHeaders(fields, NGHTTP2_FLAG_END_STREAM);
    ASSERT_TRUE(ReadAnswer(client.get(), stream));
    EXPECT_FALSE(answers_[stream].reset.has_value());
  }
  EXPECT_TRUE(exchanges_.empty());
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  EXPECT_EQ(answers_[stream].data, "GET / ");
}

TEST_F(Http2Test, StreamsBeyondTheLimitAreRefused) {
  options_.concurrent_streams_max = 10;
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return settings_acks_ > 0; }));
  client->Flush();
  int32_t last = 0;
  for (int i = 0; i < 11; ++i) last = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ReadAnswer(client.get(), last);
  EXPECT_EQ(exchanges_.size(), 10u);
}

TEST_F(Http2Test, PingsTooOftenEndTheConnection) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  for (int i = 0; i < 4; ++i) client->AddFrame(NGHTTP2_PING, 0, 0, "pingpong");
  EXPECT_EQ(ReadGoAway(client.get()),
            std::make_pair(uint32_t{NGHTTP2_ENHANCE_YOUR_CALM}, std::string("too_many_pings")));
  EXPECT_EQ(OpenExchanges(), 0u);
}

TEST_F(Http2Test, PingsAtTheAllowedPaceAreAnswered) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  for (int i = 0; i < 10; ++i) {
    client->AddFrame(NGHTTP2_PING, 0, 0, "pingpong");
    std::vector<Frame> frames;
    for (bool answered = false; !answered;) {
      client->Flush();
      ASSERT_TRUE(client->ReadFrames(&frames));
      for (const Frame& frame : frames) {
        answered |= frame.type == NGHTTP2_PING && frame.flags == NGHTTP2_FLAG_ACK;
      }
    }
    clock_.Advance(options_.ping_interval_min);
  }
  // Without a stream the same pace is too much: two strikes are allowed, the third ends it.
  client->AddFrame(NGHTTP2_RST_STREAM, 0, 1, std::string("\0\0\0\x8", 4));
  for (int i = 0; i < 3; ++i) client->AddFrame(NGHTTP2_PING, 0, 0, "pingpong");
  EXPECT_EQ(ReadGoAway(client.get()).second, "too_many_pings");
}

TEST_F(Http2Test, FloodsOfControlFramesEndTheConnection) {
  options_.control_frames_burst = 1000;
  options_.control_frames_per_second = 100;
  on_end_ = nullptr;
  Start();
  std::string one;
  AppendBig32(one, 1);
  const struct {
    const char* name;
    uint8_t type;
    int32_t stream;
    std::string payload;
  } floods[] = {
      {"settings", NGHTTP2_SETTINGS, 0, ""},
      {"window updates", NGHTTP2_WINDOW_UPDATE, 0, one},
      {"priorities", NGHTTP2_PRIORITY, 1, std::string(5, '\0')},
      {"empty data", NGHTTP2_DATA, 1, ""},
  };
  for (const auto& flood : floods) {
    SCOPED_TRACE(flood.name);
    goaway_.reset();
    const auto client = Http2();
    client->AddHeaders(Post("/"), 0);
    for (int i = 0; i < 20'000; ++i) {
      client->AddFrame(flood.type, 0, flood.stream, flood.payload);
      if (i % 1000 == 0) client->Flush();
    }
    ReadUntil(client.get(), [] { return false; });
    client->CloseWrite();
    RunUntil([this] { return server_->connection_count() == 0; });
    EXPECT_EQ(OpenExchanges(), 0u) << flood.name;
  }
}

// nghttp2 drops them before anyone can count; they cost what reading them costs.
TEST_F(Http2Test, FramesOfUnknownTypesAreIgnored) {
  Start();
  const auto client = Http2();
  for (int i = 0; i < 1000; ++i) client->AddFrame(0x77, 0xff, i % 3, "some payload");
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
}

TEST_F(Http2Test, RapidResetEndsTheConnection) {
  options_.resets_burst = 100;
  options_.resets_per_second = 1;
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  for (int i = 0; i < 1000; ++i) {
    const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
    client->AddFrame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
  }
  EXPECT_EQ(ReadGoAway(client.get()).second, "too_many_resets");
  EXPECT_LE(exchanges_.size(), 101u);
  RunUntil([this] { return OpenExchanges() == 0; });
}

TEST_F(Http2Test, EndlessContinuationsEndTheConnection) {
  Start();
  const auto client = Http2();
  const int32_t stream = client->NextStream();
  client->AddFrame(NGHTTP2_HEADERS, 0, stream, client->EncodeHeaders(Get("/")));
  for (int i = 0; i < 100; ++i) client->AddFrame(NGHTTP2_CONTINUATION, 0, stream, "");
  ReadUntil(client.get(), [] { return false; });
  RunUntil([this] { return OpenExchanges() == 0; });
  EXPECT_TRUE(exchanges_.empty());
}

TEST_F(Http2Test, AHeaderThatNeverEndsIsTimedOut) {
  Start();
  const auto client = Connect(RawClient::Greeting::kHttp2Narrow);
  client->AddFrame(NGHTTP2_HEADERS, 0, client->NextStream(), client->EncodeHeaders(Get("/")));
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return settings_acks_ > 0; }));
  clock_.Advance(options_.header_timeout);
  EXPECT_EQ(ReadGoAway(client.get()).second, "header_timeout");
}

TEST_F(Http2Test, AnIdleConnectionIsClosedWhenThereIsALimit) {
  options_.idle_timeout = absl::Minutes(5);
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  client->Flush();
  for (int i = 0; i < 10; ++i) Turn();
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(ReadGoAway(client.get()), std::make_pair(0u, std::string("idle_timeout")));
}

TEST_F(Http2Test, ASilentClientIsPingedAndClosedWhenItStaysSilent) {
  Start();
  const auto client = Connect(RawClient::Greeting::kHttp2Narrow);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return settings_acks_ > 0; }));
  clock_.Advance(options_.keepalive_interval);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return pings_.size() == 1; }));
  client->AddFrame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, pings_[0]);
  clock_.Advance(options_.keepalive_timeout - absl::Seconds(1));
  client->Flush();
  for (int i = 0; i < 10; ++i) Turn();
  clock_.Advance(absl::Seconds(2));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_EQ(server_->connection_count(), 1u);
  clock_.Advance(options_.keepalive_interval);
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return pings_.size() == 2; }));
  clock_.Advance(options_.keepalive_timeout);
  EXPECT_FALSE(ReadUntil(client.get(), [] { return false; }));
  RunUntil([this] {
    clock_.Advance(absl::Seconds(1));
    return server_->connection_count() == 0;
  });
}

// --- connections --------------------------------------------------------------------------------

TEST_F(Http2Test, ShutdownLetsRunningStreamsEnd) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  bool done = false;
  server_->Shutdown(absl::Seconds(60), [&] { done = true; });
  // First the notice that names no stream, then, after a round trip, the last one accepted.
  ASSERT_TRUE(ReadUntil(client.get(), [&] { return goaway_streams_.size() == 2; }));
  EXPECT_EQ(goaway_streams_, (std::vector<uint32_t>{0x7fffffff, static_cast<uint32_t>(stream)}));
  EXPECT_FALSE(done);
  exchanges_[0]->stream->SendHeaders(200, {}, EndStream::kYes);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  ReadUntil(client.get(), [] { return false; });
  client->CloseWrite();
  RunUntil([&] { return done; });
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kFinished);
}

TEST_F(Http2Test, ShutdownClosesWhatOutlivesTheGrace) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  bool done = false;
  server_->Shutdown(absl::Milliseconds(5), [&] { done = true; });
  RunUntil([&] { return done; });
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kConnectionLost);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(Http2Test, ShutdownWithoutConnectionsIsDoneAtOnce) {
  Start();
  bool done = false;
  server_->Shutdown(absl::Seconds(60), [&] { done = true; });
  RunUntil([&] { return done; });
}

TEST_F(Http2Test, DestructionEndsOpenStreams) {
  on_end_ = nullptr;
  Start();
  const auto client = Http2();
  client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  client->Flush();
  RunUntil([this] { return exchanges_.size() == 1; });
  server_.reset();
  EXPECT_EQ(exchanges_[0]->closed, CloseReason::kConnectionLost);
  loop_.poll();
}

TEST_F(Http2Test, ConnectionsBeyondTheLimitAreClosed) {
  options_.connections_max = 2;
  Start();
  const auto first = Http2();
  const auto second = Http2();
  RunUntil([this] { return server_->connection_count() == 2; });
  const auto third = Http2();
  third->Flush();
  EXPECT_FALSE(third->ReadMore());
  EXPECT_EQ(server_->connection_count(), 2u);
}

TEST_F(Http2Test, AcceptingSurvivesTheLackOfDescriptors) {
  Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  clients.push_back(Http2());
  clients.push_back(Http2());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 20; ++i) Turn();
  EXPECT_EQ(server_->connection_count(), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  RunUntil([this] { return server_->connection_count() == 2; });
}

TEST_F(Http2Test, ATakenPortIsToldAsGoTellsIt) {
  Start();
  const std::string port = std::to_string(server_->port());
  const absl::Status status = server_->Listen("127.0.0.1", server_->port());
  EXPECT_EQ(std::string(status.message()),
            "listen tcp 127.0.0.1:" + port + ": bind: address already in use");
  EXPECT_FALSE(server_->Listen("no.such.host.invalid", 0).ok());
}

TEST_F(Http2Test, ListensOnSeveralAddresses) {
  Start();
  ASSERT_TRUE(server_->Listen("localhost", 0).ok());
  ASSERT_TRUE(server_->Listen("", 0).ok());
  const auto client = Http2();
  const int32_t stream = client->AddHeaders(Get("/"), NGHTTP2_FLAG_END_STREAM);
  ASSERT_TRUE(ReadAnswer(client.get(), stream));
  const absl::Status v6 = server_->Listen("[::1]", 0);
  EXPECT_TRUE(v6.ok() || v6.message().find("[::1]") != std::string::npos) << v6;
}

}  // namespace
}  // namespace keelson::http
