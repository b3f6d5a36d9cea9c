#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apiserver/api/kinds/kind_testing.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_updates.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/object.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// A pod of one container with `spec` merged into its spec.
Json PodWith(std::string_view spec = "{}") {
  Json pod = Json::parse(R"({"metadata": {"name": "p", "namespace": "default"},
                             "spec": {"containers": [{"name": "c", "image": "i"}]}})");
  pod["spec"].merge_patch(Json::parse(spec));
  return pod;
}

TEST(PodTest, RequestsAreTheLimitsWhereOnlyThoseAreSaid) {
  const Json pod = Created(PodKind(), PodWith(R"({"containers": [{"name": "c", "image": "i",
      "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}}]})"));
  EXPECT_EQ(pod["spec"]["containers"][0]["resources"]["requests"],
            Json::parse(R"({"cpu": "100m", "memory": "1Gi"})"));
  EXPECT_EQ(pod["spec"]["enableServiceLinks"], true);
  EXPECT_EQ(pod["status"], Json::parse(R"({"phase": "Pending", "qosClass": "Burstable"})"));
}

TEST(PodTest, PortsOfTheHostsNetworkArePortsOfTheHost) {
  const Json pod = Created(PodKind(), PodWith(R"({"hostNetwork": true, "containers": [
      {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]})"));
  EXPECT_EQ(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
}

TEST(PodTest, QualityOfServiceGoesByRequestsAndLimits) {
  const auto qos = [](std::string_view resources) {
    const std::string spec =
        Concat(R"({"containers": [{"name": "c", "image": "i", "resources": )", resources, "}]}");
    return QosClassOf(Created(PodKind(), PodWith(spec))["spec"]);
  };
  EXPECT_EQ(qos("{}"), "BestEffort");
  EXPECT_EQ(qos(R"({"limits": {"cpu": "1", "memory": "1Gi"}})"), "Guaranteed");
  EXPECT_EQ(qos(R"({"limits": {"cpu": "1"}})"), "Burstable");
  EXPECT_EQ(qos(R"({"requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"cpu": "1", "memory": "1Gi"}})"),
            "Burstable");
}

TEST(PodTest, APodNeedsWhatItsWorstMomentNeeds) {
  const Json spec = Json::parse(R"({
      "initContainers": [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
        {"name": "init", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}],
      "containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}},
                     {"name": "b", "resources": {"requests": {"cpu": "500m"}}}],
      "overhead": {"cpu": "10m"}})");
  const ResourceAmounts amounts = PodAmounts(spec, "requests");
  EXPECT_EQ(amounts.at("cpu").ToString(), "2110m");
  EXPECT_EQ(amounts.at("memory").ToString(), "1Gi");
}

TEST(PodTest, GatedPodsBeginUnscheduled) {
  const Json pod = Created(PodKind(), PodWith(R"({"schedulingGates": [{"name": "a/b"}]})"));
  EXPECT_EQ(pod["status"]["conditions"][0]["reason"], "SchedulingGated");
  EXPECT_EQ(CellsOf(PodKind(), pod),
            "p | 0/1 | SchedulingGated | 0 | <unknown> | <none> | <none> | <none> | <none>");
}

TEST(PodTest, KeysOfLabelsToMatchBecomePartOfTheSelector) {
  Json pod = PodWith(R"({"affinity": {"podAffinity": {
      "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone",
          "labelSelector": {"matchLabels": {"x": "y"}}, "matchLabelKeys": ["app"]}]}}})");
  pod["metadata"]["labels"] = {{"app", "web"}};
  const Json created = Created(PodKind(), pod);
  EXPECT_EQ(*Find(created["spec"]["affinity"]["podAffinity"],
                  "requiredDuringSchedulingIgnoredDuringExecution")
                 ->begin()
                 ->at("labelSelector")
                 .find("matchExpressions"),
            Json::parse(R"([{"key": "app", "operator": "In", "values": ["web"]}])"));
  EXPECT_THAT(Findings(PodKind(), pod), IsEmpty());
}

TEST(PodTest, OnlyAFewFieldsMayChange) {
  EXPECT_THAT(UpdateFindings(PodKind(), PodWith(), PodWith(R"({"restartPolicy": "Never"})")),
              ElementsAre("spec: Forbidden: pod updates may not change fields other than "
                          "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                          "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                          "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
                          "be set to 1 if it was previously negative)\n"
                          "-restartPolicy: \"Always\"\n+restartPolicy: \"Never\"\n"));
}

