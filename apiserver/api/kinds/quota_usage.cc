#include "apiserver/api/kinds/quota_usage.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kByClass = ".storageclass.storage.k8s.io/";
constexpr std::string_view kClassAnnotation = "volume.beta.kubernetes.io/storage-class";
constexpr std::string_view kRequests = "requests.";

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> texts) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

bool Is(const Kind& kind, std::string_view plural) {
  return kind.group.empty() && kind.plural == plural;
}

std::string CountName(const Kind& kind) { return Concat("count/", kind.resource().ToString()); }

// The kinds that quotas counted before they counted all.
bool HasOldName(const Kind& kind) {
  return kind.group.empty() && IsOneOf(kind.plural, {"configmaps", "resourcequotas",
                                                     "replicationcontrollers", "secrets"});
}

// Amounts of containers by the names quotas have for them.
ResourceAmounts ComputeUsage(const ResourceAmounts& requests, const ResourceAmounts& limits) {
  ResourceAmounts usage;
  for (const auto& [name, amount] : requests) {
    if (IsOneOf(name, {"cpu", "memory", "ephemeral-storage"}) || IsHugePages(name)) {
      usage[name] = amount;
      usage[Concat(kRequests, name)] = amount;
    } else if (IsExtendedResource(name)) {
      usage[Concat(kRequests, name)] = amount;
    }
  }
  for (const auto& [name, amount] : limits) {
    if (IsOneOf(name, {"cpu", "memory", "ephemeral-storage"}))
      usage[Concat("limits.", name)] = amount;
  }
  return usage;
}

// Pods that ended, or should have by now, use nothing.
bool StillRuns(const Json& pod, absl::Time now) {
  if (IsOneOf(TextAt(pod, "status.phase"), {"Failed", "Succeeded"})) return false;
  const auto deleted = ParseTime(TextAt(pod, "metadata.deletionTimestamp"));
  const Json* grace = Find(pod, "metadata.deletionGracePeriodSeconds");
  if (!deleted || grace == nullptr) return true;
  return now <= *deleted + absl::Seconds(NumberAt(pod, "metadata.deletionGracePeriodSeconds"));
}

void AddPod(const Json& pod, absl::Time now, ResourceAmounts* usage) {
  if (!StillRuns(pod, now)) return;
  (*usage)["pods"] = Quantity::FromValue(1);
  const Json& spec = MapAt(pod, "spec");
  AddAmounts(ComputeUsage(PodAmounts(spec, "requests"), PodAmounts(spec, "limits")), usage);
}

void AddService(const Json& service, ResourceAmounts* usage) {
  const std::string& type = TextAt(service, "spec.type");
  const Json& ports = ArrayAt(service, "spec.ports");
  auto on_nodes = static_cast<int64_t>(ports.size());
  if (type == "LoadBalancer" && !FlagAt(service, "spec.allocateLoadBalancerNodePorts", true)) {
    on_nodes = std::count_if(ports.begin(), ports.end(),
                             [](const Json& port) { return NumberAt(port, "nodePort") != 0; });
  }
  const bool exposed = type == "NodePort" || type == "LoadBalancer";
  (*usage)["services"] = Quantity::FromValue(1);
  (*usage)["services.nodeports"] = Quantity::FromValue(exposed ? on_nodes : 0);
  (*usage)["services.loadbalancers"] = Quantity::FromValue(type == "LoadBalancer" ? 1 : 0);
}

void AddClaim(const Json& claim, ResourceAmounts* usage) {
  const Json* old_class = Member(AnnotationsOf(claim), kClassAnnotation);
  const std::string& name =
      old_class != nullptr ? TextAt(*old_class, "") : TextAt(claim, "spec.storageClassName");
  const Quantity one = Quantity::FromValue(1);
  const Quantity storage = std::max(AmountAt(MapAt(claim, "spec.resources.requests"), "storage"),
                                    AmountAt(MapAt(claim, "status.allocatedResources"), "storage"));
  (*usage)["persistentvolumeclaims"] = one;
  (*usage)["requests.storage"] = storage;
  if (name.empty()) return;
  (*usage)[Concat(name, kByClass, "persistentvolumeclaims")] = one;
  (*usage)[Concat(name, kByClass, "requests.storage")] = storage;
}

bool LooksAcrossNamespaces(const Json& pod) {
  for (std::string_view affinity : {"spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"}) {
    const Json& rules = MapAt(pod, affinity);
    const auto across = [](const Json& term) {
      return !ArrayAt(term, "namespaces").empty() || Find(term, "namespaceSelector") != nullptr;
    };
    for (const Json& term : ArrayAt(rules, "requiredDuringSchedulingIgnoredDuringExecution")) {
      if (across(term)) return true;
    }
    for (const Json& term : ArrayAt(rules, "preferredDuringSchedulingIgnoredDuringExecution")) {
      if (across(MapAt(term, "podAffinityTerm"))) return true;
    }
  }
  return false;
}

