#include "apiserver/runtime/event_recorder.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/runtime/testing/memory_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::runtime {
namespace {

using api::Json;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

const Resource kEvents{"", "v1", "events"};

class EventRecorderTest : public testing::Test {
 protected:
  Json Pod(const std::string& name) {
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", "ns"}, {"uid", "uid of " + name}}}};
  }
  // "reason: message x count" of all events, once all were sent.
  std::vector<std::string> Sent() {
    recorder_.reset();
    std::vector<std::string> sent;
    for (const Json& event : api_.All(kEvents)) {
      sent.push_back(api::TextAt(event, "reason") + ": " + api::TextAt(event, "message") + " x" +
                     std::to_string(api::NumberAt(event, "count")));
    }
    return sent;
  }
  MemoryApi api_;
  FakeClock clock_;
  std::optional<EventRecorder> recorder_{std::in_place, &api_, &clock_, "tester", "here"};
};

TEST_F(EventRecorderTest, EventSaysWhatHappenedToWhomAndWhoSaysSo) {
  recorder_->Warning(Pod("a"), "BackOff", "no luck", "spec.containers{c}");
  ASSERT_THAT(Sent(), ElementsAre("BackOff: no luck x1"));
  const Json event = api_.All(kEvents)[0];
  EXPECT_EQ(api::NamespaceOf(event), "ns");
  EXPECT_TRUE(api::NameOf(event).starts_with("a."));
  EXPECT_EQ(api::TextAt(event, "type"), "Warning");
  EXPECT_EQ(api::TextAt(event, "involvedObject.kind"), "Pod");
  EXPECT_EQ(api::TextAt(event, "involvedObject.uid"), "uid of a");
  EXPECT_EQ(api::TextAt(event, "involvedObject.fieldPath"), "spec.containers{c}");
  EXPECT_EQ(api::TextAt(event, "source.component"), "tester");
  EXPECT_EQ(api::TextAt(event, "source.host"), "here");
  EXPECT_EQ(api::TextAt(event, "reportingComponent"), "tester");
  EXPECT_FALSE(api::TextAt(event, "firstTimestamp").empty());
}

TEST_F(EventRecorderTest, AlikeOnesAreOneWithACount) {
  for (int i = 0; i < 4; ++i) recorder_->Normal(Pod("a"), "Pulled", "image");
  recorder_->Normal(Pod("b"), "Pulled", "image");
  recorder_->Normal(Pod("a"), "Started", "image");
  EXPECT_THAT(Sent(),
              UnorderedElementsAre("Pulled: image x4", "Pulled: image x1", "Started: image x1"));
}

TEST_F(EventRecorderTest, ManyOfOneReasonAreCombinedFromTheTenthOn) {
  for (int i = 0; i < 12; ++i) recorder_->Normal(Pod("a"), "Created", "pod " + std::to_string(i));
  const std::vector<std::string> sent = Sent();
  EXPECT_EQ(sent.size(), 10u);
  EXPECT_THAT(sent, testing::Contains("Created: (combined from similar events): pod 11 x3"));
}

TEST_F(EventRecorderTest, NoMoreThanABurstAboutOneObjectGetsThrough) {
  for (int i = 0; i < 40; ++i) recorder_->Normal(Pod("a"), "Same", "thing");
  recorder_->Normal(Pod("b"), "Same", "thing");
  EXPECT_THAT(Sent(), UnorderedElementsAre("Same: thing x25", "Same: thing x1"));
}

TEST_F(EventRecorderTest, EventThatIsGoneIsMadeAnew) {
  std::atomic<int> creations = 0;
  api_.SetIntercept([&](std::string_view verb, const Resource&, const Json&) -> absl::Status {
    if (verb == "create") ++creations;
    return verb == "patch" ? api::NotFound({"", "events"}, "x") : absl::OkStatus();
  });
  recorder_->Normal(Pod("a"), "Pulled", "image");
  EXPECT_TRUE(api_.Await([&] { return creations == 1; }));
  recorder_->Normal(Pod("a"), "Pulled", "image");
  EXPECT_TRUE(api_.Await([&] { return creations == 2; }));
}

TEST_F(EventRecorderTest, NamespaceThatIsEndingIsAskedOnceAndOthersGoOn) {
  std::atomic<int> asked = 0;
  api_.SetIntercept([&](std::string_view verb, const Resource&, const Json& event) {
    if (verb != "create" || api::NamespaceOf(event) != "ns") return absl::OkStatus();
    ++asked;
    return api::WithCause(api::Forbidden({"", "events"}, "x", "no more"),
                          {"NamespaceTerminating", "going", "metadata.namespace"});
  });
  Json elsewhere = Pod("z");
  api::Make(elsewhere, "metadata.namespace") = "other";
  // Once the last one is there, all before it have been dealt with.
  const auto tell = [&](const std::string& last) {
    for (int i = 0; i < 50; ++i) recorder_->Warning(Pod(std::to_string(i)), "FailedCreate", "no");
    recorder_->Normal(elsewhere, last, "thing");
    ASSERT_TRUE(api_.Await([&] {
      const std::vector<Json> all = api_.All(kEvents);
      return std::any_of(all.begin(), all.end(), [&last](const Json& event) {
        return api::TextAt(event, "reason") == last;
      });
    }));
  };
  tell("First");
  tell("Second");
  EXPECT_EQ(asked, 1);
  // It may be another one by now.
  clock_.Advance(absl::Seconds(10));
  tell("Third");
  EXPECT_EQ(asked, 2);
}

TEST_F(EventRecorderTest, OtherComponentSharesTheSender) {
  recorder_->As("other")->Normal(Pod("a"), "Pulled", "image");
  ASSERT_THAT(Sent(), ElementsAre("Pulled: image x1"));
  EXPECT_EQ(api::TextAt(api_.All(kEvents)[0], "source.component"), "other");
}

TEST_F(EventRecorderTest, ObjectsWithoutANamespaceHaveTheirEventsInDefault) {
  recorder_->Normal({{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "n"}}}},
                    "NodeReady", "is ready");
  ASSERT_EQ(Sent().size(), 1u);
  EXPECT_EQ(api::NamespaceOf(api_.All(kEvents)[0]), "default");
}

}  // namespace
}  // namespace keelson::runtime
