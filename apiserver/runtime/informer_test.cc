#include "apiserver/runtime/informer.h"

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::runtime {
namespace {

using api::Json;
using testing::ElementsAre;
using Type = WatchEvent::Type;

Json Pod(const std::string& name, int version, const std::string& node = "") {
  return {{"metadata",
           {{"name", name},
            {"namespace", "default"},
            {"resourceVersion", std::to_string(version)},
            {"managedFields", Json::array({1, 2, 3})}}},
          {"spec", {{"nodeName", node}}}};
}

Json PodList(int version, std::vector<Json> pods, const std::string& continue_token = "") {
  return {
      {"kind", "PodList"},
      {"apiVersion", "v1"},
      {"metadata", {{"resourceVersion", std::to_string(version)}, {"continue", continue_token}}},
      {"items", std::move(pods)}};
}

// Answers lists and watches as the test says, and remembers what was asked for.
class FakeServer final : public ApiClient {
 public:
  using Events = std::vector<WatchEvent>;

  void AnswerList(absl::StatusOr<Json> list) {
    absl::MutexLock lock(&mu_);
    lists_.push_back(std::move(list));
  }
  // A watch gives these events; then it ends with `end`, or stays open where there is none.
  void AnswerWatch(Events events, std::optional<absl::Status> end = std::nullopt) {
    absl::MutexLock lock(&mu_);
    watches_.push_back({std::move(events), std::move(end)});
  }
  // Until `count` watches have begun; their versions.
  std::vector<std::string> WatchVersions(size_t count) {
    absl::MutexLock lock(&mu_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return watch_versions_.size() >= count;
    };
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(60));
    return watch_versions_;
  }
  std::vector<ListOptions> lists() {
    absl::MutexLock lock(&mu_);
    return list_options_;
  }

  absl::StatusOr<Json> List(const Resource&, std::string_view,
                            const ListOptions& options) override {
    absl::MutexLock lock(&mu_);
    list_options_.push_back(options);
    if (lists_.empty()) return api::Unavailable("no more lists");
    absl::StatusOr<Json> list = std::move(lists_.front());
    lists_.pop_front();
    return list;
  }
  absl::Status Watch(const Resource&, std::string_view, const ListOptions& options,
                     const std::function<bool(WatchEvent)>& on_event,
                     const std::function<bool()>& stop) override {
    ScriptedWatch watch;
    {
      absl::MutexLock lock(&mu_);
      watch_versions_.push_back(options.resource_version);
      if (!watches_.empty()) {
        watch = std::move(watches_.front());
        watches_.pop_front();
      }
    }
    for (WatchEvent& event : watch.events) {
      if (!on_event(std::move(event))) return absl::OkStatus();
    }
    if (watch.end) return *watch.end;
    while (!stop()) {
      absl::MutexLock lock(&mu_);
      woken_.WaitWithTimeout(&mu_, absl::Milliseconds(20));
    }
    return absl::CancelledError("stopped");
  }

  absl::StatusOr<Json> Get(const Resource&, std::string_view, std::string_view,
                           std::string_view) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<Json> Create(const Resource&, std::string_view, const Json&, std::string_view,
                              std::string_view) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<Json> Update(const Resource&, const Json&, std::string_view) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<Json> Patch(const Resource&, std::string_view, std::string_view, PatchType,
                             const Json&, std::string_view) override {
    return absl::UnimplementedError("");
  }
  absl::Status Delete(const Resource&, std::string_view, std::string_view, const Json&) override {
    return absl::UnimplementedError("");
  }

 private:
  struct ScriptedWatch {
    Events events;
    std::optional<absl::Status> end;
  };
  absl::Mutex mu_;
  absl::CondVar woken_;
  std::deque<absl::StatusOr<Json>> lists_ ABSL_GUARDED_BY(mu_);
  std::deque<ScriptedWatch> watches_ ABSL_GUARDED_BY(mu_);
  std::vector<ListOptions> list_options_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> watch_versions_ ABSL_GUARDED_BY(mu_);
};

class InformerTest : public testing::Test {
 protected:
  InformerOptions Options() {
    return {.resource = {"", "v1", "pods"},
            .backoff_first = absl::Milliseconds(1),
            .backoff_max = absl::Milliseconds(4)};
  }
  void Start(InformerOptions options) {
    informer_ = std::make_unique<Informer>(&server_, std::move(options));
    informer_->AddIndex("node", [](const Json& pod) {
      return std::vector<std::string>{api::TextAt(pod, "spec.nodeName")};
    });
    informer_->AddHandler(Recorder());
    informer_->Start();
    ASSERT_TRUE(informer_->WaitSynced(absl::Seconds(60)));
  }
  InformerHandler Recorder() {
    return {
        .on_add = [this](const Object& object) { Record("add", object); },
        .on_update = [this](const Object& before,
                            const Object& now) { Record(before == now ? "same" : "update", now); },
        .on_delete = [this](const Object& last) { Record("delete", last); }};
  }
  void Record(const std::string& what, const Object& object) {
    absl::MutexLock lock(&mu_);
    log_.push_back(what + " " + api::NameOf(*object) + " " +
                   api::TextAt(*object, "metadata.resourceVersion"));
  }
  // What handlers heard, once it is as much as that.
  std::vector<std::string> Log(size_t count) {
    absl::MutexLock lock(&mu_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return log_.size() >= count; };
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(60));
    return log_;
  }

  absl::Mutex mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
  FakeServer server_;
  std::unique_ptr<Informer> informer_;
};

