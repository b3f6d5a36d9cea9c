#include "apiserver/controllers/endpoints.h"

#include <nlohmann/json.hpp>
#include <set>

#include "apiserver/controllers/endpoint_build.h"
#include "apiserver/controllers/testing/world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

struct PodTraits {
  std::string ip;
  bool ready = true;
  bool ending = false;
  std::string phase = "Running";
  int named_port = 8080;
};

Object Pod(const std::string& name, const PodTraits& traits) {
  Json pod = {
      {"metadata", {{"name", name}, {"namespace", "ns"}, {"uid", "uid-" + name}}},
      {"spec",
       {{"nodeName", "n1"},
        {"hostname", name},
        {"subdomain", "s"},
        {"containers", Json::array({{{"name", "c"},
                                     {"ports", Json::array({{{"name", "web"},
                                                             {"containerPort", traits.named_port},
                                                             {"protocol", "TCP"}}})}}})}}},
      {"status",
       {{"phase", traits.phase},
        {"podIP", traits.ip},
        {"podIPs", Json::array({{{"ip", traits.ip}}})},
        {"conditions",
         Json::array({{{"type", "Ready"}, {"status", traits.ready ? "True" : "False"}}})}}}};
  if (traits.ending) pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  return std::make_shared<const Json>(std::move(pod));
}

Json Service(const Json& target_port) {
  return {{"metadata", {{"name", "s"}, {"namespace", "ns"}}},
          {"spec",
           {{"selector", {{"app", "x"}}},
            {"ports", Json::array({{{"name", "http"},
                                    {"port", 80},
                                    {"targetPort", target_port},
                                    {"protocol", "TCP"}}})}}}};
}

TEST(BuildSubsetsTest, ReadyAndUnreadyPodsStandApartAndOthersNotAtAll) {
  bool truncated = false;
  const Json subsets = BuildSubsets(
      Service(8080),
      {Pod("b", {.ip = "10.0.0.2"}), Pod("a", {.ip = "10.0.0.1"}),
       Pod("c", {.ip = "10.0.0.3", .ready = false}), Pod("d", {.ip = "10.0.0.4", .ending = true}),
       Pod("e", {.ip = ""}), Pod("f", {.ip = "10.0.0.6", .phase = "Failed"})},
      &truncated);
  ASSERT_EQ(subsets.size(), 1u);
  EXPECT_EQ(subsets[0]["ports"],
            Json::array({{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}}));
  ASSERT_EQ(subsets[0]["addresses"].size(), 2u);
  EXPECT_EQ(subsets[0]["addresses"][0]["ip"], "10.0.0.1");
  EXPECT_EQ(subsets[0]["addresses"][0]["hostname"], "a");
  EXPECT_EQ(subsets[0]["addresses"][0]["nodeName"], "n1");
  EXPECT_EQ(subsets[0]["addresses"][0]["targetRef"]["uid"], "uid-a");
  ASSERT_EQ(subsets[0]["notReadyAddresses"].size(), 1u);
  EXPECT_EQ(subsets[0]["notReadyAddresses"][0]["ip"], "10.0.0.3");
  EXPECT_FALSE(truncated);
}

TEST(BuildSubsetsTest, NamedPortIsEachPodsOwn) {
  bool truncated = false;
  const Json subsets = BuildSubsets(Service("web"),
                                    {Pod("a", {.ip = "10.0.0.1", .named_port = 1}),
                                     Pod("b", {.ip = "10.0.0.2", .named_port = 2})},
                                    &truncated);
  ASSERT_EQ(subsets.size(), 2u);
  EXPECT_EQ(subsets[0]["ports"][0]["port"], 1);
  EXPECT_EQ(subsets[1]["ports"][0]["port"], 2);
  EXPECT_TRUE(BuildSubsets(Service("other"), {Pod("a", {.ip = "10.0.0.1"})}, &truncated).empty());
}

