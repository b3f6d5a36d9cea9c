#include "client/grpc_runtime.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "client/endpoint.h"
#include "client/key_pair.h"

namespace keelson::client {
namespace {

using grpc::internal::RpcMethod;

constexpr absl::Duration kKeepaliveTimeLeast = absl::Seconds(10);

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.fail() && !file.eof()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  }
  return bytes;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeTlsCredentials(
    const TlsOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("a certificate and its key must be given together");
  }
  grpc::SslCredentialsOptions pem;
  if (!options.ca_file.empty()) {
    KV_ASSIGN_OR_RETURN(pem.pem_root_certs, ReadFile(options.ca_file));
  }
  if (!options.cert_file.empty()) {
    KV_ASSIGN_OR_RETURN(pem.pem_cert_chain, ReadFile(options.cert_file));
    KV_ASSIGN_OR_RETURN(pem.pem_private_key, ReadFile(options.key_file));
    KV_RETURN_IF_ERROR(CheckKeyPair(pem.pem_cert_chain, pem.pem_private_key));
  }
  if (!options.skip_verification) return grpc::SslCredentials(pem);

  namespace experimental = grpc::experimental;
  experimental::TlsChannelCredentialsOptions unverified;
  unverified.set_verify_server_certs(false);
  unverified.set_check_call_host(false);
  unverified.set_certificate_verifier(std::make_shared<experimental::NoOpCertificateVerifier>());
  if (!pem.pem_cert_chain.empty()) {
    unverified.set_certificate_provider(
        std::make_shared<experimental::StaticDataCertificateProvider>(
            std::vector<experimental::IdentityKeyCertPair>{
                {pem.pem_private_key, pem.pem_cert_chain}}));
    unverified.watch_identity_key_cert_pairs();
  }
  return experimental::TlsCredentials(unverified);
}

grpc::ChannelArguments MakeChannelArguments(const Options& options) {
  const auto ms = [](absl::Duration d) {
    return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(d), 1, INT32_MAX));
  };
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(options.send_bytes_max);
  arguments.SetMaxReceiveMessageSize(options.receive_bytes_max);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   ms(std::max(options.keepalive_time, kKeepaliveTimeLeast)));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ms(options.keepalive_timeout));
  // Else an idle watch is probed twice and then never again, and would not notice a dead peer.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // gRPC calls the bound on one attempt to connect "minimum back-off".
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, ms(options.dial_timeout));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // Two clients of a process are two connections, and one's back-off is not the other's.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.tls.has_value() && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  return arguments;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// Now plus `from_now` on the monotonic clock, as gRPC wants it for deadlines and alarms.
gpr_timespec GrpcTime(absl::Duration from_now) {
  if (from_now == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(from_now), GPR_TIMESPAN));
}

void Fill(grpc::ClientContext& context, const CallHeader& header) {
  context.set_deadline(GrpcTime(header.time_left));
  for (const auto& [name, value] : header.metadata) context.AddMetadata(name, value);
}

// ------------------------------------------------------------------------------------------- loop

class PostedWork final : public EventLoop::Event {
 public:
  PostedWork(grpc::CompletionQueue* queue, absl::AnyInvocable<void()> work)
      : work_(std::move(work)) {
    alarm_.Set(queue, GrpcTime(absl::ZeroDuration()), this);
  }
  void OnEvent(bool) override {
    work_();
    delete this;
  }

 private:
  absl::AnyInvocable<void()> work_;
  grpc::Alarm alarm_;
};

class GrpcTimer final : public EventLoop::Timer {
 public:
  GrpcTimer(grpc::CompletionQueue* queue, absl::Duration delay, EventLoop::Event* event) {
    alarm_.Set(queue, GrpcTime(delay), event);
  }
  void Cancel() override { alarm_.Cancel(); }

 private:
  grpc::Alarm alarm_;
};

class GrpcLoop final : public EventLoop {
 public:
  GrpcLoop() {
    thread_ = std::thread([this] { Run(); });
  }
  // Runs what was posted, then stops.
  ~GrpcLoop() override {
    queue_.Shutdown();
    thread_.join();
  }

  grpc::CompletionQueue* queue() { return &queue_; }
  bool InLoop() const override { return std::this_thread::get_id() == thread_.get_id(); }
  void Post(absl::AnyInvocable<void()> work) override {
    new PostedWork(&queue_, std::move(work));  // deletes itself when run
  }
  std::unique_ptr<Timer> SetTimer(absl::Duration delay, Event* event) override {
    return std::make_unique<GrpcTimer>(&queue_, delay, event);
  }

 private:
  void Run() {
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) static_cast<Event*>(tag)->OnEvent(ok);
  }

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

// ------------------------------------------------------------------------------------------ calls

