// What admission adds to and refuses of objects, over a real store, several servers at once where
// that matters.
#include "apiserver/registry/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/registry.h"
#include "apiserver/registry/watch_cache.h"
#include "base/concat.h"
#include "client/client.h"
#include "client/test_cluster.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Kind;
using ::testing::HasSubstr;

constexpr absl::Duration kHang = absl::Seconds(20);  // ends a hang

Json Parse(std::string_view text) { return Json::parse(text); }

// The manifest with what names its kind.
Json Typed(const Kind& kind, std::string_view manifest) {
  Json object = Parse(manifest);
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  return object;
}

std::string MessageOf(const absl::Status& status) {
  return api::TextAt(api::StatusObject(status), "message");
}

class AdmissionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (client::TestCluster::Available()) cluster_ = new client::TestCluster(1);
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << "no server program";
    store_ = cluster_->NewClient();
    registry_ = std::make_unique<Registry>(store_.get(), MakeAdmissionPlugins(options_));
    space_ = testing::UnitTest::GetInstance()->current_test_info()->name();
    for (char& letter : space_) letter = static_cast<char>(std::tolower(letter));
    Create(api::NamespaceKind(), Concat(R"({"metadata": {"name": ")", space_, R"("}})"), "");
    Create(api::ServiceAccountKind(), R"({"metadata": {"name": "default"}})");
  }

  absl::StatusOr<Json> TryCreate(const Kind& kind, std::string_view manifest,
                                 const WriteOptions& options = {}) {
    return registry_->Create(kind, kind.namespaced ? space_ : "", Typed(kind, manifest), options);
  }
  Json Create(const Kind& kind, std::string_view manifest) {
    return Create(kind, manifest, kind.namespaced ? space_ : "");
  }
  Json Create(const Kind& kind, std::string_view manifest, const std::string& space) {
    const auto created = registry_->Create(kind, space, Typed(kind, manifest), {});
    EXPECT_TRUE(created.ok()) << created.status() << " " << manifest;
    Settle(kind);
    return created.ok() ? *created : Json::object();
  }
  // Until what was written is in the cache.
  void Settle(const Kind& kind) {
    ASSERT_TRUE(registry_->Cache(kind).WaitFor(*registry_->CurrentRevision(), kHang));
  }
  std::string RefusalOf(const Kind& kind, std::string_view manifest) {
    const auto created = TryCreate(kind, manifest);
    EXPECT_FALSE(created.ok()) << manifest;
    return MessageOf(created.status());
  }
  absl::StatusOr<Json> Patch(const Kind& kind, const std::string& name, std::string_view patch,
                             std::string_view subresource = "") {
    return registry_->Update(kind, kind.namespaced ? space_ : "", name,
                             [&](const Json& newest) -> absl::StatusOr<Json> {
                               Json changed = newest;
                               changed.merge_patch(Parse(patch));
                               return changed;
                             },
                             {.subresource = subresource});
  }
  absl::Status Delete(const Kind& kind, const std::string& name) {
    return registry_->Delete(kind, kind.namespaced ? space_ : "", name, {}, {}).status();
  }
  Json Read(const Kind& kind, const std::string& name) {
    const auto read = registry_->Get(kind, kind.namespaced ? space_ : "", name);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : Json::object();
  }
  // A quota whose controller has counted.
  void CreateQuota(const std::string& spec, const std::string& used) {
    Create(api::ResourceQuotaKind(), Concat(R"({"metadata": {"name": "q"}, "spec": )", spec, "}"));
    const std::string hard = api::MapAt(Parse(spec), "hard").dump();
    ASSERT_TRUE(Patch(api::ResourceQuotaKind(), "q",
                      Concat(R"({"status": {"hard": )", hard, R"(, "used": )", used, "}}"),
                      "status")
                    .ok());
    Settle(api::ResourceQuotaKind());
  }
  std::string UsedOf(std::string_view resource) {
    const Json quota = Read(api::ResourceQuotaKind(), "q");
    const Json* used = api::Member(api::MapAt(quota, "status.used"), resource);
    return used != nullptr ? api::TextAt(*used, "") : "";
  }

  static constexpr std::string_view kPod =
      R"({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})";

  static client::TestCluster* cluster_;
  // Small enough to be used up.
  const AdmissionOptions options_{.service_range = "10.9.0.0/26",
                                  .node_port_first = 30000,
                                  .node_port_last = 30019};
  std::unique_ptr<client::Client> store_;
  std::unique_ptr<Registry> registry_;
  std::string space_;
};
client::TestCluster* AdmissionTest::cluster_ = nullptr;