TEST(BuildSubsetsTest, NoMoreThanAThousandAddressesReadyOnesFirst) {
  std::vector<Object> pods;
  for (int i = 0; i < 1500; ++i) {
    pods.push_back(Pod("p" + std::to_string(i),
                       {.ip = "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250),
                        .ready = i >= 600}));
  }
  bool truncated = false;
  const Json subsets = BuildSubsets(Service(80), pods, &truncated);
  EXPECT_TRUE(truncated);
  EXPECT_EQ(subsets[0]["addresses"].size(), 900u);
  EXPECT_EQ(subsets[0]["notReadyAddresses"].size(), 100u);
}

TEST(BuildEndpointsTest, EndingPodsServeButAreNotReady) {
  const std::vector<PortGroup> groups = BuildEndpoints(
      Service(80), {Pod("a", {.ip = "10.0.0.1", .ending = true}), Pod("b", {.ip = "fd00::1"})},
      "IPv4", {{"n1", "zone-a"}});
  ASSERT_EQ(groups.size(), 1u);
  ASSERT_EQ(groups[0].endpoints.size(), 1u);
  EXPECT_EQ(groups[0].endpoints[0]["conditions"],
            Json({{"ready", false}, {"serving", true}, {"terminating", true}}));
  EXPECT_EQ(groups[0].endpoints[0]["zone"], "zone-a");
}

class SlicesTest : public testing::Test {
 protected:
  static Json Endpoint(int i) {
    return {{"addresses", Json::array({"10.0.0." + std::to_string(i)})}};
  }
  static std::vector<PortGroup> Wanted(int first, int last) {
    PortGroup group{.ports = Json::array({{{"port", 80}}}), .endpoints = {}};
    for (int i = first; i <= last; ++i) group.endpoints.push_back(Endpoint(i));
    return {group};
  }
  // Writes the plan down; gives how many slices it touched.
  size_t Apply(std::vector<PortGroup> wanted) {
    SlicePlan plan = PlanSlices(slices_, std::move(wanted), 10);
    for (const Object& gone : plan.remove) std::erase(slices_, gone);
    for (auto& [slice, content] : plan.update) {
      *std::find(slices_.begin(), slices_.end(), slice) = Slice(content);
    }
    for (const auto& content : plan.create) slices_.push_back(Slice(content));
    return plan.remove.size() + plan.update.size() + plan.create.size();
  }
  static Object Slice(const SlicePlan::Content& content) {
    return std::make_shared<const Json>(
        Json{{"ports", content.ports}, {"endpoints", content.endpoints}});
  }
  std::multiset<std::string> Addresses() const {
    std::multiset<std::string> addresses;
    for (const Object& slice : slices_) {
      EXPECT_LE((*slice)["endpoints"].size(), 10u);
      for (const Json& endpoint : (*slice)["endpoints"]) {
        addresses.insert(endpoint["addresses"][0]);
      }
    }
    return addresses;
  }
  std::vector<Object> slices_;
};

TEST_F(SlicesTest, ServiceWithoutEndpointsHasOneEmptySlice) {
  Apply({});
  ASSERT_EQ(slices_.size(), 1u);
  EXPECT_TRUE((*slices_[0])["endpoints"].empty());
  EXPECT_EQ(Apply({}), 0u);
}

TEST_F(SlicesTest, SlicesAreFilledAndOnlyThoseThatMustAreWritten) {
  Apply({});
  EXPECT_EQ(Apply(Wanted(1, 25)), 3u);
  EXPECT_EQ(slices_.size(), 3u);
  EXPECT_EQ(Addresses().size(), 25u);
  EXPECT_EQ(Apply(Wanted(1, 25)), 0u);
  EXPECT_EQ(Apply(Wanted(1, 26)), 1u);
  EXPECT_EQ(Addresses().size(), 26u);
  EXPECT_EQ(Apply(Wanted(2, 26)), 1u);
  EXPECT_EQ(Addresses().count("10.0.0.1"), 0u);
  EXPECT_EQ(Apply({}), 3u);
  EXPECT_EQ(slices_.size(), 1u);
  EXPECT_TRUE(Addresses().empty());
}

