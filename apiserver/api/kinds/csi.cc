// What drivers of volumes say of themselves: CSIDriver, CSINode, VolumeAttachment.
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kTokenSecondsMin = 600;
constexpr int64_t kTokenSecondsMax = int64_t{1} << 32;
constexpr int64_t kDriverNameBytesMax = 63;
constexpr size_t kNodeIdCharactersMax = 256;
constexpr int64_t kAttachmentBytesMax = 256 << 10;
constexpr size_t kVolumeErrorBytesMax = 1024;

void SetDriverDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  SetDefault(spec, "attachRequired", true);
  SetDefault(spec, "podInfoOnMount", false);
  SetDefault(spec, "storageCapacity", false);
  SetDefault(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
  if (ArrayAt(spec, "volumeLifecycleModes").empty()) {
    Make(spec, "volumeLifecycleModes") = Json::array({"Persistent"});
  }
  SetDefault(spec, "requiresRepublish", false);
  SetDefault(spec, "seLinuxMount", false);
}

void ValidateTokenRequests(const Json& requests, FieldErrors& errors) {
  std::set<std::string> audiences;
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::string at = Index("spec.tokenRequests", i);
    const std::string& audience = TextAt(requests[i], "audience");
    if (!audiences.insert(audience).second) {
      errors.Duplicate(Child(at, "audience"), audience);
      continue;
    }
    if (Find(requests[i], "expirationSeconds") == nullptr) continue;
    const int64_t seconds = NumberAt(requests[i], "expirationSeconds");
    if (seconds < kTokenSecondsMin) {
      errors.Invalid(Child(at, "expirationSeconds"), seconds,
                     "may not specify a duration less than 10 minutes");
    }
    if (seconds > kTokenSecondsMax) {
      errors.Invalid(Child(at, "expirationSeconds"), seconds,
                     "may not specify a duration larger than 2^32 seconds");
    }
  }
}

void ValidateDriver(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  CheckOptionalOneOf(Find(spec, "fsGroupPolicy"), {"File", "None", "ReadWriteOnceWithFSType"},
                     "spec.fsGroupPolicy", errors);
  ValidateTokenRequests(ArrayAt(spec, "tokenRequests"), errors);
  for (const Json& mode : ArrayAt(spec, "volumeLifecycleModes")) {
    CheckOptionalOneOf(&mode, {"Persistent", "Ephemeral"}, "spec.volumeLifecycleModes", errors);
  }
}

void ValidateDriverUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec.attachRequired", "spec.attachedRequired", errors);
  CheckImmutable(object, old, "spec.volumeLifecycleModes", errors);
}

void PrintDriver(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(object, "spec");
  const bool has_requests = Find(spec, "tokenRequests") != nullptr;
  cells->push_back(NameOf(object));
  cells->push_back(FlagAt(spec, "attachRequired", true));
  cells->push_back(FlagAt(spec, "podInfoOnMount"));
  cells->push_back(FlagAt(spec, "storageCapacity"));
  cells->push_back(has_requests ? FieldCell(ArrayAt(spec, "tokenRequests"), "audience")
                                : "<unset>");
  cells->push_back(FlagAt(spec, "requiresRepublish"));
  cells->push_back(ListCell(ArrayAt(spec, "volumeLifecycleModes")));
  cells->push_back(AgeCell(object, context));
}

void CheckDriverName(const std::string& name, std::string_view path, FieldErrors& errors) {
  if (name.empty()) errors.Required(path);
  if (static_cast<int64_t>(name.size()) > kDriverNameBytesMax) {
    errors.TooLong(path, kDriverNameBytesMax);
  }
  std::string why;
  if (!IsSubdomain(absl::AsciiStrToLower(name), &why)) errors.Invalid(path, name, why);
}

void ValidateNode(const Json& object, FieldErrors& errors) {
  std::set<std::string> names;
  const Json& drivers = ArrayAt(object, "spec.drivers");
  for (size_t i = 0; i < drivers.size(); ++i) {
    const std::string at = Index("spec.drivers", i);
    const std::string& name = TextAt(drivers[i], "name");
    const std::string& id = TextAt(drivers[i], "nodeID");
    CheckDriverName(name, Child(at, "name"), errors);
    if (id.empty()) errors.Required(Child(at, "nodeID"));
    if (id.size() > kNodeIdCharactersMax) {
      errors.Invalid(Child(at, "nodeID"), id,
                     Concat("must be ", kNodeIdCharactersMax, " characters or less"));
    }
    CheckNoneNegative(MapAt(drivers[i], "allocatable"), {"count"}, Child(at, "allocatable"),
                      errors);
    if (!names.insert(name).second) errors.Duplicate(Child(at, "name"), name);
    std::set<std::string> keys;
    for (const Json& key : ArrayAt(drivers[i], "topologyKeys")) {
      const std::string& text = TextAt(key, "");
      if (text.empty()) errors.Required(at);
      if (!keys.insert(text).second) errors.Duplicate(at, text);
      CheckName(text, IsQualifiedName, at, errors);
    }
  }
}

