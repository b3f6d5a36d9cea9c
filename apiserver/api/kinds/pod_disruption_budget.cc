// PodDisruptionBudget.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  if (Find(spec, "minAvailable") != nullptr && Find(spec, "maxUnavailable") != nullptr) {
    errors.Invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
  }
  for (std::string_view field : {"minAvailable", "maxUnavailable"}) {
    const Json* value = Find(spec, field);
    if (value == nullptr) continue;
    CheckIntOrPercent(*value, Child("spec", field), errors);
    CheckNotOverAllPercent(*value, Child("spec", field), errors);
  }
  if (const Json* selector = Find(spec, "selector"); selector != nullptr) {
    ValidateLabelSelector(*selector, "spec.selector", errors);
  }
  CheckOptionalOneOf(Find(spec, "unhealthyPodEvictionPolicy"), {"AlwaysAllow", "IfHealthyBudget"},
                     "spec.unhealthyPodEvictionPolicy", errors);
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  CheckConditions(ArrayAt(status, "conditions"), "status.conditions", errors);
  CheckNoneNegative(status,
                    {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"},
                    "status", errors);
}

Json AmountCell(const Json& spec, std::string_view field) {
  const Json* value = Find(spec, field);
  if (value == nullptr) return "N/A";
  return value->is_string() ? *value : Json(std::to_string(NumberAt(spec, field)));
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(object, "spec");
  cells->push_back(NameOf(object));
  cells->push_back(AmountCell(spec, "minAvailable"));
  cells->push_back(AmountCell(spec, "maxUnavailable"));
  cells->push_back(NumberAt(object, "status.disruptionsAllowed"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& PodDisruptionBudgetKind() {
  static const Kind kind = {
      .group = "policy",
      .version = "v1",
      .kind = "PodDisruptionBudget",
      .plural = "poddisruptionbudgets",
      .singular = "poddisruptionbudget",
      .short_names = {"pdb"},
      .message = "policy.v1.PodDisruptionBudget",
      .storage_prefix = "poddisruptionbudgets",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .has_generation = true,
      .unconditional_update = false,
      .validate = Validate,
      .validate_status_update = ValidateStatus,
      .columns = {NameColumn(),
                  {"Min Available"},
                  {"Max Unavailable"},
                  {"Allowed Disruptions", "integer"},
                  {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
