#include "crypto/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace keelson::crypto {
namespace {

enum class Family { kHmac, kRsa, kRsaPss, kEcdsa, kEd25519 };

struct MethodInfo {
  const char* name;
  Family family;
  const EVP_MD* (*digest)();
  int curve_bits;  // of ES…
};

const EVP_MD* NoDigest() { return nullptr; }

constexpr std::array<MethodInfo, 13> kMethods = {{{"HS256", Family::kHmac, EVP_sha256, 0},
                                                  {"HS384", Family::kHmac, EVP_sha384, 0},
                                                  {"HS512", Family::kHmac, EVP_sha512, 0},
                                                  {"RS256", Family::kRsa, EVP_sha256, 0},
                                                  {"RS384", Family::kRsa, EVP_sha384, 0},
                                                  {"RS512", Family::kRsa, EVP_sha512, 0},
                                                  {"PS256", Family::kRsaPss, EVP_sha256, 0},
                                                  {"PS384", Family::kRsaPss, EVP_sha384, 0},
                                                  {"PS512", Family::kRsaPss, EVP_sha512, 0},
                                                  {"ES256", Family::kEcdsa, EVP_sha256, 256},
                                                  {"ES384", Family::kEcdsa, EVP_sha384, 384},
                                                  {"ES512", Family::kEcdsa, EVP_sha512, 521},
                                                  {"EdDSA", Family::kEd25519, NoDigest, 0}}};

template <auto kFree>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
void FreeBio(BIO* bio) { BIO_free(bio); }
using PKey = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using MdContext = std::unique_ptr<EVP_MD_CTX, Freeing<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freeing<FreeBio>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freeing<ECDSA_SIG_free>>;

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  }
  return bytes;
}

Bio BioOf(const std::string& bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// What went wrong here is nothing that whoever next looks at this thread's errors should find.
struct ErrorsCleared {
  ~ErrorsCleared() { ERR_clear_error(); }
};

// Never asks for a pass phrase.
int NoPassPhrase(char*, int, int, void*) { return -1; }

absl::StatusOr<PKey> ReadPrivateKey(const std::string& path) {
  KV_ASSIGN_OR_RETURN(const std::string pem, ReadFile(path));
  PKey key(PEM_read_bio_PrivateKey(BioOf(pem).get(), nullptr, NoPassPhrase, nullptr));
  if (!key) return absl::InvalidArgumentError(absl::StrCat(path, " holds no private key"));
  return key;
}

// A public key, or a certificate of one.
absl::StatusOr<PKey> ReadPublicKey(const std::string& path) {
  KV_ASSIGN_OR_RETURN(const std::string pem, ReadFile(path));
  PKey key(PEM_read_bio_PUBKEY(BioOf(pem).get(), nullptr, NoPassPhrase, nullptr));
  if (key) return key;
  const Certificate certificate(
      PEM_read_bio_X509(BioOf(pem).get(), nullptr, NoPassPhrase, nullptr));
  if (certificate) key.reset(X509_get_pubkey(certificate.get()));
  if (!key) return absl::InvalidArgumentError(absl::StrCat(path, " holds no public key"));
  return key;
}

bool Fits(const MethodInfo& method, const EVP_PKEY* key) {
  switch (method.family) {
    case Family::kRsa:
    case Family::kRsaPss:
      return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    case Family::kEcdsa:
      return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
             EVP_PKEY_get_bits(key) == method.curve_bits;
    case Family::kEd25519:
      return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    case Family::kHmac:
      return false;
  }
  return false;
}

bool SetPadding(const MethodInfo& method, EVP_PKEY_CTX* context, int salt_length) {
  if (method.family != Family::kRsaPss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_length) == 1;
}

// Tokens have both numbers of an ECDSA signature one after the other; OpenSSL has them in ASN.1.
std::string FromAsn1(const std::string& der, int bytes) {
  const uint8_t* at = Bytes(der);
  const EcSignature parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string flat(2 * static_cast<size_t>(bytes), '\0');
  auto* const out = reinterpret_cast<uint8_t*>(flat.data());
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), out, bytes) != bytes ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), out + bytes, bytes) != bytes) {
    return "";
  }
  return flat;
}

