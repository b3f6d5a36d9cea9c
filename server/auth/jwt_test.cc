// Signed tokens: each method with its own keys, and what is not to be believed.
#include "server/auth/jwt.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "crypto/signature.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using ::testing::HasSubstr;

class JwtTest : public testing::Test {
 protected:
  std::string File(const std::string& name) const { return directory_.File(name); }
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
    return File(name);
  }
  // "<name>.key" and "<name>.pub".
  void MakeKeys(const std::string& name, EVP_PKEY* key) const {
    KV_CHECK(key != nullptr);
    FILE* file = std::fopen(File(name + ".key").c_str(), "w");
    KV_CHECK(PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
    file = std::fopen(File(name + ".pub").c_str(), "w");
    KV_CHECK(PEM_write_PUBKEY(file, key) == 1);
    std::fclose(file);
    EVP_PKEY_free(key);
  }
  void MakeKeysFor(const std::string& method, const std::string& name) const {
    if (method == "EdDSA") {
      MakeKeys(name, EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    } else if (method.starts_with("ES")) {
      const char* const curve = method == "ES256" ? "P-256" : method == "ES384" ? "P-384" : "P-521";
      MakeKeys(name, EVP_EC_gen(curve));
    } else {
      MakeKeys(name, EVP_RSA_gen(2048));
    }
  }
  std::unique_ptr<Jwt> Create(const JwtOptions& options) {
    auto jwt = Jwt::Create(options, [this] { return now_; });
    KV_CHECK(jwt.ok()) << jwt.status();
    return *std::move(jwt);
  }
  std::unique_ptr<Jwt> WithSecret(const std::string& secret = "a secret") {
    return Create({"HS256", "", Write("secret", secret), absl::Minutes(5)});
  }
  std::string Error(const JwtOptions& options) {
    const auto jwt = Jwt::Create(options, [this] { return now_; });
    return jwt.ok() ? "" : std::string(jwt.status().message());
  }
  // A token of these parts, signed as `jwt` would.
  static std::string Unsigned(const std::string& header, const std::string& claims) {
    std::string h = absl::WebSafeBase64Escape(header);
    std::string c = absl::WebSafeBase64Escape(claims);
    for (std::string* text : {&h, &c}) {
      while (text->ends_with('=')) text->pop_back();
    }
    return h + "." + c;
  }

  const storage::TemporaryDirectory directory_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(JwtTest, EveryMethodSignsWhatItBelieves) {
  for (const std::string method : {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
                                   "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}) {
    JwtOptions options{method, "", Write("secret", "a secret"), absl::Minutes(5)};
    if (!method.starts_with("HS")) {
      MakeKeysFor(method, "pair");
      options.public_key_file = File("pair.pub");
      options.private_key_file = File("pair.key");
    }
    const auto jwt = Create(options);
    const auto token = jwt->Sign("alice", 12);
    ASSERT_TRUE(token.ok()) << method << token.status();
    auto claims = jwt->Verify(*token);
    ASSERT_TRUE(claims) << method;
    EXPECT_EQ(claims->caller.user, "alice");
    EXPECT_EQ(claims->caller.auth_revision, 12u);
    EXPECT_EQ(claims->expires, now_ + absl::Minutes(5));

    std::string changed = *token;
    char& last = changed[changed.size() - 2];
    last = last == 'A' ? 'B' : 'A';
    EXPECT_FALSE(jwt->Verify(changed)) << method;
    changed = *token;
    char& middle = changed[changed.find('.') + 3];
    middle = middle == 'A' ? 'B' : 'A';
    EXPECT_FALSE(jwt->Verify(changed)) << method;
    if (method.starts_with("HS")) continue;
    // A member that has the public key alone believes and does not sign.
    options.private_key_file = "";
    const auto reader = Create(options);
    EXPECT_FALSE(reader->can_sign()) << method;
    EXPECT_TRUE(reader->Verify(*token)) << method;
  }
}

TEST_F(JwtTest, ATokenExpires) {
  const auto jwt = WithSecret();
  const std::string token = *jwt->Sign("alice", 1);
  now_ += absl::Minutes(5) - absl::Seconds(1);
  EXPECT_TRUE(jwt->Verify(token));
  now_ += absl::Seconds(1);
  EXPECT_FALSE(jwt->Verify(token));
}

TEST_F(JwtTest, AnotherKeyOrMethodIsNotBelieved) {
  const std::string token = *WithSecret("one")->Sign("alice", 1);
  EXPECT_FALSE(WithSecret("two")->Verify(token));
  const auto other = Create({"HS512", "", Write("secret", "one"), absl::Minutes(5)});
  EXPECT_FALSE(other->Verify(token));
  // Signed with the public key as if it were a secret.
  MakeKeysFor("RS256", "pair");
  const auto rsa = Create({"RS256", File("pair.pub"), File("pair.key"), absl::Minutes(5)});
  const auto forger = Create({"HS256", "", File("pair.pub"), absl::Minutes(5)});
  EXPECT_FALSE(rsa->Verify(*forger->Sign("root", 1)));
}

TEST_F(JwtTest, WhatIsNoTokenIsNotBelieved) {
  const auto jwt = WithSecret();
  const std::string good = *jwt->Sign("alice", 1);
  const std::string none = Unsigned("{\"alg\":\"none\"}", "{\"username\":\"root\",\"revision\":1}");
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), none + ".",
        good + ".", good + "=", "x" + good, good.substr(0, good.rfind('.')),
        good.substr(0, good.rfind('.') + 1)}) {
    EXPECT_FALSE(jwt->Verify(token)) << token;
  }
}

