#include "client/key_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace keelson::client {
namespace {

template <typename T, typename Read>
std::unique_ptr<T, void (*)(T*)> Parse(const std::string& pem, const Read& read, void (*free)(T*)) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  std::unique_ptr<T, void (*)(T*)> parsed(bio == nullptr ? nullptr : read(bio), free);
  BIO_free(bio);
  return parsed;
}

// A key with a passphrase cannot be used, and is not asked for one.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status CheckKeyPair(const std::string& cert_pem, const std::string& key_pem) {
  const auto cert = Parse<X509>(
      cert_pem, [](BIO* bio) { return PEM_read_bio_X509(bio, nullptr, NoPassphrase, nullptr); },
      X509_free);
  const auto key = Parse<EVP_PKEY>(
      key_pem,
      [](BIO* bio) { return PEM_read_bio_PrivateKey(bio, nullptr, NoPassphrase, nullptr); },
      EVP_PKEY_free);
  const bool match =
      cert != nullptr && key != nullptr && X509_check_private_key(cert.get(), key.get()) == 1;
  ERR_clear_error();
  if (cert == nullptr) {
    return absl::InvalidArgumentError("tls: failed to find any PEM data in certificate input");
  }
  if (key == nullptr) {
    return absl::InvalidArgumentError("tls: failed to find any PEM data in key input");
  }
  if (!match) return absl::InvalidArgumentError("tls: private key does not match public key");
  return absl::OkStatus();
}

}  // namespace keelson::client
