#include "apiserver/auth/authenticator.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/errors.h"
#include "apiserver/auth/endpoint_registration.h"
#include "apiserver/auth/reviews.h"
#include "apiserver/auth/testing/memory_objects.h"
#include "apiserver/auth/users.h"
#include "base/check.h"
#include "crypto/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::auth {
namespace {

using api::Json;
using registry::User;
using testing::ElementsAre;

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() {
    char name[] = "/tmp/keelson-auth-test.XXXXXX";
    KV_CHECK(mkdtemp(name) != nullptr);
    directory_ = name;
    tokens_ = LoadTokens("key.pem");
    Authenticator::Options options;
    options.static_tokens =
        *ReadTokenFile(Write("tokens", "secret,bob,1,\"devs,ops\"\n\nother,carol,2\n,nobody,3\n"));
    authenticator_ = std::make_unique<Authenticator>(options, tokens_.get());
    objects_.Put(kServiceAccounts,
                 {{"metadata", {{"name", "sa"}, {"namespace", "ns"}, {"uid", "sa-uid"}}}});
    objects_.Put(kPods, {{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "pod-uid"}}},
                         {"spec", {{"serviceAccountName", "sa"}, {"nodeName", "n1"}}}});
    objects_.Put(kNodes, {{"metadata", {{"name", "n1"}, {"uid", "node-uid"}}}});
  }
  ~AuthenticatorTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  std::unique_ptr<ServiceAccountTokens> LoadTokens(const std::string& key) {
    auto loaded = ServiceAccountTokens::Load({.key_file = Write(key, *crypto::MakeKey())},
                                             &objects_, [this] { return now_; });
    KV_CHECK(loaded.ok()) << loaded.status();
    return std::make_unique<ServiceAccountTokens>(*std::move(loaded));
  }

  static http::HeaderBlock Headers(const std::vector<std::pair<std::string, std::string>>& fields) {
    http::HeaderBlock headers;
    for (const auto& [name, value] : fields) headers.Add(name, value);
    return headers;
  }
  absl::StatusOr<User> WithToken(const std::string& token) {
    return authenticator_->Authenticate({}, Headers({{"authorization", "Bearer " + token}}));
  }
  std::string Token(Json spec = Json::object()) {
    const auto request = tokens_->Request("ns", "sa", {{"spec", std::move(spec)}});
    KV_CHECK(request.ok()) << request.status();
    return (*request)["status"]["token"];
  }
  std::string Refusal(const std::string& token) {
    return std::string(authenticator_->AuthenticateToken(token, {}).status().message());
  }
  static Json Part(const std::string& token, size_t index) {
    const std::vector<std::string> parts = absl::StrSplit(token, '.');
    std::string text;
    KV_CHECK(absl::WebSafeBase64Unescape(parts[index], &text));
    return Json::parse(text);
  }

  std::string directory_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  MemoryObjects objects_;
  std::unique_ptr<ServiceAccountTokens> tokens_;
  std::unique_ptr<Authenticator> authenticator_;
  Authorizer authorizer_{&objects_};
  const User root_{.name = "root", .uid = "", .groups = {"system:masters"}, .extra = {}};
};

TEST_F(AuthenticatorTest, CertificateTellsNameAndGroups) {
  const http::PeerCertificate certificate{
      .common_name = "alice", .organizations = {"a", "b"}, .sha256 = "00ff", .refused = ""};
  const auto user = authenticator_->Authenticate(certificate, {});
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->name, "alice");
  EXPECT_THAT(user->groups, ElementsAre("a", "b", "system:authenticated"));
  EXPECT_THAT(user->extra, ElementsAre(testing::Pair("authentication.kubernetes.io/credential-id",
                                                     ElementsAre("X509SHA256=00ff"))));
}

TEST_F(AuthenticatorTest, WhoShowsNothingIsAnonymous) {
  const auto user = authenticator_->Authenticate({}, {});
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->name, "system:anonymous");
  EXPECT_THAT(user->groups, ElementsAre("system:unauthenticated"));
  const Authenticator strict({.static_tokens = {}, .anonymous = false}, tokens_.get());
  EXPECT_EQ(api::HttpCode(strict.Authenticate({}, {}).status()), 401);
}