TEST_F(JwtTest, AGoodSignatureUnderBadClaimsIsNotBelieved) {
  const std::string file = Write("secret", "a secret");
  const auto key = crypto::SignatureKey::Load("HS256", "", file);
  ASSERT_TRUE(key.ok());
  const auto jwt = Create({"HS256", "", file, absl::Minutes(5)});
  const auto believed = [&](const std::string& claims, const char* header = R"({"alg":"HS256"})") {
    const std::string text = Unsigned(header, claims);
    std::string signature = absl::WebSafeBase64Escape(*key->Sign(text));
    while (signature.ends_with('=')) signature.pop_back();
    return jwt->Verify(absl::StrCat(text, ".", signature)).has_value();
  };
  EXPECT_TRUE(believed(R"({"username":"a","revision":1})")) << "one that never expires";
  EXPECT_TRUE(believed(R"({"username":"a","revision":1,"exp":1700000001})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1,"exp":1700000000})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1,"exp":"1800000000"})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1,"nbf":1700000001})"));
  EXPECT_FALSE(believed(R"({"username":"a"})"));
  EXPECT_FALSE(believed(R"({"revision":1})"));
  EXPECT_FALSE(believed(R"({"username":7,"revision":1})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":"1"})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":-1})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1e300})"));
  EXPECT_FALSE(believed("[]"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1})", R"({"alg":"none"})"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1})", "{}"));
  EXPECT_FALSE(believed(R"({"username":"a","revision":1})", "nothing"));
}

TEST_F(JwtTest, OptionsAreReadAsEtcdReadsThem) {
  const auto options =
      ParseJwtOptions("pub-key=a.pub,priv-key=a.key,sign-method=RS256,ttl=10m,colour=red");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->sign_method, "RS256");
  EXPECT_EQ(options->public_key_file, "a.pub");
  EXPECT_EQ(options->private_key_file, "a.key");
  EXPECT_EQ(options->ttl, absl::Minutes(10));
  EXPECT_EQ(ParseJwtOptions("sign-method=HS256")->ttl, absl::Minutes(5));
  EXPECT_FALSE(ParseJwtOptions("sign-method").ok());
  EXPECT_FALSE(ParseJwtOptions("ttl=soon").ok());
  EXPECT_FALSE(ParseJwtOptions("ttl=1m,ttl=2m").ok());
}

TEST_F(JwtTest, KeysThatDoNotFitAreNamed) {
  MakeKeysFor("RS256", "rsa");
  MakeKeysFor("RS256", "other");
  MakeKeysFor("ES256", "ec");
  EXPECT_THAT(Error({"XX256", "", "", absl::Minutes(5)}), HasSubstr("unknown sign-method"));
  EXPECT_THAT(Error({"RS256", "", "", absl::Minutes(5)}), HasSubstr("missing key data"));
  EXPECT_THAT(Error({"HS256", File("rsa.pub"), "", absl::Minutes(5)}),
              HasSubstr("missing key data"));
  EXPECT_THAT(Error({"RS256", File("absent"), "", absl::Minutes(5)}), HasSubstr("cannot read"));
  EXPECT_THAT(Error({"RS256", Write("junk", "junk"), "", absl::Minutes(5)}),
              HasSubstr("holds no public key"));
  EXPECT_THAT(Error({"RS256", "", File("rsa.pub"), absl::Minutes(5)}),
              HasSubstr("holds no private key"));
  EXPECT_THAT(Error({"RS256", File("other.pub"), File("rsa.key"), absl::Minutes(5)}),
              HasSubstr("public and private keys don't match"));
  EXPECT_THAT(Error({"RS256", File("ec.pub"), "", absl::Minutes(5)}), HasSubstr("not one for"));
  EXPECT_THAT(Error({"ES384", File("ec.pub"), "", absl::Minutes(5)}), HasSubstr("not one for"));
}

}  // namespace
}  // namespace keelson::server
