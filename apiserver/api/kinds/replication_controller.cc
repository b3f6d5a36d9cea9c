// ReplicationController.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

// Its pods are those its template makes, and itself is labelled like them, unless it says
// otherwise.
void SetDefaults(Json& object) {
  SetDefault(object, "spec.replicas", 1);
  if (Find(object, "spec.template") == nullptr) return;
  SetPodTemplateDefaults(Make(object, "spec.template"));
  const Json labels = MapAt(object, "spec.template.metadata.labels");
  if (labels.empty()) return;
  if (MapAt(object, "spec.selector").empty()) Make(object, "spec.selector") = labels;
  if (LabelsOf(object).empty()) Make(object, "metadata.labels") = labels;
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const Json& selector = MapAt(spec, "selector");
  CheckNoneNegative(spec, {"minReadySeconds"}, "spec", errors);
  if (selector.empty()) errors.Required("spec.selector");
  CheckNoneNegative(spec, {"replicas"}, "spec", errors);
  const Json* pod_template = Find(spec, "template");
  if (pod_template == nullptr) return errors.Required("spec.template");
  const Json& labels = LabelsOf(*pod_template);
  if (!LabelSelector::FromMap(selector).Matches(labels)) {
    errors.Invalid("spec.template.metadata.labels", labels,
                   "`selector` does not match template `labels`");
  }
  ValidatePodTemplate(*pod_template, "spec.template", errors);
  const std::string& policy = TextAt(*pod_template, "spec.restartPolicy");
  if (policy != "Always") {
    errors.NotSupported("spec.template.spec.restartPolicy", policy, {"Always"});
  }
  if (Find(*pod_template, "spec.activeDeadlineSeconds") != nullptr) {
    errors.Forbidden("spec.template.spec.activeDeadlineSeconds",
                     "activeDeadlineSeconds in ReplicationController is not Supported");
  }
}

void ValidateStatusUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  CheckNoneNegative(status,
                    {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
                     "observedGeneration"},
                    "status", errors);
  CheckReplicaCounts(status, errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& containers = ArrayAt(object, "spec.template.spec.containers");
  cells->push_back(NameOf(object));
  cells->push_back(NumberAt(object, "spec.replicas"));
  cells->push_back(NumberAt(object, "status.replicas"));
  cells->push_back(NumberAt(object, "status.readyReplicas"));
  cells->push_back(AgeCell(object, context));
  cells->push_back(FieldCell(containers, "name"));
  cells->push_back(FieldCell(containers, "image"));
  cells->push_back(LabelsCell(MapAt(object, "spec.selector")));
}

}  // namespace

const Kind& ReplicationControllerKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "ReplicationController",
      .plural = "replicationcontrollers",
      .singular = "replicationcontroller",
      .short_names = {"rc"},
      .categories = {"all"},
      .message = "core.v1.ReplicationController",
      .storage_prefix = "controllers",
      .subresources = {ScaleSubresource(), StatusSubresource()},
      .scale = ScalePaths{},
      .has_status = true,
      .has_generation = true,
      .default_propagation = Propagation::kOrphan,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_status_update = ValidateStatusUpdate,
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
