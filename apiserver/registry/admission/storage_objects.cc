// StorageObjectInUseProtection and PersistentVolumeClaimResize.
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/registry.h"

namespace keelson::registry {
namespace {

using api::Json;

class StorageObjectInUseProtection : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsNew(request)) return absl::OkStatus();
    if (IsKind(request, "", "persistentvolumeclaims")) {
      Hold(*request.object, "kubernetes.io/pvc-protection");
    } else if (IsKind(request, "", "persistentvolumes")) {
      Hold(*request.object, "kubernetes.io/pv-protection");
    }
    return absl::OkStatus();
  }

 private:
  static void Hold(Json& object, std::string_view finalizer) {
    if (api::HasFinalizer(object, finalizer)) return;
    Json& finalizers = api::Make(object, "metadata.finalizers");
    if (!finalizers.is_array()) finalizers = Json::array();
    finalizers.push_back(finalizer);
  }
};

std::string ClassOf(const Json& claim) {
  const Json* old_class =
      api::Member(api::AnnotationsOf(claim), "volume.beta.kubernetes.io/storage-class");
  return old_class != nullptr ? api::TextAt(*old_class, "")
                              : api::TextAt(claim, "spec.storageClassName");
}

class PersistentVolumeClaimResize : public AdmissionPlugin {
 public:
  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    if (!IsKind(request, "", "persistentvolumeclaims") || request.operation != Operation::kUpdate ||
        !request.subresource.empty()) {
      return absl::OkStatus();
    }
    const auto size = [](const Json& claim) {
      return api::AmountAt(api::MapAt(claim, "spec.resources.requests"), "storage");
    };
    if (size(*request.object) <= size(*request.old)) return absl::OkStatus();
    if (api::TextAt(*request.old, "status.phase") != "Bound") {
      return Refuse(request, "Only bound persistent volume claims can be expanded");
    }
    const std::string name = ClassOf(*request.object);
    const auto storage_class = name.empty() || name != ClassOf(*request.old)
                                   ? nullptr
                                   : registry.Cached(api::StorageClassKind(), "", name);
    if (storage_class != nullptr && api::FlagAt(*storage_class, "allowVolumeExpansion")) {
      return absl::OkStatus();
    }
    return Refuse(request,
                  "only dynamically provisioned pvc can be resized and the storageclass that "
                  "provisions the pvc must support resize");
  }
};

}  // namespace

PluginPtr MakeStorageObjectInUseProtection() {
  return std::make_unique<StorageObjectInUseProtection>();
}
PluginPtr MakePersistentVolumeClaimResize() {
  return std::make_unique<PersistentVolumeClaimResize>();
}

}  // namespace keelson::registry