TEST_F(AdmissionTest, ObjectsNeedANamespaceThatStays) {
  const auto lost = registry_->Create(api::ConfigMapKind(), "nowhere",
                                      Parse(R"({"metadata": {"name": "a"}})"), {});
  EXPECT_EQ(MessageOf(lost.status()), "namespaces \"nowhere\" not found");
  ASSERT_TRUE(Delete(api::NamespaceKind(), space_).ok());
  const auto late = TryCreate(api::ConfigMapKind(), R"({"metadata": {"name": "a"}})");
  EXPECT_EQ(MessageOf(late.status()),
            Concat("configmaps \"a\" is forbidden: unable to create new content in namespace ",
                   space_, " because it is being terminated"));
  EXPECT_EQ(api::StatusObject(late.status())["details"]["causes"][0]["reason"],
            "NamespaceTerminating");
}

TEST_F(AdmissionTest, SomeNamespacesCannotBeDeleted) {
  Create(api::NamespaceKind(), R"({"metadata": {"name": "kube-system"}})", "");
  EXPECT_EQ(MessageOf(Delete(api::NamespaceKind(), "kube-system")),
            "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

TEST_F(AdmissionTest, PodsRunAsAnAccountWithAToken) {
  Create(api::ServiceAccountKind(), R"({"metadata": {"name": "puller"},
                                        "imagePullSecrets": [{"name": "key"}]})");
  const Json pod = Create(api::PodKind(), R"({"metadata": {"name": "p"}, "spec": {
      "serviceAccountName": "puller", "containers": [{"name": "c", "image": "i"}]}})");
  const Json& spec = pod["spec"];
  EXPECT_EQ(spec["serviceAccount"], "puller");
  EXPECT_EQ(spec["imagePullSecrets"], Parse(R"([{"name": "key"}])"));
  ASSERT_EQ(spec["volumes"].size(), 1U);
  const std::string volume = api::TextAt(spec["volumes"][0], "name");
  EXPECT_EQ(volume.substr(0, 16), "kube-api-access-");
  EXPECT_EQ(spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"],
            Parse(R"({"path": "token", "expirationSeconds": 3607})"));
  EXPECT_EQ(spec["containers"][0]["volumeMounts"],
            Parse(Concat(R"([{"name": ")", volume, R"(", "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])")));
  const Json without = Create(api::PodKind(), R"({"metadata": {"name": "w"}, "spec": {
      "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}})");
  EXPECT_EQ(api::TextAt(without, "spec.serviceAccountName"), "default");
  EXPECT_FALSE(without["spec"].contains("volumes"));
  EXPECT_EQ(RefusalOf(api::PodKind(), R"({"metadata": {"name": "x"}, "spec": {
      "serviceAccountName": "nobody", "containers": [{"name": "c", "image": "i"}]}})"),
            Concat("pods \"x\" is forbidden: error looking up service account ", space_,
                   "/nobody: serviceaccount \"nobody\" not found"));
}

TEST_F(AdmissionTest, PodsGetPrioritiesAndTolerations) {
  Create(api::PriorityClassKind(), R"({"metadata": {"name": "high"}, "value": 1000})");
  const Json plain = Create(api::PodKind(), kPod);
  EXPECT_EQ(plain["spec"]["priority"], 0);
  EXPECT_EQ(plain["spec"]["preemptionPolicy"], "PreemptLowerPriority");
  EXPECT_EQ(plain["spec"]["tolerations"], Parse(R"([
      {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
       "tolerationSeconds": 300},
      {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
       "tolerationSeconds": 300}])"));
  const Json high = Create(api::PodKind(), R"({"metadata": {"name": "h"}, "spec": {
      "priorityClassName": "high", "tolerations": [{"operator": "Exists"}],
      "containers": [{"name": "c", "image": "i"}]}})");
  EXPECT_EQ(high["spec"]["priority"], 1000);
  EXPECT_EQ(high["spec"]["tolerations"].size(), 1U);
  EXPECT_EQ(RefusalOf(api::PodKind(), R"({"metadata": {"name": "x"}, "spec": {
      "priorityClassName": "none", "containers": [{"name": "c", "image": "i"}]}})"),
            "pods \"x\" is forbidden: no PriorityClass with name none was found");
  EXPECT_THAT(RefusalOf(api::PodKind(), R"({"metadata": {"name": "x"}, "spec": {"priority": 5,
      "containers": [{"name": "c", "image": "i"}]}})"),
              HasSubstr("the integer value of priority (5) must not be provided in pod spec"));
}

