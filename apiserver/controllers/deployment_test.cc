#include "apiserver/controllers/deployment.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/controllers/replica_set.h"
#include "apiserver/controllers/testing/world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;

class DeploymentTest : public testing::Test {
 protected:
  void Create(int replicas,
              const Json& strategy = {
                  {"type", "RollingUpdate"},
                  {"rollingUpdate", {{"maxSurge", "25%"}, {"maxUnavailable", "25%"}}}}) {
    ASSERT_TRUE(world_.api
                    .Create(kDeployments, "ns",
                            {{"apiVersion", "apps/v1"},
                             {"kind", "Deployment"},
                             {"metadata", {{"name", "d"}}},
                             {"spec",
                              {{"replicas", replicas},
                               {"selector", {{"matchLabels", {{"app", "x"}}}}},
                               {"strategy", strategy},
                               {"revisionHistoryLimit", 2},
                               {"progressDeadlineSeconds", 600},
                               {"template", World::Template("one")}}}})
                    .ok());
  }
  void SetImage(const std::string& image) {
    world_.Merge(kDeployments, "d", {{"spec", {{"template", World::Template(image)}}}});
  }
  // The status says that all is as the present spec wants it.
  bool AwaitComplete(int replicas) {
    return world_.api.Await([&] {
      const Json d = world_.Get(kDeployments, "d");
      return api::NumberAt(d, "status.observedGeneration") ==
                 api::NumberAt(d, "metadata.generation") &&
             api::NumberAt(d, "status.updatedReplicas") == replicas &&
             api::NumberAt(d, "status.replicas") == replicas &&
             api::NumberAt(d, "status.availableReplicas") == replicas &&
             Progress() == "NewReplicaSetAvailable" && Asked() == replicas;
    });
  }
  std::string Progress() {
    const Json d = world_.Get(kDeployments, "d");
    const Json* condition = api::FindCondition(d, "Progressing");
    return condition == nullptr ? "" : api::TextAt(*condition, "reason");
  }
  // Replicas of the sets by the image of their template.
  std::map<std::string, int64_t> Sets() {
    std::map<std::string, int64_t> sets;
    for (const Json& set : world_.api.All(kReplicaSets)) {
      sets[set["spec"]["template"]["spec"]["containers"][0]["image"]] =
          api::NumberAt(set, "spec.replicas");
    }
    return sets;
  }
  int64_t Asked() {
    int64_t asked = 0;
    for (const auto& [image, replicas] : Sets()) asked += replicas;
    return asked;
  }
  std::string Revision(const Json& object) {
    const Json* text = api::Member(api::AnnotationsOf(object), "deployment.kubernetes.io/revision");
    return text == nullptr ? "" : text->get<std::string>();
  }
  World world_{{MakeReplicaSetController, MakeDeploymentController}};
};

TEST_F(DeploymentTest, RollsFromOneTemplateToTheNextAndBack) {
  Create(5);
  ASSERT_TRUE(AwaitComplete(5));
  EXPECT_EQ(Revision(world_.Get(kDeployments, "d")), "1");
  SetImage("two");
  ASSERT_TRUE(AwaitComplete(5));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"one", 0}, {"two", 5}}));
  EXPECT_EQ(Revision(world_.Get(kDeployments, "d")), "2");
  EXPECT_EQ(world_.api.All(kPods).size(), 5u);
  SetImage("one");
  ASSERT_TRUE(AwaitComplete(5));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"one", 5}, {"two", 0}}));
  EXPECT_EQ(Revision(world_.Get(kDeployments, "d")), "3");
}

TEST_F(DeploymentTest, NeverHasTooFewAvailableOrAsksForTooMany) {
  Create(8,
         {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 2}, {"maxUnavailable", 0}}}});
  ASSERT_TRUE(AwaitComplete(8));
  absl::Mutex mu;
  int64_t most = 0;
  int64_t fewest = 100;
  world_.api.SetIntercept(
      [&](std::string_view verb, const runtime::Resource& resource, const Json&) {
        if (resource != kPods || verb != "delete") return absl::OkStatus();
        int64_t ready = 0;
        for (const Json& pod : world_.api.All(kPods)) {
          ready += api::ConditionIsTrue(pod, "Ready") ? 1 : 0;
        }
        const int64_t asked = Asked();
        absl::MutexLock lock(&mu);
        most = std::max(most, asked);
        fewest = std::min(fewest, ready - 1);
        return absl::OkStatus();
      });
  SetImage("two");
  ASSERT_TRUE(AwaitComplete(8));
  absl::MutexLock lock(&mu);
  EXPECT_LE(most, 10);
  EXPECT_GE(most, 8);
  EXPECT_GE(fewest, 8);
  EXPECT_LT(fewest, 100);
}

