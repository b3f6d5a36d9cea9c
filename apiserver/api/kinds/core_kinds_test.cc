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
    EXPECT_EQ(kind->HasVerb("watch"), !kind->stored().storage_prefix.empty()) << kind->plural;
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
  EXPECT_FALSE(NamespaceKind().may_vanish(old));
  EXPECT_TRUE(NamespaceKind().may_vanish(finalized));
}

TEST(NamespaceTest, DeletedOnesAreTerminating) {
  Json object = Created(NamespaceKind(), Parse(R"({"metadata": {"name": "n"}})"));
  NamespaceKind().prepare_delete(object);
  EXPECT_EQ(object["status"]["phase"], "Terminating");
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
  EXPECT_THAT(
      UpdateFindings(ServiceKind(), GivenService(), now),
      ElementsAre("spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.6\"}: may not change once "
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

TEST(ReplicationControllerTest, SelectorAndLabelsAreThoseOfTheTemplate) {
  const Json manifest = Parse(R"({"metadata": {"name": "r"},
      "spec": {"template": {"metadata": {"labels": {"a": "b"}},
               "spec": {"containers": [{"name": "c", "image": "i"}]}}}})");
  const Json made = Created(ReplicationControllerKind(), manifest);
  EXPECT_EQ(made["spec"]["replicas"], 1);
  EXPECT_EQ(made["spec"]["selector"], Parse(R"({"a": "b"})"));
  EXPECT_EQ(made["metadata"]["labels"], Parse(R"({"a": "b"})"));
  EXPECT_THAT(Findings(ReplicationControllerKind(), manifest), IsEmpty());
  EXPECT_EQ(CellsOf(ReplicationControllerKind(), made), "r | 1 | 0 | 0 | <unknown> | c | i | a=b");
}

TEST(ReplicationControllerTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {ReplicationControllerKind(), "{}", "spec.template: Required value"},
      {ReplicationControllerKind(), "{}", "spec.selector: Required value"},
      {ReplicationControllerKind(), R"({"spec": {"replicas": -1}})",
       "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {ReplicationControllerKind(),
       R"({"spec": {"selector": {"x": "y"}, "template": {"metadata": {"labels": {"a": "b"}}}}})",
       "spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"b\"}: `selector` "
       "does not match "
       "template `labels`"},
      {ReplicationControllerKind(),
       R"({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}})",
       "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
       "\"Always\""},
  });
}

TEST(EndpointsTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({
      {EndpointsKind(), R"({"metadata": {"name": "e"}})", "e | <none> | <unknown>"},
      {EndpointsKind(), R"({"metadata": {"name": "e"}, "subsets": [{
           "addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
           "ports": [{"port": 80}, {"port": 443}]}]})",
       "e | 10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more... | <unknown>"},
      {EndpointsKind(), R"({"metadata": {"name": "e"},
           "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]})",
       "e | 10.0.0.1 | <unknown>"},
      {EndpointSliceKind(), R"({"metadata": {"name": "s"}, "addressType": "IPv4",
           "ports": [{"name": "http", "port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]},
             {"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.3"]},
             {"addresses": ["10.0.0.4"]}]})",
       "s | IPv4 | 80 | 10.0.0.1,10.0.0.2,10.0.0.3 + 1 more... | <unknown>"},
      {EndpointSliceKind(), R"({"metadata": {"name": "s"}, "addressType": "IPv4"})",
       "s | IPv4 | <unset> | <unset> | <unknown>"},
  });
}

TEST(EndpointsTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {EndpointsKind(), R"({"subsets": [{}]})",
       "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
      {EndpointsKind(), R"({"subsets": [{"addresses": [{"ip": "169.254.1.1"}]}]})",
       "subsets[0].addresses[0].ip: Invalid value: \"169.254.1.1\": may not be in the link-local "
       "range (169.254.0.0/16, fe80::/10)"},
      {EndpointSliceKind(), R"({"addressType": "IPv4", "endpoints": [{}]})",
       "endpoints[0].addresses: Required value: must contain at least 1 address"},
      {EndpointSliceKind(), R"({"addressType": "IPv6",
                                "endpoints": [{"addresses": ["10.0.0.1"]}]})",
       "endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address"},
      {EndpointSliceKind(), "{}", "addressType: Required value"},
  });
}

