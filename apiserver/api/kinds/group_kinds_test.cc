// Kinds of the named groups that run no pods: what is filled in, refused and printed.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "apiserver/api/kinds/certificate_signing_request.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/manifest_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Case {
  const Kind& kind;
  std::string manifest;
  std::vector<std::string> refusals;
};

// What every kind of this file is tried with: a manifest, and what is found wrong with it.
void ExpectRefusals(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(Refusals(c.kind, c.manifest), c.refusals) << c.manifest;
}

Json WithStatus(Json object, std::string_view status) {
  object["status"] = Parse(status);
  return object;
}

TEST(GroupKindsTest, EveryKindIsFoundByItsNamesAndNoTwoShareOne) {
  std::set<std::string> resources;
  for (const Kind* kind : AllKinds()) {
    EXPECT_EQ(FindKindByResource(kind->group, kind->version, kind->plural), kind);
    EXPECT_EQ(FindKind(kind->api_version(), kind->kind), kind);
    EXPECT_TRUE(resources.insert(Concat(kind->api_version(), "/", kind->plural)).second);
    EXPECT_EQ(kind->columns.empty(), kind->print == nullptr) << kind->kind;
    EXPECT_EQ(kind->has_status, kind->FindSubresource("status") != nullptr) << kind->kind;
    EXPECT_EQ(kind->scale.has_value(), kind->FindSubresource("scale") != nullptr) << kind->kind;
  }
}

TEST(GroupKindsTest, ThePreferredVersionOfAGroupComesFirst) {
  const auto first = [](std::string_view group) {
    for (const Kind* kind : AllKinds()) {
      if (kind->group == group) return std::string(kind->version);
    }
    return std::string();
  };
  EXPECT_EQ(first("autoscaling"), "v2");
  EXPECT_EQ(first("authentication.k8s.io"), "v1");
}

// ---- autoscaling ----

constexpr std::string_view kScaler = R"({"metadata": {"name": "web",
    "creationTimestamp": "2026-01-02T11:59:00Z"}, "spec": {"maxReplicas": 5,
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})";

std::string Scaler(std::string_view more) {
  return Concat(R"({"spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment",
                   "name": "web"}, )",
                more, "}}");
}

TEST(GroupKindsTest, AutoscalerWatchesProcessorsUnlessItIsTold) {
  const Json spec = Made(HorizontalPodAutoscalerKind(), kScaler)["spec"];
  EXPECT_EQ(spec["minReplicas"], 1);
  EXPECT_EQ(spec["metrics"], Parse(R"([{"type": "Resource", "resource": {"name": "cpu",
      "target": {"type": "Utilization", "averageUtilization": 80}}}])"));
  EXPECT_EQ(spec.count("behavior"), 0u);
  const Json behavior =
      Made(HorizontalPodAutoscalerKind(),
           Scaler(R"("behavior": {"scaleDown": {"selectPolicy": "Min"}})"))["spec"]["behavior"];
  EXPECT_EQ(behavior, Parse(R"({
      "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
          {"type": "Pods", "value": 4, "periodSeconds": 15},
          {"type": "Percent", "value": 100, "periodSeconds": 15}]},
      "scaleDown": {"selectPolicy": "Min", "policies": [
          {"type": "Percent", "value": 100, "periodSeconds": 15}]}})"));
}

TEST(GroupKindsTest, AutoscalerIsRefusedForWhatItCannotMean) {
  const Kind& kind = HorizontalPodAutoscalerKind();
  ExpectRefusals({
      {kind, std::string(kScaler), {}},
      {kind,
       R"({"spec": {"minReplicas": 3, "maxReplicas": 2, "scaleTargetRef": {"kind": "a/b"}}})",
       {"spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`",
        "spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'",
        "spec.scaleTargetRef.name: Required value"}},
      {kind,
       Scaler(R"("minReplicas": 0)"),
       {"spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"}},
      {kind,
       Scaler(R"("metrics": [{"type": "Pods", "resource": {"name": "cpu", "target":
                 {"type": "Utilization", "averageUtilization": 0}}}])"),
       {"spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater "
        "than 0",
        "spec.metrics[0].pods: Required value: must populate information for the given metric "
        "source"}},
      {kind,
       Scaler(R"("metrics": [{"type": "External", "external": {"metric": {"name": "q"},
                 "target": {"type": "Value", "value": "0", "averageValue": "1"}}}])"),
       {"spec.metrics[0].external.target.value: Invalid value: \"0\": must be positive",
        "spec.metrics[0].external.target.value: Forbidden: may not set both a target value for "
        "metric and a per-pod target"}},
      {kind,
       Scaler(R"("behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601, "policies": [
                 {"type": "Nodes", "value": 0, "periodSeconds": 1801}]}})"),
       {"spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than "
        "or equal to 3600",
        "spec.behavior.scaleUp.policies[0].type: Unsupported value: \"Nodes\": supported values: "
        "\"Percent\", \"Pods\"",
        "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than "
        "or equal to 1800"}},
  });
}

