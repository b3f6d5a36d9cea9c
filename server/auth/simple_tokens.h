// SimpleTokens: the tokens that Authenticate has given out, in the memory of each member; etcd's
// form "<16 letters>.<index of the entry>". One that is not used here for its TTL is gone, and all
// are after a restart, when auth is switched off and when the state is replaced.
//
// Thread: apply.
#ifndef KEELSON_SERVER_AUTH_SIMPLE_TOKENS_H_
#define KEELSON_SERVER_AUTH_SIMPLE_TOKENS_H_

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/types.h"
#include "server/auth/auth_store.h"
#include "server/auth/secret_random.h"

namespace keelson::server {

class SimpleTokens {
 public:
  // `clock` outlives this.
  SimpleTokens(const Clock* clock, absl::Duration ttl) : clock_(clock), ttl_(ttl) {}

  // 16 letters that nobody can guess.
  static std::string NewPrefix(const SecretSource& secrets = SecretRandomBytes);
  // The index of the entry that made the token; nullopt: not of the form.
  static std::optional<LogIndex> IndexOf(std::string_view token);

  void Apply(const TokenChange& change);
  void DropAll();
  // The user; renews the token. Null: there is no such token (any more). Valid until the next call.
  const std::string* Use(std::string_view token);
  size_t size() const { return by_token_.size(); }

 private:
  struct Token {
    std::string text;
    std::string user;
    absl::Duration expires;
  };
  // (absl's own takes absl::string_view, which in Debian's build is a type of its own.)
  using ByText = absl::flat_hash_map<std::string_view, std::list<Token>::iterator,
                                     std::hash<std::string_view>, std::equal_to<>>;
  void DropExpired();

  const Clock* const clock_;
  const absl::Duration ttl_;
  std::list<Token> tokens_;  // by when they expire
  ByText by_token_;          // keys: in tokens_
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_SIMPLE_TOKENS_H_
