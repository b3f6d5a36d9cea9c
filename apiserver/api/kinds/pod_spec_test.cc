#include "apiserver/api/kinds/pod_spec.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/kind_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

Json Template(const Json& spec) { return {{"metadata", Json::object()}, {"spec", spec}}; }

Json Defaults(const Json& spec) {
  Json pod_template = Template(spec);
  SetPodTemplateDefaults(pod_template);
  return pod_template["spec"];
}

std::vector<std::string> SpecFindings(const Json& spec) {
  Json pod_template = Template(spec);
  SetPodTemplateDefaults(pod_template);
  FieldErrors errors;
  ValidatePodTemplate(pod_template, "template", errors);
  return TextsOf(errors);
}

// A template of one container, with `more` fields in the container and in the spec.
Json SpecWith(const Json& container_fields, const Json& spec_fields = Json::object()) {
  Json spec = {{"containers", {{{"name", "c"}, {"image", "i"}}}}};
  if (!container_fields.is_null()) spec["containers"][0].update(container_fields);
  spec.update(spec_fields);
  return spec;
}

TEST(PodSpecTest, WhatIsLeftOutIsFilledIn) {
  EXPECT_EQ(Defaults(SpecWith(Json::object())), Json::parse(R"({
      "containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "resources": {},
                      "terminationMessagePath": "/dev/termination-log",
                      "terminationMessagePolicy": "File"}],
      "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
      "schedulerName": "default-scheduler", "securityContext": {},
      "terminationGracePeriodSeconds": 30})"));
}

TEST(PodSpecTest, DefaultsAreFilledInOnce) {
  const Json once = Defaults(SpecWith({{"livenessProbe", {{"grpc", {{"port", 1}}}}}},
                                      {{"volumes", {{{"name", "v"}}}}, {"serviceAccount", "s"}}));
  EXPECT_EQ(Defaults(once), once);
  EXPECT_EQ(once["serviceAccountName"], "s");
  EXPECT_EQ(once["volumes"][0]["emptyDir"], Json::object());
  EXPECT_EQ(once["containers"][0]["livenessProbe"]["grpc"]["service"], "");
}

TEST(PodSpecTest, ImagesThatMayChangeArePulledAlways) {
  const auto policy = [](std::string_view image) {
    return Defaults(SpecWith({{"image", image}}))["containers"][0]["imagePullPolicy"];
  };
  EXPECT_EQ(policy("nginx"), "Always");
  EXPECT_EQ(policy("nginx:latest"), "Always");
  EXPECT_EQ(policy("registry:5000/nginx"), "Always");
  EXPECT_EQ(policy("nginx:1.27"), "IfNotPresent");
  EXPECT_EQ(policy("nginx@sha256:abc"), "IfNotPresent");
}

