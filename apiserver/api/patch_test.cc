#include "apiserver/api/patch.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/errors.h"
#include "apiserver/api/json_patch.h"
#include "apiserver/api/quote.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

const Message& Pod() { return *FindMessage("core.v1.Pod"); }

Json Live() {
  return Json::parse(R"({"apiVersion":"v1","kind":"Pod",
      "metadata":{"name":"a","labels":{"x":"1","y":"2"},"finalizers":["f1","f2"]},
      "spec":{"containers":[{"name":"c1","image":"i1","resources":{},
                             "env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},
                            {"name":"c2","image":"i2","resources":{}}],
              "tolerations":[{"key":"k"}],
              "volumes":[{"name":"v","emptyDir":{}}]},"status":{}})");
}

struct Outcome {
  Json object;  // or the message
  int code = 200;
  std::vector<std::string> warnings = {};
};

Outcome Patched(PatchType type, std::string_view patch,
                FieldValidation validation = FieldValidation::kStrict) {
  Outcome outcome;
  absl::StatusOr<Json> object =
      ApplyPatch(type, Live(), patch, Pod(), validation, &outcome.warnings);
  outcome.code = HttpCode(object.status());
  outcome.object = object.ok() ? *object : StatusObject(object.status())["message"];
  return outcome;
}
Json Strategic(std::string_view patch) { return Patched(PatchType::kStrategicMerge, patch).object; }
// The names in a list of the pod's spec.
std::string Names(const Json& pod, const char* list) {
  if (!pod.is_object()) return pod.dump();
  std::string names;
  for (const Json& item : pod["spec"][list]) names += std::string(item["name"]) + " ";
  return names;
}
Json Operations(std::string_view patch) { return Patched(PatchType::kJson, patch).object; }

constexpr std::string_view kRejected =
    "the server rejected our request due to an error in our request";

TEST(JsonPatchTest, OperationsApplyInOrder) {
  const Json pod = Operations(R"([
      {"op":"test","path":"/metadata/name","value":"a"},
      {"op":"add","path":"/metadata/labels/a~1b~0c","value":"n"},
      {"op":"remove","path":"/metadata/labels/x"},
      {"op":"replace","path":"/spec/containers/0/image","value":"new"},
      {"op":"add","path":"/metadata/finalizers/0","value":"f0"},
      {"op":"add","path":"/metadata/finalizers/-","value":"f3"},
      {"op":"move","from":"/metadata/labels/y","path":"/metadata/labels/z"},
      {"op":"copy","from":"/spec/containers/0/image","path":"/spec/containers/-1/image"}])");
  ASSERT_TRUE(pod.is_object()) << pod;
  EXPECT_EQ(pod["metadata"]["labels"], Json::parse(R"({"a/b~c":"n","z":"2"})"));
  EXPECT_EQ(pod["metadata"]["finalizers"], Json::parse(R"(["f0","f1","f2","f3"])"));
  EXPECT_EQ(pod["spec"]["containers"][0]["image"], "new");
  EXPECT_EQ(pod["spec"]["containers"][1]["image"], "new");
  EXPECT_EQ(
      Operations(R"([{"op":"replace","path":"/metadata/labels/q","value":"n"}])")["metadata"]
                                                                                 ["labels"]["q"],
      "n");
}

TEST(JsonPatchTest, OperationsThatFailAreUnprocessable) {
  for (std::string_view patch : {
           R"([{"op":"test","path":"/metadata/name","value":"b"}])",
           R"([{"op":"test","path":"/metadata/nothing","value":"b"}])",
           R"([{"op":"remove","path":"/metadata/nothing"}])",
           R"([{"op":"remove","path":"/metadata/finalizers/2"}])",
           R"([{"op":"add","path":"/nothing/deep","value":1}])",
           R"([{"op":"add","path":"/metadata/finalizers/x","value":"f"}])",
           R"([{"op":"add","path":"/metadata/finalizers/4","value":"f"}])",
           R"([{"op":"add","path":"metadata","value":"f"}])",
           R"([{"op":"add","path":"","value":{}}])",
           R"([{"op":"replace","path":"/metadata/finalizers/7","value":"f"}])",
           R"([{"op":"move","from":"/metadata/nothing","path":"/metadata/x"}])",
           R"([{"op":"move","path":"/metadata/x"}])",
           R"([{"op":"copy","from":"/metadata/finalizers/9","path":"/metadata/x"}])",
           R"([{"op":"frobnicate","path":"/metadata/x"}])",
           R"([{"path":"/metadata/x"}])",
           R"([{"op":"add"}])",
       }) {
    const Outcome outcome = Patched(PatchType::kJson, patch);
    EXPECT_EQ(outcome.object, kRejected) << patch;
    EXPECT_EQ(outcome.code, 422) << patch;
  }
}