TEST(EventTest, BothFormsAreOneObject) {
  const Json core = Parse(R"({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
      "involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "reason": "R", "count": 3,
      "source": {"component": "kubelet"}, "firstTimestamp": "2026-01-01T00:00:00Z",
      "lastTimestamp": "2026-01-01T00:09:00Z", "reportingComponent": "kubelet"})");
  const Kind& kind = EventsEventKind();
  const Json event = kind.from_stored(core);
  EXPECT_EQ(event, Parse(R"({"apiVersion": "events.k8s.io/v1", "kind": "Event",
      "metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p"}, "note": "m",
      "reason": "R", "deprecatedCount": 3, "deprecatedSource": {"component": "kubelet"},
      "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
      "deprecatedLastTimestamp": "2026-01-01T00:09:00Z", "reportingController": "kubelet"})"));
  EXPECT_EQ(kind.to_stored(event), core);
  EXPECT_EQ(&kind.stored(), &EventKind());
  EXPECT_EQ(CellsOf(kind, event), CellsOf(EventKind(), core));
  EXPECT_EQ(CellsOf(EventKind(), core), "60s |  | R | pod/p |  | kubelet | m | 10m | 3 | e");
}

TEST(EventTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({
      {EventKind(), R"({"metadata": {"name": "e"}, "involvedObject": {"kind": "Node"},
           "type": "Warning", "message": " m\n", "eventTime": "2026-01-01T00:08:00.000001Z",
           "reportingComponent": "c", "reportingInstance": "i"})",
       "119s | Warning |  | node |  | c, i | m | 119s | 1 | e"},
      {EventKind(), R"({"metadata": {"name": "e"}, "involvedObject": {"kind": "Node"},
           "series": {"count": 7, "lastObservedTime": "2026-01-01T00:09:50.000000Z"},
           "eventTime": "2026-01-01T00:00:00.000000Z"})",
       "10s |  |  | node |  |  |  | 10m | 7 | e"},
  });
}

TEST(EventTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {EventKind(), R"({"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "b"}})",
       "involvedObject.namespace: Invalid value: \"b\": does not match event.namespace"},
      {EventKind(),
       R"({"metadata": {"namespace": "default"}, "eventTime": "2026-01-01T00:00:00Z"})",
       "reportingComponent: Required value"},
      {EventsEventKind(), R"({"eventTime": "2026-01-01T00:00:00Z"})",
       "reportingController: Required value"},
  });
  FieldErrors errors;
  EventsEventKind().validate_create(Parse(R"({"type": "x", "deprecatedCount": 1})"), errors);
  EXPECT_THAT(TextsOf(errors), ElementsAre("eventTime: Required value",
                                           "type: Invalid value: \"\": has invalid value: x",
                                           "count: Invalid value: \"\": needs to be unset"));
}

TEST(PersistentVolumeTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({
      {PersistentVolumeKind(), R"({"metadata": {"name": "v"}, "spec": {
           "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
           "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "fast",
           "claimRef": {"namespace": "n", "name": "c"}, "volumeMode": "Filesystem"},
           "status": {"phase": "Bound"}})",
       "v | 1Gi | RWO,RWX | Retain | Bound | n/c | fast | <unset> |  | <unknown> | Filesystem"},
      {PersistentVolumeClaimKind(), R"({"metadata": {"name": "c"}, "spec": {
           "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
           "status": {"phase": "Pending"}})",
       "c | Pending |  |  |  | fast | <unset> | <unknown> | <unset>"},
      {PersistentVolumeClaimKind(), R"({"metadata": {"name": "c",
           "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"volumeName": "v",
           "volumeMode": "Block"}, "status": {"phase": "Bound", "capacity": {"storage": "2Gi"},
           "accessModes": ["ReadWriteOncePod"]}})",
       "c | Terminating | v | 2Gi | RWOP |  | <unset> | <unknown> | Block"},
  });
}