TEST(GroupKindsTest, AutoscalersOfTheFirstVersionAreStoredAsTheSecond) {
  const Kind& v1 = HorizontalPodAutoscalerV1Kind();
  ASSERT_EQ(&v1.stored(), &HorizontalPodAutoscalerKind());
  const Json sent = Parse(R"({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
      "metadata": {"name": "web"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
      "scaleTargetRef": {"kind": "Deployment", "name": "web"}}})");
  const Json stored = v1.to_stored(sent);
  EXPECT_EQ(stored["apiVersion"], "autoscaling/v2");
  EXPECT_EQ(stored["spec"]["metrics"], Parse(R"([{"type": "Resource", "resource": {"name": "cpu",
      "target": {"type": "Utilization", "averageUtilization": 50}}}])"));
  EXPECT_EQ(stored["spec"].count("targetCPUUtilizationPercentage"), 0u);
  EXPECT_EQ(v1.from_stored(stored), sent);
}

TEST(GroupKindsTest, NothingOfTheSecondVersionIsLostOnTheWayThroughTheFirst) {
  const Kind& v1 = HorizontalPodAutoscalerV1Kind();
  const Json stored = Parse(R"({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
      "metadata": {"name": "web", "annotations": {"mine": "kept"}},
      "spec": {"minReplicas": 1, "maxReplicas": 3,
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5, "policies": [
            {"type": "Pods", "value": 1, "periodSeconds": 2}]}},
        "metrics": [
          {"type": "Object", "object": {"describedObject": {"kind": "Service", "name": "s"},
             "metric": {"name": "hits", "selector": {"matchLabels": {"a": "b"}}},
             "target": {"type": "Value", "value": "10"}}},
          {"type": "Pods", "pods": {"metric": {"name": "qps"},
             "target": {"type": "AverageValue", "averageValue": "1k"}}},
          {"type": "Resource", "resource": {"name": "memory",
             "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
          {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c",
             "target": {"type": "Utilization", "averageUtilization": 60}}},
          {"type": "External", "external": {"metric": {"name": "queue"},
             "target": {"type": "AverageValue", "averageValue": "30"}}},
          {"type": "Resource", "resource": {"name": "cpu",
             "target": {"type": "Utilization", "averageUtilization": 70}}}]},
      "status": {"currentReplicas": 2, "desiredReplicas": 2,
        "conditions": [{"type": "AbleToScale", "status": "True"}],
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu",
           "current": {"averageUtilization": 30, "averageValue": "300m"}}}]}})");
  const Json served = v1.from_stored(stored);
  EXPECT_EQ(served["spec"]["targetCPUUtilizationPercentage"], 70);
  EXPECT_EQ(served["status"]["currentCPUUtilizationPercentage"], 30);
  EXPECT_EQ(served["spec"].count("metrics") + served["spec"].count("behavior"), 0u);
  const Json& annotations = AnnotationsOf(served);
  EXPECT_THAT(annotations.value("autoscaling.alpha.kubernetes.io/behavior", ""),
              ::testing::HasSubstr(R"("ScaleDown":{"Policies":[{"PeriodSeconds":2)"));
  EXPECT_EQ(v1.to_stored(served), stored);
}

TEST(GroupKindsTest, WhatClientsWriteIntoThoseAnnotationsDoesNoHarm) {
  const Kind& v1 = HorizontalPodAutoscalerV1Kind();
  Json sent = Parse(R"({"spec": {"maxReplicas": 3}})");
  for (const std::string& text :
       {std::string("no JSON"), std::string("7"), std::string(R"({"a": 1})"),
        std::string("[null, 3, {\"type\": 5}]"), std::string(200000, '[')}) {
    Json& annotations = Make(sent, "metadata.annotations") = Json::object();
    for (const char* name : {"metrics", "current-metrics", "conditions", "behavior"}) {
      annotations[Concat("autoscaling.alpha.kubernetes.io/", name)] = text;
    }
    const Json stored = v1.to_stored(sent);
    EXPECT_EQ(stored["metadata"].count("annotations"), 0u);
    EXPECT_FALSE(v1.from_stored(stored).is_null());
  }
}

