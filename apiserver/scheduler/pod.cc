#include "apiserver/scheduler/pod.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using Operator = api::LabelSelector::Operator;

Toleration ParseToleration(const Json& json) {
  return {api::TextAt(json, "key"), api::TextAt(json, "value"),
          ParseTaintEffect(api::TextAt(json, "effect")), api::TextAt(json, "operator") == "Exists"};
}

// matchLabelKeys narrow the selector to pods that agree with this one.
void RequireSameLabels(const Json& keys, const Labels& labels, Operator op, Selector& selector) {
  for (const Json& key : keys) {
    if (!key.is_string()) continue;
    const std::string* value = FindLabel(labels, key.get_ref<const std::string&>());
    if (value != nullptr) Require(selector, key.get<std::string>(), op, *value);
  }
}

AffinityTerm ParseAffinityTerm(const Json& json, const Pod& pod) {
  AffinityTerm term;
  for (const Json& name : api::ArrayAt(json, "namespaces")) {
    if (name.is_string()) term.namespaces.push_back(name.get<std::string>());
  }
  const Json* namespaces = api::Find(json, "namespaceSelector");
  if (namespaces != nullptr) {
    term.namespace_selector = ParseSelector(namespaces);
  } else if (term.namespaces.empty()) {
    term.namespaces.push_back(pod.name_space);
  }
  term.selector = ParseSelector(api::Find(json, "labelSelector"));
  RequireSameLabels(api::ArrayAt(json, "matchLabelKeys"), pod.labels, Operator::kIn, term.selector);
  RequireSameLabels(api::ArrayAt(json, "mismatchLabelKeys"), pod.labels, Operator::kNotIn,
                    term.selector);
  term.topology_key = api::TextAt(json, "topologyKey");
  return term;
}

constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";

void ParseTerms(const Json& json, const Pod& pod, std::vector<AffinityTerm>& required,
                std::vector<AffinityTerm>& preferred) {
  for (const Json& term : api::ArrayAt(json, kRequired)) {
    required.push_back(ParseAffinityTerm(term, pod));
  }
  for (const Json& weighted : api::ArrayAt(json, kPreferred)) {
    preferred.push_back(ParseAffinityTerm(api::MapAt(weighted, "podAffinityTerm"), pod));
    preferred.back().weight = static_cast<int>(api::NumberAt(weighted, "weight"));
  }
}

void ParseAffinity(const Json& affinity, Pod& pod) {
  const Json& nodes = api::MapAt(affinity, "nodeAffinity");
  if (const Json* required = api::Find(nodes, kRequired); required != nullptr) {
    pod.has_node_terms = true;
    pod.node_terms = ParseNodeTerms(*required);
  }
  for (const Json& preferred : api::ArrayAt(nodes, kPreferred)) {
    pod.preferred_nodes.push_back({static_cast<int>(api::NumberAt(preferred, "weight")),
                                   ParseNodeTerm(api::MapAt(preferred, "preference"))});
  }
  PodAffinity parsed;
  ParseTerms(api::MapAt(affinity, "podAffinity"), pod, parsed.required, parsed.preferred);
  ParseTerms(api::MapAt(affinity, "podAntiAffinity"), pod, parsed.required_anti,
             parsed.preferred_anti);
  if (!parsed.required.empty() || !parsed.required_anti.empty() || !parsed.preferred.empty() ||
      !parsed.preferred_anti.empty()) {
    pod.affinity = std::make_shared<const PodAffinity>(std::move(parsed));
  }
}

SpreadConstraint ParseSpread(const Json& json, const Pod& pod) {
  SpreadConstraint spread;
  spread.topology_key = api::TextAt(json, "topologyKey");
  spread.max_skew = static_cast<int>(api::NumberAt(json, "maxSkew", 1));
  spread.min_domains = static_cast<int>(api::NumberAt(json, "minDomains", 1));
  spread.required = api::TextAt(json, "whenUnsatisfiable") != "ScheduleAnyway";
  spread.honor_affinity = api::TextAt(json, "nodeAffinityPolicy") != "Ignore";
  spread.honor_taints = api::TextAt(json, "nodeTaintsPolicy") == "Honor";
  spread.selector = ParseSelector(api::Find(json, "labelSelector"));
  RequireSameLabels(api::ArrayAt(json, "matchLabelKeys"), pod.labels, Operator::kIn,
                    spread.selector);
  return spread;
}

