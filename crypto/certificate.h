// Certificates made here: authorities of our own, and what they vouch for. All keys are of P-256;
// everything is PEM text. Errors are Internal, or InvalidArgument for a host that is none.
#ifndef KEELSON_CRYPTO_CERTIFICATE_H_
#define KEELSON_CRYPTO_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace keelson::crypto {

struct CertificateSpec {
  std::string common_name = {};
  std::vector<std::string> organizations = {};
  std::vector<std::string> hosts = {};  // names and addresses it is for
  bool authority = false;               // may vouch for others
  bool server = false;                  // for the server's side of a connection
  bool client = false;
  absl::Time not_after = {};
};

struct KeyPair {
  std::string certificate;
  std::string key;
};

// Valid from five minutes ago on, for clocks that differ. nullptr: signed by itself.
absl::StatusOr<KeyPair> MakeCertificate(const CertificateSpec& spec, const KeyPair* issuer);

// A private key alone.
absl::StatusOr<std::string> MakeKey();

// The text is a certificate that is valid at that time; `issuer`, unless nullptr, vouches for it.
bool IsValidAt(const std::string& certificate, absl::Time time, const KeyPair* issuer = nullptr);

}  // namespace keelson::crypto

#endif  // KEELSON_CRYPTO_CERTIFICATE_H_
