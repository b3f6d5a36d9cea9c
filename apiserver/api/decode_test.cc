#include "apiserver/api/decode.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json_text.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

Kind MakeKind(std::string_view group, std::string_view kind, std::string_view message) {
  return {.group = group,
          .version = "v1",
          .kind = kind,
          .plural = "",
          .singular = "",
          .message = message,
          .storage_prefix = ""};
}
const Kind kPod = MakeKind("", "Pod", "core.v1.Pod");
const Kind kDeployment = MakeKind("apps", "Deployment", "apps.v1.Deployment");

struct Options {
  FieldValidation validation = FieldValidation::kStrict;
  std::string_view type = "application/json";
  std::vector<std::string>* warnings = nullptr;
};

absl::StatusOr<Json> Decode(std::string_view body, const Kind& kind = kPod, Options options = {}) {
  return DecodeBody(options.type, body, kind, options.validation, options.warnings);
}
// The object, or what the client is told.
Json Pod(std::string_view body, Options options = {}) {
  absl::StatusOr<Json> object = Decode(body, kPod, options);
  return object.ok() ? *object : StatusObject(object.status())["message"];
}

constexpr std::string_view kCannot = "Pod in version \"v1\" cannot be handled as a Pod: ";

TEST(DecodeTest, ObjectsComeWithTheirTypeAndWhatGoAlwaysHas) {
  EXPECT_EQ(Pod(R"({"metadata":{"name":"a","creationTimestamp":null},
                    "spec":{"containers":[{"name":"c","args":null}]}})"),
            Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"status":{},
                            "spec":{"containers":[{"name":"c","resources":{}}]}})"));
}

TEST(DecodeTest, AnEmptyListOfOwnersStaysForItAsksForNone) {
  const Json deployment = *Decode(R"({"metadata":{"managedFields":[],"finalizers":[]},
      "spec":{"selector":{},"template":{"metadata":{"managedFields":[]}}}})",
                                  kDeployment);
  EXPECT_EQ(deployment["metadata"], Json::parse(R"({"managedFields":[]})"));
  EXPECT_EQ(deployment["spec"]["template"]["metadata"], Json::object());
  EXPECT_EQ(Pod(R"({"metadata":{"managedFields":null}})")["metadata"], Json::object());
}

TEST(DecodeTest, EmptyValuesGoButThoseThatSaySomethingStay) {
  const Json pod = Pod(R"({"metadata":{"labels":{},"finalizers":[],"generation":0,"uid":""},
      "spec":{"hostNetwork":false,"terminationGracePeriodSeconds":0,"enableServiceLinks":false,
              "securityContext":{},"runtimeClassName":"","volumes":[{"name":"v","emptyDir":{}}],
              "containers":[{"name":"","env":[{"name":"A","value":""}],
                             "resources":{"limits":{"cpu":"1000m","memory":0.5}}}]}})");
  EXPECT_EQ(pod["metadata"], Json::object());
  EXPECT_EQ(pod["spec"],
            Json::parse(R"({"terminationGracePeriodSeconds":0,"enableServiceLinks":false,
              "securityContext":{},"runtimeClassName":"","volumes":[{"name":"v","emptyDir":{}}],
              "containers":[{"name":"","env":[{"name":"A"}],
                             "resources":{"limits":{"cpu":"1","memory":"500m"}}}]})"));
}

TEST(DecodeTest, UnknownAndDuplicateFieldsAreIgnoredToldOrRefused) {
  constexpr std::string_view kBody =
      R"({"metadata":{"name":"a","name":"b","labels":{"x":"1","x":"2"}},
      "spec":{"foo":{"bar":[1,"]}"]},"containers":[{"name":"c","imge":"i"}]}})";
  const std::vector<std::string> faults = {
      "duplicate field \"metadata.name\"", "duplicate field \"metadata.labels.x\"",
      "unknown field \"spec.foo\"", "unknown field \"spec.containers[0].imge\""};
  std::vector<std::string> warnings;
  const Json warned = Pod(kBody, {FieldValidation::kWarn, "", &warnings});
  EXPECT_EQ(warnings, faults);
  EXPECT_EQ(warned["metadata"], Json::parse(R"({"name":"b","labels":{"x":"2"}})"));
  EXPECT_EQ(warned["spec"], Json::parse(R"({"containers":[{"name":"c","resources":{}}]})"));
  EXPECT_EQ(Pod(kBody, {FieldValidation::kIgnore}), warned);
  EXPECT_EQ(Pod(kBody), std::string(kCannot) + "strict decoding error: " + faults[0] + ", " +
                            faults[1] + ", " + faults[2] + ", " + faults[3]);
}

