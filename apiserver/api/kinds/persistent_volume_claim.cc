// PersistentVolumeClaim.
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/kinds/volumes.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kClassAnnotation = "volume.beta.kubernetes.io/storage-class";
constexpr std::string_view kSizePath = "spec.resources.requests.storage";

void SetDefaults(Json& claim) { SetVolumeClaimSpecDefaults(Make(claim, "spec")); }

// dataSource is the old form of dataSourceRef, for what is in the claim's namespace.
void AlignDataSources(Json& claim) {
  const Json* source = Find(claim, "spec.dataSource");
  const Json* reference = Find(claim, "spec.dataSourceRef");
  if (source != nullptr && reference == nullptr) {
    const Json copy = *source;
    claim["spec"]["dataSourceRef"] = copy;
  } else if (reference != nullptr && source == nullptr && TextAt(*reference, "namespace").empty()) {
    Json copy = *reference;
    Erase(copy, "namespace");
    claim["spec"]["dataSource"] = copy;
  }
}

void PrepareCreate(Json& claim) {
  claim["status"] = Json::object({{"phase", "Pending"}});
  AlignDataSources(claim);
}

void PrepareUpdate(Json& claim, const Json& old) { AlignDataSources(claim); }

void Validate(const Json& claim, FieldErrors& errors) {
  ValidateVolumeClaimSpec(MapAt(claim, "spec"), "spec", errors);
}

void Take(Json& claim, const Json& old, std::string_view path) {
  const Json* before = Find(old, path);
  if (before != nullptr) {
    Make(claim, path) = *before;
  } else {
    Erase(claim, path);
  }
}

void ValidateSize(const Json& claim, const Json& old, FieldErrors& errors) {
  const Quantity now = AmountAt(MapAt(claim, "spec.resources.requests"), "storage");
  const Quantity before = AmountAt(MapAt(old, "spec.resources.requests"), "storage");
  const Quantity given = AmountAt(MapAt(old, "status.capacity"), "storage");
  // Less than was asked for is fine as long as it is more than what there is: an expansion that
  // failed can be given up.
  if (now < before && now <= given) {
    errors.Forbidden(kSizePath, "field can not be less than status.capacity");
  }
}

void ValidateUpdate(const Json& claim, const Json& old, FieldErrors& errors) {
  Json rest = claim;
  if (TextAt(old, "spec.volumeName").empty()) Take(rest, old, "spec.volumeName");
  // A class may be given to a claim that has none yet.
  const Json* old_class = Member(AnnotationsOf(old), kClassAnnotation);
  if (Find(old, "spec.storageClassName") == nullptr &&
      (old_class == nullptr || *old_class == TextAt(claim, "spec.storageClassName"))) {
    Take(rest, old, "spec.storageClassName");
  }
  if (TextAt(claim, "status.phase") == "Bound") {
    Take(rest, old, kSizePath);
    Take(rest, old, "spec.volumeAttributesClassName");
  }
  const Json& before = MapAt(old, "spec");
  const Json& now = MapAt(rest, "spec");
  if (!MeansTheSame(&now, &before)) {
    errors.Forbidden("spec",
                     Concat("spec is immutable after creation except resources.requests and "
                            "volumeAttributesClassName for bound claims\n",
                            Differences(before, now)));
  }
  ValidateSize(claim, old, errors);
  CheckImmutable(claim, old, "spec.volumeMode", "volumeMode", errors);
}

void ValidateStatusUpdate(const Json& claim, const Json& old, FieldErrors& errors) {
  for (std::string_view field : {"status.capacity", "status.allocatedResources"}) {
    for (const auto& [name, amount] : MapAt(claim, field).items()) {
      if (!Quantity::Of(amount).IsNegative()) continue;
      errors.Invalid(Key(field, name), Quantity::Of(amount).Value(),
                     "must be a valid resource quantity");
    }
  }
}

void Print(const Json& claim, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(claim, "spec");
  const std::string& volume = TextAt(spec, "volumeName");
  const Json* old_class = Member(AnnotationsOf(claim), kClassAnnotation);
  const auto or_unset = [&spec](std::string_view field) -> std::string {
    return Find(spec, field) != nullptr ? TextAt(spec, field) : "<unset>";
  };
  cells->push_back(NameOf(claim));
  cells->push_back(IsBeingDeleted(claim) ? "Terminating" : TextAt(claim, "status.phase"));
  cells->push_back(volume);
  cells->push_back(
      volume.empty() ? "" : AmountAt(MapAt(claim, "status.capacity"), "storage").ToString());
  cells->push_back(volume.empty() ? "" : AccessModesCell(ArrayAt(claim, "status.accessModes")));
  cells->push_back(old_class != nullptr ? TextAt(*old_class, "")
                                        : TextAt(spec, "storageClassName"));
  cells->push_back(or_unset("volumeAttributesClassName"));
  cells->push_back(AgeCell(claim, context));
  cells->push_back(or_unset("volumeMode"));
}

}  // namespace

const Kind& PersistentVolumeClaimKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "PersistentVolumeClaim",
      .plural = "persistentvolumeclaims",
      .singular = "persistentvolumeclaim",
      .short_names = {"pvc"},
      .message = "core.v1.PersistentVolumeClaim",
      .storage_prefix = "persistentvolumeclaims",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateStatusUpdate,
      .columns = {NameColumn(),
                  {"Status"},
                  {"Volume"},
                  {"Capacity"},
                  {"Access Modes"},
                  {"StorageClass"},
                  {"VolumeAttributesClass"},
                  {"Age"},
                  {"VolumeMode", "string", "", "", 1}},
      .print = Print,
      .field_labels = {{"name", "metadata.name"}},
  };
  return kind;
}

}  // namespace keelson::api