TEST(JsonPatchTest, TextsThatAreNoPatchAreBadRequests) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{}",
       "error decoding patch: json: cannot unmarshal object into Go value of type "
       "[]handlers.jsonPatchOp"},
      {"[5]",
       "error decoding patch: json: cannot unmarshal number into Go value of type "
       "handlers.jsonPatchOp"},
      {R"([{"op":1}])",
       "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of "
       "type string"},
      {"[", "error decoding patch: unexpected end of JSON input"},
      {"1",
       "error decoding patch: json: cannot unmarshal number into Go value of type "
       "[]handlers.jsonPatchOp"},
      {R"({"op":"add"})",
       "error decoding patch: json: cannot unmarshal object into Go value of type "
       "[]handlers.jsonPatchOp"},
  };
  for (const auto& [patch, message] : cases) {
    const Outcome outcome = Patched(PatchType::kJson, patch);
    EXPECT_EQ(outcome.object, message);
    EXPECT_EQ(outcome.code, 400);
  }
}

TEST(JsonPatchTest, PatchesAreBounded) {
  std::string patch = "[";
  for (size_t i = 0; i <= kPatchOperationsMax; ++i) {
    patch += R"({"op":"test","path":"/kind","value":"Pod"},)";
  }
  patch.back() = ']';
  EXPECT_EQ(Patched(PatchType::kJson, patch).code, 413);
  // Each copy doubles what the next one copies.
  std::string doubling =
      R"([{"op":"add","path":"/metadata/annotations","value":{"a":["xxxxxxxx"]}})";
  for (int i = 0; i < 40; ++i) {
    doubling +=
        R"(,{"op":"copy","from":"/metadata/annotations/a","path":"/metadata/annotations/a/-"})";
  }
  EXPECT_EQ(Patched(PatchType::kJson, doubling + "]").code, 422);
  // Each nests the value deeper.
  std::string nesting = R"([{"op":"add","path":"/metadata/annotations","value":{}})";
  for (int i = 0; i < 2000; ++i) {
    nesting +=
        R"(,{"op":"add","path":"/spec/x","value":{}},{"op":"move","from":"/metadata","path":"/spec/x/m"},{"op":"move","from":"/spec/x","path":"/metadata"})";
  }
  EXPECT_EQ(Patched(PatchType::kJson, nesting + "]").code, 422);
}

TEST(MergePatchTest, NullsRemoveAndListsAreReplaced) {
  const Json pod = Patched(PatchType::kMerge,
                           R"({"metadata":{"labels":{"x":null,"z":"3"},"finalizers":null},
                               "spec":{"containers":[{"name":"only","image":"i"}]}})")
                       .object;
  EXPECT_EQ(pod["metadata"], Json::parse(R"({"name":"a","labels":{"y":"2","z":"3"}})"));
  EXPECT_EQ(Names(pod, "containers"), "only ");
  EXPECT_EQ(Patched(PatchType::kMerge, "[]").object,
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}");
  EXPECT_EQ(Patched(PatchType::kMerge, "{").code, 400);
}

TEST(PatchTest, ObjectsThatBecomeNoneAreInvalid) {
  const Outcome outcome = Patched(PatchType::kMerge, R"({"spec":{"priority":"high"}})");
  EXPECT_EQ(outcome.code, 422);
  const std::string message = outcome.object;
  EXPECT_EQ(message.find(" \"\" is invalid: patch: Invalid value: \"{\\\"apiVersion\\\""), 0u);
  EXPECT_NE(message.find(": json: cannot unmarshal string into Go struct field "
                         "PodSpec.spec.priority of type int32"),
            std::string::npos);
  EXPECT_EQ(
      Strategic(R"({"spec":{"priority":"high"}})"),
      " \"\" is invalid: patch: Invalid value: \"map[spec:map[priority:high]]\": json: cannot "
      "unmarshal string into Go struct field PodSpec.spec.priority of type int32");
  EXPECT_EQ(Patched(PatchType::kMerge, R"({"kind":"Service"})").code, 422);
  EXPECT_EQ(Patched(PatchType::kJson, R"([{"op":"replace","path":"","value":[]}])").code, 422);
}

