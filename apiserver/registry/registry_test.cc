// Objects over a real store: what the registry promises of writes, lists and changes.
#include "apiserver/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "apiserver/api/object.h"
#include "apiserver/registry/stored_text.h"
#include "apiserver/registry/watch_cache.h"
#include "client/client.h"
#include "client/test_cluster.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Kind;
using ::testing::ElementsAre;

constexpr absl::Duration kHang = absl::Seconds(20);  // ends a hang

class RegistryTest : public testing::Test {
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
    registry_ =
        std::make_unique<Registry>(store_.get(), std::vector<std::unique_ptr<AdmissionPlugin>>());
    // A namespace of its own keeps the tests apart.
    space_ = testing::UnitTest::GetInstance()->current_test_info()->name();
    for (char& letter : space_) letter = static_cast<char>(std::tolower(letter));
  }

  static Json ConfigMap(const std::string& name, const std::string& value) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}}},
            {"data", {{"key", value}}}};
  }
  Json Create(Json object) {
    auto created = registry_->Create(kind_, space_, std::move(object), {});
    EXPECT_TRUE(created.ok()) << created.status();
    return *created;
  }
  absl::StatusOr<Json> SetValue(const std::string& name, const std::string& value,
                                const std::string& version = "") {
    return registry_->Update(kind_, space_, name,
                             [&](const Json& newest) -> absl::StatusOr<Json> {
                               Json changed = newest;
                               changed["data"]["key"] = value;
                               if (!version.empty())
                                 changed["metadata"]["resourceVersion"] = version;
                               return changed;
                             },
                             {});
  }
  std::vector<std::string> Names(const ListResult& list) {
    std::vector<std::string> names;
    for (const auto& entry : list.items) names.push_back(entry->name);
    return names;
  }

  static client::TestCluster* cluster_;
  const Kind& kind_ = *api::FindKindByResource("", "v1", "configmaps");
  std::unique_ptr<client::Client> store_;
  std::unique_ptr<Registry> registry_;
  std::string space_;
};
client::TestCluster* RegistryTest::cluster_ = nullptr;

TEST_F(RegistryTest, WhatIsCreatedIsReadBackWithWhatTheServerSets) {
  const Json created = Create(ConfigMap("a", "1"));
  EXPECT_EQ(api::NamespaceOf(created), space_);
  EXPECT_EQ(api::UidOf(created).size(), 36U);
  EXPECT_NE(api::ResourceVersionOf(created), 0U);
  EXPECT_NE(api::TextAt(created, "metadata.creationTimestamp"), "");
  const auto read = registry_->Get(kind_, space_, "a");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, created);
  const auto again = registry_->Create(kind_, space_, ConfigMap("a", "2"), {});
  EXPECT_TRUE(api::IsAlreadyExists(again.status())) << again.status();
  EXPECT_EQ(again.status().message(), "configmaps \"a\" already exists");
}

TEST_F(RegistryTest, GeneratedNamesHaveTheirBaseAndDiffer) {
  Json object = ConfigMap("", "1");
  object["metadata"] = {{"generateName", "web-"}};
  const std::string first = api::NameOf(Create(object));
  const std::string second = api::NameOf(Create(object));
  EXPECT_EQ(first.size(), 9U);
  EXPECT_EQ(first.substr(0, 4), "web-");
  EXPECT_NE(first, second);
}

TEST_F(RegistryTest, WhatFollowsFromTheNameFollowsFromAGeneratedOne) {
  const Kind& jobs = *api::FindKindByResource("batch", "v1", "jobs");
  const Json manifest = {
      {"metadata", {{"generateName", "work-"}}},
      {"spec",
       {{"template",
         {{"spec",
           {{"restartPolicy", "Never"},
            {"containers", Json::array({{{"name", "c"}, {"image", "busybox"}}})}}}}}}}};
  const auto job = registry_->Create(jobs, space_, manifest, {});
  ASSERT_TRUE(job.ok()) << job.status();
  const Json* label = api::Member(api::MapAt(*job, "spec.template.metadata.labels"), "job-name");
  ASSERT_NE(label, nullptr);
  EXPECT_EQ(*label, api::NameOf(*job));
}

TEST_F(RegistryTest, AnUpdateOfAnOldVersionIsAConflict) {
  const Json created = Create(ConfigMap("a", "1"));
  const std::string version = api::TextAt(created, "metadata.resourceVersion");
  ASSERT_TRUE(SetValue("a", "2", version).ok());
  const auto stale = SetValue("a", "3", version);
  EXPECT_TRUE(api::IsConflict(stale.status())) << stale.status();
  EXPECT_EQ(api::HttpCode(stale.status()), 409);
  EXPECT_EQ(api::TextAt(*registry_->Get(kind_, space_, "a"), "data.key"), "2");
}

