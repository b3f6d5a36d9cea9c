// SignatureKey: a key and the method it signs with, of those that RFC 7518 names for tokens, by
// OpenSSL.
//
// Thread: any; immutable.
#ifndef KEELSON_CRYPTO_SIGNATURE_H_
#define KEELSON_CRYPTO_SIGNATURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace keelson::crypto {

class SignatureKey {
 public:
  // `method`: HS256 RS256 PS256 ES256, their 384 and 512, EdDSA. Files are PEM; of HS… the private
  // file is the secret. InvalidArgument says what is wrong with them.
  static absl::StatusOr<SignatureKey> Load(const std::string& method,
                                           const std::string& public_file,
                                           const std::string& private_file);
  // A private key alone, with the method that is usual for its kind: RS256, ES256, ES384, ES512 or
  // EdDSA.
  static absl::StatusOr<SignatureKey> LoadPrivate(const std::string& private_file);
  ~SignatureKey();
  SignatureKey(SignatureKey&&) noexcept;

  const std::string& method() const;
  bool can_sign() const;
  // REQUIRES: can_sign().
  absl::StatusOr<std::string> Sign(std::string_view text) const;
  bool Verify(std::string_view text, std::string_view signature) const;

  // What names the public key: the SHA-256 of its DER form, in base64 for URLs. Empty for HS….
  std::string id() const;
  // The members of the public key's JWK (RFC 7517) that tell the key itself: kty and n, e or crv,
  // x, y. Empty for HS….
  std::vector<std::pair<std::string, std::string>> PublicMembers() const;

 private:
  struct Impl;
  explicit SignatureKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::crypto

#endif  // KEELSON_CRYPTO_SIGNATURE_H_
