#include "apiserver/registry/metadata.h"

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {

using api::FieldErrors;
using api::Json;
using api::Kind;
using api::NameRule;

namespace {

constexpr int64_t kAnnotationsBytesMax = 256 << 10;
constexpr size_t kNameMax = 63;
constexpr size_t kSuffixLetters = 5;

void ValidateName(const Kind& kind, const std::string& name, FieldErrors& errors) {
  std::string why;
  bool good = true;
  switch (kind.name_rule) {
    case NameRule::kSubdomain:
      good = api::IsSubdomain(name, &why);
      break;
    case NameRule::kLabel:
      good = api::IsLabel(name, &why);
      break;
    case NameRule::kLabel1035:
      good = api::IsLabel1035(name, &why);
      break;
    case NameRule::kPathSegment:
      if (name == "." || name == "..") {
        why = Concat("may not be '", name, "'");
      } else if (name.find('/') != std::string::npos) {
        why = "may not contain '/'";
      } else if (name.find('%') != std::string::npos) {
        why = "may not contain '%'";
      }
      good = why.empty();
      break;
  }
  if (!good) errors.Invalid("metadata.name", name, why);
}

void ValidateAnnotations(const Json& annotations, FieldErrors& errors) {
  int64_t bytes = 0;
  for (const auto& [key, value] : annotations.items()) {
    std::string why;
    if (!api::IsQualifiedName(absl::AsciiStrToLower(key), &why))
      errors.Invalid("metadata.annotations", key, why);
    bytes += static_cast<int64_t>(key.size());
    if (value.is_string()) {
      bytes += static_cast<int64_t>(value.get_ref<const std::string&>().size());
    }
  }
  if (bytes > kAnnotationsBytesMax) errors.TooLong("metadata.annotations", kAnnotationsBytesMax);
}

void ValidateOwners(const Json& owners, FieldErrors& errors) {
  const std::string path = "metadata.ownerReferences";
  int controllers = 0;
  size_t index = 0;
  for (const Json& owner : owners) {
    const std::string at = api::Index(path, index++);
    for (std::string_view field : {"apiVersion", "kind", "name", "uid"}) {
      if (api::TextAt(owner, field).empty()) {
        errors.Invalid(api::Child(at, field), "", Concat(field, " must not be empty"));
      }
    }
    if (api::FlagAt(owner, "controller") && ++controllers == 2) {
      errors.Invalid(path, owners,
                     "Only one reference can have Controller set to true. Found \"true\" in "
                     "references for several owners");
    }
  }
}

void ValidateFinalizers(const Json& finalizers, FieldErrors& errors) {
  bool orphan = false;
  bool foreground = false;
  size_t index = 0;
  for (const Json& finalizer : finalizers) {
    const std::string name = finalizer.is_string() ? finalizer.get<std::string>() : "";
    std::string why;
    if (!api::IsQualifiedName(name, &why)) {
      errors.Invalid(api::Index("metadata.finalizers", index), name, why);
    }
    orphan |= name == "orphan";
    foreground |= name == "foregroundDeletion";
    ++index;
  }
  if (orphan && foreground) {
    errors.Invalid("metadata.finalizers", finalizers,
                   "finalizer orphan and foregroundDeletion cannot be both set");
  }
}

}  // namespace

absl::Status CheckNamespace(const Kind& kind, std::string_view name_space, const Json& object) {
  const std::string& own = api::NamespaceOf(object);
  if (!kind.namespaced || own.empty() || own == name_space) return absl::OkStatus();
  return api::BadRequest(
      "the namespace of the provided object does not match the namespace sent on the request");
}

absl::Status SetNamespace(const Kind& kind, std::string_view name_space, Json& object) {
  KV_RETURN_IF_ERROR(CheckNamespace(kind, name_space, object));
  if (kind.namespaced) {
    api::Make(object, "metadata.namespace") = name_space;
  } else {
    api::Erase(object, "metadata.namespace");
  }
  return absl::OkStatus();
}

void BeginMetadata(const Kind& kind, Json& object) {
  for (std::string_view field :
       {"metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds", "metadata.selfLink",
        "metadata.resourceVersion", "metadata.generation"}) {
    api::Erase(object, field);
  }
  api::Make(object, "metadata.uid") = api::MakeUid();
  api::Make(object, "metadata.creationTimestamp") = api::FormatTime(absl::Now());
  if (kind.has_generation) api::Make(object, "metadata.generation") = 1;
}

std::string GenerateName(std::string_view base) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  static thread_local std::mt19937_64 chance{std::random_device{}()};
  std::string name(base.substr(0, kNameMax - kSuffixLetters));
  for (size_t i = 0; i < kSuffixLetters; ++i) name += kLetters[chance() % kLetters.size()];
  return name;
}

void ValidateMetadata(const Kind& kind, const Json& object, FieldErrors& errors) {
  const std::string& name = api::NameOf(object);
  if (name.empty()) {
    errors.Required("metadata.name", "name or generateName is required");
  } else {
    ValidateName(kind, name, errors);
  }
  std::string why;
  if (kind.namespaced && !api::IsLabel(api::NamespaceOf(object), &why)) {
    errors.Invalid("metadata.namespace", api::NamespaceOf(object), why);
  }
  api::ValidateLabels(api::LabelsOf(object), "metadata.labels", errors);
  ValidateAnnotations(api::AnnotationsOf(object), errors);
  ValidateOwners(api::ArrayAt(object, "metadata.ownerReferences"), errors);
  ValidateFinalizers(api::ArrayAt(object, "metadata.finalizers"), errors);
}

void CarryMetadata(const Json& old, Json& object) {
  for (std::string_view field :
       {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "generation", "generateName"}) {
    api::Carry(old, object, Concat("metadata.", field));
  }
  api::Erase(object, "metadata.selfLink");
}

void ValidateMetadataUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  if (!api::IsBeingDeleted(old)) return;
  std::string added;
  for (const Json& finalizer : api::ArrayAt(object, "metadata.finalizers")) {
    if (!finalizer.is_string() || api::HasFinalizer(old, finalizer.get<std::string>())) continue;
    Append(&added, added.empty() ? "" : ", ", '"', finalizer.get<std::string>(), '"');
  }
  if (!added.empty()) {
    errors.Forbidden("metadata.finalizers",
                     Concat("no new finalizers can be added if the object is being deleted, "
                            "found new finalizers []string{",
                            added, "}"));
  }
}

}  // namespace keelson::registry