TEST_F(RegistryTest, AChangeToWhatItWasWritesNothing) {
  const Json created = Create(ConfigMap("a", "1"));
  const auto same = SetValue("a", "1");
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(api::ResourceVersionOf(*same), api::ResourceVersionOf(created));
}

TEST_F(RegistryTest, ARevisionOfManyChangesIsReadWhenAllOfItAre) {
  WatchCache& cache = registry_->Cache(kind_);
  for (const char* name : {"a", "b", "c"}) Create(ConfigMap(name, "1"));
  const auto before = registry_->CurrentRevision();
  ASSERT_TRUE(before.ok());
  ASSERT_TRUE(cache.WaitFor(*before, kHang));
  uint64_t position = cache.List("").next;
  etcdserverpb::TxnRequest txn;
  for (const char* name : {"a", "b", "c"}) {
    txn.add_success()->mutable_request_delete_range()->set_key(kind_.StorageKey(space_, name));
  }
  const auto deleted = store_->kv().Txn(txn);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  const int64_t revision = deleted->header().revision();
  ASSERT_TRUE(cache.WaitFor(revision, kHang));
  std::vector<CacheEvent> events;
  int64_t read = 0;
  // Whoever goes on from `read` must not miss the changes that have not been read.
  ASSERT_TRUE(cache.Read(&position, 2, &events, &read).ok());
  EXPECT_EQ(events.size(), 2U);
  EXPECT_EQ(read, revision - 1);
  ASSERT_TRUE(cache.Read(&position, 3, &events, &read).ok());
  EXPECT_EQ(events.size(), 3U);
  EXPECT_GE(read, revision);
}

TEST_F(RegistryTest, ALeaseThatIsGoneIsReplaced) {
  const Kind& events = *api::FindKindByResource("", "v1", "events");
  const auto create = [&](const std::string& name) {
    return registry_->Create(events, space_,
                             {{"apiVersion", "v1"},
                              {"kind", "Event"},
                              {"metadata", {{"name", name}}},
                              {"involvedObject", {{"kind", "Pod"}, {"namespace", space_}}}},
                             {});
  };
  ASSERT_TRUE(create("a").ok());
  const auto stored = store_->kv().Get(events.StorageKey(space_, "a"));
  ASSERT_TRUE(stored.ok());
  const int64_t lease = stored->kvs(0).lease();
  ASSERT_NE(lease, 0);
  ASSERT_TRUE(store_->lease().Revoke(lease).ok());
  EXPECT_TRUE(api::IsNotFound(registry_->Get(events, space_, "a").status()));
  const auto again = create("b");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(registry_->Get(events, space_, "b").ok());
}

