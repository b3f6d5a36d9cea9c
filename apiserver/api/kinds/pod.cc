// Pod.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_cells.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/pod_updates.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

void SetHostPorts(Json& container) {
  for (Json* port : ElementsAt(container, "ports")) {
    DefaultNumber(*port, "hostPort", NumberAt(*port, "containerPort"));
  }
}

void SetPodDefaults(Json& pod) {
  SetPodTemplateDefaults(pod);
  Json& spec = Make(pod, "spec");
  SetDefault(spec, "enableServiceLinks", true);
  if (NumberAt(spec, "terminationGracePeriodSeconds") < 0) {
    spec["terminationGracePeriodSeconds"] = 1;
  }
  const bool host_network = FlagAt(spec, "hostNetwork");
  for (std::string_view list : {"containers", "initContainers"}) {
    for (Json* container : ElementsAt(spec, list)) {
      if (const Json* limits = Find(*container, "resources.limits")) {
        const Json copy = *limits;
        DefaultMembers(Make(*container, "resources.requests"), copy);
      }
      if (host_network) SetHostPorts(*container);
    }
  }
  // podIP is the first of podIPs.
  const std::string ip = TextAt(pod, "status.podIP");
  const Json& ips = ArrayAt(pod, "status.podIPs");
  if (!ip.empty() && (ips.empty() || TextAt(ips[0], "ip") != ip)) {
    pod["status"]["podIPs"] = Json::array({Json::object({{"ip", ip}})});
  } else if (ip.empty() && !ips.empty()) {
    pod["status"]["podIP"] = TextAt(ips[0], "ip");
  }
}

// Adds to a term's selector what matchLabelKeys and mismatchLabelKeys say of the pod's labels.
void ApplyLabelKeys(Json& term, const Json& labels) {
  Json* selector = Find(term, "labelSelector");
  if (selector == nullptr) return;
  constexpr std::pair<std::string_view, std::string_view> kLists[] = {
      {"matchLabelKeys", "In"}, {"mismatchLabelKeys", "NotIn"}};
  for (const auto& [list, op] : kLists) {
    for (const Json& key : ArrayAt(term, list)) {
      const Json* value = Member(labels, TextAt(key, ""));
      if (value == nullptr) continue;
      Make(*selector, "matchExpressions")
          .push_back({{"key", key}, {"operator", op}, {"values", Json::array({*value})}});
    }
  }
}

void PrepareCreate(Json& pod) {
  Json& status = pod["status"];
  status = {{"phase", "Pending"}, {"qosClass", QosClassOf(MapAt(pod, "spec"))}};
  if (!ArrayAt(pod, "spec.schedulingGates").empty()) {
    status["conditions"] = Json::array(
        {Json::object({{"type", "PodScheduled"},
                       {"status", "False"},
                       {"reason", "SchedulingGated"},
                       {"message", "Scheduling is blocked due to non-empty scheduling gates"}})});
  }
  const Json labels = LabelsOf(pod);
  for (std::string_view affinity : {"spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"}) {
    Json* rules = Find(pod, affinity);
    if (rules == nullptr) continue;
    for (Json* term : ElementsAt(*rules, "requiredDuringSchedulingIgnoredDuringExecution")) {
      ApplyLabelKeys(*term, labels);
    }
    for (Json* weighted : ElementsAt(*rules, "preferredDuringSchedulingIgnoredDuringExecution")) {
      if (Json* term = Find(*weighted, "podAffinityTerm")) ApplyLabelKeys(*term, labels);
    }
  }
}

