#include "apiserver/scheduler/volumes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/scheduler/cluster_fixture.h"

namespace keelson::scheduler {
namespace {

class VolumesTest : public ::testing::Test, protected ClusterFixture {
 protected:
  void SetUp() override {
    AddNode("a", Zone("x"));
    AddNode("b", Zone("y"));
    SetClass("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    SetClass("dynamic", "example.com/disk", "WaitForFirstConsumer");
    SetClass("now", "example.com/disk", "Immediate");
  }
  void SetClass(const char* name, const char* provisioner, const char* mode) {
    cluster.volumes().SetClass(ParseStorageClass({{"metadata", {{"name", name}}},
                                                  {"provisioner", provisioner},
                                                  {"volumeBindingMode", mode}}));
  }
  void SetClaim(const char* name, const char* class_name, const char* volume = "",
                const char* mode = "ReadWriteOnce") {
    Json claim = {{"metadata", {{"name", name}, {"namespace", "default"}}},
                  {"spec",
                   {{"storageClassName", class_name},
                    {"accessModes", {mode}},
                    {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
    if (*volume != 0) {
      claim["spec"]["volumeName"] = volume;
      claim["metadata"]["annotations"] = {{"pv.kubernetes.io/bind-completed", "yes"}};
    }
    cluster.volumes().SetClaim(ParseClaim(claim));
  }
  // `node`: the only one it can be used on; "": all.
  void SetVolume(const char* name, const char* size, const char* node = "",
                 Json more = Json::object()) {
    Json volume = {{"metadata", {{"name", name}, {"labels", more.value("labels", Json::object())}}},
                   {"spec",
                    {{"storageClassName", "local"},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"capacity", {{"storage", size}}}}},
                   {"status", {{"phase", "Available"}}}};
    if (more.contains("spec")) volume["spec"].update(more["spec"]);
    if (*node != 0) {
      volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] = {
          {{"matchExpressions",
            {{{"key", "kubernetes.io/hostname"}, {"operator", "In"}, {"values", {node}}}}}}};
    }
    cluster.volumes().SetVolume(ParseVolume(volume));
  }
  static Json Mounts(const char* claim) {
    return {{"spec", {{"volumes", {{{"persistentVolumeClaim", {{"claimName", claim}}}}}}}}};
  }
  std::string Refusal(const Json& pod) {
    const Decision decision = Decide("p", pod);
    return decision.message.substr(0, decision.message.find(" preemption: "));
  }
};

TEST_F(VolumesTest, ABoundVolumeDrawsThePodToItsNode) {
  SetVolume("v", "1Gi", "b");
  SetClaim("data", "local", "v");
  const Decision decision = Decide("p", Mounts("data"));
  EXPECT_EQ(decision.node, "b");
  EXPECT_TRUE(decision.volumes.empty());
  cluster.RemoveNode("b");
  EXPECT_EQ(Refusal(Mounts("data")),
            "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.");
}

TEST_F(VolumesTest, ABoundVolumeThatIsGoneIsSaid) {
  SetClaim("data", "local", "v");
  EXPECT_EQ(Refusal(Mounts("data")),
            "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to "
            "non-existent pv(s).");
}

TEST_F(VolumesTest, AClaimThatShouldBeBoundAlreadyIsWaitedFor) {
  SetClaim("data", "now");
  EXPECT_EQ(Refusal(Mounts("data")),
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.");
}

TEST_F(VolumesTest, TheSmallestFreeVolumeThatIsLargeEnoughIsTaken) {
  SetVolume("small", "512Mi", "b");
  SetVolume("large", "9Gi", "b");
  SetVolume("fits", "2Gi", "b");
  SetClaim("data", "local");
  const Decision decision = Decide("p", Mounts("data"));
  EXPECT_EQ(decision.node, "b");
  ASSERT_EQ(decision.volumes.bindings.size(), 1u);
  EXPECT_EQ(decision.volumes.bindings[0].volume, "fits");
  EXPECT_EQ(decision.volumes.bindings[0].claim_key, "default/data");
}

TEST_F(VolumesTest, AnAssumedVolumeIsNotGivenTwice) {
  SetVolume("v", "1Gi", "b");
  SetClaim("one", "local");
  SetClaim("two", "local");
  const Decision decision = Decide("p", Mounts("one"));
  cluster.volumes().Assume(decision.volumes, "b");
  EXPECT_EQ(Refusal(Mounts("two")),
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.");
  cluster.volumes().Forget(decision.volumes);
  EXPECT_EQ(Decide("q", Mounts("two")).node, "b");
}

TEST_F(VolumesTest, AVolumeThatWaitsForItsConsumerIsProvisionedOnTheNode) {
  SetClaim("data", "dynamic");
  const Decision decision = Decide("p", Mounts("data"));
  ASSERT_NE(decision.node, "");
  EXPECT_EQ(decision.volumes.provisioned, std::vector<std::string>{"default/data"});
  const std::string other = decision.node == "a" ? "b" : "a";
  cluster.volumes().Assume(decision.volumes, other);
  EXPECT_EQ(Decide("q", Mounts("data")).node, other);
}

TEST_F(VolumesTest, AClassMayBeConfinedToTopologies) {
  cluster.volumes().SetClass(
      ParseStorageClass({{"metadata", {{"name", "zonal"}}},
                         {"provisioner", "example.com/disk"},
                         {"volumeBindingMode", "WaitForFirstConsumer"},
                         {"allowedTopologies",
                          {{{"matchLabelExpressions",
                             {{{"key", "topology.kubernetes.io/zone"}, {"values", {"y"}}}}}}}}}));
  SetClaim("data", "zonal");
  EXPECT_EQ(Decide("p", Mounts("data")).node, "b");
}

TEST_F(VolumesTest, AVolumesZoneIsTheNodes) {
  SetVolume("v", "1Gi", "", {{"labels", {{"topology.kubernetes.io/zone", "q__y"}}}});
  SetClaim("data", "local", "v");
  EXPECT_EQ(Decide("p", Mounts("data")).node, "b");
  cluster.RemoveNode("b");
  EXPECT_EQ(Refusal(Mounts("data")),
            "0/1 nodes are available: 1 node(s) had no available volume zone.");
}

TEST_F(VolumesTest, AClaimForOnePodIsForOnePod) {
  SetVolume("v", "1Gi");
  SetClaim("data", "local", "v", "ReadWriteOncePod");
  Json low = Mounts("data");
  low["priority"] = 1;
  Place("old", "a", low);
  EXPECT_EQ(
      Refusal(Mounts("data")),
      "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name "
      "and ReadWriteOncePod access mode.");
  Json high = Mounts("data");
  high["priority"] = 9;
  const Decision decision = Decide("p", high);
  ASSERT_TRUE(decision.preemption);
  EXPECT_EQ(decision.preemption->victims[0]->name, "old");
  cluster.RemovePod("uid-old");
  EXPECT_NE(Decide("p", Mounts("data")).node, "");
}

TEST_F(VolumesTest, ANodeTakesNoMoreVolumesThanItsDriverCan) {
  cluster.RemoveNode("b");
  for (const char* name : {"v1", "v2"}) {
    SetVolume(name, "1Gi", "", {{"spec", {{"csi", {{"driver", "disk"}, {"volumeHandle", name}}}}}});
  }
  SetClaim("one", "local", "v1");
  SetClaim("two", "local", "v2");
  cluster.volumes().SetLimits("a", {{"disk", 1}});
  Place("old", "a", Mounts("one"));
  EXPECT_EQ(Refusal(Mounts("two")), "0/1 nodes are available: 1 node(s) exceed max volume count.");
  EXPECT_EQ(Decide("p", Mounts("one")).node, "a");  // attached already
}

TEST_F(VolumesTest, DisksNamedInPodsAreShareableOnlyForReading) {
  cluster.RemoveNode("b");
  const auto with_disk = [](bool read_only) -> Json {
    return {{"spec",
             {{"volumes", {{{"gcePersistentDisk", {{"pdName", "d"}, {"readOnly", read_only}}}}}}}}};
  };
  Place("old", "a", with_disk(true));
  EXPECT_EQ(Decide("p", with_disk(true)).node, "a");
  EXPECT_EQ(Refusal(with_disk(false)), "0/1 nodes are available: 1 node(s) had no available disk.");
}

}  // namespace
}  // namespace keelson::scheduler