TEST_F(RegistryTest, NoChangeIsLostAmongManyWriters) {
  Create(ConfigMap("counter", "0"));
  constexpr int kWriters = 4;
  constexpr int kChanges = 25;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([this] {
      for (int change = 0; change < kChanges; ++change) {
        const auto updated = registry_->Update(
            kind_, space_, "counter",
            [](const Json& newest) -> absl::StatusOr<Json> {
              Json next = newest;
              next["data"]["key"] = std::to_string(std::stoi(api::TextAt(newest, "data.key")) + 1);
              return next;
            },
            {});
        EXPECT_TRUE(updated.ok()) << updated.status();
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(api::TextAt(*registry_->Get(kind_, space_, "counter"), "data.key"),
            std::to_string(kWriters * kChanges));
}

TEST_F(RegistryTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
  Json object = ConfigMap("held", "1");
  object["metadata"]["finalizers"] = {"example.com/hold"};
  Create(object);
  const auto deleted = registry_->Delete(kind_, space_, "held", {}, {});
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_FALSE(deleted->gone);
  EXPECT_TRUE(api::IsBeingDeleted(deleted->object));
  const auto refused =
      registry_->Update(kind_, space_, "held",
                        [](const Json& newest) -> absl::StatusOr<Json> {
                          Json changed = newest;
                          changed["metadata"]["finalizers"].push_back("example.com/another");
                          return changed;
                        },
                        {});
  EXPECT_TRUE(api::IsInvalid(refused.status())) << refused.status();
  const auto released = registry_->Update(kind_, space_, "held",
                                          [](const Json& newest) -> absl::StatusOr<Json> {
                                            Json changed = newest;
                                            changed["metadata"].erase("finalizers");
                                            return changed;
                                          },
                                          {});
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_TRUE(api::IsNotFound(registry_->Get(kind_, space_, "held").status()));
}

TEST_F(RegistryTest, PreconditionsKeepAnotherObjectFromBeingDeleted) {
  Create(ConfigMap("a", "1"));
  DeleteOptions options;
  options.preconditions.uid = "another";
  EXPECT_TRUE(api::IsConflict(registry_->Delete(kind_, space_, "a", options, {}).status()));
  EXPECT_TRUE(registry_->Get(kind_, space_, "a").ok());
}

TEST_F(RegistryTest, DryRunsStoreNothing) {
  const auto created = registry_->Create(kind_, space_, ConfigMap("dry", "1"), {.dry_run = true});
  ASSERT_TRUE(created.ok());
  EXPECT_NE(api::UidOf(*created), "");
  EXPECT_TRUE(api::IsNotFound(registry_->Get(kind_, space_, "dry").status()));
}

TEST_F(RegistryTest, APartOfAnObjectIsChangedThroughItsSubresourceAlone) {
  const Kind& pods = *api::FindKindByResource("", "v1", "pods");
  const Json pod = Json::parse(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
      "spec": {"containers": [{"name": "c", "image": "i:1"}]}})");
  const auto created = registry_->Create(pods, space_, pod, {});
  ASSERT_TRUE(created.ok()) << created.status();
  const Change add_container = [](const Json& newest) -> absl::StatusOr<Json> {
    Json changed = newest;
    changed["spec"]["ephemeralContainers"] = Json::parse(R"([{"name": "e", "image": "i:1"}])");
    changed["metadata"]["labels"]["ignored"] = "yes";
    return changed;
  };
  const auto refused = registry_->Update(pods, space_, "p", add_container, {});
  EXPECT_TRUE(api::IsInvalid(refused.status())) << refused.status();
  const auto added =
      registry_->Update(pods, space_, "p", add_container, {.subresource = "ephemeralcontainers"});
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(api::ArrayAt(*added, "spec.ephemeralContainers").size(), 1U);
  EXPECT_TRUE(api::LabelsOf(*added).empty());
}

TEST_F(RegistryTest, AWriteOfTheStatusLeavesAllElseButAnnotationsAndFinalizers) {
  const Kind& pods = *api::FindKindByResource("", "v1", "pods");
  const Json pod = Json::parse(R"({"apiVersion": "v1", "kind": "Pod",
      "metadata": {"name": "s", "labels": {"a": "b"}, "annotations": {"old": "1"}},
      "spec": {"containers": [{"name": "c", "image": "i:1"}]}})");
  const auto created = registry_->Create(pods, space_, pod, {});
  ASSERT_TRUE(created.ok()) << created.status();
  const Change change = [](const Json& newest) -> absl::StatusOr<Json> {
    Json changed = newest;
    changed["status"]["phase"] = "Running";
    changed["spec"]["nodeName"] = "n";
    changed["spec"]["containers"].clear();
    changed["metadata"]["labels"] = {{"c", "d"}};
    changed["metadata"].erase("uid");
    changed["metadata"]["annotations"] = nullptr;
    changed["metadata"]["finalizers"] = {"example.com/f"};
    changed["more"] = "x";
    return changed;
  };
  const auto updated = registry_->Update(pods, space_, "s", change, {.subresource = "status"});
  ASSERT_TRUE(updated.ok()) << updated.status();
  Json expected = *created;
  expected["status"]["phase"] = "Running";
  expected["metadata"].erase("annotations");
  expected["metadata"]["finalizers"] = {"example.com/f"};
  expected["metadata"]["resourceVersion"] = (*updated)["metadata"]["resourceVersion"];
  EXPECT_EQ(*updated, expected);
}

TEST_F(RegistryTest, NodesComeWithTheirStatusAndOthersDoNot) {
  const Kind& nodes = *api::FindKindByResource("", "v1", "nodes");
  const Json node = Json::parse(R"({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
      "status": {"capacity": {"cpu": "4"}}})");
  const auto created = registry_->Create(nodes, "", node, {});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(api::TextAt(*created, "status.allocatable.cpu"), "4");
  const Kind& services = *api::FindKindByResource("", "v1", "services");
  const Json service = Json::parse(R"({"apiVersion": "v1", "kind": "Service",
      "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]},
      "status": {"conditions": [{"type": "x"}]}})");
  const auto served = registry_->Create(services, space_, service, {});
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ(api::Find(*served, "status.conditions"), nullptr);
}

