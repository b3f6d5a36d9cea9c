// Authenticator: who a request is from: by its client certificate, its bearer token, or nobody. And
// as whom it wants to be taken instead, if it may (Impersonate-* headers).
//
// Thread: any; immutable.
#ifndef KEELSON_APISERVER_AUTH_AUTHENTICATOR_H_
#define KEELSON_APISERVER_AUTH_AUTHENTICATOR_H_

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/auth/service_account_tokens.h"
#include "apiserver/registry/admission.h"
#include "http/header_block.h"
#include "http/peer_certificate.h"

namespace keelson::auth {

// The users of a file of bearer tokens: lines of token,name,uid and, if any, "group,group".
// InvalidArgument names the file and what is wrong with it.
using StaticTokens = std::unordered_map<std::string, registry::User>;
absl::StatusOr<StaticTokens> ReadTokenFile(const std::string& path);

class Authenticator {
 public:
  struct Options {
    StaticTokens static_tokens = {};
    // Requests without credentials are those of system:anonymous; otherwise they are refused.
    bool anonymous = true;
  };
  // `tokens` outlives it.
  Authenticator(Options options, const ServiceAccountTokens* tokens);

  // Unauthorized (401): a credential that does not hold, or none where one is needed.
  absl::StatusOr<registry::User> Authenticate(const http::PeerCertificate& certificate,
                                              const http::HeaderBlock& headers) const;
  // A bearer token alone, as TokenReview asks. Unauthenticated says why not.
  absl::StatusOr<VerifiedToken> AuthenticateToken(std::string_view token,
                                                  const std::vector<std::string>& audiences) const;

 private:
  const Options options_;
  const ServiceAccountTokens* const tokens_;
};

// The user that the headers ask to be taken for; `user` himself when they ask for none. Forbidden,
// or BadRequest for headers that make no sense.
absl::StatusOr<registry::User> Impersonate(const registry::User& user,
                                           const http::HeaderBlock& headers,
                                           Authorizer& authorizer);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_AUTHENTICATOR_H_
