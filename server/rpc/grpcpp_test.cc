// grpc++ as the client: generic stubs of bytes, so that no message types are needed.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"
#include "base/check.h"
#include "gtest/gtest.h"
#include "server/rpc/echo_service.h"

namespace keelson::rpc {
namespace {

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  KV_CHECK(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

class GrpcppTest : public testing::Test {
 protected:
  GrpcppTest() : server_(&loop_, &clock_, {}), work_(loop_.get_executor()) {
    RegisterEchoService(&loop_, &server_);
    KV_CHECK(server_.Listen("127.0.0.1", 0).ok());
    thread_ = std::thread([this] { loop_.run(); });
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_.port()),
                                         grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }
  ~GrpcppTest() override {
    queue_.Shutdown();
    Stop();
  }
  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(loop_, [this] { loop_.stop(); });
    thread_.join();
  }

  // Waits for the one operation under way.
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    KV_CHECK(
        queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + std::chrono::seconds(60)) ==
        grpc::CompletionQueue::GOT_EVENT)
        << "hangs";
    return ok;
  }
  grpc::Status Unary(grpc::ClientContext* context, const std::string& method,
                     const std::string& request, std::string* answer) {
    const auto call =
        stub_->PrepareUnaryCall(context, "/test.Echo/" + method, Buffer(request), &queue_);
    call->StartCall();
    grpc::ByteBuffer bytes;
    grpc::Status status;
    call->Finish(&bytes, &status, this);
    KV_CHECK(Next());
    if (status.ok()) *answer = Text(bytes);
    return status;
  }

  asio::io_context loop_{1};
  RealClock clock_;
  RpcServer server_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

TEST_F(GrpcppTest, Unary) {
  for (const size_t size : {0u, 1u, 300u, 20'000u, 2'000'000u}) {
    grpc::ClientContext context;
    std::string answer;
    const std::string request(size, 'r');
    const grpc::Status status = Unary(&context, "Echo", request, &answer);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(answer, request);
  }
}

TEST_F(GrpcppTest, ErrorsWithTheirTexts) {
  std::string answer;
  grpc::ClientContext failing;
  failing.AddMetadata("x-status", "11 etcdserver: mvcc: 100% compacted");
  const grpc::Status status = Unary(&failing, "Echo", "", &answer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "etcdserver: mvcc: 100% compacted");
  grpc::ClientContext unknown;
  EXPECT_EQ(Unary(&unknown, "None", "", &answer).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  grpc::ClientContext late;
  late.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  EXPECT_EQ(Unary(&late, "Wait", "", &answer).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcppTest, GzipBothWays) {
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  std::string answer;
  const std::string request(500'000, 'g');
  ASSERT_TRUE(Unary(&context, "Echo", request, &answer).ok());
  EXPECT_EQ(answer, request);
}

TEST_F(GrpcppTest, BinaryMetadata) {
  grpc::ClientContext context;
  context.AddMetadata("key-bin", std::string("\0\xff\x80", 3));
  std::string answer;
  ASSERT_TRUE(Unary(&context, "Echo", "METADATA key-bin", &answer).ok());
  EXPECT_EQ(answer, std::string("\0\xff\x80", 3));
}

TEST_F(GrpcppTest, BidirectionalStream) {
  grpc::ClientContext context;
  const auto call = stub_->PrepareCall(&context, "/test.Echo/Chat", &queue_);
  call->StartCall(this);
  ASSERT_TRUE(Next());
  for (int i = 0; i < 100; ++i) {
    const std::string message(static_cast<size_t>(i) * 500, static_cast<char>('a' + i % 26));
    call->Write(Buffer(message), this);
    ASSERT_TRUE(Next());
    grpc::ByteBuffer answer;
    call->Read(&answer, this);
    ASSERT_TRUE(Next());
    ASSERT_EQ(Text(answer), message);
  }
  call->WritesDone(this);
  ASSERT_TRUE(Next());
  grpc::ByteBuffer none;
  call->Read(&none, this);
  EXPECT_FALSE(Next());
  grpc::Status status;
  call->Finish(&status, this);
  ASSERT_TRUE(Next());
  EXPECT_TRUE(status.ok());
}

TEST_F(GrpcppTest, ALongServerStream) {
  grpc::ClientContext context;
  const auto call = stub_->PrepareCall(&context, "/test.Echo/Expand", &queue_);
  call->StartCall(this);
  ASSERT_TRUE(Next());
  call->WriteLast(Buffer("2000 10000"), grpc::WriteOptions(), this);
  ASSERT_TRUE(Next());
  int count = 0;
  for (;;) {
    grpc::ByteBuffer message;
    call->Read(&message, this);
    if (!Next()) break;
    EXPECT_EQ(message.Length(), 10000u);
    ++count;
  }
  EXPECT_EQ(count, 2000);
  grpc::Status status;
  call->Finish(&status, this);
  ASSERT_TRUE(Next());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(GrpcppTest, GracefulShutdownLetsTheCallEndAndTheClientSeesTheEnd) {
  grpc::ClientContext context;
  const auto call = stub_->PrepareCall(&context, "/test.Echo/Chat", &queue_);
  call->StartCall(this);
  ASSERT_TRUE(Next());
  call->Write(Buffer("before"), this);
  ASSERT_TRUE(Next());
  grpc::ByteBuffer answer;
  call->Read(&answer, this);
  ASSERT_TRUE(Next());
  std::atomic<bool> done = false;  // set on the loop's thread, read here
  asio::post(loop_, [&] { server_.Shutdown(absl::Seconds(60), [&] { done = true; }); });
  call->Write(Buffer("after"), this);
  ASSERT_TRUE(Next());
  call->Read(&answer, this);
  ASSERT_TRUE(Next());
  EXPECT_EQ(Text(answer), "after");
  call->WritesDone(this);
  ASSERT_TRUE(Next());
  grpc::Status status;
  call->Finish(&status, this);
  ASSERT_TRUE(Next());
  EXPECT_TRUE(status.ok());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done) {
    KV_CHECK(std::chrono::steady_clock::now() < end) << "hangs";
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace keelson::rpc
