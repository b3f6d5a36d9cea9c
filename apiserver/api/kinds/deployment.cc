// Deployment.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
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

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  SetDefault(spec, "replicas", 1);
  SetDefault(spec, "revisionHistoryLimit", 10);
  SetDefault(spec, "progressDeadlineSeconds", 600);
  Json& strategy = Make(spec, "strategy");
  if (TextAt(strategy, "type").empty()) Make(strategy, "type") = "RollingUpdate";
  if (TextAt(strategy, "type") == "RollingUpdate") {
    SetDefault(strategy, "rollingUpdate.maxUnavailable", "25%");
    SetDefault(strategy, "rollingUpdate.maxSurge", "25%");
  }
  SetPodTemplateDefaults(Make(spec, "template"));
}

void ValidateStrategy(const Json& strategy, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.strategy";
  constexpr std::string_view kRollingPath = "spec.strategy.rollingUpdate";
  const std::string& type = TextAt(strategy, "type");
  const Json* rolling = Find(strategy, "rollingUpdate");
  if (type == "Recreate") {
    if (rolling != nullptr) {
      errors.Forbidden(kRollingPath, "may not be specified when strategy `type` is 'Recreate'");
    }
    return;
  }
  if (type != "RollingUpdate") {
    return errors.NotSupported(kPath, strategy, {"Recreate", "RollingUpdate"});
  }
  const Json& unavailable = ValueAt(strategy, "rollingUpdate.maxUnavailable");
  const Json& surge = ValueAt(strategy, "rollingUpdate.maxSurge");
  CheckIntOrPercent(unavailable, Child(kRollingPath, "maxUnavailable"), errors);
  CheckIntOrPercent(surge, Child(kRollingPath, "maxSurge"), errors);
  if (IntOrPercent(unavailable) == 0 && IntOrPercent(surge) == 0) {
    errors.Invalid(Child(kRollingPath, "maxUnavailable"), unavailable,
                   "may not be 0 when `maxSurge` is 0");
  }
  CheckNotOverAllPercent(unavailable, Child(kRollingPath, "maxUnavailable"), errors);
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  CheckNoneNegative(spec, {"replicas"}, "spec", errors);
  ValidateReplicatedTemplate(spec, errors);
  ValidateStrategy(MapAt(spec, "strategy"), errors);
  CheckNoneNegative(spec, {"minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"},
                    "spec", errors);
  if (Find(spec, "progressDeadlineSeconds") == nullptr) return;
  const int64_t deadline = NumberAt(spec, "progressDeadlineSeconds");
  if (deadline <= NumberAt(spec, "minReadySeconds")) {
    errors.Invalid("spec.progressDeadlineSeconds", deadline,
                   "must be greater than minReadySeconds");
  }
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec.selector", errors);
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  CheckNoneNegative(
      status,
      {"observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
       "unavailableReplicas", "terminatingReplicas", "collisionCount"},
      "status", errors);
  CheckCountsAtMost(status, {"updatedReplicas", "readyReplicas", "availableReplicas"}, "replicas",
                    "cannot be greater than status.replicas", errors);
  CheckCountsAtMost(status, {"availableReplicas"}, "readyReplicas",
                    "cannot be greater than readyReplicas", errors);
  CheckCollisionCount(object, old, errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(
      Concat(NumberAt(object, "status.readyReplicas"), "/", NumberAt(object, "spec.replicas")));
  cells->push_back(NumberAt(object, "status.updatedReplicas"));
  cells->push_back(NumberAt(object, "status.availableReplicas"));
  cells->push_back(AgeCell(object, context));
  PrintTemplate(MapAt(object, "spec"), cells);
}

}  // namespace

const Kind& DeploymentKind() {
  static const Kind kind = {
      .group = "apps",
      .version = "v1",
      .kind = "Deployment",
      .plural = "deployments",
      .singular = "deployment",
      .short_names = {"deploy"},
      .categories = {"all"},
      .message = "apps.v1.Deployment",
      .storage_prefix = "deployments",
      .subresources = {ScaleSubresource(), StatusSubresource()},
      .scale = ScalePaths{},
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatus,
      .columns =
          WithTemplateColumns({NameColumn(), {"Ready"}, {"Up-to-date"}, {"Available"}, {"Age"}}),
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
