#include "apiserver/http/pod_handlers.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/http/object_handlers.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;
using api::Kind;

namespace {

ApiResponse Success() {
  return ApiResponse::Of(Json{{"kind", "Status"},
                              {"apiVersion", "v1"},
                              {"metadata", Json::object()},
                              {"status", "Success"},
                              {"code", 201}},
                         201);
}

void SetScheduled(Json& pod) {
  const Json condition = {{"type", "PodScheduled"},
                          {"status", "True"},
                          {"lastProbeTime", nullptr},
                          {"lastTransitionTime", api::FormatTime(absl::Now())}};
  Json& conditions = api::Make(pod, "status.conditions");
  if (!conditions.is_array()) conditions = Json::array();
  for (Json& known : conditions) {
    if (api::TextAt(known, "type") == "PodScheduled") {
      known = condition;
      return;
    }
  }
  conditions.push_back(condition);
}

// A pod that is not counted by budgets: evicting it disrupts nothing.
bool IsOutOfService(const Json& pod) {
  const std::string& phase = api::TextAt(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
         api::IsBeingDeleted(pod);
}

}  // namespace

absl::StatusOr<ApiResponse> PodHandlers::Bind(const ApiRequest& request) {
  const RequestInfo& info = request.info;
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  options.subresource = "binding";
  options.field_manager.clear();  // where a pod runs nobody owns
  KV_ASSIGN_OR_RETURN(const Json binding, DecodePart(request, "core.v1.Binding"));
  const std::string name = info.resource == "bindings" ? api::NameOf(binding) : info.name;
  if (!api::NameOf(binding).empty() && api::NameOf(binding) != name) {
    return api::BadRequest("name in URL does not match name in Binding object");
  }
  const std::string node = api::TextAt(binding, "target.name");
  const std::string kind = api::TextAt(binding, "target.kind");
  api::FieldErrors errors;
  if (!kind.empty() && kind != "Node")
    errors.NotSupported("target.kind", kind, {"Node", "<empty>"});
  if (node.empty()) errors.Required("target.name");
  if (!errors.empty()) return api::Invalid("", "Binding", name, errors);
  const auto change = [&](const Json& newest) -> absl::StatusOr<Json> {
    const std::string& uid = api::UidOf(binding);
    if (!uid.empty() && uid != api::UidOf(newest)) {
      return api::Conflict(api::PodKind().resource(), name,
                           Concat("Precondition failed: UID in precondition: ", uid,
                                  ", UID in object meta: ", api::UidOf(newest)));
    }
    if (api::IsBeingDeleted(newest)) {
      return api::Conflict({"", "pods/binding"}, name,
                           Concat("pod ", name, " is being deleted, cannot be assigned to a host"));
    }
    if (const std::string& now = api::TextAt(newest, "spec.nodeName"); !now.empty()) {
      return api::Conflict({"", "pods/binding"}, name,
                           Concat("pod ", name, " is already assigned to node \"", now, "\""));
    }
    if (!api::ArrayAt(newest, "spec.schedulingGates").empty()) {
      return api::Conflict({"", "pods/binding"}, name,
                           Concat("pod ", name, " has non-empty .spec.schedulingGates"));
    }
    Json bound = newest;
    api::Make(bound, "spec.nodeName") = node;
    for (const auto& [key, value] : api::AnnotationsOf(binding).items()) {
      api::Make(bound, "metadata.annotations")[key] = value;
    }
    SetScheduled(bound);
    return bound;
  };
  const absl::Status bound =
      registry_->Update(api::PodKind(), info.name_space, name, change, options).status();
  if (!bound.ok()) return bound;
  return Success();
}

absl::Status PodHandlers::TakeDisruption(const Json& pod, bool dry_run,
                                         const registry::User& user) {
  std::vector<std::string> budgets;
  for (const auto& budget :
       registry_->CachedList(api::PodDisruptionBudgetKind(), api::NamespaceOf(pod))) {
    const api::LabelSelector selector =
        api::LabelSelector::FromObject(api::MapAt(*budget, "spec.selector"));
    if (api::Find(*budget, "spec.selector") != nullptr && selector.Matches(api::LabelsOf(pod))) {
      budgets.push_back(api::NameOf(*budget));
    }
  }
  if (budgets.empty()) return absl::OkStatus();
  if (budgets.size() > 1) {
    return api::Internal(
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
        "support.");
  }
  const bool ready = api::ConditionIsTrue(pod, "Ready");
  registry::WriteOptions options;
  options.user = user;
  options.dry_run = dry_run;
  options.subresource = "status";
  const auto change = [&](const Json& budget) -> absl::StatusOr<Json> {
    const std::string& policy = api::TextAt(budget, "spec.unhealthyPodEvictionPolicy");
    const bool enough = api::NumberAt(budget, "status.currentHealthy") >=
                            api::NumberAt(budget, "status.desiredHealthy") &&
                        api::NumberAt(budget, "status.desiredHealthy") > 0;
    if (!ready && (policy == "AlwaysAllow" || enough)) return budget;
    if (api::NumberAt(budget, "status.observedGeneration") <
        api::NumberAt(budget, "metadata.generation")) {
      return api::TooManyRequests(
          "Cannot evict pod as it would violate the pod's disruption budget.", 10,
          {{.reason = "DisruptionBudget",
            .message = Concat("The disruption budget ", api::NameOf(budget),
                              " is still being processed by the server."),
            .field = ""}});
    }
    const int64_t allowed = api::NumberAt(budget, "status.disruptionsAllowed");
    if (allowed <= 0) {
      return api::TooManyRequests(
          "Cannot evict pod as it would violate the pod's disruption budget.", 0,
          {{.reason = "DisruptionBudget",
            .message =
                Concat("The disruption budget ", api::NameOf(budget), " needs ",
                       api::NumberAt(budget, "status.desiredHealthy"), " healthy pods and has ",
                       api::NumberAt(budget, "status.currentHealthy"), " currently"),
            .field = ""}});
    }
    Json taken = budget;
    api::Make(taken, "status.disruptionsAllowed") = allowed - 1;
    api::Make(taken, "status.disruptedPods")[api::NameOf(pod)] = api::FormatTime(absl::Now());
    return taken;
  };
  return registry_
      ->Update(api::PodDisruptionBudgetKind(), api::NamespaceOf(pod), budgets[0], change, options)
      .status();
}

absl::StatusOr<ApiResponse> PodHandlers::Evict(const ApiRequest& request) {
  const RequestInfo& info = request.info;
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  options.subresource = "eviction";
  KV_ASSIGN_OR_RETURN(const Json eviction, DecodePart(request, "policy.v1.Eviction"));
  if (!api::NameOf(eviction).empty() && api::NameOf(eviction) != info.name) {
    return api::BadRequest("name in URL does not match name in Eviction object");
  }
  for (const Json& dry : api::ArrayAt(eviction, "deleteOptions.dryRun")) {
    options.dry_run |= dry == "All";
  }
  KV_ASSIGN_OR_RETURN(const Json pod, registry_->Get(api::PodKind(), info.name_space, info.name));
  registry::DeleteOptions deletion;
  if (const Json* grace = api::Find(eviction, "deleteOptions.gracePeriodSeconds");
      grace != nullptr && grace->is_number()) {
    deletion.grace_seconds = grace->get<int64_t>();
  }
  deletion.preconditions.uid = api::TextAt(eviction, "deleteOptions.preconditions.uid");
  deletion.preconditions.resource_version =
      api::TextAt(eviction, "deleteOptions.preconditions.resourceVersion");
  if (!IsOutOfService(pod)) {
    KV_RETURN_IF_ERROR(TakeDisruption(pod, options.dry_run, request.user));
  }
  if (deletion.preconditions.uid.empty()) deletion.preconditions.uid = api::UidOf(pod);
  const absl::Status deleted =
      registry_->Delete(api::PodKind(), info.name_space, info.name, deletion, options).status();
  if (!deleted.ok()) return deleted;
  return Success();
}

}  // namespace keelson::apiserver
