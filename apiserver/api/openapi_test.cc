#include "apiserver/api/openapi.h"

#include <map>
#include <nlohmann/json.hpp>

#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/object.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

std::string Header(const Document& document, std::string_view name) {
  for (const auto& [key, value] : document.headers) {
    if (key == name) return value;
  }
  return "";
}

// Parsed once.
const Json& Get(const std::string& path) {
  static std::map<std::string, Json> documents;
  const auto [document, is_new] = documents.try_emplace(path);
  if (is_new) document->second = Json::parse(OpenApiDocument({.path = path})->body);
  return document->second;
}

TEST(OpenApiTest, IndexNamesADocumentForEveryGroupVersion) {
  const Json& paths = Get("/openapi/v3").at("paths");
  for (const Kind* kind : AllKinds()) {
    const std::string root = (kind->group.empty() ? "api/" : "apis/") + kind->api_version();
    ASSERT_TRUE(paths.contains(root)) << root;
    EXPECT_EQ(
        std::string(paths.at(root).at("serverRelativeURL")).find("/openapi/v3/" + root + "?hash="),
        0u);
  }
}

// What kubectl looks for before it leaves checking to the server.
TEST(OpenApiTest, EveryKindThatIsPatchedTakesFieldValidationAndHasASchema) {
  for (const Kind* kind : AllKinds()) {
    const Json gvk = {{"group", kind->group}, {"version", kind->version}, {"kind", kind->kind}};
    const Json& document = Get(
        "/openapi/v3/" + std::string(kind->group.empty() ? "api/" : "apis/") + kind->api_version());
    bool has_schema = false;
    for (const Json& schema : document.at("components").at("schemas")) {
      for (const Json& of : ArrayAt(schema, "x-kubernetes-group-version-kind"))
        has_schema |= of == gvk;
    }
    EXPECT_TRUE(has_schema) << gvk;
    if (!kind->HasVerb("patch")) continue;
    bool validates = false;
    for (const Json& path : document.at("paths")) {
      if (!path.contains("patch") || path.at("patch").at("x-kubernetes-group-version-kind") != gvk)
        continue;
      EXPECT_FALSE(path.at("patch").contains("requestBody"));
      for (const Json& parameter : path.at("patch").at("parameters")) {
        validates |= parameter.at("name") == "fieldValidation" && parameter.at("in") == "query";
      }
    }
    EXPECT_TRUE(validates) << gvk;
  }
}

TEST(OpenApiTest, EveryReferenceLeadsToASchema) {
  for (const auto& [root, entry] : Get("/openapi/v3").at("paths").items()) {
    const Json& document = Get("/openapi/v3/" + root);
    const Json& schemas = document.at("components").at("schemas");
    const Json flat = schemas.flatten();
    for (const auto& [place, value] : flat.items()) {
      if (!place.ends_with("/$ref")) continue;
      const std::string name = value;
      EXPECT_TRUE(schemas.contains(name.substr(name.rfind('/') + 1))) << place << " " << name;
    }
  }
}

TEST(OpenApiTest, SchemasSayTypesAndWhatIsRequired) {
  const Json& schemas = Get("/openapi/v3/apis/apps/v1").at("components").at("schemas");
  EXPECT_EQ(schemas.at("io.k8s.api.apps.v1.DeploymentSpec").at("required"),
            Json::parse(R"(["selector","template"])"));
  EXPECT_EQ(schemas.at("io.k8s.api.apps.v1.DeploymentSpec").at("properties").at("replicas"),
            Json::parse(R"({"type":"integer","format":"int32"})"));
  EXPECT_EQ(schemas.at("io.k8s.api.core.v1.PodSpec").at("properties").at("containers"),
            Json::parse(R"({"type":"array","items":{"allOf":[
                {"$ref":"#/components/schemas/io.k8s.api.core.v1.Container"}]}})"));
  EXPECT_TRUE(schemas.at("io.k8s.api.core.v1.Volume").at("properties").contains("emptyDir"));
}

TEST(OpenApiTest, DocumentsAreKeptByTheirHash) {
  const Document plain = *OpenApiDocument({.path = "/openapi/v3/api/v1"});
  EXPECT_EQ(Header(plain, "cache-control"), "no-cache, private");
  const std::string etag = Header(plain, "etag");
  const std::string hash = etag.substr(1, etag.size() - 2);
  const Document kept = *OpenApiDocument({.path = "/openapi/v3/api/v1", .hash = hash});
  EXPECT_EQ(Header(kept, "cache-control"), "public, immutable");
  EXPECT_NE(Header(kept, "expires"), "");
  EXPECT_EQ(kept.body, plain.body);
  EXPECT_EQ(OpenApiDocument({.path = "/openapi/v3/api/v1", .if_none_match = etag})->code, 304);
  const Document moved = *OpenApiDocument({.path = "/openapi/v3/api/v1", .hash = "0"});
  EXPECT_EQ(moved.code, 301);
  EXPECT_EQ(Header(moved, "location"), "/openapi/v3/api/v1?hash=" + hash);
  EXPECT_FALSE(OpenApiDocument({.path = "/openapi/v3/apis/none/v1"}).has_value());
  EXPECT_FALSE(OpenApiDocument({.path = "/openapi"}).has_value());
}

TEST(OpenApiTest, VersionTwoIsAConstantInProtobuf) {
  const Document document =
      *OpenApiDocument({.path = "/openapi/v2",
                        .accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"});
  EXPECT_EQ(document.body,
            "\x0a\x03"
            "2.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.33.1");
  EXPECT_EQ(Get("/openapi/v2").at("swagger"), "2.0");
}

}  // namespace
}  // namespace keelson::api