TEST(PodTest, ImagesDeadlinesAndTolerationsMayChange) {
  const Json old = PodWith(R"({"activeDeadlineSeconds": 10})");
  EXPECT_THAT(UpdateFindings(PodKind(), old, PodWith(R"({
                  "containers": [{"name": "c", "image": "j"}],
                  "activeDeadlineSeconds": 5, "tolerations": [{"operator": "Exists"}]})")),
              IsEmpty());
  EXPECT_THAT(UpdateFindings(PodKind(), old, PodWith(R"({"activeDeadlineSeconds": 11})")),
              ElementsAre("spec.activeDeadlineSeconds: Invalid value: 11: must be less than or "
                          "equal to previous value"));
  EXPECT_THAT(
      UpdateFindings(PodKind(), PodWith(R"({"tolerations": [{"operator": "Exists"}]})"), PodWith()),
      ElementsAre("spec.tolerations: Forbidden: existing toleration can not be modified "
                  "except its tolerationSeconds"));
  EXPECT_THAT(
      UpdateFindings(PodKind(), PodWith(), PodWith(R"({"containers": [
                  {"name": "c", "image": "i"}, {"name": "d", "image": "i"}]})")),
      ElementsAre("spec.containers: Forbidden: pod updates may not add or remove containers"));
}

TEST(PodTest, GatesMayOnlyBeRemovedAndNodesBecomeFewer) {
  const Json old = PodWith(R"({"schedulingGates": [{"name": "a"}], "nodeSelector": {"x": "y"}})");
  EXPECT_THAT(UpdateFindings(PodKind(), old, PodWith(R"({"nodeSelector": {"x": "y", "z": "1"}})")),
              IsEmpty());
  EXPECT_THAT(UpdateFindings(PodKind(), old, PodWith(R"({"schedulingGates": [{"name": "b"}],
                                                         "nodeSelector": {"x": "y"}})")),
              ElementsAre("spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but "
                          "found new scheduling gate 'b'"));
  EXPECT_THAT(UpdateFindings(PodKind(), old, PodWith()),
              ElementsAre("spec.nodeSelector: Invalid value: {}: only additions to "
                          "spec.nodeSelector are allowed (no mutations or deletions)"));
}

TEST(PodTest, EphemeralContainersMayOnlyBeAdded) {
  const Json old = Created(PodKind(), PodWith());
  Json added = old;
  added["spec"]["ephemeralContainers"] = Json::parse(R"([{"name": "e", "image": "i"}])");
  added["spec"]["containers"][0]["image"] = "changed";
  added = Defaulted(PodKind(), added);
  PrepareEphemeralContainersUpdate(added, old);
  EXPECT_EQ(added["spec"]["containers"], old["spec"]["containers"]);
  FieldErrors errors;
  PodKind().validate(added, errors);
  ValidateEphemeralContainersUpdate(added, old, errors);
  EXPECT_THAT(TextsOf(errors), IsEmpty());
  ValidateEphemeralContainersUpdate(old, added, errors);
  EXPECT_THAT(TextsOf(errors),
              ElementsAre("spec.ephemeralContainers: Forbidden: existing ephemeral "
                          "containers \"e\" may not be removed\n"));
  EXPECT_THAT(Findings(PodKind(), PodWith(R"({"ephemeralContainers": [{"name": "e", "image": "i",
                  "ports": [{"containerPort": 1}]}]})")),
              ElementsAre("spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an "
                          "Ephemeral Container"));
}

TEST(PodTest, OnlyCpuAndMemoryAreResized) {
  const Json old = Created(PodKind(), PodWith(R"({"containers": [{"name": "c", "image": "i",
      "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}}]})"));
  const auto resize = [&old](std::string_view resources) {
    Json pod = old;
    pod["spec"]["containers"][0]["resources"] = Json::parse(resources);
    pod["spec"]["nodeName"] = "ignored";
    PreparePodResize(pod, old);
    EXPECT_FALSE(pod["spec"].contains("nodeName"));
    FieldErrors errors;
    ValidatePodResize(pod, old, errors);
    return TextsOf(errors);
  };
  EXPECT_THAT(resize(R"({"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "3Gi"}})"),
              IsEmpty());
  EXPECT_THAT(
      resize(R"({"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi"}})"),
      ElementsAre("spec.containers[0].resources.limits[memory]: Forbidden: memory limits cannot be "
                  "decreased unless resizePolicy is RestartContainer"));
  EXPECT_THAT(resize(R"({"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}})"),
              ElementsAre("spec.containers[0].resources.requests: Forbidden: resource requests "
                          "cannot be removed"));
}

TEST(PodTest, PodsOnNodesGetTheirGrace) {
  const auto grace = [](std::string_view spec, std::optional<int64_t> requested,
                        std::string_view phase = "Running") {
    Json pod = Created(PodKind(), PodWith(spec));
    pod["status"]["phase"] = phase;
    return PodKind().grace_seconds(pod, requested);
  };
  EXPECT_EQ(grace(R"({"nodeName": "n"})", std::nullopt), 30);
  EXPECT_EQ(grace(R"({"nodeName": "n", "terminationGracePeriodSeconds": 5})", std::nullopt), 5);
  EXPECT_EQ(grace(R"({"nodeName": "n"})", 7), 7);
  EXPECT_EQ(grace(R"({"nodeName": "n"})", -1), 1);
  EXPECT_EQ(grace("{}", 7), 0);
  EXPECT_EQ(grace(R"({"nodeName": "n"})", 7, "Succeeded"), 0);
}