// A driver that stays stays as it is.
void ValidateNodeUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  for (const Json& before : ArrayAt(old, "spec.drivers")) {
    for (const Json& now : ArrayAt(object, "spec.drivers")) {
      if (TextAt(now, "name") == TextAt(before, "name") && !MeansTheSame(&now, &before)) {
        errors.Invalid("spec.drivers", now, "field is immutable");
      }
    }
  }
}

void PrintNode(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(ArrayAt(object, "spec.drivers").size());
  cells->push_back(AgeCell(object, context));
}

void ValidateAttachment(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  const Json& source = MapAt(spec, "source");
  const std::string& volume = TextAt(source, "persistentVolumeName");
  const bool has_volume = Find(source, "persistentVolumeName") != nullptr;
  const bool has_spec = Find(source, "inlineVolumeSpec") != nullptr;
  constexpr std::string_view kOne =
      "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
  CheckDriverName(TextAt(spec, "attacher"), "spec.attacher", errors);
  if (!has_volume && !has_spec) {
    errors.Required("spec.source", kOne);
  } else if (has_volume && has_spec) {
    errors.Forbidden("spec.source", kOne);
  } else if (has_volume && volume.empty()) {
    errors.Required("spec.source.persistentVolumeName",
                    "must specify non empty persistentVolumeName");
  }
  if (!volume.empty()) {
    CheckName(volume, IsSubdomain, "spec.source.persistentVolumeName", errors);
  }
  CheckName(TextAt(spec, "nodeName"), IsSubdomain, "spec.nodeName", errors);
}

void ValidateAttachmentUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  CheckImmutable(object, old, "spec", errors);
}

void ValidateAttachmentStatus(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& status = MapAt(object, "status");
  int64_t bytes = 0;
  for (const auto& [key, value] : MapAt(status, "attachmentMetadata").items()) {
    bytes += static_cast<int64_t>(key.size() + TextAt(value, "").size());
  }
  if (bytes > kAttachmentBytesMax) {
    errors.TooLong("status.attachmentMetadata", kAttachmentBytesMax);
  }
  for (std::string_view field : {"attachError", "detachError"}) {
    if (TextAt(MapAt(status, field), "message").size() > kVolumeErrorBytesMax) {
      errors.TooLong(Child(Child("status", field), "message"), kAttachmentBytesMax);
    }
  }
}

void PrintAttachment(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(object, "spec.attacher"));
  cells->push_back(TextAt(object, "spec.source.persistentVolumeName"));
  cells->push_back(TextAt(object, "spec.nodeName"));
  cells->push_back(FlagAt(object, "status.attached"));
  cells->push_back(AgeCell(object, context));
}

}  // namespace

const Kind& CsiDriverKind() {
  static const Kind kind = {
      .group = "storage.k8s.io",
      .version = "v1",
      .kind = "CSIDriver",
      .plural = "csidrivers",
      .singular = "csidriver",
      .namespaced = false,
      .message = "storage.v1.CSIDriver",
      .storage_prefix = "csidrivers",
      .has_generation = true,
      .unconditional_update = false,
      .set_defaults = SetDriverDefaults,
      .validate = ValidateDriver,
      .validate_update = ValidateDriverUpdate,
      .columns = {NameColumn(),
                  {"AttachRequired", "boolean"},
                  {"PodInfoOnMount", "boolean"},
                  {"StorageCapacity", "boolean"},
                  {"TokenRequests"},
                  {"RequiresRepublish", "boolean"},
                  {"Modes"},
                  {"Age"}},
      .print = PrintDriver,
  };
  return kind;
}

const Kind& CsiNodeKind() {
  static const Kind kind = {
      .group = "storage.k8s.io",
      .version = "v1",
      .kind = "CSINode",
      .plural = "csinodes",
      .singular = "csinode",
      .namespaced = false,
      .message = "storage.v1.CSINode",
      .storage_prefix = "csinodes",
      .unconditional_update = false,
      .validate = ValidateNode,
      .validate_update = ValidateNodeUpdate,
      .columns = {NameColumn(), {"Drivers", "integer"}, {"Age"}},
      .print = PrintNode,
  };
  return kind;
}

const Kind& VolumeAttachmentKind() {
  static const Kind kind = {
      .group = "storage.k8s.io",
      .version = "v1",
      .kind = "VolumeAttachment",
      .plural = "volumeattachments",
      .singular = "volumeattachment",
      .namespaced = false,
      .message = "storage.v1.VolumeAttachment",
      .storage_prefix = "volumeattachments",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .unconditional_update = false,
      .validate = ValidateAttachment,
      .validate_update = ValidateAttachmentUpdate,
      .validate_status_update = ValidateAttachmentStatus,
      .columns = {NameColumn(),
                  {"Attacher", "string", "name"},
                  {"PV"},
                  {"Node"},
                  {"Attached", "boolean"},
                  {"Age"}},
      .print = PrintAttachment,
  };
  return kind;
}

}  // namespace keelson::api