TEST_F(AdmissionTest, LimitRangesFillInAndRefuse) {
  Create(api::LimitRangeKind(), R"({"metadata": {"name": "l"}, "spec": {"limits": [
      {"type": "Container", "max": {"cpu": "2"}, "default": {"cpu": "1"},
       "defaultRequest": {"cpu": "500m"}},
      {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}}]}})");
  const Json pod = Create(api::PodKind(), kPod);
  EXPECT_EQ(pod["spec"]["containers"][0]["resources"],
            Parse(R"({"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}})"));
  EXPECT_EQ(pod["status"]["qosClass"], "Burstable");
  EXPECT_EQ(pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
            "LimitRanger plugin set: cpu request for container c; cpu limit for container c");
  EXPECT_EQ(RefusalOf(api::PodKind(), R"({"metadata": {"name": "x"}, "spec": {"containers": [
      {"name": "c", "image": "i", "resources": {"limits": {"cpu": "3"}}}]}})"),
            "pods \"x\" is forbidden: maximum cpu usage per Container is 2, but limit is 3");
  EXPECT_EQ(RefusalOf(api::PersistentVolumeClaimKind(), R"({"metadata": {"name": "c"}, "spec": {
      "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}})"),
            "persistentvolumeclaims \"c\" is forbidden: minimum storage usage per "
            "PersistentVolumeClaim is 1Gi, but request is 1Mi");
}

constexpr std::string_view kClaim = R"({"metadata": {"name": "c"}, "spec": {
    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})";

TEST_F(AdmissionTest, ClaimsGetTheDefaultClassAndStayWhileUsed) {
  Create(api::StorageClassKind(), R"({"metadata": {"name": "fast", "annotations": {
      "storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "x.example",
      "allowVolumeExpansion": true})");
  const Json claim = Create(api::PersistentVolumeClaimKind(), kClaim);
  EXPECT_EQ(claim["spec"]["storageClassName"], "fast");
  EXPECT_EQ(claim["metadata"]["finalizers"], Parse(R"(["kubernetes.io/pvc-protection"])"));
  constexpr std::string_view kLarger =
      R"({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})";
  EXPECT_FALSE(Patch(api::PersistentVolumeClaimKind(), "c", kLarger).ok());
  ASSERT_TRUE(Patch(api::PersistentVolumeClaimKind(), "c",
                    R"({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}})", "status")
                  .ok());
  EXPECT_TRUE(Patch(api::PersistentVolumeClaimKind(), "c", kLarger).ok());
  ASSERT_TRUE(Patch(api::StorageClassKind(), "fast", R"({"allowVolumeExpansion": false})").ok());
  Settle(api::StorageClassKind());
  const auto refused = Patch(api::PersistentVolumeClaimKind(), "c",
                             R"({"spec": {"resources": {"requests": {"storage": "3Gi"}}}})");
  EXPECT_THAT(MessageOf(refused.status()),
              HasSubstr("only dynamically provisioned pvc can be resized"));
}

TEST_F(AdmissionTest, NewNodesAreNotReady) {
  const Json node = Create(api::NodeKind(), R"({"metadata": {"name": "n"}})");
  EXPECT_EQ(node["spec"]["taints"],
            Parse(R"([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])"));
}