TEST(PodTest, EndedContainersStayEndedWhereNothingRestartsThem) {
  Json old = Created(PodKind(), PodWith(R"({"restartPolicy": "Never"})"));
  old["status"]["containerStatuses"] =
      Json::parse(R"([{"name": "c", "state": {"terminated": {"exitCode": 0}}}])");
  Json now = old;
  now["status"]["containerStatuses"][0]["state"] = Json::parse(R"({"running": {}})");
  FieldErrors errors;
  PodKind().validate_status_update(now, old, errors);
  EXPECT_THAT(
      TextsOf(errors),
      ElementsAre("status.containerStatuses[0].state: Forbidden: may not be transitioned to "
                  "non-terminated state"));
}

struct Printed {
  std::string_view pod;
  std::string_view cells;  // up to the restarts
};

TEST(PodTest, StatusesAreThoseKubectlPrints) {
  const std::vector<Printed> table = {
      {R"({"spec": {"containers": [{}, {}]}, "status": {"phase": "Pending"}})",
       "p | 0/2 | Pending | 0"},
      {R"({"spec": {"containers": [{}]}, "status": {"phase": "Failed", "reason": "Evicted"}})",
       "p | 0/1 | Evicted | 0"},
      {R"({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [
           {"ready": true, "state": {"running": {}}, "restartCount": 2,
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:07:00Z"}}}]}})",
       "p | 1/1 | Running | 2 (3m ago)"},
      {R"({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [
           {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4}]}})",
       "p | 0/1 | CrashLoopBackOff | 4"},
      {R"({"spec": {"containers": [{}]}, "status": {"phase": "Failed", "containerStatuses": [
           {"state": {"terminated": {"exitCode": 3}}}]}})",
       "p | 0/1 | ExitCode:3 | 0"},
      {R"({"spec": {"containers": [{}]}, "status": {"phase": "Failed", "containerStatuses": [
           {"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}})",
       "p | 0/1 | Signal:9 | 0"},
      {R"({"spec": {"containers": [{}, {}]}, "status": {"phase": "Running",
           "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
           {"state": {"terminated": {"reason": "Completed"}}},
           {"ready": true, "state": {"running": {}}}]}})",
       "p | 1/2 | Running | 0"},
      {R"({"spec": {"containers": [{}, {}]}, "status": {"phase": "Running", "containerStatuses": [
           {"state": {"terminated": {"reason": "Completed"}}},
           {"ready": true, "state": {"running": {}}}]}})",
       "p | 1/2 | NotReady | 0"},
      {R"({"spec": {"initContainers": [{"name": "a"}, {"name": "b"}], "containers": [{}]},
           "status": {"phase": "Pending", "initContainerStatuses": [
           {"name": "a", "state": {"terminated": {"exitCode": 0}}},
           {"name": "b", "state": {"running": {}}, "restartCount": 1}]}})",
       "p | 0/1 | Init:1/2 | 1"},
      {R"({"spec": {"initContainers": [{"name": "a"}], "containers": [{}]},
           "status": {"phase": "Pending", "initContainerStatuses": [
           {"name": "a", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}})",
       "p | 0/1 | Init:Error | 0"},
      {R"({"spec": {"initContainers": [{"name": "a"}], "containers": [{}]},
           "status": {"phase": "Pending", "initContainerStatuses": [
           {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}})",
       "p | 0/1 | Init:ImagePullBackOff | 0"},
      {R"({"spec": {"initContainers": [{"name": "s", "restartPolicy": "Always"}],
                    "containers": [{}]},
           "status": {"phase": "Running", "initContainerStatuses": [
             {"name": "s", "started": true, "ready": true, "restartCount": 1,
              "state": {"running": {}}}],
           "containerStatuses": [{"ready": true, "state": {"running": {}}}]}})",
       "p | 2/2 | Running | 1"},
      {R"({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
           "spec": {"containers": [{}]}, "status": {"phase": "Running"}})",
       "p | 0/1 | Terminating | 0"},
      {R"({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
           "spec": {"containers": [{}]}, "status": {"phase": "Running", "reason": "NodeLost"}})",
       "p | 0/1 | Unknown | 0"},
  };
  for (const Printed& printed : table) {
    Json pod = Json::parse(printed.pod);
    pod["metadata"]["name"] = "p";
    EXPECT_THAT(CellsOf(PodKind(), pod), StartsWith(Concat(printed.cells, " | <unknown>")))
        << printed.pod;
  }
}

TEST(PodTest, WideTablesTellAddressNodeAndGates) {
  const Json pod = Json::parse(R"({"metadata": {"name": "p",
      "creationTimestamp": "2026-01-01T00:00:00Z"},
      "spec": {"nodeName": "n", "readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]},
      "status": {"phase": "Running", "podIP": "10.0.0.1",
                 "conditions": [{"type": "x", "status": "True"}]}})");
  EXPECT_EQ(CellsOf(PodKind(), pod), "p | 0/0 | Running | 0 | 10m | 10.0.0.1 | n | <none> | 1/2");
}

}  // namespace
}  // namespace keelson::api
