// ReplicaSet.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void SetDefaults(Json& object) {
  SetDefault(object, "spec.replicas", 1);
  SetPodTemplateDefaults(Make(object, "spec.template"));
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  CheckNoneNegative(spec, {"replicas", "minReadySeconds"}, "spec", errors);
  ValidateReplicatedTemplate(spec, errors);
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec.selector", errors);
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  CheckNoneNegative(status,
                    {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
                     "observedGeneration", "terminatingReplicas"},
                    "status", errors);
  CheckReplicaCounts(status, errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(NumberAt(object, "spec.replicas"));
  cells->push_back(NumberAt(object, "status.replicas"));
  cells->push_back(NumberAt(object, "status.readyReplicas"));
  cells->push_back(AgeCell(object, context));
  PrintTemplate(MapAt(object, "spec"), cells);
}

}  // namespace

const Kind& ReplicaSetKind() {
  static const Kind kind = {
      .group = "apps",
      .version = "v1",
      .kind = "ReplicaSet",
      .plural = "replicasets",
      .singular = "replicaset",
      .short_names = {"rs"},
      .categories = {"all"},
      .message = "apps.v1.ReplicaSet",
      .storage_prefix = "replicasets",
      .subresources = {ScaleSubresource(), StatusSubresource()},
      .scale = ScalePaths{},
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatus,
      .columns = WithTemplateColumns({NameColumn(),
                                      {"Desired", "integer"},
                                      {"Current", "integer"},
                                      {"Ready", "integer"},
                                      {"Age"}}),
      .print = Print,
      .field_labels = {{"status.replicas", "status.replicas", "0"}},
  };
  return kind;
}

}  // namespace keelson::api
