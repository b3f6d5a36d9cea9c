#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apiserver/api/kinds/kind_testing.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

Json Parse(std::string_view text) { return Json::parse(text); }

struct Refusal {
  const Kind& kind;
  std::string_view manifest;
  std::string_view finding;
};

struct Printed {
  const Kind& kind;
  std::string_view object;
  std::string_view cells;
};

void ExpectRefusals(const std::vector<Refusal>& table) {
  for (const Refusal& refusal : table) {
    EXPECT_THAT(Findings(refusal.kind, Parse(refusal.manifest)),
                Contains(std::string(refusal.finding)))
        << refusal.manifest;
  }
}

void ExpectPrinted(const std::vector<Printed>& table) {
  for (const Printed& printed : table) {
    EXPECT_EQ(CellsOf(printed.kind, Parse(printed.object)), printed.cells) << printed.object;
  }
}

TEST(KindsTest, TheTableIsWhole) {
  for (const Kind* kind : AllKinds()) {
    EXPECT_FALSE(kind->kind.empty() || kind->plural.empty() || kind->singular.empty() ||
                 kind->message.empty())
        << kind->plural;
    EXPECT_EQ(FindKindByResource(kind->group, kind->version, kind->plural), kind);
    EXPECT_EQ(FindKind(kind->api_version(), kind->kind), kind);
    EXPECT_EQ(kind->HasVerb("list"), !kind->stored().storage_prefix.empty()) << kind->plural;
    EXPECT_EQ(kind->columns.empty(), kind->print == nullptr) << kind->plural;
    if (kind->print == nullptr) continue;
    std::vector<Json> cells;
    kind->print(Json::object(), {.now = absl::UnixEpoch()}, &cells);
    EXPECT_EQ(cells.size(), kind->columns.size()) << kind->plural;
  }
}

TEST(KindsTest, NothingIsTooEmptyForAKind) {
  const std::vector<Json> oddities = {Parse("{}"), Parse(R"({"spec": null, "status": null})"),
                                      Parse(R"({"metadata": {}, "spec": {}, "status": {}})"),
                                      Parse(R"({"spec": {"template": {}, "selector": {}}})")};
  for (const Kind* kind : AllKinds()) {
    for (const Json& oddity : oddities) {
      const Json created = Created(*kind, oddity);
      FieldErrors errors;
      if (kind->validate != nullptr) kind->validate(created, errors);
      if (kind->validate_update != nullptr) kind->validate_update(created, oddity, errors);
      if (kind->validate_status_update != nullptr) {
        kind->validate_status_update(created, oddity, errors);
      }
      std::vector<Json> cells;
      if (kind->print != nullptr) kind->print(oddity, {.now = absl::UnixEpoch()}, &cells);
    }
  }
}

TEST(NamespaceTest, NewOnesAreActiveAndKeptByAFinalizer) {
  EXPECT_EQ(Created(NamespaceKind(), Parse(R"({"metadata": {"name": "n"}})")), Parse(R"({
      "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
      "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})"));
}

TEST(NamespaceTest, FinalizersGoByFinalizeAlone) {
  const Json old = Created(NamespaceKind(), Parse(R"({"metadata": {"name": "n"}})"));
  Json now = old;
  now["spec"]["finalizers"] = Json::array();
  NamespaceKind().prepare_update(now, old);
  EXPECT_EQ(now, old);
  Json finalized = old;
  finalized["spec"]["finalizers"] = Json::array();
  finalized["status"] = Json::object();
  NamespaceKind().FindSubresource("finalize")->prepare_update(finalized, old);
  EXPECT_EQ(finalized["spec"]["finalizers"], Json::array());
  EXPECT_EQ(finalized["status"], old["status"]);
}

TEST(NodeTest, WhatIsNotReservedIsAllocatable) {
  EXPECT_EQ(Defaulted(NodeKind(), Parse(R"({"status": {"capacity": {"cpu": "4"}},
                                            "spec": {"podCIDR": "10.1.0.0/24"}})")),
            Parse(R"({"status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "4"}},
                      "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}})"));
}

TEST(NodeTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {NodeKind(), R"({"spec": {"taints": [{"key": "k", "effect": "x"}]}})",
       "metadata.taints[0].effect: Unsupported value: \"x\": supported values: \"NoSchedule\", "
       "\"PreferNoSchedule\", \"NoExecute\""},
      {NodeKind(), R"({"spec": {"podCIDR": "10.0.0.0"}})",
       "spec.podCIDRs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. "
       "10.9.8.0/24 or 2001:db8::/64)"},
      {NodeKind(), R"({"status": {"capacity": {"pods": "1500m"}}})",
       "status.capacity.pods: Invalid value: \"1500m\": must be an integer"},
  });
  EXPECT_THAT(UpdateFindings(NodeKind(), Parse(R"({"spec": {"providerID": "a"}})"),
                             Parse(R"({"spec": {"providerID": "b"}})")),
              ElementsAre("spec.providerID: Forbidden: node updates may not change providerID "
                          "except from \"\" to valid"));
}

