// StatefulSet.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kMaxUnavailable = "spec.updateStrategy.rollingUpdate.maxUnavailable";

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  DefaultText(spec, "podManagementPolicy", "OrderedReady");
  Json& strategy = Make(spec, "updateStrategy");
  if (TextAt(strategy, "type").empty()) {
    Make(strategy, "type") = "RollingUpdate";
    SetDefault(strategy, "rollingUpdate.partition", 0);
  }
  if (TextAt(strategy, "type") == "RollingUpdate" && Find(strategy, "rollingUpdate") != nullptr) {
    SetDefault(strategy, "rollingUpdate.partition", 0);
  }
  DefaultText(spec, "persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain");
  DefaultText(spec, "persistentVolumeClaimRetentionPolicy.whenScaled", "Retain");
  SetDefault(spec, "replicas", 1);
  SetDefault(spec, "revisionHistoryLimit", 10);
  SetPodTemplateDefaults(Make(spec, "template"));
  for (Json* claim : ElementsAt(spec, "volumeClaimTemplates")) {
    Make(*claim, "apiVersion") = "v1";
    Make(*claim, "kind") = "PersistentVolumeClaim";
    SetDefault(*claim, "spec.volumeMode", "Filesystem");
    DefaultText(*claim, "status.phase", "Pending");
  }
}

// maxUnavailable is not in force (its feature is off), and is dropped unless it was there.
void PrepareCreate(Json& object) { Erase(object, kMaxUnavailable); }

void PrepareUpdate(Json& object, const Json& old) {
  if (Find(old, kMaxUnavailable) == nullptr) Erase(object, kMaxUnavailable);
}

void ValidateStrategy(const Json& strategy, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.updateStrategy";
  constexpr std::string_view kRollingPath = "spec.updateStrategy.rollingUpdate";
  const std::string& type = TextAt(strategy, "type");
  const Json* rolling = Find(strategy, "rollingUpdate");
  if (type == "OnDelete") {
    if (rolling != nullptr) {
      errors.Invalid(kRollingPath, *rolling, "only allowed for updateStrategy 'RollingUpdate'");
    }
  } else if (type != "RollingUpdate") {
    errors.Invalid(kPath, strategy, "must be 'RollingUpdate' or 'OnDelete'");
  } else if (rolling != nullptr) {
    CheckNoneNegative(*rolling, {"partition"}, kRollingPath, errors);
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const std::string& management = TextAt(spec, "podManagementPolicy");
  if (management != "OrderedReady" && management != "Parallel") {
    errors.Invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'");
  }
  ValidateStrategy(MapAt(spec, "updateStrategy"), errors);
  for (std::string_view field : {"whenDeleted", "whenScaled"}) {
    CheckSupported(TextAt(MapAt(spec, "persistentVolumeClaimRetentionPolicy"), field),
                   {"Retain", "Delete"}, Child("spec.persistentVolumeClaimRetentionPolicy", field),
                   errors);
  }
  CheckNoneNegative(spec, {"replicas", "minReadySeconds"}, "spec", errors);
  CheckNoneNegative(MapAt(spec, "ordinals"), {"start"}, "spec.ordinals", errors);
  if (const std::string& service = TextAt(spec, "serviceName"); !service.empty()) {
    CheckName(service, IsLabel, "spec.serviceName", errors);
  }
  if (CheckWorkloadSelector(spec, "statefulset", errors)) {
    CheckSelectorMatchesTemplate(spec, "spec", errors);
    // The pod's volumes may come from volumeClaimTemplates: its spec is checked with the pods.
    ValidateLabels(MapAt(spec, "template.metadata.labels"), "spec.template.labels", errors);
    ValidatePodAnnotations(MapAt(spec, "template.metadata.annotations"),
                           MapAt(spec, "template.spec"), "spec.template.annotations", errors);
  } else {
    errors.Invalid("spec.selector", MapAt(spec, "selector"), "");
  }
  CheckTemplateRunsForever(spec, "StatefulSet", errors);
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  Json now = MapAt(object, "spec");
  Json before = MapAt(old, "spec");
  for (const char* field :
       {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
    now.erase(field);
    before.erase(field);
  }
  if (MeansTheSame(&now, &before)) return;
  errors.Forbidden("spec",
                   "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                   "'template', 'updateStrategy', 'revisionHistoryLimit', "
                   "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  CheckNoneNegative(status,
                    {"replicas", "readyReplicas", "currentReplicas", "updatedReplicas",
                     "availableReplicas", "observedGeneration", "collisionCount"},
                    "status", errors);
  CheckCountsAtMost(status,
                    {"readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"},
                    "replicas", "cannot be greater than status.replicas", errors);
  CheckCountsAtMost(status, {"availableReplicas"}, "readyReplicas",
                    "cannot be greater than status.readyReplicas", errors);
  CheckCollisionCount(object, old, errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(
      Concat(NumberAt(object, "status.readyReplicas"), "/", NumberAt(object, "spec.replicas")));
  cells->push_back(AgeCell(object, context));
  const Json& containers = ArrayAt(object, "spec.template.spec.containers");
  cells->push_back(FieldCell(containers, "name"));
  cells->push_back(FieldCell(containers, "image"));
}

std::vector<Column> Columns() {
  std::vector<Column> columns = WithTemplateColumns({NameColumn(), {"Ready"}, {"Age"}});
  columns.pop_back();  // alone among the workloads, its selector is not shown
  return columns;
}

}  // namespace

const Kind& StatefulSetKind() {
  static const Kind kind = {
      .group = "apps",
      .version = "v1",
      .kind = "StatefulSet",
      .plural = "statefulsets",
      .singular = "statefulset",
      .short_names = {"sts"},
      .categories = {"all"},
      .message = "apps.v1.StatefulSet",
      .storage_prefix = "statefulsets",
      .subresources = {ScaleSubresource(), StatusSubresource()},
      .scale = ScalePaths{},
      .name_rule = NameRule::kLabel,
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatus,
      .columns = Columns(),
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
