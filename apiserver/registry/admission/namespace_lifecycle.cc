// NamespaceLifecycle.
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/registry.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {
namespace {

using api::Json;

// For this long after a namespace was deleted here, the store is asked about it: the cache may not
// know yet.
constexpr absl::Duration kDeletedRemembered = absl::Seconds(30);

bool IsTerminating(const Json& name_space) {
  return api::IsBeingDeleted(name_space) ||
         api::TextAt(name_space, "status.phase") == "Terminating";
}

class NamespaceLifecycle : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (request.name_space.empty() || !request.kind->namespaced) return absl::OkStatus();
    // Reviews say nothing of their namespace.
    if (request.kind->group == "authorization.k8s.io") return absl::OkStatus();
    KV_ASSIGN_OR_RETURN(const bool terminating, IsTerminatingNow(registry, request.name_space));
    if (request.operation != Operation::kCreate || !terminating) return absl::OkStatus();
    return api::WithCause(
        Refuse(request, Concat("unable to create new content in namespace ", request.name_space,
                               " because it is being terminated")),
        {.reason = "NamespaceTerminating",
         .message = Concat("namespace ", request.name_space, " is being terminated"),
         .field = "metadata.namespace"});
  }

  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    if (!IsKind(request, "", "namespaces") || request.operation != Operation::kDelete) {
      return absl::OkStatus();
    }
    const std::string& name = request.name;
    if (name == "default" || name == "kube-system" || name == "kube-public") {
      return Refuse(request, "this namespace may not be deleted");
    }
    absl::MutexLock lock(&mutex_);
    deleted_[name] = absl::Now() + kDeletedRemembered;
    return absl::OkStatus();
  }

 private:
  // NotFound: there is no such namespace.
  absl::StatusOr<bool> IsTerminatingNow(Registry& registry, const std::string& name) {
    const auto cached = registry.Cached(api::NamespaceKind(), "", name);
    if (cached != nullptr && (IsTerminating(*cached) || !WasDeleted(name))) {
      return IsTerminating(*cached);
    }
    KV_ASSIGN_OR_RETURN(const Json live, registry.Get(api::NamespaceKind(), "", name));
    return IsTerminating(live);
  }

  bool WasDeleted(const std::string& name) {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    std::erase_if(deleted_, [now](const auto& deleted) { return deleted.second < now; });
    return deleted_.contains(name);
  }

  absl::Mutex mutex_;
  std::map<std::string, absl::Time> deleted_ ABSL_GUARDED_BY(mutex_);  // until when remembered
};

}  // namespace

PluginPtr MakeNamespaceLifecycle() { return std::make_unique<NamespaceLifecycle>(); }

}  // namespace keelson::registry
