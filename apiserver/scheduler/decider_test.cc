#include "apiserver/scheduler/decider.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apiserver/scheduler/cluster_fixture.h"

namespace keelson::scheduler {
namespace {

class DeciderTest : public ::testing::Test, protected ClusterFixture {};

Json Affinity(const char* kind, const char* when, Json terms) {
  return {{"spec", {{"affinity", {{kind, {{when, std::move(terms)}}}}}}}};
}
constexpr char kRequired[] = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr char kPreferred[] = "preferredDuringSchedulingIgnoredDuringExecution";

Json Near(const std::string& app, const std::string& topology) {
  return {{"labelSelector", {{"matchLabels", {{"app", app}}}}}, {"topologyKey", topology}};
}

Json App(const std::string& app) { return {{"labels", {{"app", app}}}}; }

// What one node, "a", says to a pod.
struct RefusalCase {
  const char* name;
  Json node;
  Json pod;
  const char* reason;  // "": it takes it
};

class OneNodeTest : public ::testing::TestWithParam<RefusalCase>, protected ClusterFixture {};

TEST_P(OneNodeTest, RefusesInKubeSchedulersWords) {
  const auto said = [](const Json& json) { return json.is_null() ? Json::object() : json; };
  AddNode("a", said(GetParam().node));
  const Decision decision = Decide("p", said(GetParam().pod));
  if (std::string_view(GetParam().reason).empty()) {
    EXPECT_EQ(decision.node, "a") << decision.message;
    return;
  }
  EXPECT_EQ(decision.node, "");
  EXPECT_EQ(decision.message.substr(0, decision.message.find(" preemption: ")),
            std::string("0/1 nodes are available: ") + GetParam().reason + ".");
}

const Json kTainted = {
    {"spec", {{"taints", {{{"key", "k"}, {"value", "v"}, {"effect", "NoSchedule"}}}}}}};

Json Tolerates(Json toleration) { return {{"spec", {{"tolerations", {std::move(toleration)}}}}}; }

INSTANTIATE_TEST_SUITE_P(
    All, OneNodeTest,
    ::testing::ValuesIn(std::vector<RefusalCase>{
        {"Room", {}, {{"cpu", "4"}, {"memory", "8Gi"}}, ""},
        {"Cpu", {}, {{"cpu", "4001m"}}, "1 Insufficient cpu"},
        {"TwoResources",
         {},
         {{"cpu", "5"}, {"memory", "9Gi"}},
         "1 Insufficient cpu, 1 Insufficient memory"},
        {"Storage",
         {},
         {{"spec",
           {{"containers", {{{"resources", {{"requests", {{"ephemeral-storage", "1Gi"}}}}}}}}}}},
         "1 Insufficient ephemeral-storage"},
        {"Extended",
         {},
         {{"spec",
           {{"containers", {{{"resources", {{"requests", {{"example.com/gpu", "1"}}}}}}}}}}},
         "1 Insufficient example.com/gpu"},
        {"ExtendedThere",
         {{"status", {{"allocatable", {{"pods", "9"}, {"example.com/gpu", "2"}}}}}},
         {{"spec",
           {{"containers", {{{"resources", {{"requests", {{"example.com/gpu", "2"}}}}}}}}}}},
         ""},
        {"PodCount", {{"status", {{"allocatable", {{"pods", "0"}}}}}}, {}, "1 Too many pods"},
        {"InitPeak",
         {},
         {{"cpu", "1"},
          {"spec", {{"initContainers", {{{"resources", {{"requests", {{"cpu", "5"}}}}}}}}}}},
         "1 Insufficient cpu"},
        {"SidecarsAddUp",
         {},
         {{"cpu", "3"},
          {"spec",
           {{"initContainers",
             {{{"restartPolicy", "Always"}, {"resources", {{"requests", {{"cpu", "2"}}}}}}}}}}},
         "1 Insufficient cpu"},
        {"Overhead",
         {},
         {{"cpu", "4"}, {"spec", {{"overhead", {{"cpu", "1m"}}}}}},
         "1 Insufficient cpu"},
        {"Unschedulable",
         {{"spec", {{"unschedulable", true}}}},
         {},
         "1 node(s) were unschedulable"},
        {"UnschedulableTolerated",
         {{"spec", {{"unschedulable", true}}}},
         Tolerates({{"key", "node.kubernetes.io/unschedulable"}, {"operator", "Exists"}}),
         ""},
        {"Taint", kTainted, {}, "1 node(s) had untolerated taint {k: v}"},
        {"TaintTolerated", kTainted, Tolerates({{"key", "k"}, {"value", "v"}}), ""},
        {"TaintOtherValue", kTainted, Tolerates({{"key", "k"}, {"value", "w"}}),
         "1 node(s) had untolerated taint {k: v}"},
        {"TaintOtherEffect", kTainted,
         Tolerates({{"key", "k"}, {"operator", "Exists"}, {"effect", "NoExecute"}}),
         "1 node(s) had untolerated taint {k: v}"},
        {"TaintAllTolerated", kTainted, Tolerates({{"operator", "Exists"}}), ""},
        {"PreferredTaint",
         {{"spec", {{"taints", {{{"key", "k"}, {"effect", "PreferNoSchedule"}}}}}}},
         {},
         ""},
        {"Selector",
         {},
         {{"spec", {{"nodeSelector", {{"disk", "ssd"}}}}}},
         "1 node(s) didn't match Pod's node affinity/selector"},
        {"SelectorMatches",
         {{"labels", {{"disk", "ssd"}}}},
         {{"spec", {{"nodeSelector", {{"disk", "ssd"}}}}}},
         ""},
        {"AffinityGreater",
         {{"labels", {{"size", "7"}}}},
         Affinity("nodeAffinity", kRequired,
                  {{"nodeSelectorTerms",
                    {{{"matchExpressions",
                       {{{"key", "size"}, {"operator", "Gt"}, {"values", {"6"}}}}}}}}}),
         ""},
        {"AffinityNotGreater",
         {{"labels", {{"size", "6"}}}},
         Affinity("nodeAffinity", kRequired,
                  {{"nodeSelectorTerms",
                    {{{"matchExpressions",
                       {{{"key", "size"}, {"operator", "Gt"}, {"values", {"6"}}}}}}}}}),
         "1 node(s) didn't match Pod's node affinity/selector"},
        {"AnyTermWillDo",
         {{"labels", {{"disk", "hdd"}}}},
         Affinity("nodeAffinity", kRequired,
                  {{"nodeSelectorTerms",
                    {{{"matchExpressions",
                       {{{"key", "disk"}, {"operator", "In"}, {"values", {"ssd"}}}}}},
                     {{"matchExpressions", {{{"key", "gpu"}, {"operator", "DoesNotExist"}}}}}}}}),
         ""},
        {"EmptyTermsMatchNothing",
         {},
         Affinity("nodeAffinity", kRequired, {{"nodeSelectorTerms", Json::array()}}),
         "1 node(s) didn't match Pod's node affinity/selector"},
        {"ByName",
         {},
         Affinity("nodeAffinity", kRequired,
                  {{"nodeSelectorTerms",
                    {{{"matchFields",
                       {{{"key", "metadata.name"}, {"operator", "In"}, {"values", {"a"}}}}}}}}}),
         ""},
        {"ByOtherName",
         {},
         Affinity("nodeAffinity", kRequired,
                  {{"nodeSelectorTerms",
                    {{{"matchFields",
                       {{{"key", "metadata.name"}, {"operator", "In"}, {"values", {"b"}}}}}}}}}),
         "1 node(s) didn't satisfy plugin(s) [NodeAffinity]"},
        {"MissingClaim",
         {},
         {{"spec", {{"volumes", {{{"persistentVolumeClaim", {{"claimName", "data"}}}}}}}}},
         "persistentvolumeclaim \"data\" not found"},
        {"SpreadLabelMissing",
         {},
         {{"spec",
           {{"topologySpreadConstraints",
             {{{"topologyKey", "zone"}, {"maxSkew", 1}, {"labelSelector", Json::object()}}}}}}},
         "1 node(s) didn't match pod topology spread constraints (missing required label)"},
        {"AffinityToNobody",
         {},
         Affinity("podAffinity", kRequired, {Near("db", "kubernetes.io/hostname")}),
         "1 node(s) didn't match pod affinity rules"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(DeciderTest, WithoutNodesSaysSo) {
  const Decision decision = Decide("p");
  EXPECT_EQ(decision.message, "no nodes available to schedule pods");
  EXPECT_EQ(decision.refused_by, 0u);  // any node may help
}

TEST_F(DeciderTest, ReasonsAreCountedOverTheNodes) {
  AddNode("a");
  AddNode("b");
  AddNode("c", kTainted);
  const Decision decision = Decide("p", {{"cpu", "5"}});
  EXPECT_EQ(decision.message,
            "0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, 2 Insufficient cpu. "
            "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
            "2 No preemption victims found for incoming pod.");
  EXPECT_EQ(decision.refused_by,
            SetOf(Plugin::kTaintToleration) | SetOf(Plugin::kNodeResourcesFit));
}

TEST_F(DeciderTest, WhatIsRequestedOnANodeIsNotFree) {
  AddNode("a");
  Place("old", "a", {{"cpu", "3"}});
  EXPECT_EQ(Schedule("big", {{"cpu", "2"}}), "");
  EXPECT_EQ(Schedule("small", {{"cpu", "1"}}), "a");
  EXPECT_EQ(Schedule("late", {{"cpu", "1m"}}), "");
  cluster.RemovePod("uid-old");
  EXPECT_EQ(Schedule("big", {{"cpu", "2"}}), "a");
}

TEST_F(DeciderTest, AForgottenPodLeavesNothingBehind) {
  AddNode("a");
  EXPECT_EQ(Schedule("p", {{"cpu", "4"}}), "a");
  EXPECT_TRUE(cluster.IsAssumed("uid-p"));
  cluster.Forget("uid-p");
  EXPECT_EQ(Schedule("q", {{"cpu", "4"}}), "a");
  EXPECT_EQ(cluster.pod_count(), 1u);
}

TEST_F(DeciderTest, HostPortsClashOnTheSameAddressAndProtocol) {
  AddNode("a");
  const auto with_port = [](Json port) -> Json {
    return {{"spec", {{"containers", {{{"ports", {std::move(port)}}}}}}}};
  };
  Place("old", "a", with_port({{"hostPort", 80}, {"hostIP", "10.0.0.1"}}));
  EXPECT_EQ(Decide("p", with_port({{"hostPort", 80}, {"hostIP", "0.0.0.0"}})).node, "");
  EXPECT_EQ(Decide("p", with_port({{"hostPort", 80}, {"hostIP", "10.0.0.1"}})).node, "");
  EXPECT_EQ(Decide("p", with_port({{"hostPort", 80}, {"hostIP", "10.0.0.2"}})).node, "a");
  EXPECT_EQ(Decide("p", with_port({{"hostPort", 80}, {"protocol", "UDP"}})).node, "a");
  EXPECT_EQ(Decide("p", with_port({{"hostPort", 81}})).node, "a");
}

TEST_F(DeciderTest, TheEmptierNodeIsPreferred) {
  AddNode("a");
  AddNode("b");
  Place("old", "a", {{"cpu", "2"}, {"memory", "4Gi"}});
  EXPECT_EQ(Decide("p", {{"cpu", "1"}, {"memory", "2Gi"}}).node, "b");
}

TEST_F(DeciderTest, PodsThatAskForNothingAreSpreadToo) {
  AddNode("a");
  AddNode("b");
  std::map<std::string, int> pods;
  for (int i = 0; i < 10; ++i) ++pods[Schedule("p" + std::to_string(i))];
  EXPECT_EQ(pods["a"], 5);
  EXPECT_EQ(pods["b"], 5);
}

TEST_F(DeciderTest, EqualNodesAreChosenByChanceOfTheSeed) {
  for (int i = 0; i < 20; ++i) AddNode("n" + std::to_string(i));
  std::set<std::string> chosen;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SeededRandom first(seed);
    SeededRandom second(seed);
    const auto pod = MakePod("p");
    const std::string node = Decider(&cluster, &first).Decide(*pod).node;
    EXPECT_EQ(Decider(&cluster, &second).Decide(*pod).node, node) << "seed " << seed;
    chosen.insert(node);
  }
  EXPECT_GT(chosen.size(), 5u);
}

TEST_F(DeciderTest, PreferredTaintsAreAvoidedWhileThereIsAnother) {
  AddNode("a", {{"spec", {{"taints", {{{"key", "k"}, {"effect", "PreferNoSchedule"}}}}}}});
  AddNode("b");
  Place("old", "b", {{"cpu", "1"}, {"memory", "2Gi"}});
  EXPECT_EQ(Decide("p").node, "b");
  EXPECT_EQ(Decide("p", Tolerates({{"key", "k"}, {"operator", "Exists"}})).node, "a");
}

TEST_F(DeciderTest, PreferredNodesWinByTheirWeight) {
  AddNode("a", {{"labels", {{"disk", "ssd"}}}});
  AddNode("b", {{"labels", {{"gpu", "yes"}}}});
  const auto prefers = [](const char* key, int weight) -> Json {
    return {{"weight", weight},
            {"preference", {{"matchExpressions", {{{"key", key}, {"operator", "Exists"}}}}}}};
  };
  EXPECT_EQ(
      Decide("p", Affinity("nodeAffinity", kPreferred, {prefers("disk", 1), prefers("gpu", 9)}))
          .node,
      "b");
  EXPECT_EQ(
      Decide("p", Affinity("nodeAffinity", kPreferred, {prefers("disk", 9), prefers("gpu", 1)}))
          .node,
      "a");
}

TEST_F(DeciderTest, ANodeThatHasTheImageIsPreferred) {
  const int64_t megabyte = 1024 * 1024;
  AddNode("a");
  AddNode("b", {{"status",
                 {{"allocatable", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "110"}}},
                  {"images", {{{"names", {"app:1"}}, {"sizeBytes", 900 * megabyte}}}}}}});
  EXPECT_EQ(Decide("p").node, "b");
}

TEST_F(DeciderTest, RequiredSpreadKeepsTheSkew) {
  for (const char* zone : {"x", "y", "z"}) AddNode(std::string("in-") + zone, Zone(zone));
  Json pod = App("web");
  pod["spec"]["topologySpreadConstraints"] = {
      {{"topologyKey", "topology.kubernetes.io/zone"},
       {"maxSkew", 1},
       {"whenUnsatisfiable", "DoNotSchedule"},
       {"labelSelector", {{"matchLabels", {{"app", "web"}}}}}}};
  std::map<std::string, int> pods;
  for (int i = 0; i < 9; ++i) ++pods[Schedule("p" + std::to_string(i), pod)];
  EXPECT_EQ(pods, (std::map<std::string, int>{{"in-x", 3}, {"in-y", 3}, {"in-z", 3}}));

  // A zone where nothing fits still counts: the others may not run ahead of it.
  AddNode("in-x", {{"labels", {{"topology.kubernetes.io/zone", "x"}}},
                   {"status", {{"allocatable", {{"pods", "3"}}}}}});
  EXPECT_NE(Schedule("p9", pod), "");
  EXPECT_NE(Schedule("p10", pod), "");
  const Decision decision = Decide("p11", pod);
  EXPECT_EQ(decision.message.substr(0, decision.message.find(" preemption")),
            "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match pod topology spread "
            "constraints.");
}

TEST_F(DeciderTest, TooFewDomainsMakeTheLeastZero) {
  AddNode("a", Zone("x"));
  AddNode("b", Zone("y"));
  Json pod = App("web");
  pod["spec"]["topologySpreadConstraints"] = {
      {{"topologyKey", "topology.kubernetes.io/zone"},
       {"maxSkew", 1},
       {"minDomains", 3},
       {"whenUnsatisfiable", "DoNotSchedule"},
       {"labelSelector", {{"matchLabels", {{"app", "web"}}}}}}};
  EXPECT_NE(Schedule("p0", pod), "");
  EXPECT_NE(Schedule("p1", pod), "");
  EXPECT_EQ(Schedule("p2", pod), "");
  AddNode("c", Zone("z"));
  EXPECT_EQ(Schedule("p2", pod), "c");
}

TEST_F(DeciderTest, NodesThatThePodMayNotUseAreNoDomainsOfItsSpread) {
  AddNode("a", Zone("x"));
  AddNode("b", {{"labels", {{"topology.kubernetes.io/zone", "y"}, {"out", "yes"}}}});
  Json pod = App("web");
  pod["spec"]["affinity"]["nodeAffinity"][kRequired]["nodeSelectorTerms"] = {
      {{"matchExpressions", {{{"key", "out"}, {"operator", "DoesNotExist"}}}}}};
  Json spread = {{"topologyKey", "topology.kubernetes.io/zone"},
                 {"maxSkew", 1},
                 {"whenUnsatisfiable", "DoNotSchedule"},
                 {"labelSelector", {{"matchLabels", {{"app", "web"}}}}}};
  pod["spec"]["topologySpreadConstraints"] = {spread};
  EXPECT_EQ(Schedule("p0", pod), "a");
  EXPECT_EQ(Schedule("p1", pod), "a");
  spread["nodeAffinityPolicy"] = "Ignore";
  pod["spec"]["topologySpreadConstraints"] = {spread};
  EXPECT_EQ(Schedule("p2", pod), "");
}

TEST_F(DeciderTest, PodsOfAServiceAreSpreadOverNodesAndZonesUnasked) {
  AddNode("a", Zone("x"));
  AddNode("b", Zone("x"));
  AddNode("c", Zone("y"));
  cluster.SetService("default", "web", {{"app", "web"}});
  Place("w1", "a", App("web"));
  Place("other1", "c");
  Place("other2", "c");
  EXPECT_EQ(Decide("w2", App("web")).node, "c");
}

TEST_F(DeciderTest, AffinityDrawsToTheSameDomain) {
  AddNode("a", Zone("x"));
  AddNode("b", Zone("y"));
  AddNode("c", Zone("y"));
  Place("db", "b", App("db"));
  const Json same_zone =
      Affinity("podAffinity", kRequired, {Near("db", "topology.kubernetes.io/zone")});
  for (int i = 0; i < 4; ++i) EXPECT_NE(Schedule("w" + std::to_string(i), same_zone), "a");
  EXPECT_EQ(
      Schedule("n", Affinity("podAffinity", kRequired, {Near("db", "kubernetes.io/hostname")})),
      "b");
}

TEST_F(DeciderTest, TheFirstOfASeriesThatWantsToBeTogetherMayStart) {
  AddNode("a");
  AddNode("b");
  Json pod = App("web");
  pod["spec"]["affinity"]["podAffinity"][kRequired] = {Near("web", "kubernetes.io/hostname")};
  const std::string first = Schedule("p0", pod);
  ASSERT_NE(first, "");
  for (int i = 1; i < 5; ++i) EXPECT_EQ(Schedule("p" + std::to_string(i), pod), first);
}

TEST_F(DeciderTest, AntiAffinityHoldsInBothDirections) {
  AddNode("a");
  AddNode("b");
  Json hermit = App("hermit");
  hermit["spec"]["affinity"]["podAntiAffinity"][kRequired] = {
      Near("web", "kubernetes.io/hostname")};
  Place("w", "a", App("web"));
  EXPECT_EQ(Schedule("h", hermit), "b");
  EXPECT_EQ(Decide("w2", App("web")).node, "a");
  cluster.RemovePod("uid-w");
  cluster.RemoveNode("a");
  const Decision decision = Decide("w3", App("web"));
  EXPECT_EQ(decision.message.substr(0, decision.message.find(" preemption")),
            "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.");
  EXPECT_EQ(Decide("other", App("other")).node, "b");
}

TEST_F(DeciderTest, TermsSelectNamespacesByNameOrLabel) {
  AddNode("a");
  AddNode("b");
  cluster.SetNamespace("prod", {{"env", "prod"}});
  Json elsewhere = App("db");
  elsewhere["namespace"] = "prod";
  Place("db", "b", elsewhere);
  Json term = Near("db", "kubernetes.io/hostname");
  EXPECT_EQ(Decide("p", Affinity("podAffinity", kRequired, {term})).node, "");
  term["namespaces"] = {"prod"};
  EXPECT_EQ(Decide("p", Affinity("podAffinity", kRequired, {term})).node, "b");
  term.erase("namespaces");
  term["namespaceSelector"] = {{"matchLabels", {{"env", "prod"}}}};
  EXPECT_EQ(Decide("p", Affinity("podAffinity", kRequired, {term})).node, "b");
  term["namespaceSelector"] = {{"matchLabels", {{"env", "test"}}}};
  EXPECT_EQ(Decide("p", Affinity("podAffinity", kRequired, {term})).node, "");
}

TEST_F(DeciderTest, PreferencesOfBothSidesCount) {
  for (const char* name : {"a", "b", "c"}) AddNode(name);
  Place("db", "b", App("db"));
  const Json weighted = {{"weight", 100},
                         {"podAffinityTerm", Near("db", "kubernetes.io/hostname")}};
  EXPECT_EQ(Decide("p", Affinity("podAffinity", kPreferred, {weighted})).node, "b");
  EXPECT_NE(Decide("p", Affinity("podAntiAffinity", kPreferred, {weighted})).node, "b");
  Json host = App("host");
  host["spec"]["affinity"]["podAffinity"][kPreferred] = {
      {{"weight", 100}, {"podAffinityTerm", Near("guest", "kubernetes.io/hostname")}}};
  Place("h", "c", host);
  EXPECT_EQ(Decide("g", App("guest")).node, "c");
}

TEST_F(DeciderTest, OnlyAShareOfManyNodesIsScoredAndTheStartMovesOn) {
  EXPECT_EQ(Decider::FeasibleNodesWanted(99), 99u);
  EXPECT_EQ(Decider::FeasibleNodesWanted(100), 100u);
  EXPECT_EQ(Decider::FeasibleNodesWanted(1000), 420u);
  EXPECT_EQ(Decider::FeasibleNodesWanted(5000), 500u);
  EXPECT_EQ(Decider::FeasibleNodesWanted(20000), 1000u);
  for (int i = 0; i < 1000; ++i) AddNode("n" + std::to_string(i));
  std::set<std::string> chosen;
  for (int i = 0; i < 1000; ++i) chosen.insert(Schedule("p" + std::to_string(i), {{"cpu", "3"}}));
  EXPECT_EQ(chosen.size(), 1000u);  // one a node: every node is looked at in its turn
}

}  // namespace
}  // namespace keelson::scheduler
