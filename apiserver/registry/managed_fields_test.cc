#include "apiserver/registry/managed_fields.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/registry/stored_text.h"
#include "gtest/gtest.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Kind;

const Kind& Deployments() { return *api::FindKind("apps/v1", "Deployment"); }
const Kind& Autoscalers(const std::string& version) {
  return *api::FindKind("autoscaling/" + version, "HorizontalPodAutoscaler");
}

// One object, and those who write it one after the other.
class ManagedFields : public testing::Test {
 protected:
  void Write(const std::string& manager, Json object, const std::string& subresource = "") {
    ASSERT_EQ(TryWrite(manager, std::move(object), subresource), absl::OkStatus());
  }
  absl::Status TryWrite(const std::string& manager, Json object,
                        const std::string& subresource = "") {
    WriteOptions options;
    options.field_manager = manager;
    options.subresource = subresource;
    options.version = version_;
    const absl::Status tracked = TrackWrite(*kind_, options, now_, object);
    if (tracked.ok()) now_ = std::move(object);
    return tracked;
  }
  // The newest object with one field set, as clients read it, but without who owns what.
  Json With(std::string_view path, const Json& value) const {
    Json object = now_;
    api::Erase(object, "metadata.managedFields");
    api::Make(object, path) = value;
    return object;
  }
  // As clients read it.
  Json Managed() const {
    Json object = now_;
    api::UnpackManagedFields(object);
    return api::ArrayAt(object, "metadata.managedFields");
  }
  // {"manager": fields, ...}
  Json Owned() const {
    Json owned = Json::object();
    const Json managed = Managed();
    for (const Json& entry : managed) owned[api::TextAt(entry, "manager")] = entry["fieldsV1"];
    return owned;
  }

  const Kind* kind_ = &Deployments();
  const Kind* version_ = nullptr;
  Json now_ = Json::object();
};

Json Deployment() {
  return Json::parse(R"({"apiVersion":"apps/v1","kind":"Deployment",
      "metadata":{"name":"web","namespace":"default","uid":"1","labels":{"a":"1"}},
      "spec":{"replicas":2,"paused":true},"status":{}})");
}

TEST_F(ManagedFields, WhoCreatesOwnsWhatHeNamed) {
  Write("kubectl-create", Deployment());
  ASSERT_EQ(Managed().size(), 1u);
  Json entry = Managed()[0];
  EXPECT_FALSE(api::TextAt(entry, "time").empty());
  entry.erase("time");
  EXPECT_EQ(entry, Json::parse(R"({"apiVersion":"apps/v1","fieldsType":"FieldsV1",
      "fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},
                  "f:spec":{"f:paused":{},"f:replicas":{}}},
      "manager":"kubectl-create","operation":"Update"})"));
}

TEST_F(ManagedFields, WhatAnUpdateChangesChangesHands) {
  Write("one", Deployment());
  Write("two", With("spec.replicas", 3));
  EXPECT_EQ(Owned(), Json::parse(R"({
      "one":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:paused":{}}},
      "two":{"f:spec":{"f:replicas":{}}}})"));
  // To what it was: whoever wrote last has it, and whoever has nothing left is no more there.
  Write("one", With("spec.replicas", 2));
  EXPECT_EQ(Owned().size(), 1u);
  EXPECT_TRUE(Owned()["one"]["f:spec"].contains("f:replicas"));
}

TEST_F(ManagedFields, WhatAnUpdateRemovesHasNoOwner) {
  Write("one", Deployment());
  Json object = With("spec.replicas", 2);
  api::Erase(object, "metadata.labels");
  Write("two", object);
  EXPECT_EQ(Owned(), Json::parse(R"({"one":{"f:spec":{"f:paused":{},"f:replicas":{}}}})"));
}

TEST_F(ManagedFields, AnUpdateThatChangesNothingLeavesAllAsItIs) {
  Write("one", Deployment());
  const Json before = now_;
  Write("two", With("spec.replicas", 2));
  EXPECT_EQ(now_, before);
  Write("one", With("spec.replicas", 2));
  EXPECT_EQ(now_, before);
}

TEST_F(ManagedFields, SubresourcesHaveEntriesOfTheirOwn) {
  Write("one", Deployment());
  Write("one", With("status.replicas", 1), "status");
  Write("one", With("spec.replicas", 7), "scale");
  ASSERT_EQ(Managed().size(), 3u);
  const Json entries = Managed();
  for (const Json& entry : entries) {
    const std::string& through = api::TextAt(entry, "subresource");
    EXPECT_EQ(entry["fieldsV1"].contains("f:status"), through == "status");
    EXPECT_EQ(
        entry["fieldsV1"].contains("f:spec") && entry["fieldsV1"]["f:spec"].contains("f:replicas"),
        through == "scale");
  }
}