TEST_F(DeploymentTest, BrokenTemplateLeavesTheOldPodsRunning) {
  Create(4,
         {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 1}, {"maxUnavailable", 1}}}});
  ASSERT_TRUE(AwaitComplete(4));
  SetImage("broken");
  EXPECT_TRUE(world_.api.Await([&] {
    return Sets() == std::map<std::string, int64_t>{{"broken", 2}, {"one", 3}};
  }));
  SetImage("one");
  ASSERT_TRUE(AwaitComplete(4));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"broken", 0}, {"one", 4}}));
}

TEST_F(DeploymentTest, RecreateBeginsWhenAllOldPodsAreGone) {
  Create(3, {{"type", "Recreate"}});
  ASSERT_TRUE(AwaitComplete(3));
  std::atomic<bool> mixed = false;
  world_.api.SetIntercept(
      [&](std::string_view verb, const runtime::Resource& resource, const Json& object) {
        if (resource == kReplicaSets && verb == "create" &&
            api::NumberAt(object, "spec.replicas") > 0) {
          mixed = mixed || Sets()["one"] != 0;
        }
        return absl::OkStatus();
      });
  SetImage("two");
  ASSERT_TRUE(AwaitComplete(3));
  EXPECT_FALSE(mixed);
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"one", 0}, {"two", 3}}));
}

TEST_F(DeploymentTest, PausedOneScalesButMakesNoNewSet) {
  Create(2);
  ASSERT_TRUE(AwaitComplete(2));
  world_.Merge(kDeployments, "d", {{"spec", {{"paused", true}}}});
  SetImage("two");
  world_.Merge(kDeployments, "d", {{"spec", {{"replicas", 4}}}});
  EXPECT_TRUE(world_.api.Await([&] { return world_.api.All(kPods).size() == 4; }));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"one", 4}}));
  EXPECT_TRUE(world_.api.Await([&] { return Progress() == "DeploymentPaused"; }));
  world_.Merge(kDeployments, "d", {{"spec", {{"paused", nullptr}}}});
  ASSERT_TRUE(AwaitComplete(4));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"one", 0}, {"two", 4}}));
}

TEST_F(DeploymentTest, OldSetsBeyondTheHistoryAreDeleted) {
  Create(1);
  ASSERT_TRUE(AwaitComplete(1));
  for (const char* image : {"two", "three", "four", "five"}) {
    SetImage(image);
    ASSERT_TRUE(AwaitComplete(1)) << image;
  }
  EXPECT_TRUE(world_.api.Await([&] { return Sets().size() == 3; }));
  EXPECT_EQ(Sets(), (std::map<std::string, int64_t>{{"three", 0}, {"four", 0}, {"five", 1}}));
}

TEST_F(DeploymentTest, ScalingToManyAndToNoneIsFollowed) {
  Create(1);
  ASSERT_TRUE(AwaitComplete(1));
  world_.Merge(kDeployments, "d", {{"spec", {{"replicas", 700}}}});
  ASSERT_TRUE(AwaitComplete(700));
  world_.Merge(kDeployments, "d", {{"spec", {{"replicas", 0}}}});
  ASSERT_TRUE(world_.api.Await([&] { return world_.api.All(kPods).empty(); }));
}

class ReplicaSetTest : public testing::Test {
 protected:
  void Create(int replicas, const std::string& image = "one") {
    ASSERT_TRUE(world_.api
                    .Create(kReplicaSets, "ns",
                            {{"apiVersion", "apps/v1"},
                             {"kind", "ReplicaSet"},
                             {"metadata", {{"name", "r"}}},
                             {"spec",
                              {{"replicas", replicas},
                               {"selector", {{"matchLabels", {{"app", "x"}}}}},
                               {"template", World::Template(image)}}}})
                    .ok());
  }
  int64_t Ready() { return api::NumberAt(world_.Get(kReplicaSets, "r"), "status.readyReplicas"); }
  World world_{{MakeReplicaSetController}};
};

