#include "apiserver/registry/apply_config.h"

#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/registry/managed_fields.h"
#include "gtest/gtest.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Kind;

// One deployment, and those who apply and update it.
class Apply : public testing::Test {
 protected:
  absl::Status TryApply(const std::string& manager, std::string_view config,
                        OnConflict on_conflict = OnConflict::kRefuse,
                        const std::string& subresource = "") {
    WriteOptions options;
    options.field_manager = manager;
    options.subresource = subresource;
    const auto apply = subresource == "scale" ? ApplyScale : ApplyConfig;
    absl::StatusOr<Json> applied = apply(*kind_, now_, Json::parse(config), options, on_conflict);
    if (!applied.ok()) return applied.status();
    now_ = *std::move(applied);
    api::Make(now_, "metadata.uid") = "1";
    return absl::OkStatus();
  }
  void ApplyIt(const std::string& manager, std::string_view config,
               OnConflict on_conflict = OnConflict::kRefuse, const std::string& subresource = "") {
    const absl::Status applied = TryApply(manager, config, on_conflict, subresource);
    ASSERT_TRUE(applied.ok()) << api::StatusObject(applied);
  }
  // An update of one field.
  void Set(const std::string& manager, std::string_view path, const Json& value) {
    Json object = now_;
    api::Make(object, path) = value;
    WriteOptions options;
    options.field_manager = manager;
    ASSERT_TRUE(TrackWrite(*kind_, options, now_, object).ok());
    now_ = std::move(object);
  }
  // {"manager": fields, ...}
  Json Owned() const {
    Json owned = Json::object();
    for (const FieldOwner& owner : OwnersOf(now_)) {
      owned[owner.manager] = Json::parse(owner.fields.ToJson());
    }
    return owned;
  }
  Json At(std::string_view path) const {
    const Json* value = api::Find(now_, path);
    return value == nullptr ? Json() : *value;
  }
  static std::string Message(const absl::Status& status) {
    return api::StatusObject(status)["message"].get<std::string>();
  }

  const Kind* kind_ = api::FindKind("apps/v1", "Deployment");
  Json now_ = Json::object();
};

// A configuration of the deployment, with more of its spec.
std::string Config(const std::string& spec, const std::string& metadata = "") {
  return R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web")" + metadata +
         R"(},"spec":{)" + spec + "}}";
}

TEST_F(Apply, WhoAppliesOwnsWhatHeNames) {
  ApplyIt("one", Config(R"("replicas":2,"template":{"spec":{"containers":[
      {"name":"c","image":"i","ports":[{"containerPort":80}]}]}})",
                        R"(,"labels":{"a":"1"})"));
  EXPECT_EQ(At("spec.replicas"), 2);
  EXPECT_EQ(Owned(), Json::parse(R"({"one":{"f:metadata":{"f:labels":{"f:a":{}}},
      "f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{
        ".":{},"f:image":{},"f:name":{},
        "f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}})"));
  api::UnpackManagedFields(now_);
  EXPECT_EQ(At("metadata.managedFields")[0]["operation"], "Apply");
}

TEST_F(Apply, WhatIsSoAlreadyHasOneOwnerMore) {
  ApplyIt("one", Config(R"("replicas":2)"));
  ApplyIt("two", Config(R"("replicas":2)"));
  EXPECT_EQ(Owned().size(), 2u);
  EXPECT_EQ(Owned()["one"], Owned()["two"]);
}

TEST_F(Apply, WhatHeNamesNoMoreGoesUnlessOthersOwnIt) {
  ApplyIt("one", Config(R"("replicas":2,"paused":true,"minReadySeconds":5)",
                        R"(,"labels":{"a":"1","b":"2"})"));
  ApplyIt("two", Config(R"("paused":true)", R"(,"labels":{"b":"2"})"));
  Set("three", "spec.minReadySeconds", 9);
  ApplyIt("one", Config(""));
  EXPECT_EQ(At("spec.replicas"), Json());
  EXPECT_EQ(At("spec.paused"), true);
  EXPECT_EQ(At("spec.minReadySeconds"), 9);
  EXPECT_EQ(At("metadata.labels"), Json::parse(R"({"b":"2"})"));
  EXPECT_FALSE(Owned().contains("one") && Owned()["one"].contains("f:metadata"));
}

