// ResourceQuota.
#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> texts) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

bool IsScope(std::string_view scope) {
  return IsOneOf(scope, {"Terminating", "NotTerminating", "BestEffort", "NotBestEffort",
                         "PriorityClass", "VolumeAttributesClass", "CrossNamespacePodAffinity"});
}

// Whether what is limited has the property that the scope looks at.
bool ScopeFits(std::string_view scope, std::string_view resource) {
  if (scope == "BestEffort") return resource == "pods";
  if (scope == "VolumeAttributesClass") {
    return IsOneOf(resource, {"persistentvolumeclaims", "requests.storage"});
  }
  return IsOneOf(resource, {"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu",
                            "requests.memory"});
}

bool FitsAll(std::string_view scope, const Json& hard) {
  for (const auto& [name, amount] : hard.items()) {
    if (IsQuotaResource(name) && !ScopeFits(scope, name)) return false;
  }
  return true;
}

bool Conflict(const std::set<std::string>& scopes) {
  return (scopes.contains("BestEffort") && scopes.contains("NotBestEffort")) ||
         (scopes.contains("Terminating") && scopes.contains("NotTerminating"));
}

void ValidateScopes(const Json& spec, FieldErrors& errors) {
  const Json& scopes = ArrayAt(spec, "scopes");
  std::set<std::string> seen;
  for (const Json& element : scopes) {
    const std::string& scope = TextAt(element, "");
    if (!IsScope(scope)) errors.Invalid("spec.scopes", scopes, "unsupported scope");
    if (IsScope(scope) && !FitsAll(scope, MapAt(spec, "hard"))) {
      errors.Invalid("spec.scopes", scopes, "unsupported scope applied to resource");
    }
    seen.insert(scope);
  }
  if (Conflict(seen)) errors.Invalid("spec.scopes", scopes, "conflicting scopes");
}

void ValidateScopeTerm(const Json& term, std::string_view path, FieldErrors& errors) {
  const std::string& op = TextAt(term, "operator");
  const Json& values = ArrayAt(term, "values");
  const bool has_values =
      IsOneOf(TextAt(term, "scopeName"), {"PriorityClass", "VolumeAttributesClass"});
  if (!has_values && op != "Exists") {
    errors.Invalid(Child(path, "operator"), op,
                   "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                   "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                   "ResourceQuotaScopeNotBestEffort or "
                   "ResourceQuotaScopeCrossNamespacePodAffinity");
  }
  if (op == "In" || op == "NotIn") {
    if (values.empty()) {
      errors.Required(Child(path, "values"),
                      "must be at least one value when `operator` is 'In' or 'NotIn' for scope "
                      "selector");
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!values.empty()) {
      errors.Invalid(Child(path, "values"), values,
                     "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                     "selector");
    }
  } else {
    errors.Invalid(Child(path, "operator"), op, "not a valid selector operator");
  }
}

void ValidateScopeSelector(const Json& spec, FieldErrors& errors) {
  const std::string path = "spec.scopeSelector.matchExpressions";
  std::set<std::string> seen;
  for (const Json& term : ArrayAt(spec, "scopeSelector.matchExpressions")) {
    const std::string& scope = TextAt(term, "scopeName");
    if (!IsScope(scope)) errors.Invalid(Child(path, "scopeName"), scope, "unsupported scope");
    if (IsScope(scope) && !FitsAll(scope, MapAt(spec, "hard"))) {
      errors.Invalid(path, MapAt(spec, "scopeSelector"), "unsupported scope applied to resource");
    }
    ValidateScopeTerm(term, path, errors);
    seen.insert(scope);
  }
  if (Conflict(seen)) errors.Invalid(path, ArrayAt(spec, "scopes"), "conflicting scopes");
}

void ValidateAmounts(const Json& quota, std::string_view path, FieldErrors& errors) {
  for (const auto& [name, amount] : MapAt(quota, path).items()) {
    ValidateQuotaResourceName(name, Key(path, name), errors);
    ValidateResourceAmount(name, amount, Key(path, name), errors);
  }
}

void Validate(const Json& quota, FieldErrors& errors) {
  const Json& spec = MapAt(quota, "spec");
  ValidateAmounts(quota, "spec.hard", errors);
  ValidateScopes(spec, errors);
  ValidateScopeSelector(spec, errors);
}

void ValidateUpdate(const Json& quota, const Json& old, FieldErrors& errors) {
  const auto scopes = [](const Json& of) {
    std::set<Json> all;
    for (const Json& scope : ArrayAt(of, "spec.scopes")) all.insert(scope);
    return all;
  };
  if (scopes(quota) != scopes(old)) {
    errors.Invalid("spec.scopes", ArrayAt(quota, "spec.scopes"), "field is immutable");
  }
}

void ValidateStatusUpdate(const Json& quota, const Json& old, FieldErrors& errors) {
  ValidateAmounts(quota, "status.hard", errors);
  ValidateAmounts(quota, "status.used", errors);
}

void Print(const Json& quota, const PrintContext& context, std::vector<Json>* cells) {
  std::string requests;
  std::string limits;
  const Json& used = MapAt(quota, "status.used");
  for (const auto& [name, amount] : MapAt(quota, "status.hard").items()) {
    std::string& cell = name.starts_with("limits.") ? limits : requests;
    Append(&cell, cell.empty() ? "" : ", ", name, ": ", AmountAt(used, name).ToString(), "/",
           Quantity::Of(amount).ToString());
  }
  cells->push_back(NameOf(quota));
  cells->push_back(requests);
  cells->push_back(limits);
  cells->push_back(AgeCell(quota, context));
}

}  // namespace

const Kind& ResourceQuotaKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "ResourceQuota",
      .plural = "resourcequotas",
      .singular = "resourcequota",
      .short_names = {"quota"},
      .message = "core.v1.ResourceQuota",
      .storage_prefix = "resourcequotas",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatusUpdate,
      .columns = {NameColumn(), {"Request"}, {"Limit"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
