#include "apiserver/api/field_owners.h"

#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/typed_json.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

const Message& MessageNamed(std::string_view name) { return *FindMessage(name); }
const Message& Pod() { return MessageNamed("core.v1.Pod"); }

Json Typed(const Message& message, std::string_view text) {
  Json object;
  EXPECT_EQ(ReadTypedJson(text, message, &object).fatal, "");
  return object;
}

// What an update from the one to the other changes, and removes.
std::string Changed(const Message& message, std::string_view before, std::string_view after) {
  return Compare(message, Typed(message, before), Typed(message, after)).changed.ToJson();
}
std::string Removed(const Message& message, std::string_view before, std::string_view after) {
  return Compare(message, Typed(message, before), Typed(message, after)).removed.ToJson();
}
std::string Fields(const Message& message, std::string_view text) {
  return FieldsOf(message, Json::parse(text)).ToJson();
}

// Expectations are JSON that is easy to read; sets are compared as JSON values.
void ExpectSet(const std::string& set, std::string_view expected) {
  EXPECT_EQ(Json::parse(set), Json::parse(expected)) << set;
}

TEST(FieldOwners, CreationOfADeploymentIsAsKubernetesTellsIt) {
  const Message& message = MessageNamed("apps.v1.Deployment");
  const Difference difference = Compare(message, Json::object(), Typed(message, R"({
      "apiVersion":"apps/v1","kind":"Deployment",
      "metadata":{"name":"web","namespace":"default","uid":"1","labels":{"app":"web"},
                  "annotations":{"a/b":"c"},"generation":1,"creationTimestamp":"2024-01-01T00:00:00Z"},
      "spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},
              "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%"}},
              "template":{"metadata":{"labels":{"app":"web"}},
                          "spec":{"restartPolicy":"Always","securityContext":{},
                                  "containers":[{"name":"c","image":"i",
                                                 "ports":[{"containerPort":80,"protocol":"TCP"}]}]}}}})"));
  ExpectSet(difference.changed.ToJson(), R"({
      "f:metadata":{"f:annotations":{".":{},"f:a/b":{}},"f:labels":{".":{},"f:app":{}}},
      "f:spec":{"f:replicas":{},"f:selector":{},
        "f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}},"f:type":{}},
        "f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},
          "f:spec":{"f:restartPolicy":{},"f:securityContext":{},
            "f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:resources":{},
              "f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{
                  ".":{},"f:containerPort":{},"f:protocol":{}}}}}}}}})");
  EXPECT_TRUE(difference.removed.empty());
}

TEST(FieldOwners, OnlyWhatDiffersIsChanged) {
  const char* before = R"({"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"nodeName":"n",
      "containers":[{"name":"c","image":"i"},{"name":"d","image":"j"}],"tolerations":[{"key":"x"}]}})";
  const char* after = R"({"metadata":{"labels":{"a":"1","c":"3"}},"spec":{"nodeName":"m",
      "containers":[{"name":"d","image":"k"},{"name":"e"}],"tolerations":[{"key":"y"}]}})";
  ExpectSet(Changed(Pod(), before, after), R"({"f:metadata":{"f:labels":{"f:c":{}}},
      "f:spec":{"f:nodeName":{},"f:tolerations":{},"f:containers":{"k:{\"name\":\"d\"}":{"f:image":{}},
                "k:{\"name\":\"e\"}":{".":{},"f:name":{},"f:resources":{}}}}})");
  ExpectSet(Removed(Pod(), before, after), R"({"f:metadata":{"f:labels":{"f:b":{}}},
      "f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:resources":{}}}}})");
}

TEST(FieldOwners, TheSameObjectDiffersInNothing) {
  const char* pod = R"({"metadata":{"finalizers":["b","a"]},"spec":{"containers":[{"name":"c"}]}})";
  EXPECT_EQ(Changed(Pod(), pod, pod), "{}");
  EXPECT_EQ(Removed(Pod(), pod, pod), "{}");
}

TEST(FieldOwners, TheOrderOfAListIsNobodys) {
  EXPECT_EQ(Changed(Pod(), R"({"metadata":{"finalizers":["b","a"]}})",
                    R"({"metadata":{"finalizers":["a","b"]}})"),
            "{}");
  EXPECT_EQ(Changed(Pod(), R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                    R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"),
            "{}");
}

TEST(FieldOwners, ValuesOfSetsAreOwnedEach) {
  const char* before = R"({"metadata":{"finalizers":["a","b"]}})";
  const char* after = R"({"metadata":{"finalizers":["b","c"]}})";
  ExpectSet(Changed(Pod(), before, after), R"({"f:metadata":{"f:finalizers":{"v:\"c\"":{}}}})");
  ExpectSet(Removed(Pod(), before, after), R"({"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}})");
  ExpectSet(Removed(Pod(), before, "{}"),
            R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a\"":{},"v:\"b\"":{}}}})");
}

TEST(FieldOwners, AtomicValuesAreOwnedWhole) {
  // An owner reference is one, a label selector, a node selector, and lists without keys.
  ExpectSet(Changed(Pod(), R"({"metadata":{"ownerReferences":[{"uid":"u","name":"a"}]},
                              "spec":{"nodeSelector":{"a":"b"},"dnsPolicy":"x"}})",
                    R"({"metadata":{"ownerReferences":[{"uid":"u","name":"b"}]},
                        "spec":{"nodeSelector":{"a":"b","c":"d"},"dnsPolicy":"x"}})"),
            R"({"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"u\"}":{}}},
                "f:spec":{"f:nodeSelector":{}}})");
  // But not where the field says otherwise.
  ExpectSet(Changed(MessageNamed("core.v1.PersistentVolume"),
                    R"({"spec":{"claimRef":{"name":"a","uid":"1"}}})",
                    R"({"spec":{"claimRef":{"name":"a","uid":"2"}}})"),
            R"({"f:spec":{"f:claimRef":{"f:uid":{}}}})");
}