TEST(PodSpecTest, ProbesPortsAndVolumesAreFilledIn) {
  const Json spec = Defaults(SpecWith(
      {{"ports", {{{"containerPort", 80}}}},
       {"readinessProbe", {{"httpGet", {{"port", 80}}}}},
       {"env", {{{"name", "N"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "spec.nodeName"}}}}}}}}},
      {{"volumes",
        {{{"name", "s"}, {"secret", {{"secretName", "x"}}}},
         {{"name", "h"}, {"hostPath", {{"path", "/"}}}},
         {{"name", "p"},
          {"projected", {{"sources", {{{"serviceAccountToken", {{"path", "token"}}}}}}}}}}}}));
  EXPECT_EQ(spec["containers"][0]["ports"][0]["protocol"], "TCP");
  EXPECT_EQ(spec["containers"][0]["readinessProbe"], Json::parse(R"({
      "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
      "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})"));
  EXPECT_EQ(spec["containers"][0]["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
  EXPECT_EQ(spec["volumes"][0]["secret"]["defaultMode"], 420);
  EXPECT_EQ(spec["volumes"][1]["hostPath"]["type"], "");
  EXPECT_EQ(
      spec["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"],
      3600);
}

TEST(PodSpecTest, AWholeSpecIsFine) {
  EXPECT_THAT(SpecFindings(Json::parse(R"({
      "initContainers": [{"name": "init", "image": "i"},
                         {"name": "side", "image": "i", "restartPolicy": "Always",
                          "startupProbe": {"exec": {"command": ["true"]}}}],
      "containers": [{"name": "c", "image": "i",
        "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
        "env": [{"name": "A", "value": "b"},
                {"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "envFrom": [{"prefix": "X_", "configMapRef": {"name": "m"}}],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi", "example.com/gpu": 1},
                      "limits": {"cpu": "1", "example.com/gpu": 1}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"},
                         {"name": "info", "mountPath": "/info", "subPath": "a/b"}],
        "livenessProbe": {"httpGet": {"port": "http"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {"runAsUser": 1000, "allowPrivilegeEscalation": false}}],
      "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "d"}},
                  {"name": "info", "downwardAPI": {"items": [
                     {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['a']"}}]}}],
      "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
          {"nodeSelectorTerms": [{"matchExpressions": [
             {"key": "zone", "operator": "In", "values": ["a"]}]}]}},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
          "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname",
                              "labelSelector": {"matchLabels": {"a": "b"}}}}]}},
      "tolerations": [{"operator": "Exists"},
                      {"key": "k", "value": "v", "effect": "NoExecute", "tolerationSeconds": 5}],
      "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
                                     "whenUnsatisfiable": "DoNotSchedule"}],
      "dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["_a.example.com."]},
      "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["a.b"]}],
      "securityContext": {"fsGroup": 0, "sysctls": [{"name": "net.core.somaxconn"}]}})")),
              IsEmpty());
}

struct Refusal {
  Json spec;
  std::string_view finding;
};

void ExpectRefusals(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    EXPECT_THAT(SpecFindings(refusal.spec), Contains(std::string(refusal.finding)))
        << refusal.spec.dump();
  }
}

TEST(PodSpecTest, WhatIsWrongWithContainersIsSaidAsKubernetesSaysIt) {
  const Json volume = {{"volumes", {{{"name", "v"}, {"emptyDir", Json::object()}}}}};
  ExpectRefusals({
      {{{"containers", Json::array()}}, "template.spec.containers: Required value"},
      {SpecWith({{"name", ""}}), "template.spec.containers[0].name: Required value"},
      {SpecWith({{"image", ""}}), "template.spec.containers[0].image: Required value"},
      {SpecWith({{"ports", {{{"containerPort", 0}}}}}),
       "template.spec.containers[0].ports[0].containerPort: Required value"},
      {SpecWith({{"ports", {{{"containerPort", 70000}}}}}),
       "template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between "
       "1 and 65535, inclusive"},
      {SpecWith({{"ports", {{{"containerPort", 1}, {"protocol", "tcp"}}}}}),
       "template.spec.containers[0].ports[0].protocol: Unsupported value: \"tcp\": supported "
       "values: \"SCTP\", \"TCP\", \"UDP\""},
      {SpecWith({{"ports", {{{"containerPort", 1}, {"name", "a--b"}}}}}),
       "template.spec.containers[0].ports[0].name: Invalid value: \"a--b\": must not contain "
       "consecutive hyphens"},
      {SpecWith({{"env", {{{"name", "a=b"}}}}}),
       "template.spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment "
       "variable name must consist only of printable ASCII characters other than '='"},
      {SpecWith({{"env", {{{"name", "A"}, {"valueFrom", Json::object()}}}}}),
       "template.spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: "
       "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"},
      {SpecWith({{"volumeMounts", {{{"name", "x"}, {"mountPath", "/x"}}}}}),
       "template.spec.containers[0].volumeMounts[0].name: Not found: \"x\""},
      {SpecWith({{"volumeMounts",
                  {{{"name", "v"}, {"mountPath", "/x"}}, {{"name", "v"}, {"mountPath", "/x"}}}}},
                volume),
       "template.spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be "
       "unique"},
      {SpecWith({{"livenessProbe", Json::object()}}),
       "template.spec.containers[0].livenessProbe: Required value: must specify a handler type"},
      {SpecWith({{"livenessProbe", {{"tcpSocket", {{"port", 1}}}, {"successThreshold", 2}}}}),
       "template.spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {SpecWith({{"resources", {{"requests", {{"cpu", "2"}}}, {"limits", {{"cpu", "1"}}}}}}),
       "template.spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or "
       "equal to cpu limit of 1"},
      {SpecWith({{"resources", {{"limits", {{"gpu", "1"}}}}}}),
       "template.spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a "
       "standard resource type or fully qualified"},
      {SpecWith({{"restartPolicy", "Always"}}),
       "template.spec.containers[0].restartPolicy: Forbidden: may not be set for non-init "
       "containers"},
  });
}