void ParseContainers(const Json& containers, Pod& pod) {
  for (const Json& container : containers) {
    ++pod.containers;
    pod.images.push_back(NormalImage(api::TextAt(container, "image")));
    for (const Json& port : api::ArrayAt(container, "ports")) {
      const int64_t number = api::NumberAt(port, "hostPort");
      if (number <= 0) continue;
      const std::string& protocol = api::TextAt(port, "protocol");
      const std::string& ip = api::TextAt(port, "hostIP");
      pod.host_ports.push_back({ip == "0.0.0.0" ? "" : ip, protocol.empty() ? "TCP" : protocol,
                                static_cast<int>(number)});
    }
  }
}

void ParseDisk(const Json& volume, Pod& pod) {
  if (const Json* disk = api::Find(volume, "gcePersistentDisk"); disk != nullptr) {
    pod.disks.push_back(
        {Concat("gce/", api::TextAt(*disk, "pdName")), api::FlagAt(*disk, "readOnly")});
  } else if (disk = api::Find(volume, "awsElasticBlockStore"); disk != nullptr) {
    pod.disks.push_back({Concat("aws/", api::TextAt(*disk, "volumeID")), false});
  } else if (disk = api::Find(volume, "iscsi"); disk != nullptr) {
    pod.disks.push_back(
        {Concat("iscsi/", api::TextAt(*disk, "iqn")), api::FlagAt(*disk, "readOnly")});
  } else if (disk = api::Find(volume, "rbd"); disk != nullptr) {
    const std::string& pool = api::TextAt(*disk, "pool");
    for (const Json& monitor : api::ArrayAt(*disk, "monitors")) {
      if (!monitor.is_string()) continue;
      pod.disks.push_back({Concat("rbd/", monitor.get_ref<const std::string&>(), "/",
                                  pool.empty() ? "rbd" : pool, "/", api::TextAt(*disk, "image")),
                           api::FlagAt(*disk, "readOnly")});
    }
  }
}

void ParseVolumes(const Json& volumes, Pod& pod) {
  for (const Json& volume : volumes) {
    if (const Json* claim = api::Find(volume, "persistentVolumeClaim"); claim != nullptr) {
      pod.claims.push_back({api::TextAt(*claim, "claimName"), false});
    } else if (api::Find(volume, "ephemeral") != nullptr) {
      pod.claims.push_back({Concat(pod.name, "-", api::TextAt(volume, "name")), true});
    } else {
      ParseDisk(volume, pod);
    }
  }
}

void ParseStatus(const Json& status, Pod& pod) {
  const std::string& phase = api::TextAt(status, "phase");
  pod.finished = phase == "Succeeded" || phase == "Failed";
  pod.nominated = api::TextAt(status, "nominatedNodeName");
  pod.started = api::ParseTime(api::TextAt(status, "startTime")).value_or(absl::InfiniteFuture());
  for (const Json& condition : api::ArrayAt(status, "conditions")) {
    const std::string& type = api::TextAt(condition, "type");
    if (type == "PodScheduled" && api::TextAt(condition, "status") == "False") {
      pod.refusal =
          Concat(api::TextAt(condition, "reason"), ": ", api::TextAt(condition, "message"));
    } else if (type == "DisruptionTarget" && api::TextAt(condition, "status") == "True") {
      pod.preempted =
          pod.terminating && api::TextAt(condition, "reason") == "PreemptionByScheduler";
    }
  }
}

// Leaves the named members.
template <size_t n>
void Keep(Json& map, const std::array<std::string_view, n>& names) {
  if (!map.is_object()) return;
  for (auto at = map.begin(); at != map.end();) {
    const bool named = std::find(names.begin(), names.end(), at.key()) != names.end();
    at = named ? std::next(at) : map.erase(at);
  }
}

void TrimContainers(Json& spec, const char* list) {
  Json* containers = api::Find(spec, list);
  if (containers == nullptr || !containers->is_array()) return;
  for (Json& container : *containers) {
    Keep(container,
         std::to_array<std::string_view>({"image", "ports", "resources", "restartPolicy"}));
    Json* resources = api::Find(container, "resources");
    if (resources != nullptr) Keep(*resources, std::to_array<std::string_view>({"requests"}));
  }
}

}  // namespace

TaintEffect ParseTaintEffect(std::string_view text) {
  if (text == "NoSchedule") return TaintEffect::kNoSchedule;
  if (text == "PreferNoSchedule") return TaintEffect::kPreferNoSchedule;
  if (text == "NoExecute") return TaintEffect::kNoExecute;
  return TaintEffect::kAny;
}

bool Toleration::Tolerates(const Taint& taint) const {
  if (effect != TaintEffect::kAny && effect != taint.effect) return false;
  if (!key.empty() && key != taint.key) return false;
  return exists || (!key.empty() && value == taint.value);
}

bool Tolerate(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(),
                     [&](const Toleration& one) { return one.Tolerates(taint); });
}

bool HostPort::Clashes(const HostPort& other) const {
  return port == other.port && protocol == other.protocol &&
         (ip.empty() || other.ip.empty() || ip == other.ip);
}

