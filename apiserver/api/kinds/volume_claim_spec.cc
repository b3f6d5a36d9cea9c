// The spec of claims to volumes, in claims and in what claims are made from.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr std::string_view kClaim = "PersistentVolumeClaim";

void ValidateDataSource(const Json& source, std::string_view path, FieldErrors& errors) {
  const std::string& kind = TextAt(source, "kind");
  const std::string& group = TextAt(source, "apiGroup");
  CheckRequired(TextAt(source, "name"), Child(path, "name"), errors);
  CheckRequired(kind, Child(path, "kind"), errors);
  if (group.empty() && kind != kClaim) {
    errors.Invalid(path, kind,
                   "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  }
  if (!group.empty()) CheckName(group, IsSubdomain, Child(path, "apiGroup"), errors);
  const std::string& space = TextAt(source, "namespace");
  if (!space.empty()) CheckName(space, IsLabel, Child(path, "namespace"), errors);
}

void ValidateDataSources(const Json& spec, std::string_view path, FieldErrors& errors) {
  const Json* source = Find(spec, "dataSource");
  const Json* reference = Find(spec, "dataSourceRef");
  if (source != nullptr) ValidateDataSource(*source, Child(path, "dataSource"), errors);
  if (reference != nullptr) ValidateDataSource(*reference, Child(path, "dataSourceRef"), errors);
  if (source == nullptr || reference == nullptr) return;
  if (!TextAt(*reference, "namespace").empty()) {
    errors.Invalid(path, Child(path, "dataSource"),
                   "may not be specified when dataSourceRef.namespace is specified");
    return;
  }
  for (std::string_view field : {"apiGroup", "kind", "name"}) {
    if (TextAt(*source, field) == TextAt(*reference, field)) continue;
    errors.Invalid(path, Child(path, "dataSource"), "must match dataSourceRef");
    return;
  }
}

}  // namespace

void ValidateAccessModes(const Json& modes, std::string_view path, FieldErrors& errors) {
  bool alone = false;
  bool others = false;
  for (const Json& mode : modes) {
    const std::string& text = TextAt(mode, "");
    CheckOptionalOneOf(&mode,
                       {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"}, path,
                       errors);
    (text == "ReadWriteOncePod" ? alone : others) = true;
  }
  if (alone && others) {
    errors.Forbidden(path, "may not use ReadWriteOncePod with other access modes");
  }
}

void ValidateVolumeMode(const Json& spec, std::string_view path, FieldErrors& errors) {
  CheckOptionalOneOf(Find(spec, "volumeMode"), {"Block", "Filesystem"}, Child(path, "volumeMode"),
                     errors);
}

void SetVolumeClaimSpecDefaults(Json& spec) { SetDefault(spec, "volumeMode", "Filesystem"); }

void ValidateVolumeClaimSpec(const Json& spec, std::string_view path, FieldErrors& errors) {
  const Json& modes = ArrayAt(spec, "accessModes");
  if (modes.empty()) {
    errors.Required(Child(path, "accessModes"), "at least 1 access mode is required");
  }
  if (const Json* selector = Find(spec, "selector")) {
    ValidateLabelSelector(*selector, Child(path, "selector"), errors);
  }
  ValidateAccessModes(modes, Child(path, "accessModes"), errors);
  const std::string size_path = Key(Child(path, "resources"), "storage");
  const Json* size = Member(MapAt(spec, "resources.requests"), "storage");
  if (size == nullptr) {
    errors.Required(size_path);
  } else if (Quantity::Of(*size) <= Quantity()) {
    errors.Invalid(size_path, Quantity::Of(*size).ToString(), "must be greater than zero");
  }
  for (std::string_view name : {"storageClassName", "volumeAttributesClassName"}) {
    const std::string& text = TextAt(spec, name);
    if (!text.empty()) CheckName(text, IsSubdomain, Child(path, name), errors);
  }
  ValidateVolumeMode(spec, path, errors);
  ValidateDataSources(spec, path, errors);
}

void ValidateVolumeClaimTemplate(const Json& claim_template, std::string_view path,
                                 FieldErrors& errors) {
  const std::string meta_path = Child(path, "metadata");
  ValidateLabels(LabelsOf(claim_template), Child(meta_path, "labels"), errors);
  for (const auto& [name, value] : MapAt(claim_template, "metadata").items()) {
    const bool allowed = name == "labels" || name == "annotations";
    if (!allowed && !MeansTheSame(&value, nullptr)) {
      errors.Forbidden(Child(meta_path, name), "cannot be set");
    }
  }
  ValidateVolumeClaimSpec(MapAt(claim_template, "spec"), Child(path, "spec"), errors);
}

std::string AccessModesCell(const Json& modes) {
  constexpr std::pair<std::string_view, std::string_view> kModes[] = {
      {"ReadWriteOnce", "RWO"},
      {"ReadOnlyMany", "ROX"},
      {"ReadWriteMany", "RWX"},
      {"ReadWriteOncePod", "RWOP"},
  };
  std::string cell;
  for (const auto& [mode, letters] : kModes) {
    if (std::find(modes.begin(), modes.end(), Json(mode)) == modes.end()) continue;
    if (!cell.empty()) cell += ',';
    cell += letters;
  }
  return cell;
}

}  // namespace keelson::api
