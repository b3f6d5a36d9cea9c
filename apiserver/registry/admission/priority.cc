// Priority.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

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
using ClassPtr = std::shared_ptr<const Json>;

// Of several the one that gives least. nullptr: none.
ClassPtr DefaultClass(Registry& registry) {
  ClassPtr found;
  for (const ClassPtr& candidate : registry.CachedList(api::PriorityClassKind(), "")) {
    if (!api::FlagAt(*candidate, "globalDefault")) continue;
    if (found == nullptr || api::NumberAt(*candidate, "value") < api::NumberAt(*found, "value")) {
      found = candidate;
    }
  }
  return found;
}

absl::StatusOr<ClassPtr> ClassNamed(Registry& registry, const AdmissionRequest& request,
                                    const std::string& name) {
  ClassPtr cached = registry.Cached(api::PriorityClassKind(), "", name);
  if (cached != nullptr) return cached;
  absl::StatusOr<Json> live = registry.Get(api::PriorityClassKind(), "", name);
  if (live.ok()) return std::make_shared<const Json>(*std::move(live));
  if (!api::IsNotFound(live.status())) return live.status();
  return Refuse(request, Concat("no PriorityClass with name ", name, " was found"));
}

class Priority : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsPod(request) || !request.subresource.empty()) return absl::OkStatus();
    if (request.operation == Operation::kCreate) return GivePriority(registry, request);
    for (std::string_view field : {"spec.priority", "spec.preemptionPolicy"}) {
      const Json* before = api::Find(*request.old, field);
      if (before != nullptr) api::SetDefault(*request.object, field, *before);
    }
    return absl::OkStatus();
  }

  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    if (!IsKind(request, "scheduling.k8s.io", "priorityclasses") ||
        request.operation == Operation::kDelete || !api::FlagAt(*request.object, "globalDefault")) {
      return absl::OkStatus();
    }
    const ClassPtr there = DefaultClass(registry);
    if (there == nullptr ||
        (request.operation == Operation::kUpdate && api::NameOf(*there) == request.name)) {
      return absl::OkStatus();
    }
    return Refuse(request, Concat("PriorityClass ", api::NameOf(*there),
                                  " is already marked as default. Only one default can exist"));
  }

 private:
  static absl::Status GivePriority(Registry& registry, AdmissionRequest& request) {
    Json& pod = *request.object;
    ClassPtr priority_class;
    const std::string name = api::TextAt(pod, "spec.priorityClassName");
    if (!name.empty()) {
      KV_ASSIGN_OR_RETURN(priority_class, ClassNamed(registry, request, name));
    } else {
      priority_class = DefaultClass(registry);
      if (priority_class != nullptr) {
        api::Make(pod, "spec.priorityClassName") = api::NameOf(*priority_class);
      }
    }
    const int64_t priority =
        priority_class != nullptr ? api::NumberAt(*priority_class, "value") : 0;
    const std::string policy = priority_class != nullptr
                                   ? api::TextAt(*priority_class, "preemptionPolicy")
                                   : "PreemptLowerPriority";
    if (api::NumberAt(pod, "spec.priority", priority) != priority) {
      return Refuse(request,
                    Concat("the integer value of priority (", api::NumberAt(pod, "spec.priority"),
                           ") must not be provided in pod spec; priority admission "
                           "controller computed ",
                           priority, " from the given PriorityClass name"));
    }
    const std::string& asked = api::TextAt(pod, "spec.preemptionPolicy");
    if (!policy.empty() && !asked.empty() && asked != policy) {
      return Refuse(request, Concat("the string value of PreemptionPolicy (", asked,
                                    ") must not be provided in pod spec; priority admission "
                                    "controller computed ",
                                    policy, " from the given PriorityClass name"));
    }
    api::Make(pod, "spec.priority") = priority;
    if (!policy.empty()) api::Make(pod, "spec.preemptionPolicy") = policy;
    return absl::OkStatus();
  }
};

}  // namespace

PluginPtr MakePriority() { return std::make_unique<Priority>(); }

}  // namespace keelson::registry
