#include "client/core.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/endpoint.h"
#include "client/errors.h"
#include "client/key_pair.h"

namespace keelson::client {
namespace {

constexpr char kApiVersion[] = "3.7";
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

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

Endpoint::Endpoint(std::string as_written, std::shared_ptr<grpc::Channel> to_it)
    : name(std::move(as_written)),
      channel(std::move(to_it)),
      kv(etcdserverpb::KV::NewStub(channel)),
      watch(etcdserverpb::Watch::NewStub(channel)),
      lease(etcdserverpb::Lease::NewStub(channel)),
      cluster(etcdserverpb::Cluster::NewStub(channel)),
      maintenance(etcdserverpb::Maintenance::NewStub(channel)),
      auth(etcdserverpb::Auth::NewStub(channel)) {}

Core::Core(Options options)
    : options_(std::move(options)),
      token_(options_.token),
      needs_token_(options_.token.empty() && !options_.user.empty()),
      random_(SystemSeed()) {}

absl::StatusOr<std::unique_ptr<Core>> Core::Create(Options options) {
  const std::vector<std::string> names = options.endpoints;
  std::unique_ptr<Core> core(new Core(std::move(options)));
  KV_ASSIGN_OR_RETURN(core->tls_credentials_,
                      MakeTlsCredentials(core->options_.tls.value_or(TlsOptions())));
  KV_RETURN_IF_ERROR(core->SetEndpoints(names));
  core->loop_ = std::make_unique<EventLoop>();
  return core;
}

Core::~Core() {
  std::vector<Operation*> running;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    running.assign(operations_.begin(), operations_.end());
  }
  if (loop_ == nullptr) return;
  // On the loop, because there an operation cannot end while it is being aborted.
  loop_->Post([this, running = std::move(running)] {
    for (Operation* operation : running) {
      bool there;
      {
        absl::MutexLock lock(&mutex_);
        there = operations_.contains(operation);
      }
      if (there) operation->Abort();
    }
  });
  absl::MutexLock lock(&mutex_);
  const auto all_ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return operations_.empty();
  };
  mutex_.Await(absl::Condition(&all_ended));
}

absl::StatusOr<std::shared_ptr<Endpoint>> Core::Dial(const std::string& name) const {
  KV_ASSIGN_OR_RETURN(const EndpointAddress address, ParseEndpoint(name));
  const bool tls = address.security == EndpointAddress::Security::kTls ||
                   (address.security == EndpointAddress::Security::kByOptions &&
                    options_.tls.has_value());
  return std::make_shared<Endpoint>(
      name, grpc::CreateCustomChannel(address.target,
                                      tls ? tls_credentials_ : grpc::InsecureChannelCredentials(),
                                      MakeChannelArguments(options_)));
}

absl::Status Core::SetEndpoints(const std::vector<std::string>& names) {
  if (names.empty()) return absl::InvalidArgumentError(kNoEndpoints);
  std::vector<std::shared_ptr<Endpoint>> endpoints;
  for (const std::string& name : names) {
    KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> endpoint, Named(name));
    endpoints.push_back(std::move(endpoint));
  }
  absl::MutexLock lock(&mutex_);
  endpoints_ = std::move(endpoints);
  next_endpoint_ = 0;
  return absl::OkStatus();
}

std::vector<std::string> Core::endpoint_names() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& endpoint : endpoints_) names.push_back(endpoint->name);
  return names;
}

int Core::endpoint_count() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(endpoints_.size());
}

std::shared_ptr<Endpoint> Core::Pick(const Endpoint* avoid) {
  absl::MutexLock lock(&mutex_);
  const size_t count = endpoints_.size();
  size_t best = next_endpoint_ % count;
  int best_rank = INT32_MAX;
  for (size_t i = 0; i < count; ++i) {
    const size_t candidate = (next_endpoint_ + i) % count;
    const Endpoint& endpoint = *endpoints_[candidate];
    // Asking for the state also makes an idle channel connect, so that it is ready when needed.
    const grpc_connectivity_state state = endpoint.channel->GetState(best_rank > 0);
    int rank = state == GRPC_CHANNEL_READY ? 0 : state == GRPC_CHANNEL_TRANSIENT_FAILURE ? 2 : 1;
    if (&endpoint == avoid) rank += 3;
    if (rank < best_rank) {
      best_rank = rank;
      best = candidate;
    }
  }
  next_endpoint_ = options_.balance == Balance::kSticky ? best : best + 1;
  return endpoints_[best];
}

absl::StatusOr<std::shared_ptr<Endpoint>> Core::Named(const std::string& name) {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& endpoint : endpoints_) {
      if (endpoint->name == name) return endpoint;
    }
    if (const auto found = others_.find(name); found != others_.end()) return found->second;
  }
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> endpoint, Dial(name));
  absl::MutexLock lock(&mutex_);
  return others_.emplace(name, std::move(endpoint)).first->second;
}

absl::StatusOr<std::string> Core::AddMetadata(grpc::ClientContext& context,
                                              absl::Duration time_left) {
  context.AddMetadata("client-api-version", kApiVersion);
  KV_ASSIGN_OR_RETURN(std::string token, Token(time_left));
  if (!token.empty()) context.AddMetadata("token", token);
  return token;
}

