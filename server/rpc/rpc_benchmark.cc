// What a call costs the server: an RpcServer on a thread of its own, RawClients on the benchmark's.
// server_us is the CPU time of the server's thread for each call or message, kernel included.
#include <pthread.h>

#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "base/check.h"
#include "benchmark/benchmark.h"
#include "http/raw_client.h"
#include "server/rpc/echo_service.h"
#include "server/rpc/message_reader.h"

namespace keelson::rpc {
namespace {

using http::RawClient;

constexpr std::string_view kWatchId = "watch id";

// A call's header and first message; returns its stream.
int32_t AddCall(RawClient* client, const std::string& path, std::string_view message,
                uint8_t data_flags) {
  const int32_t stream = client->AddHeaders({{":method", "POST"},
                                             {":scheme", "http"},
                                             {":path", path},
                                             {":authority", "127.0.0.1:2379"},
                                             {"content-type", "application/grpc"},
                                             {"user-agent", "grpc-go/1.59.0"},
                                             {"te", "trailers"}},
                                            0);
  char prefix[kMessagePrefixBytes];
  EncodeMessagePrefix(false, message.size(), prefix);
  client->AddFrame(NGHTTP2_DATA, data_flags, stream,
                   std::string(prefix, kMessagePrefixBytes).append(message));
  return stream;
}
void AddUnary(RawClient* client, std::string_view message) {
  AddCall(client, "/test.Echo/Echo", message, NGHTTP2_FLAG_END_STREAM);
}

// A watcher of FanOut: only listens.
class Watcher final : public StreamReceiver {
  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override {}
};

class BenchmarkServer {
 public:
  BenchmarkServer() : loop_(1), server_(&loop_, &clock_, {}), work_(loop_.get_executor()) {
    RegisterEchoService(&loop_, &server_);
    server_.RegisterBidi("/test.Fan/Watch", [this](std::shared_ptr<Call> call) {
      watchers_.push_back(std::move(call));
      return std::make_unique<Watcher>();
    });
    // One event, shared by all watchers, each with a few bytes of its own before it.
    server_.RegisterUnary("/test.Fan/Put", [this](std::shared_ptr<Call> call, SharedBytes event) {
      for (const auto& watcher : watchers_) {
        ByteChain message;
        message.Append(SharedBytes(std::string(kWatchId)));
        message.Append(event);
        watcher->Send(message);
      }
      call->Send(ByteChain(std::string("ok")));
      call->Finish(absl::OkStatus());
    });
    KV_CHECK(server_.Listen("127.0.0.1", 0).ok());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~BenchmarkServer() {
    asio::post(loop_, [this] { loop_.stop(); });
    thread_.join();
  }
  uint16_t port() const { return server_.port(); }
  double CpuSeconds() {
    clockid_t clock;
    KV_CHECK_EQ(pthread_getcpuclockid(thread_.native_handle(), &clock), 0);
    timespec time;
    KV_CHECK_EQ(clock_gettime(clock, &time), 0);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }

 private:
  asio::io_context loop_;
  RealClock clock_;
  std::vector<std::shared_ptr<Call>> watchers_;
  RpcServer server_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

void Report(benchmark::State& state, double cpu_seconds, uint64_t count) {
  state.counters["server_us"] = cpu_seconds * 1e6 / static_cast<double>(count);
  state.SetItemsProcessed(static_cast<int64_t>(count));
}

// range(0) calls outstanding on each of range(1) connections, 256 bytes each way.
void UnaryEcho(benchmark::State& state) {
  BenchmarkServer server;
  const std::string message(256, 'm');
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int64_t i = 0; i < state.range(1); ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port(), RawClient::Greeting::kHttp2));
    for (int64_t j = 0; j < state.range(0); ++j) AddUnary(clients.back().get(), message);
    clients[i]->Flush();
  }
  std::vector<RawClient::Frame> frames;
  uint64_t answers = 0;
  const double before = server.CpuSeconds();
  for (auto _ : state) {
    for (const auto& client : clients) {
      KV_CHECK(client->ReadFrames(&frames));
      for (const RawClient::Frame& frame : frames) {
        if (frame.type != NGHTTP2_HEADERS || (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0) continue;
        ++answers;
        AddUnary(client.get(), message);
      }
      client->Flush();
    }
  }
  Report(state, server.CpuSeconds() - before, answers);
}
BENCHMARK(UnaryEcho)
    ->Args({1, 1})
    ->Args({8, 1})
    ->Args({64, 1})
    ->Args({256, 1})
    ->Args({32, 8})
    ->UseRealTime()
    ->MinTime(2);

// range(0) streams of one connection get every event of 256 bytes; range(1) puts outstanding.
void FanOut(benchmark::State& state) {
  BenchmarkServer server;
  const std::string event(256, 'e');
  RawClient client(server.port(), RawClient::Greeting::kHttp2);
  for (int64_t i = 0; i < state.range(0); ++i) AddCall(&client, "/test.Fan/Watch", "", 0);
  for (int64_t i = 0; i < state.range(1); ++i) {
    AddCall(&client, "/test.Fan/Put", event, NGHTTP2_FLAG_END_STREAM);
  }
  client.Flush();
  std::vector<RawClient::Frame> frames;
  uint64_t bytes = 0;
  const double before = server.CpuSeconds();
  for (auto _ : state) {
    KV_CHECK(client.ReadFrames(&frames));
    for (const RawClient::Frame& frame : frames) {
      // Several events of a stream may share a frame.
      if (frame.type == NGHTTP2_DATA) bytes += frame.payload.size();
      if (frame.type != NGHTTP2_HEADERS || (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0) continue;
      AddCall(&client, "/test.Fan/Put", event, NGHTTP2_FLAG_END_STREAM);
    }
    client.Flush();
  }
  const size_t event_bytes = kMessagePrefixBytes + kWatchId.size() + event.size();
  Report(state, server.CpuSeconds() - before, bytes / event_bytes);
}
BENCHMARK(FanOut)->Args({100, 1})->Args({1000, 1})->Args({1000, 16})->UseRealTime()->MinTime(2);

}  // namespace
}  // namespace keelson::rpc
