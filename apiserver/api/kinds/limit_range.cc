// LimitRange.
#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// The limit is the maximum unless it is said, and what is requested the limit, or the minimum.
void SetDefaults(Json& range) {
  for (Json* limit : ElementsAt(range, "spec.limits")) {
    if (TextAt(*limit, "type") != "Container") continue;
    DefaultMembers(Make(*limit, "default"), MapAt(*limit, "max"));
    const Json defaults = MapAt(*limit, "default");
    DefaultMembers(Make(*limit, "defaultRequest"), defaults);
    const Json least = MapAt(*limit, "min");
    DefaultMembers(Make(*limit, "defaultRequest"), least);
    for (std::string_view field : {"default", "defaultRequest"}) {
      if (MapAt(*limit, field).empty()) Erase(*limit, field);
    }
  }
}

// What one resource is limited to.
class Limits {
 public:
  Limits(const Json& limit, const std::string& resource, std::string_view path)
      : limit_(limit), resource_(resource), path_(path) {}

  // Refuses what `less` of these two is more than the other: "min value 2 is greater than ...".
  void CheckOrder(std::string_view less, std::string_view more, std::string_view blamed,
                  std::string_view told, FieldErrors& errors) const {
    const auto low = At(less);
    const auto high = At(more);
    if (!low || !high || *low <= *high) return;
    const Quantity& value = told == less ? *low : *high;
    errors.Invalid(
        Key(Child(path_, blamed), resource_), value.ToString(),
        Concat(NounOf(less), " value ", low->ToString(), " is greater than ",
               more == "default" && less == "defaultRequest" ? "default limit" : NounOf(more),
               " value ", high->ToString()));
  }

  void CheckRatio(FieldErrors& errors) const {
    const auto ratio = At("maxLimitRequestRatio");
    if (!ratio) return;
    const std::string path = Key(Child(path_, "maxLimitRequestRatio"), resource_);
    if (*ratio < Quantity::FromValue(1)) {
      errors.Invalid(path, ratio->ToString(),
                     Concat("ratio ", ratio->ToString(), " is less than 1"));
    }
    const auto least = At("min");
    const auto most = At("max");
    if (!least || !most || least->IsZero()) return;
    const double possible =
        static_cast<double>(most->Milli()) / static_cast<double>(least->Milli());
    if (static_cast<double>(ratio->Milli()) / 1000 > possible) {
      errors.Invalid(
          path, ratio->ToString(),
          absl::StrFormat("ratio %s is greater than max/min = %f", ratio->ToString(), possible));
    }
  }

  void CheckWholePieces(FieldErrors& errors) const {
    const auto limit = At("default");
    const auto request = At("defaultRequest");
    if (IsOvercommitAllowed(resource_) || !limit || !request || *limit == *request) return;
    errors.Invalid(
        Key(Child(path_, "defaultRequest"), resource_), request->ToString(),
        Concat("default value ", limit->ToString(), " must equal to defaultRequest value ",
               request->ToString(), " in ", resource_));
  }

 private:
  static std::string_view NounOf(std::string_view field) {
    return field == "defaultRequest" ? "default request" : field;
  }
  std::optional<Quantity> At(std::string_view field) const {
    // A pod has no defaults of its own.
    if (TextAt(limit_, "type") == "Pod" && field.starts_with("default")) return std::nullopt;
    const Json* amount = Member(MapAt(limit_, field), resource_);
    return amount == nullptr ? std::nullopt : std::optional(Quantity::Of(*amount));
  }

  const Json& limit_;
  const std::string& resource_;
  const std::string_view path_;
};

void ValidateType(const std::string& type, std::string_view path, FieldErrors& errors) {
  std::string why;
  if (!IsQualifiedName(type, &why)) return errors.Invalid(path, type, why);
  const bool standard = type == "Pod" || type == "Container" || type == "PersistentVolumeClaim";
  if (!standard && type.find('/') == std::string::npos) {
    errors.Invalid(path, type, "must be a standard limit type or fully qualified");
  }
}

void ValidateLimit(const Json& limit, std::string_view path, FieldErrors& errors) {
  const std::string& type = TextAt(limit, "type");
  const bool of_pods = type == "Pod" || type == "Container";
  std::set<std::string> resources;
  for (std::string_view field :
       {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}) {
    const Json& amounts = MapAt(limit, field);
    if (type == "Pod" && field.starts_with("default")) {
      if (!amounts.empty()) {
        errors.Forbidden(Child(path, field), "may not be specified when `type` is 'Pod'");
      }
      continue;
    }
    for (const auto& [name, amount] : amounts.items()) {
      resources.insert(name);
      const std::string at = Key(Child(path, field), name);
      of_pods ? ValidateContainerResourceName(name, at, errors)
              : ValidateResourceName(name, at, errors);
    }
  }
  if (type == "PersistentVolumeClaim" && Member(MapAt(limit, "min"), "storage") == nullptr &&
      Member(MapAt(limit, "max"), "storage") == nullptr) {
    errors.Required(
        Child(path, "limits"),
        "either minimum or maximum storage value is required, but neither was provided");
  }
  for (const std::string& resource : resources) {
    const Limits limits(limit, resource, path);
    limits.CheckOrder("min", "max", "min", "min", errors);
    limits.CheckOrder("min", "defaultRequest", "defaultRequest", "defaultRequest", errors);
    limits.CheckOrder("defaultRequest", "max", "defaultRequest", "defaultRequest", errors);
    limits.CheckOrder("defaultRequest", "default", "defaultRequest", "defaultRequest", errors);
    limits.CheckOrder("min", "default", "default", "min", errors);
    limits.CheckOrder("default", "max", "default", "max", errors);
    limits.CheckRatio(errors);
    limits.CheckWholePieces(errors);
  }
}

void Validate(const Json& range, FieldErrors& errors) {
  std::set<std::string> types;
  const Json& limits = ArrayAt(range, "spec.limits");
  for (size_t i = 0; i < limits.size(); ++i) {
    const std::string path = Index("spec.limits", i);
    const std::string& type = TextAt(limits[i], "type");
    ValidateType(type, Child(path, "type"), errors);
    if (!types.insert(type).second) errors.Duplicate(Child(path, "type"), type);
    ValidateLimit(limits[i], path, errors);
  }
}

}  // namespace

const Kind& LimitRangeKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "LimitRange",
      .plural = "limitranges",
      .singular = "limitrange",
      .short_names = {"limits"},
      .message = "core.v1.LimitRange",
      .storage_prefix = "limitranges",
      .set_defaults = SetDefaults,
      .validate = Validate,
  };
  return kind;
}

}  // namespace keelson::api
