#include "apiserver/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/testing/memory_api.h"
#include "base/clock.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using runtime::ListOptions;
using runtime::Resource;

const Resource kPods{"", "v1", "pods"};
const Resource kNodes{"", "v1", "nodes"};
const Resource kClaims{"", "v1", "persistentvolumeclaims"};
const Resource kVolumes{"", "v1", "persistentvolumes"};

// A MemoryApi that knows bindings.
class BindingApi final : public runtime::ApiClient {
 public:
  absl::StatusOr<Json> Get(const Resource& resource, std::string_view name_space,
                           std::string_view name, std::string_view subresource) override {
    return memory.Get(resource, name_space, name, subresource);
  }
  absl::StatusOr<Json> List(const Resource& resource, std::string_view name_space,
                            const ListOptions& options) override {
    return memory.List(resource, name_space, options);
  }
  absl::StatusOr<Json> Create(const Resource& resource, std::string_view name_space,
                              const Json& object, std::string_view name,
                              std::string_view subresource) override {
    if (subresource != "binding") return memory.Create(resource, name_space, object);
    ++bindings;
    if (bindings <= bindings_to_fail) return api::Internal("no luck today");
    return memory.Patch(resource, name_space, name, runtime::PatchType::kMerge,
                        {{"spec", {{"nodeName", object["target"]["name"]}}}});
  }
  absl::StatusOr<Json> Update(const Resource& resource, const Json& object,
                              std::string_view subresource) override {
    return memory.Update(resource, object, subresource);
  }
  absl::StatusOr<Json> Patch(const Resource& resource, std::string_view name_space,
                             std::string_view name, runtime::PatchType type, const Json& patch,
                             std::string_view subresource) override {
    return memory.Patch(resource, name_space, name, type, patch, subresource);
  }
  absl::Status Delete(const Resource& resource, std::string_view name_space, std::string_view name,
                      const Json& options) override {
    return memory.Delete(resource, name_space, name, options);
  }
  absl::Status Watch(const Resource& resource, std::string_view name_space,
                     const ListOptions& options,
                     const std::function<bool(runtime::WatchEvent)>& on_event,
                     const std::function<bool()>& stop) override {
    return memory.Watch(resource, name_space, options, on_event, stop);
  }
  void WakeWatches() override { memory.WakeWatches(); }

  runtime::MemoryApi memory;
  std::atomic<int> bindings = 0;
  int bindings_to_fail = 0;
};

