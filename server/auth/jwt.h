// Jwt: tokens that say themselves who they are for, signed (RFC 7519), as `--auth-token jwt,...`
// asks for: the claims username, revision and exp, which are etcd's. Any member with the key
// believes them; nothing is kept in memory, and nothing is lost at a restart.
//
// Thread: any; immutable.
#ifndef KEELSON_SERVER_AUTH_JWT_H_
#define KEELSON_SERVER_AUTH_JWT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/auth/caller.h"

namespace keelson::server {

// What stands behind "jwt," in --auth-token.
struct JwtOptions {
  std::string sign_method;  // HS256 RS256 PS256 ES256 and their 384 and 512, EdDSA
  std::string public_key_file;
  std::string private_key_file;  // of HS…: the secret
  absl::Duration ttl = absl::Minutes(5);
};

// "sign-method=RS256,pub-key=file,priv-key=file,ttl=10m". InvalidArgument: not of this form.
// Options that we do not know are left out, as etcd does.
absl::StatusOr<JwtOptions> ParseJwtOptions(std::string_view text);

class Jwt {
 public:
  using WallClock = std::function<absl::Time()>;

  // Reads the keys. InvalidArgument: no such method, no key, a file that is none, a key of another
  // kind than the method's, two keys that are no pair. With a public key alone tokens are verified
  // and none are signed.
  static absl::StatusOr<std::unique_ptr<Jwt>> Create(const JwtOptions& options, WallClock now);
  ~Jwt();

  bool can_sign() const;
  // REQUIRES: can_sign().
  absl::StatusOr<std::string> Sign(std::string_view user, uint64_t auth_revision) const;

  struct Claims {
    Caller caller;
    absl::Time expires;  // infinite future: never
  };
  // nullopt: not signed by our key with our method, not of the form, or expired.
  std::optional<Claims> Verify(std::string_view token) const;
  absl::Time Now() const { return now_(); }

 private:
  struct Key;
  Jwt(std::unique_ptr<Key> key, absl::Duration ttl, WallClock now);

  const std::unique_ptr<Key> key_;
  const absl::Duration ttl_;
  const WallClock now_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_JWT_H_