absl::StatusOr<std::string> Core::Token(absl::Duration time_left) {
  {
    absl::MutexLock lock(&mutex_);
    const auto nobody_at_it = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !authenticating_;
    };
    mutex_.Await(absl::Condition(&nobody_at_it));
    if (!needs_token_) return token_;
    authenticating_ = true;
  }
  absl::StatusOr<std::string> token = Authenticate(time_left);
  absl::MutexLock lock(&mutex_);
  authenticating_ = false;
  if (token.ok()) {
    token_ = *token;
    needs_token_ = false;
  }
  return token;
}

void Core::DropToken(const std::string& token) {
  absl::MutexLock lock(&mutex_);
  if (options_.user.empty() || token_ != token) return;
  needs_token_ = true;
}

absl::StatusOr<std::string> Core::Authenticate(absl::Duration time_left) {
  etcdserverpb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  const absl::Duration deadline = clock_.Now() + std::min(time_left, options_.request_timeout);
  std::shared_ptr<Endpoint> endpoint;
  for (int attempt = 1;; ++attempt) {
    endpoint = Pick(endpoint.get());
    grpc::ClientContext context;
    context.set_deadline(GrpcTime(deadline - clock_.Now()));
    etcdserverpb::AuthenticateResponse response;
    const grpc::Status status = endpoint->auth->Authenticate(&context, request, &response);
    if (status.ok()) return response.token();
    // A user name does no harm where nobody asks for one.
    if (status.error_message() == "etcdserver: authentication is not enabled") return "";
    const absl::Status failure = FromGrpc(status);
    const std::string why = absl::StrCat(endpoint->name, ": ", status.error_message());
    if (absl::IsDeadlineExceeded(failure)) return DeadlineExceeded(why);
    // The loop does not wait between two attempts; who needs it on the loop tries again himself.
    if (!absl::IsUnavailable(failure) || (loop_->InLoop() && attempt >= endpoint_count())) {
      return failure;
    }
    const absl::Duration delay = RetryDelay(attempt, endpoint_count(), Jitter());
    if (clock_.Now() + delay >= deadline) return DeadlineExceeded(why);
    absl::SleepFor(delay);
  }
}

double Core::Jitter() {
  absl::MutexLock lock(&mutex_);
  return static_cast<double>(random_.Below(1000)) / 1000;
}

void Core::Enroll(Operation* operation) {
  absl::MutexLock lock(&mutex_);
  KV_CHECK(!stopping_) << "a call was made on a client that is being destroyed";
  operations_.insert(operation);
}

void Core::Dismiss(Operation* operation) {
  absl::MutexLock lock(&mutex_);
  operations_.erase(operation);
}

Attempts::Attempts(Core& core, CallKind kind, const CallOptions& options,
                   std::shared_ptr<Endpoint> only)
    : core_(core),
      kind_(kind),
      only_(std::move(only)),
      bounded_(options.timeout != absl::InfiniteDuration()),
      deadline_(core.clock().Now() + (options.timeout > absl::ZeroDuration()
                                          ? options.timeout
                                          : core.options().request_timeout)) {}

absl::Duration Attempts::Remaining() const {
  return bounded_ ? deadline_ - core_.clock().Now() : absl::InfiniteDuration();
}

Endpoint* Attempts::Begin(grpc::ClientContext& context) {
  context.set_deadline(GrpcTime(Remaining()));
  absl::StatusOr<std::string> token = core_.AddMetadata(context, Remaining());
  if (!token.ok()) {
    Fail(token.status());
    return nullptr;
  }
  token_ = *std::move(token);
  endpoint_ = only_ != nullptr ? only_ : core_.Pick(endpoint_.get());
  return endpoint_.get();
}

Attempts::Next Attempts::After(const grpc::Status& failure) {
  constexpr Next kNoMore = {.again = false, .delay = absl::ZeroDuration()};
  const absl::Status status = FromGrpc(failure);
  if (status.code() == absl::StatusCode::kDeadlineExceeded && Remaining() <= absl::ZeroDuration()) {
    Fail(DeadlineExceeded(last_failure_));
    return kNoMore;
  }
  const int endpoints = only_ != nullptr ? 1 : core_.endpoint_count();
  switch (JudgeFailure(kind_, status.code(), status.message(), endpoints > 1)) {
    case Verdict::kRefreshToken:
      if (refreshed_token_ || core_.options().user.empty()) break;
      refreshed_token_ = true;
      core_.DropToken(token_);
      return {.again = true, .delay = absl::ZeroDuration()};
    case Verdict::kTryElsewhere: {
      last_failure_ = absl::StrCat(endpoint_->name, ": ", status.message());
      const absl::Duration delay = RetryDelay(++attempt_, endpoints, core_.Jitter());
      if (delay < Remaining()) return {.again = true, .delay = delay};
      Fail(DeadlineExceeded(last_failure_));
      return kNoMore;
    }
    case Verdict::kGiveUp:
      break;
  }
  Fail(status);
  return kNoMore;
}

}  // namespace keelson::client
