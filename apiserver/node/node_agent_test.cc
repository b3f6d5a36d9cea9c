#include "apiserver/node/node_agent.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/synchronization/notification.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/node/node_host.h"
#include "apiserver/node/simulated_runtime.h"
#include "apiserver/runtime/testing/memory_api.h"

namespace keelson::node {
namespace {

using api::Json;
using runtime::Resource;

const Resource kPods{"", "v1", "pods"};
const Resource kNodes{"", "v1", "nodes"};
const Resource kLeases{"coordination.k8s.io", "v1", "leases"};

// Calls are made at once, and answered from the loop, later if that is wanted.
class DirectApi final : public AsyncApi {
 public:
  explicit DirectApi(EventLoop* loop) : loop_(loop) {}
  void Make(Urgency, Call call, Done done) override {
    ++calls;
    auto answer = std::make_shared<absl::StatusOr<Json>>(call(&memory));
    loop_->After(answers_after, [answer, done = std::move(done)] { done(*answer); });
  }

  runtime::MemoryApi memory;
  absl::Duration answers_after = absl::ZeroDuration();
  int calls = 0;

 private:
  EventLoop* const loop_;
};

class NodeAgentTest : public ::testing::Test {
 protected:
  void SetUp() override { agent.Start(absl::ZeroDuration()); }
  void Wait(absl::Duration time) { loop.RunFor(time); }
  void CreatePod(const std::string& name, Json annotations = Json::object()) {
    ASSERT_TRUE(api.memory
                    .Create(kPods, "default",
                            {{"metadata",
                              {{"name", name},
                               {"namespace", "default"},
                               {"annotations", std::move(annotations)}}},
                             {"spec",
                              {{"nodeName", "n"},
                               {"restartPolicy", "Always"},
                               {"containers", {{{"name", "c"}, {"image", "i"}}}}}}})
                    .ok());
    Show(name);
  }
  // What an informer would tell.
  void Show(const std::string& name) {
    agent.OnPod(std::make_shared<const Json>(*api.memory.Get(kPods, "default", name)));
  }
  Json Pod(const std::string& name) {
    return api.memory.Get(kPods, "default", name).value_or(Json::object());
  }
  Json Node() { return api.memory.Get(kNodes, "", "n").value_or(Json::object()); }
  Json Lease() { return api.memory.Get(kLeases, "kube-node-lease", "n").value_or(Json::object()); }

