// ServiceAccountTokens: the signed tokens by which service accounts are known (RFC 7519), made and
// verified with one key that all API servers share. A token says for whom, for which audiences and
// until when it is, and may be bound to a pod, a node or a secret: it ends with that object, and
// with the service account.
//
// Thread: any; immutable.
#ifndef KEELSON_APISERVER_AUTH_SERVICE_ACCOUNT_TOKENS_H_
#define KEELSON_APISERVER_AUTH_SERVICE_ACCOUNT_TOKENS_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/auth/objects.h"
#include "apiserver/registry/admission.h"
#include "crypto/signature.h"

namespace keelson::auth {

struct ServiceAccountTokenOptions {
  std::string key_file;  // PEM: RSA, or an elliptic curve
  std::string issuer = "https://kubernetes.default.svc.cluster.local";
  // What tokens are for unless they say otherwise, and what we accept. Empty: the issuer.
  std::vector<std::string> audiences = {};
};

// Whose token it is; refers to what it was found in.
struct VerifiedToken {
  registry::User user;
  std::vector<std::string> audiences;  // of those asked for
};

class ServiceAccountTokens {
 public:
  using WallClock = std::function<absl::Time()>;

  // InvalidArgument: no such key.
  static absl::StatusOr<ServiceAccountTokens> Load(ServiceAccountTokenOptions options,
                                                   Objects* objects, WallClock now);

  // `audiences`: of which the token must have one; empty: our own. Unauthenticated says why not.
  absl::StatusOr<VerifiedToken> Verify(std::string_view token,
                                       const std::vector<std::string>& audiences) const;

  // POST serviceaccounts/NAME/token: gives the TokenRequest with its status. Errors are those of
  // api/errors.h.
  absl::StatusOr<api::Json> Request(std::string_view name_space, std::string_view name,
                                    api::Json request) const;

  // The documents that let others verify: /.well-known/openid-configuration (whose keys are at
  // `jwks_uri`), and /openid/v1/jwks.
  std::string OpenIdConfiguration(std::string_view jwks_uri) const;
  std::string Jwks() const;

  const std::vector<std::string>& audiences() const { return options_.audiences; }

 private:
  ServiceAccountTokens(ServiceAccountTokenOptions options, crypto::SignatureKey key,
                       Objects* objects, WallClock now);
  absl::Status CheckLiving(const api::Json& claims) const;
  absl::StatusOr<api::Json> BoundObject(std::string_view name_space, std::string_view name,
                                        const api::Json& reference) const;

  ServiceAccountTokenOptions options_;
  crypto::SignatureKey key_;
  Objects* objects_;
  WallClock now_;
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_SERVICE_ACCOUNT_TOKENS_H_
