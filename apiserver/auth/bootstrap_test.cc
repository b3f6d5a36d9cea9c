// The bootstrap over a real store, as several servers do it at once.
#include "apiserver/auth/bootstrap.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/object.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/auth/endpoint_registration.h"
#include "apiserver/auth/registry_objects.h"
#include "client/client.h"
#include "client/test_cluster.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::auth {
namespace {

using api::Json;

// What one API server has of it.
struct Server {
  explicit Server(const client::TestCluster& cluster) : Server(cluster.NewClient()) {}
  explicit Server(std::unique_ptr<client::Client> client)
      : store(std::move(client)), registry(store.get(), {}), objects(&registry) {}
  std::unique_ptr<client::Client> store;
  registry::Registry registry;
  RegistryObjects objects;
};

template <typename Condition>
bool Becomes(const Condition& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

TEST(BootstrapTest, SeveralServersAtOnceMakeOneCluster) {
  if (!client::TestCluster::Available()) GTEST_SKIP() << "no server program";
  const client::TestCluster cluster(1);
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<absl::Status> outcomes(3);
  for (int i = 0; i < 3; ++i) servers.push_back(std::make_unique<Server>(cluster));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { outcomes[i] = Bootstrap(servers[i]->objects, {}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : outcomes) EXPECT_TRUE(status.ok()) << status;

  Objects& objects = servers[0]->objects;
  EXPECT_EQ((*objects.Get(kServices, "default", "kubernetes"))["spec"]["clusterIP"], "10.96.0.1");
  EXPECT_EQ((*objects.Get(kPriorityClasses, "", "system-node-critical"))["value"], 2000001000);
  EXPECT_EQ(api::TextAt(*objects.Get(kNamespaces, "", "kube-node-lease"), "status.phase"),
            "Active");
  Authorizer authorizer(&objects);
  const Attributes bind{
      .user = {.name = "system:kube-scheduler", .uid = "", .groups = {}, .extra = {}},
      .verb = "create",
      .version = "v1",
      .resource = "pods",
      .subresource = "binding",
      .name_space = "default",
      .is_resource = true};
  EXPECT_TRUE(Becomes([&] { return authorizer.Authorize(bind).ok(); }));

  // Once more changes nothing: what is stored means what was wanted.
  const auto version = [&] {
    return api::ResourceVersionOf(*objects.Get(kClusterRoles, "", "admin"));
  };
  const uint64_t before = version();
  Server late(cluster);
  ASSERT_TRUE(Bootstrap(late.objects, {}).ok());
  EXPECT_EQ(version(), before);
  EXPECT_GT(RulesOf(*objects.Get(kClusterRoles, "", "admin")).size(), 10u);
}

TEST(BootstrapTest, ServersComeAndGoInTheEndpointsOfKubernetes) {
  if (!client::TestCluster::Available()) GTEST_SKIP() << "no server program";
  const client::TestCluster cluster(1);
  Server one(cluster);
  Server two(cluster);
  ASSERT_TRUE(Bootstrap(one.objects, {}).ok());
  const auto ports = [&] {
    std::vector<int64_t> found;
    const auto endpoints = one.objects.Get(kEndpoints, "default", "kubernetes");
    if (!endpoints.ok()) return found;
    for (const Json& subset : api::ArrayAt(*endpoints, "subsets")) {
      found.push_back(api::NumberAt(api::ArrayAt(subset, "ports")[0], "port"));
    }
    return found;
  };
  EndpointRegistration::Options options;
  options.address = "192.0.2.1";
  options.port = 6443;
  options.interval = absl::Milliseconds(50);
  auto first = std::make_unique<EndpointRegistration>(one.store.get(), &one.objects, options);
  EXPECT_TRUE(Becomes([&] { return ports() == std::vector<int64_t>{6443}; }));
  options.port = 7443;
  auto second = std::make_unique<EndpointRegistration>(two.store.get(), &two.objects, options);
  EXPECT_TRUE(Becomes([&] { return ports() == std::vector<int64_t>{6443, 7443}; }));
  first.reset();
  EXPECT_TRUE(Becomes([&] { return ports() == std::vector<int64_t>{7443}; }));
  const auto slice = one.objects.Get(kEndpointSlices, "default", "kubernetes");
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ(api::ArrayAt(*slice, "ports")[0]["port"], 7443);
}

std::unique_ptr<client::Client> ClientOf(const client::TestCluster& cluster,
                                         const std::string& user) {
  auto made = client::Client::Create(
      {.endpoints = cluster.endpoints(), .user = user, .password = "secret"});
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

TEST(BootstrapTest, ServerWhoseRecordWasRefusedIsInTheEndpointsWhenItMay) {
  if (!client::TestCluster::Available()) GTEST_SKIP() << "no server program";
  const client::TestCluster cluster(1);
  {
    Server first(cluster);
    ASSERT_TRUE(Bootstrap(first.objects, {}).ok());
  }
  const std::string records = "/registry/masterleases/";
  const std::string behind = "/registry/masterleases0";
  const auto may = [](authpb::Permission::Type type, const std::string& key,
                      const std::string& range_end) {
    authpb::Permission permission;
    permission.set_permtype(type);
    permission.set_key(key);
    permission.set_range_end(range_end);
    return permission;
  };
  {
    const auto anybody = cluster.NewClient();
    client::Auth& auth = anybody->auth();
    for (const char* user : {"root", "server"}) {
      ASSERT_TRUE(auth.UserAdd(user, "secret").ok());
      ASSERT_TRUE(auth.RoleAdd(user).ok() || std::string(user) == "root");
      ASSERT_TRUE(auth.UserGrantRole(user, user).ok());
    }
    for (const authpb::Permission& permission : {may(authpb::Permission::READWRITE, "/", records),
                                                 may(authpb::Permission::READ, records, behind),
                                                 may(authpb::Permission::READWRITE, behind, "0")}) {
      ASSERT_TRUE(auth.RoleGrantPermission("server", permission).ok());
    }
    ASSERT_TRUE(auth.Enable().ok());
  }
  const auto root = ClientOf(cluster, "root");
  Server server(ClientOf(cluster, "server"));
  EndpointRegistration::Options options;
  options.address = "192.0.2.1";
  options.port = 6443;
  options.interval = absl::Milliseconds(50);
  const EndpointRegistration registration(server.store.get(), &server.objects, options);
  // It has tried again by then.
  EXPECT_TRUE(Becomes([&] {
    const auto leases = root->lease().List();
    return leases.ok() && leases->leases_size() > 1;
  }));
  ASSERT_TRUE(
      root->auth()
          .RoleGrantPermission("server", may(authpb::Permission::READWRITE, records, behind))
          .ok());
  EXPECT_TRUE(Becomes([&] {
    const auto endpoints = server.objects.Get(kEndpoints, "default", "kubernetes");
    return endpoints.ok() && !api::ArrayAt(*endpoints, "subsets").empty();
  }));
}

TEST(BootstrapTest, AdvertisedAddressIsNotLoopbackUnlessThereIsNoOther) {
  EXPECT_EQ(AdvertisedAddress("192.0.2.7"), "192.0.2.7");
  for (const char* host : {"127.0.0.1", "0.0.0.0", ""}) {
    EXPECT_FALSE(AdvertisedAddress(host).starts_with("127.")) << host;
  }
}

}  // namespace
}  // namespace keelson::auth
