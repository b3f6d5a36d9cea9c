#include "crypto/certificate_request.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string_view>

#include "base/concat.h"

namespace keelson::crypto {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

absl::Status Malformed(const std::string& message) {
  ERR_clear_error();
  return absl::InvalidArgumentError(message);
}

// A block of PEM text: what it is called, whether lines stand before its content, and its content.
struct Block {
  std::string name;
  bool has_header = false;
  std::string content;
};

// Takes the next block. False: there is none.
bool TakeBlock(BIO* text, Block* block) {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* content = nullptr;
  long bytes = 0;  // NOLINT(google-runtime-int): OpenSSL's
  if (PEM_read_bio(text, &name, &header, &content, &bytes) != 1) return false;
  *block = {.name = name,
            .has_header = std::strlen(header) > 0,
            .content = std::string(reinterpret_cast<char*>(content), bytes)};
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(content);
  return true;
}

BioPtr Open(const std::string& pem) {
  if (pem.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return nullptr;
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// nullptr: it is none, and `why` says so.
RequestPtr ParseRequest(const std::string& pem, absl::Status* why) {
  const BioPtr text = Open(pem);
  Block block;
  if (text == nullptr || !TakeBlock(text.get(), &block) || block.name != "CERTIFICATE REQUEST") {
    *why = Malformed("PEM block type must be CERTIFICATE REQUEST");
    return nullptr;
  }
  const unsigned char* at = Bytes(block.content);
  RequestPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(block.content.size())));
  if (request == nullptr) *why = Malformed("the certificate request is malformed");
  return request;
}

}  // namespace

absl::Status CheckCertificateRequest(const std::string& pem) {
  absl::Status why;
  const RequestPtr request = ParseRequest(pem, &why);
  if (request == nullptr) return why;
  const KeyPtr key(X509_REQ_get_pubkey(request.get()));
  if (key == nullptr || X509_REQ_verify(request.get(), key.get()) != 1) {
    return Malformed("the certificate request is not signed by its key");
  }
  return absl::OkStatus();
}

std::vector<std::string> OrganizationsOfRequest(const std::string& pem) {
  std::vector<std::string> organizations;
  absl::Status why;
  const RequestPtr request = ParseRequest(pem, &why);
  if (request == nullptr) return organizations;
  X509_NAME* const name = X509_REQ_get_subject_name(request.get());
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0;) {
    unsigned char* text = nullptr;
    const int bytes =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (bytes < 0) continue;
    organizations.emplace_back(reinterpret_cast<char*>(text), bytes);
    OPENSSL_free(text);
  }
  ERR_clear_error();
  return organizations;
}

absl::Status CheckCertificates(const std::string& pem) {
  const BioPtr text = Open(pem);
  int count = 0;
  Block block;
  while (text != nullptr && TakeBlock(text.get(), &block)) {
    if (block.name != "CERTIFICATE") {
      return Malformed(
          Concat("only CERTIFICATE PEM blocks are allowed, found \"", block.name, "\""));
    }
    if (block.has_header) return Malformed("no PEM block headers are permitted");
    const unsigned char* at = Bytes(block.content);
    const CertificatePtr certificate(
        d2i_X509(nullptr, &at, static_cast<long>(block.content.size())));
    if (certificate == nullptr) return Malformed("the certificate is malformed");
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return Malformed("must contain at least one CERTIFICATE PEM block");
  return absl::OkStatus();
}

}  // namespace keelson::crypto