TEST(DecodeTest, TypesAreRefusedAsGoRefusesThem) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"spec":5})",
       "json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec"},
      {R"({"spec":{"containers":{}}})",
       "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
       "[]v1.Container"},
      {R"({"spec":{"containers":["x"]}})",
       "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type "
       "v1.Container"},
      {R"({"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}})",
       "json: cannot unmarshal string into Go struct field "
       "ContainerPort.spec.containers.ports.containerPort of type int32"},
      {R"({"spec":{"containers":[{"ports":[{"containerPort":1.5}]}]}})",
       "json: cannot unmarshal number 1.5 into Go struct field "
       "ContainerPort.spec.containers.ports.containerPort of type int32"},
      {R"({"spec":{"priority":3000000000}})",
       "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of "
       "type int32"},
      {R"({"spec":{"restartPolicy":true}})",
       "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type "
       "v1.RestartPolicy"},
      {R"({"metadata":{"labels":{"a":1}}})",
       "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type "
       "string"},
      {R"({"metadata":{"creationTimestamp":5}})",
       "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp "
       "of type string"},
      {R"({"metadata":{"creationTimestamp":"yesterday"}})",
       R"(parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006")"},
      {R"({"spec":{"overhead":{"cpu":"lots"}}})",
       "quantities must match the regular expression "
       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {R"({"spec":{"overhead":{"cpu":"1kk"}}})", "unable to parse quantity's suffix"},
  };
  for (const auto& [body, fault] : cases) {
    EXPECT_EQ(Pod(body), std::string(kCannot) + std::string(fault)) << body;
  }
}

TEST(DecodeTest, TextsThatAreNoObjectAreUnrecognized) {
  const auto told = [](std::string_view fault) {
    return "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; "
           "json parse error: " +
           std::string(fault);
  };
  EXPECT_EQ(Pod(""), told("unexpected end of JSON input (<empty>)"));
  EXPECT_EQ(Pod("{\"a\":}"),
            told("invalid character '}' looking for beginning of value ({\"a\":})"));
  EXPECT_EQ(Pod("nonsense"),
            told("invalid character 'o' in literal null (expecting 'u') (6e6f6e73656e7365)"));
  EXPECT_EQ(Pod("[]"),
            told("json: cannot unmarshal array into Go value of type struct { APIVersion "
                 "string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                 "\"json:\\\"kind,omitempty\\\"\" } (5b5d)"));
  EXPECT_EQ(Pod("{\"kind\":5}"),
            told("json: cannot unmarshal number into Go struct field .kind of type string "
                 "({\"kind\":5})"));
  EXPECT_EQ(HttpCode(Decode("{").status()), 400);
}

TEST(DecodeTest, BodiesOfOtherKindsAndVersionsAreRefused) {
  EXPECT_EQ(Pod(R"({"apiVersion":"v1","kind":"Pot"})"),
            "Pot in version \"v1\" cannot be handled as a Pod: no kind \"Pot\" is registered for "
            "version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"");
  EXPECT_EQ(Pod(R"({"apiVersion":"v1","kind":"ConfigMap"})"),
            "ConfigMap in version \"v1\" cannot be handled as a Pod: converting (v1.ConfigMap) to "
            "(core.Pod): unknown conversion");
  EXPECT_EQ(Pod(R"({"apiVersion":"a/b/c","kind":"Pod"})"),
            "the object provided is unrecognized (must be of type Pod): unexpected GroupVersion "
            "string: a/b/c ({\"apiVersion\":\"a/b/c\",\"kind\":\" ...)");
}

TEST(DecodeTest, BodiesThatAreTooLargeTooDeepOrOfAnotherTypeAreRefused) {
  EXPECT_EQ(HttpCode(Decode(std::string(kBodyBytesMax + 1, ' ')).status()), 413);
  const std::string deep = "{\"x\":" + std::string(600, '[') + std::string(600, ']') + "}";
  EXPECT_NE(std::string(Pod(deep)).find("invalid character '[' exceeded max depth"),
            std::string::npos);
  EXPECT_EQ(HttpCode(Decode("{}", kPod, {.type = "text/plain"}).status()), 415);
  EXPECT_TRUE(Decode("{}", kPod, {.type = " application/json ; charset=utf-8"}).ok());
}

TEST(DecodeTest, YamlHasTheTypesOfYamlOneDotOne) {
  const Json deployment = *Decode(R"(
# A comment.
kind: Deployment
metadata:
  name: "yes"
  labels: &l {a: 'off', b: "1"}
  annotations: {<<: *l, b: '2'}
spec:
  replicas: 0x10
  paused: yes
  template:
    spec:
      volumes:
      - {name: v, secret: {defaultMode: 0644}}
      nodeSelector: ~
      overhead: {cpu: 1.5, memory: 1Gi}
---
ignored: true
)",
                                  kDeployment, {.type = "application/yaml"});
  EXPECT_EQ(
      deployment["metadata"],
      Json::parse(
          R"({"name":"yes","labels":{"a":"off","b":"1"},"annotations":{"a":"off","b":"2"}})"));
  EXPECT_EQ(deployment["spec"]["replicas"], 16);
  EXPECT_EQ(deployment["spec"]["paused"], true);
  EXPECT_EQ(deployment["spec"]["template"]["spec"],
            Json::parse(R"({"volumes":[{"name":"v","secret":{"defaultMode":420}}],
                            "overhead":{"cpu":"1500m","memory":"1Gi"}})"));
}