TEST(GroupKindsTest, TableOfAutoscalers) {
  const Kind& kind = HorizontalPodAutoscalerKind();
  const Json object = Made(kind, kScaler);
  EXPECT_EQ(RowOf(kind, object),
            "Name=web Reference=Deployment/web Targets=cpu: <unknown>/80% MinPods=1 MaxPods=5 "
            "Replicas=0 Age=60s");
  const Json busy = WithStatus(object, R"({"currentReplicas": 2, "currentMetrics": [
      {"type": "Resource", "resource": {"name": "cpu",
       "current": {"averageUtilization": 30}}}]})");
  EXPECT_EQ(RowOf(kind, busy),
            "Name=web Reference=Deployment/web Targets=cpu: 30%/80% MinPods=1 MaxPods=5 "
            "Replicas=2 Age=60s");
  const Json many = Made(kind, Scaler(R"("metrics": [
      {"type": "Pods", "pods": {"target": {"averageValue": "1k"}}},
      {"type": "External", "external": {"target": {"averageValue": "30"}}},
      {"type": "Object", "object": {"target": {"value": "2"}}},
      {"type": "Odd"}])"));
  EXPECT_THAT(RowOf(kind, many),
              ::testing::HasSubstr("Targets=<unknown>/1k, <unknown>/30 (avg) + 2 more... "));
}

// ---- policy ----

TEST(GroupKindsTest, DisruptionBudgetSaysOneNumber) {
  const Kind& kind = PodDisruptionBudgetKind();
  ExpectRefusals({
      {kind, R"({"spec": {"minAvailable": "50%", "selector": {}}})", {}},
      {kind,
       R"({"spec": {"minAvailable": 1, "maxUnavailable": "110%"}})",
       {"spec: Invalid value: {\"maxUnavailable\":\"110%\",\"minAvailable\":1}: minAvailable and "
        "maxUnavailable cannot be both set",
        "spec.maxUnavailable: Invalid value: \"110%\": must not be greater than 100%"}},
      {kind,
       R"({"spec": {"maxUnavailable": -1, "unhealthyPodEvictionPolicy": "Never"}})",
       {"spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0",
        "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: "
        "\"AlwaysAllow\", \"IfHealthyBudget\""}},
  });
  const Json object = Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T10:00:00Z"},
                     "spec": {"maxUnavailable": 1}})");
  EXPECT_EQ(RowOf(kind, WithStatus(object, R"({"disruptionsAllowed": 2})")),
            "Name=x Min Available=N/A Max Unavailable=1 Allowed Disruptions=2 Age=120m");
  EXPECT_THAT(StatusRefusals(kind, object, "{}", R"({"disruptionsAllowed": -1, "conditions": [
                  {"type": "DisruptionAllowed", "status": "Maybe", "reason": "no spaces"}]})"),
              ElementsAre("status.conditions[0].status: Unsupported value: \"Maybe\": supported "
                          "values: \"False\", \"True\", \"Unknown\"",
                          "status.conditions[0].lastTransitionTime: Required value: must be set",
                          StartsWith("status.conditions[0].reason: Invalid value: \"no spaces\": "
                                     "a condition reason must start with alphabetic character"),
                          "status.disruptionsAllowed: Invalid value: -1: must be greater than or "
                          "equal to 0"));
}

// ---- networking ----

std::string IngressPath(std::string_view path) {
  return Concat(R"({"spec": {"rules": [{"host": "a.example.com", "http": {"paths": [)", path,
                "]}}]}}");
}
constexpr std::string_view kBackend =
    R"("backend": {"service": {"name": "web", "port": {"number": 80}}})";

