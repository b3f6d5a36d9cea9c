#include "apiserver/controllers/garbage_collector.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/synchronization/notification.h"
#include "apiserver/controllers/testing/world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;
using testing::UnorderedElementsAre;

class GarbageCollectorTest : public testing::Test {
 protected:
  GarbageCollectorTest() {
    const auto kind = [](const char* name, const char* kind_name, bool namespaced) {
      return Json{{"name", name},
                  {"kind", kind_name},
                  {"namespaced", namespaced},
                  {"verbs", {"create", "delete", "get", "list", "watch", "patch"}}};
    };
    api_.SetPath("/api/v1", {{"resources", Json::array({kind("configmaps", "ConfigMap", true),
                                                        kind("nodes", "Node", false),
                                                        {{"name", "configmaps/status"}}})}});
    api_.SetPath("/apis", {{"groups", Json::array()}});
    world_.emplace(std::vector<World::Maker>{MakeGarbageCollector}, &api_);
  }
  // Gives its uid.
  std::string Make(const std::string& name, const Json& owners = Json::array(),
                   const std::string& name_space = "ns") {
    const auto made = api_.Create(kConfigMaps, name_space,
                                  {{"apiVersion", "v1"},
                                   {"kind", "ConfigMap"},
                                   {"metadata", {{"name", name}, {"ownerReferences", owners}}}});
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? api::UidOf(*made) : "";
  }
  static Json Owner(const std::string& name, const std::string& uid, bool blocks = false) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"name", name},
            {"uid", uid},
            {"blockOwnerDeletion", blocks}};
  }
  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const Json& object : api_.All(kConfigMaps)) names.insert(api::NameOf(object));
    return names;
  }
  void Delete(const std::string& name, const char* propagation) {
    ASSERT_TRUE(api_.Delete(kConfigMaps, "ns", name, {{"propagationPolicy", propagation}}).ok());
  }
  runtime::MemoryApi api_;
  std::optional<World> world_;
};

TEST_F(GarbageCollectorTest, DependentsOfDependentsGoWithTheirOwner) {
  const std::string a = Make("a");
  const std::string b = Make("b", Json::array({Owner("a", a)}));
  Make("c", Json::array({Owner("b", b)}));
  Make("other");
  Delete("a", "Background");
  EXPECT_TRUE(api_.Await([&] { return Names() == std::set<std::string>{"other"}; }));
}

TEST_F(GarbageCollectorTest, ObjectStaysAsLongAsOneOwnerDoesAndForgetsTheOther) {
  const std::string a = Make("a");
  const std::string b = Make("b");
  Make("c", Json::array({Owner("a", a), Owner("b", b)}));
  Delete("a", "Background");
  EXPECT_TRUE(api_.Await([&] {
    const Json c = *api_.Get(kConfigMaps, "ns", "c");
    return c["metadata"]["ownerReferences"].size() == 1;
  }));
  EXPECT_EQ(Names(), (std::set<std::string>{"b", "c"}));
}

TEST_F(GarbageCollectorTest, OwnerThatNeverWasOrIsAnotherOneOrElsewhereIsNoOwner) {
  const std::string a = Make("a");
  const std::string far = Make("far", Json::array(), "elsewhere");
  Make("never", Json::array({Owner("nobody", "no-such-uid")}));
  Make("other", Json::array({Owner("a", "uid of a former a")}));
  Make("away", Json::array({Owner("far", far)}));
  EXPECT_TRUE(api_.Await([&] { return Names() == std::set<std::string>{"a", "far"}; }));
}

TEST_F(GarbageCollectorTest, OrphansLoseTheReferenceAndStay) {
  const std::string a = Make("a");
  Make("b", Json::array({Owner("a", a)}));
  Delete("a", "Orphan");
  EXPECT_TRUE(api_.Await([&] { return Names() == std::set<std::string>{"b"}; }));
  EXPECT_TRUE((*api_.Get(kConfigMaps, "ns", "b"))["metadata"]["ownerReferences"].empty());
}