TEST(DecodeTest, YamlFaultsAreToldAndAliasesBounded) {
  const Options yaml = {.type = "application/yaml"};
  EXPECT_EQ(Pod("metadata:\n  name: a\n  name: b\n", yaml),
            std::string(kCannot) +
                "strict decoding error: yaml: unmarshal errors:\n  line 3: key "
                "\"name\" already set in map");
  EXPECT_EQ(HttpCode(Decode("a: [", kPod, yaml).status()), 400);
  EXPECT_EQ(HttpCode(Decode("a: b: c", kPod, yaml).status()), 400);
  EXPECT_EQ(HttpCode(Decode("a: &x [*x]", kPod, yaml).status()), 400);
  EXPECT_EQ(HttpCode(Decode("? [a]\n: b", kPod, yaml).status()), 400);
  EXPECT_EQ(HttpCode(Decode("a: .inf", kPod, yaml).status()), 400);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string name = "a" + std::to_string(i), below = "*a" + std::to_string(i - 1);
    bomb += name + ": &" + name + " [" + below;
    for (int j = 0; j < 9; ++j) bomb += ", " + below;
    bomb += "]\n";
  }
  const std::string told = Pod(bomb, yaml);
  EXPECT_NE(told.find("document contains excessive aliasing"), std::string::npos) << told;
  EXPECT_EQ(HttpCode(Decode(std::string(100'000, '['), kPod, yaml).status()), 400);
}

// The language of protobuf: a field that holds bytes, and one that holds a number.
std::string Varint(size_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  return bytes + static_cast<char>(value);
}
std::string Field(size_t number, std::string_view bytes) {
  return Varint(number << 3 | 2) + Varint(bytes.size()) + std::string(bytes);
}
std::string Number(size_t number, size_t value) { return Varint(number << 3) + Varint(value); }
std::string Envelope(std::string_view api_version, std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + Field(1, Field(1, api_version) + Field(2, kind)) +
         Field(2, raw) + Field(3, "") + Field(4, "");
}

TEST(DecodeTest, ProtobufZerosAreUnsetUnlessGoHasAPointer) {
  const std::string container = Field(1, "c") + Field(2, "") + Field(6, Number(3, 0)) +
                                Field(8, Field(1, Field(1, "cpu") + Field(2, Field(1, "0.5")))) +
                                Field(14, "");
  const std::string meta = Field(1, "a") + Field(2, "") + Number(7, 0) + Field(8, "") +
                           Field(11, Field(1, "k") + Field(2, ""));
  const std::string raw =
      Field(1, meta) +
      Field(2, Field(1, Field(1, "v") + Field(2, Field(2, ""))) + Field(2, container) +
                   Field(3, "") + Number(4, 0) + Number(11, 0) + Number(21, 0)) +
      Field(3, "");
  EXPECT_EQ(
      *Decode(Envelope("v1", "Pod", raw), kPod, {.type = "application/vnd.kubernetes.protobuf"}),
      Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"k":""}},
                "spec":{"volumes":[{"name":"v","emptyDir":{}}],
                        "containers":[{"name":"c","ports":[{"containerPort":0}],
                                       "resources":{"limits":{"cpu":"500m"}}}],
                        "terminationGracePeriodSeconds":0,"automountServiceAccountToken":false},
                "status":{}})"));
}

TEST(DecodeTest, ProtobufThatIsNoneIsRefused) {
  const Options protobuf = {.type = "application/vnd.kubernetes.protobuf"};
  EXPECT_EQ(Pod("{}", protobuf),
            "the object provided is unrecognized (must be of type Pod): provided data does not "
            "appear to be a protobuf message, expected prefix [107 56 115 0] ({})");
  EXPECT_EQ(Pod(Envelope("v1", "Pod", "\x0a\x7f"), protobuf),
            std::string(kCannot) + "unexpected EOF");
  EXPECT_EQ(Pod(Envelope("v1", "Pod", Number(2, 1)), protobuf),
            std::string(kCannot) + "proto: wrong wireType = 0 for field spec");
  EXPECT_EQ(HttpCode(Decode(std::string("k8s\0\xff", 5), kPod, protobuf).status()), 400);
}

TEST(DecodeTest, BodiesOfSubresourcesAreDecodedByTheirMessage) {
  const auto decode = [](std::string_view message, std::string_view body) {
    absl::StatusOr<Json> object =
        DecodeBody("", body, *FindMessage(message), FieldValidation::kStrict, nullptr);
    return object.ok() ? *object : StatusObject(object.status())["message"];
  };
  EXPECT_EQ(
      decode("meta.v1.DeleteOptions",
             R"({"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0})"),
      Json::parse(R"({"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0})"));
  EXPECT_EQ(decode("policy.v1.Eviction", R"({"metadata":{"name":"a"}})"),
            Json::parse(R"({"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":"a"}})"));
  EXPECT_EQ(decode("autoscaling.v1.Scale", R"({"spec":{"replicas":"x"}})"),
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal string "
            "into Go struct field ScaleSpec.spec.replicas of type int32");
  EXPECT_EQ(decode("authorization.v1.SubjectAccessReview",
                   R"({"spec":{"extra":{"a":["b"]}}})")["spec"]["extra"],
            Json::parse(R"({"a":["b"]})"));
  for (std::string_view name :
       {"core.v1.Binding", "authentication.v1.TokenRequest", "authentication.v1.TokenReview",
        "authentication.v1.SelfSubjectReview", "authorization.v1.SelfSubjectAccessReview",
        "authorization.v1.LocalSubjectAccessReview", "authorization.v1.SelfSubjectRulesReview"}) {
    EXPECT_TRUE(decode(name, "{}").is_object()) << name;
  }
}