TEST_F(InformerTest, PagesOfAListAreOneListFromWhoseVersionTheWatchGoesOn) {
  server_.AnswerList(PodList(7, {Pod("a", 3)}, "next"));
  server_.AnswerList(PodList(7, {Pod("b", 5)}));
  server_.AnswerWatch({{Type::kAdded, Pod("c", 8)},
                       {Type::kModified, Pod("a", 9)},
                       {Type::kDeleted, Pod("b", 10)}});
  Start(Options());
  EXPECT_THAT(Log(5), ElementsAre("add a 3", "add b 5", "add c 8", "update a 9", "delete b 10"));
  EXPECT_THAT(server_.WatchVersions(1), ElementsAre("7"));
  ASSERT_EQ(server_.lists().size(), 2u);
  EXPECT_EQ(server_.lists()[0].resource_version, "0");
  EXPECT_EQ(server_.lists()[1].continue_token, "next");
  EXPECT_EQ(server_.lists()[1].resource_version, "");
  EXPECT_EQ(informer_->size(), 2u);
  EXPECT_EQ(informer_->Get("default", "b"), nullptr);
  EXPECT_EQ(api::Find(*informer_->Get("default", "a"), "metadata.managedFields"), nullptr);
}

TEST_F(InformerTest, BrokenWatchGoesOnFromTheLastBookmarkWithoutAList) {
  server_.AnswerList(PodList(7, {}));
  server_.AnswerWatch(
      {{Type::kAdded, Pod("a", 8)}, {Type::kBookmark, {{"metadata", {{"resourceVersion", "20"}}}}}},
      api::Unavailable("gone"));
  server_.AnswerWatch({}, api::Unavailable("gone again"));
  server_.AnswerWatch({{Type::kAdded, Pod("b", 21)}});
  Start(Options());
  EXPECT_THAT(Log(2), ElementsAre("add a 8", "add b 21"));
  EXPECT_THAT(server_.WatchVersions(3), ElementsAre("7", "20", "20"));
  EXPECT_EQ(server_.lists().size(), 1u);
}

TEST_F(InformerTest, ExpiredWatchListsAnewAndTellsTheDifference) {
  server_.AnswerList(PodList(7, {Pod("a", 1), Pod("b", 2), Pod("c", 3)}));
  server_.AnswerWatch({{Type::kError, api::StatusObject(api::Expired("too old"))}});
  server_.AnswerList(PodList(30, {Pod("b", 2), Pod("c", 25), Pod("d", 26)}));
  Start(Options());
  EXPECT_THAT(Log(7), ElementsAre("add a 1", "add b 2", "add c 3", "delete a 1", "update b 2",
                                  "update c 25", "add d 26"));
  EXPECT_THAT(server_.WatchVersions(2), ElementsAre("7", "30"));
  EXPECT_EQ(server_.lists()[1].resource_version, "");
}

TEST_F(InformerTest, FailedListComesAgainAndAnExpiredPageBecomesAListWithoutPages) {
  server_.AnswerList(api::Unavailable("starting"));
  server_.AnswerList(PodList(7, {Pod("a", 3)}, "next"));
  server_.AnswerList(api::Expired("compacted"));
  server_.AnswerList(PodList(9, {Pod("b", 8)}));
  Start(Options());
  EXPECT_THAT(Log(1), ElementsAre("add b 8"));
  EXPECT_EQ(server_.lists().back().limit, 0);
}

TEST_F(InformerTest, HandlerThatComesLateHearsOfAllThereIs) {
  server_.AnswerList(PodList(7, {Pod("a", 1), Pod("b", 2)}));
  Start(Options());
  ASSERT_EQ(Log(2).size(), 2u);
  informer_->AddHandler(Recorder());
  EXPECT_THAT(Log(4), ElementsAre("add a 1", "add b 2", "add a 1", "add b 2"));
}

