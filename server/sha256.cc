#include "server/sha256.h"

#include <openssl/evp.h>  // tidy-ok: SHA-256 ends a snapshot as etcd's clients expect; no TLS here

#include "base/check.h"

namespace keelson::server {

struct Sha256::Context {
  Context() : evp(EVP_MD_CTX_new()) {
    KV_CHECK(evp != nullptr && EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) == 1)
        << "no SHA-256 in this OpenSSL";
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(evp); }
  EVP_MD_CTX* const evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;

void Sha256::Add(std::string_view bytes) {
  KV_CHECK_EQ(EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size()), 1);
}

std::string Sha256::Finish() {
  std::string sum(kSha256Bytes, '\0');
  unsigned int size = 0;
  KV_CHECK_EQ(
      EVP_DigestFinal_ex(context_->evp, reinterpret_cast<unsigned char*>(sum.data()), &size), 1);
  KV_CHECK_EQ(size, kSha256Bytes);
  return sum;
}

}  // namespace keelson::server