TEST_F(ReplicaSetTest, TakesMatchingPodsThatHaveNoOwner) {
  Create(2);
  ASSERT_TRUE(world_.api.Await([&] { return Ready() == 2; }));
  std::atomic<bool> taken = false;
  world_.api.SetIntercept([&](std::string_view verb, const runtime::Resource& resource,
                              const Json& patch) {
    if (verb == "patch" && resource == kPods) {
      for (const Json& owner : api::ArrayAt(patch, "metadata.ownerReferences")) {
        taken = taken || (api::TextAt(owner, "name") == "r" && api::FlagAt(owner, "controller"));
      }
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(
      world_.api.Create(kPods, "ns", {{"metadata", {{"name", "mine"}, {"labels", {{"app", "x"}}}}}})
          .ok());
  // It counts, so one of the three goes.
  EXPECT_TRUE(world_.api.Await([&] { return taken && world_.api.All(kPods).size() == 2; }));
}

TEST_F(ReplicaSetTest, PodsThatEndAreReplacedAndTooManyAreDeleted) {
  Create(3);
  ASSERT_TRUE(world_.api.Await([&] { return Ready() == 3; }));
  const std::string first = api::NameOf(world_.api.All(kPods)[0]);
  world_.Merge(kPods, first, {{"status", {{"phase", "Failed"}}}});
  ASSERT_TRUE(world_.api.Await([&] { return world_.api.All(kPods).size() == 4; }));
  ASSERT_TRUE(world_.api.Await([&] { return Ready() == 3; }));
  world_.Merge(kReplicaSets, "r", {{"spec", {{"replicas", 1}}}});
  ASSERT_TRUE(world_.api.Await([&] { return Ready() == 1; }));
  EXPECT_EQ(world_.api.All(kPods).size(), 2u);  // one of them has failed
}

TEST_F(ReplicaSetTest, InANamespaceThatEndsNothingIsTriedAgain) {
  Create(2);
  ASSERT_TRUE(world_.api.Await([&] { return Ready() == 2; }));
  std::atomic<int> tries = 0;
  world_.api.SetIntercept(
      [&](std::string_view verb, const runtime::Resource& resource, const Json&) -> absl::Status {
        if (verb != "create" || resource != kPods) return absl::OkStatus();
        ++tries;
        return api::WithCause(api::Forbidden({"", "pods"}, "x", "it is being terminated"),
                              {"NamespaceTerminating", "going", "metadata.namespace"});
      });
  for (const int64_t left : {1, 0}) {
    const Json pod = world_.api.All(kPods)[0];
    ASSERT_TRUE(world_.api.Delete(kPods, "ns", api::NameOf(pod), Json()).ok());
    ASSERT_TRUE(world_.api.Await([&] {
      return api::NumberAt(world_.Get(kReplicaSets, "r"), "status.replicas", -1) == left;
    }));
  }
  EXPECT_EQ(tries, 1);
}

TEST_F(ReplicaSetTest, RefusedPodsAreToldInAConditionUntilTheyAreNot) {
  std::atomic<bool> full = true;
  world_.api.SetIntercept(
      [&](std::string_view verb, const runtime::Resource& resource, const Json&) -> absl::Status {
        if (!full || verb != "create" || resource != kPods) return absl::OkStatus();
        return api::Forbidden({"", "pods"}, "x", "exceeded quota");
      });
  Create(4);
  ASSERT_TRUE(world_.api.Await(
      [&] { return api::ConditionIsTrue(world_.Get(kReplicaSets, "r"), "ReplicaFailure"); }));
  full = false;
  ASSERT_TRUE(world_.api.Await([&] {
    return Ready() == 4 &&
           api::FindCondition(world_.Get(kReplicaSets, "r"), "ReplicaFailure") == nullptr;
  }));
}

}  // namespace
}  // namespace keelson::controllers
