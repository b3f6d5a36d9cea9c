// HorizontalPodAutoscaler of autoscaling/v1, which knows one metric: the share of the processors
// that pods use. What v2 says beyond that goes into annotations, from which it comes back, so that
// clients of v1 can read and write objects of v2 without loss.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/types/span.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/object.h"
#include "apiserver/api/schema.h"
#include "apiserver/api/typed_json.h"

namespace keelson::api {
namespace {

constexpr const char* kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr const char* kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr const char* kConditions = "autoscaling.alpha.kubernetes.io/conditions";
constexpr const char* kBehavior = "autoscaling.alpha.kubernetes.io/behavior";

// Where the parts of a metric stand in the two versions, below the member of its type.
struct Place {
  std::string_view member;
  std::string_view v1;
  std::string_view v2;
};
constexpr Place kSpecPlaces[] = {
    {"object", "target", "describedObject"},
    {"object", "metricName", "metric.name"},
    {"object", "selector", "metric.selector"},
    {"object", "targetValue", "target.value"},
    {"object", "averageValue", "target.averageValue"},
    {"pods", "metricName", "metric.name"},
    {"pods", "selector", "metric.selector"},
    {"pods", "targetAverageValue", "target.averageValue"},
    {"resource", "name", "name"},
    {"resource", "targetAverageUtilization", "target.averageUtilization"},
    {"resource", "targetAverageValue", "target.averageValue"},
    {"containerResource", "name", "name"},
    {"containerResource", "container", "container"},
    {"containerResource", "targetAverageUtilization", "target.averageUtilization"},
    {"containerResource", "targetAverageValue", "target.averageValue"},
    {"external", "metricName", "metric.name"},
    {"external", "metricSelector", "metric.selector"},
    {"external", "targetValue", "target.value"},
    {"external", "targetAverageValue", "target.averageValue"},
};
constexpr Place kStatusPlaces[] = {
    {"object", "target", "describedObject"},
    {"object", "metricName", "metric.name"},
    {"object", "selector", "metric.selector"},
    {"object", "currentValue", "current.value"},
    {"object", "averageValue", "current.averageValue"},
    {"pods", "metricName", "metric.name"},
    {"pods", "selector", "metric.selector"},
    {"pods", "currentAverageValue", "current.averageValue"},
    {"resource", "name", "name"},
    {"resource", "currentAverageUtilization", "current.averageUtilization"},
    {"resource", "currentAverageValue", "current.averageValue"},
    {"containerResource", "name", "name"},
    {"containerResource", "container", "container"},
    {"containerResource", "currentAverageUtilization", "current.averageUtilization"},
    {"containerResource", "currentAverageValue", "current.averageValue"},
    {"external", "metricName", "metric.name"},
    {"external", "metricSelector", "metric.selector"},
    {"external", "currentValue", "current.value"},
    {"external", "currentAverageValue", "current.averageValue"},
};

Json ToV1(const Json& metric, absl::Span<const Place> places) {
  Json converted = {{"type", TextAt(metric, "type")}};
  for (const Place& place : places) {
    const Json* value = Find(MapAt(metric, place.member), place.v2);
    if (value != nullptr) Make(Make(converted, place.member), place.v1) = *value;
  }
  return converted;
}

Json ToV2(const Json& metric, absl::Span<const Place> places) {
  Json converted = {{"type", TextAt(metric, "type")}};
  for (const Place& place : places) {
    const Json* value = Find(MapAt(metric, place.member), place.v1);
    if (value != nullptr) Make(Make(converted, place.member), place.v2) = *value;
  }
  return converted;
}

// v1 does not say what kind of target a metric has: it follows from the value that is there.
void SetTargetType(Json& metric) {
  for (std::string_view member : {"object", "external", "pods", "resource", "containerResource"}) {
    Json* source = Find(metric, member);
    if (source == nullptr) continue;
    const bool of_resource = member == "resource" || member == "containerResource";
    const bool has_value = Find(*source, "target.value") != nullptr;
    const bool has_average = Find(*source, "target.averageValue") != nullptr;
    std::string_view type = "AverageValue";
    if (of_resource && Find(*source, "target.averageUtilization") != nullptr) type = "Utilization";
    if (member == "external" && has_value) type = "Value";
    if (member == "object" && !has_average) type = "Value";
    Make(*source, "target.type") = type;
  }
}

bool IsCpuUtilization(const Json& metric, std::string_view path) {
  return TextAt(metric, "type") == "Resource" && TextAt(metric, "resource.name") == "cpu" &&
         Find(metric, path) != nullptr;
}

Json CpuMetric(const Json& percent) {
  return {
      {"type", "Resource"},
      {"resource",
       {{"name", "cpu"}, {"target", {{"type", "Utilization"}, {"averageUtilization", percent}}}}}};
}

// The annotation holds the names of fields capitalized.
Json WithNames(const Json& value, char (*change)(unsigned char)) {
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& element : value) list.push_back(WithNames(element, change));
    return list;
  }
  if (!value.is_object()) return value;
  Json map = Json::object();
  for (const auto& [name, member] : value.items()) {
    std::string changed = name;
    if (!changed.empty()) changed[0] = change(static_cast<unsigned char>(changed[0]));
    map[changed] = WithNames(member, change);
  }
  return map;
}

// The JSON in an annotation; null if there is none.
Json Annotation(const Json& object, const char* key) {
  const Json* text = Member(AnnotationsOf(object), key);
  if (text == nullptr || !text->is_string()) return nullptr;
  // Clients may write anything there: what is deeper than any of ours is left out.
  constexpr int kDepthMax = 16;
  const auto is_shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDepthMax; };
  Json value = Json::parse(text->get_ref<const std::string&>(), is_shallow,
                           /*allow_exceptions=*/false);
  return value.is_discarded() ? Json() : value;
}