TEST(GroupKindsTest, IngressIsRefusedForWhatItCannotMean) {
  const Kind& kind = IngressKind();
  ExpectRefusals({
      {kind, IngressPath(Concat(R"({"pathType": "Prefix", "path": "/", )", kBackend, "}")), {}},
      {kind,
       R"({"spec": {}})",
       {"spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"}},
      {kind,
       IngressPath(Concat(R"({"path": "/", )", kBackend, "}")),
       {"spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"}},
      {kind,
       IngressPath(Concat(R"({"pathType": "Exact", "path": "a//b/..", )", kBackend, "}")),
       {"spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": must be an absolute path",
        "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": must not contain '//'",
        "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": cannot end with '/..'"}},
      {kind,
       R"({"spec": {"defaultBackend": {"service": {"name": "Web", "port": {}}},
                    "tls": [{"hosts": ["*"], "secretName": "s"}]}})",
       {"spec.defaultBackend.service.name: Invalid value: \"Web\": a DNS-1035 label must consist "
        "of lower case alphanumeric characters or '-', start with an alphabetic character, and "
        "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
        "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        "spec.defaultBackend: Required value: port name or number is required",
        "spec.tls[0].hosts[0]: Invalid value: \"*\": a wildcard DNS-1123 subdomain must start "
        "with '*.', followed by a valid DNS subdomain, which must consist of lower case "
        "alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
        "'*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?"
        "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"}},
      {kind,
       R"({"spec": {"rules": [{"host": "10.0.0.1"}]}})",
       {"spec.rules[0].host: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address"}},
  });
}

TEST(GroupKindsTest, ANewIngressNamesOneClass) {
  const Kind& kind = IngressKind();
  const Json object = Made(kind, R"({"metadata": {"annotations": {
      "kubernetes.io/ingress.class": "old"}}, "spec": {"ingressClassName": "new"}})");
  FieldErrors errors;
  kind.validate_create(object, errors);
  EXPECT_THAT(TextsOf(errors),
              ElementsAre("annotations.kubernetes.io/ingress.class: Invalid value: \"old\": must "
                          "match `ingressClassName` when both are specified"));
}

TEST(GroupKindsTest, TableOfIngresses) {
  const Kind& kind = IngressKind();
  const Json plain =
      Made(kind, R"({"metadata": {"name": "i", "creationTimestamp": "2026-01-02T11:00:00Z"},
                     "spec": {"defaultBackend": {"service": {"name": "w"}}}})");
  EXPECT_EQ(plain["status"], Parse(R"({"loadBalancer": {}})"));
  EXPECT_EQ(RowOf(kind, plain), "Name=i Class=<none> Hosts=* Address= Ports=80 Age=60m");
  const Json full = WithStatus(
      Made(kind, R"({"metadata": {"name": "i", "creationTimestamp": "2026-01-02T11:00:00Z"},
                     "spec": {"ingressClassName": "nginx", "tls": [{}], "rules": [
                     {"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}]}})"),
      R"({"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"hostname": "lb"}]}})");
  EXPECT_EQ(RowOf(kind, full),
            "Name=i Class=nginx Hosts=a,b,c + 1 more... Address=10.0.0.2,lb Ports=80, 443 "
            "Age=60m");
}

TEST(GroupKindsTest, IngressClassNamesItsControllerForever) {
  const Kind& kind = IngressClassKind();
  ExpectRefusals({
      {kind, R"({"spec": {"controller": "example.com/c"}})", {}},
      {kind,
       R"({"spec": {"controller": "c", "parameters": {"kind": "P", "name": "p",
                    "scope": "Namespace"}}})",
       {"spec.controller: Invalid value: \"c\": must be a domain-prefixed path (such as "
        "\"acme.io/foo\")",
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"}},
  });
  const Json object = Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T11:00:00Z"},
      "spec": {"controller": "example.com/c",
               "parameters": {"apiGroup": "k.example.com", "kind": "P", "name": "p"}}})");
  EXPECT_EQ(object["spec"]["parameters"]["scope"], "Cluster");
  EXPECT_EQ(RowOf(kind, object),
            "Name=x Controller=example.com/c Parameters=P.k.example.com/p Age=60m");
  EXPECT_THAT(ChangeRefusals(kind, object, R"({"spec": {"controller": "example.com/d"}})"),
              ElementsAre("spec.controller: Invalid value: \"example.com/d\": field is immutable"));
}