TEST(PatchTest, UnknownAndDuplicateFieldsAreToldOrRefused) {
  constexpr std::string_view kPatch =
      R"({"spec":{"foo":1},"metadata":{"labels":{"a":"1","a":"2"}}})";
  EXPECT_EQ(Strategic(kPatch),
            " \"\" is invalid: patch: Invalid value: \"map[metadata:map[labels:map[a:2]] "
            "spec:map[foo:1]]\": strict decoding error: duplicate field \"metadata.labels.a\", "
            "unknown field \"spec.foo\"");
  const Outcome warned = Patched(PatchType::kMerge, kPatch, FieldValidation::kWarn);
  EXPECT_EQ(warned.warnings, (std::vector<std::string>{"duplicate field \"metadata.labels.a\"",
                                                       "unknown field \"spec.foo\""}));
  EXPECT_EQ(warned.object["metadata"]["labels"]["a"], "2");
  EXPECT_EQ(Patched(PatchType::kJson, R"([{"op":"test","path":"/kind","value":"Pod","x":1}])",
                    FieldValidation::kWarn)
                .warnings,
            std::vector<std::string>{"json patch unknown field \"[0].x\""});
  EXPECT_TRUE(Patched(PatchType::kMerge, kPatch, FieldValidation::kIgnore).warnings.empty());
}

TEST(StrategicMergeTest, ListsMergeByKeyAndNewItemsComeFirst) {
  const Json pod = Strategic(R"({"spec":{"containers":[
      {"name":"c2","image":"new","env":[{"name":"N","value":"3"}]},{"name":"c3","image":"i3"}],
      "tolerations":[{"key":"other"}]}})");
  EXPECT_EQ(Names(pod, "containers"), "c1 c2 c3 ");
  EXPECT_EQ(pod["spec"]["containers"][1]["image"], "new");
  EXPECT_EQ(pod["spec"]["containers"][0]["image"], "i1");
  EXPECT_EQ(pod["spec"]["tolerations"], Json::parse(R"([{"key":"other"}])"));
  EXPECT_EQ(Names(Strategic(R"({"spec":{"containers":[{"name":"new"}]}})"), "containers"),
            "new c1 c2 ");
}

TEST(StrategicMergeTest, ItemsAndListsAreDeletedAndReplacedByDirective) {
  EXPECT_EQ(Names(Strategic(R"({"spec":{"containers":[{"name":"c1","$patch":"delete"}]}})"),
                  "containers"),
            "c2 ");
  EXPECT_EQ(Names(Strategic(R"({"spec":{"containers":[{"$patch":"replace"},{"name":"x"}]}})"),
                  "containers"),
            "x ");
  const Json pod = Strategic(R"({"metadata":{"labels":{"$patch":"replace","z":"9"}}})");
  EXPECT_EQ(pod["metadata"]["labels"], Json::parse(R"({"z":"9"})"));
  EXPECT_FALSE(
      Strategic(R"({"metadata":{"labels":{"$patch":"delete"}}})")["metadata"].contains("labels"));
  EXPECT_FALSE(Strategic(R"({"metadata":{"labels":null}})")["metadata"].contains("labels"));
}

TEST(StrategicMergeTest, SetsOfScalarsMergeAndLoseWhatIsTakenOut) {
  EXPECT_EQ(Strategic(R"({"metadata":{"finalizers":["f3","f1"]}})")["metadata"]["finalizers"],
            Json::parse(R"(["f3","f1","f2"])"));
  EXPECT_EQ(
      Strategic(
          R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["f1","f9"]}})")["metadata"]
                                                                                ["finalizers"],
      Json::parse(R"(["f2"])"));
  EXPECT_EQ(Strategic(R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["f1"],
                          "$setElementOrder/finalizers":["f3","f2"],"finalizers":["f3"]}})")
                ["metadata"]["finalizers"],
            Json::parse(R"(["f3","f2"])"));
}