// The calls live in the memory of their context's, which is therefore before them.
class GrpcPendingCall final : public PendingCall {
 public:
  GrpcPendingCall(grpc::Channel* channel, grpc::CompletionQueue* queue, const char* method,
                  const CallHeader& header, const MessageLite& request, MessageLite* response,
                  absl::Status* status)
      : response_(response), status_(status) {
    Fill(context_, header);
    reader_.reset(grpc::internal::ClientAsyncResponseReaderHelper::Create<MessageLite, MessageLite>(
        channel, queue, RpcMethod(method, RpcMethod::NORMAL_RPC), &context_, request));
  }
  void Start(EventLoop::Event* event) override {
    event_ = event;
    reader_->StartCall();
    reader_->Finish(response_, &grpc_status_, &finished_);
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  void OnFinished(bool ok) {
    *status_ = FromGrpc(grpc_status_);
    event_->OnEvent(ok);  // this may be gone
  }

  MessageLite* const response_;
  absl::Status* const status_;
  EventLoop::Event* event_ = nullptr;  // of Start
  grpc::Status grpc_status_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<MessageLite>> reader_;
  MemberEvent<GrpcPendingCall, &GrpcPendingCall::OnFinished> finished_{this};
};

class GrpcStream final : public StreamCall {
 public:
  GrpcStream(grpc::Channel* channel, grpc::CompletionQueue* queue, const char* method,
             const CallHeader& header, EventLoop::Event* started) {
    Fill(context_, header);
    rpc_.reset(grpc::internal::ClientAsyncReaderWriterFactory<MessageLite, MessageLite>::Create(
        channel, queue, RpcMethod(method, RpcMethod::BIDI_STREAMING), &context_, true, started));
  }
  void Read(MessageLite* to, EventLoop::Event* event) override { rpc_->Read(to, event); }
  void Write(const MessageLite& message, EventLoop::Event* event) override {
    rpc_->Write(message, event);
  }
  void Finish(absl::Status* status, EventLoop::Event* event) override {
    status_ = status;
    event_ = event;
    rpc_->Finish(&grpc_status_, &finished_);
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  void OnFinished(bool ok) {
    *status_ = FromGrpc(grpc_status_);
    event_->OnEvent(ok);  // this may be gone
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<MessageLite, MessageLite>> rpc_;
  grpc::Status grpc_status_;
  absl::Status* status_ = nullptr;     // of Finish
  EventLoop::Event* event_ = nullptr;  // of Finish
  MemberEvent<GrpcStream, &GrpcStream::OnFinished> finished_{this};
};

class GrpcBlockingStream final : public BlockingStream {
 public:
  GrpcBlockingStream(grpc::Channel* channel, const char* method, const CallHeader& header) {
    Fill(context_, header);
    rpc_.reset(grpc::internal::ClientReaderWriterFactory<MessageLite, MessageLite>::Create(
        channel, RpcMethod(method, RpcMethod::BIDI_STREAMING), &context_));
  }
  bool Write(const MessageLite& message) override { return rpc_->Write(message); }
  void WritesDone() override { rpc_->WritesDone(); }
  bool Read(MessageLite* to) override { return rpc_->Read(to); }
  absl::Status Finish() override { return FromGrpc(rpc_->Finish()); }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<MessageLite, MessageLite>> rpc_;
};

class GrpcChannel final : public Channel {
 public:
  GrpcChannel(std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue* queue)
      : channel_(std::move(channel)), queue_(queue) {}

  State GetState(bool connect) override {
    switch (channel_->GetState(connect)) {
      case GRPC_CHANNEL_READY:
        return State::kReady;
      case GRPC_CHANNEL_TRANSIENT_FAILURE:
        return State::kFailing;
      default:
        return State::kUnknown;
    }
  }
  absl::Status Call(const char* method, const CallHeader& header, const MessageLite& request,
                    MessageLite* response) override {
    grpc::ClientContext context;
    Fill(context, header);
    return FromGrpc(grpc::internal::BlockingUnaryCall<MessageLite, MessageLite>(
        channel_.get(), RpcMethod(method, RpcMethod::NORMAL_RPC), &context, request, response));
  }
  std::unique_ptr<PendingCall> Prepare(const char* method, const CallHeader& header,
                                       const MessageLite& request, MessageLite* response,
                                       absl::Status* status) override {
    return std::make_unique<GrpcPendingCall>(channel_.get(), queue_, method, header, request,
                                             response, status);
  }
  std::unique_ptr<StreamCall> Open(const char* method, const CallHeader& header,
                                   EventLoop::Event* started) override {
    return std::make_unique<GrpcStream>(channel_.get(), queue_, method, header, started);
  }
  std::unique_ptr<BlockingStream> OpenBlocking(const char* method,
                                               const CallHeader& header) override {
    return std::make_unique<GrpcBlockingStream>(channel_.get(), method, header);
  }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::CompletionQueue* const queue_;
};

class GrpcRuntime final : public Runtime {
 public:
  GrpcRuntime(Options options, std::shared_ptr<grpc::ChannelCredentials> tls_credentials)
      : options_(std::move(options)), tls_credentials_(std::move(tls_credentials)) {}

  const Clock& clock() const override { return clock_; }
  uint64_t seed() override { return SystemSeed(); }
  EventLoop& loop() override { return loop_; }
  void Sleep(absl::Duration time) override { absl::SleepFor(time); }
  bool Await(absl::Mutex& mutex, const absl::Condition& condition,
             absl::Duration timeout) override {
    return mutex.AwaitWithTimeout(condition, timeout);
  }
  absl::StatusOr<std::shared_ptr<Channel>> Dial(const std::string& endpoint) override {
    KV_ASSIGN_OR_RETURN(const EndpointAddress address, ParseEndpoint(endpoint));
    const bool tls =
        address.security == EndpointAddress::Security::kTls ||
        (address.security == EndpointAddress::Security::kByOptions && options_.tls.has_value());
    return std::make_shared<GrpcChannel>(
        grpc::CreateCustomChannel(address.target,
                                  tls ? tls_credentials_ : grpc::InsecureChannelCredentials(),
                                  MakeChannelArguments(options_)),
        loop_.queue());
  }

 private:
  const Options options_;
  const std::shared_ptr<grpc::ChannelCredentials> tls_credentials_;
  const RealClock clock_;
  GrpcLoop loop_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Runtime>> MakeGrpcRuntime(const Options& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials,
                      MakeTlsCredentials(options.tls.value_or(TlsOptions())));
  return std::make_unique<GrpcRuntime>(options, std::move(credentials));
}

}  // namespace keelson::client