TEST(GroupKindsTest, NetworkPolicyIsFilledInAndChecked) {
  const Kind& kind = NetworkPolicyKind();
  const Json object = Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T11:00:00Z"},
      "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "egress": [{"ports": [{}]}]}})");
  EXPECT_EQ(object["spec"]["policyTypes"], Parse(R"(["Ingress", "Egress"])"));
  EXPECT_EQ(object["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
  EXPECT_EQ(RowOf(kind, object), "Name=x Pod-Selector=app=db Age=60m");
  ExpectRefusals({
      {kind,
       R"({"spec": {"podSelector": {}, "ingress": [{"from": [
           {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "2001:db8::/64"]}}, {}],
           "ports": [{"port": 8080, "endPort": 80}, {"port": "web", "endPort": 1}]}]}})",
       {"spec.ingress[0].ports[0].endPort: Invalid value: 8080: must be greater than or equal to "
        "`port`",
        "spec.ingress[0].ports[1].endPort: Invalid value: 1: may not be specified when `port` is "
        "non-numeric",
        "spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: \"2001:db8::/64\": must be a "
        "strict subset of `cidr`",
        "spec.ingress[0].from[1]: Required value: must specify a peer"}},
      {kind,
       R"({"spec": {"egress": [{"to": [{"podSelector": {}, "ipBlock": {"cidr": "x/8"}}]}],
                    "policyTypes": ["Inward"]}})",
       {"spec.egress[0].to[0].ipBlock.cidr: Invalid value: \"x/8\": must be a valid CIDR value, "
        "(e.g. 10.9.8.0/24 or 2001:db8::/64)",
        "spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer",
        "spec.policyTypes[0]: Unsupported value: \"Inward\": supported values: \"Ingress\", "
        "\"Egress\""}},
  });
}

// ---- storage ----

TEST(GroupKindsTest, StorageClassHardlyChanges) {
  const Kind& kind = StorageClassKind();
  const Json object = Made(kind, R"({"provisioner": "example.com/disk", "metadata": {
      "name": "fast", "creationTimestamp": "2026-01-02T11:00:00Z",
      "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})");
  EXPECT_EQ(RowOf(kind, object),
            "Name=fast (default) Provisioner=example.com/disk ReclaimPolicy=Delete "
            "VolumeBindingMode=Immediate AllowVolumeExpansion=false Age=60m");
  EXPECT_THAT(ChangeRefusals(kind, object, R"({"provisioner": "a", "reclaimPolicy": "Retain",
                  "parameters": {"a": "b"}, "volumeBindingMode": "WaitForFirstConsumer"})"),
              ElementsAre("parameters: Forbidden: updates to parameters are forbidden.",
                          "provisioner: Forbidden: updates to provisioner are forbidden.",
                          "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
                          "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is "
                          "immutable"));
  EXPECT_THAT(ChangeRefusals(kind, object, R"({"allowVolumeExpansion": true})"), IsEmpty());
  ExpectRefusals({
      {kind,
       R"({"reclaimPolicy": "Recycle", "volumeBindingMode": "Never"})",
       {"provisioner: Required value",
        "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"",
        "volumeBindingMode: Unsupported value: \"Never\": supported values: \"Immediate\", "
        "\"WaitForFirstConsumer\""}},
      {kind,
       R"({"provisioner": "p", "allowedTopologies": [{"matchLabelExpressions": [
           {"key": "zone", "values": ["a", "a"]}, {"key": "zone", "values": []}]}]})",
       {"allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"",
        "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
        "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"zone\""}},
  });
}

TEST(GroupKindsTest, DriversOfVolumesAreFilledInAndChecked) {
  const Json driver = Made(CsiDriverKind(), R"({"metadata": {
      "creationTimestamp": "2026-01-02T11:00:00Z"}, "spec": {}})");
  EXPECT_EQ(RowOf(CsiDriverKind(), driver),
            "Name=x AttachRequired=true PodInfoOnMount=false StorageCapacity=false "
            "TokenRequests=<unset> RequiresRepublish=false Modes=Persistent Age=60m");
  EXPECT_EQ(driver["spec"]["fsGroupPolicy"], "ReadWriteOnceWithFSType");
  EXPECT_THAT(ChangeRefusals(CsiDriverKind(), driver, R"({"spec": {"attachRequired": false}})"),
              ElementsAre("spec.attachedRequired: Invalid value: false: field is immutable"));
  const Json node = Made(CsiNodeKind(), R"({"metadata": {
      "creationTimestamp": "2026-01-02T11:00:00Z"},
      "spec": {"drivers": [{"name": "d.example.com", "nodeID": "n"}]}})");
  EXPECT_EQ(RowOf(CsiNodeKind(), node), "Name=x Drivers=1 Age=60m");
  EXPECT_THAT(ChangeRefusals(CsiNodeKind(), node,
                             R"({"spec": {"drivers": [{"name": "d.example.com",
                                                       "nodeID": "m"}]}})"),
              ElementsAre(StartsWith("spec.drivers: Invalid value: ")));
  ExpectRefusals({
      {CsiNodeKind(),
       R"({"spec": {"drivers": [{"name": "d", "nodeID": "n"}, {"name": "d"}]}})",
       {"spec.drivers[1].nodeID: Required value", "spec.drivers[1].name: Duplicate value: \"d\""}},
      {VolumeAttachmentKind(),
       R"({"spec": {"attacher": "a", "nodeName": "n", "source": {}}})",
       {"spec.source: Required value: must specify exactly one of inlineVolumeSpec and "
        "persistentVolumeName"}},
  });
}