TEST_F(Apply, ItemsOfListsGoWholeUnlessOthersOwnThem) {
  ApplyIt("one", Config(R"("template":{"spec":{"containers":[{"name":"a","image":"i"},
      {"name":"b","image":"i"},{"name":"d","image":"i"}]}})"));
  ApplyIt("two", Config(R"("template":{"spec":{"containers":[{"name":"a","tty":true}]}})"));
  Json containers = At("spec.template.spec.containers");
  containers[1]["tty"] = true;  // a field of the item, not the item
  Set("three", "spec.template.spec.containers", containers);
  ApplyIt("one", Config(R"("template":{"spec":{"containers":[{"name":"c","image":"i"}]}})"));
  EXPECT_EQ(At("spec.template.spec.containers"),
            Json::parse(R"([{"name":"a","resources":{},"tty":true},
                            {"name":"c","image":"i","resources":{}}])"));
}

TEST_F(Apply, AChangeOfWhatOthersOwnIsAConflict) {
  ApplyIt("one", Config(R"("replicas":2)"));
  const absl::Status refused = TryApply("two", Config(R"("replicas":3,"paused":true)"));
  EXPECT_TRUE(api::IsConflict(refused));
  EXPECT_EQ(api::StatusObject(refused), Json::parse(R"({"apiVersion":"v1","kind":"Status",
      "metadata":{},"status":"Failure","code":409,"reason":"Conflict",
      "message":"Apply failed with 1 conflict: conflict with \"one\": .spec.replicas",
      "details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"one\"",
                            "field":".spec.replicas"}]}})"));
  EXPECT_EQ(At("spec.replicas"), 2);
}

TEST_F(Apply, ConflictsAreToldByTheirOwners) {
  ApplyIt("one", Config(R"("replicas":2,"paused":true)"));
  Set("two", "spec.minReadySeconds", 1);
  WriteOptions options;
  options.field_manager = "three";
  options.subresource = "scale";
  Json scaled = now_;
  api::Make(scaled, "spec.replicas") = 4;
  ASSERT_TRUE(TrackWrite(*kind_, options, now_, scaled).ok());
  now_ = scaled;
  const absl::Status refused = TryApply(
      "four",
      Config(R"("replicas":3,"paused":false,"minReadySeconds":2,"revisionHistoryLimit":1)"));
  EXPECT_EQ(Message(refused),
            "Apply failed with 3 conflicts: conflicts with \"one\":\n- .spec.paused\n"
            "conflicts with \"three\" with subresource \"scale\" using apps/v1:\n"
            "- .spec.replicas\n"
            "conflicts with \"two\" using apps/v1:\n- .spec.minReadySeconds");
  EXPECT_EQ(api::StatusObject(refused)["details"]["causes"].size(), 3u);
}

TEST_F(Apply, WhoForcesItTakesIt) {
  ApplyIt("one", Config(R"("replicas":2,"paused":true)"));
  ApplyIt("two", Config(R"("replicas":3)"), OnConflict::kForce);
  EXPECT_EQ(At("spec.replicas"), 3);
  EXPECT_EQ(Owned(), Json::parse(R"({"one":{"f:spec":{"f:paused":{}}},
                                     "two":{"f:spec":{"f:replicas":{}}}})"));
}

TEST_F(Apply, QuantitiesThatAreWrittenOtherwiseAreTheSame) {
  const auto with_cpu = [](const std::string& cpu) {
    return Config(R"("template":{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":)" +
                  cpu + "}}}]}}");
  };
  ApplyIt("one", with_cpu(R"("0.5")"));
  EXPECT_EQ(At("spec.template.spec.containers")[0]["resources"]["limits"]["cpu"], "500m");
  ApplyIt("two", with_cpu(R"("500m")"));
  EXPECT_EQ(Owned().size(), 2u);
}

TEST_F(Apply, WhatWasThereBeforeOwnersWereKeptIsSomebodys) {
  now_ = Json::parse(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web",
      "uid":"1"},"spec":{"replicas":2,"selector":{},"strategy":{},"template":{"metadata":{},
      "spec":{}}},"status":{"replicas":1}})");
  EXPECT_EQ(Message(TryApply("one", Config(R"("replicas":3)"))),
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: "
            ".spec.replicas");
  ApplyIt("one", Config(R"("replicas":2)"));
  EXPECT_EQ(Owned(), Json::parse(R"({"one":{"f:spec":{"f:replicas":{}}},
                                     "before-first-apply":{"f:spec":{"f:replicas":{}}}})"));
}