TEST(PodSpecTest, WhatIsWrongWithPodsIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {SpecWith({}, {{"initContainers", {{{"name", "c"}, {"image", "i"}}}}}),
       "template.spec.initContainers[0].name: Duplicate value: \"c\""},
      {SpecWith({}, {{"initContainers",
                      {{{"name", "i"},
                        {"image", "i"},
                        {"livenessProbe", {{"tcpSocket", {{"port", 1}}}}}}}}}),
       "template.spec.initContainers[0].livenessProbe: Forbidden: may not be set for init "
       "containers without restartPolicy=Always"},
      {SpecWith({}, {{"volumes", {{{"name", "a"}}, {{"name", "a"}}}}}),
       "template.spec.volumes[1].name: Duplicate value: \"a\""},
      {SpecWith({}, {{"volumes", {{{"name", "a"}, {"hostPath", {{"path", "/a/../b"}}}}}}}),
       "template.spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
      {SpecWith({}, {{"restartPolicy", "Sometimes"}}),
       "template.spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: "
       "\"Always\", \"OnFailure\", \"Never\""},
      {SpecWith({}, {{"dnsPolicy", "None"}}),
       "template.spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is "
       "None"},
      {SpecWith({{"ports", {{{"containerPort", 1}, {"hostPort", 2}}}}}, {{"hostNetwork", true}}),
       "template.spec.containers[0].ports[0].hostPort: Invalid value: 2: must match "
       "`containerPort` when `hostNetwork` is true"},
      {SpecWith({}, {{"tolerations", {{{"operator", "Equal"}, {"value", "v"}}}}}),
       "template.spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists "
       "when `key` is empty, which means \"match all values and all keys\""},
      {SpecWith({}, {{"topologySpreadConstraints",
                      {{{"maxSkew", 0}, {"topologyKey", "z"}, {"whenUnsatisfiable", "x"}}}}}),
       "template.spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than "
       "zero"},
      {SpecWith({{"securityContext", {{"runAsUser", -1}}}}),
       "template.spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between "
       "0 and 2147483647, inclusive"},
      {SpecWith({}, {{"activeDeadlineSeconds", 0}}),
       "template.spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, "
       "inclusive"},
      {SpecWith({}, {{"ephemeralContainers", {{{"name", "e"}, {"image", "i"}}}}}),
       "template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod "
       "template"},
  });
  EXPECT_THAT(SpecFindings(SpecWith({}, {{"hostNetwork", true}})), IsEmpty());
}

TEST(PodSpecTest, OneVolumeHasOneSource) {
  EXPECT_THAT(SpecFindings(SpecWith({}, Json::parse(R"({"volumes": [
                  {"name": "a", "emptyDir": {}, "secret": {"secretName": "s"}}]})"))),
              ElementsAre("template.spec.volumes[0].secret: Forbidden: may not specify more than 1 "
                          "volume type"));
}

}  // namespace
}  // namespace keelson::api
