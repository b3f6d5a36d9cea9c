#include "apiserver/registry/admission/plugins.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/errors.h"

namespace keelson::registry {

std::vector<std::unique_ptr<AdmissionPlugin>> MakeAdmissionPlugins(
    const AdmissionOptions& options) {
  std::vector<PluginPtr> plugins;
  plugins.push_back(MakeNamespaceLifecycle());
  plugins.push_back(MakeLimitRanger());
  plugins.push_back(MakeServiceAccount());
  plugins.push_back(MakeDefaultStorageClass());
  plugins.push_back(MakeDefaultIngressClass());
  plugins.push_back(MakeStorageObjectInUseProtection());
  plugins.push_back(MakePersistentVolumeClaimResize());
  plugins.push_back(MakePriority());
  plugins.push_back(MakeDefaultTolerationSeconds());
  plugins.push_back(MakeTaintNodesByCondition());
  // What reserves comes last, for what comes after a reservation may undo it. Quotas are the last
  // of all: they count what the others made of the object.
  plugins.push_back(MakeServiceAddresses(options));
  plugins.push_back(MakeResourceQuota());
  return plugins;
}

absl::Status Refuse(const AdmissionRequest& request, std::string_view why) {
  return api::Forbidden(request.kind->resource(), request.name, why);
}

bool IsKind(const AdmissionRequest& request, std::string_view group, std::string_view plural) {
  return request.kind->group == group && request.kind->plural == plural;
}

bool IsPod(const AdmissionRequest& request) { return IsKind(request, "", "pods"); }

bool IsNew(const AdmissionRequest& request) {
  return request.operation == Operation::kCreate && request.subresource.empty();
}

}  // namespace keelson::registry
