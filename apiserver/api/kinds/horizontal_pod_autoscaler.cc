// HorizontalPodAutoscaler of autoscaling/v2, the version that is stored.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kStabilizationSecondsMax = 3600;
constexpr int64_t kPeriodSecondsMax = 1800;
constexpr size_t kMetricsShown = 2;

// The types of metrics, and the member that describes each.
struct Source {
  std::string_view type;
  std::string_view member;
};
constexpr Source kSources[] = {{"Object", "object"},
                               {"External", "external"},
                               {"Pods", "pods"},
                               {"Resource", "resource"},
                               {"ContainerResource", "containerResource"}};

std::string_view MemberOf(std::string_view type) {
  for (const Source& source : kSources) {
    if (source.type == type) return source.member;
  }
  return {};
}

Json PolicyOf(std::string_view type, int64_t value) {
  return {{"type", type}, {"value", value}, {"periodSeconds", 15}};
}

// "replicas may be four more, or twice as many, within 15 seconds", and as many fewer as wanted.
void SetBehaviorDefaults(Json& behavior) {
  SetDefault(behavior, "scaleUp.stabilizationWindowSeconds", 0);
  SetDefault(behavior, "scaleUp.selectPolicy", "Max");
  SetDefault(behavior, "scaleUp.policies",
             Json::array({PolicyOf("Pods", 4), PolicyOf("Percent", 100)}));
  SetDefault(behavior, "scaleDown.selectPolicy", "Max");
  SetDefault(behavior, "scaleDown.policies", Json::array({PolicyOf("Percent", 100)}));
  // Its feature is off.
  Erase(behavior, "scaleUp.tolerance");
  Erase(behavior, "scaleDown.tolerance");
}

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  SetDefault(spec, "minReplicas", 1);
  if (ArrayAt(spec, "metrics").empty()) {
    Make(spec, "metrics") = Json::array(
        {{{"type", "Resource"},
          {"resource",
           {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", 80}}}}}}});
  }
  if (Json* behavior = Find(spec, "behavior"); behavior != nullptr) SetBehaviorDefaults(*behavior);
}

void ValidateReference(const Json& reference, std::string_view path, FieldErrors& errors) {
  for (std::string_view field : {"kind", "name"}) {
    const std::string& text = TextAt(reference, field);
    if (text.empty()) {
      errors.Required(Child(path, field));
    } else {
      CheckPathSegment(text, Child(path, field), errors);
    }
  }
}

void ValidateTarget(const Json& target, std::string_view path, FieldErrors& errors) {
  const std::string& type = TextAt(target, "type");
  if (type.empty()) errors.Required(Child(path, "type"), "must specify a metric target type");
  if (type != "Utilization" && type != "Value" && type != "AverageValue") {
    errors.Invalid(Child(path, "type"), type, "must be either Utilization, Value, or AverageValue");
  }
  for (std::string_view field : {"value", "averageValue"}) {
    const Json* value = Find(target, field);
    if (value == nullptr) continue;
    const Quantity quantity = Quantity::Of(*value);
    if (quantity.IsZero() || quantity.IsNegative()) {
      errors.Invalid(Child(path, field), *value, "must be positive");
    }
  }
  if (Find(target, "averageUtilization") != nullptr && NumberAt(target, "averageUtilization") < 1) {
    errors.Invalid(Child(path, "averageUtilization"), NumberAt(target, "averageUtilization"),
                   "must be greater than 0");
  }
}

void ValidateMetricName(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string at = Child(path, "metric.name");
  const std::string& name = TextAt(source, "metric.name");
  if (name.empty()) {
    errors.Required(at, "must specify a metric name");
  } else {
    CheckPathSegment(name, at, errors);
  }
}

// Metrics of a thing, or from outside: a value for all, or one for each pod.
void ValidateValueSource(const Json& source, bool external, std::string_view path,
                         FieldErrors& errors) {
  if (!external) {
    ValidateReference(MapAt(source, "describedObject"), Child(path, "describedObject"), errors);
  }
  ValidateMetricName(source, path, errors);
  ValidateTarget(MapAt(source, "target"), Child(path, "target"), errors);
  const bool has_value = Find(source, "target.value") != nullptr;
  const bool has_average = Find(source, "target.averageValue") != nullptr;
  if (!has_value && !has_average) {
    errors.Required(Child(path, "target.averageValue"),
                    external ? "must set either a target value for metric or a per-pod target"
                             : "must set either a target value or averageValue");
  }
  if (external && has_value && has_average) {
    errors.Forbidden(Child(path, "target.value"),
                     "may not set both a target value for metric and a per-pod target");
  }
}

void ValidatePodsSource(const Json& source, std::string_view path, FieldErrors& errors) {
  ValidateMetricName(source, path, errors);
  ValidateTarget(MapAt(source, "target"), Child(path, "target"), errors);
  if (Find(source, "target.averageValue") == nullptr) {
    errors.Required(Child(path, "target.averageValue"),
                    "must specify a positive target averageValue");
  }
}

// Metrics of a resource the pods use, or one container of theirs.
void ValidateResourceSource(const Json& source, bool of_container, std::string_view path,
                            FieldErrors& errors) {
  const std::string& name = TextAt(source, "name");
  if (name.empty()) errors.Required(Child(path, "name"), "must specify a resource name");
  if (of_container) {
    if (!name.empty()) ValidateContainerResourceName(name, Child(path, "name"), errors);
    const std::string& container = TextAt(source, "container");
    if (container.empty()) {
      errors.Required(Child(path, "container"), "must specify a container");
    } else {
      CheckName(container, IsLabel, Child(path, "container"), errors);
    }
  }
  ValidateTarget(MapAt(source, "target"), Child(path, "target"), errors);
  const bool has_value = Find(source, "target.averageValue") != nullptr;
  const bool has_utilization = Find(source, "target.averageUtilization") != nullptr;
  if (!has_value && !has_utilization) {
    errors.Required(Child(path, "target.averageUtilization"),
                    "must set either a target raw value or a target utilization");
  }
  if (has_value && has_utilization) {
    errors.Forbidden(Child(path, "target.averageValue"),
                     "may not set both a target raw value and a target utilization");
  }
}

void ValidateSource(const Json& source, std::string_view member, std::string_view path,
                    FieldErrors& errors) {
  if (member == "pods") {
    ValidatePodsSource(source, path, errors);
  } else if (member == "object" || member == "external") {
    ValidateValueSource(source, member == "external", path, errors);
  } else {
    ValidateResourceSource(source, member == "containerResource", path, errors);
  }
}

void ValidateMetric(const Json& metric, std::string_view path, FieldErrors& errors) {
  const std::string& type = TextAt(metric, "type");
  const std::string_view expected = MemberOf(type);
  if (type.empty()) errors.Required(Child(path, "type"), "must specify a metric source type");
  if (expected.empty()) {
    errors.NotSupported(Child(path, "type"), type,
                        {"ContainerResource", "External", "Object", "Pods", "Resource"});
  }
  std::vector<std::string_view> present;
  for (const Source& source : kSources) {
    const Json* found = Find(metric, source.member);
    if (found == nullptr) continue;
    present.push_back(source.member);
    if (present.size() == 1) {
      ValidateSource(*found, source.member, Child(path, source.member), errors);
    }
  }
  if (!expected.empty() && Find(metric, expected) == nullptr) {
    errors.Required(Child(path, expected), "must populate information for the given metric source");
  }
  if (present.size() == 1) return;
  for (std::string_view member : present) {
    if (member != expected) {
      errors.Forbidden(Child(path, member), "must populate the given metric source only");
    }
  }
}

void ValidateRules(const Json& rules, std::string_view path, FieldErrors& errors) {
  const std::string window_path = Child(path, "stabilizationWindowSeconds");
  const int64_t window = NumberAt(rules, "stabilizationWindowSeconds");
  if (window < 0) {
    errors.Invalid(window_path, window, "must be greater than or equal to zero");
  }
  if (window > kStabilizationSecondsMax) {
    errors.Invalid(window_path, window,
                   Concat("must be less than or equal to ", kStabilizationSecondsMax));
  }
  CheckOptionalOneOf(Find(rules, "selectPolicy"), {"Disabled", "Max", "Min"},
                     Child(path, "selectPolicy"), errors);
  const Json& policies = ArrayAt(rules, "policies");
  if (policies.empty()) {
    errors.Required(Child(path, "policies"), "must specify at least one Policy");
  }
  for (size_t i = 0; i < policies.size(); ++i) {
    const std::string at = Index(Child(path, "policies"), i);
    CheckSupported(TextAt(policies[i], "type"), {"Percent", "Pods"}, Child(at, "type"), errors);
    CheckPositive(NumberAt(policies[i], "value"), Child(at, "value"), errors);
    const int64_t period = NumberAt(policies[i], "periodSeconds");
    CheckPositive(period, Child(at, "periodSeconds"), errors);
    if (period > kPeriodSecondsMax) {
      errors.Invalid(Child(at, "periodSeconds"), period,
                     Concat("must be less than or equal to ", kPeriodSecondsMax));
    }
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const int64_t least = NumberAt(spec, "minReplicas");
  const int64_t most = NumberAt(spec, "maxReplicas");
  if (least < 1) {
    errors.Invalid("spec.minReplicas", least, "must be greater than or equal to 1");
  }
  if (most < 1) errors.Invalid("spec.maxReplicas", most, "must be greater than 0");
  if (most < least) {
    errors.Invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
  }
  ValidateReference(MapAt(spec, "scaleTargetRef"), "spec.scaleTargetRef", errors);
  const Json& metrics = ArrayAt(spec, "metrics");
  for (size_t i = 0; i < metrics.size(); ++i) {
    ValidateMetric(metrics[i], Index("spec.metrics", i), errors);
  }
  for (std::string_view direction : {"scaleUp", "scaleDown"}) {
    const Json* rules = Find(MapAt(spec, "behavior"), direction);
    if (rules != nullptr) ValidateRules(*rules, Child("spec.behavior", direction), errors);
  }
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  CheckNoneNegative(MapAt(object, "status"), {"currentReplicas", "desiredReplicas"}, "status",
                    errors);
}

std::string ValueText(const Json& parent, std::string_view path, std::string_view otherwise) {
  const Json* value = Find(parent, path);
  return value == nullptr ? std::string(otherwise) : Quantity::Of(*value).ToString();
}

std::string PercentText(const Json& parent, std::string_view path, std::string_view otherwise) {
  return Find(parent, path) == nullptr ? std::string(otherwise)
                                       : Concat(NumberAt(parent, path), "%");
}

// "cpu: 30%/80%": what it is and what it should be.
std::string MetricText(const Json& metric, const Json& status) {
  constexpr std::string_view kUnknown = "<unknown>";
  const std::string_view member = MemberOf(TextAt(metric, "type"));
  if (member.empty()) return "<unknown type>";
  const Json& source = MapAt(metric, member);
  const Json& current = MapAt(MapAt(status, member), "current");
  const bool by_average = Find(source, "target.averageValue") != nullptr;
  const std::string average = Concat(ValueText(current, "averageValue", kUnknown), "/",
                                     ValueText(source, "target.averageValue", "<nil>"));
  if (member == "pods") return average;
  if (member == "object" || member == "external") {
    if (by_average) return average + " (avg)";
    return Concat(ValueText(current, "value", kUnknown), "/",
                  ValueText(source, "target.value", "<nil>"));
  }
  const std::string& resource = TextAt(source, "name");
  if (by_average) return Concat(resource, ": ", average);
  return Concat(resource, ": ", PercentText(current, "averageUtilization", kUnknown), "/",
                PercentText(source, "target.averageUtilization", "<auto>"));
}

std::string MetricsCell(const Json& object) {
  const Json& metrics = ArrayAt(object, "spec.metrics");
  const Json& statuses = ArrayAt(object, "status.currentMetrics");
  if (metrics.empty()) return "<none>";
  std::string cell;
  for (size_t i = 0; i < metrics.size() && i < kMetricsShown; ++i) {
    Append(&cell, i == 0 ? "" : ", ",
           MetricText(metrics[i], i < statuses.size() ? statuses[i] : Json()));
  }
  if (metrics.size() > kMetricsShown) {
    Append(&cell, " + ", metrics.size() - kMetricsShown, " more...");
  }
  return cell;
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json* least = Find(object, "spec.minReplicas");
  cells->push_back(NameOf(object));
  cells->push_back(Concat(TextAt(object, "spec.scaleTargetRef.kind"), "/",
                          TextAt(object, "spec.scaleTargetRef.name")));
  cells->push_back(MetricsCell(object));
  cells->push_back(least == nullptr ? "<unset>" : Concat(NumberAt(object, "spec.minReplicas")));
  cells->push_back(NumberAt(object, "spec.maxReplicas"));
  cells->push_back(NumberAt(object, "status.currentReplicas"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& HorizontalPodAutoscalerKind() {
  static const Kind kind = {
      .group = "autoscaling",
      .version = "v2",
      .kind = "HorizontalPodAutoscaler",
      .plural = "horizontalpodautoscalers",
      .singular = "horizontalpodautoscaler",
      .short_names = {"hpa"},
      .categories = {"all"},
      .message = "autoscaling.v2.HorizontalPodAutoscaler",
      .storage_prefix = "horizontalpodautoscalers",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_status_update = ValidateStatus,
      .columns = {NameColumn(),
                  {"Reference"},
                  {"Targets"},
                  {"MinPods"},
                  {"MaxPods"},
                  {"Replicas"},
                  {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
