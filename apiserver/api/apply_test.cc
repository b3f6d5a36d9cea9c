#include "apiserver/api/apply.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"

namespace keelson::api {
namespace {

const Message& Pod() { return *FindMessage("core.v1.Pod"); }
const Message& Deployment() { return *FindMessage("apps.v1.Deployment"); }

Json Merged(std::string_view object, std::string_view config) {
  return Merge(Pod(), Json::parse(object), Json::parse(config));
}
Json Without(std::string_view object, std::string_view fields) {
  Json rest = Json::parse(object);
  RemoveFields(Pod(), FieldSet::Parse(fields).value(), &rest);
  return rest;
}
std::string Fault(std::string_view config) { return ApplyFault(Deployment(), Json::parse(config)); }

// The names in spec.containers.
std::string Order(std::string_view object, std::string_view config) {
  const auto list = [](std::string_view names) {
    Json pod = Json::parse(R"({"spec":{"containers":[]}})");
    for (char name : names) {
      pod["spec"]["containers"].push_back({{"name", std::string(1, name)}});
    }
    return pod;
  };
  const Json merged = Merge(Pod(), list(object), list(config));
  std::string order;
  for (const Json& item : merged["spec"]["containers"]) order += item["name"].get<std::string>();
  return order;
}

TEST(Apply, WhatAConfigurationNamesIsAsItIsThere) {
  EXPECT_EQ(Merged(R"({"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"nodeName":"n",
                       "nodeSelector":{"x":"y"},"containers":[{"name":"c","image":"i","tty":true}]}})",
                   R"({"metadata":{"labels":{"b":"3"}},"spec":{"nodeSelector":{"z":"w"},
                       "containers":[{"name":"c","image":"j"},{"name":"d"}]}})"),
            Json::parse(R"({"metadata":{"labels":{"a":"1","b":"3"}},"spec":{"nodeName":"n",
                "nodeSelector":{"z":"w"},
                "containers":[{"name":"c","image":"j","tty":true},{"name":"d"}]}})"));
}

TEST(Apply, EmptyMapsAndListsTakeNothingAway) {
  const char* object = R"({"metadata":{"labels":{"a":"1"},"finalizers":["f"]}})";
  EXPECT_EQ(Merged(object, R"({"metadata":{"labels":{},"finalizers":[]}})"), Json::parse(object));
  EXPECT_EQ(Merged(object, R"({"metadata":{"labels":null}})"), Json::parse(object));
  EXPECT_EQ(Merged("{}", R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})"),
            Json::parse(R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})"));
}

TEST(Apply, ListsKeepTheirOrderAsFarAsTheConfigurationDoesNotSay) {
  EXPECT_EQ(Order("abc", "b"), "abc");
  EXPECT_EQ(Order("abc", "d"), "abcd");
  EXPECT_EQ(Order("abc", "cba"), "cba");
  EXPECT_EQ(Order("abc", "ca"), "bca");
  EXPECT_EQ(Order("axbyc", "cba"), "xycba");
  EXPECT_EQ(Order("ab", "xayb"), "xayb");
  EXPECT_EQ(Order("", "ab"), "ab");
  EXPECT_EQ(Order("ab", ""), "ab");
}

TEST(Apply, ItemsThatTheObjectHasTwiceBecomeThatOfTheConfiguration) {
  EXPECT_EQ(Merged(R"({"spec":{"containers":[{"name":"c","env":[
                         {"name":"A","value":"1"},{"name":"A","value":"2"},{"name":"B"}]}]}})",
                   R"({"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"3"}]}]}})"),
            Json::parse(R"({"spec":{"containers":[{"name":"c","env":[
                         {"name":"A","value":"3"},{"name":"B"}]}]}})"));
}

TEST(Apply, KeysHaveDefaults) {
  EXPECT_EQ(
      Merged(R"({"spec":{"containers":[{"name":"c","ports":[
                         {"containerPort":80,"protocol":"TCP","name":"a"}]}]}})",
             R"({"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"name":"b"}]}]}})"),
      Json::parse(R"({"spec":{"containers":[{"name":"c","ports":[
                         {"containerPort":80,"protocol":"TCP","name":"b"}]}]}})"));
}

TEST(Apply, FieldsAreRemovedAndWithThemWhatIsLeftEmpty) {
  const char* object = R"({"metadata":{"labels":{"a":"1"},"finalizers":["f","g"]},
      "spec":{"nodeName":"n","containers":[{"name":"c","image":"i","tty":true},{"name":"d"}]}})";
  EXPECT_EQ(Without(object, R"({"f:metadata":{"f:labels":{"f:a":{}},"f:finalizers":{"v:\"f\"":{}}},
                                "f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:tty":{}},
                                                          "k:{\"name\":\"d\"}":{".":{}}}}})"),
            Json::parse(R"({"metadata":{"finalizers":["g"]},"spec":{"nodeName":"n",
                            "containers":[{"name":"c","image":"i"}]}})"));
  EXPECT_EQ(Without(object, "{}"), Json::parse(object));
}

TEST(Apply, AnItemStaysWhatItIsKnownBy) {
  EXPECT_EQ(
      Without(R"({"spec":{"containers":[{"name":"c","image":"i"}]}})",
              R"({"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:name":{},"f:image":{}}}}})"),
      Json::parse(R"({"spec":{"containers":[{"name":"c"}]}})"));
}

TEST(Apply, WhatDoesNotFitTheSchemaIsToldInKubernetesWords) {
  EXPECT_EQ(Fault(R"({"spec":{"replicas":2,"template":{"spec":{"containers":[
                      {"name":"c","command":["a"],"ports":[{"containerPort":1},
                       {"containerPort":1,"protocol":"UDP"}],"tty":null}]}}}})"),
            "");
  EXPECT_EQ(Fault(R"({"spec":{"template":{"spec":{"containers":[{"name":"c","imag":"x"}]}}}})"),
            R"(.spec.template.spec.containers[name="c"].imag: field not declared in schema)");
  EXPECT_EQ(Fault(R"({"spec":{"replicas":"2","paused":"yes"}})"),
            "errors:\n  .spec.paused: expected boolean, got &{yes}\n"
            "  .spec.replicas: expected numeric (int or float), got string");
  EXPECT_EQ(Fault(R"({"spec":{"template":{"spec":{"containers":[{"name":"c"},{"name":"c"}]}}}})"),
            R"(.spec.template.spec.containers: duplicate entries for key [name="c"])");
  EXPECT_EQ(
      Fault(R"({"metadata":{"ownerReferences":[{"name":"c"}],"finalizers":[["a"]]}})"),
      ".metadata.finalizers: element 0: not supported: associative list with lists as elements");
  EXPECT_EQ(
      Fault(R"({"spec":[],"metadata":{"labels":["a"]}})"),
      "errors:\n  .metadata.labels: expected map, got &{[a]}\n  .spec: expected map, got &{[]}");
  EXPECT_EQ(Fault(R"({"spec":{"template":{"spec":{"containers":{"name":"c"}}}}})"),
            ".spec.template.spec.containers: expected list, got &{map[name:c]}");
  EXPECT_EQ(ApplyFault(*FindMessage("core.v1.ServiceAccount"),
                       Json::parse(R"({"secrets":[{"namespace":"n"}]})")),
            ".secrets: element 0: associative list with keys has an element that omits key field "
            "\"name\" (and doesn't have default value)");
}

}  // namespace
}  // namespace keelson::api
