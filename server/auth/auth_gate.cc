#include "server/auth/auth_gate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status_macros.h"
#include "server/errors.h"

namespace keelson::server {
namespace {

constexpr size_t kJwtsRemembered = 1024;

// Who gets as far as a method's handler while auth is on.
enum class Needs {
  kNothing,  // anybody may ask, or the handler sees to it
  kUser,
  kRoot,
};

struct MethodNeeds {
  std::string_view method;
  Needs needs;
};

// Sorted. Services whose methods all see to it themselves are in kOpenServices.
constexpr std::array<MethodNeeds, 3> kMethods = {
    {{"/etcdserverpb.Cluster/MemberList", Needs::kUser},
     {"/etcdserverpb.Maintenance/Alarm", Needs::kNothing},
     {"/etcdserverpb.Maintenance/Status", Needs::kUser}}};
constexpr std::array<std::string_view, 7> kOpenServices = {
    "/etcdserverpb.Auth/",  "/etcdserverpb.KV/",       "/etcdserverpb.Lease/",
    "/etcdserverpb.Watch/", "/grpc.health.v1.Health/", "/v3electionpb.Election/",
    "/v3lockpb.Lock/"};

Needs NeedsOf(std::string_view method) {
  for (const MethodNeeds& known : kMethods) {
    if (known.method == method) return known.needs;
  }
  for (const std::string_view service : kOpenServices) {
    if (method.starts_with(service)) return Needs::kNothing;
  }
  return Needs::kRoot;
}

// Clients of gRPC send `token`, those of the JSON gateway what HTTP has for it.
std::optional<std::string_view> TokenOf(const rpc::Call& call) {
  if (const auto token = call.metadata("token")) return token;
  auto token = call.metadata("authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (token && token->starts_with(kBearer)) token->remove_prefix(kBearer.size());
  return token;
}

}  // namespace

AuthGate::AuthGate(AuthGateOptions options, Environment environment)
    : options_(options),
      environment_(std::move(environment)),
      tokens_(environment_.clock, options.token_ttl) {}

absl::StatusOr<Caller> AuthGate::Identify(const rpc::Call& call) {
  if (!environment_.auth->enabled()) return Caller();
  if (const auto token = TokenOf(call)) return FromToken(*token);
  if (const auto name = call.peer_common_name()) {
    return Caller{std::string(*name), environment_.auth->revision()};
  }
  return Caller();
}

absl::StatusOr<Caller> AuthGate::FromToken(std::string_view token) {
  if (options_.jwt != nullptr) {
    if (std::optional<Caller> caller = FromJwt(token)) return *std::move(caller);
    return ErrInvalidAuthToken();
  }
  const std::string* const user = tokens_.Use(token);
  if (user == nullptr) return ErrInvalidAuthToken();
  return Caller{*user, environment_.auth->revision()};
}

std::optional<Caller> AuthGate::FromJwt(std::string_view token) {
  if (const auto known = verified_.find(token); known != verified_.end()) {
    if (known->second.expires > options_.jwt->Now()) return known->second.caller;
    verified_.erase(known);
    return std::nullopt;
  }
  std::optional<Jwt::Claims> claims = options_.jwt->Verify(token);
  if (!claims) return std::nullopt;
  if (verified_.size() >= kJwtsRemembered) verified_.clear();
  return verified_.emplace(std::string(token), *std::move(claims)).first->second.caller;
}

std::optional<absl::Status> AuthGate::Check(const rpc::Call& call) {
  // A token made by another member may be known there before its entry is applied here; with it may
  // come that auth is on.
  if (options_.jwt == nullptr) {
    if (const auto token = TokenOf(call)) {
      const std::optional<LogIndex> index = SimpleTokens::IndexOf(*token);
      if (index && *index > environment_.applied()) return std::nullopt;
    }
  }
  return Decide(call);
}

absl::Status AuthGate::Decide(const rpc::Call& call) {
  const AuthStore& auth = *environment_.auth;
  if (!auth.enabled()) return absl::OkStatus();
  const Needs needs = NeedsOf(call.method());
  if (needs == Needs::kNothing) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(const Caller caller, Identify(call));
  return needs == Needs::kRoot ? auth.CheckRoot(caller) : auth.CheckUser(caller);
}

void AuthGate::Await(std::shared_ptr<const rpc::Call> call,
                     std::function<void(absl::Status)> done) {
  // Then what is applied here is all that was committed now; a token beyond it is made up.
  environment_.await_linearizable(
      [this, call = std::move(call), done = std::move(done)](absl::Status status) {
        done(status.ok() && !call->cancelled() ? Decide(*call) : std::move(status));
      });
}

void AuthGate::OnTokenChanges(const std::vector<TokenChange>& changes) {
  for (const TokenChange& change : changes) {
    const std::optional<LogIndex> index = SimpleTokens::IndexOf(change.token);
    if (index && *index <= options_.tokens_after) continue;
    tokens_.Apply(change);
  }
}

void AuthGate::OnStateReplaced() { tokens_.DropAll(); }

}  // namespace keelson::server