TEST(JsonTextTest, TextsAreReadAsGoReadsThem) {
  EXPECT_EQ(
      ParseJson(" {\"a\" : [ 1 , -2.5e1, true , null ] , \"b\":\"\\u00e9\\n\\ud83d\\ude00\"}\n")
          ->dump(),
      "{\"a\":[1,-25.0,true,null],\"b\":\"\u00e9\\n\U0001F600\"}");
  EXPECT_EQ(*ParseJson("\"\\ud800x\\udc00\xff\""), "\uFFFDx\uFFFD\uFFFD");
  const std::pair<std::string_view, std::string_view> faults[] = {
      {"", "unexpected end of JSON input"},
      {"{", "unexpected end of JSON input"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
      {"{'a'}", "invalid character '\\'' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1 2}", "invalid character '2' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"01", "invalid character '1' after top-level value"},
      {"-", "invalid character ' ' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1e", "invalid character ' ' in exponent of numeric literal"},
      {"tru", "invalid character ' ' in literal true (expecting 'e')"},
      {"\"a\nb\"", "invalid character '\\n' in string literal"},
      {"\"\\x\"", "invalid character 'x' in string escape code"},
      {"\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"},
      {"\"", "unexpected end of JSON input"},
      {"\xe9", "invalid character '\u00e9' looking for beginning of value"},
  };
  for (const auto& [text, fault] : faults) EXPECT_EQ(JsonFault(text), fault) << text;
}

TEST(SchemaTest, TableKnowsHowFieldsMergeAndWhatIsInlined) {
  const Message* spec = FindMessage("core.v1.PodSpec");
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->Find("containers")->merge_key, "name");
  EXPECT_EQ(spec->Find("containers")->patch, PatchStrategy::kMerge);
  EXPECT_EQ(spec->Find("volumes")->patch, PatchStrategy::kMergeRetainKeys);
  EXPECT_EQ(spec->Find("tolerations")->patch, PatchStrategy::kReplace);
  EXPECT_EQ(FindMessage("apps.v1.DeploymentSpec")->Find("strategy")->patch,
            PatchStrategy::kRetainKeys);
  EXPECT_EQ(FindMessage("policy.v1.PodDisruptionBudgetSpec")->Find("selector")->patch,
            PatchStrategy::kReplace);
  EXPECT_NE(FindMessage("core.v1.Volume")->Find("emptyDir"), nullptr);
  EXPECT_TRUE(FindMessage("core.v1.Volume")->FindNumber(2)->inlined);
  EXPECT_EQ(FindMessage("core.v1.Pod")->FindNumber(2)->name, "spec");
  EXPECT_EQ(FindMessage("core.v1.Nothing"), nullptr);
}

}  // namespace
}  // namespace keelson::api