TEST(StrategicMergeTest, ElementOrderIsThePatchesForWhatItKnows) {
  EXPECT_EQ(
      Names(Strategic(R"({"spec":{"$setElementOrder/containers":[{"name":"c2"},{"name":"c1"}]}})"),
            "containers"),
      "c2 c1 ");
  EXPECT_EQ(Names(Strategic(R"({"spec":{"$setElementOrder/containers":[{"name":"c3"},{"name":"c2"}],
                                "containers":[{"name":"c3","image":"i"}]}})"),
                  "containers"),
            "c3 c1 c2 ");
  const Json pod =
      Strategic(R"({"spec":{"$setElementOrder/containers":[{"name":"c1"}],"containers":[
      {"name":"c1","$setElementOrder/env":[{"name":"B"},{"name":"A"},{"name":"C"}],
       "env":[{"name":"C","value":"3"}]}]}})");
  EXPECT_EQ(pod["spec"]["containers"][0]["env"],
            Json::parse(
                R"([{"name":"B","value":"2"},{"name":"A","value":"1"},{"name":"C","value":"3"}])"));
  EXPECT_NE(std::string(Strategic(R"({"spec":{"$setElementOrder/containers":[{"name":"c2"}],
                                      "containers":[{"name":"c1"}]}})"))
                .find("doesn't match $setElementOrder list"),
            std::string::npos);
}

TEST(StrategicMergeTest, RetainedKeysAreAllThatStays) {
  const Json pod = Strategic(R"({"spec":{"volumes":[
      {"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}})");
  EXPECT_EQ(pod["spec"]["volumes"], Json::parse(R"([{"name":"v","hostPath":{"path":"/x"}}])"));
  EXPECT_EQ(
      Strategic(R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"hostPath":{}}]}})"),
      "invalid patch format of retainKeys");
}

TEST(StrategicMergeTest, DirectivesDoNotReachTheObject) {
  const Json pod = Strategic(R"({"spec":{"initContainers":[{"name":"n","$setElementOrder/env":[],
      "env":[{"name":"X"}]},{"name":"gone","$patch":"delete"}],
      "securityContext":{"$retainKeys":["runAsUser"],"runAsUser":1}}})");
  EXPECT_EQ(pod["spec"]["initContainers"],
            Json::parse(R"([{"name":"n","env":[{"name":"X"}],"resources":{}}])"));
  EXPECT_EQ(pod["spec"]["securityContext"], Json::parse(R"({"runAsUser":1})"));
}

TEST(StrategicMergeTest, WhatThePatchDoesNotNameStaysAsItIs) {
  Json expected = Live();
  expected["status"]["phase"] = "Running";
  EXPECT_EQ(Strategic(R"({"status":{"phase":"Running"}})"), expected);
  expected = Live();
  expected["metadata"]["labels"].erase("x");
  EXPECT_EQ(Strategic(R"({"metadata":{"labels":{"x":null}}})"), expected);
  EXPECT_EQ(Strategic("{}"), Live());
}

TEST(StrategicMergeTest, DirectiveForTheWholeObjectReachesWhatThePatchDoesNotName) {
  const Json pod =
      Strategic(R"({"$patch":"replace","apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})");
  ASSERT_TRUE(pod.is_object()) << pod;
  EXPECT_FALSE(pod["spec"].contains("containers"));
  EXPECT_FALSE(pod["metadata"].contains("labels"));
}

TEST(StrategicMergeTest, PatchesThatDoNotFitAreRefused) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"spec":{"containers":[{"image":"x"}]}})",
       "map: map[image:x] does not contain declared merge key: name"},
      {R"({"spec":{"containers":[{"name":"c1","$patch":"bake"}]}})",
       "unknown patch type: bake in map: map[$patch:bake name:c1]"},
      {R"({"spec":{"$setElementOrder/containers":5}})",
       "invalid patch format of setElementOrder list"},
      {R"({"metadata":{"$deleteFromPrimitiveList/finalizers":5}})",
       "invalid patch format of primitive list"},
      {R"({"metadata":{"finalizers":[["x"]]}})", kRejected},
      {"5", "json: cannot unmarshal number into Go value of type map[string]interface {}"},
  };
  for (const auto& [patch, message] : cases) EXPECT_EQ(Strategic(patch), message) << patch;
}

TEST(StrategicMergeTest, LongListsMergeInLittleTime) {
  Json live = Live();
  Json patch = {{"metadata", {{"finalizers", Json::array()}}}};
  for (int i = 0; i < 50'000; ++i) {
    live["metadata"]["finalizers"].push_back("l" + std::to_string(i));
    patch["metadata"]["finalizers"].push_back("p" + std::to_string(i));
  }
  const absl::StatusOr<Json> pod = ApplyPatch(PatchType::kStrategicMerge, live, patch.dump(), Pod(),
                                              FieldValidation::kStrict, nullptr);
  ASSERT_TRUE(pod.ok());
  EXPECT_EQ((*pod)["metadata"]["finalizers"].size(), 100'002u);
}

}  // namespace
}  // namespace keelson::api