TEST_F(AuthenticatorTest, CredentialThatDoesNotHoldIsRefusedNotIgnored) {
  const absl::Status status = WithToken("nonsense").status();
  EXPECT_EQ(api::HttpCode(status), 401);
  EXPECT_EQ(status.message(), "Unauthorized");
  const http::PeerCertificate bad{
      .common_name = "", .organizations = {}, .sha256 = "", .refused = "expired"};
  EXPECT_EQ(api::HttpCode(authenticator_->Authenticate(bad, {}).status()), 401);
  EXPECT_TRUE(
      authenticator_->Authenticate(bad, Headers({{"authorization", "bearer secret"}})).ok());
  // What is no bearer token is nobody's.
  EXPECT_EQ(authenticator_->Authenticate({}, Headers({{"authorization", "Basic eA=="}}))->name,
            "system:anonymous");
}

TEST_F(AuthenticatorTest, StaticTokensAreReadFromTheirFile) {
  const auto bob = WithToken("secret");
  ASSERT_TRUE(bob.ok()) << bob.status();
  EXPECT_EQ(bob->name, "bob");
  EXPECT_EQ(bob->uid, "1");
  EXPECT_THAT(bob->groups, ElementsAre("devs", "ops", "system:authenticated"));
  EXPECT_EQ(WithToken("other")->name, "carol");
  EXPECT_THAT(std::string(ReadTokenFile(Write("bad", "a,b\n")).status().message()),
              testing::HasSubstr("line 1 of the token file"));
  EXPECT_FALSE(ReadTokenFile(Write("bad", "t,n,u,\"open\n")).ok());
  EXPECT_FALSE(ReadTokenFile(directory_ + "/absent").ok());
}

// --- tokens of service accounts ---

TEST_F(AuthenticatorTest, TokenIsForItsServiceAccount) {
  const auto answer = tokens_->Request("ns", "sa", {{"kind", "TokenRequest"}});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ((*answer)["status"]["expirationTimestamp"], "2027-01-15T09:00:00Z");
  EXPECT_EQ((*answer)["metadata"]["name"], "sa");
  const std::string token = (*answer)["status"]["token"];
  EXPECT_EQ(Part(token, 0)["alg"], "ES256");
  const Json claims = Part(token, 1);
  EXPECT_EQ(claims["iss"], "https://kubernetes.default.svc.cluster.local");
  EXPECT_EQ(claims["aud"], Json::array({"https://kubernetes.default.svc.cluster.local"}));
  EXPECT_EQ(claims["sub"], "system:serviceaccount:ns:sa");
  EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 3600);
  EXPECT_EQ(claims["kubernetes.io"],
            (Json{{"namespace", "ns"}, {"serviceaccount", {{"name", "sa"}, {"uid", "sa-uid"}}}}));
  const auto user = WithToken(token);
  ASSERT_TRUE(user.ok()) << Refusal(token);
  EXPECT_EQ(user->name, "system:serviceaccount:ns:sa");
  EXPECT_EQ(user->uid, "sa-uid");
  EXPECT_THAT(user->groups, ElementsAre("system:serviceaccounts", "system:serviceaccounts:ns",
                                        "system:authenticated"));
}

TEST_F(AuthenticatorTest, TokenEndsWithItsTimeAndItsAccount) {
  const std::string token = Token({{"expirationSeconds", 600}});
  now_ += absl::Seconds(600);
  EXPECT_TRUE(WithToken(token).ok());
  now_ += absl::Seconds(61);
  EXPECT_EQ(Refusal(token), "service account token has expired");
  now_ -= absl::Hours(1);
  EXPECT_EQ(Refusal(token), "service account token is not valid yet");
  now_ += absl::Hours(1) - absl::Seconds(100);
  EXPECT_TRUE(WithToken(token).ok());
  objects_.Put(kServiceAccounts,
               {{"metadata", {{"name", "sa"}, {"namespace", "ns"}, {"uid", "another"}}}});
  EXPECT_EQ(Refusal(token), "service account UID (another) does not match claim (sa-uid)");
  objects_.Remove(kServiceAccounts, "ns", "sa");
  EXPECT_EQ(Refusal(token), "serviceaccounts \"sa\" not found");
}

