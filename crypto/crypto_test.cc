#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "base/check.h"
#include "crypto/certificate.h"
#include "crypto/certificate_request.h"
#include "crypto/signature.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::crypto {
namespace {

const absl::Time kNow = absl::Now();

CertificateSpec Authority() {
  return {.common_name = "ca", .authority = true, .not_after = kNow + absl::Hours(48)};
}

X509* Parse(const std::string& pem) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* const certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

// OpenSSL's verdict of a certificate for one purpose.
int Verdict(const KeyPair& authority, const KeyPair& leaf, int purpose) {
  X509_STORE* const store = X509_STORE_new();
  X509* const root = Parse(authority.certificate);
  X509* const certificate = Parse(leaf.certificate);
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, certificate, nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_verify_cert(context);
  const int verdict = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_free(certificate);
  X509_free(root);
  X509_STORE_free(store);
  return verdict;
}

TEST(CertificateTest, AnAuthorityVouchesForWhatItIssuedAndForThatPurposeOnly) {
  const KeyPair authority = *MakeCertificate(Authority(), nullptr);
  const KeyPair client = *MakeCertificate({.common_name = "system:kube-scheduler",
                                           .organizations = {"a", "b"},
                                           .client = true,
                                           .not_after = kNow + absl::Hours(24)},
                                          &authority);
  const KeyPair server = *MakeCertificate({.common_name = "server",
                                           .hosts = {"127.0.0.1", "::1", "localhost", "a.svc"},
                                           .server = true,
                                           .not_after = kNow + absl::Hours(24)},
                                          &authority);
  EXPECT_EQ(Verdict(authority, client, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
  EXPECT_EQ(Verdict(authority, client, X509_PURPOSE_SSL_SERVER), X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(Verdict(authority, server, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(Verdict(authority, server, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_INVALID_PURPOSE);
  const KeyPair other = *MakeCertificate(Authority(), nullptr);
  EXPECT_NE(Verdict(other, client, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
  // Who is no authority cannot be one.
  const KeyPair forged = *MakeCertificate(
      {.common_name = "root", .client = true, .not_after = kNow + absl::Hours(1)}, &client);
  EXPECT_NE(Verdict(authority, forged, X509_PURPOSE_SSL_CLIENT), X509_V_OK);

  X509* const parsed = Parse(server.certificate);
  EXPECT_EQ(X509_check_ip_asc(parsed, "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(parsed, "::1", 0), 1);
  EXPECT_EQ(X509_check_host(parsed, "a.svc", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(parsed, "b.svc", 0, 0, nullptr), 0);
  X509_free(parsed);
}

TEST(CertificateTest, ValidityIsOfTimeAndIssuer) {
  const KeyPair authority = *MakeCertificate(Authority(), nullptr);
  const KeyPair other = *MakeCertificate(Authority(), nullptr);
  const KeyPair leaf =
      *MakeCertificate({.client = true, .not_after = kNow + absl::Hours(24)}, &authority);
  EXPECT_TRUE(IsValidAt(leaf.certificate, kNow, &authority));
  EXPECT_TRUE(IsValidAt(leaf.certificate, kNow + absl::Hours(23)));
  EXPECT_FALSE(IsValidAt(leaf.certificate, kNow + absl::Hours(25)));
  EXPECT_FALSE(IsValidAt(leaf.certificate, kNow - absl::Hours(1)));
  EXPECT_FALSE(IsValidAt(leaf.certificate, kNow, &other));
  EXPECT_FALSE(IsValidAt("no certificate", kNow));
}

TEST(CertificateTest, WhatIsNoHostIsRefused) {
  for (const std::string host : {"", "a,IP:1.2.3.4", "a:b", "x=y", "a\nb"}) {
    const auto made = MakeCertificate({.hosts = {host}, .not_after = kNow}, nullptr);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << host;
  }
}

class SigningKeyTest : public testing::Test {
 protected:
  SigningKeyTest() {
    char name[] = "/tmp/keelson-crypto-test.XXXXXX";
    KV_CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
  }
  ~SigningKeyTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& text) {
    const std::string path = directory_ + "/key.pem";
    FILE* const file = std::fopen(path.c_str(), "w");
    KV_CHECK_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
    std::fclose(file);
    return path;
  }
  std::string Write(EVP_PKEY* key) {
    const std::string path = directory_ + "/key.pem";
    FILE* const file = std::fopen(path.c_str(), "w");
    KV_CHECK_EQ(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
    std::fclose(file);
    EVP_PKEY_free(key);
    return path;
  }

  std::string directory_;
};

std::string FromBase64Url(const std::string& text) {
  std::string bytes;
  KV_CHECK(absl::WebSafeBase64Unescape(text, &bytes));
  return bytes;
}

// The key of RFC 7515, appendix A.3.
EVP_PKEY* ExampleKey() {
  const std::string x = FromBase64Url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
  const std::string y = FromBase64Url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
  const std::string d = FromBase64Url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
  const std::string point = "\x04" + x + y;
  BIGNUM* const secret = BN_bin2bn(reinterpret_cast<const unsigned char*>(d.data()),
                                   static_cast<int>(d.size()), nullptr);
  OSSL_PARAM_BLD* const builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret);
  OSSL_PARAM* const params = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context);
  KV_CHECK_EQ(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params), 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  BN_free(secret);
  return key;
}

TEST_F(SigningKeyTest, PublicMembersAreThoseOfTheStandardsExample) {
  const auto key = SignatureKey::LoadPrivate(Write(ExampleKey()));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->method(), "ES256");
  EXPECT_THAT(
      key->PublicMembers(),
      testing::ElementsAre(testing::Pair("kty", "EC"), testing::Pair("crv", "P-256"),
                           testing::Pair("x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                           testing::Pair("y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")));
  // openssl pkey -pubout -outform der | openssl dgst -sha256 -binary | basenc --base64url
  EXPECT_EQ(key->id(), "K9G7DESol8MKeqCZHN442AYv5EHeUNoPRoJTRPYC6Cc");
}

TEST_F(SigningKeyTest, MethodFollowsFromTheKindOfKey) {
  const auto rsa = SignatureKey::LoadPrivate(Write(EVP_RSA_gen(2048)));
  ASSERT_TRUE(rsa.ok()) << rsa.status();
  EXPECT_EQ(rsa->method(), "RS256");
  ASSERT_EQ(rsa->PublicMembers().size(), 3u);
  EXPECT_EQ(rsa->PublicMembers()[2].second, "AQAB");
  EXPECT_EQ(FromBase64Url(rsa->PublicMembers()[1].second).size(), 256u);

  const auto made = SignatureKey::LoadPrivate(Write(*MakeKey()));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->method(), "ES256");
  EXPECT_TRUE(made->Verify("text", *made->Sign("text")));
  EXPECT_FALSE(made->Verify("other", *made->Sign("text")));
  EXPECT_NE(made->id(), rsa->id());

  EXPECT_EQ(SignatureKey::LoadPrivate(Write("nothing")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SignatureKey::LoadPrivate(directory_ + "/absent").status().code(),
            absl::StatusCode::kInvalidArgument);
}

// openssl req -new -subj "/O=system:masters/O=b/CN=x", by a key of P-256.
constexpr char kRequest[] =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIHsMIGTAgEAMDExFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQowCAYDVQQKDAFi\n"
    "MQowCAYDVQQDDAF4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEo0+Qt+N/ZcS5\n"
    "J03jfDfyReAknARwjg8jWCqB7pBZfwqMlCQTDM1bb++aY8Wxd1eoSm03WoulPfky\n"
    "p7zYeo5tY6AAMAoGCCqGSM49BAMCA0gAMEUCIDdVc1W4GaV7izSH1YgB54OxqZD0\n"
    "qeVJ5WHN5TrHv2s+AiEAs5Dhqw8Sni7Iw7dYDhDJgajXlFzxf3i8cS8mR2qYFH0=\n"
    "-----END CERTIFICATE REQUEST-----\n";

TEST(CertificateRequestTest, ARequestIsSignedByItsKeyAndTellsItsOrganizations) {
  EXPECT_TRUE(CheckCertificateRequest(kRequest).ok());
  EXPECT_THAT(OrganizationsOfRequest(kRequest), testing::ElementsAre("system:masters", "b"));
  std::string forged = kRequest;
  forged.replace(forged.find("AFi"), 3, "AFj");  // O=c
  EXPECT_EQ(CheckCertificateRequest(forged).message(),
            "the certificate request is not signed by its key");
  EXPECT_EQ(CheckCertificateRequest("text").message(),
            "PEM block type must be CERTIFICATE REQUEST");
  EXPECT_THAT(OrganizationsOfRequest("text"), testing::IsEmpty());
}

TEST(CertificateRequestTest, CertificatesAreThatAndNothingElse) {
  const KeyPair authority = *MakeCertificate(Authority(), nullptr);
  EXPECT_TRUE(CheckCertificates(authority.certificate + authority.certificate).ok());
  EXPECT_EQ(CheckCertificates("").message(), "must contain at least one CERTIFICATE PEM block");
  EXPECT_EQ(CheckCertificates(authority.certificate + kRequest).message(),
            "only CERTIFICATE PEM blocks are allowed, found \"CERTIFICATE REQUEST\"");
}

}  // namespace
}  // namespace keelson::crypto