constexpr std::string_view kVolume = R"({"metadata": {"name": "v"}, "spec": {
    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
    "hostPath": {"path": "/data"}}})";
constexpr std::string_view kClaim = R"({"spec": {"accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}}}})";

TEST(PersistentVolumeTest, WhatIsLeftOutIsFilledIn) {
  const Json volume = Created(PersistentVolumeKind(), Parse(kVolume));
  EXPECT_EQ(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
  EXPECT_EQ(volume["spec"]["volumeMode"], "Filesystem");
  EXPECT_EQ(volume["status"]["phase"], "Pending");
  EXPECT_THAT(Findings(PersistentVolumeKind(), Parse(kVolume)), IsEmpty());
  const Json claim = Created(PersistentVolumeClaimKind(), Parse(kClaim));
  EXPECT_EQ(claim["spec"]["volumeMode"], "Filesystem");
  EXPECT_EQ(claim["status"]["phase"], "Pending");
  EXPECT_THAT(Findings(PersistentVolumeClaimKind(), Parse(kClaim)), IsEmpty());
}

TEST(PersistentVolumeTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {PersistentVolumeKind(), "{}", "spec.accessModes: Required value"},
      {PersistentVolumeKind(), "{}", "spec: Required value: must specify a volume type"},
      {PersistentVolumeKind(), R"({"spec": {"capacity": {"storage": "0"}}})",
       "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero"},
      {PersistentVolumeKind(), R"({"spec": {"local": {"path": "/x"}}})",
       "spec.nodeAffinity: Required value: Local volume requires node affinity"},
      {PersistentVolumeKind(), R"({"spec": {"persistentVolumeReclaimPolicy": "Recycle",
                                            "hostPath": {"path": "/./"}}})",
       "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount "
       "of '/'"},
      {PersistentVolumeClaimKind(), "{}",
       "spec.accessModes: Required value: at least 1 access mode is required"},
      {PersistentVolumeClaimKind(), "{}", "spec.resources[storage]: Required value"},
      {PersistentVolumeClaimKind(), R"({"spec": {"accessModes": ["RWO"]}})",
       "spec.accessModes: Unsupported value: \"RWO\": supported values: \"ReadOnlyMany\", "
       "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\""},
  });
  Json moved = Parse(kVolume);
  moved["spec"]["hostPath"]["path"] = "/other";
  EXPECT_THAT(UpdateFindings(PersistentVolumeKind(), Parse(kVolume), moved),
              ElementsAre("spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is "
                          "immutable after creation\n-hostPath.path: \"/data\"\n+hostPath.path: "
                          "\"/other\"\n"));
}

TEST(PersistentVolumeClaimTest, OnlyBoundClaimsGrow) {
  Json old = Created(PersistentVolumeClaimKind(), Parse(kClaim));
  const auto findings = [&old](const Json& now) {
    FieldErrors errors;
    PersistentVolumeClaimKind().validate_update(now, old, errors);
    return TextsOf(errors);
  };
  Json now = old;
  now["spec"]["volumeName"] = "v";
  now["spec"]["storageClassName"] = "fast";
  EXPECT_THAT(findings(now), IsEmpty());
  now = old;
  now["spec"]["resources"]["requests"]["storage"] = "2Gi";
  EXPECT_THAT(findings(now),
              ElementsAre("spec: Forbidden: spec is immutable after creation except "
                          "resources.requests and volumeAttributesClassName for bound claims\n"
                          "-resources.requests.storage: \"1Gi\"\n"
                          "+resources.requests.storage: \"2Gi\"\n"));
  old["status"] = Parse(R"({"phase": "Bound", "capacity": {"storage": "1Gi"}})");
  now["status"] = old["status"];
  EXPECT_THAT(findings(now), IsEmpty());
  now["spec"]["resources"]["requests"]["storage"] = "500Mi";
  EXPECT_THAT(findings(now), ElementsAre("spec.resources.requests.storage: Forbidden: field can "
                                         "not be less than status.capacity"));
}

