#include "apiserver/api/kinds/pod_updates.h"

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::string_view kMayChange =
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was previously negative)";

void ValidateMirrorAnnotation(const Json& pod, const Json& old, FieldErrors& errors) {
  const Json* now = Member(AnnotationsOf(pod), kMirrorAnnotation);
  const Json* before = Member(AnnotationsOf(old), kMirrorAnnotation);
  const std::string path = Key("metadata.annotations", kMirrorAnnotation);
  if (before == nullptr) {
    if (now != nullptr) errors.Forbidden(path, "may not add mirror pod annotation");
  } else if (now == nullptr || *now != *before) {
    errors.Forbidden(path, "may not remove or update mirror pod annotation");
  }
}

// Whether as many containers as before are there.
bool ValidateContainerCount(const Json& spec, const Json& old, std::string_view list,
                            FieldErrors& errors) {
  if (ArrayAt(spec, list).size() == ArrayAt(old, list).size()) return true;
  errors.Forbidden(Child("spec", list), "pod updates may not add or remove containers");
  return false;
}

void ValidateDeadline(const Json& spec, const Json& old, FieldErrors& errors) {
  constexpr std::string_view kField = "activeDeadlineSeconds";
  const std::string path = Child("spec", kField);
  const Json* before = Find(old, kField);
  if (Find(spec, kField) == nullptr) {
    if (before != nullptr) {
      errors.Invalid(path, nullptr, "must not update from a positive integer to nil value");
    }
    return;
  }
  const int64_t now = NumberAt(spec, kField);
  CheckBetween(now, 0, std::numeric_limits<int32_t>::max(), path, errors);
  if (before != nullptr && NumberAt(old, kField) < now) {
    errors.Invalid(path, now, "must be less than or equal to previous value");
  }
}

void ValidateTolerationsKept(const Json& spec, const Json& old, FieldErrors& errors) {
  const Json& now = ArrayAt(spec, "tolerations");
  for (Json toleration : ArrayAt(old, "tolerations")) {
    bool found = false;
    for (Json candidate : now) {
      Erase(toleration, "tolerationSeconds");
      Erase(candidate, "tolerationSeconds");
      found = found || MeansTheSame(&toleration, &candidate);
    }
    if (found) continue;
    return errors.Forbidden("spec.tolerations",
                            "existing toleration can not be modified except its tolerationSeconds");
  }
}

void ValidateGatesRemoved(const Json& spec, const Json& old, FieldErrors& errors) {
  std::set<std::string> before;
  for (const Json& gate : ArrayAt(old, "schedulingGates")) before.insert(TextAt(gate, "name"));
  const Json& now = ArrayAt(spec, "schedulingGates");
  for (size_t i = 0; i < now.size(); ++i) {
    const std::string& name = TextAt(now[i], "name");
    if (before.contains(name)) continue;
    errors.Forbidden(
        Child(Index("spec.schedulingGates", i), "name"),
        Concat("only deletion is allowed, but found new scheduling gate '", name, "'"));
  }
}

// A term of node affinity that keeps all of what it required.
bool OnlyAdds(const Json& term, const Json& old) {
  for (std::string_view list : {"matchExpressions", "matchFields"}) {
    const Json& before = ArrayAt(old, list);
    const Json& now = ArrayAt(term, list);
    if (now.size() < before.size()) return false;
    for (size_t i = 0; i < before.size(); ++i) {
      if (!MeansTheSame(&now[i], &before[i])) return false;
    }
  }
  // A term without requirements matches nothing: with some it would match more.
  return !MeansTheSame(&old, nullptr) || MeansTheSame(&term, nullptr);
}