bool InlineDisk::Clashes(const InlineDisk& other) const {
  return id == other.id && !(shareable && other.shareable);
}

bool AffinityTerm::Matches(const std::string& name_space, const Labels& namespace_labels,
                           const Labels& pod_labels) const {
  const bool listed =
      std::find(namespaces.begin(), namespaces.end(), name_space) != namespaces.end();
  return (listed || namespace_selector.Matches(namespace_labels)) && selector.Matches(pod_labels);
}

bool Pod::AllowsNode(const Labels& node_labels, const std::string& node_name) const {
  for (const auto& [key, value] : node_selector) {
    const std::string* label = FindLabel(node_labels, key);
    if (label == nullptr || *label != value) return false;
  }
  return !has_node_terms || MatchesAny(node_terms, node_labels, node_name);
}

std::string NormalImage(std::string_view image) {
  const size_t colon = image.rfind(':');
  const size_t slash = image.rfind('/');
  const bool tagged = colon != image.npos && (slash == image.npos || colon > slash);
  return tagged ? std::string(image) : Concat(image, ":latest");
}

std::shared_ptr<const Pod> ParsePod(const Json& object) {
  auto pod = std::make_shared<Pod>();
  const Json& spec = api::MapAt(object, "spec");
  pod->name_space = api::NamespaceOf(object);
  pod->name = api::NameOf(object);
  pod->uid = api::UidOf(object);
  pod->node = api::TextAt(spec, "nodeName");
  pod->scheduler = api::TextAt(spec, "schedulerName");
  pod->priority = static_cast<int32_t>(api::NumberAt(spec, "priority"));
  pod->created = api::ParseTime(api::TextAt(object, "metadata.creationTimestamp"))
                     .value_or(absl::InfinitePast());
  pod->never_preempts = api::TextAt(spec, "preemptionPolicy") == "Never";
  pod->gated = !api::ArrayAt(spec, "schedulingGates").empty();
  pod->terminating = api::IsBeingDeleted(object);
  pod->labels = ParseLabels(api::LabelsOf(object));
  if (const Json* owner = api::ControllerOf(object); owner != nullptr) {
    pod->owner_kind = api::TextAt(*owner, "kind");
    pod->owner_name = api::TextAt(*owner, "name");
  }
  pod->requests = RequestsOf(spec);
  ParseContainers(api::ArrayAt(spec, "containers"), *pod);
  ParseContainers(api::ArrayAt(spec, "initContainers"), *pod);
  for (const Json& toleration : api::ArrayAt(spec, "tolerations")) {
    pod->tolerations.push_back(ParseToleration(toleration));
  }
  pod->node_selector = ParseLabels(api::MapAt(spec, "nodeSelector"));
  ParseAffinity(api::MapAt(spec, "affinity"), *pod);
  for (const Json& spread : api::ArrayAt(spec, "topologySpreadConstraints")) {
    pod->spread.push_back(ParseSpread(spread, *pod));
  }
  ParseVolumes(api::ArrayAt(spec, "volumes"), *pod);
  ParseStatus(api::MapAt(object, "status"), *pod);
  return pod;
}

void TrimPod(Json& object) {
  if (Json* metadata = api::Find(object, "metadata"); metadata != nullptr) {
    Keep(*metadata, std::to_array<std::string_view>({"name", "namespace", "uid", "labels",
                                                     "creationTimestamp", "deletionTimestamp",
                                                     "ownerReferences", "resourceVersion"}));
  }
  if (Json* spec = api::Find(object, "spec"); spec != nullptr) {
    Keep(*spec, std::to_array<std::string_view>(
                    {"nodeName", "schedulerName", "priority", "preemptionPolicy", "schedulingGates",
                     "containers", "initContainers", "overhead", "tolerations", "nodeSelector",
                     "affinity", "topologySpreadConstraints", "volumes"}));
    TrimContainers(*spec, "containers");
    TrimContainers(*spec, "initContainers");
    // Most pods mount a token and nothing else.
    if (Json* volumes = api::Find(*spec, "volumes"); volumes != nullptr && volumes->is_array()) {
      std::erase_if(volumes->get_ref<Json::array_t&>(), [](const Json& volume) {
        return api::Find(volume, "projected") != nullptr ||
               api::Find(volume, "configMap") != nullptr ||
               api::Find(volume, "secret") != nullptr ||
               api::Find(volume, "downwardAPI") != nullptr;
      });
    }
  }
  if (Json* status = api::Find(object, "status"); status != nullptr) {
    Keep(*status, std::to_array<std::string_view>(
                      {"phase", "nominatedNodeName", "startTime", "conditions"}));
  }
}

}  // namespace keelson::scheduler