TEST_F(SlicesTest, AnyWayOfChangesLeadsToWhatIsWanted) {
  uint64_t chance = 7;
  for (int step = 0; step < 200; ++step) {
    PortGroup group{.ports = Json::array({{{"port", step % 3 == 0 ? 80 : 81}}}), .endpoints = {}};
    std::multiset<std::string> expected;
    for (int i = 0; i < 40; ++i) {
      chance = chance * 6364136223846793005 + 1442695040888963407;
      if ((chance >> 60) < 8) continue;
      group.endpoints.push_back(Endpoint(i));
      expected.insert("10.0.0." + std::to_string(i));
    }
    Apply({group});
    ASSERT_EQ(Addresses(), expected) << step;
  }
}

class EndpointsTest : public testing::Test {
 protected:
  World world_{{MakeEndpointsController, MakeEndpointSliceController}};
};

TEST_F(EndpointsTest, FollowPodsFromTheirFirstAddressToTheirEnd) {
  Json service = Service(8080);
  service["apiVersion"] = "v1";
  service["kind"] = "Service";
  ASSERT_TRUE(world_.api.Create(kServices, "ns", service).ok());
  ASSERT_TRUE(world_.api
                  .Create(kPods, "ns",
                          {{"metadata", {{"name", "p"}, {"labels", {{"app", "x"}}}}},
                           {"status", {{"podIP", "10.0.0.9"}}}})
                  .ok());
  const auto addresses = [&] {
    const Json endpoints = world_.Get(kEndpoints, "s");
    const Json& subsets = api::ArrayAt(endpoints, "subsets");
    return subsets.empty() ? 0 : api::ArrayAt(subsets[0], "addresses").size();
  };
  const auto in_slices = [&] {
    size_t count = 0;
    for (const Json& slice : world_.api.All(kEndpointSlices)) {
      EXPECT_EQ(slice["metadata"]["labels"]["kubernetes.io/service-name"], "s");
      for (const Json& endpoint : api::ArrayAt(slice, "endpoints")) {
        count += endpoint["conditions"]["ready"] == true ? 1 : 0;
      }
    }
    return count;
  };
  EXPECT_TRUE(world_.api.Await([&] { return addresses() == 1 && in_slices() == 1; }));
  EXPECT_EQ(world_.api.All(kEndpointSlices).size(), 1u);
  ASSERT_TRUE(world_.api.Delete(kPods, "ns", "p", {}).ok());
  EXPECT_TRUE(world_.api.Await([&] { return addresses() == 0 && in_slices() == 0; }));
  ASSERT_TRUE(world_.api.Delete(kServices, "ns", "s", {}).ok());
  EXPECT_TRUE(world_.api.Await([&] { return world_.api.All(kEndpoints).empty(); }));
}

TEST_F(EndpointsTest, HandwrittenOnesAreMirroredIntoSlices) {
  ASSERT_TRUE(world_.api
                  .Create(kServices, "ns",
                          {{"apiVersion", "v1"},
                           {"kind", "Service"},
                           {"metadata", {{"name", "s"}}},
                           {"spec", {{"ports", Json::array({{{"port", 80}}})}}}})
                  .ok());
  ASSERT_TRUE(
      world_.api
          .Create(kEndpoints, "ns",
                  {{"metadata", {{"name", "s"}}},
                   {"subsets", Json::array({{{"addresses", Json::array({{{"ip", "10.9.9.9"}}})},
                                             {"ports", Json::array({{{"port", 80}}})}}})}})
          .ok());
  EXPECT_TRUE(world_.api.Await([&] {
    const std::vector<Json> slices = world_.api.All(kEndpointSlices);
    return slices.size() == 1 && slices[0]["endpoints"][0]["addresses"][0] == "10.9.9.9";
  }));
  ASSERT_TRUE(world_.api.Delete(kEndpoints, "ns", "s", {}).ok());
  EXPECT_TRUE(world_.api.Await([&] { return world_.api.All(kEndpointSlices).empty(); }));
}

}  // namespace
}  // namespace keelson::controllers
