// SignatureKey: a key and the method it signs with, of those that RFC 7518 names for tokens, by
// OpenSSL.
//
// Thread: any; immutable.
#ifndef KEELSON_SERVER_AUTH_SIGNATURE_H_
#define KEELSON_SERVER_AUTH_SIGNATURE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace keelson::server {

class SignatureKey {
 public:
  // `method`: HS256 RS256 PS256 ES256, their 384 and 512, EdDSA. Files are PEM; of HS… the private
  // file is the secret. InvalidArgument says what is wrong with them.
  static absl::StatusOr<SignatureKey> Load(const std::string& method,
                                           const std::string& public_file,
                                           const std::string& private_file);
  ~SignatureKey();
  SignatureKey(SignatureKey&&) noexcept;

  const std::string& method() const;
  bool can_sign() const;
  // REQUIRES: can_sign().
  absl::StatusOr<std::string> Sign(std::string_view text) const;
  bool Verify(std::string_view text, std::string_view signature) const;

 private:
  struct Impl;
  explicit SignatureKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_SIGNATURE_H_