TEST_F(AuthenticatorTest, BoundTokenEndsWithItsPod) {
  const std::string token =
      Token({{"boundObjectRef", {{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", "p"}}}});
  const auto user = WithToken(token);
  ASSERT_TRUE(user.ok()) << Refusal(token);
  EXPECT_THAT(
      user->extra,
      testing::IsSupersetOf(
          {testing::Pair("authentication.kubernetes.io/pod-name", ElementsAre("p")),
           testing::Pair("authentication.kubernetes.io/pod-uid", ElementsAre("pod-uid")),
           testing::Pair("authentication.kubernetes.io/node-name", ElementsAre("n1")),
           testing::Pair("authentication.kubernetes.io/node-uid", ElementsAre("node-uid"))}));
  objects_.Remove(kNodes, "", "n1");
  EXPECT_TRUE(WithToken(token).ok()) << "a pod's token only tells its node";
  Json pod = *objects_.Find(kPods, "ns", "p");
  pod["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z";
  objects_.Put(kPods, pod);
  EXPECT_EQ(Refusal(token), "service account token has been invalidated");
  objects_.Remove(kPods, "ns", "p");
  EXPECT_EQ(Refusal(token), "service account token has been invalidated");
}

TEST_F(AuthenticatorTest, ForgedTokensAreRefused) {
  const std::string token = Token();
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  const auto refused = [this](const std::string& forged) {
    EXPECT_EQ(Refusal(forged), "invalid bearer token") << forged;
  };
  refused(LoadTokens("other.pem")->Request("ns", "sa", Json::object()).value()["status"]["token"]);
  Json claims = Part(token, 1);
  claims["sub"] = "system:serviceaccount:ns:root";
  refused(parts[0] + "." + absl::WebSafeBase64Escape(claims.dump()) + "." + parts[2]);
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({})", R"([])"}) {
    refused(absl::WebSafeBase64Escape(header) + "." + parts[1] + "." + parts[2]);
  }
  refused(parts[0] + "." + parts[1] + ".");
  refused(parts[0] + "." + parts[1]);
  for (const char* text : {"", ".", "..", "a.b.c", "\xff.\xff.\xff"}) refused(text);
  refused(std::string(1 << 20, 'a') + "." + parts[1] + "." + parts[2]);
}

TEST_F(AuthenticatorTest, TokenForOthersIsNotForUs) {
  const std::string token = Token({{"audiences", {"vault"}}});
  EXPECT_EQ(api::HttpCode(WithToken(token).status()), 401);
  const auto verified = authenticator_->AuthenticateToken(token, {"vault", "x"});
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_THAT(verified->audiences, ElementsAre("vault"));
}

TEST_F(AuthenticatorTest, BadTokenRequestsAreRefused) {
  const auto code = [this](Json request) {
    return api::HttpCode(tokens_->Request("ns", "sa", std::move(request)).status());
  };
  EXPECT_EQ(code({{"spec", {{"expirationSeconds", 599}}}}), 422);
  EXPECT_EQ(code({{"spec", {{"expirationSeconds", (int64_t{1} << 32) + 1}}}}), 422);
  EXPECT_EQ(code({{"metadata", {{"name", "x"}}}}), 422);
  const auto bound = [&](Json reference) {
    return code({{"spec", {{"boundObjectRef", std::move(reference)}}}});
  };
  EXPECT_EQ(bound({{"kind", "Pod"}, {"name", "absent"}}), 404);
  EXPECT_EQ(bound({{"kind", "Pod"}, {"name", "p"}, {"uid", "x"}}), 409);
  EXPECT_EQ(bound({{"kind", "ConfigMap"}, {"name", "p"}}), 400);
  objects_.Put(kServiceAccounts, {{"metadata", {{"name", "b"}, {"namespace", "ns"}}}});
  EXPECT_EQ(api::HttpCode(
                tokens_
                    ->Request("ns", "b",
                              {{"spec", {{"boundObjectRef", {{"kind", "Pod"}, {"name", "p"}}}}}})
                    .status()),
            400);
  EXPECT_EQ(api::HttpCode(tokens_->Request("ns", "absent", Json::object()).status()), 404);
}

TEST_F(AuthenticatorTest, DocumentsTellOthersHowToVerify) {
  const Json keys = Json::parse(tokens_->Jwks())["keys"];
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0]["kid"], Part(Token(), 0)["kid"]);
  EXPECT_EQ(keys[0]["alg"], "ES256");
  EXPECT_EQ(keys[0]["use"], "sig");
  EXPECT_EQ(keys[0]["crv"], "P-256");
  const Json document = Json::parse(tokens_->OpenIdConfiguration("https://a/openid/v1/jwks"));
  EXPECT_EQ(document["jwks_uri"], "https://a/openid/v1/jwks");
  EXPECT_EQ(document["id_token_signing_alg_values_supported"], Json::array({"ES256"}));
}

// --- impersonation ---

TEST_F(AuthenticatorTest, WhoMayIsTakenForAnother) {
  const auto user = Impersonate(root_,
                                Headers({{"impersonate-user", "alice"},
                                         {"impersonate-group", "a"},
                                         {"impersonate-group", "b"},
                                         {"impersonate-uid", "7"},
                                         {"impersonate-extra-example.com%2fscopes", "x"},
                                         {"impersonate-extra-example.com%2fscopes", "y"}}),
                                authorizer_);
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->name, "alice");
  EXPECT_EQ(user->uid, "7");
  EXPECT_THAT(user->groups, ElementsAre("a", "b", "system:authenticated"));
  EXPECT_THAT(user->extra, ElementsAre(testing::Pair("example.com/scopes", ElementsAre("x", "y"))));
  EXPECT_THAT(
      Impersonate(root_, Headers({{"impersonate-user", "system:serviceaccount:ns:sa"}}),
                  authorizer_)
          ->groups,
      ElementsAre("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"));
  EXPECT_THAT(
      Impersonate(root_, Headers({{"impersonate-user", "system:anonymous"}}), authorizer_)->groups,
      ElementsAre("system:unauthenticated"));
  EXPECT_EQ(Impersonate(root_, {}, authorizer_)->name, "root");
}

TEST_F(AuthenticatorTest, EveryPartOfAnotherNeedsItsOwnRight) {
  Json role = {{"metadata", {{"name", "r"}}}};
  role["rules"] = ToJson({{{"impersonate"}, {""}, {"users"}, {"alice"}}});
  objects_.Put(kClusterRoles, role);
  objects_.Put(kClusterRoleBindings,
               {{"metadata", {{"name", "b"}}},
                {"roleRef", {{"kind", "ClusterRole"}, {"name", "r"}}},
                {"subjects", Json::array({{{"kind", "User"}, {"name", "bob"}}})}});
  const User bob{.name = "bob", .uid = "", .groups = {}, .extra = {}};
  EXPECT_TRUE(Impersonate(bob, Headers({{"impersonate-user", "alice"}}), authorizer_).ok());
  EXPECT_EQ(
      Impersonate(bob, Headers({{"impersonate-user", "carol"}}), authorizer_).status().message(),
      "users \"carol\" is forbidden: User \"bob\" cannot impersonate resource \"users\" in "
      "API group \"\" at the cluster scope");
  for (const char* header : {"impersonate-group", "impersonate-uid", "impersonate-extra-x"}) {
    EXPECT_EQ(
        api::HttpCode(
            Impersonate(bob, Headers({{"impersonate-user", "alice"}, {header, "x"}}), authorizer_)
                .status()),
        403)
        << header;
    EXPECT_FALSE(Impersonate(root_, Headers({{header, "x"}}), authorizer_).ok())
        << header << " without a user";
  }
}

// --- reviews ---

TEST_F(AuthenticatorTest, AccessReviewsAnswerAndCheckTheirForm) {
  const User bob{.name = "bob", .uid = "", .groups = {}, .extra = {}};
  const Json get_pods = {{"namespace", "default"}, {"verb", "get"}, {"resource", "pods"}};
  const Json question = {{"spec", {{"resourceAttributes", get_pods}}}};
  EXPECT_EQ((*ReviewSelfAccess(authorizer_, root_, question))["status"]["allowed"], true);
  EXPECT_EQ((*ReviewSelfAccess(authorizer_, bob, question))["status"]["allowed"], false);
  Json about = question;
  about["spec"]["user"] = "x";
  about["spec"]["groups"] = {"system:masters"};
  EXPECT_EQ((*ReviewAccess(authorizer_, about))["status"]["allowed"], true);
  EXPECT_EQ((*ReviewLocalAccess(authorizer_, "default", about))["status"]["allowed"], true);
  EXPECT_EQ(api::HttpCode(ReviewLocalAccess(authorizer_, "other", about).status()), 422);
  EXPECT_EQ(api::HttpCode(ReviewAccess(authorizer_, question).status()), 422);
  EXPECT_EQ(api::HttpCode(ReviewSelfAccess(authorizer_, bob, Json::object()).status()), 422);
  Json both = question;
  both["spec"]["nonResourceAttributes"] = {{"path", "/x"}, {"verb", "get"}};
  EXPECT_EQ(api::HttpCode(ReviewSelfAccess(authorizer_, bob, both).status()), 422);
  Json named = question;
  named["metadata"] = {{"creationTimestamp", nullptr}};
  EXPECT_TRUE(ReviewSelfAccess(authorizer_, bob, named).ok()) << "as typed clients write it";
  named["metadata"]["name"] = "x";
  EXPECT_EQ(api::HttpCode(ReviewSelfAccess(authorizer_, bob, named).status()), 422);
}

TEST_F(AuthenticatorTest, RulesReviewListsWhatTheUserMay) {
  Json role = {{"metadata", {{"name", "r"}}}};
  role["rules"] =
      ToJson({{{"get"}, {""}, {"pods"}, {"p"}}, {.verbs = {"get"}, .urls = {"/healthz"}}});
  objects_.Put(kClusterRoles, role);
  objects_.Put(kClusterRoleBindings,
               {{"metadata", {{"name", "b"}}},
                {"roleRef", {{"kind", "ClusterRole"}, {"name", "r"}}},
                {"subjects", Json::array({{{"kind", "User"}, {"name", "bob"}}})}});
  const User bob{.name = "bob", .uid = "", .groups = {}, .extra = {}};
  const auto review = ReviewSelfRules(authorizer_, bob, {{"spec", {{"namespace", "default"}}}});
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_EQ((*review)["status"], Json::parse(R"({"incomplete": false,
                            "resourceRules": [{"verbs": ["get"], "apiGroups": [""],
                                               "resources": ["pods"], "resourceNames": ["p"]}],
                            "nonResourceRules": [{"verbs": ["get"],
                                                  "nonResourceURLs": ["/healthz"]}]})"));
  EXPECT_EQ(api::HttpCode(ReviewSelfRules(authorizer_, bob, Json::object()).status()), 400);
}

TEST_F(AuthenticatorTest, TokenAndSelfReviewsTellTheUser) {
  const auto good = ReviewToken(*authenticator_, {{"spec", {{"token", Token()}}}});
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ((*good)["status"]["authenticated"], true);
  EXPECT_EQ((*good)["status"]["user"]["username"], "system:serviceaccount:ns:sa");
  const auto bad = ReviewToken(*authenticator_, {{"spec", {{"token", "x"}}}});
  EXPECT_EQ((*bad)["status"]["authenticated"], false);
  EXPECT_EQ((*bad)["status"]["error"], "invalid bearer token");
  EXPECT_EQ(api::HttpCode(ReviewToken(*authenticator_, Json::object()).status()), 400);
  EXPECT_EQ((*ReviewSelf(root_, now_, Json::object()))["status"]["userInfo"],
            (Json{{"username", "root"}, {"groups", {"system:masters"}}}));
}

// --- the service kubernetes ---

TEST_F(AuthenticatorTest, EndpointsNameExactlyTheServersThatAreThere) {
  ASSERT_TRUE(
      WriteEndpoints(objects_, {{"10.0.0.1", 6443}, {"10.0.0.2", 6443}, {"10.0.0.1", 7443}}).ok());
  const Json subsets = (*objects_.Find(kEndpoints, "default", "kubernetes"))["subsets"];
  ASSERT_EQ(subsets.size(), 2u);
  EXPECT_EQ(subsets[0]["addresses"], (Json::array({{{"ip", "10.0.0.1"}}, {{"ip", "10.0.0.2"}}})));
  EXPECT_EQ(objects_.List(kEndpointSlices, "default").size(), 2u);
  const int writes = objects_.writes;
  ASSERT_TRUE(
      WriteEndpoints(objects_, {{"10.0.0.2", 6443}, {"10.0.0.1", 6443}, {"10.0.0.1", 7443}}).ok());
  EXPECT_EQ(objects_.writes, writes) << "the same, in another order";
  ASSERT_TRUE(WriteEndpoints(objects_, {{"10.0.0.2", 6443}}).ok());
  EXPECT_EQ((*objects_.Find(kEndpoints, "default", "kubernetes"))["subsets"].size(), 1u);
  size_t endpoints = 0;
  for (const Object& slice : objects_.List(kEndpointSlices, "default")) {
    endpoints += (*slice)["endpoints"].size();
  }
  EXPECT_EQ(endpoints, 1u);
}

}  // namespace
}  // namespace keelson::auth