void ValidateNodeAffinityAdditions(const Json& spec, const Json& old, FieldErrors& errors) {
  constexpr std::string_view kTerms =
      "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const Json& before = ArrayAt(old, kTerms);
  const Json& now = ArrayAt(spec, kTerms);
  const std::string path = Child("spec", kTerms);
  if (!before.empty() && before.size() != now.size()) {
    return errors.Invalid(path, now,
                          "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
  }
  for (size_t i = 0; i < before.size(); ++i) {
    if (!OnlyAdds(now[i], before[i])) {
      errors.Invalid(Index(path, i), now[i],
                     "only additions are allowed (no mutations or deletions)");
    }
  }
}

// While gates keep a pod from being scheduled, it may become more selective about nodes.
void ValidateGatedPod(Json& rest, const Json& old, FieldErrors& errors) {
  for (const auto& [key, value] : MapAt(old, "nodeSelector").items()) {
    const Json* now = Member(MapAt(rest, "nodeSelector"), key);
    if (now != nullptr && *now == value) continue;
    errors.Invalid("spec.nodeSelector", MapAt(rest, "nodeSelector"),
                   "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    break;
  }
  ValidateNodeAffinityAdditions(rest, old, errors);
  for (std::string_view field : {"nodeSelector", "affinity.nodeAffinity"}) {
    const Json* before = Find(old, field);
    if (before != nullptr) {
      Make(rest, field) = *before;
    } else {
      Erase(rest, field);
    }
  }
}

void TakeImages(Json& spec, const Json& old, std::string_view list) {
  Json* containers = Find(spec, list);
  const Json& before = ArrayAt(old, list);
  if (containers == nullptr || !containers->is_array()) return;
  for (size_t i = 0; i < containers->size() && i < before.size(); ++i) {
    if ((*containers)[i].is_object()) (*containers)[i]["image"] = TextAt(before[i], "image");
  }
}

void TakeField(Json& spec, const Json& old, std::string_view field) {
  const Json* before = Find(old, field);
  if (before != nullptr) {
    Make(spec, field) = *before;
  } else {
    Erase(spec, field);
  }
}

void ValidateStatesKept(const Json& pod, const Json& old, std::string_view list,
                        std::string_view policy, FieldErrors& errors) {
  if (policy == "Always") return;
  std::map<std::string, const Json*> now;
  for (const Json& status : ArrayAt(MapAt(pod, "status"), list)) {
    now.emplace(TextAt(status, "name"), &status);
  }
  std::set<std::string> sidecars;
  for (const Json& container : ArrayAt(old, "spec.initContainers")) {
    if (TextAt(container, "restartPolicy") == "Always") sidecars.insert(TextAt(container, "name"));
  }
  const Json& before = ArrayAt(MapAt(old, "status"), list);
  for (size_t i = 0; i < before.size(); ++i) {
    const std::string& name = TextAt(before[i], "name");
    const Json* ended = Find(before[i], "state.terminated");
    if (ended == nullptr || sidecars.contains(name)) continue;
    if (NumberAt(*ended, "exitCode") != 0 && policy == "OnFailure") continue;
    const auto status = now.find(name);
    if (status != now.end() && Find(*status->second, "state.terminated") == nullptr) {
      errors.Forbidden(Child(Index(Child("status", list), i), "state"),
                       "may not be transitioned to non-terminated state");
    }
  }
}

void ValidateIps(const Json& status, std::string_view list, FieldErrors& errors) {
  const std::string path = Child("status", list);
  const Json& ips = ArrayAt(status, list);
  bool four = false;
  bool six = false;
  bool twice = false;
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string& ip = TextAt(ips[i], "ip");
    CheckIp(ip, Index(path, i), errors);
    bool& family = IsIpv4(ip) ? four : six;
    twice = twice || family;
    family = true;
  }
  if (twice) {
    errors.Invalid(path, ips, "may specify no more than one IP for each IP family");
  }
}

// The metadata of `old`, and the version the client changed.
void KeepMetadata(Json& pod, const Json& old) {
  const Json version = TextAt(pod, "metadata.resourceVersion");
  pod["metadata"] = MapAt(old, "metadata");
  if (version != "") pod["metadata"]["resourceVersion"] = version;
}

bool SameNames(const Json& containers, const Json& old) {
  if (containers.size() != old.size()) return false;
  for (size_t i = 0; i < old.size(); ++i) {
    if (TextAt(containers[i], "name") != TextAt(old[i], "name")) return false;
  }
  return true;
}

void ValidateContainerNames(const Json& spec, const Json& old, std::string_view list,
                            FieldErrors& errors) {
  const Json& now = ArrayAt(spec, list);
  const Json& before = ArrayAt(old, list);
  const std::string path = Child("spec", list);
  if (now.size() != before.size()) {
    return errors.Forbidden(path, Concat(list, " may not be added or removed on resize"));
  }
  for (size_t i = 0; i < before.size(); ++i) {
    if (TextAt(now[i], "name") != TextAt(before[i], "name")) {
      errors.Forbidden(Child(Index(path, i), "name"),
                       Concat(list, " may not be renamed or reordered on resize"));
    }
  }
}

void ValidateMemoryLimit(const Json& container, const Json& old, std::string_view path,
                         FieldErrors& errors) {
  std::string restart = "NotRequired";
  for (const Json& policy : ArrayAt(container, "resizePolicy")) {
    if (TextAt(policy, "resourceName") == "memory") restart = TextAt(policy, "restartPolicy");
  }
  if (restart != "NotRequired") return;
  const Json* now = Member(MapAt(container, "resources.limits"), "memory");
  const Json* before = Member(MapAt(old, "resources.limits"), "memory");
  if (now == nullptr) return;
  const std::string at = Key(Child(path, "limits"), "memory");
  if (before == nullptr) {
    errors.Forbidden(at, "memory limits cannot be added unless resizePolicy is RestartContainer");
  } else if (Quantity::Of(*now) < Quantity::Of(*before)) {
    errors.Forbidden(at,
                     "memory limits cannot be decreased unless resizePolicy is RestartContainer");
  }
}

void ValidateContainerResize(const Json& container, const Json& old, std::string_view path,
                             FieldErrors& errors) {
  for (std::string_view amounts : {"requests", "limits"}) {
    const Json& now = MapAt(MapAt(container, "resources"), amounts);
    for (const auto& [name, amount] : MapAt(MapAt(old, "resources"), amounts).items()) {
      if (now.contains(name)) continue;
      errors.Forbidden(Child(path, amounts), Concat("resource ", amounts, " cannot be removed"));
      break;
    }
  }
  ValidateMemoryLimit(container, old, path, errors);
}

// The container with cpu and memory as they were.
Json WithoutResize(Json container, const Json& old) {
  for (std::string_view amounts : {"requests", "limits"}) {
    Json& now = Make(Make(container, "resources"), amounts);
    const Json& before = MapAt(MapAt(old, "resources"), amounts);
    for (std::string_view name : {"cpu", "memory"}) {
      Erase(now, name);
      if (const Json* amount = Member(before, name)) Make(now, name) = *amount;
    }
  }
  TakeField(container, old, "resizePolicy");
  return container;
}

bool SupportsResize(const Json& pod) {
  for (const Json& status : ArrayAt(pod, "status.containerStatuses")) {
    if (Find(status, "state.running") != nullptr) return Find(status, "resources") != nullptr;
  }
  return true;
}

void ValidateResizedContainers(const Json& spec, const Json& old, std::string_view list,
                               FieldErrors& errors) {
  const Json& now = ArrayAt(spec, list);
  const Json& before = ArrayAt(old, list);
  for (size_t i = 0; i < before.size(); ++i) {
    const bool sidecar = TextAt(before[i], "restartPolicy") == "Always";
    if (list == "initContainers" && !sidecar) {
      if (!MeansTheSame(&now[i], &before[i])) {
        errors.Forbidden("spec", "resources for non-sidecar init containers are immutable");
      }
      continue;
    }
    ValidateContainerResize(now[i], before[i], Child(Index(Child("spec", list), i), "resources"),
                            errors);
    const Json rest = WithoutResize(now[i], before[i]);
    if (!MeansTheSame(&rest, &before[i])) {
      errors.Forbidden("spec",
                       sidecar ? "only cpu and memory resources for sidecar containers are mutable"
                               : "only cpu and memory resources are mutable");
    }
  }
}

}  // namespace

