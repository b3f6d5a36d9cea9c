#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace keelson::crypto {
namespace {

constexpr long kClockSkewSeconds = 300;

struct Freeing {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Freeing>;

absl::Status Failed(const std::string& what) {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return absl::InternalError(absl::StrCat("cannot make a certificate: ", what, ": ",
                                          reason != nullptr ? reason : "out of memory"));
}

int NoPassPhrase(char*, int, int, void*) { return -1; }

Owned<BIO> BioOf(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Owned<X509> ParseCertificate(const std::string& pem) {
  return Owned<X509>(PEM_read_bio_X509(BioOf(pem).get(), nullptr, NoPassPhrase, nullptr));
}

Owned<EVP_PKEY> ParseKey(const std::string& pem) {
  return Owned<EVP_PKEY>(PEM_read_bio_PrivateKey(BioOf(pem).get(), nullptr, NoPassPhrase, nullptr));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<std::string> KeyText(EVP_PKEY* key) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("its key");
  }
  return TextOf(bio.get());
}

absl::Status AddExtension(X509* certificate, X509* issuer, int kind, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, text.c_str());
  if (extension == nullptr) return Failed(text);
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added == 1 ? absl::OkStatus() : Failed(text);
}

absl::StatusOr<std::string> AlternativeNames(const std::vector<std::string>& hosts) {
  std::vector<std::string> names;
  for (const std::string& host : hosts) {
    ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
    const bool is_address = address != nullptr;
    ASN1_OCTET_STRING_free(address);
    ERR_clear_error();
    // Anything else would be read as more of the extension's own language.
    if (host.empty() || host.find_first_of(",=\n") != std::string::npos ||
        (!is_address && host.find(':') != std::string::npos)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", host, "\" is no host"));
    }
    names.push_back(absl::StrCat(is_address ? "IP:" : "DNS:", host));
  }
  return absl::StrJoin(names, ",");
}

absl::Status AddExtensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  KV_RETURN_IF_ERROR(AddExtension(certificate, issuer, NID_key_usage,
                                  absl::StrCat("critical,digitalSignature,keyEncipherment",
                                               spec.authority ? ",keyCertSign" : "")));
  std::vector<std::string> purposes;
  if (spec.server) purposes.push_back("serverAuth");
  if (spec.client) purposes.push_back("clientAuth");
  if (!purposes.empty()) {
    KV_RETURN_IF_ERROR(
        AddExtension(certificate, issuer, NID_ext_key_usage, absl::StrJoin(purposes, ",")));
  }
  KV_RETURN_IF_ERROR(AddExtension(certificate, issuer, NID_basic_constraints,
                                  spec.authority ? "critical,CA:TRUE" : "critical,CA:FALSE"));
  KV_RETURN_IF_ERROR(AddExtension(certificate, issuer, NID_subject_key_identifier, "hash"));
  if (issuer != certificate) {
    KV_RETURN_IF_ERROR(AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid"));
  }
  if (spec.hosts.empty()) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(spec.hosts));
  return AddExtension(certificate, issuer, NID_subject_alt_name, names);
}

bool AddName(X509* certificate, int kind, const std::string& value) {
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), kind, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

// All but its names, extensions and signature.
absl::StatusOr<Owned<X509>> Blank(EVP_PKEY* key, absl::Time not_after) {
  Owned<X509> certificate(X509_new());
  uint64_t serial = 0;
  if (certificate == nullptr ||
      RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) {
    return Failed("its serial number");
  }
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), (serial >> 1) | 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kClockSkewSeconds);
  // The last date that has a form here.
  const absl::Time last = absl::FromUnixSeconds(253402300799);
  if (ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                    absl::ToTimeT(std::min(not_after, last))) == nullptr) {
    return Failed("its last day");
  }
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

}  // namespace

absl::StatusOr<KeyPair> MakeCertificate(const CertificateSpec& spec, const KeyPair* issuer) {
  ERR_clear_error();
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("its key");
  KV_ASSIGN_OR_RETURN(const Owned<X509> certificate, Blank(key.get(), spec.not_after));
  bool named =
      spec.common_name.empty() || AddName(certificate.get(), NID_commonName, spec.common_name);
  for (const std::string& organization : spec.organizations) {
    named = named && AddName(certificate.get(), NID_organizationName, organization);
  }
  if (!named) return Failed("its names");
  Owned<X509> authority;
  Owned<EVP_PKEY> authority_key;
  if (issuer != nullptr) {
    authority = ParseCertificate(issuer->certificate);
    authority_key = ParseKey(issuer->key);
    if (authority == nullptr || authority_key == nullptr) return Failed("its authority");
  }
  X509* const signer = authority != nullptr ? authority.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  KV_RETURN_IF_ERROR(AddExtensions(certificate.get(), signer, spec));
  if (X509_sign(certificate.get(), authority_key != nullptr ? authority_key.get() : key.get(),
                EVP_sha256()) == 0) {
    return Failed("its signature");
  }
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return Failed("its text");
  KV_ASSIGN_OR_RETURN(std::string key_text, KeyText(key.get()));
  return KeyPair{TextOf(bio.get()), std::move(key_text)};
}

absl::StatusOr<std::string> MakeKey() {
  ERR_clear_error();
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("a key");
  return KeyText(key.get());
}

bool IsValidAt(const std::string& certificate, absl::Time time, const KeyPair* issuer) {
  const Owned<X509> parsed = ParseCertificate(certificate);
  const Owned<X509> authority = issuer != nullptr ? ParseCertificate(issuer->certificate) : nullptr;
  time_t at = absl::ToTimeT(time);
  const bool valid =
      parsed != nullptr && X509_cmp_time(X509_get0_notAfter(parsed.get()), &at) > 0 &&
      X509_cmp_time(X509_get0_notBefore(parsed.get()), &at) < 0 &&
      (issuer == nullptr ||
       (authority != nullptr && X509_verify(parsed.get(), X509_get0_pubkey(authority.get())) == 1));
  ERR_clear_error();
  return valid;
}

}  // namespace keelson::crypto
