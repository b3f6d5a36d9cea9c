// StorageClass.
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr size_t kParametersMax = 512;
constexpr int64_t kParametersBytesMax = 256 << 10;

void SetDefaults(Json& object) {
  SetDefault(object, "reclaimPolicy", "Delete");
  SetDefault(object, "volumeBindingMode", "Immediate");
}

void ValidateParameters(const Json& parameters, FieldErrors& errors) {
  if (parameters.size() > kParametersMax) {
    return errors.TooLong("parameters", static_cast<int64_t>(kParametersMax));
  }
  int64_t bytes = 0;
  for (const auto& [key, value] : parameters.items()) {
    if (key.empty()) errors.Invalid("parameters", key, "field can not be empty.");
    bytes += static_cast<int64_t>(key.size() + TextAt(value, "").size());
  }
  if (bytes > kParametersBytesMax) errors.TooLong("parameters", kParametersBytesMax);
}

void ValidateTopology(const Json& term, std::string_view path, FieldErrors& errors) {
  const Json& expressions = ArrayAt(term, "matchLabelExpressions");
  std::set<std::string> keys;
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string at = Index(Child(path, "matchLabelExpressions"), i);
    const Json& values = ArrayAt(expressions[i], "values");
    if (values.empty()) errors.Required(Child(at, "values"));
    std::set<std::string> seen;
    for (size_t j = 0; j < values.size(); ++j) {
      const std::string& value = TextAt(values[j], "");
      if (!seen.insert(value).second) {
        errors.Duplicate(Index(Child(at, "values"), j), value);
      }
    }
    const std::string& key = TextAt(expressions[i], "key");
    CheckName(key, IsQualifiedName, Child(at, "key"), errors);
    if (!keys.insert(key).second) errors.Duplicate(Child(at, "key"), key);
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const std::string provisioner = absl::AsciiStrToLower(TextAt(object, "provisioner"));
  CheckRequiredName(provisioner, IsQualifiedName, "provisioner", errors);
  ValidateParameters(MapAt(object, "parameters"), errors);
  if (const std::string& policy = TextAt(object, "reclaimPolicy"); !policy.empty()) {
    CheckSupported(policy, {"Delete", "Retain"}, "reclaimPolicy", errors);
  }
  CheckSupported(TextAt(object, "volumeBindingMode"), {"Immediate", "WaitForFirstConsumer"},
                 "volumeBindingMode", errors);
  const Json& topologies = ArrayAt(object, "allowedTopologies");
  for (size_t i = 0; i < topologies.size(); ++i) {
    const std::string at = Index("allowedTopologies", i);
    ValidateTopology(topologies[i], at, errors);
    for (size_t j = 0; j < i; ++j) {
      if (MeansTheSame(&topologies[i], &topologies[j])) {
        errors.Duplicate(Child(at, "matchLabelExpressions"), "");
      }
    }
  }
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  const struct {
    std::string_view field;
    std::string_view why;
  } fixed[] = {{"parameters", "updates to parameters are forbidden."},
               {"provisioner", "updates to provisioner are forbidden."},
               {"reclaimPolicy", "updates to reclaimPolicy are forbidden."}};
  for (const auto& [field, why] : fixed) {
    if (!MeansTheSame(Find(object, field), Find(old, field))) errors.Forbidden(field, why);
  }
  CheckImmutable(object, old, "volumeBindingMode", errors);
}

bool IsDefault(const Json& object) {
  for (const char* key : {"storageclass.kubernetes.io/is-default-class",
                          "storageclass.beta.kubernetes.io/is-default-class"}) {
    const Json* value = Member(AnnotationsOf(object), key);
    if (value != nullptr && *value == "true") return true;
  }
  return false;
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object) + (IsDefault(object) ? " (default)" : ""));
  cells->push_back(TextAt(object, "provisioner"));
  cells->push_back(TextAt(object, "reclaimPolicy"));
  cells->push_back(TextAt(object, "volumeBindingMode"));
  cells->push_back(FlagAt(object, "allowVolumeExpansion"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& StorageClassKind() {
  static const Kind kind = {
      .group = "storage.k8s.io",
      .version = "v1",
      .kind = "StorageClass",
      .plural = "storageclasses",
      .singular = "storageclass",
      .short_names = {"sc"},
      .namespaced = false,
      .message = "storage.v1.StorageClass",
      .storage_prefix = "storageclasses",
      .set_defaults = SetDefaults,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(),
                  {"Provisioner"},
                  {"ReclaimPolicy"},
                  {"VolumeBindingMode"},
                  {"AllowVolumeExpansion"},
                  {"Age"}},
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