// ---- scheduling, coordination, node ----

TEST(GroupKindsTest, PrioritiesOfUsersStayBelowThoseOfTheSystem) {
  const Kind& kind = PriorityClassKind();
  ExpectRefusals({
      {kind, R"({"metadata": {"name": "high"}, "value": 1000000000})", {}},
      {kind,
       R"({"metadata": {"name": "higher"}, "value": 1000000001})",
       {"value: Forbidden: maximum allowed value of a user defined priority is 1000000000"}},
      {kind, R"({"metadata": {"name": "system-node-critical"}, "value": 2000001000})", {}},
      {kind,
       R"({"metadata": {"name": "system-mine"}, "value": 1})",
       {"metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
        "system use only. error: system-mine is not a known system priority class"}},
      {kind,
       R"({"metadata": {"name": "system-cluster-critical"}, "value": 1})",
       {"metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
        "system use only. error: value of system-cluster-critical PriorityClass must be "
        "2000000000"}},
  });
  const Json object = Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T11:00:00Z"},
                                     "value": 5})");
  EXPECT_EQ(RowOf(kind, object),
            "Name=x Value=5 Global-Default=false Age=60m PreemptionPolicy=PreemptLowerPriority");
  EXPECT_THAT(ChangeRefusals(kind, object, R"({"value": 6, "preemptionPolicy": "Never"})"),
              ElementsAre("value: Forbidden: may not be changed in an update.",
                          "preemptionPolicy: Invalid value: \"Never\": field is immutable"));
}

TEST(GroupKindsTest, LeaseIsTakenByAVersionAndMadeByAPut) {
  const Kind& kind = LeaseKind();
  EXPECT_FALSE(kind.unconditional_update);
  EXPECT_TRUE(kind.create_on_update);
  ExpectRefusals({{kind,
                   R"({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}})",
                   {"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                    "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to "
                    "0"}}});
  EXPECT_EQ(RowOf(kind, Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T11:59:30Z"},
                                       "spec": {"holderIdentity": "me"}})")),
            "Name=x Holder=me Age=30s");
}

TEST(GroupKindsTest, RuntimeClassIsChecked) {
  const Kind& kind = RuntimeClassKind();
  const Json object = Made(kind, R"({"metadata": {"creationTimestamp": "2026-01-02T11:59:30Z"},
                                     "handler": "runc"})");
  EXPECT_EQ(RowOf(kind, object), "Name=x Handler=runc Age=30s");
  EXPECT_THAT(ChangeRefusals(kind, object, R"({"handler": "kata"})"),
              ElementsAre("handler: Invalid value: \"kata\": field is immutable"));
  EXPECT_THAT(Refusals(kind, R"({"handler": "r", "scheduling": {"tolerations": [
                  {"key": "k", "operator": "Exists"},
                  {"key": "k", "operator": "Exists"}]}})"),
              ElementsAre(StartsWith("scheduling.tolerations[1]: Duplicate value: ")));
}

// ---- rbac ----

TEST(GroupKindsTest, RulesSayWhatTheyAreAbout) {
  ExpectRefusals({
      {RoleKind(), R"({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["*"]}]})", {}},
      {RoleKind(),
       R"({"rules": [{}]})",
       {"rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource"}},
      {RoleKind(),
       R"({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]})",
       {"rules[0].nonResourceURLs: Invalid value: []string{\"/healthz\"}: namespaced rules cannot "
        "apply "
        "to non-resource URLs"}},
      {ClusterRoleKind(), R"({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/a"]}]})", {}},
      {ClusterRoleKind(),
       R"({"aggregationRule": {}})",
       {"aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector "
        "required if aggregationRule is non-nil"}},
  });
}

