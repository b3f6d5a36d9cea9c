#include "apiserver/api/kinds/workload.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {

bool CheckWorkloadSelector(const Json& spec, std::string_view noun, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.selector";
  const Json* selector = Find(spec, "selector");
  if (selector == nullptr) {
    errors.Required(kPath);
    return true;
  }
  const size_t before = errors.causes().size();
  ValidateLabelSelector(*selector, kPath, errors);
  const bool well_formed = errors.causes().size() == before;
  if (LabelSelector::FromObject(*selector).everything()) {
    errors.Invalid(kPath, *selector, Concat("empty selector is invalid for ", noun));
  }
  return well_formed;
}

void CheckSelectorMatchesTemplate(const Json& spec, std::string_view path, FieldErrors& errors) {
  const Json& labels = MapAt(spec, "template.metadata.labels");
  if (LabelSelector::FromObject(ValueAt(spec, "selector")).Matches(labels)) return;
  errors.Invalid(Child(path, "template.metadata.labels"), labels,
                 "`selector` does not match template `labels`");
}

void CheckTemplateRunsForever(const Json& spec, std::string_view noun, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.template.spec";
  const std::string& policy = TextAt(spec, "template.spec.restartPolicy");
  if (policy != "Always") {
    errors.NotSupported(Child(kPath, "restartPolicy"), policy, {"Always"});
  }
  if (Find(spec, "template.spec.activeDeadlineSeconds") != nullptr) {
    errors.Forbidden(Child(kPath, "activeDeadlineSeconds"),
                     Concat("activeDeadlineSeconds in ", noun, " is not Supported"));
  }
}

void ValidateReplicatedTemplate(const Json& spec, FieldErrors& errors) {
  if (!CheckWorkloadSelector(spec, "deployment", errors)) {
    return errors.Invalid("spec.selector", MapAt(spec, "selector"), "invalid label selector");
  }
  CheckSelectorMatchesTemplate(spec, "spec", errors);
  ValidatePodTemplate(MapAt(spec, "template"), "spec.template", errors);
  CheckTemplateRunsForever(spec, "ReplicaSet", errors);
}

void CheckCountsAtMost(const Json& status, std::initializer_list<std::string_view> counts,
                       std::string_view limit, std::string_view why, FieldErrors& errors) {
  for (std::string_view name : counts) {
    const int64_t count = NumberAt(status, name);
    if (count > NumberAt(status, limit)) errors.Invalid(Child("status", name), count, why);
  }
}

void CheckReplicaCounts(const Json& status, FieldErrors& errors) {
  CheckCountsAtMost(status, {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"},
                    "replicas", "cannot be greater than status.replicas", errors);
  CheckCountsAtMost(status, {"availableReplicas"}, "readyReplicas",
                    "cannot be greater than readyReplicas", errors);
}

std::vector<Column> WithTemplateColumns(std::vector<Column> columns) {
  columns.push_back({"Containers", "string", "", "Names of the containers that the pods run.", 1});
  columns.push_back({"Images", "string", "", "Images that these containers run.", 1});
  columns.push_back({"Selector", "string", "", "Which pods belong to it.", 1});
  return columns;
}

void PrintTemplate(const Json& spec, std::vector<Json>* cells) {
  const Json& containers = ArrayAt(spec, "template.spec.containers");
  cells->push_back(FieldCell(containers, "name"));
  cells->push_back(FieldCell(containers, "image"));
  cells->push_back(SelectorCell(ValueAt(spec, "selector")));
}

Subresource StatusSubresource() { return {.name = "status", .verbs = {"get", "patch", "update"}}; }

Subresource ScaleSubresource() {
  return {.name = "scale",
          .verbs = {"get", "patch", "update"},
          .group = "autoscaling",
          .version = "v1",
          .kind = "Scale"};
}

}  // namespace keelson::api
