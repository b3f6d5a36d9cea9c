// Bytes that no client should send: valid conversations, mutated by a seeded generator. Whatever
// comes, the server goes on serving others and keeps nothing of it. Seeds are 0, 1, 2 ...; a
// failure prints the one it happened at.
#include <random>
#include <string>
#include <vector>

#include "http/http_fixture.h"

namespace keelson::http {
namespace {

class MalformedTest : public HttpFixture {
 protected:
  static std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
    std::string frame = {static_cast<char>(payload.size() >> 16),
                         static_cast<char>(payload.size() >> 8),
                         static_cast<char>(payload.size()),
                         static_cast<char>(type),
                         static_cast<char>(flags),
                         0,
                         0,
                         0,
                         static_cast<char>(stream)};
    return frame.append(payload);
  }

  // One of everything a client may say over HTTP/2.
  std::string ValidHttp2(std::mt19937_64* random) {
    const auto encoder = Connect(RawClient::Greeting::kNone);
    std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    bytes += Frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\3\0\0\0\x64\0\4\0\0\xff\xff", 12));
    bytes += Frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\0\1\0\0", 4));
    for (int i = 0; i < 6; ++i) {
      const auto stream = static_cast<uint8_t>(2 * i + 1);
      RawClient::Fields fields = Post("/path/" + std::to_string((*random)() % 100));
      fields.emplace_back("content-type", "application/grpc");
      fields.emplace_back("x-" + std::to_string((*random)() % 3),
                          std::string((*random)() % 90, 'v'));
      const std::string block = encoder->EncodeHeaders(fields);
      switch ((*random)() % 4) {
        case 0:
          bytes += Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                         stream, block);
          break;
        case 1:
          bytes += Frame(NGHTTP2_HEADERS, 0, stream, block.substr(0, block.size() / 2));
          bytes += Frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, stream,
                         block.substr(block.size() / 2));
          bytes += Frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, "end");
          break;
        default:
          bytes += Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, block);
          bytes += Frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, stream, std::string("\3data\0\0\0", 8));
          bytes += Frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, std::string(300, 'd'));
      }
      switch ((*random)() % 5) {
        case 0:
          bytes += Frame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x8", 4));
          break;
        case 1:
          bytes += Frame(NGHTTP2_PING, 0, 0, "pingpong");
          break;
        case 2:
          bytes += Frame(NGHTTP2_PRIORITY, 0, stream, std::string("\0\0\0\0\x10", 5));
          break;
        case 3:
          bytes += Frame(NGHTTP2_WINDOW_UPDATE, 0, stream, std::string("\0\0\1\0", 4));
          break;
        default:
          bytes += Frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
      }
    }
    if ((*random)() % 3 == 0) bytes += Frame(NGHTTP2_GOAWAY, 0, 0, std::string(8, '\0'));
    return bytes;
  }

  static std::string ValidHttp1(std::mt19937_64* random) {
    std::string bytes;
    for (int i = 0; i < 3; ++i) {
      switch ((*random)() % 3) {
        case 0:
          bytes += "GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
          break;
        case 1:
          bytes += "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
          break;
        default:
          bytes +=
              "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
              "Expect: 100-continue\r\n\r\n4\r\nabcd\r\n5;e=f\r\nefghi\r\n0\r\nT: u\r\n\r\n";
      }
    }
    return bytes;
  }

  static std::string Mutate(std::string bytes, std::mt19937_64* random) {
    const auto position = [&] { return (*random)() % (bytes.size() + 1); };
    for (uint64_t i = (*random)() % 4; i > 0; --i) {
      switch ((*random)() % 6) {
        case 0:
          if (!bytes.empty()) bytes[(*random)() % bytes.size()] ^= 1 << (*random)() % 8;
          break;
        case 1:
          if (!bytes.empty()) bytes[(*random)() % bytes.size()] = static_cast<char>((*random)());
          break;
        case 2:
          bytes.insert(position(), 1 + (*random)() % 20, static_cast<char>((*random)()));
          break;
        case 3:
          bytes.erase(position(), 1 + (*random)() % 20);
          break;
        case 4: {  // repeats a part
          const std::string part = bytes.substr(position(), (*random)() % 200);
          bytes.insert(position(), part);
          break;
        }
        default:
          bytes.resize(position());
      }
    }
    return bytes;
  }
};

TEST_F(MalformedTest, WhateverComesOthersAreServed) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr uint64_t kSeeds = 1500;
#else
  constexpr uint64_t kSeeds = 6000;
#endif
  // Handlers of all kinds: at once, later, never, in part, by reset.
  std::mt19937_64 behaviour(99);
  on_end_ = [&](Exchange* exchange) {
    switch (behaviour() % 6) {
      case 0:
        return;
      case 1:
        return exchange->stream->Reset(ResetCode::kInternalError);
      case 2:
        exchange->stream->SendHeaders(200, {}, EndStream::kNo);
        return exchange->stream->SendData(std::string(behaviour() % 3000, 'z'));
      default:
        exchange->stream->SendHeaders(200, {}, EndStream::kNo);
        exchange->stream->SendData(ByteChain(std::string(behaviour() % 100'000, 'y')));
        exchange->stream->End({{"trailer", "t"}});
    }
  };
  // An answer that would never come is given up when its client is gone.
  on_client_closed_ = [](Exchange* exchange) { exchange->stream->Reset(ResetCode::kCancel); };
  Start();
  size_t requests = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::string valid = seed % 3 == 0 ? ValidHttp1(&random) : ValidHttp2(&random);
    const std::string bytes = Mutate(valid, &random);
    {
      const auto client = Connect(RawClient::Greeting::kNone);
      // In up to three pieces, with the server's turns between.
      std::string_view rest = bytes;
      for (int i = 0; i < 3 && !rest.empty(); ++i) {
        const size_t count = i == 2 ? rest.size() : random() % (rest.size() + 1);
        client->AddBytes(rest.substr(0, count));
        rest.remove_prefix(count);
        client->Flush();
        for (uint64_t turns = random() % 3; turns > 0; --turns) loop_.poll();
      }
      switch (random() % 3) {
        case 0:
          client->Abort();
          break;
        case 1:
          client->CloseWrite();
          loop_.poll();
          break;
        default:
          loop_.poll();
      }
    }
    if (seed % 100 != 99) continue;
    // Clients are gone; so must be what they left.
    RunUntil([this] {
      clock_.Advance(absl::Seconds(1));
      return server_->connection_count() == 0;
    });
    ASSERT_EQ(OpenExchanges(), 0u);
    requests += exchanges_.size();
    exchanges_.clear();
    const auto saved = std::exchange(on_end_, [](Exchange* exchange) {
      exchange->stream->SendHeaders(204, {}, EndStream::kYes);
    });
    const auto client = Connect(RawClient::Greeting::kNone);
    client->AddBytes("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client->Flush();
    std::string answer;
    while (client->ReadMore()) {
      answer.append(client->input());
      client->SkipInput(client->input().size());
    }
    ASSERT_EQ(answer.substr(0, 12), "HTTP/1.1 204");
    exchanges_.clear();
    on_end_ = saved;
  }
  EXPECT_GT(requests, kSeeds);  // the mutations leave enough intact to reach the handlers
}

}  // namespace
}  // namespace keelson::http