TEST_F(ManagedFields, StatusIsNoneOfTheObjectsOwnWrites) {
  Json object = Deployment();
  api::Make(object, "status.replicas") = 9;
  Write("one", object);
  EXPECT_FALSE(Owned()["one"].contains("f:status"));
}

TEST_F(ManagedFields, OldUpdatersBecomeOne) {
  Write("creator", Deployment());
  for (int i = 0; i < 12; ++i) {
    Json next = With("metadata.labels.a", "1");
    api::Make(next, "metadata.annotations")["k" + std::to_string(i)] = "v";
    Write("m" + std::to_string(i), next);
    EXPECT_LE(Managed().size(), 10u);
  }
  EXPECT_EQ(Managed().size(), 10u);
  ASSERT_TRUE(Owned().contains("ancient-changes"));
  size_t owned = 0;
  const Json all = Owned();
  for (const auto& [manager, fields] : all.items()) {
    owned += api::MapAt(fields["f:metadata"], "f:annotations").size();
  }
  EXPECT_EQ(owned, 13u);  // twelve, and the map
}

TEST_F(ManagedFields, AnEmptyEntryTakesThemAllAwayForGood) {
  Write("one", Deployment());
  Write("two", With("metadata.managedFields", Json::array({Json::object()})));
  EXPECT_TRUE(Managed().empty());
  Write("two", With("spec.replicas", 5));
  EXPECT_TRUE(Managed().empty());
}

TEST_F(ManagedFields, AClientMaySayWhoOwnsWhat) {
  Write("one", Deployment());
  Json entries = Managed();
  entries[0]["manager"] = "another";
  entries[0]["operation"] = "Apply";
  Write("one", With("metadata.managedFields", entries));
  EXPECT_EQ(Managed(), entries);
  // And change something at the same time.
  Json object = With("spec.replicas", 5);
  api::Make(object, "metadata.managedFields") = entries;
  Write("one", object);
  EXPECT_EQ(Owned()["one"], Json::parse(R"({"f:spec":{"f:replicas":{}}})"));
  EXPECT_FALSE(Owned()["another"]["f:spec"].contains("f:replicas"));
}

TEST_F(ManagedFields, WhatAClientSaysThatIsWrongIsNotHeard) {
  Write("one", Deployment());
  const Json before = Managed();
  for (const char* wrong :
       {R"([{"manager":"x","operation":"Patch","apiVersion":"v1","fieldsType":"FieldsV1"}])",
        R"([{"manager":"x","operation":"Update","fieldsType":"FieldsV1"}])",
        R"([{"manager":"x","operation":"Update","apiVersion":"v1"}])",
        R"([{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1",
             "fieldsV1":{"spec":{}}}])"}) {
    Write("two", With("metadata.managedFields", Json::parse(wrong)));
    EXPECT_EQ(Managed(), before) << wrong;
  }
  // Through a subresource nothing is.
  Write("two", With("metadata.managedFields", Json::array({Json::object()})), "status");
  EXPECT_EQ(Managed(), before);
}

TEST_F(ManagedFields, NamesThatNobodyMayHaveAreRefused) {
  Write("one", Deployment());
  Json entries = Managed();
  entries[0]["manager"] = std::string(129, 'x');
  absl::Status refused = TryWrite("one", With("metadata.managedFields", entries));
  EXPECT_TRUE(api::IsInvalid(refused)) << refused;
  EXPECT_NE(api::StatusObject(refused).dump().find("metadata.managedFields[0].manager: Too long"),
            std::string::npos);
  entries[0]["manager"] = "a\nb";
  refused = TryWrite("one", With("metadata.managedFields", entries));
  EXPECT_NE(api::StatusObject(refused).dump().find("invalid character U+000A (at position 1)"),
            std::string::npos);
}

TEST_F(ManagedFields, WithoutANameNobodyOwnsWhatIsWritten) {
  Write("one", Deployment());
  const Json before = Managed();
  Write("", With("spec.replicas", 9), "binding");
  EXPECT_EQ(Managed(), before);
}