  ManualLoop loop;
  DirectApi api{&loop};
  NodeAgent agent{{.name = "n", .pod_cidr = "10.1.2.0/24"},
                  &loop,
                  &api,
                  nullptr,
                  std::make_unique<SimulatedRuntime>(&loop, 1)};
};

TEST_F(NodeAgentTest, RegistersAReadyNode) {
  Wait(absl::Seconds(1));
  EXPECT_TRUE(agent.registered());
  const Json node = Node();
  EXPECT_TRUE(api::ConditionIsTrue(node, "Ready"));
  EXPECT_EQ(api::TextAt(node, "status.allocatable.cpu"), "32");
  EXPECT_EQ(api::LabelsOf(node)["kubernetes.io/hostname"], "n");
  EXPECT_EQ(api::TextAt(node, "spec.podCIDR"), "10.1.2.0/24");
}

TEST_F(NodeAgentTest, ANodeThatIsKnownIsTakenOver) {
  ASSERT_TRUE(api.memory
                  .Create(kNodes, "",
                          {{"metadata", {{"name", "n"}, {"labels", {{"mine", "yes"}}}}},
                           {"spec", {{"podCIDR", "10.7.7.0/24"}, {"unschedulable", true}}}})
                  .ok());
  Wait(absl::Seconds(1));
  CreatePod("p");
  Wait(absl::Seconds(5));
  EXPECT_EQ(api::LabelsOf(Node())["mine"], "yes");
  EXPECT_TRUE(Node()["spec"]["unschedulable"]);
  EXPECT_TRUE(api::ConditionIsTrue(Node(), "Ready"));
  EXPECT_EQ(api::TextAt(Pod("p"), "status.podIP"), "10.7.7.1");
}

TEST_F(NodeAgentTest, TriesUntilItIsRegistered) {
  api.memory.SetIntercept(
      [](std::string_view, const Resource&, const Json&) { return api::Unavailable("not yet"); });
  Wait(absl::Minutes(1));
  EXPECT_FALSE(agent.registered());
  api.memory.SetIntercept(nullptr);
  Wait(absl::Seconds(11));
  EXPECT_TRUE(agent.registered());
}

TEST_F(NodeAgentTest, RenewsItsLease) {
  Wait(absl::Seconds(5));
  const std::string first = api::TextAt(Lease(), "spec.renewTime");
  EXPECT_EQ(api::TextAt(Lease(), "spec.holderIdentity"), "n");
  EXPECT_EQ(api::NumberAt(Lease(), "spec.leaseDurationSeconds"), 40);
  EXPECT_EQ(api::UidOf(Lease()["metadata"]["ownerReferences"][0]), "");
  EXPECT_EQ(Lease()["metadata"]["ownerReferences"][0]["uid"], api::UidOf(Node()));
  Wait(absl::Seconds(10));
  EXPECT_GT(api::TextAt(Lease(), "spec.renewTime"), first);
}

TEST_F(NodeAgentTest, ALeaseThatSomebodyTouchedIsRenewedAllTheSame) {
  Wait(absl::Seconds(5));
  ASSERT_TRUE(api.memory
                  .Patch(kLeases, "kube-node-lease", "n", runtime::PatchType::kMerge,
                         {{"metadata", {{"labels", {{"a", "b"}}}}}})
                  .ok());
  const std::string before = api::TextAt(Lease(), "spec.renewTime");
  Wait(absl::Seconds(14));
  EXPECT_GT(api::TextAt(Lease(), "spec.renewTime"), before);
}

TEST_F(NodeAgentTest, AQuietNodeWritesItsStatusEveryFiveMinutes) {
  Wait(absl::Seconds(30));
  const std::string version = api::TextAt(Node(), "metadata.resourceVersion");
  Wait(absl::Minutes(4));
  EXPECT_EQ(api::TextAt(Node(), "metadata.resourceVersion"), version);
  Wait(absl::Minutes(1));
  EXPECT_NE(api::TextAt(Node(), "metadata.resourceVersion"), version);
}

TEST_F(NodeAgentTest, PodsThatCameBeforeTheNodeAreRun) {
  CreatePod("p");
  Wait(absl::Seconds(5));
  EXPECT_EQ(api::TextAt(Pod("p"), "status.phase"), "Running");
  EXPECT_TRUE(api::ConditionIsTrue(Pod("p"), "Ready"));
  // The images it has are a part of its status.
  Wait(absl::Seconds(10));
  EXPECT_EQ(Node()["status"]["images"].size(), 1u);
}

TEST_F(NodeAgentTest, AQuietPodIsNotWritten) {
  Wait(absl::Seconds(1));
  CreatePod("p");
  Wait(absl::Seconds(5));
  const std::string version = api::TextAt(Pod("p"), "metadata.resourceVersion");
  Show("p");
  Wait(absl::Minutes(10));
  EXPECT_EQ(api::TextAt(Pod("p"), "metadata.resourceVersion"), version);
}

TEST_F(NodeAgentTest, APodThatStartsQuicklyIsWrittenOnce) {
  Wait(absl::Seconds(1));
  CreatePod("slow", {{"keelson.io/sim.pull-time", "2s"}});
  Wait(absl::Seconds(1));
  EXPECT_EQ(api::TextAt(Pod("slow"), "status.phase"), "Pending");
  Wait(absl::Seconds(5));
  int writes = 0;
  api.memory.SetIntercept([&](std::string_view verb, const Resource& resource, const Json&) {
    if (verb == "patch" && resource == kPods) ++writes;
    return absl::OkStatus();
  });
  CreatePod("quick");  // its image is there now
  Wait(absl::Seconds(5));
  EXPECT_EQ(api::TextAt(Pod("quick"), "status.phase"), "Running");
  EXPECT_EQ(writes, 1);
}

TEST_F(NodeAgentTest, WhatIsNotYetShownAsWrittenIsNotWrittenAgain) {
  Wait(absl::Seconds(1));
  int writes = 0;
  api.memory.SetIntercept([&](std::string_view verb, const Resource& resource, const Json&) {
    if (verb == "patch" && resource == kPods) ++writes;
    return absl::OkStatus();
  });
  CreatePod("p", {{"keelson.io/sim.pull-time", "10ms"}});
  api.answers_after = absl::Seconds(3);
  Wait(absl::Seconds(20));
  EXPECT_EQ(api::TextAt(Pod("p"), "status.phase"), "Running");
  EXPECT_EQ(writes, 1);
  Show("p");
  Wait(absl::Seconds(20));
  EXPECT_EQ(writes, 1);
}

TEST_F(NodeAgentTest, WritesThatFailAreTriedAgain) {
  Wait(absl::Seconds(1));
  api.memory.SetIntercept([](std::string_view verb, const Resource& resource, const Json&) {
    return verb == "patch" && resource == kPods ? api::Unavailable("busy") : absl::OkStatus();
  });
  CreatePod("p");
  Wait(absl::Seconds(30));
  EXPECT_EQ(api::TextAt(Pod("p"), "status.phase"), "");
  api.memory.SetIntercept(nullptr);
  Wait(absl::Seconds(11));
  EXPECT_EQ(api::TextAt(Pod("p"), "status.phase"), "Running");
}

TEST_F(NodeAgentTest, ADeletedPodIsDeletedForGoodAfterItsLastStatus) {
  Wait(absl::Seconds(1));
  CreatePod("p");
  Wait(absl::Seconds(5));
  std::string last_phase;
  int writes = 0;
  api.memory.SetIntercept([&](std::string_view verb, const Resource& resource, const Json& object) {
    if (verb == "patch" && resource == kPods) {
      last_phase = api::TextAt(object, "status.phase");
      ++writes;
    }
    return absl::OkStatus();
  });
  Json last = Pod("p");
  last["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  last["metadata"]["deletionGracePeriodSeconds"] = 30;
  agent.OnPod(std::make_shared<const Json>(last));
  Wait(absl::Seconds(5));
  EXPECT_EQ(Pod("p"), Json::object());
  EXPECT_EQ(last_phase, "Succeeded");
  EXPECT_EQ(writes, 1) << "what it was on the way is of no interest when it ends quickly";
  agent.OnPodGone(last);
  Wait(absl::Seconds(5));
  EXPECT_EQ(agent.pod_count(), 0u);
}

TEST_F(NodeAgentTest, APodThatVanishedIsForgotten) {
  Wait(absl::Seconds(1));
  CreatePod("p");
  Wait(absl::Seconds(5));
  agent.OnPodGone(Pod("p"));
  Wait(absl::Seconds(5));
  EXPECT_EQ(agent.pod_count(), 0u);
}

TEST_F(NodeAgentTest, ResourceUsageIsTold) {
  Wait(absl::Seconds(1));
  CreatePod("p", {{"keelson.io/sim.memory", "64Mi"}});
  Wait(absl::Seconds(5));
  std::string text;
  agent.AppendResourceMetrics(&text);
  EXPECT_NE(text.find("container_memory_working_set_bytes{container=\"c\",namespace=\"default\","
                      "pod=\"p\",node=\"n\"} 67108864 "),
            std::string::npos)
      << text;
}

TEST_F(NodeAgentTest, APodThatOthersSaidWasNotReadyIsReadyAgain) {
  Wait(absl::Seconds(1));
  CreatePod("p");
  Wait(absl::Seconds(10));
  ASSERT_TRUE(api::ConditionIsTrue(Pod("p"), "Ready"));
  Show("p");
  // As the controller of node health does while the node is silent.
  ASSERT_TRUE(api.memory
                  .Patch(kPods, "default", "p", runtime::PatchType::kStrategicMerge,
                         {{"status", {{"conditions", {{{"type", "Ready"}, {"status", "False"}}}}}}},
                         "status")
                  .ok());
  ASSERT_FALSE(api::ConditionIsTrue(Pod("p"), "Ready"));
  Show("p");
  Wait(absl::Seconds(10));
  EXPECT_TRUE(api::ConditionIsTrue(Pod("p"), "Ready"));
}

TEST(TrimForSimulationTest, WhatIsKeptTellsVersionsApart) {
  Json pod = {{"metadata", {{"name", "p"}, {"uid", "u"}, {"resourceVersion", "7"}}},
              {"spec", {{"nodeName", "n"}, {"dnsPolicy", "Default"}}}};
  TrimForSimulation(pod);
  EXPECT_EQ(api::ResourceVersionOf(pod), 7u);
  EXPECT_EQ(api::Find(pod, "spec.dnsPolicy"), nullptr);
}

TEST(PooledApiTest, ATurnComesWhenACallWouldNotWait) {
  ThreadLoop loop;
  runtime::MemoryApi memory;
  PooledApi api(&memory, &loop, 2);
  absl::Notification go_on;
  absl::Notification all_done;
  std::vector<std::string> order;  // the loop's
  loop.Post([&] {
    for (int i = 0; i < 2; ++i) {
      api.Make(
          AsyncApi::Urgency::kLater,
          [&](runtime::ApiClient*) -> absl::StatusOr<Json> {
            go_on.WaitForNotification();
            return Json();
          },
          [&](const absl::StatusOr<Json>&) { order.emplace_back("answer"); });
    }
    api.WhenFree([&] { order.emplace_back("first turn"); });
    api.WhenFree([&] {
      order.emplace_back("second turn");
      all_done.Notify();
    });
    order.emplace_back("asked");
    go_on.Notify();
  });
  all_done.WaitForNotification();
  api.Stop();
  loop.Stop();
  ASSERT_GE(order.size(), 4u);
  EXPECT_EQ(std::vector<std::string>(order.begin(), order.begin() + 4),
            (std::vector<std::string>{"asked", "answer", "first turn", "second turn"}));
}

}  // namespace
}  // namespace keelson::node