TEST(GroupKindsTest, BindingsNameARoleForever) {
  ExpectRefusals({
      {RoleBindingKind(),
       R"({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
           {"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]})",
       {}},
      {RoleBindingKind(),
       R"({"roleRef": {"kind": "Rule"}, "subjects": [{"kind": "Robot", "name": "r"}]})",
       {"roleRef.kind: Unsupported value: \"Rule\": supported values: \"Role\", \"ClusterRole\"",
        "roleRef.name: Required value",
        "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", "
        "\"User\", \"Group\""}},
      {ClusterRoleBindingKind(),
       R"({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
           {"kind": "ServiceAccount", "name": "s"}]})",
       {"roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
        "subjects[0].namespace: Required value"}},
  });
  const Json object = Made(RoleBindingKind(), R"({
      "metadata": {"creationTimestamp": "2026-01-02T11:59:30Z"},
      "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [
      {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"}, {"kind": "Group", "name": "g"},
      {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]})");
  EXPECT_EQ(object["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
  EXPECT_EQ(object["subjects"][3].count("apiGroup"), 0u);
  EXPECT_EQ(RowOf(RoleBindingKind(), object),
            "Name=x Role=ClusterRole/view Age=30s [Users=u, v] [Groups=g] [ServiceAccounts=n/s]");
  EXPECT_THAT(ChangeRefusals(RoleBindingKind(), object, R"({"roleRef": {"name": "edit"}})"),
              ElementsAre(EndsWith(": cannot change roleRef")));
}

// ---- certificates ----

// A request for CN=x, signed by its key of P-256.
constexpr std::string_view kRequest =
    "-----BEGIN CERTIFICATE REQUEST-----\n"
    "MIHGMG4CAQAwDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n"
    "BKNPkLfjf2XEuSdN43w38kXgJJwEcI4PI1gqge6QWX8KjJQkEwzNW2/vmmPFsXdX\n"
    "qEptN1qLpT35Mqe82HqObWOgADAKBggqhkjOPQQDAgNIADBFAiBz2PUxDu2lN1VQ\n"
    "Td3WteKVs71cl1KrIVYSGAiVUsZgjgIhAIOgmYSS8oQ4Wp7IP2ijeiGScC0AqZMz\n"
    "xTFh8YXi8jtq\n"
    "-----END CERTIFICATE REQUEST-----\n";

std::string SigningRequest(const std::string& request, std::string_view more) {
  return Concat(R"({"metadata": {"creationTimestamp": "2026-01-02T11:59:30Z"},
                    "spec": {"request": ")",
                absl::Base64Escape(request), R"(", )", more, "}}");
}
constexpr std::string_view kSigner =
    R"("signerName": "example.com/serving", "usages": ["digital signature", "server auth"])";