TEST_F(Apply, KubectlMayChangeWhatItAppliedBefore) {
  const std::string last = R"(,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":
      "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":2}}"})";
  Json created = Json::parse(Config(R"("replicas":2,"paused":true)", last));
  WriteOptions options;
  options.field_manager = "kubectl-client-side-apply";
  ASSERT_TRUE(TrackWrite(*kind_, options, {}, created).ok() ||
              TrackWrite(*kind_, options, Json::object(), created).ok());
  now_ = created;
  EXPECT_TRUE(api::IsConflict(TryApply("other", Config(R"("replicas":3)"))));
  // What it did not apply it may not.
  EXPECT_EQ(Message(TryApply("kubectl", Config(R"("replicas":3,"paused":false)"))),
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
            "apps/v1: .spec.paused");
  ApplyIt("kubectl", Config(R"("replicas":3)"));
  EXPECT_EQ(At("spec.replicas"), 3);
  EXPECT_EQ(At("metadata.annotations")["kubectl.kubernetes.io/last-applied-configuration"],
            Json::parse(Config(R"("replicas":3)")).dump() + "\n");
}

TEST_F(Apply, StatusAndTheRestAreAppliedApart) {
  ApplyIt("one", R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},
                     "spec":{"replicas":1},"status":{"replicas":5}})");
  EXPECT_EQ(Owned(), Json::parse(R"({"one":{"f:spec":{"f:replicas":{}}}})"));
  ApplyIt("two", R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web",
                     "labels":{"a":"b"}},"spec":{"replicas":7},"status":{"replicas":5}})",
          OnConflict::kRefuse, "status");
  EXPECT_EQ(At("spec.replicas"), 1);
  EXPECT_EQ(At("status.replicas"), 5);
  EXPECT_EQ(Owned()["two"], Json::parse(R"({"f:status":{"f:replicas":{}}})"));
}

TEST_F(Apply, AScaleIsAppliedToTheReplicas) {
  const auto scale = [](const std::string& replicas) {
    return R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web"},
               "spec":{"replicas":)" +
           replicas + "}}";
  };
  ApplyIt("one", Config(R"("replicas":2,"paused":true)"));
  EXPECT_EQ(Message(TryApply("two", scale("3"), OnConflict::kRefuse, "scale")),
            "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas");
  ApplyIt("two", scale("3"), OnConflict::kForce, "scale");
  EXPECT_EQ(At("spec.replicas"), 3);
  EXPECT_EQ(OwnersOf(now_)[1].subresource, "scale");
  EXPECT_EQ(OwnersOf(now_)[1].api_version, "apps/v1");
  EXPECT_EQ(Owned()["one"], Json::parse(R"({"f:spec":{"f:paused":{}}})"));
  EXPECT_EQ(Message(TryApply("two", Config(""), OnConflict::kForce, "scale")),
            "invalid object type: apps/v1, Kind=Deployment");
}

TEST_F(Apply, OnlyConfigurationsOfTheKindAreTaken) {
  EXPECT_EQ(Message(TryApply("one", R"({"apiVersion":"v1","kind":"Pod"})")),
            "invalid object type: /v1, Kind=Pod");
  EXPECT_EQ(Message(TryApply("one", "{}")), "invalid object type: /, Kind=");
  EXPECT_EQ(Message(TryApply("one", Config("", R"(,"managedFields":[])"))),
            "metadata.managedFields must be nil");
  EXPECT_EQ(Message(TryApply("one", Config(R"("replica":1)", R"(,"namespace":"default")"))),
            "failed to create typed patch object (default/web; apps/v1, "
            "Kind=Deployment): .spec.replica: field not declared in schema");
}

TEST_F(Apply, OneVersionsFieldsOutliveAnotherVersionsConfiguration) {
  kind_ = api::FindKind("autoscaling/v2", "HorizontalPodAutoscaler");
  const auto config = [](const std::string& version, const std::string& more) {
    return R"({"apiVersion":"autoscaling/)" + version + R"(","kind":"HorizontalPodAutoscaler",
        "metadata":{"name":"h"},"spec":{"maxReplicas":5,"scaleTargetRef":{"kind":"K","name":"n"})" +
           more + "}}";
  };
  const std::string metrics = R"(,"metrics":[{"type":"Resource","resource":{"name":"cpu",
      "target":{"type":"Utilization","averageUtilization":50}}}])";
  ApplyIt("one", config("v2", metrics));
  ApplyIt("two", config("v2", metrics));
  const Kind* v2 = kind_;
  kind_ = api::FindKind("autoscaling/v1", "HorizontalPodAutoscaler");
  now_ = kind_->from_stored(now_);
  // One names them no more, in the other version; the other one still does.
  ApplyIt("one", config("v1", ""));
  EXPECT_EQ(At("spec.targetCPUUtilizationPercentage"), 50);
  now_ = ToVersion(*kind_, *v2, now_);
  kind_ = v2;
  ApplyIt("two", config("v2", ""));
  EXPECT_EQ(At("spec.metrics"), Json());
}

}  // namespace
}  // namespace keelson::registry