TEST(ResourceQuotaTest, CellsAreThoseKubectlPrints) {
  ExpectPrinted({{ResourceQuotaKind(), R"({"metadata": {"name": "q"}, "status": {
      "hard": {"pods": "10", "limits.cpu": "2", "requests.cpu": "1"}, "used": {"pods": "3"}}})",
                  "q | pods: 3/10, requests.cpu: 0/1 | limits.cpu: 0/2 | <unknown>"}});
}

TEST(ResourceQuotaTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {ResourceQuotaKind(), R"({"spec": {"hard": {"storage": "1Gi"}}})",
       "spec.hard[storage]: Invalid value: \"storage\": must be a standard resource for quota"},
      {ResourceQuotaKind(), R"({"spec": {"hard": {"pods": "-1"}}})",
       "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0"},
      {ResourceQuotaKind(), R"({"spec": {"scopes": ["BestEffort"], "hard": {"cpu": "1"}}})",
       "spec.scopes: Invalid value: []string{\"BestEffort\"}: unsupported scope applied to "
       "resource"},
      {ResourceQuotaKind(), R"({"spec": {"scopes": ["BestEffort", "NotBestEffort"]}})",
       "spec.scopes: Invalid value: []string{\"BestEffort\", \"NotBestEffort\"}: conflicting "
       "scopes"},
      {ResourceQuotaKind(), R"({"spec": {"scopeSelector": {"matchExpressions": [
           {"scopeName": "PriorityClass", "operator": "In"}]}}})",
       "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value "
       "when `operator` is 'In' or 'NotIn' for scope selector"},
  });
  EXPECT_THAT(Findings(ResourceQuotaKind(), Parse(R"({"spec": {"hard": {"count/pods": "1",
                  "count/deployments.apps": "2", "requests.example.com/gpu": "1"}}})")),
              IsEmpty());
}

TEST(LimitRangeTest, DefaultsFollowFromLimits) {
  EXPECT_EQ(Defaulted(LimitRangeKind(), Parse(R"({"spec": {"limits": [{"type": "Container",
                "max": {"cpu": "2"}, "min": {"memory": "1Gi"}}]}})")),
            Parse(R"({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"},
                "min": {"memory": "1Gi"}, "default": {"cpu": "2"},
                "defaultRequest": {"cpu": "2", "memory": "1Gi"}}]}})"));
}

TEST(LimitRangeTest, WhatIsWrongIsSaidAsKubernetesSaysIt) {
  ExpectRefusals({
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "Foo"}]}})",
       "spec.limits[0].type: Invalid value: \"Foo\": must be a standard limit type or fully "
       "qualified"},
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "Pod", "min": {"cpu": "2"},
                                                  "max": {"cpu": "1"}}]}})",
       "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"},
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"},
                                                  "defaultRequest": {"cpu": "2"}}]}})",
       "spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is "
       "greater than default limit value 1"},
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}})",
       "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "Container", "min": {"cpu": "1"},
           "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "4"}}]}})",
       "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"4\": ratio 4 is greater than "
       "max/min = 2.000000"},
      {LimitRangeKind(), R"({"spec": {"limits": [{"type": "PersistentVolumeClaim"}]}})",
       "spec.limits[0].limits: Required value: either minimum or maximum storage value is "
       "required, but neither was provided"},
  });
}

TEST(PodTemplateTest, TemplatesAreFilledInAndPrinted) {
  const Json made = Created(PodTemplateKind(), Parse(R"({"metadata": {"name": "t"},
      "template": {"metadata": {"labels": {"a": "b"}},
                   "spec": {"containers": [{"name": "c", "image": "i"}]}}})"));
  EXPECT_EQ(made["template"]["spec"]["restartPolicy"], "Always");
  EXPECT_EQ(CellsOf(PodTemplateKind(), made), "t | c | i | a=b");
  EXPECT_THAT(Findings(PodTemplateKind(), made), IsEmpty());
}

TEST(BindingTest, ATargetIsANode) {
  ExpectRefusals({
      {BindingKind(), R"({"target": {"kind": "Pod", "name": "n"}})",
       "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\""},
      {BindingKind(), "{}", "target.name: Required value"},
  });
}

}  // namespace
}  // namespace keelson::api