TEST(GroupKindsTest, CertificateRequestIsARequestSignedByItsKey) {
  const Kind& kind = CertificateSigningRequestKind();
  std::string damaged(kRequest);
  damaged[damaged.size() / 2] = damaged[damaged.size() / 2] == 'A' ? 'B' : 'A';
  ExpectRefusals({{kind, SigningRequest(std::string(kRequest), kSigner), {}}});
  EXPECT_THAT(Refusals(kind, SigningRequest("no PEM", kSigner)),
              ElementsAre(EndsWith(": PEM block type must be CERTIFICATE REQUEST")));
  EXPECT_THAT(Refusals(kind, SigningRequest(damaged, kSigner)),
              ElementsAre(StartsWith("spec.request: Invalid value: ")));
  EXPECT_THAT(Refusals(kind, SigningRequest(std::string(kRequest), R"("signerName": "me",
                  "usages": ["signing", "signing", "all"], "expirationSeconds": 60)")),
              ElementsAre("spec.usages[1]: Duplicate value: \"signing\"",
                          StartsWith("spec.usages[2]: Unsupported value: \"all\""),
                          "spec.signerName: Invalid value: \"me\": must be a fully qualified "
                          "domain and path of the form 'example.com/signer-name'",
                          "spec.expirationSeconds: Invalid value: 60: may not specify a duration "
                          "less than 600 seconds (10 minutes)"));
}

TEST(GroupKindsTest, WhatACertificateIsAskedForStays) {
  const Kind& kind = CertificateSigningRequestKind();
  const Json object = Made(kind, SigningRequest(std::string(kRequest), kSigner));
  EXPECT_EQ(RowOf(kind, object),
            "Name=x Age=30s SignerName=example.com/serving Requestor= RequestedDuration=<none> "
            "Condition=Pending");
  Json changed = object;
  changed["spec"]["signerName"] = "example.com/other";
  kind.prepare_update(changed, object);
  EXPECT_EQ(changed["spec"], object["spec"]);
}

TEST(GroupKindsTest, ApprovalStaysAndIsNotForTheSigner) {
  const Kind& kind = CertificateSigningRequestKind();
  const Json pending = Made(kind, SigningRequest(std::string(kRequest), kSigner));
  constexpr std::string_view kApproved =
      R"({"conditions": [{"type": "Approved", "status": "True"}]})";
  EXPECT_THAT(StatusRefusals(kind, pending, "{}", kApproved),
              ElementsAre("status.conditions: Forbidden: updates may not add a condition of type "
                          "\"Approved\""));
  EXPECT_THAT(StatusRefusals(kind, pending, kApproved, "{}"),
              Contains("status.conditions: Forbidden: updates may not remove a condition of type "
                       "\"Approved\""));
  EXPECT_THAT(StatusRefusals(kind, pending, kApproved,
                             R"({"conditions": [{"type": "Approved", "status": "True"},
                                                {"type": "Denied", "status": "True"}]})"),
              Contains("status.conditions[1].type: Invalid value: \"Denied\": Approved and Denied "
                       "conditions are mutually exclusive"));
  Json approved = WithStatus(pending, kApproved);
  approved["spec"]["signerName"] = "example.com/other";
  approved["status"]["certificate"] = "bm8=";
  const Subresource* approval = kind.FindSubresource("approval");
  ASSERT_NE(approval, nullptr);
  approval->prepare_update(approved, pending);
  StampConditions(pending, *ParseTime("2026-01-02T12:00:00Z"), approved);
  EXPECT_EQ(approved["spec"], pending["spec"]);
  EXPECT_EQ(approved["status"], Parse(R"({"conditions": [{"type": "Approved", "status": "True",
      "lastUpdateTime": "2026-01-02T12:00:00Z",
      "lastTransitionTime": "2026-01-02T12:00:00Z"}]})"));
  Json again = WithStatus(pending, kApproved);
  StampConditions(approved, *ParseTime("2026-01-02T13:00:00Z"), again);
  EXPECT_EQ(again["status"]["conditions"][0]["lastTransitionTime"], "2026-01-02T12:00:00Z");
  FieldErrors errors;
  approval->validate_update(pending, approved, errors);
  EXPECT_THAT(TextsOf(errors), ElementsAre("status.conditions: Forbidden: updates may not remove "
                                           "a condition of type \"Approved\""));
}

// ---- reviews ----

TEST(GroupKindsTest, ReviewsAskOneThing) {
  const auto refusals = [](const Kind& kind, std::string_view text) {
    FieldErrors errors;
    kind.validate(Parse(text), errors);
    return TextsOf(errors);
  };
  EXPECT_THAT(refusals(SelfSubjectAccessReviewKind(),
                       R"({"metadata": {"creationTimestamp": null},
                           "spec": {"resourceAttributes": {"verb": "get"}}})"),
              IsEmpty());
  EXPECT_THAT(refusals(SelfSubjectAccessReviewKind(), R"({"spec": {}})"),
              ElementsAre("spec.resourceAttributes: Invalid value: null: exactly one of "
                          "nonResourceAttributes or resourceAttributes must be specified"));
  EXPECT_THAT(
      refusals(SubjectAccessReviewKind(), R"({"metadata": {"name": "x"},
                           "spec": {"nonResourceAttributes": {"path": "/"}}})"),
      ElementsAre("spec.user: Invalid value: \"\": at least one of user or group must be "
                  "specified",
                  "metadata: Invalid value: map[string]string{\"name\":\"x\"}: must be empty"));
  EXPECT_THAT(refusals(LocalSubjectAccessReviewKind(), R"({"metadata": {"namespace": "a"},
                           "spec": {"user": "u", "resourceAttributes": {"namespace": "b"}}})"),
              ElementsAre("spec.resourceAttributes.namespace: Invalid value: \"b\": must match "
                          "metadata.namespace"));
  for (const Kind* kind : {&SelfSubjectAccessReviewKind(), &TokenReviewKind(),
                           &SelfSubjectReviewKind(), &SelfSubjectRulesReviewKind()}) {
    EXPECT_THAT(kind->verbs, ElementsAre("create"));
  }
}

}  // namespace
}  // namespace keelson::api
