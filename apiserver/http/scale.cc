#include "apiserver/http/scale.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/clock.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::apiserver {

using api::Json;

Json ScaleOf(const api::Kind& kind, const Json& object) {
  Json metadata = Json::object();
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const Json* value = api::Member(api::MapAt(object, "metadata"), field)) {
      metadata[field] = *value;
    }
  }
  Json scale = {{"kind", "Scale"},
                {"apiVersion", "autoscaling/v1"},
                {"metadata", std::move(metadata)},
                {"spec", Json::object()},
                {"status", {{"replicas", api::NumberAt(object, kind.scale->status_replicas)}}}};
  if (const int64_t replicas = api::NumberAt(object, kind.scale->replicas); replicas != 0) {
    scale["spec"]["replicas"] = replicas;
  }
  if (const Json* selector = api::Find(object, kind.scale->selector)) {
    const bool as_object = api::Member(*selector, "matchLabels") != nullptr ||
                           api::Member(*selector, "matchExpressions") != nullptr;
    const api::LabelSelector parsed = as_object ? api::LabelSelector::FromObject(*selector)
                                                : api::LabelSelector::FromMap(*selector);
    if (std::string text = parsed.ToString(); !text.empty()) {
      scale["status"]["selector"] = std::move(text);
    }
  }
  return scale;
}

absl::StatusOr<Json> WithScale(const api::Kind& kind, const Json& object, const Json& scale) {
  const Json* replicas = api::Find(scale, "spec.replicas");
  if (replicas != nullptr && !replicas->is_number_integer()) {
    return api::BadRequest("spec.replicas of a Scale must be a whole number");
  }
  const int64_t wanted = replicas == nullptr ? 0 : replicas->get<int64_t>();
  if (wanted < 0 || wanted > INT32_MAX) {
    api::FieldErrors errors;
    errors.Invalid("spec.replicas", wanted, "must be greater than or equal to 0");
    return api::Invalid("autoscaling", "Scale", api::NameOf(object), errors);
  }
  if (!api::NameOf(scale).empty() && api::NameOf(scale) != api::NameOf(object)) {
    return api::BadRequest(Concat("the name of the object (", api::NameOf(scale),
                                  ") does not match the name on the URL (", api::NameOf(object),
                                  ")"));
  }
  Json changed = object;
  api::Make(changed, kind.scale->replicas) = wanted;
  if (const std::string& version = api::TextAt(scale, "metadata.resourceVersion");
      !version.empty()) {
    api::Make(changed, "metadata.resourceVersion") = version;
  }
  return changed;
}

Json ScaleTable(const Json& scale, std::string_view version) {
  const auto column = [](const char* name, const char* type, const char* format) {
    return Json{
        {"name", name}, {"type", type}, {"format", format}, {"description", ""}, {"priority", 0}};
  };
  Json row = {{"cells",
               {api::NameOf(scale), api::NumberAt(scale, "spec.replicas"),
                api::NumberAt(scale, "status.replicas"),
                api::AgeSince(api::TextAt(scale, "metadata.creationTimestamp"), absl::Now())}},
              {"object",
               {{"kind", "PartialObjectMetadata"},
                {"apiVersion", Concat("meta.k8s.io/", version)},
                {"metadata", api::MapAt(scale, "metadata")}}}};
  return {{"kind", "Table"},
          {"apiVersion", Concat("meta.k8s.io/", version)},
          {"metadata", {{"resourceVersion", api::TextAt(scale, "metadata.resourceVersion")}}},
          {"columnDefinitions",
           {column("Name", "string", "name"), column("Desired", "integer", ""),
            column("Available", "integer", ""), column("Age", "string", "")}},
          {"rows", Json::array({std::move(row)})}};
}

}  // namespace keelson::apiserver