class SchedulerTest : public ::testing::Test {
 protected:
  void AddNode(const std::string& name, const std::string& cpu = "4") {
    Create(kNodes,
           {{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/hostname", name}}}}},
            {"status", {{"allocatable", {{"cpu", cpu}, {"memory", "8Gi"}, {"pods", "110"}}}}}});
  }
  void AddPod(const std::string& name, Json spec = Json::object(), const std::string& cpu = "1") {
    if (!spec.contains("schedulerName")) spec["schedulerName"] = "default-scheduler";
    spec["containers"] = {
        {{"name", "c"}, {"image", "app"}, {"resources", {{"requests", {{"cpu", cpu}}}}}}};
    Create(kPods, {{"metadata", {{"name", name}, {"namespace", "default"}}}, {"spec", spec}});
  }
  void Create(const Resource& resource, const Json& object) {
    const auto created = api.Create(resource, api::NamespaceOf(object), object, "", "");
    ASSERT_TRUE(created.ok()) << created.status();
  }
  Json Pod(const std::string& name) {
    return api.memory.Get(kPods, "default", name).value_or(Json::object());
  }
  std::string NodeOf(const std::string& name) { return api::TextAt(Pod(name), "spec.nodeName"); }
  bool Bound(const std::string& name) {
    return api.memory.Await([&] { return !NodeOf(name).empty(); });
  }
  // An Event's message, once there is one for that reason.
  std::string EventText(const std::string& reason) {
    std::string text;
    api.memory.Await([&] {
      for (const Json& event : api.memory.All({"", "v1", "events"})) {
        if (api::TextAt(event, "reason") == reason) text = api::TextAt(event, "message");
      }
      return !text.empty();
    });
    return text;
  }

  BindingApi api;
  RealClock clock;
  runtime::EventRecorder events{&api, &clock, "default-scheduler"};
  Scheduler scheduler{&api, &events, &clock, {.request_threads = 4, .seed = 1}};
};

TEST_F(SchedulerTest, PodsGetNodesAndEventsSaySo) {
  AddNode("a");
  AddPod("before");
  scheduler.Start();
  AddPod("after");
  EXPECT_TRUE(Bound("before"));
  EXPECT_TRUE(Bound("after"));
  EXPECT_TRUE(EventText("Scheduled").starts_with("Successfully assigned default/"));
}

TEST_F(SchedulerTest, PodsOfOtherSchedulersAreLeftAlone) {
  AddNode("a");
  AddPod("theirs", {{"schedulerName", "other"}});
  scheduler.Start();
  AddPod("ours");
  EXPECT_TRUE(Bound("ours"));
  EXPECT_EQ(NodeOf("theirs"), "");
}

TEST_F(SchedulerTest, ARefusalIsToldAndANodeThatHelpsIsUsed) {
  AddNode("a", "1");
  AddPod("big", Json::object(), "2");
  scheduler.Start();
  ASSERT_TRUE(api.memory.Await([&] { return api::FindCondition(Pod("big"), "PodScheduled"); }));
  const Json pod = Pod("big");
  const Json& condition = *api::FindCondition(pod, "PodScheduled");
  EXPECT_EQ(condition["status"], "False");
  EXPECT_EQ(condition["reason"], "Unschedulable");
  const std::string message =
      "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
      "preemption victims found for incoming pod.";
  EXPECT_EQ(condition["message"], message);
  EXPECT_EQ(EventText("FailedScheduling"), message);
  AddNode("b", "2");
  EXPECT_TRUE(Bound("big"));
  EXPECT_EQ(NodeOf("big"), "b");
}

TEST_F(SchedulerTest, AFailedBindingIsTriedAgain) {
  api.bindings_to_fail = 1;
  AddNode("a", "1");
  AddPod("p");
  scheduler.Start();
  EXPECT_TRUE(Bound("p"));
  EXPECT_EQ(api.bindings, 2);
  EXPECT_EQ(EventText("FailedScheduling"), "running Bind plugin \"DefaultBinder\": Internal error occurred: no luck today");
}

TEST_F(SchedulerTest, TheImportantTakeTheRoomOfOthers) {
  AddNode("a", "1");
  AddPod("low", {{"priority", 1}});
  scheduler.Start();
  ASSERT_TRUE(Bound("low"));
  AddPod("high", {{"priority", 2}});
  EXPECT_TRUE(Bound("high"));
  EXPECT_EQ(Pod("low"), Json::object());
  EXPECT_EQ(api::TextAt(Pod("high"), "status.nominatedNodeName"), "a");
  EXPECT_EQ(EventText("Preempted"), "Preempted by pod " + api::UidOf(Pod("high")) + " on node a");
}

TEST_F(SchedulerTest, AVolumeIsBoundBeforeItsPod) {
  AddNode("a");
  Create({"storage.k8s.io", "v1", "storageclasses"},
         {{"metadata", {{"name", "local"}}},
          {"provisioner", "kubernetes.io/no-provisioner"},
          {"volumeBindingMode", "WaitForFirstConsumer"}});
  Create(kVolumes, {{"metadata", {{"name", "v"}}},
                    {"spec",
                     {{"storageClassName", "local"},
                      {"accessModes", {"ReadWriteOnce"}},
                      {"capacity", {{"storage", "1Gi"}}}}},
                    {"status", {{"phase", "Available"}}}});
  Create(kClaims, {{"metadata", {{"name", "data"}, {"namespace", "default"}}},
                   {"spec",
                    {{"storageClassName", "local"},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}});
  AddPod("p", {{"volumes", {{{"persistentVolumeClaim", {{"claimName", "data"}}}}}}});
  scheduler.Start();
  ASSERT_TRUE(api.memory.Await([&] {
    const auto volume = api.memory.Get(kVolumes, "", "v");
    return api::TextAt(*volume, "spec.claimRef.name") == "data";
  }));
  EXPECT_EQ(api.bindings, 0);
  // The volume controller's part.
  ASSERT_TRUE(
      api.memory
          .Patch(kClaims, "default", "data", runtime::PatchType::kMerge,
                 {{"metadata", {{"annotations", {{"pv.kubernetes.io/bind-completed", "yes"}}}}},
                  {"spec", {{"volumeName", "v"}}}})
          .ok());
  EXPECT_TRUE(Bound("p"));
}

TEST_F(SchedulerTest, StoppingWhileEverythingHangsReturns) {
  AddNode("a");
  for (int i = 0; i < 50; ++i) AddPod("p" + std::to_string(i), Json::object(), "10m");
  scheduler.Start();
  scheduler.Stop();
  EXPECT_FALSE(scheduler.Metrics().empty());
}

}  // namespace
}  // namespace keelson::scheduler