TEST_F(GarbageCollectorTest, ForegroundDeletionWaitsForTheDependentsThatBlockIt) {
  const std::string a = Make("a");
  Make("b", Json::array({Owner("a", a, true)}));
  world_->Merge(kConfigMaps, "b", {{"metadata", {{"finalizers", Json::array({"mine"})}}}});
  Delete("a", "Foreground");
  EXPECT_TRUE(api_.Await([&] {
    const auto b = api_.Get(kConfigMaps, "ns", "b");
    return b.ok() && api::IsBeingDeleted(*b);
  }));
  EXPECT_EQ(Names(), (std::set<std::string>{"a", "b"}));
  world_->Merge(kConfigMaps, "b", {{"metadata", {{"finalizers", Json::array()}}}});
  EXPECT_TRUE(api_.Await([&] { return Names().empty(); }));
}

TEST_F(GarbageCollectorTest, CyclesDoNotBlock) {
  const std::string a = Make("a");
  const std::string b = Make("b", Json::array({Owner("a", a, true)}));
  const std::string c = Make("c", Json::array({Owner("b", b, true)}));
  world_->Merge(kConfigMaps, "a",
                {{"metadata", {{"ownerReferences", Json::array({Owner("c", c, true)})}}}});
  Delete("a", "Foreground");
  EXPECT_TRUE(api_.Await([&] { return Names().empty(); }));
}

// Another controller that shares the copies of pods, and holds them up before the collector begins.
class Holdup final : public runtime::Controller {
 public:
  explicit Holdup(const runtime::ControllerContext& context) : client_(context.client) {
    context.informers->For(kPods).AddHandler({[this](const runtime::Object& pod) {
                                                if (api::NameOf(*pod) != "held up") return;
                                                begun_.Notify();
                                                go_on.WaitForNotification();
                                              },
                                              nullptr, nullptr});
    the_one = this;
  }
  void Start() override {
    KV_CHECK(client_->Create(kPods, "ns", {{"metadata", {{"name", "held up"}}}}).ok());
    begun_.WaitForNotification();
  }
  void Stop() override {}
  Counts counts() const override { return {}; }

  static inline Holdup* the_one = nullptr;
  absl::Notification go_on;

 private:
  runtime::ApiClient* const client_;
  absl::Notification begun_;
};

TEST_F(GarbageCollectorTest, NothingIsJudgedBeforeAllDependentsAreSeen) {
  world_.reset();
  api_.SetPath("/api/v1", {{"resources", Json::array({{{"name", "configmaps"},
                                                       {"kind", "ConfigMap"},
                                                       {"namespaced", true},
                                                       {"verbs", {"delete", "list", "watch"}}},
                                                      {{"name", "pods"},
                                                       {"kind", "Pod"},
                                                       {"namespaced", true},
                                                       {"verbs", {"delete", "list", "watch"}}}})}});
  const std::string a = Make("a");
  ASSERT_TRUE(api_.Create(kPods, "ns",
                          {{"apiVersion", "v1"},
                           {"kind", "Pod"},
                           {"metadata",
                            {{"name", "b"}, {"ownerReferences", Json::array({Owner("a", a)})}}}})
                  .ok());
  Delete("a", "Orphan");
  absl::Notification judged;
  api_.SetIntercept([&](std::string_view verb, const runtime::Resource& resource, const Json&) {
    if (verb == "patch" && resource == kConfigMaps && !judged.HasBeenNotified()) judged.Notify();
    return absl::OkStatus();
  });
  world_.emplace(
      std::vector<World::Maker>{
          [](const runtime::ControllerContext& context) -> std::unique_ptr<runtime::Controller> {
            return std::make_unique<Holdup>(context);
          },
          MakeGarbageCollector},
      &api_);
  EXPECT_FALSE(judged.WaitForNotificationWithTimeout(absl::Seconds(1)));
  Holdup::the_one->go_on.Notify();
  EXPECT_TRUE(api_.Await([&] { return Names().empty(); }));
  EXPECT_TRUE((*api_.Get(kPods, "ns", "b"))["metadata"]["ownerReferences"].empty());
  world_.reset();  // before what it tells
}

}  // namespace
}  // namespace keelson::controllers
