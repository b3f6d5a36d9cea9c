// DaemonSet.
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

// How often the template was changed. Clients of old API versions read it.
constexpr const char* kTemplateGeneration = "deprecated.daemonset.template.generation";

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  Json& strategy = Make(spec, "updateStrategy");
  if (TextAt(strategy, "type").empty()) Make(strategy, "type") = "RollingUpdate";
  if (TextAt(strategy, "type") == "RollingUpdate") {
    SetDefault(strategy, "rollingUpdate.maxUnavailable", 1);
    SetDefault(strategy, "rollingUpdate.maxSurge", 0);
  }
  SetDefault(spec, "revisionHistoryLimit", 10);
  SetPodTemplateDefaults(Make(spec, "template"));
}

int64_t TemplateGeneration(const Json& object) {
  const Json* text = Member(AnnotationsOf(object), kTemplateGeneration);
  int64_t generation = 0;
  const bool known = text != nullptr && text->is_string() &&
                     absl::SimpleAtoi(text->get_ref<const std::string&>(), &generation);
  return known && generation > 0 ? generation : 1;
}

void SetTemplateGeneration(Json& object, int64_t generation) {
  MapIn(object, "metadata.annotations")[kTemplateGeneration] = std::to_string(generation);
}

void PrepareCreate(Json& object) { SetTemplateGeneration(object, TemplateGeneration(object)); }

void PrepareUpdate(Json& object, const Json& old) {
  const bool changed = !MeansTheSame(Find(object, "spec.template"), Find(old, "spec.template"));
  SetTemplateGeneration(object, TemplateGeneration(old) + (changed ? 1 : 0));
}

void ValidateStrategy(const Json& strategy, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.updateStrategy";
  constexpr std::string_view kUnavailablePath = "spec.updateStrategy.rollingUpdate.maxUnavailable";
  constexpr std::string_view kSurgePath = "spec.updateStrategy.rollingUpdate.maxSurge";
  const std::string& type = TextAt(strategy, "type");
  if (type == "OnDelete") return;
  if (type != "RollingUpdate") {
    return errors.NotSupported(kPath, strategy, {"RollingUpdate", "OnDelete"});
  }
  const Json& unavailable = ValueAt(strategy, "rollingUpdate.maxUnavailable");
  const Json& surge = ValueAt(strategy, "rollingUpdate.maxSurge");
  CheckIntOrPercent(unavailable, kUnavailablePath, errors);
  CheckIntOrPercent(surge, kSurgePath, errors);
  CheckNotOverAllPercent(unavailable, kUnavailablePath, errors);
  CheckNotOverAllPercent(surge, kSurgePath, errors);
  const bool has_unavailable = IntOrPercent(unavailable) != 0;
  const bool has_surge = IntOrPercent(surge) != 0;
  if (has_unavailable && has_surge) {
    errors.Invalid(kSurgePath, surge, "may not be set when maxUnavailable is non-zero");
  } else if (!has_unavailable && !has_surge) {
    errors.Required(kUnavailablePath, "cannot be 0 when maxSurge is 0");
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const Json* selector = Find(spec, "selector");
  const size_t before = errors.causes().size();
  if (selector != nullptr) ValidateLabelSelector(*selector, "spec.selector", errors);
  if (errors.causes().size() == before) CheckSelectorMatchesTemplate(spec, "spec", errors);
  if (selector != nullptr && LabelSelector::FromObject(*selector).everything()) {
    errors.Invalid("spec.selector", *selector, "empty selector is invalid for daemonset");
  }
  ValidatePodTemplate(MapAt(spec, "template"), "spec.template", errors);
  CheckTemplateRunsForever(spec, "DaemonSet", errors);
  CheckNoneNegative(spec, {"minReadySeconds"}, "spec", errors);
  ValidateStrategy(MapAt(spec, "updateStrategy"), errors);
  CheckNoneNegative(spec, {"revisionHistoryLimit"}, "spec", errors);
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec.selector", errors);
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  CheckNoneNegative(MapAt(object, "status"),
                    {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled",
                     "numberReady", "observedGeneration", "updatedNumberScheduled",
                     "numberAvailable", "numberUnavailable", "collisionCount"},
                    "status", errors);
  CheckCollisionCount(object, old, errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  for (std::string_view field : {"desiredNumberScheduled", "currentNumberScheduled", "numberReady",
                                 "updatedNumberScheduled", "numberAvailable"}) {
    cells->push_back(NumberAt(MapAt(object, "status"), field));
  }
  cells->push_back(LabelsCell(MapAt(object, "spec.template.spec.nodeSelector")));
  cells->push_back(AgeCell(object, context));
  PrintTemplate(MapAt(object, "spec"), cells);
}

}  // namespace

const Kind& DaemonSetKind() {
  static const Kind kind = {
      .group = "apps",
      .version = "v1",
      .kind = "DaemonSet",
      .plural = "daemonsets",
      .singular = "daemonset",
      .short_names = {"ds"},
      .categories = {"all"},
      .message = "apps.v1.DaemonSet",
      .storage_prefix = "daemonsets",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatus,
      .columns = WithTemplateColumns({NameColumn(),
                                      {"Desired", "integer"},
                                      {"Current", "integer"},
                                      {"Ready", "integer"},
                                      {"Up-to-date", "integer"},
                                      {"Available", "integer"},
                                      {"Node Selector"},
                                      {"Age"}}),
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
