// IngressClass.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kControllerBytesMax = 250;

void SetDefaults(Json& object) {
  if (Find(object, "spec.parameters") != nullptr) {
    SetDefault(object, "spec.parameters.scope", "Cluster");
  }
}

void ValidateParameters(const Json& parameters, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.parameters";
  ValidateTypedReference(parameters, kPath, errors);
  const std::string& scope = TextAt(parameters, "scope");
  const Json* space = Find(parameters, "namespace");
  CheckSupported(scope, {"Cluster", "Namespace"}, Child(kPath, "scope"), errors);
  if (scope == "Namespace") {
    if (space == nullptr) {
      errors.Required(Child(kPath, "namespace"), "`parameters.scope` is set to 'Namespace'");
    } else {
      CheckName(TextAt(parameters, "namespace"), IsLabel, Child(kPath, "namespace"), errors);
    }
  }
  if (scope == "Cluster" && space != nullptr) {
    errors.Forbidden(Child(kPath, "namespace"), "`parameters.scope` is set to 'Cluster'");
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.controller";
  const std::string& controller = TextAt(object, kPath);
  if (static_cast<int64_t>(controller.size()) > kControllerBytesMax) {
    errors.TooLong(kPath, kControllerBytesMax);
  }
  CheckDomainPrefixedPath(controller, kPath, errors);
  const Json* parameters = Find(object, "spec.parameters");
  if (parameters != nullptr) ValidateParameters(*parameters, errors);
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec.controller", errors);
}

// "IngressParameters.example.com/external"
std::string ParametersCell(const Json& object) {
  const Json* parameters = Find(object, "spec.parameters");
  if (parameters == nullptr) return "<none>";
  std::string cell = TextAt(*parameters, "kind");
  if (Find(*parameters, "apiGroup") != nullptr) {
    Append(&cell, ".", TextAt(*parameters, "apiGroup"));
  }
  return Concat(cell, "/", TextAt(*parameters, "name"));
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(object, "spec.controller"));
  cells->push_back(ParametersCell(object));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& IngressClassKind() {
  static const Kind kind = {
      .group = "networking.k8s.io",
      .version = "v1",
      .kind = "IngressClass",
      .plural = "ingressclasses",
      .singular = "ingressclass",
      .namespaced = false,
      .message = "networking.v1.IngressClass",
      .storage_prefix = "ingressclasses",
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(), {"Controller"}, {"Parameters"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