void Annotate(Json& object, const char* key, const Json& value) {
  MapIn(object, "metadata.annotations")[key] =
      value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void EraseAnnotations(Json& object) {
  Json* annotations = Find(object, "metadata.annotations");
  if (annotations == nullptr || !annotations->is_object()) return;
  for (const char* key : {kMetrics, kCurrentMetrics, kConditions, kBehavior}) {
    annotations->erase(key);
  }
  if (annotations->empty()) Erase(object, "metadata.annotations");
}

Json MetricsOfV1(const Json& object) {
  Json metrics = Json::array();
  for (const Json& metric : Annotation(object, kMetrics)) {
    Json converted = ToV2(metric, kSpecPlaces);
    SetTargetType(converted);
    metrics.push_back(std::move(converted));
  }
  const Json* percent = Find(object, "spec.targetCPUUtilizationPercentage");
  if (percent != nullptr) {
    metrics.push_back(CpuMetric(*percent));
  } else if (metrics.empty()) {
    metrics.push_back(CpuMetric(80));
  }
  return metrics;
}

Json ToStored(const Json& object) {
  Json stored = object;
  stored["apiVersion"] = "autoscaling/v2";
  Make(stored, "spec.metrics") = MetricsOfV1(object);
  Erase(stored, "spec.targetCPUUtilizationPercentage");
  const Json behavior = WithNames(Annotation(object, kBehavior), absl::ascii_tolower);
  if (behavior.is_object() && !behavior.empty()) Make(stored, "spec.behavior") = behavior;
  if (const Json* percent = Find(object, "status.currentCPUUtilizationPercentage");
      percent != nullptr) {
    Make(stored, "status.currentMetrics") = Json::array(
        {{{"type", "Resource"},
          {"resource", {{"name", "cpu"}, {"current", {{"averageUtilization", *percent}}}}}}});
    Erase(stored, "status.currentCPUUtilizationPercentage");
  }
  if (const Json metrics = Annotation(object, kCurrentMetrics); metrics.is_array()) {
    Json& converted = Make(stored, "status.currentMetrics") = Json::array();
    for (const Json& metric : metrics) converted.push_back(ToV2(metric, kStatusPlaces));
  }
  if (Json conditions = Annotation(object, kConditions); conditions.is_array()) {
    Make(stored, "status.conditions") = std::move(conditions);
  }
  EraseAnnotations(stored);
  return stored;
}

void SpecFromStored(const Json& object, Json& served) {
  Json others = Json::array();
  for (const Json& metric : ArrayAt(object, "spec.metrics")) {
    constexpr std::string_view kPercent = "resource.target.averageUtilization";
    if (!IsCpuUtilization(metric, kPercent)) {
      others.push_back(ToV1(metric, kSpecPlaces));
    } else if (Find(served, "spec.targetCPUUtilizationPercentage") == nullptr) {
      Make(served, "spec.targetCPUUtilizationPercentage") = *Find(metric, kPercent);
    }
  }
  Erase(served, "spec.metrics");
  if (!others.empty()) Annotate(served, kMetrics, others);
  if (const Json* behavior = Find(object, "spec.behavior"); behavior != nullptr) {
    Annotate(served, kBehavior, WithNames(*behavior, absl::ascii_toupper));
    Erase(served, "spec.behavior");
  }
}

void StatusFromStored(const Json& object, Json& served) {
  Json current = Json::array();
  for (const Json& metric : ArrayAt(object, "status.currentMetrics")) {
    constexpr std::string_view kPercent = "resource.current.averageUtilization";
    if (IsCpuUtilization(metric, kPercent)) {
      Make(served, "status.currentCPUUtilizationPercentage") = *Find(metric, kPercent);
    }
    current.push_back(ToV1(metric, kStatusPlaces));
  }
  Erase(served, "status.currentMetrics");
  if (!current.empty()) Annotate(served, kCurrentMetrics, current);
  const Json& conditions = ArrayAt(object, "status.conditions");
  if (!conditions.empty()) Annotate(served, kConditions, conditions);
  Erase(served, "status.conditions");
  // v2 leaves a zero out that v1 does not.
  if (served.contains("status") && served["status"].is_object()) {
    FillInZeros(*FindMessage("autoscaling.v1.HorizontalPodAutoscalerStatus"), &served["status"]);
  }
}

Json FromStored(const Json& object) {
  Json served = object;
  served["apiVersion"] = "autoscaling/v1";
  EraseAnnotations(served);
  SpecFromStored(object, served);
  StatusFromStored(object, served);
  return served;
}

// Tables show what is stored, in both versions.
void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Kind& stored = HorizontalPodAutoscalerKind();
  stored.print(ToStored(object), context, cells);
}

}  // namespace

const Kind& HorizontalPodAutoscalerV1Kind() {
  static const Kind kind = {
      .group = "autoscaling",
      .version = "v1",
      .kind = "HorizontalPodAutoscaler",
      .plural = "horizontalpodautoscalers",
      .singular = "horizontalpodautoscaler",
      .short_names = {"hpa"},
      .categories = {"all"},
      .message = "autoscaling.v1.HorizontalPodAutoscaler",
      .storage_prefix = "horizontalpodautoscalers",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .stored_as = &HorizontalPodAutoscalerKind(),
      .to_stored = ToStored,
      .from_stored = FromStored,
      .columns = HorizontalPodAutoscalerKind().columns,
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