std::string ToAsn1(std::string_view flat, int bytes) {
  if (flat.size() != 2 * static_cast<size_t>(bytes)) return "";
  const EcSignature signature(ECDSA_SIG_new());
  BIGNUM* const r = BN_bin2bn(Bytes(flat), bytes, nullptr);
  BIGNUM* const s = BN_bin2bn(Bytes(flat) + bytes, bytes, nullptr);
  if (ECDSA_SIG_set0(signature.get(), r, s) != 1) return "";
  uint8_t* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return "";
  std::string result(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return result;
}

std::string Base64Url(const char* bytes, size_t size) {
  return absl::WebSafeBase64Escape(absl::string_view(bytes, size));
}

// A number of the key, big-endian in so many bytes; 0: in as many as it needs.
std::string NumberOf(const EVP_PKEY* key, const char* name, int bytes) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return "";
  std::string flat(static_cast<size_t>(bytes > 0 ? bytes : BN_num_bytes(number)), '\0');
  BN_bn2binpad(number, reinterpret_cast<uint8_t*>(flat.data()), static_cast<int>(flat.size()));
  BN_free(number);
  return Base64Url(flat.data(), flat.size());
}

}  // namespace

struct SignatureKey::Impl {
  const MethodInfo* method;
  std::string name;
  std::string secret;  // of HS…
  PKey verify;
  PKey sign;  // null: we can only verify

  int number_bytes() const { return (method->curve_bits + 7) / 8; }
  std::string Hmac(std::string_view text) const {
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(method->digest(), secret.data(), static_cast<int>(secret.size()), Bytes(text), text.size(),
         mac, &size);
    return std::string(reinterpret_cast<const char*>(mac), size);
  }
};

SignatureKey::SignatureKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SignatureKey::SignatureKey(SignatureKey&&) noexcept = default;
SignatureKey::~SignatureKey() = default;

absl::StatusOr<SignatureKey> SignatureKey::Load(const std::string& method,
                                                const std::string& public_file,
                                                const std::string& private_file) {
  const ErrorsCleared cleared;
  const auto* const info = std::find_if(kMethods.begin(), kMethods.end(),
                                        [&](const MethodInfo& m) { return method == m.name; });
  if (info == kMethods.end()) {
    return absl::InvalidArgumentError(absl::StrCat("unknown sign-method \"", method, "\""));
  }
  auto impl = std::make_unique<Impl>();
  impl->method = info;
  impl->name = method;
  if (info->family == Family::kHmac) {
    if (private_file.empty()) return absl::InvalidArgumentError("missing key data");
    KV_ASSIGN_OR_RETURN(impl->secret, ReadFile(private_file));
    if (impl->secret.empty()) return absl::InvalidArgumentError("missing key data");
    return SignatureKey(std::move(impl));
  }
  if (private_file.empty() && public_file.empty()) {
    return absl::InvalidArgumentError("missing key data");
  }
  if (!private_file.empty()) {
    KV_ASSIGN_OR_RETURN(impl->sign, ReadPrivateKey(private_file));
  }
  if (!public_file.empty()) {
    KV_ASSIGN_OR_RETURN(impl->verify, ReadPublicKey(public_file));
    if (impl->sign && EVP_PKEY_eq(impl->sign.get(), impl->verify.get()) != 1) {
      return absl::InvalidArgumentError("public and private keys don't match");
    }
  } else {
    EVP_PKEY_up_ref(impl->sign.get());
    impl->verify.reset(impl->sign.get());
  }
  if (!Fits(*info, impl->verify.get())) {
    return absl::InvalidArgumentError(absl::StrCat("the key is not one for ", method));
  }
  return SignatureKey(std::move(impl));
}

