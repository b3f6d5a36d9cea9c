// What controllers decide without asking anybody: volumes, autoscaling, the health of nodes.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/time/clock.h"
#include "apiserver/controllers/autoscale_decide.h"
#include "apiserver/controllers/node_health.h"
#include "apiserver/controllers/volume_match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

class VolumeMatchTest : public testing::Test {
 protected:
  struct Traits {
    std::string size = "1Gi";
    std::string class_name = "fast";
    std::string mode = "ReadWriteOnce";
    std::string phase = "Available";
    Json claim = nullptr;
  };
  static Object Volume(const std::string& name, const Traits& traits) {
    Json volume = {{"metadata", {{"name", name}, {"labels", {{"disk", name}}}}},
                   {"spec",
                    {{"capacity", {{"storage", traits.size}}},
                     {"accessModes", Json::array({traits.mode})},
                     {"storageClassName", traits.class_name}}},
                   {"status", {{"phase", traits.phase}}}};
    if (!traits.claim.is_null()) volume["spec"]["claimRef"] = traits.claim;
    return std::make_shared<const Json>(std::move(volume));
  }
  static Json Claim(const std::string& size) {
    return {{"metadata", {{"name", "c"}, {"namespace", "ns"}, {"uid", "u"}}},
            {"spec",
             {{"storageClassName", "fast"},
              {"accessModes", Json::array({"ReadWriteOnce"})},
              {"resources", {{"requests", {{"storage", size}}}}}}}};
  }
  static std::string Found(const std::vector<Object>& volumes, const Json& claim, bool any = true) {
    const Object found = FindVolume(volumes, claim, any);
    return found == nullptr ? "" : (*found)["metadata"]["name"].get<std::string>();
  }
};

TEST_F(VolumeMatchTest, SmallestThatIsLargeEnoughIsTaken) {
  const std::vector<Object> volumes = {Volume("large", {.size = "10Gi"}),
                                       Volume("middle", {.size = "5000Mi"}),
                                       Volume("small", {.size = "1Gi"})};
  EXPECT_EQ(Found(volumes, Claim("2Gi")), "middle");
  EXPECT_EQ(Found(volumes, Claim("1Gi")), "small");
  EXPECT_EQ(Found(volumes, Claim("11Gi")), "");
}

TEST_F(VolumeMatchTest, EverythingThatTheClaimAsksForMustBeThere) {
  EXPECT_EQ(Found({Volume("v", {.class_name = "slow"})}, Claim("1Gi")), "");
  EXPECT_EQ(Found({Volume("v", {.mode = "ReadOnlyMany"})}, Claim("1Gi")), "");
  EXPECT_EQ(Found({Volume("v", {.phase = "Released"})}, Claim("1Gi")), "");
  EXPECT_EQ(Found({Volume("v", {})}, Claim("1Gi"), /*any=*/false), "");
  Json picky = Claim("1Gi");
  picky["spec"]["selector"] = {{"matchLabels", {{"disk", "b"}}}};
  EXPECT_EQ(Found({Volume("a", {}), Volume("b", {})}, picky), "b");
  Json block = Claim("1Gi");
  block["spec"]["volumeMode"] = "Block";
  EXPECT_EQ(Found({Volume("v", {})}, block), "");
}

TEST_F(VolumeMatchTest, VolumeThatIsKeptForTheClaimIsTakenBeforeAllOthers) {
  const Json mine = {{"namespace", "ns"}, {"name", "c"}};
  const Json former = {{"namespace", "ns"}, {"name", "c"}, {"uid", "another"}};
  EXPECT_EQ(Found({Volume("small", {}), Volume("kept", {.size = "9Gi", .claim = mine})},
                  Claim("1Gi"), /*any=*/false),
            "kept");
  EXPECT_EQ(Found({Volume("former", {.claim = former})}, Claim("1Gi")), "");
}

TEST_F(VolumeMatchTest, NewestOfTheMarkedClassesIsTheDefault) {
  const auto storage_class = [](const char* name, const char* created, const char* marked) {
    return std::make_shared<const Json>(
        Json{{"metadata",
              {{"name", name},
               {"creationTimestamp", created},
               {"annotations", {{"storageclass.kubernetes.io/is-default-class", marked}}}}}});
  };
  EXPECT_EQ(DefaultClass({storage_class("a", "2026-01-01T00:00:00Z", "false")}), nullptr);
  const Object newest = DefaultClass({storage_class("a", "2026-01-02T00:00:00Z", "true"),
                                      storage_class("b", "2026-01-03T00:00:00Z", "true"),
                                      storage_class("c", "2026-01-04T00:00:00Z", "false")});
  ASSERT_NE(newest, nullptr);
  EXPECT_EQ((*newest)["metadata"]["name"], "b");
}

TEST(LoadTest, ReplicasFollowTheShareThatIsUsed) {
  const std::vector<PodLoad> busy(4, {.used = 900, .requested = 1000});
  const auto verdict = JudgeLoad(busy, {.value = 50}, 4);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->replicas, 8);  // 90 / 50 of 4, rounded up
  EXPECT_EQ(verdict->utilization, 90);
  EXPECT_EQ(JudgeLoad(busy, {.value = 85}, 4)->replicas, 4);  // within a tenth
  EXPECT_EQ(JudgeLoad(busy, {.is_utilization = false, .value = 300}, 4)->replicas, 12);
  EXPECT_EQ(JudgeLoad(std::vector<PodLoad>(4, {.used = 100, .requested = 1000}), {.value = 50}, 4)
                ->replicas,
            1);
}