bool MatchesClass(const Json& term, const std::string& name) {
  const std::string& op = TextAt(term, "operator");
  if (op == "Exists" || op.empty()) return !name.empty();
  if (op == "DoesNotExist") return name.empty();
  const Json& values = ArrayAt(term, "values");
  const bool listed = std::find(values.begin(), values.end(), Json(name)) != values.end();
  return op == "In" ? !name.empty() && listed : name.empty() || !listed;
}

bool IsInScope(const Json& term, const Kind& kind, const Json& object) {
  const std::string& scope = TextAt(term, "scopeName");
  if (Is(kind, "persistentvolumeclaims")) {
    return scope == "VolumeAttributesClass" &&
           MatchesClass(term, TextAt(object, "spec.volumeAttributesClassName"));
  }
  if (!Is(kind, "pods")) return false;
  if (scope == "Terminating") return HasDeadline(object);
  if (scope == "NotTerminating") return !HasDeadline(object);
  if (scope == "BestEffort") return QosClassOf(MapAt(object, "spec")) == "BestEffort";
  if (scope == "NotBestEffort") return QosClassOf(MapAt(object, "spec")) != "BestEffort";
  if (scope == "PriorityClass") {
    return MatchesClass(term, TextAt(object, "spec.priorityClassName"));
  }
  return scope == "CrossNamespacePodAffinity" && LooksAcrossNamespaces(object);
}

}  // namespace

bool HasDeadline(const Json& pod) { return Find(pod, "spec.activeDeadlineSeconds") != nullptr; }

ResourceAmounts QuotaUsageOf(const Kind& kind, const Json& object, absl::Time now) {
  ResourceAmounts usage;
  usage[CountName(kind)] = Quantity::FromValue(1);
  if (Is(kind, "pods")) AddPod(object, now, &usage);
  if (Is(kind, "services")) AddService(object, &usage);
  if (Is(kind, "persistentvolumeclaims")) AddClaim(object, &usage);
  if (HasOldName(kind)) usage[std::string(kind.plural)] = Quantity::FromValue(1);
  return usage;
}

bool CountsFor(const Kind& kind, std::string_view name) {
  if (name == CountName(kind)) return true;
  if (HasOldName(kind)) return name == kind.plural;
  if (Is(kind, "services")) {
    return IsOneOf(name, {"services", "services.nodeports", "services.loadbalancers"});
  }
  if (Is(kind, "persistentvolumeclaims")) {
    const size_t by_class = name.find(kByClass);
    const std::string_view counted =
        by_class == std::string_view::npos ? name : name.substr(by_class + kByClass.size());
    return IsOneOf(counted, {"persistentvolumeclaims", "requests.storage"});
  }
  if (!Is(kind, "pods")) return false;
  if (IsOneOf(name, {"pods", "cpu", "memory", "ephemeral-storage", "requests.cpu",
                     "requests.memory", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
                     "limits.ephemeral-storage"})) {
    return true;
  }
  return IsHugePages(name) || name.starts_with("requests.hugepages-") ||
         (name.starts_with(kRequests) && !IsNativeResource(name));
}

bool IsInScopes(const Json& quota, const Kind& kind, const Json& object) {
  for (const Json& scope : ArrayAt(quota, "spec.scopes")) {
    const Json term = Json::object({{"scopeName", scope}, {"operator", "Exists"}});
    if (!IsInScope(term, kind, object)) return false;
  }
  for (const Json& term : ArrayAt(quota, "spec.scopeSelector.matchExpressions")) {
    if (!IsInScope(term, kind, object)) return false;
  }
  return true;
}

std::string MissingAmounts(const Json& hard, const Json& pod) {
  std::map<std::string, std::set<std::string>> missing;
  for (std::string_view list : {"spec.containers", "spec.initContainers"}) {
    for (const Json& container : ArrayAt(pod, list)) {
      const ResourceAmounts usage = ComputeUsage(AmountsOf(MapAt(container, "resources.requests")),
                                                 AmountsOf(MapAt(container, "resources.limits")));
      for (const auto& [name, amount] : hard.items()) {
        const bool must = IsOneOf(name, {"cpu", "memory", "requests.cpu", "requests.memory",
                                         "limits.cpu", "limits.memory"});
        if (must && !usage.contains(name)) missing[name].insert(TextAt(container, "name"));
      }
    }
  }
  std::string text;
  for (const auto& [name, containers] : missing) {
    Append(&text, text.empty() ? "must specify " : "; ", name, " for: ");
    bool first = true;
    for (const std::string& container : containers) {
      Append(&text, first ? "" : ",", container);
      first = false;
    }
  }
  return text;
}

}  // namespace keelson::api