absl::StatusOr<SignatureKey> SignatureKey::LoadPrivate(const std::string& private_file) {
  const ErrorsCleared cleared;
  KV_ASSIGN_OR_RETURN(const PKey key, ReadPrivateKey(private_file));
  for (const MethodInfo& method : kMethods) {
    if (method.family != Family::kRsaPss && Fits(method, key.get())) {
      return Load(method.name, "", private_file);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(private_file, " holds a key of a kind that signs no tokens"));
}

const std::string& SignatureKey::method() const { return impl_->name; }

bool SignatureKey::can_sign() const {
  return impl_->method->family == Family::kHmac || impl_->sign != nullptr;
}

absl::StatusOr<std::string> SignatureKey::Sign(std::string_view text) const {
  KV_CHECK(can_sign());
  const ErrorsCleared cleared;
  if (impl_->method->family == Family::kHmac) return impl_->Hmac(text);
  const absl::Status failed = absl::InternalError("the token could not be signed");
  const MdContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  if (EVP_DigestSignInit(context.get(), &key_context, impl_->method->digest(), nullptr,
                         impl_->sign.get()) != 1 ||
      !SetPadding(*impl_->method, key_context, RSA_PSS_SALTLEN_DIGEST)) {
    return failed;
  }
  size_t size = 0;
  if (EVP_DigestSign(context.get(), nullptr, &size, Bytes(text), text.size()) != 1) return failed;
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<uint8_t*>(signature.data()), &size,
                     Bytes(text), text.size()) != 1) {
    return failed;
  }
  signature.resize(size);
  if (impl_->method->family != Family::kEcdsa) return signature;
  signature = FromAsn1(signature, impl_->number_bytes());
  if (signature.empty()) return failed;
  return signature;
}

bool SignatureKey::Verify(std::string_view text, std::string_view signature) const {
  if (impl_->method->family == Family::kHmac) {
    const std::string mac = impl_->Hmac(text);
    return mac.size() == signature.size() &&
           CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  const ErrorsCleared cleared;
  std::string der;
  if (impl_->method->family == Family::kEcdsa) {
    der = ToAsn1(signature, impl_->number_bytes());
    if (der.empty()) return false;
    signature = der;
  }
  const MdContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  return EVP_DigestVerifyInit(context.get(), &key_context, impl_->method->digest(), nullptr,
                              impl_->verify.get()) == 1 &&
         SetPadding(*impl_->method, key_context, RSA_PSS_SALTLEN_AUTO) &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(text),
                          text.size()) == 1;
}

std::string SignatureKey::id() const {
  if (!impl_->verify) return "";
  uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(impl_->verify.get(), &der);
  if (size <= 0) return "";
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(der, static_cast<size_t>(size), digest);
  OPENSSL_free(der);
  return Base64Url(reinterpret_cast<const char*>(digest), sizeof(digest));
}

std::vector<std::pair<std::string, std::string>> SignatureKey::PublicMembers() const {
  const EVP_PKEY* const key = impl_->verify.get();
  switch (impl_->method->family) {
    case Family::kRsa:
    case Family::kRsaPss:
      return {{"kty", "RSA"},
              {"n", NumberOf(key, OSSL_PKEY_PARAM_RSA_N, 0)},
              {"e", NumberOf(key, OSSL_PKEY_PARAM_RSA_E, 0)}};
    case Family::kEcdsa:
      return {{"kty", "EC"},
              {"crv", absl::StrCat("P-", impl_->method->curve_bits)},
              {"x", NumberOf(key, OSSL_PKEY_PARAM_EC_PUB_X, impl_->number_bytes())},
              {"y", NumberOf(key, OSSL_PKEY_PARAM_EC_PUB_Y, impl_->number_bytes())}};
    case Family::kEd25519: {
      uint8_t raw[32];
      size_t size = sizeof(raw);
      EVP_PKEY_get_raw_public_key(key, raw, &size);
      return {{"kty", "OKP"},
              {"crv", "Ed25519"},
              {"x", Base64Url(reinterpret_cast<const char*>(raw), size)}};
    }
    case Family::kHmac:
      break;
  }
  return {};
}

}  // namespace keelson::crypto