TEST_F(InformerTest, ResyncShowsEverythingAgain) {
  server_.AnswerList(PodList(7, {Pod("a", 1)}));
  InformerOptions options = Options();
  options.resync = absl::Milliseconds(1);
  Start(std::move(options));
  EXPECT_EQ(Log(2)[1], "same a 1");
}

TEST_F(InformerTest, IndexFollowsChangesOfWhatItIsOf) {
  server_.AnswerList(PodList(7, {Pod("a", 1, "n1"), Pod("b", 2, "n1"), Pod("c", 3, "n2")}));
  server_.AnswerWatch({{Type::kModified, Pod("a", 8, "n2")}, {Type::kDeleted, Pod("c", 9, "n2")}});
  Start(Options());
  ASSERT_EQ(Log(5).size(), 5u);
  ASSERT_EQ(informer_->ByIndex("node", "n1").size(), 1u);
  EXPECT_EQ(api::NameOf(*informer_->ByIndex("node", "n1")[0]), "b");
  ASSERT_EQ(informer_->ByIndex("node", "n2").size(), 1u);
  EXPECT_EQ(api::NameOf(*informer_->ByIndex("node", "n2")[0]), "a");
  EXPECT_TRUE(informer_->ByIndex("node", "n3").empty());
}

TEST_F(InformerTest, NamespacesThatBeginAlikeAreKeptApart) {
  Json other = Pod("z", 2);
  other["metadata"]["namespace"] = "default-2";
  server_.AnswerList(PodList(7, {std::move(other), Pod("a", 1)}));
  Start(Options());
  EXPECT_EQ(informer_->List("default").size(), 1u);
  EXPECT_EQ(informer_->List("default-2").size(), 1u);
  ASSERT_EQ(informer_->List().size(), 2u);
  EXPECT_EQ(api::NameOf(*informer_->List()[0]), "a");
}

TEST_F(InformerTest, WhatIsTrimmedIsNotKeptAndItemsOfListsGetTheirKind) {
  server_.AnswerList(PodList(7, {Pod("a", 1, "n1")}));
  InformerOptions options = Options();
  options.trim = [](Json& object) { object.erase("spec"); };
  Start(std::move(options));
  EXPECT_EQ(
      *informer_->Get("default", "a"),
      Json({{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", "a"}, {"namespace", "default"}, {"resourceVersion", "1"}}}}));
}

TEST_F(InformerTest, WhatAWatchTellsIsShownWholeAndKeptPacked) {
  server_.AnswerList(PodList(7, {Pod("a", 3, "n1")}));
  server_.AnswerWatch({{Type::kModified, Pod("a", 8, "n2")}, {Type::kDeleted, Pod("a", 9, "n2")}});
  InformerOptions options = Options();
  options.pack = [](const Json& object) {
    return Json{{"metadata", {{"name", "a"}, {"namespace", "default"}, {"packed", object}}}};
  };
  Start(std::move(options));
  // Of what was kept the version is not where it is looked for.
  EXPECT_THAT(Log(3), ElementsAre("add a ", "update a 8", "delete a 9"));
  EXPECT_EQ(informer_->size(), 0u);
}

TEST(InformerStopTest, StopEndsWaitingForAServerThatIsNotThere) {
  FakeServer server;
  Informer informer(&server, {.resource = {"", "v1", "pods"},
                              .backoff_first = absl::Hours(1),
                              .backoff_max = absl::Hours(1)});
  informer.Start();
  informer.Stop();
  EXPECT_FALSE(informer.WaitSynced(absl::Hours(1)));
}

TEST(InformerFactoryTest, AllWhoAskForAResourceShareOneInformer) {
  FakeServer server;
  server.AnswerList(PodList(7, {Pod("a", 1)}));
  server.AnswerList(PodList(7, {}));
  InformerFactory factory(&server);
  EXPECT_EQ(factory.Find({"", "v1", "pods"}), nullptr);
  Informer& pods = factory.For({"", "v1", "pods"});
  EXPECT_EQ(&factory.For({"", "v1", "pods"}), &pods);
  factory.StartAll();
  EXPECT_TRUE(factory.WaitSynced(absl::Seconds(60)));
  EXPECT_EQ(pods.size(), 1u);
  EXPECT_TRUE(factory.For({"", "v1", "nodes"}).WaitSynced(absl::Seconds(60)));
  factory.StopAll();
}

}  // namespace
}  // namespace keelson::runtime
