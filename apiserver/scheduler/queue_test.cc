#include "apiserver/scheduler/queue.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/scheduler/cluster_fixture.h"

namespace keelson::scheduler {
namespace {

using Kind = ClusterEvent::Kind;

class QueueTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const Pod> MakePod(const std::string& name,
                                            const Json& pod = Json::object()) {
    return ClusterFixture::MakePod(name, pod);
  }
  void Add(const std::string& name, const Json& pod = Json::object()) {
    queue.Set(MakePod(name, pod));
  }
  std::string Pop() {
    const auto pod = queue.Pop();
    return pod == nullptr ? "" : pod->name;
  }
  void Refuse(const std::string& name, PluginSet by) { queue.Refused("uid-" + name, by); }
  void Wait(absl::Duration time) {
    clock.Advance(time);
    queue.Flush();
  }
  void PodGone() {
    const Pod pod;
    queue.OnEvent({Kind::kPodGone, nullptr, &pod});
  }

  FakeClock clock;
  SchedulingQueue queue{&clock};
};

TEST_F(QueueTest, TheMostImportantIsFirstThenTheOldest) {
  Add("a");
  Add("b", {{"priority", 10}});
  Add("c");
  Add("d", {{"priority", 10}});
  std::string order;
  for (int i = 0; i < 5; ++i) order += Pop();
  EXPECT_EQ(order, "bdac");
}

TEST_F(QueueTest, ARefusedPodWaitsForWhatMayHelp) {
  Add("a");
  Pop();
  Refuse("a", SetOf(Plugin::kNodeResourcesFit));
  Wait(absl::Minutes(1));
  EXPECT_EQ(Pop(), "");
  const Pod neighbour;
  queue.OnEvent({Kind::kPodOnNode, nullptr, &neighbour});
  EXPECT_EQ(Pop(), "");
  PodGone();
  EXPECT_EQ(Pop(), "a");
}

// A node is not ready when it comes.
TEST_F(QueueTest, APodThatFoundNoNodeWaitsForOneThatItMayUse) {
  Add("a");
  Pop();
  Refuse("a", {});
  NodeFacts node;
  node.name = "n";
  node.pods_max = 10;
  node.taints = {{"node.kubernetes.io/not-ready", "", TaintEffect::kNoSchedule}};
  queue.OnEvent({Kind::kNodeAdded, &node});
  Wait(absl::Minutes(1));
  EXPECT_EQ(Pop(), "");
  node.taints.clear();
  queue.OnEvent({Kind::kNodeChanged, &node});
  EXPECT_EQ(Pop(), "a");
}

TEST_F(QueueTest, BackoffDoublesFromOneSecondToTen) {
  Add("a");
  for (const int seconds : {1, 2, 4, 8, 10, 10}) {
    ASSERT_EQ(Pop(), "a");
    Refuse("a", SetOf(Plugin::kNodeResourcesFit));
    PodGone();
    EXPECT_EQ(queue.backing_off(), 1u);
    EXPECT_EQ(queue.NextFlush(), clock.Now() + absl::Seconds(seconds));
    Wait(absl::Seconds(seconds) - absl::Milliseconds(1));
    ASSERT_EQ(Pop(), "");
    Wait(absl::Milliseconds(1));
  }
}

TEST_F(QueueTest, NobodyWaitsForMoreThanFiveMinutes) {
  Add("a");
  Pop();
  Refuse("a", SetOf(Plugin::kInterPodAffinity));
  Wait(absl::Minutes(5) - absl::Milliseconds(1));
  EXPECT_EQ(Pop(), "");
  Wait(absl::Milliseconds(1));
  EXPECT_EQ(Pop(), "a");
}

TEST_F(QueueTest, GatedPodsWaitOutside) {
  Add("a", {{"spec", {{"schedulingGates", {{{"name", "g"}}}}}}});
  EXPECT_EQ(Pop(), "");
  EXPECT_EQ(queue.gated(), 1u);
  Add("a");
  EXPECT_EQ(queue.gated(), 0u);
  EXPECT_EQ(Pop(), "a");
}

TEST_F(QueueTest, APodThatIsBeingTriedIsNotGivenOutAgain) {
  Add("a");
  EXPECT_EQ(Pop(), "a");
  Add("a", {{"labels", {{"x", "y"}}}});
  EXPECT_EQ(Pop(), "");
  queue.Failed("uid-a");
  Wait(absl::Seconds(1));
  EXPECT_EQ(queue.Pop()->labels.size(), 1u);
}

TEST_F(QueueTest, AGateThatAppearsOnTheWayCountsAfterwards) {
  const Json gated = {{"spec", {{"schedulingGates", {{{"name", "g"}}}}}}};
  Add("a");
  Add("b");
  EXPECT_EQ(Pop(), "a");
  EXPECT_EQ(Pop(), "b");
  Add("a", gated);
  Add("b", gated);
  Refuse("a", SetOf(Plugin::kNodeName));
  queue.Failed("uid-b");
  EXPECT_EQ(queue.gated(), 2u);
  Wait(absl::Minutes(10));
  EXPECT_EQ(Pop(), "");
}

TEST_F(QueueTest, ARemovedPodIsGoneWhateverBecomesOfIt) {
  Add("a");
  EXPECT_EQ(Pop(), "a");
  queue.Remove("uid-a");
  queue.Refused("uid-a", SetOf(Plugin::kNodeName));
  queue.Failed("uid-a");
  Wait(absl::Minutes(10));
  EXPECT_EQ(Pop(), "");
}

TEST_F(QueueTest, AChangedPodIsTriedAgain) {
  Add("a");
  Pop();
  Refuse("a", SetOf(Plugin::kTaintToleration));
  clock.Advance(absl::Seconds(2));
  Add("a");  // a new condition, say
  EXPECT_EQ(Pop(), "");
  Add("a", {{"spec", {{"tolerations", {{{"operator", "Exists"}}}}}}});
  EXPECT_EQ(Pop(), "a");
}

TEST_F(QueueTest, ANodeHelpsThoseItCouldHold) {
  Add("small", {{"cpu", "1"}});
  Add("large", {{"cpu", "64"}});
  Add("picky", {{"spec", {{"nodeSelector", {{"disk", "ssd"}}}}}});
  for (int i = 0; i < 3; ++i) Refuse(Pop(), SetOf(Plugin::kNodeResourcesFit));
  clock.Advance(absl::Seconds(2));
  const NodeFacts node =
      ParseNode({{"metadata", {{"name", "n"}}},
                 {"status", {{"allocatable", {{"cpu", "4"}, {"memory", "1Gi"}, {"pods", "9"}}}}}});
  queue.OnEvent({Kind::kNodeAdded, &node});
  EXPECT_EQ(Pop(), "small");
  EXPECT_EQ(Pop(), "");
}

TEST_F(QueueTest, AClaimHelpsThoseWhoUseIt) {
  Add("a", {{"spec", {{"volumes", {{{"persistentVolumeClaim", {{"claimName", "data"}}}}}}}}});
  Pop();
  Refuse("a", SetOf(Plugin::kVolumeBinding));
  clock.Advance(absl::Seconds(2));
  queue.OnEvent({Kind::kClaimChanged, nullptr, nullptr, "default", "other"});
  EXPECT_EQ(Pop(), "");
  queue.OnEvent({Kind::kClaimChanged, nullptr, nullptr, "default", "data"});
  EXPECT_EQ(Pop(), "a");
}

}  // namespace
}  // namespace keelson::scheduler
