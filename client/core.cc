#include "client/core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/errors.h"
#include "client/grpc_runtime.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

constexpr char kApiVersion[] = "3.7";
constexpr Method<etcdserverpb::AuthenticateRequest, etcdserverpb::AuthenticateResponse>
    kAuthenticate = {"/etcdserverpb.Auth/Authenticate"};

}  // namespace

Core::Core(Options options, std::unique_ptr<Runtime> runtime)
    : options_(std::move(options)),
      token_(options_.token),
      needs_token_(options_.token.empty() && !options_.user.empty()),
      random_(runtime->seed()),
      runtime_(std::move(runtime)) {}

absl::StatusOr<std::unique_ptr<Core>> Core::Create(Options options,
                                                   std::unique_ptr<Runtime> runtime) {
  if (runtime == nullptr) {
    KV_ASSIGN_OR_RETURN(runtime, MakeGrpcRuntime(options));
  }
  const std::vector<std::string> names = options.endpoints;
  std::unique_ptr<Core> core(new Core(std::move(options), std::move(runtime)));
  KV_RETURN_IF_ERROR(core->SetEndpoints(names));
  return core;
}

Core::~Core() {
  std::vector<Operation*> running;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    running.assign(operations_.begin(), operations_.end());
  }
  // On the loop, because there an operation cannot end while it is being aborted.
  loop().Post([this, running = std::move(running)] {
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
  const auto all_ended = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return operations_.empty(); };
  runtime_->Await(mutex_, absl::Condition(&all_ended), absl::InfiniteDuration());
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
    const Channel::State state = endpoint.channel->GetState(/*connect=*/best_rank > 0);
    int rank = state == Channel::State::kReady ? 0 : state == Channel::State::kFailing ? 2 : 1;
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
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Channel> channel, runtime_->Dial(name));
  auto endpoint = std::make_shared<Endpoint>(Endpoint{name, std::move(channel)});
  absl::MutexLock lock(&mutex_);
  return others_.emplace(name, std::move(endpoint)).first->second;
}

absl::StatusOr<std::string> Core::AddMetadata(CallHeader& header) {
  header.metadata.emplace_back("client-api-version", kApiVersion);
  KV_ASSIGN_OR_RETURN(std::string token, Token(header.time_left));
  if (!token.empty()) header.metadata.emplace_back("token", token);
  return token;
}

absl::StatusOr<std::string> Core::Token(absl::Duration time_left) {
  {
    absl::MutexLock lock(&mutex_);
    const auto nobody_at_it = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !authenticating_;
    };
    runtime_->Await(mutex_, absl::Condition(&nobody_at_it), absl::InfiniteDuration());
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
  const absl::Duration deadline = clock().Now() + std::min(time_left, options_.request_timeout);
  std::shared_ptr<Endpoint> endpoint;
  for (int attempt = 1;; ++attempt) {
    endpoint = Pick(endpoint.get());
    CallHeader header;
    header.time_left = deadline - clock().Now();
    etcdserverpb::AuthenticateResponse response;
    const absl::Status failure =
        endpoint->channel->Call(kAuthenticate.path, header, request, &response);
    if (failure.ok()) return response.token();
    // A user name does no harm where nobody asks for one.
    if (failure.message() == "etcdserver: authentication is not enabled") return "";
    const std::string why = absl::StrCat(endpoint->name, ": ", failure.message());
    if (absl::IsDeadlineExceeded(failure)) return DeadlineExceeded(why);
    // The loop does not wait between two attempts; who needs it on the loop tries again himself.
    if (!absl::IsUnavailable(failure) || (loop().InLoop() && attempt >= endpoint_count())) {
      return failure;
    }
    const absl::Duration delay = RetryDelay(attempt, endpoint_count(), Jitter());
    if (clock().Now() + delay >= deadline) return DeadlineExceeded(why);
    runtime_->Sleep(delay);
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

Endpoint* Attempts::Begin(CallHeader& header) {
  header.time_left = Remaining();
  absl::StatusOr<std::string> token = core_.AddMetadata(header);
  if (!token.ok()) {
    Fail(token.status());
    return nullptr;
  }
  token_ = *std::move(token);
  endpoint_ = only_ != nullptr ? only_ : core_.Pick(endpoint_.get());
  return endpoint_.get();
}

Attempts::Next Attempts::After(const absl::Status& status) {
  constexpr Next kNoMore = {.again = false, .delay = absl::ZeroDuration()};
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