TEST(NodeTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({
      {NodeKind(), R"({"metadata": {"name": "n"}})",
       "n | Unknown | <none> | <unknown> |  | <none> | <none> | <unknown> | <unknown> | "
       "<unknown>"},
      {NodeKind(),
       R"({"metadata": {"name": "n", "creationTimestamp": "2026-01-01T00:09:00Z",
            "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "a"}},
           "spec": {"unschedulable": true},
           "status": {"conditions": [{"type": "Ready", "status": "True"}],
             "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
             "nodeInfo": {"kubeletVersion": "v1.33.1", "osImage": "Debian",
                          "kernelVersion": "6.1", "containerRuntimeVersion": "none://1"}}})",
       "n | Ready,SchedulingDisabled | a,control-plane | 60s | v1.33.1 | 10.0.0.1 | <none> | "
       "Debian | 6.1 | none://1"},
      {NodeKind(),
       R"({"metadata": {"name": "n"},
           "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})",
       "n | NotReady | <none> | <unknown> |  | <none> | <none> | <unknown> | <unknown> | "
       "<unknown>"},
  });
}

TEST(SecretTest, PlainTextsBecomeData) {
  EXPECT_EQ(Defaulted(SecretKind(), Parse(R"({"data": {"a": "eA==", "b": "eA=="},
                                              "stringData": {"b": "yes"}})")),
            Parse(R"({"type": "Opaque", "data": {"a": "eA==", "b": "eWVz"}})"));
}

TEST(SecretTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {SecretKind(), R"({"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x"}})",
       "data[tls.key]: Required value"},
      {SecretKind(), R"({"type": "kubernetes.io/dockerconfigjson",
                         "stringData": {".dockerconfigjson": "["}})",
       "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": must be a JSON "
       "object"},
      {SecretKind(), R"({"type": "kubernetes.io/service-account-token"})",
       "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
  });
  EXPECT_THAT(UpdateFindings(SecretKind(), Parse(R"({"type": "a", "immutable": true,
                                                     "data": {"k": "eA=="}})"),
                             Parse(R"({"type": "b", "data": {"k": "eQ=="}})")),
              ElementsAre("type: Invalid value: \"b\": field is immutable",
                          "immutable: Forbidden: field is immutable when `immutable` is set",
                          "data: Forbidden: field is immutable when `immutable` is set"));
}

TEST(ServiceTest, WhatIsLeftOutIsFilledIn) {
  EXPECT_EQ(Created(ServiceKind(), Parse(R"({"spec": {"ports": [{"port": 80}]}})")), Parse(R"({
      "spec": {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
               "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
               "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]},
      "status": {"loadBalancer": {}}})"));
  const Json balanced = Created(
      ServiceKind(), Parse(R"({"spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP",
                                        "ports": [{"port": 80, "targetPort": "http"}]}})"));
  EXPECT_EQ(balanced["spec"]["allocateLoadBalancerNodePorts"], true);
  EXPECT_EQ(balanced["spec"]["externalTrafficPolicy"], "Cluster");
  EXPECT_EQ(balanced["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10800);
  EXPECT_EQ(balanced["spec"]["ports"][0]["targetPort"], "http");
  const Json external =
      Created(ServiceKind(), Parse(R"({"spec": {"type": "ExternalName", "externalName": "a.b"}})"));
  EXPECT_EQ(external["spec"], Parse(R"({"type": "ExternalName", "externalName": "a.b",
                                        "sessionAffinity": "None"})"));
  const Json headless = Created(ServiceKind(), Parse(R"({"spec": {"clusterIP": "None"}})"));
  EXPECT_EQ(headless["spec"]["clusterIPs"], Parse(R"(["None"])"));
  EXPECT_EQ(headless["spec"]["ipFamilyPolicy"], "RequireDualStack");
}

TEST(ServiceTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {ServiceKind(), "{}", "spec.ports: Required value"},
      {ServiceKind(), R"({"spec": {"ports": [{"port": 1}, {"port": 2}]}})",
       "spec.ports[0].name: Required value"},
      {ServiceKind(), R"({"spec": {"ports": [{"port": 0}]}})",
       "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {ServiceKind(), R"({"spec": {"ports": [{"port": 1, "nodePort": 30000}]}})",
       "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
      {ServiceKind(), R"({"spec": {"type": "NodePort", "clusterIP": "None",
                                   "ports": [{"port": 1}]}})",
       "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort "
       "services"},
      {ServiceKind(), R"({"spec": {"type": "Foo", "ports": [{"port": 1}]}})",
       "spec.type: Unsupported value: \"Foo\": supported values: \"ClusterIP\", \"ExternalName\", "
       "\"LoadBalancer\", \"NodePort\""},
      {ServiceKind(), R"({"spec": {"type": "ExternalName"}})", "spec.externalName: Required value"},
      {ServiceKind(), R"({"spec": {"ipFamilyPolicy": "RequireDualStack",
                                   "ports": [{"port": 1}]}})",
       "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured "
       "for dual-stack services"},
      {ServiceKind(), R"({"spec": {"externalIPs": ["127.0.0.1"], "ports": [{"port": 1}]}})",
       "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range "
       "(127.0.0.0/8, ::1/128)"},
      {ServiceKind(), R"({"spec": {"clusterIP": "10.0.0.300", "ports": [{"port": 1}]}})",
       "spec.clusterIPs[0]: Invalid value: \"10.0.0.300\": must be a valid IP address, (e.g. "
       "10.9.8.7 or 2001:db8::ffff)"},
  });
}

