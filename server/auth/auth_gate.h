// AuthGate: who a call is from, and which calls get as far as their handler. Knows the tokens this
// member has in memory; handlers whose answer depends on keys ask it who the caller is and check
// the keys themselves (request_checks.h).
//
// A method that nobody listed here is for root alone, so that a new one is closed before it is
// open.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_AUTH_AUTH_GATE_H_
#define KEELSON_SERVER_AUTH_AUTH_GATE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/auth/auth_store.h"
#include "server/auth/caller.h"
#include "server/auth/jwt.h"
#include "server/auth/simple_tokens.h"
#include "server/rpc/admission.h"
#include "server/rpc/call.h"

namespace keelson::server {

struct AuthGateOptions {
  absl::Duration token_ttl = absl::Seconds(300);  // --auth-token-ttl
  const Jwt* jwt = nullptr;                       // null: simple tokens
  // Entries up to this one were in the log when the member started: their tokens are from an
  // earlier life, and lost.
  LogIndex tokens_after;
};

class AuthGate final : public rpc::Admission {
 public:
  using ReadDone = std::function<void(absl::Status)>;
  struct Environment {
    const AuthStore* auth;
    const Clock* clock;
    std::function<LogIndex()> applied;
    // Runs its argument when this member has applied all that was committed before.
    std::function<void(ReadDone)> await_linearizable;
  };

  AuthGate(AuthGateOptions options, Environment environment);

  // Who the call is from: by its token, else by its client certificate; nobody when it has neither
  // or while auth is off. Unauthenticated: its token is not (or no longer) good.
  absl::StatusOr<Caller> Identify(const rpc::Call& call);

  // rpc::Admission
  std::optional<absl::Status> Check(const rpc::Call& call) override;
  void Await(std::shared_ptr<const rpc::Call> call,
             std::function<void(absl::Status)> done) override;

  // What a group of entries does to the tokens.
  void OnTokenChanges(const std::vector<TokenChange>& changes);
  // The state is another one.
  void OnStateReplaced();

  bool uses_jwt() const { return options_.jwt != nullptr; }

 private:
  absl::Status Decide(const rpc::Call& call);
  absl::StatusOr<Caller> FromToken(std::string_view token);
  std::optional<Caller> FromJwt(std::string_view token);

  // (absl's own takes absl::string_view, which in Debian's build is a type of its own.)
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using JwtCache = absl::flat_hash_map<std::string, Jwt::Claims, TextHash, std::equal_to<>>;

  const AuthGateOptions options_;
  const Environment environment_;
  SimpleTokens tokens_;
  JwtCache verified_;  // good signatures, which are dear to look at; bounded
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_AUTH_GATE_H_