TEST_F(RegistryTest, PagesOfAListAreAllOfOneRevision) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Create(ConfigMap(name, "1"));
  ListQuery query{.kind = &kind_, .name_space = space_, .limit = 2};
  const auto first = registry_->List(query);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Names(*first), ElementsAre("a", "b"));
  EXPECT_EQ(first->remaining, 3);
  // What happens in between belongs to no page.
  Create(ConfigMap("bb", "1"));
  query.continue_token = first->continue_token;
  const auto second = registry_->List(query);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(Names(*second), ElementsAre("c", "d"));
  EXPECT_EQ(second->revision, first->revision);
  query.continue_token = second->continue_token;
  const auto third = registry_->List(query);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_THAT(Names(*third), ElementsAre("e"));
  EXPECT_EQ(third->continue_token, "");
}

TEST_F(RegistryTest, AListSeesEveryWriteBeforeIt) {
  for (int i = 0; i < 50; ++i) {
    Create(ConfigMap("w" + std::to_string(i), "1"));
    const auto list = registry_->List({.kind = &kind_, .name_space = space_});
    ASSERT_TRUE(list.ok()) << list.status();
    ASSERT_EQ(list->items.size(), static_cast<size_t>(i) + 1);
  }
}

TEST_F(RegistryTest, AContinueTokenFromBeforeACompactionIsExpiredAndSaysHowToGoOn) {
  for (const char* name : {"a", "b", "c"}) Create(ConfigMap(name, "1"));
  ListQuery query{.kind = &kind_, .name_space = space_, .limit = 1};
  const auto first = registry_->List(query);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(SetValue("a", "2").ok());
  etcdserverpb::CompactionRequest compaction;
  compaction.set_revision(*registry_->CurrentRevision());
  ASSERT_TRUE(store_->kv().Compact(compaction).ok());
  query.continue_token = first->continue_token;
  const auto expired = registry_->List(query);
  ASSERT_TRUE(api::IsExpired(expired.status())) << expired.status();
  query.continue_token = api::TextAt(api::StatusObject(expired.status()), "metadata.continue");
  const auto rest = registry_->List(query);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_THAT(Names(*rest), ElementsAre("b"));
}

TEST_F(RegistryTest, TheCacheTellsEveryChangeOnceInOrder) {
  WatchCache& cache = registry_->Cache(kind_);
  ASSERT_TRUE(cache.WaitFor(*registry_->CurrentRevision(), kHang));
  uint64_t position = cache.List(space_).next;
  Create(ConfigMap("a", "1"));
  ASSERT_TRUE(SetValue("a", "2").ok());
  ASSERT_TRUE(registry_->Delete(kind_, space_, "a", {}, {}).ok());
  ASSERT_TRUE(cache.WaitFor(*registry_->CurrentRevision(), kHang));
  std::vector<CacheEvent> events;
  int64_t revision = 0;
  ASSERT_TRUE(cache.Read(&position, 100, &events, &revision).ok());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].type, CacheEvent::Type::kAdded);
  EXPECT_EQ(events[1].type, CacheEvent::Type::kModified);
  EXPECT_EQ(events[2].type, CacheEvent::Type::kDeleted);
  // A deletion shows the last state, under its own revision.
  EXPECT_EQ(api::TextAt(events[2].now->Parse(), "data.key"), "2");
  EXPECT_EQ(api::ResourceVersionOf(events[2].now->Parse()),
            static_cast<uint64_t>(events[2].revision));
  EXPECT_EQ(cache.Get(space_, "a"), nullptr);
}

TEST(StoredTextTest, TheVersionIsPutInWithoutTouchingTheRest) {
  const Json object = {{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", {{"name", "a"}, {"resourceVersion", "77"}}},
                       {"data", {{"k", "\"metadata\":{\"resourceVersion\":\"1\"}"}}}};
  const auto served = ServedText(StoredText(object), 5);
  ASSERT_TRUE(served.ok());
  Json expected = object;
  expected["metadata"]["resourceVersion"] = "5";
  EXPECT_EQ(Json::parse(*served), expected);
  EXPECT_EQ(Json::parse(WithRevision(*served, 123456)),
            (expected["metadata"]["resourceVersion"] = "123456", expected));
}

TEST(StoredTextTest, TextOfOthersIsTakenToo) {
  const auto served = ServedText(R"({"kind":"Pod","metadata":{"name":"a"},"apiVersion":"v1"})", 9);
  ASSERT_TRUE(served.ok());
  EXPECT_EQ(api::ResourceVersionOf(Json::parse(*served)), 9U);
  EXPECT_FALSE(ServedText("k8s\0junk", 9).ok());
}

}  // namespace
}  // namespace keelson::registry