TEST(FieldOwners, ItemsThatAreThereTwiceHaveOneOwner) {
  const char* once = R"({"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}]}})";
  const char* twice = R"({"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"},
                                                                  {"name":"A","value":"2"}]}]}})";
  const char* other = R"({"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"},
                                                                  {"name":"A","value":"3"}]}]}})";
  const std::string item =
      R"({"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:env":{"k:{\"name\":\"A\"}":)";
  ExpectSet(Changed(Pod(), once, twice), item + "{}}}}}}");
  ExpectSet(Removed(Pod(), once, twice), item + R"({".":{},"f:name":{},"f:value":{}}}}}}})");
  ExpectSet(Changed(Pod(), twice, other), item + "{}}}}}}");
  ExpectSet(Changed(Pod(), twice, once), item + R"({".":{},"f:name":{},"f:value":{}}}}}}})");
  ExpectSet(Removed(Pod(), twice, once), item + "{}}}}}}");
  EXPECT_EQ(Changed(Pod(), twice, twice), "{}");
}

TEST(FieldOwners, EmptyMapsAreFieldsThemselves) {
  const char* without = R"({"spec":{"containers":[],"volumes":[{"name":"v"}]}})";
  const char* with = R"({"spec":{"containers":[],"volumes":[{"name":"v","emptyDir":{}}]}})";
  const std::string set = R"({"f:spec":{"f:volumes":{"k:{\"name\":\"v\"}":{"f:emptyDir":{}}}}})";
  ExpectSet(Changed(Pod(), without, with), set);
  ExpectSet(Removed(Pod(), with, without), set);
}

TEST(FieldOwners, WhatTheServerSetsHasNoOwner) {
  EXPECT_EQ(Changed(Pod(), "{}",
                    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b",
                        "uid":"c","resourceVersion":"1","selfLink":"x","generation":2,
                        "creationTimestamp":"2024-01-01T00:00:00Z"}})"),
            "{}");
  ExpectSet(Changed(Pod(), "{}", R"({"metadata":{"generateName":"a-"}})"),
            R"({"f:metadata":{"f:generateName":{}}})");
}

TEST(FieldOwners, AMemberMayBeSkipped) {
  const Json before = Typed(Pod(), R"({"status":{"phase":"Pending"}})");
  const Json after = Typed(Pod(), R"({"status":{"phase":"Running"},"spec":{"nodeName":"n"}})");
  ExpectSet(Compare(Pod(), before, after, "status").changed.ToJson(),
            R"({"f:spec":{"f:nodeName":{}}})");
  ExpectSet(Compare(Pod(), before, after).changed.ToJson(),
            R"({"f:spec":{"f:nodeName":{}},"f:status":{"f:phase":{}}})");
}

TEST(FieldOwners, AConfigurationHasTheFieldsThatItNames) {
  ExpectSet(Fields(Pod(), R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a",
                "labels":{"x":"y"},"annotations":{},"finalizers":["f"]},
                "spec":{"hostNetwork":false,"nodeName":null,"containers":[{"name":"c","args":[]}]}})"),
            R"({"f:apiVersion":{},"f:kind":{},"f:metadata":{"f:name":{},"f:labels":{"f:x":{}},
                "f:annotations":{},"f:finalizers":{"v:\"f\"":{}}},
                "f:spec":{"f:hostNetwork":{},"f:nodeName":{},
                          "f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:args":{}}}}})");
  FieldSet fields = FieldsOf(Pod(), Json::parse(R"({"apiVersion":"v1","kind":"Pod",
      "metadata":{"name":"a","labels":{"x":"y"}}})"));
  EraseOwnerless(&fields);
  ExpectSet(fields.ToJson(), R"({"f:metadata":{"f:labels":{"f:x":{}}}})");
}

TEST(FieldOwners, MessagesOfFieldsAreNamedButNotMapsAndItems) {
  const FieldSet fields = FieldSet::Parse(
                              R"({"f:metadata":{"f:labels":{"f:a":{}}},
          "f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:resources":{"f:limits":{"f:cpu":{}}}}}}})")
                              .value();
  ExpectSet(WithMessages(Pod(), fields).ToJson(),
            R"({"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}}},
                "f:spec":{".":{},"f:containers":{".":{},"k:{\"name\":\"c\"}":{
                   "f:resources":{".":{},"f:limits":{".":{},"f:cpu":{}}}}}}})");
}

TEST(FieldOwners, ObjectsThatDoNotFitTheSchemaAreWholes) {
  const Json odd =
      Json::parse(R"({"metadata":7,"spec":{"containers":{"a":[1]},"volumes":[[],{},null],
                                   "unknown":{"a":1}},"more":[{}]})");
  const Json other = Json::parse(R"({"metadata":[],"spec":[1],"more":{}})");
  EXPECT_FALSE(Compare(Pod(), odd, other).empty());
  EXPECT_FALSE(Compare(Pod(), other, odd).empty());
  EXPECT_TRUE(Compare(Pod(), odd, odd).empty());
  EXPECT_GT(FieldsOf(Pod(), odd).size(), 0u);
}

}  // namespace
}  // namespace keelson::api