void ValidatePodUpdate(const Json& pod, const Json& old_pod, FieldErrors& errors) {
  ValidateMirrorAnnotation(pod, old_pod, errors);
  const Json& spec = MapAt(pod, "spec");
  const Json& old = MapAt(old_pod, "spec");
  if (!ValidateContainerCount(spec, old, "containers", errors) ||
      !ValidateContainerCount(spec, old, "initContainers", errors)) {
    return;
  }
  ValidateDeadline(spec, old, errors);
  ValidateTolerationsKept(spec, old, errors);
  ValidateGatesRemoved(spec, old, errors);

  // What is left must be what it was.
  Json rest = spec;
  TakeImages(rest, old, "containers");
  TakeImages(rest, old, "initContainers");
  for (std::string_view field : {"activeDeadlineSeconds", "schedulingGates", "tolerations"}) {
    TakeField(rest, old, field);
  }
  constexpr std::string_view kGrace = "terminationGracePeriodSeconds";
  if (NumberAt(old, kGrace) < 0 && NumberAt(rest, kGrace) == 1) TakeField(rest, old, kGrace);
  if (!ArrayAt(old, "schedulingGates").empty()) ValidateGatedPod(rest, old, errors);
  if (!MeansTheSame(&rest, &old)) {
    errors.Forbidden("spec", Concat(kMayChange, "\n", Differences(old, rest)));
  }
}