void Validate(const Json& pod, FieldErrors& errors) {
  const Json& spec = MapAt(pod, "spec");
  ValidatePodAnnotations(AnnotationsOf(pod), spec, "metadata.annotations", errors);
  ValidatePodSpec(spec, "spec", errors, {.is_pod = true, .pod_name = NameOf(pod)});
  if (!TextAt(spec, "serviceAccountName").empty()) return;
  const Json& volumes = ArrayAt(spec, "volumes");
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Json& sources = ArrayAt(volumes[i], "projected.sources");
    for (size_t j = 0; j < sources.size(); ++j) {
      if (Find(sources[j], "serviceAccountToken") == nullptr) continue;
      errors.Forbidden(Child(Index(Child(Index("spec.volumes", i), "projected.sources"), j),
                             "serviceAccountToken"),
                       "must not be specified when serviceAccountName is not set");
    }
  }
}

void ValidateCreate(const Json& pod, FieldErrors& errors) {
  if (!ArrayAt(pod, "spec.ephemeralContainers").empty()) {
    errors.Forbidden("spec.ephemeralContainers", "cannot be set on create");
  }
  if (!TextAt(pod, "spec.nodeName").empty() && !ArrayAt(pod, "spec.schedulingGates").empty()) {
    errors.Forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
  }
}

int64_t GraceSeconds(const Json& pod, std::optional<int64_t> requested) {
  const std::string& phase = TextAt(pod, "status.phase");
  if (TextAt(pod, "spec.nodeName").empty() || phase == "Failed" || phase == "Succeeded") return 0;
  const int64_t seconds = requested.value_or(NumberAt(pod, "spec.terminationGracePeriodSeconds"));
  return seconds < 0 ? 1 : seconds;
}

}  // namespace

const Kind& PodKind() {
  static const Kind kind = {
      .group = "",
      .version = "v1",
      .kind = "Pod",
      .plural = "pods",
      .singular = "pod",
      .short_names = {"po"},
      .categories = {"all"},
      .message = "core.v1.Pod",
      .storage_prefix = "pods",
      .subresources =
          {
              {"attach", {"create", "get"}, "", "v1", "PodAttachOptions"},
              {"binding", {"create"}, "", "v1", "Binding"},
              {.name = "ephemeralcontainers",
               .verbs = {"get", "patch", "update"},
               .prepare_update = PrepareEphemeralContainersUpdate,
               .validate_update = ValidateEphemeralContainersUpdate},
              {"eviction", {"create"}, "policy", "v1", "Eviction"},
              {"exec", {"create", "get"}, "", "v1", "PodExecOptions"},
              {"log", {"get"}},
              {"portforward", {"create", "get"}, "", "v1", "PodPortForwardOptions"},
              {.name = "resize",
               .verbs = {"get", "patch", "update"},
               .prepare_update = PreparePodResize,
               .validate_update = ValidatePodResize},
              {"status", {"get", "patch", "update"}},
          },
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetPodDefaults,
      .prepare_create = PrepareCreate,
      .validate = Validate,
      .validate_create = ValidateCreate,
      .validate_update = ValidatePodUpdate,
      .validate_status_update = ValidatePodStatusUpdate,
      .grace_seconds = GraceSeconds,
      .columns = {NameColumn(),
                  {"Ready"},
                  {"Status"},
                  {"Restarts"},
                  {"Age"},
                  {"IP", "string", "", "", 1},
                  {"Node", "string", "", "", 1},
                  {"Nominated Node", "string", "", "", 1},
                  {"Readiness Gates", "string", "", "", 1}},
      .print = PrintPod,
      .field_labels = {{"spec.nodeName", "spec.nodeName"},
                       {"spec.host", "spec.nodeName"},
                       {"spec.restartPolicy", "spec.restartPolicy"},
                       {"spec.schedulerName", "spec.schedulerName"},
                       {"spec.serviceAccountName", "spec.serviceAccountName"},
                       {"spec.hostNetwork", "spec.hostNetwork", "false"},
                       {"status.phase", "status.phase"},
                       {"status.podIP", "status.podIP"},
                       {"status.podIPs", "status.podIP"},
                       {"status.nominatedNodeName", "status.nominatedNodeName"}},
  };
  return kind;
}

}  // namespace keelson::api
