#include "apiserver/scheduler/preemption.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/scheduler/cluster_fixture.h"

namespace keelson::scheduler {
namespace {

using ::testing::ElementsAre;

class PreemptionTest : public ::testing::Test, protected ClusterFixture {
 protected:
  // Of "node: victim victim", or the message.
  std::string Preempt(const Json& pod) {
    const Decision decision = Decide("p", pod);
    if (!decision.preemption) return decision.message;
    std::string text = decision.preemption->node + ":";
    for (const auto& victim : decision.preemption->victims) text += " " + victim->name;
    return text;
  }
  static Json Sized(const char* cpu, int priority) {
    return {{"cpu", cpu}, {"priority", priority}};
  }
  static Json Started(Json pod, const char* when) {
    pod["status"]["startTime"] = when;
    return pod;
  }
};

TEST_F(PreemptionTest, TheFewestPodsThatMakeRoomGo) {
  AddNode("a");
  Place("low1", "a", Sized("1", 1));
  Place("low2", "a", Sized("2", 2));
  Place("high", "a", Sized("1", 100));
  EXPECT_EQ(Preempt(Sized("1", 50)), "a: low1");
  EXPECT_EQ(Preempt(Sized("2", 50)), "a: low2");
  EXPECT_EQ(Preempt(Sized("3", 50)), "a: low2 low1");
}

TEST_F(PreemptionTest, EqualsAreSpared) {
  AddNode("a");
  Place("equal", "a", Sized("4", 50));
  EXPECT_EQ(Preempt(Sized("1", 50)),
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 "
            "No preemption victims found for incoming pod.");
}

TEST_F(PreemptionTest, WhatPreemptionCannotHelpIsSaid) {
  AddNode("a");
  AddNode("b", {{"spec", {{"unschedulable", true}}}});
  Place("low", "a", Sized("1", 1));
  EXPECT_EQ(Preempt(Sized("5", 50)),
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. "
            "preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful "
            "for scheduling.");
}

TEST_F(PreemptionTest, ThePodMayForbidIt) {
  AddNode("a");
  Place("low", "a", Sized("4", 1));
  Json polite = Sized("1", 50);
  polite["spec"]["preemptionPolicy"] = "Never";
  EXPECT_EQ(Preempt(polite),
            "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to "
            "preemptionPolicy=Never.");
}

TEST_F(PreemptionTest, NodesAreComparedByWhatTheirVictimsAreWorth) {
  AddNode("a");
  AddNode("b");
  AddNode("c");
  Place("a1", "a", Sized("4", 10));
  Place("b1", "b", Sized("4", 5));
  Place("c1", "c", Sized("2", 5));
  Place("c2", "c", Sized("2", 4));
  EXPECT_EQ(Preempt(Sized("4", 50)), "b: b1");  // top of 5, and one victim's sum
  EXPECT_EQ(Preempt(Sized("2", 50)), "c: c2");  // top of 4
}

TEST_F(PreemptionTest, OfEqualVictimsThoseThatStartedLastGo) {
  AddNode("a");
  AddNode("b");
  Place("a1", "a", Started(Sized("4", 5), "2026-01-01T00:00:00Z"));
  Place("b1", "b", Started(Sized("4", 5), "2026-01-02T00:00:00Z"));
  EXPECT_EQ(Preempt(Sized("4", 50)), "b: b1");
  cluster.RemoveNode("b");
  Place("a2", "a", Started(Sized("0", 5), "2026-01-03T00:00:00Z"));
  EXPECT_EQ(Preempt(Sized("4", 50)), "a: a1");
}

TEST_F(PreemptionTest, DisruptionBudgetsAreSparedIfThatIsPossible) {
  AddNode("a");
  AddNode("b");
  Json guarded = Sized("4", 1);
  guarded["labels"] = {{"app", "db"}};
  Place("db", "a", guarded);
  Place("web", "b", Sized("4", 9));
  cluster.SetBudget("default/db",
                    ParseBudget({{"metadata", {{"namespace", "default"}}},
                                 {"spec", {{"selector", {{"matchLabels", {{"app", "db"}}}}}}},
                                 {"status", {{"disruptionsAllowed", 0}}}}));
  EXPECT_EQ(Preempt(Sized("4", 50)), "b: web");
  cluster.RemovePod("uid-web");
  Place("system", "b", Sized("4", 60));
  EXPECT_EQ(Preempt(Sized("4", 50)), "a: db");  // a budget is a wish, not a wall
}

TEST_F(PreemptionTest, RequiredAntiAffinityIsSolvedByTheVictims) {
  AddNode("a");
  Json web = Sized("1", 1);
  web["labels"] = {{"app", "web"}};
  Place("web", "a", web);
  Place("other", "a", Sized("1", 1));
  Json hermit = Sized("1", 50);
  hermit["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
      {{{"labelSelector", {{"matchLabels", {{"app", "web"}}}}},
        {"topologyKey", "kubernetes.io/hostname"}}};
  EXPECT_EQ(Preempt(hermit), "a: web");
}

TEST_F(PreemptionTest, RoomThatWasClearedIsKeptForThePodItWasClearedFor) {
  AddNode("a");
  cluster.Nominate(MakePod("vip", Sized("4", 50)), "a");
  EXPECT_EQ(Decide("late", Sized("1", 50)).node, "");
  EXPECT_EQ(Decide("higher", Sized("1", 51)).node, "a");
  EXPECT_EQ(Decide("vip", Sized("4", 50)).node, "a");
  cluster.RemoveNomination("uid-vip");
  EXPECT_EQ(Decide("late", Sized("1", 50)).node, "a");
}

TEST_F(PreemptionTest, VictimsThatAreStillLeavingAreWaitedFor) {
  AddNode("a");
  Json leaving = Sized("4", 1);
  leaving["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  leaving["status"]["conditions"] = {
      {{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "PreemptionByScheduler"}}};
  Place("leaving", "a", leaving);
  cluster.Nominate(MakePod("p", Sized("4", 50)), "a");
  EXPECT_EQ(Preempt(Sized("4", 50)),
            "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to a "
            "terminating pod on the nominated node.");
}

}  // namespace
}  // namespace keelson::scheduler