TEST_F(ManagedFields, WhatIsWrongInTheStoreIsNoReasonToFail) {
  for (std::string_view text :
       {"[", "[1]", "{}", R"([{"fieldsV1":7,"manager":[],"time":1}])",
        R"([{"operation":"Update","apiVersion":"apps/v1","fieldsV1":{"":{}}}])"}) {
    now_ = Deployment();
    api::Make(now_, "metadata.managedFields") = api::RawJson(text);
    Write("one", With("spec.replicas", 9));
    EXPECT_TRUE(Owned().contains("one")) << text;
  }
}

TEST_F(ManagedFields, EachVersionOfAKindHasItsOwnFields) {
  kind_ = &Autoscalers("v2");
  const Json in_v1 = Json::parse(R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler",
      "metadata":{"name":"h","namespace":"d","uid":"1"},
      "spec":{"maxReplicas":5,"scaleTargetRef":{"kind":"K","name":"n"},
              "targetCPUUtilizationPercentage":50},"status":{}})");
  version_ = &Autoscalers("v1");
  Write("old", version_->to_stored(in_v1));
  EXPECT_EQ(Managed()[0]["apiVersion"], "autoscaling/v1");
  EXPECT_TRUE(Owned()["old"]["f:spec"].contains("f:targetCPUUtilizationPercentage"));
  // Another version's writer changes what the field of this one stands for.
  version_ = nullptr;
  Json changed = With("spec.maxReplicas", 6);
  changed["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] = 60;
  Write("new", changed);
  EXPECT_FALSE(Owned()["old"]["f:spec"].contains("f:targetCPUUtilizationPercentage"));
  EXPECT_TRUE(Owned()["old"]["f:spec"].contains("f:scaleTargetRef"));
  EXPECT_TRUE(Owned()["new"]["f:spec"].contains("f:metrics"));
  // Of versions that there are not nobody owns anything.
  Json entries = Managed();
  for (Json& entry : entries) entry["apiVersion"] = "autoscaling/v9";
  changed = With("spec.maxReplicas", 7);
  changed["metadata"]["managedFields"] = entries;
  Write("new", changed);
  EXPECT_EQ(Owned(), Json::parse(R"({"new":{"f:spec":{"f:maxReplicas":{}}}})"));
}

TEST_F(ManagedFields, TimesAloneAreNoDifference) {
  Write("one", Deployment());
  Json later = now_;
  std::vector<FieldOwner> owners = OwnersOf(later);
  owners[0].time = "2040-01-01T00:00:00Z";
  SetOwners(owners, &later);
  EXPECT_TRUE(HaveSameOwners(now_, later));
  owners[0].manager = "two";
  SetOwners(owners, &later);
  EXPECT_FALSE(HaveSameOwners(now_, later));
  EXPECT_FALSE(HaveSameOwners(now_, Deployment()));
  EXPECT_TRUE(HaveSameOwners(Deployment(), Deployment()));
}

TEST_F(ManagedFields, TheirTextGoesThroughTheStoreAsItIs) {
  Write("o\"n\\e", Deployment());
  const std::string stored = StoredText(now_);
  const std::optional<Json> read = ReadText(stored);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ((*read)["metadata"]["managedFields"], now_["metadata"]["managedFields"]);
  EXPECT_EQ((*read)["spec"], now_["spec"]);
  // And to clients it is like any other.
  Json plain = now_;
  api::UnpackManagedFields(plain);
  EXPECT_EQ(Json::parse(Dump(Json::array({now_, {{"object", now_}}}))),
            Json::array({plain, {{"object", plain}}}));
  const absl::StatusOr<std::string> served = ServedText(stored, 77);
  ASSERT_TRUE(served.ok());
  api::Make(plain, "metadata.resourceVersion") = "77";
  EXPECT_EQ(Json::parse(*served), plain);
}

TEST_F(ManagedFields, ATextThatIsCutOffIsNoObject) {
  Write("one", Deployment());
  const std::string stored = StoredText(now_);
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(ReadText(std::string_view(stored).substr(0, size)).has_value()) << size;
  }
}

TEST(ManagerNames, AreThoseOfPrograms) {
  EXPECT_EQ(ManagerOfUserAgent("kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0"), "kubectl");
  EXPECT_EQ(ManagerOfUserAgent("my\x01 tool"), "my tool");
  EXPECT_EQ(ManagerOfUserAgent(""), "unknown");
  EXPECT_EQ(ManagerOfUserAgent(std::string(127, 'x') + "éé/1"), std::string(127, 'x'));
}

}  // namespace
}  // namespace keelson::registry
