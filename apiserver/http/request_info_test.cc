#include "apiserver/http/request_info.h"

#include <gtest/gtest.h>

#include "apiserver/api/errors.h"

namespace keelson::apiserver {
namespace {

RequestInfo Parse(std::string_view method, std::string_view target) {
  absl::StatusOr<RequestInfo> info = ParseRequest(method, target);
  EXPECT_TRUE(info.ok()) << info.status();
  return info.ok() ? *info : RequestInfo();
}

// verb group/version namespace resource name/subresource
std::string Told(std::string_view method, std::string_view target) {
  const RequestInfo info = Parse(method, target);
  if (!info.is_resource) return info.verb + " " + info.path;
  return info.verb + " " + info.group + "/" + info.version + " [" + info.name_space + "] " +
         info.resource + " " + info.name + "/" + info.subresource + info.rest;
}

TEST(RequestInfoTest, PathsSayWhatTheyAreAbout) {
  EXPECT_EQ(Told("GET", "/api/v1/pods"), "list /v1 [] pods /");
  EXPECT_EQ(Told("GET", "/api/v1/namespaces/a/pods?limit=5"), "list /v1 [a] pods /");
  EXPECT_EQ(Told("GET", "/api/v1/namespaces/a/pods/b"), "get /v1 [a] pods b/");
  EXPECT_EQ(Told("GET", "/api/v1/namespaces/a/pods/b/log"), "get /v1 [a] pods b/log");
  EXPECT_EQ(Told("POST", "/api/v1/namespaces/a/pods/b/eviction"), "create /v1 [a] pods b/eviction");
  EXPECT_EQ(Told("GET", "/apis/apps/v1/namespaces/a/deployments/b/scale"),
            "get apps/v1 [a] deployments b/scale");
  EXPECT_EQ(Told("PUT", "/api/v1/nodes/n/status"), "update /v1 [] nodes n/status");
  EXPECT_EQ(Told("PATCH", "/api/v1/nodes/n"), "patch /v1 [] nodes n/");
  EXPECT_EQ(Told("DELETE", "/api/v1/nodes/n"), "delete /v1 [] nodes n/");
  EXPECT_EQ(Told("DELETE", "/api/v1/namespaces/a/pods"), "deletecollection /v1 [a] pods /");
}

TEST(RequestInfoTest, ANamespaceIsInItself) {
  EXPECT_EQ(Told("GET", "/api/v1/namespaces"), "list /v1 [] namespaces /");
  EXPECT_EQ(Told("GET", "/api/v1/namespaces/a"), "get /v1 [a] namespaces a/");
  EXPECT_EQ(Told("PUT", "/api/v1/namespaces/a/finalize"), "update /v1 [a] namespaces a/finalize");
}

TEST(RequestInfoTest, AWatchIsAVerbOfItsOwnInBothForms) {
  EXPECT_EQ(Told("GET", "/api/v1/pods?watch=true"), "watch /v1 [] pods /");
  EXPECT_EQ(Told("GET", "/api/v1/pods?watch=0"), "list /v1 [] pods /");
  EXPECT_EQ(Told("GET", "/api/v1/watch/namespaces/a/pods"), "watch /v1 [a] pods /");
  const RequestInfo one = Parse("GET", "/api/v1/watch/namespaces/a/pods/b");
  EXPECT_EQ(one.verb, "watch");
  EXPECT_EQ(one.Parameter("fieldSelector"), "metadata.name=b");
}

TEST(RequestInfoTest, OtherPathsAreThemselves) {
  EXPECT_EQ(Told("GET", "/api"), "get /api");
  EXPECT_EQ(Told("GET", "/api/v1"), "get /api/v1");
  EXPECT_EQ(Told("GET", "/apis/apps/v1"), "get /apis/apps/v1");
  EXPECT_EQ(Told("GET", "/openapi/v3?hash=a"), "get /openapi/v3");
  EXPECT_EQ(Told("GET", "/"), "get /");
}

TEST(RequestInfoTest, EscapesAreDecodedAfterThePathIsCut) {
  const RequestInfo info =
      Parse("GET", "/api/v1/namespaces/a%2Fb/pods?labelSelector=x%3Dy+z&q=1&q=2");
  EXPECT_EQ(info.name_space, "a/b");
  EXPECT_EQ(info.Parameter("labelSelector"), "x=y z");
  EXPECT_EQ(info.query.count("q"), 2U);
  EXPECT_EQ(info.Parameter("none"), "");
}

TEST(RequestInfoTest, BrokenEscapesAndValuesAreRefused) {
  for (const char* target : {"/api/%zz", "/api/%2", "/api/v1/pods?a=%", "/a?%f=1"}) {
    EXPECT_EQ(api::HttpCode(ParseRequest("GET", target).status()), 400) << target;
  }
  const RequestInfo info = Parse("GET", "/x?flag=maybe&count=ten&yes&no=false&limit=12");
  EXPECT_FALSE(ParseFlag(info, "flag").ok());
  EXPECT_FALSE(ParseCount(info, "count").ok());
  EXPECT_TRUE(*ParseFlag(info, "yes"));
  EXPECT_FALSE(*ParseFlag(info, "no"));
  EXPECT_FALSE(*ParseFlag(info, "absent"));
  EXPECT_EQ(*ParseCount(info, "limit"), 12);
  EXPECT_EQ(*ParseCount(info, "absent"), std::nullopt);
}

}  // namespace
}  // namespace keelson::apiserver