TEST(LoadTest, WhatIsNotKnownSpeaksAgainstTheChange) {
  const PodLoad busy{.used = 1000, .requested = 1000};
  const PodLoad idle{.used = 100, .requested = 1000};
  const PodLoad missing{.used = std::nullopt, .requested = 1000};
  const PodLoad young{.used = 1000, .requested = 1000, .unready = true};
  EXPECT_EQ(JudgeLoad({busy, busy, missing, missing}, {.value = 50}, 4)->replicas, 4);
  EXPECT_EQ(JudgeLoad({idle, idle, missing, missing}, {.value = 50}, 4)->replicas, 4);
  EXPECT_EQ(JudgeLoad({busy, young}, {.value = 50}, 2)->replicas, 2);
  EXPECT_EQ(JudgeLoad({missing}, {.value = 50}, 1), std::nullopt);
  EXPECT_EQ(JudgeLoad({{.used = 1, .requested = 0}}, {.value = 50}, 1), std::nullopt);
}

class ScalingLimitsTest : public testing::Test {
 protected:
  Limited Limit(int64_t current, int64_t wanted) {
    return LimitScaling(autoscaler_, current, wanted, &history_, now_);
  }
  Json autoscaler_ = {{"spec", {{"minReplicas", 2}, {"maxReplicas", 50}}}};
  ScaleHistory history_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(ScalingLimitsTest, GrowsByFourOrTwofoldAtATimeAndStopsAtTheMost) {
  EXPECT_EQ(Limit(2, 40).replicas, 6);
  EXPECT_EQ(Limit(10, 40).replicas, 20);
  EXPECT_EQ(Limit(10, 40).reason, "ScaleUpLimit");
  EXPECT_EQ(Limit(40, 90).replicas, 50);
  EXPECT_EQ(Limit(40, 90).reason, "TooManyReplicas");
  history_.changed.push_back({now_ - absl::Seconds(5), 4});
  EXPECT_EQ(Limit(6, 40).replicas, 6);  // that was this quarter of a minute's
}

TEST_F(ScalingLimitsTest, ShrinksToTheHighestOfTheLastFiveMinutes) {
  Limit(10, 9);
  now_ += absl::Minutes(2);
  EXPECT_EQ(Limit(10, 3).replicas, 9);
  now_ += absl::Minutes(4);
  EXPECT_EQ(Limit(9, 3).replicas, 3);
  now_ += absl::Minutes(6);
  EXPECT_EQ(Limit(9, 0).replicas, 2);
}

TEST_F(ScalingLimitsTest, BehaviorCanForbidShrinking) {
  autoscaler_["spec"]["behavior"] = {
      {"scaleDown", {{"selectPolicy", "Disabled"}, {"stabilizationWindowSeconds", 0}}}};
  EXPECT_EQ(Limit(10, 3).replicas, 10);
}

class NodeTaintsTest : public testing::Test {
 protected:
  static Json Node(const char* ready, Json taints = Json::array()) {
    return {{"spec", {{"taints", std::move(taints)}}},
            {"status", {{"conditions", Json::array({{{"type", "Ready"}, {"status", ready}}})}}}};
  }
  static std::set<std::string> Taints(const Json& node, bool execute) {
    std::set<std::string> taints;
    for (const Json& taint : TaintsFor(node, execute, absl::UnixEpoch())) {
      taints.insert(taint["key"].get<std::string>() + ":" + taint["effect"].get<std::string>());
    }
    return taints;
  }
};

TEST_F(NodeTaintsTest, FollowTheConditionsAndLeaveOthersAlone) {
  const Json mine = {{"key", "mine"}, {"effect", "NoExecute"}};
  EXPECT_EQ(Taints(Node("True", Json::array({mine})), true),
            (std::set<std::string>{"mine:NoExecute"}));
  EXPECT_EQ(Taints(Node("Unknown", Json::array({mine})), true),
            (std::set<std::string>{"mine:NoExecute", "node.kubernetes.io/unreachable:NoExecute",
                                   "node.kubernetes.io/unreachable:NoSchedule"}));
  EXPECT_EQ(Taints(Node("False"), false),
            (std::set<std::string>{"node.kubernetes.io/not-ready:NoSchedule"}));
  // What went wrong before is over.
  const Json old = {{"key", "node.kubernetes.io/unreachable"}, {"effect", "NoExecute"}};
  EXPECT_TRUE(Taints(Node("True", Json::array({old})), true).empty());
}

TEST_F(NodeTaintsTest, TaintThatStaysKeepsTheTimeItWasAdded) {
  const Json taint = {{"key", "node.kubernetes.io/not-ready"},
                      {"effect", "NoExecute"},
                      {"timeAdded", "2026-01-01T00:00:00Z"}};
  const Json taints = TaintsFor(Node("False", Json::array({taint})), true, absl::Now());
  EXPECT_NE(std::find(taints.begin(), taints.end(), taint), taints.end());
}

TEST(ZoneTest, EvictionSlowsDownWhereManyAreIllAndStopsWhereAllAre) {
  EXPECT_EQ(JudgeZone(10, 1), ZoneHealth::kWell);
  EXPECT_EQ(JudgeZone(4, 6), ZoneHealth::kPartlyIll);
  EXPECT_EQ(JudgeZone(0, 1), ZoneHealth::kAllIll);
  EXPECT_EQ(EvictionPause(ZoneHealth::kWell, 10, false), absl::Seconds(10));
  EXPECT_EQ(EvictionPause(ZoneHealth::kPartlyIll, 51, false), absl::Seconds(100));
  EXPECT_EQ(EvictionPause(ZoneHealth::kPartlyIll, 50, false), absl::InfiniteDuration());
  EXPECT_EQ(EvictionPause(ZoneHealth::kAllIll, 10, false), absl::Seconds(10));
  EXPECT_EQ(EvictionPause(ZoneHealth::kAllIll, 10, true), absl::InfiniteDuration());
}

}  // namespace
}  // namespace keelson::controllers