TEST_F(AdmissionTest, QuotasCountAndRefuse) {
  CreateQuota(R"({"hard": {"pods": "2", "requests.cpu": "1"}})",
              R"({"pods": "0", "requests.cpu": "0"})");
  EXPECT_EQ(RefusalOf(api::PodKind(), kPod),
            "pods \"p\" is forbidden: failed quota: q: must specify requests.cpu for: c");
  const auto pod = [](std::string_view name, std::string_view cpu) {
    return Concat(R"({"metadata": {"name": ")", name, R"("}, "spec": {"containers": [{"name": "c",
        "image": "i", "resources": {"requests": {"cpu": ")",
                  cpu, R"("}}}]}})");
  };
  Create(api::PodKind(), pod("a", "600m"));
  EXPECT_EQ(UsedOf("pods"), "1");
  EXPECT_EQ(UsedOf("requests.cpu"), "600m");
  EXPECT_EQ(RefusalOf(api::PodKind(), pod("b", "500m")),
            "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: "
            "requests.cpu=600m, limited: requests.cpu=1");
  // A write that fails gives back what was counted for it; a trial counts nothing.
  EXPECT_TRUE(api::IsAlreadyExists(TryCreate(api::PodKind(), pod("a", "100m")).status()));
  EXPECT_TRUE(TryCreate(api::PodKind(), pod("d", "100m"), {.dry_run = true}).ok());
  EXPECT_EQ(UsedOf("pods"), "1");
  EXPECT_EQ(UsedOf("requests.cpu"), "600m");
}

TEST_F(AdmissionTest, NoQuotaIsExceededByServersThatRace) {
  constexpr int kServers = 3;
  constexpr int kEach = 10;
  CreateQuota(R"({"hard": {"count/configmaps": "12"}})", R"({"count/configmaps": "0"})");
  std::vector<std::unique_ptr<Registry>> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.push_back(std::make_unique<Registry>(store_.get(), MakeAdmissionPlugins(options_)));
    ASSERT_TRUE(servers.back()
                    ->Cache(api::ResourceQuotaKind())
                    .WaitFor(*registry_->CurrentRevision(), kHang));
  }
  std::atomic<int> created = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kServers; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kEach; ++j) {
        const Json object = {{"metadata", {{"name", Concat("m-", i, "-", j)}}}};
        if (servers[static_cast<size_t>(i)]
                ->Create(api::ConfigMapKind(), space_, object, {})
                .ok()) {
          ++created;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 12);
  EXPECT_EQ(UsedOf("count/configmaps"), "12");
}

TEST_F(AdmissionTest, ScopesSayWhichPodsCount) {
  CreateQuota(R"({"hard": {"pods": "1"}, "scopes": ["BestEffort"]})", R"({"pods": "0"})");
  Create(api::PodKind(), R"({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c",
      "image": "i", "resources": {"requests": {"cpu": "1"}}}]}})");
  EXPECT_EQ(UsedOf("pods"), "0");
  Create(api::PodKind(), kPod);
  EXPECT_EQ(UsedOf("pods"), "1");
}

std::string ServiceManifest(std::string_view name, std::string_view spec) {
  return Concat(R"({"metadata": {"name": ")", name, R"("}, "spec": )", spec, "}");
}

TEST_F(AdmissionTest, EveryServiceHasAnAddressOfItsOwnWhoeverGivesIt) {
  constexpr int kServers = 3;
  constexpr int kEach = 6;
  std::vector<std::unique_ptr<Registry>> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.push_back(std::make_unique<Registry>(store_.get(), MakeAdmissionPlugins(options_)));
  }
  absl::Mutex mutex;
  std::multiset<std::string> ips;
  std::multiset<int64_t> ports;
  std::vector<std::thread> threads;
  for (int i = 0; i < kServers; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kEach; ++j) {
        const auto service = servers[static_cast<size_t>(i)]->Create(
            api::ServiceKind(), space_,
            Parse(ServiceManifest(Concat("s-", i, "-", j),
                                  R"({"type": "NodePort", "ports": [{"port": 80}]})")),
            {});
        ASSERT_TRUE(service.ok()) << service.status();
        absl::MutexLock lock(&mutex);
        ips.insert(api::TextAt(*service, "spec.clusterIP"));
        ports.insert(api::NumberAt((*service)["spec"]["ports"][0], "nodePort"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set(ips.begin(), ips.end()).size(), size_t{kServers * kEach});
  EXPECT_EQ(std::set(ports.begin(), ports.end()).size(), size_t{kServers * kEach});
  // What is used up is said to be, and comes back when services go.
  Create(api::ServiceKind(), ServiceManifest("t-0", R"({"type": "NodePort", "ports": [
      {"name": "a", "port": 1}, {"name": "b", "port": 2}]})"));
  constexpr std::string_view kOneMore = R"({"type": "NodePort", "ports": [{"port": 80}]})";
  EXPECT_EQ(RefusalOf(api::ServiceKind(), ServiceManifest("u", kOneMore)),
            "Internal error occurred: failed to allocate a nodePort: range is full");
  for (int i = 0; i < kServers; ++i) {
    for (int j = 0; j < kEach; ++j) {
      ASSERT_TRUE(Delete(api::ServiceKind(), Concat("s-", i, "-", j)).ok());
    }
  }
  ASSERT_TRUE(Delete(api::ServiceKind(), "t-0").ok());
  Create(api::ServiceKind(), ServiceManifest("u", kOneMore));
  ASSERT_TRUE(Delete(api::ServiceKind(), "u").ok());
}

