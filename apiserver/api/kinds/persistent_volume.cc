// PersistentVolume.
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kClassAnnotation = "volume.beta.kubernetes.io/storage-class";

void SetDefaults(Json& volume) {
  Json& spec = Make(volume, "spec");
  DefaultText(spec, "persistentVolumeReclaimPolicy", "Retain");
  SetDefault(spec, "volumeMode", "Filesystem");
  SetPersistentVolumeSourceDefaults(spec);
}

void PrepareCreate(Json& volume) { volume["status"] = Json::object({{"phase", "Pending"}}); }

void ValidateCapacity(const Json& capacity, std::string_view path, FieldErrors& errors) {
  if (capacity.empty()) errors.Required(path);
  if (capacity.size() > 1 || Member(capacity, "storage") == nullptr) {
    errors.NotSupported(path, capacity, {"storage"});
  }
  for (const auto& [name, amount] : capacity.items()) {
    if (Quantity::Of(amount) > Quantity()) continue;
    errors.Invalid(Key(path, name), Quantity::Of(amount).ToString(), "must be greater than zero");
  }
}

void ValidateAffinity(const Json& spec, FieldErrors& errors) {
  if (const Json* affinity = Find(spec, "nodeAffinity")) {
    if (const Json* required = Find(*affinity, "required")) {
      ValidateNodeSelector(*required, LabelValues::kChecked, "spec.nodeAffinity.required", errors);
    } else {
      errors.Required("spec.nodeAffinity.required", "must specify required node constraints");
    }
  } else if (Find(spec, "local") != nullptr) {
    errors.Required("spec.nodeAffinity", "Local volume requires node affinity");
  }
}

// A path that is the root of the file system, however it is written.
bool IsRoot(std::string_view path) {
  return !path.empty() && path.front() == '/' &&
         path.find_first_not_of("/.") == std::string_view::npos &&
         path.find("...") == std::string_view::npos;
}

void Validate(const Json& volume, FieldErrors& errors) {
  const Json& spec = MapAt(volume, "spec");
  const Json& modes = ArrayAt(spec, "accessModes");
  if (modes.empty()) errors.Required("spec.accessModes");
  ValidateAccessModes(modes, "spec.accessModes", errors);
  ValidateCapacity(MapAt(spec, "capacity"), "spec.capacity", errors);
  const std::string& policy = TextAt(spec, "persistentVolumeReclaimPolicy");
  CheckOneOf(policy, {"Delete", "Recycle", "Retain"}, "spec.persistentVolumeReclaimPolicy", errors);
  ValidateAffinity(spec, errors);
  ValidatePersistentVolumeSource(spec, NameOf(volume), "spec", errors);
  if (policy == "Recycle" && IsRoot(TextAt(spec, "hostPath.path"))) {
    errors.Forbidden("spec.persistentVolumeReclaimPolicy",
                     "may not be 'recycle' for a hostPath mount of '/'");
  }
  for (std::string_view field : {"storageClassName", "volumeAttributesClassName"}) {
    const std::string& name = TextAt(spec, field);
    if (!name.empty()) CheckName(name, IsSubdomain, Child("spec", field), errors);
  }
  ValidateVolumeMode(spec, "spec", errors);
}

void ValidateUpdate(const Json& volume, const Json& old, FieldErrors& errors) {
  Json source = PersistentVolumeSourceOf(MapAt(volume, "spec"));
  const Json before = PersistentVolumeSourceOf(MapAt(old, "spec"));
  // A secret for expansion may be named later.
  if (Find(before, "csi") != nullptr && Find(before, "csi.controllerExpandSecretRef") == nullptr) {
    Erase(source, "csi.controllerExpandSecretRef");
  }
  if (!MeansTheSame(&source, &before)) {
    errors.Forbidden("spec.persistentvolumesource",
                     Concat("spec.persistentvolumesource is immutable after creation\n",
                            Differences(before, source)));
  }
  CheckImmutable(volume, old, "spec.volumeMode", "volumeMode", errors);
  const Json* affinity = Find(old, "spec.nodeAffinity");
  const Json* now = Find(volume, "spec.nodeAffinity");
  if (affinity != nullptr && !MeansTheSame(now, affinity)) {
    errors.Invalid("nodeAffinity", now != nullptr ? *now : Json(),
                   "field is immutable, except for updating from beta label to GA");
  }
}

void Print(const Json& volume, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(volume, "spec");
  const Json* claim = Find(spec, "claimRef");
  const Json* old_class = Member(AnnotationsOf(volume), kClassAnnotation);
  const auto or_unset = [&spec](std::string_view field) -> std::string {
    return Find(spec, field) != nullptr ? TextAt(spec, field) : "<unset>";
  };
  cells->push_back(NameOf(volume));
  cells->push_back(AmountAt(MapAt(spec, "capacity"), "storage").ToString());
  cells->push_back(AccessModesCell(ArrayAt(spec, "accessModes")));
  cells->push_back(TextAt(spec, "persistentVolumeReclaimPolicy"));
  cells->push_back(IsBeingDeleted(volume) ? "Terminating" : TextAt(volume, "status.phase"));
  cells->push_back(
      claim == nullptr ? "" : Concat(TextAt(*claim, "namespace"), "/", TextAt(*claim, "name")));
  cells->push_back(old_class != nullptr ? TextAt(*old_class, "")
                                        : TextAt(spec, "storageClassName"));
  cells->push_back(or_unset("volumeAttributesClassName"));
  cells->push_back(TextAt(volume, "status.reason"));
  cells->push_back(AgeCell(volume, context));
  cells->push_back(or_unset("volumeMode"));
}

}  // namespace

const Kind& PersistentVolumeKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "PersistentVolume",
      .plural = "persistentvolumes",
      .singular = "persistentvolume",
      .short_names = {"pv"},
      .namespaced = false,
      .message = "core.v1.PersistentVolume",
      .storage_prefix = "persistentvolumes",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .columns = {NameColumn(),
                  {"Capacity"},
                  {"Access Modes"},
                  {"Reclaim Policy"},
                  {"Status"},
                  {"Claim"},
                  {"StorageClass"},
                  {"VolumeAttributesClass"},
                  {"Reason"},
                  {"Age"},
                  {"VolumeMode", "string", "", "", 1}},
      .print = Print,
      .field_labels = {{"name", "metadata.name"}},
  };
  return kind;
}

}  // namespace keelson::api
