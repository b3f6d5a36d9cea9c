// RuntimeClass.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void Validate(const Json& object, FieldErrors& errors) {
  CheckName(TextAt(object, "handler"), IsLabel, "handler", errors);
  if (Find(object, "overhead") != nullptr) {
    ValidateResourceRequirements({{"limits", MapAt(object, "overhead.podFixed")}}, {}, "overhead",
                                 errors);
  }
  ValidateLabels(MapAt(object, "scheduling.nodeSelector"), "scheduling.nodeSelector", errors);
  constexpr std::string_view kPath = "scheduling.tolerations";
  const Json& tolerations = ArrayAt(object, kPath);
  ValidateTolerations(tolerations, Child(kPath, "tolerations"), errors);
  for (size_t i = 0; i < tolerations.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      Json one = tolerations[i];
      Json other = tolerations[j];
      Erase(one, "tolerationSeconds");
      Erase(other, "tolerationSeconds");
      if (!MeansTheSame(&one, &other)) continue;
      errors.Duplicate(Index(kPath, i), tolerations[i]);
      break;
    }
  }
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "handler", errors);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(object, "handler"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& RuntimeClassKind() {
  static const Kind kind = {
      .group = "node.k8s.io",
      .version = "v1",
      .kind = "RuntimeClass",
      .plural = "runtimeclasses",
      .singular = "runtimeclass",
      .namespaced = false,
      .message = "node.v1.RuntimeClass",
      .storage_prefix = "runtimeclasses",
      .unconditional_update = false,
      .create_on_update = true,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(), {"Handler"}, {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