TEST_F(AdmissionTest, AnAddressThatIsAskedForIsGivenToOne) {
  const std::string spec =
      R"({"type": "NodePort", "clusterIP": "10.9.0.7", "ports": [{"port": 80, "nodePort": 30007}]})";
  Create(api::ServiceKind(), ServiceManifest("a", spec));
  EXPECT_EQ(
      RefusalOf(api::ServiceKind(), ServiceManifest("b", spec)),
      "Service \"b\" is invalid: spec.clusterIPs: Invalid value: []string{\"10.9.0.7\"}: failed to "
      "allocate IP 10.9.0.7: provided IP is already allocated");
  EXPECT_EQ(RefusalOf(api::ServiceKind(), ServiceManifest("b", R"({"type": "NodePort", "ports": [
                          {"port": 80, "nodePort": 30007}]})")),
            "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30007: provided port "
            "is already allocated");
  EXPECT_THAT(
      RefusalOf(api::ServiceKind(),
                ServiceManifest("b", R"({"clusterIP": "10.8.0.1", "ports": [{"port": 1}]})")),
      HasSubstr("not in the valid range. The range of valid IPs is 10.9.0.0/26"));
  // Free again at once when it goes, or is no longer needed.
  ASSERT_TRUE(Delete(api::ServiceKind(), "a").ok());
  Create(api::ServiceKind(), ServiceManifest("b", spec));
  ASSERT_TRUE(Patch(api::ServiceKind(), "b", R"({"spec": {"type": "ClusterIP"}})").ok());
  Create(api::ServiceKind(), ServiceManifest("c", R"({"type": "NodePort", "ports": [
      {"port": 80, "nodePort": 30007}]})"));
  EXPECT_FALSE(Read(api::ServiceKind(), "b")["spec"]["ports"][0].contains("nodePort"));
}

TEST_F(AdmissionTest, ServicesKeepWhatTheyHaveAndGetWhatTheyBeginToNeed) {
  const Json created = Create(api::ServiceKind(), ServiceManifest("s", R"({"ports": [
      {"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]})"));
  const std::string ip = api::TextAt(created, "spec.clusterIP");
  EXPECT_THAT(ip, HasSubstr("10.9.0."));
  const auto exposed = Patch(api::ServiceKind(), "s", R"({"spec": {"type": "LoadBalancer",
                                                         "externalTrafficPolicy": "Local"}})");
  ASSERT_TRUE(exposed.ok()) << exposed.status();
  EXPECT_EQ(api::TextAt(*exposed, "spec.clusterIP"), ip);
  const Json& ports = (*exposed)["spec"]["ports"];
  EXPECT_EQ(ports[0]["nodePort"], ports[1]["nodePort"]) << "one port, two protocols";
  EXPECT_NE(api::NumberAt(*exposed, "spec.healthCheckNodePort"), 0);
  const auto renamed = Patch(api::ServiceKind(), "s", R"({"spec": {"type": "ExternalName",
                                                         "externalName": "a.example"}})");
  ASSERT_TRUE(renamed.ok()) << renamed.status();
  EXPECT_FALSE((*renamed)["spec"].contains("clusterIP"));
  const auto headless =
      Create(api::ServiceKind(), ServiceManifest("h", R"({"clusterIP": "None"})"));
  EXPECT_EQ(headless["spec"]["clusterIPs"], Parse(R"(["None"])"));
}

TEST_F(AdmissionTest, TheFirstAddressIsThatOfTheApi) {
  Create(api::NamespaceKind(), R"({"metadata": {"name": "default"}})", "");
  const Json service =
      Create(api::ServiceKind(), ServiceManifest("kubernetes", R"({"ports": [{"port": 443}]})"),
             "default");
  EXPECT_EQ(api::TextAt(service, "spec.clusterIP"), "10.9.0.1");
}

}  // namespace
}  // namespace keelson::registry
