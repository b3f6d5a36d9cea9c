// DefaultStorageClass and DefaultIngressClass.
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/registry.h"

namespace keelson::registry {
namespace {

using api::Json;

// Of several the newest, and of those the first by name. nullptr: none.
std::shared_ptr<const Json> DefaultOf(Registry& registry, const api::Kind& kind,
                                      std::initializer_list<std::string_view> annotations) {
  std::shared_ptr<const Json> found;
  const auto age = [](const Json& object) {
    return std::tuple(api::TextAt(object, "metadata.creationTimestamp"), api::NameOf(object));
  };
  for (const auto& candidate : registry.CachedList(kind, "")) {
    bool is_default = false;
    for (std::string_view annotation : annotations) {
      const Json* value = api::Member(api::AnnotationsOf(*candidate), annotation);
      is_default = is_default || (value != nullptr && *value == "true");
    }
    if (!is_default) continue;
    if (found != nullptr) {
      const auto [made, name] = age(*candidate);
      const auto [best_made, best_name] = age(*found);
      if (made < best_made || (made == best_made && name > best_name)) continue;
    }
    found = candidate;
  }
  return found;
}

class DefaultStorageClass : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsKind(request, "", "persistentvolumeclaims") || !IsNew(request)) return absl::OkStatus();
    Json& claim = *request.object;
    // An empty name asks for volumes without a class.
    if (api::Find(claim, "spec.storageClassName") != nullptr ||
        api::Member(api::AnnotationsOf(claim), "volume.beta.kubernetes.io/storage-class") !=
            nullptr) {
      return absl::OkStatus();
    }
    const auto found = DefaultOf(registry, api::StorageClassKind(),
                                 {"storageclass.kubernetes.io/is-default-class",
                                  "storageclass.beta.kubernetes.io/is-default-class"});
    if (found != nullptr) api::Make(claim, "spec.storageClassName") = api::NameOf(*found);
    return absl::OkStatus();
  }
};

class DefaultIngressClass : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsKind(request, "networking.k8s.io", "ingresses") || !IsNew(request)) {
      return absl::OkStatus();
    }
    Json& ingress = *request.object;
    if (api::Find(ingress, "spec.ingressClassName") != nullptr ||
        api::Member(api::AnnotationsOf(ingress), "kubernetes.io/ingress.class") != nullptr) {
      return absl::OkStatus();
    }
    const auto found = DefaultOf(registry, api::IngressClassKind(),
                                 {"ingressclass.kubernetes.io/is-default-class"});
    if (found != nullptr) api::Make(ingress, "spec.ingressClassName") = api::NameOf(*found);
    return absl::OkStatus();
  }
};

}  // namespace

PluginPtr MakeDefaultStorageClass() { return std::make_unique<DefaultStorageClass>(); }
PluginPtr MakeDefaultIngressClass() { return std::make_unique<DefaultIngressClass>(); }

}  // namespace keelson::registry
