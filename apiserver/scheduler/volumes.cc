#include "apiserver/scheduler/volumes.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_split.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "apiserver/scheduler/cluster.h"
#include "base/concat.h"

namespace keelson::scheduler {
namespace {

using api::Json;

constexpr std::string_view kNodeConflict = "node(s) didn't match PersistentVolume's node affinity";
constexpr std::string_view kBindConflict =
    "node(s) didn't find available persistent volumes to bind";
constexpr std::string_view kVolumeMissing =
    "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

std::vector<std::string> Texts(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

bool Includes(const std::vector<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string ModeOf(const Json& spec) {
  const std::string& mode = api::TextAt(spec, "volumeMode");
  return mode.empty() ? "Filesystem" : mode;
}

// The labels that say in which zones or regions a volume is, and their names on newer nodes.
constexpr std::pair<std::string_view, std::string_view> kZoneLabels[] = {
    {"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
    {"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
    {"topology.kubernetes.io/zone", "topology.kubernetes.io/zone"},
    {"topology.kubernetes.io/region", "topology.kubernetes.io/region"},
};

bool HasZone(const Labels& labels) {
  return std::any_of(std::begin(kZoneLabels), std::end(kZoneLabels),
                     [&](const auto& zone) { return FindLabel(labels, zone.first) != nullptr; });
}

bool AllowsNode(const PersistentVolume& volume, const Node& node) {
  return !volume.has_node_terms ||
         MatchesAny(volume.node_terms, node.facts.labels, node.facts.name);
}

}  // namespace

Claim ParseClaim(const Json& object) {
  const Json& spec = api::MapAt(object, "spec");
  const Json& annotations = api::AnnotationsOf(object);
  Claim claim;
  claim.name_space = api::NamespaceOf(object);
  claim.name = api::NameOf(object);
  claim.uid = api::UidOf(object);
  claim.class_name = api::TextAt(spec, "storageClassName");
  claim.volume = api::TextAt(spec, "volumeName");
  const Json* node = api::Member(annotations, "volume.kubernetes.io/selected-node");
  if (node != nullptr && node->is_string()) claim.selected_node = node->get<std::string>();
  if (const Json* owner = api::ControllerOf(object)) claim.owner_uid = api::TextAt(*owner, "uid");
  claim.access_modes = Texts(api::ArrayAt(spec, "accessModes"));
  claim.mode = ModeOf(spec);
  if (const Json* selector = api::Find(spec, "selector"); selector != nullptr) {
    claim.has_selector = true;
    claim.selector = ParseSelector(selector);
  }
  const Json& requests = api::MapAt(spec, "resources.requests");
  if (const Json* storage = api::Member(requests, "storage")) {
    claim.bytes = api::Quantity::Of(*storage).Value();
  }
  claim.bound = !claim.volume.empty() &&
                api::Member(annotations, "pv.kubernetes.io/bind-completed") != nullptr;
  claim.lost = api::TextAt(object, "status.phase") == "Lost";
  claim.terminating = api::IsBeingDeleted(object);
  return claim;
}

PersistentVolume ParseVolume(const Json& object) {
  const Json& spec = api::MapAt(object, "spec");
  PersistentVolume volume;
  volume.name = api::NameOf(object);
  if (const Json* claim = api::Find(spec, "claimRef"); claim != nullptr) {
    volume.claim_key = Concat(api::TextAt(*claim, "namespace"), "/", api::TextAt(*claim, "name"));
    volume.claim_uid = api::TextAt(*claim, "uid");
  }
  volume.class_name = api::TextAt(spec, "storageClassName");
  volume.phase = api::TextAt(object, "status.phase");
  volume.mode = ModeOf(spec);
  volume.driver = api::TextAt(spec, "csi.driver");
  volume.handle = api::TextAt(spec, "csi.volumeHandle");
  volume.access_modes = Texts(api::ArrayAt(spec, "accessModes"));
  volume.labels = ParseLabels(api::LabelsOf(object));
  if (const Json* storage = api::Member(api::MapAt(spec, "capacity"), "storage")) {
    volume.bytes = api::Quantity::Of(*storage).Value();
  }
  if (const Json* required = api::Find(spec, "nodeAffinity.required"); required != nullptr) {
    volume.has_node_terms = true;
    volume.node_terms = ParseNodeTerms(*required);
  }
  volume.terminating = api::IsBeingDeleted(object);
  return volume;
}

StorageClass ParseStorageClass(const Json& object) {
  StorageClass storage_class;
  storage_class.name = api::NameOf(object);
  storage_class.provisioner = api::TextAt(object, "provisioner");
  storage_class.waits_for_consumer =
      api::TextAt(object, "volumeBindingMode") == "WaitForFirstConsumer";
  for (const Json& topology : api::ArrayAt(object, "allowedTopologies")) {
    NodeTerm term;
    for (const Json& one : api::ArrayAt(topology, "matchLabelExpressions")) {
      term.labels.push_back({api::TextAt(one, "key"), api::LabelSelector::Operator::kIn,
                             Texts(api::ArrayAt(one, "values"))});
    }
    storage_class.topologies.push_back(std::move(term));
  }
  return storage_class;
}

void Volumes::SetClaim(Claim claim) {
  const std::string key = claim.Key();
  if (!claim.selected_node.empty()) assumed_nodes_.erase(key);
  claims_[key] = std::move(claim);
}

void Volumes::RemoveClaim(const std::string& key) {
  assumed_nodes_.erase(key);
  claims_.erase(key);
}

void Volumes::SetVolume(PersistentVolume volume) {
  RemoveVolume(volume.name);
  if (!volume.claim_key.empty()) assumed_volumes_.erase(volume.name);
  volumes_of_class_[volume.class_name].insert(volume.name);
  std::string name = volume.name;
  volumes_.emplace(std::move(name), std::move(volume));
}

void Volumes::RemoveVolume(const std::string& name) {
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return;
  const auto of_class = volumes_of_class_.find(found->second.class_name);
  of_class->second.erase(found->first);
  if (of_class->second.empty()) volumes_of_class_.erase(of_class);
  volumes_.erase(found);
}

void Volumes::SetClass(StorageClass storage_class) {
  std::string name = storage_class.name;
  classes_[std::move(name)] = std::move(storage_class);
}
void Volumes::RemoveClass(const std::string& name) { classes_.erase(name); }

void Volumes::SetLimits(const std::string& node, absl::flat_hash_map<std::string, int> limits) {
  limits_[node] = std::move(limits);
}
void Volumes::RemoveLimits(const std::string& node) { limits_.erase(node); }

const Claim* Volumes::FindClaim(const std::string& key) const {
  const auto found = claims_.find(key);
  return found == claims_.end() ? nullptr : &found->second;
}

const PersistentVolume* Volumes::FindVolume(const std::string& name) const {
  const auto found = volumes_.find(name);
  return found == volumes_.end() ? nullptr : &found->second;
}

PodClaims Volumes::ClaimsOf(const Pod& pod) const {
  PodClaims claims;
  bool immediate = false;
  for (const ClaimUse& use : pod.claims) {
    const Claim* claim = FindClaim(Concat(pod.name_space, "/", use.name));
    if (claim == nullptr) {
      claims.refusal = use.ephemeral ? Concat(
                                           "waiting for ephemeral volume controller to create the "
                                           "persistentvolumeclaim \"",
                                           use.name, "\"")
                                     : Concat("persistentvolumeclaim \"", use.name, "\" not found");
      return claims;
    }
    if (claim->lost) {
      claims.refusal = Concat("persistentvolumeclaim \"", use.name,
                              "\" bound to non-existent persistentvolume \"", claim->volume, "\"");
      return claims;
    }
    if (claim->terminating) {
      claims.refusal = Concat("persistentvolumeclaim \"", use.name, "\" is being deleted");
      return claims;
    }
    if (use.ephemeral && claim->owner_uid != pod.uid) {
      claims.refusal = Concat("PVC ", pod.name_space, "/", use.name, " was not created for pod ",
                              pod.name_space, "/", pod.name, " (pod is not owner)");
      return claims;
    }
    if (Includes(claim->access_modes, "ReadWriteOncePod")) claims.exclusive.push_back(claim->Key());
    if (claim->bound) {
      claims.bound.push_back(claim);
      const PersistentVolume* volume = FindVolume(claim->volume);
      if (volume != nullptr && HasZone(volume->labels)) claims.zoned.push_back(volume);
      continue;
    }
    const auto storage_class = classes_.find(claim->class_name);
    const bool waits = storage_class != classes_.end() && storage_class->second.waits_for_consumer;
    if (waits && claim->volume.empty()) {
      claims.waiting.push_back(claim);
    } else {
      immediate = true;
    }
  }
  if (immediate) claims.refusal = "pod has unbound immediate PersistentVolumeClaims";
  return claims;
}

std::vector<std::string_view> Volumes::Check(const PodClaims& claims, const Node& node,
                                             VolumePlan* plan) const {
  bool bound_match = true;
  bool volumes_exist = true;
  for (const Claim* claim : claims.bound) {
    const PersistentVolume* volume = FindVolume(claim->volume);
    if (volume == nullptr) {
      volumes_exist = false;
      break;
    }
    if (!AllowsNode(*volume, node)) bound_match = false;
  }

  bool free_found = true;
  std::set<std::string_view> taken;
  for (const Claim* claim : claims.waiting) {
    const auto assumed = assumed_nodes_.find(claim->Key());
    const std::string& selected =
        assumed == assumed_nodes_.end() ? claim->selected_node : assumed->second;
    if (!selected.empty() && selected != node.facts.name) {
      free_found = false;
      break;
    }
    const PersistentVolume* volume = selected.empty() ? FindFree(*claim, node, taken) : nullptr;
    if (volume != nullptr) {
      taken.insert(volume->name);
      if (plan != nullptr) plan->bindings.push_back({volume->name, claim->Key()});
    } else if (CanProvision(*claim, node)) {
      if (plan != nullptr) plan->provisioned.push_back(claim->Key());
    } else {
      free_found = false;
      break;
    }
  }

  std::vector<std::string_view> reasons;
  if (!bound_match) reasons.push_back(kNodeConflict);
  if (!free_found) reasons.push_back(kBindConflict);
  if (!volumes_exist) reasons.push_back(kVolumeMissing);
  return reasons;
}

bool Volumes::Suits(const PersistentVolume& volume, const Claim& claim) const {
  if (volume.terminating || volume.mode != claim.mode || volume.bytes < claim.bytes) return false;
  for (const std::string& mode : claim.access_modes) {
    if (!Includes(volume.access_modes, mode)) return false;
  }
  return true;
}

const PersistentVolume* Volumes::FindFree(const Claim& claim, const Node& node,
                                          const std::set<std::string_view>& taken) const {
  const auto candidates = volumes_of_class_.find(claim.class_name);
  if (candidates == volumes_of_class_.end()) return nullptr;
  const std::string claim_key = claim.Key();
  const PersistentVolume* smallest = nullptr;
  for (const std::string& name : candidates->second) {
    const PersistentVolume& volume = volumes_.find(name)->second;
    if (taken.contains(name) || !Suits(volume, claim) || !AllowsNode(volume, node)) continue;
    const auto assumed = assumed_volumes_.find(name);
    const std::string& owner =
        assumed == assumed_volumes_.end() ? volume.claim_key : assumed->second;
    if (owner == claim_key && (volume.claim_uid.empty() || volume.claim_uid == claim.uid)) {
      return &volume;  // somebody gave it to this claim
    }
    if (!owner.empty() || volume.phase != "Available") continue;
    if (claim.has_selector && !claim.selector.Matches(volume.labels)) continue;
    if (smallest == nullptr || volume.bytes < smallest->bytes) smallest = &volume;
  }
  return smallest;
}

bool Volumes::CanProvision(const Claim& claim, const Node& node) const {
  const auto found = classes_.find(claim.class_name);
  if (found == classes_.end()) return false;
  const StorageClass& storage_class = found->second;
  if (storage_class.provisioner.empty() ||
      storage_class.provisioner == "kubernetes.io/no-provisioner") {
    return false;
  }
  return storage_class.topologies.empty() ||
         MatchesAny(storage_class.topologies, node.facts.labels, node.facts.name);
}

bool Volumes::ZonesMatch(const PodClaims& claims, const Node& node) const {
  if (claims.zoned.empty() || !HasZone(node.facts.labels)) return true;
  for (const PersistentVolume* volume : claims.zoned) {
    for (const auto& [label, newer] : kZoneLabels) {
      const std::string* zones = FindLabel(volume->labels, label);
      if (zones == nullptr) continue;
      const std::string* zone = FindLabel(node.facts.labels, label);
      if (zone == nullptr) zone = FindLabel(node.facts.labels, newer);
      if (zone == nullptr) return false;
      const std::vector<std::string> all = absl::StrSplit(*zones, "__");
      if (!Includes(all, *zone)) return false;
    }
  }
  return true;
}

void Volumes::CollectAttached(const Pod& pod, std::map<std::string, std::string>* drivers) const {
  for (const ClaimUse& use : pod.claims) {
    const std::string key = Concat(pod.name_space, "/", use.name);
    const Claim* claim = FindClaim(key);
    if (claim == nullptr) continue;
    const PersistentVolume* volume = claim->volume.empty() ? nullptr : FindVolume(claim->volume);
    if (volume != nullptr) {
      if (volume->driver.empty()) continue;
      (*drivers)[Concat(volume->driver, "/", volume->handle)] = volume->driver;
    } else if (const auto found = classes_.find(claim->class_name); found != classes_.end()) {
      (*drivers)[Concat(found->second.provisioner, "/unbound/", key)] = found->second.provisioner;
    }
  }
}

bool Volumes::WithinLimits(const Pod& pod, const Node& node) const {
  const auto limits = limits_.find(node.facts.name);
  if (pod.claims.empty() || limits == limits_.end()) return true;
  std::map<std::string, std::string> wanted;
  CollectAttached(pod, &wanted);
  std::map<std::string, std::string> attached;
  for (const auto& other : node.pods) CollectAttached(*other, &attached);
  absl::flat_hash_map<std::string, int> counts;
  for (const auto& [volume, driver] : attached) ++counts[driver];
  for (const auto& [volume, driver] : wanted) {
    if (attached.contains(volume)) continue;
    const auto limit = limits->second.find(driver);
    if (++counts[driver] > (limit == limits->second.end() ? INT32_MAX : limit->second))
      return false;
  }
  return true;
}

void Volumes::Assume(const VolumePlan& plan, const std::string& node) {
  for (const VolumePlan::Binding& one : plan.bindings) assumed_volumes_[one.volume] = one.claim_key;
  for (const std::string& key : plan.provisioned) assumed_nodes_[key] = node;
}

void Volumes::Forget(const VolumePlan& plan) {
  for (const VolumePlan::Binding& one : plan.bindings) assumed_volumes_.erase(one.volume);
  for (const std::string& key : plan.provisioned) assumed_nodes_.erase(key);
}

bool Volumes::AllBound(const Pod& pod) const {
  return std::all_of(pod.claims.begin(), pod.claims.end(), [&](const ClaimUse& use) {
    const Claim* claim = FindClaim(Concat(pod.name_space, "/", use.name));
    return claim != nullptr && claim->bound;
  });
}

}  // namespace keelson::scheduler
