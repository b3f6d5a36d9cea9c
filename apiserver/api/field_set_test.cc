#include "apiserver/api/field_set.h"

#include <string>
#include <vector>

#include "apiserver/api/json_text.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

FieldSet Set(std::string_view json) { return FieldSet::Parse(json).value(); }
std::string Text(std::string_view json) { return Set(json).ToJson(); }

TEST(FieldSet, TextsOfOneSetAreOneText) {
  EXPECT_EQ(Text(R"({ "f:spec" : {"f:b":{}, "f:a":{}}, "f:kind": {} })"),
            R"({"f:kind":{},"f:spec":{"f:a":{},"f:b":{}}})");
  EXPECT_EQ(Text(R"({"k:{\"protocol\":\"TCP\", \"containerPort\": 80}":{".":{},"f:name":{}}})"),
            R"({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}})");
  EXPECT_EQ(Text(R"({"v: \"a\"":{},"i:007":{}})"), R"({"i:7":{},"v:\"a\"":{}})");
  EXPECT_EQ(Text(R"({"f:a":{"f:x":{}},"f:a":{".":{},"f:y":{}}})"),
            R"({"f:a":{".":{},"f:x":{},"f:y":{}}})");
}

TEST(FieldSet, WhatItWritesItReads) {
  for (const std::string json :
       {R"({})", R"({"f:a":{}})", R"({"f:a":{".":{},"f:b":{}}})",
        R"({"f:l":{"k:{\"name\":\"x\\\"y\"}":{".":{},"f:name":{}},"v:1":{}}})",
        R"({"f:\u0001":{},"f:é":{}})"}) {
    const std::string text = Text(json);
    JsonReader reader(text);
    const FieldSet read = FieldSet::Read(reader);
    EXPECT_EQ(read, Set(json)) << json;
    EXPECT_EQ(read.ToJson(), text);
  }
}

TEST(FieldSet, StepsOfKindsToComeAreLeftOut) {
  EXPECT_EQ(Text(R"({"x:new":{"f:a":{}},"f:b":{}})"), R"({"f:b":{}})");
  EXPECT_EQ(Text(R"({"f:a":{"x:new":{}}})"), R"({"f:a":{}})");
}

TEST(FieldSet, WhatIsNoSetIsRefused) {
  for (const std::string json :
       {"", "[]", "{", R"({"f":{}})", R"({"fa":{}})", R"({"k:[1]":{}})", R"({"k:{":{}})",
        R"({"v:":{}})", R"({"i:one":{}})", R"({"f:a":1})", R"({"f:a":{"f:b":[]}})"}) {
    EXPECT_FALSE(FieldSet::Parse(json).has_value()) << json;
  }
}

TEST(FieldSet, WhatIsNoSetIsReadAsLessWhereItIsBelieved) {
  for (const std::string json : {"[]", "7", R"({"f:a":1})", R"({"f:a":{"f:b":[]}})"}) {
    JsonReader reader(json);
    (void)FieldSet::Read(reader);
    EXPECT_TRUE(reader.AtEnd()) << json;
  }
}

TEST(FieldSet, UnionHasTheFieldsOfBoth) {
  FieldSet set = Set(R"({"f:a":{},"f:b":{"f:x":{}}})");
  set.Unite(Set(R"({"f:0":{},"f:b":{".":{},"f:y":{}},"f:c":{}})"));
  EXPECT_EQ(set.ToJson(), R"({"f:0":{},"f:a":{},"f:b":{".":{},"f:x":{},"f:y":{}},"f:c":{}})");
  FieldSet none;
  none.Unite(set);
  EXPECT_EQ(none, set);
  EXPECT_EQ(set.size(), 6u);
}

TEST(FieldSet, DifferenceLeavesWhatIsBelowAndOneKindTakesItToo) {
  const std::string from = R"({"f:a":{".":{},"f:x":{},"f:y":{}},"f:b":{"f:z":{}}})";
  FieldSet set = Set(from);
  set.Subtract(Set(R"({"f:a":{},"f:b":{"f:z":{}}})"));
  EXPECT_EQ(set.ToJson(), R"({"f:a":{"f:x":{},"f:y":{}}})");
  set = Set(from);
  set.SubtractWithBelow(Set(R"({"f:a":{},"f:b":{"f:other":{}}})"));
  EXPECT_EQ(set.ToJson(), R"({"f:b":{"f:z":{}}})");
}

TEST(FieldSet, IntersectionHasNoMembersOfOneSideOnly) {
  const FieldSet a = Set(R"({"f:a":{".":{},"f:x":{}},"f:b":{},"f:c":{"f:z":{}}})");
  EXPECT_EQ(a.Intersection(Set(R"({"f:a":{"f:x":{}},"f:c":{}})")).ToJson(),
            R"({"f:a":{"f:x":{}}})");
  EXPECT_TRUE(a.Intersection(FieldSet()).empty());
}

TEST(FieldSet, PathsAreAsKubernetesShowsThem) {
  const FieldSet set = Set(
      R"({"f:metadata":{"f:finalizers":{"v:\"a/b\"":{}}},
          "f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}},
                    "f:replicas":{},"f:list":{"i:3":{}}}})");
  EXPECT_EQ(set.Paths(),
            (std::vector<std::string>{R"(.metadata.finalizers[="a/b"])", ".spec.replicas",
                                      ".spec.list[3]", R"(.spec.ports[port=80,protocol="TCP"])",
                                      R"(.spec.ports[port=80,protocol="TCP"].name)"}));
}

}  // namespace
}  // namespace keelson::api