void ValidatePodStatusUpdate(const Json& pod, const Json& old, FieldErrors& errors) {
  ValidateMirrorAnnotation(pod, old, errors);
  const Json& status = MapAt(pod, "status");
  const Json& conditions = ArrayAt(status, "conditions");
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string path = Index("status.conditions", i);
    CheckName(TextAt(conditions[i], "type"), IsQualifiedName, Child(path, "Type"), errors);
    if (NumberAt(conditions[i], "observedGeneration") < 0) {
      errors.Invalid(Child(path, "observedGeneration"),
                     NumberAt(conditions[i], "observedGeneration"),
                     "must be a non-negative integer");
    }
  }
  const std::string& nominated = TextAt(status, "nominatedNodeName");
  if (!nominated.empty() && nominated != TextAt(old, "status.nominatedNodeName")) {
    CheckName(nominated, IsSubdomain, "status.nominatedNodeName", errors);
  }
  if (NumberAt(status, "observedGeneration") < 0) {
    errors.Invalid("status.observedGeneration", NumberAt(status, "observedGeneration"),
                   "must be a non-negative integer");
  }
  CheckImmutable(pod, old, "status.qosClass", "status.qosClass", errors);
  const std::string& policy = TextAt(old, "spec.restartPolicy");
  ValidateStatesKept(pod, old, "containerStatuses", policy, errors);
  ValidateStatesKept(pod, old, "initContainerStatuses", policy, errors);
  ValidateStatesKept(pod, old, "ephemeralContainerStatuses", "Never", errors);
  ValidateIps(status, "podIPs", errors);
  ValidateIps(status, "hostIPs", errors);
  const Json& host_ips = ArrayAt(status, "hostIPs");
  if (!host_ips.empty() && TextAt(host_ips[0], "ip") != TextAt(status, "hostIP")) {
    errors.Invalid("status.hostIPs[0].ip", TextAt(host_ips[0], "ip"), "must be equal to `hostIP`");
  }
}

void PrepareEphemeralContainersUpdate(Json& pod, const Json& old) {
  const Json containers = ArrayAt(pod, "spec.ephemeralContainers");
  KeepMetadata(pod, old);
  pod["spec"] = MapAt(old, "spec");
  if (!containers.empty()) {
    pod["spec"]["ephemeralContainers"] = containers;
  } else {
    Erase(pod, "spec.ephemeralContainers");
  }
  TakeField(pod, old, "status");
}

void ValidateEphemeralContainersUpdate(const Json& pod, const Json& old, FieldErrors& errors) {
  if (Member(AnnotationsOf(old), kMirrorAnnotation) != nullptr) {
    return errors.Forbidden("", "static pods do not support ephemeral containers");
  }
  std::map<std::string, const Json*> now;
  for (const Json& container : ArrayAt(pod, "spec.ephemeralContainers")) {
    now.emplace(TextAt(container, "name"), &container);
  }
  for (const Json& container : ArrayAt(old, "spec.ephemeralContainers")) {
    const std::string& name = TextAt(container, "name");
    const auto found = now.find(name);
    if (found == now.end()) {
      errors.Forbidden("spec.ephemeralContainers",
                       Concat("existing ephemeral containers \"", name, "\" may not be removed\n"));
    } else if (!MeansTheSame(found->second, &container)) {
      errors.Forbidden("spec.ephemeralContainers",
                       Concat("existing ephemeral containers \"", name, "\" may not be changed\n",
                              Differences(container, *found->second)));
    }
  }
}

void PreparePodResize(Json& pod, const Json& old) {
  // Others are left as they came, for validation to refuse.
  for (std::string_view list : {"spec.containers", "spec.initContainers"}) {
    if (!SameNames(ArrayAt(pod, list), ArrayAt(old, list))) return;
  }
  Json spec = MapAt(old, "spec");
  for (std::string_view list : {"containers", "initContainers"}) {
    const Json& now = ArrayAt(MapAt(pod, "spec"), list);
    for (size_t i = 0; i < now.size(); ++i) {
      Json& container = spec[std::string(list)][i];
      TakeField(container, now[i], "resources");
      TakeField(container, now[i], "resizePolicy");
    }
  }
  KeepMetadata(pod, old);
  pod["spec"] = std::move(spec);
  TakeField(pod, old, "status");
}

void ValidatePodResize(const Json& pod, const Json& old_pod, FieldErrors& errors) {
  const Json& spec = MapAt(pod, "spec");
  const Json& old = MapAt(old_pod, "spec");
  if (Member(AnnotationsOf(old_pod), kMirrorAnnotation) != nullptr) {
    return errors.Forbidden("", "static pods cannot be resized");
  }
  if (TextAt(old, "os.name") == "windows") {
    return errors.Forbidden("", "windows pods cannot be resized");
  }
  if (QosClassOf(spec) != QosClassOf(old)) {
    errors.Invalid("spec", TextAt(pod, "status.qosClass"),
                   "Pod QOS Class may not change as a result of resizing");
  }
  if (!SupportsResize(old_pod)) {
    errors.Forbidden("spec", "Pod running on node without support for resize");
  }
  const size_t before = errors.causes().size();
  for (std::string_view list : {"containers", "initContainers"}) {
    ValidateContainerNames(spec, old, list, errors);
  }
  if (errors.causes().size() > before) return;
  for (std::string_view list : {"initContainers", "containers"}) {
    ValidateResizedContainers(spec, old, list, errors);
  }
}

}  // namespace keelson::api