// A service that was given an address and a port on nodes.
Json GivenService() {
  return Created(ServiceKind(), Parse(R"({"spec": {"type": "NodePort", "clusterIP": "10.0.0.5",
      "ports": [{"port": 80, "nodePort": 30080}]}})"));
}

TEST(ServiceTest, WhatWasGivenIsKept) {
  const Json old = GivenService();
  Json now =
      Defaulted(ServiceKind(), Parse(R"({"spec": {"type": "NodePort", "ports": [{"port": 80}]}})"));
  ServiceKind().prepare_update(now, old);
  EXPECT_EQ(now["spec"]["clusterIP"], "10.0.0.5");
  EXPECT_EQ(now["spec"]["clusterIPs"], Parse(R"(["10.0.0.5"])"));
  EXPECT_EQ(now["spec"]["ports"][0]["nodePort"], 30080);
  EXPECT_THAT(UpdateFindings(ServiceKind(), old, now), IsEmpty());
}

TEST(ServiceTest, WhatTheNewTypeDoesNotNeedIsDropped) {
  const Json old = GivenService();
  Json cluster_ip = old;
  cluster_ip["spec"]["type"] = "ClusterIP";
  ServiceKind().prepare_update(cluster_ip, old);
  EXPECT_FALSE(cluster_ip["spec"]["ports"][0].contains("nodePort"));
  EXPECT_FALSE(cluster_ip["spec"].contains("externalTrafficPolicy"));
  EXPECT_EQ(cluster_ip["spec"]["clusterIP"], "10.0.0.5");
  Json external = old;
  external["spec"]["type"] = "ExternalName";
  external["spec"]["externalName"] = "a.b";
  EXPECT_THAT(UpdateFindings(ServiceKind(), old, external), IsEmpty());
  ServiceKind().prepare_update(external, old);
  EXPECT_FALSE(external["spec"].contains("clusterIP"));
  EXPECT_FALSE(external["spec"].contains("clusterIPs"));
  EXPECT_FALSE(external["spec"].contains("ipFamilies"));
}

TEST(ServiceTest, AnAddressMayNotChange) {
  Json now = GivenService();
  now["spec"]["clusterIP"] = "10.0.0.6";
  EXPECT_THAT(UpdateFindings(ServiceKind(), GivenService(), now),
              ElementsAre("spec.clusterIPs[0]: Invalid value: [\"10.0.0.6\"]: may not change once "
                          "set"));
}

TEST(ServiceTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({
      {ServiceKind(), R"({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP",
           "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "protocol": "TCP"},
           {"port": 53, "protocol": "UDP", "nodePort": 30053}], "selector": {"a": "b"}}})",
       "s | ClusterIP | 10.0.0.1 | <none> | 80/TCP,53:30053/UDP | <unknown> | a=b"},
      {ServiceKind(), R"({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer",
           "clusterIPs": ["10.0.0.1"]}})",
       "s | LoadBalancer | 10.0.0.1 | <pending> | <none> | <unknown> | <none>"},
      {ServiceKind(), R"({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer",
           "clusterIPs": ["10.0.0.1"], "externalIPs": ["1.2.3.4"]},
           "status": {"loadBalancer": {"ingress": [{"ip": "5.6.7.8"}, {"hostname": "h"}]}}})",
       "s | LoadBalancer | 10.0.0.1 | 5.6.7.8,h,1.2.3.4 | <none> | <unknown> | <none>"},
      {ServiceKind(), R"({"metadata": {"name": "s"}, "spec": {"type": "ExternalName",
           "externalName": "a.b"}})",
       "s | ExternalName | <none> | a.b | <none> | <unknown> | <none>"},
      {ServiceKind(), R"({"metadata": {"name": "s"}, "spec": {"type": "NodePort",
           "clusterIPs": ["None"], "externalIPs": ["1.2.3.4"]}})",
       "s | NodePort | None | 1.2.3.4 | <none> | <unknown> | <none>"},
  });
}

}  // namespace
}  // namespace keelson::api
