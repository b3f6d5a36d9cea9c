#include "apiserver/scheduler/cluster.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::scheduler {
namespace {

using api::Json;

constexpr size_t kTopologiesMax = 100;

// The one text of what is equal in two pods of a group.
std::string LabelKey(const Pod& pod) {
  std::string key = pod.name_space;
  for (const auto& [name, value] : pod.labels) Append(&key, '\n', name, '=', value);
  return key;
}

void AppendSelector(std::string* key, const Selector& selector) {
  Append(key, selector.nothing ? '!' : '?');
  for (const Requirement& one : selector.requirements) {
    Append(key, '\t', one.key, ' ', static_cast<int>(one.op));
    for (const std::string& value : one.values) Append(key, ' ', value);
  }
}

void AppendTerms(std::string* key, const std::vector<AffinityTerm>& terms) {
  Append(key, '\n');
  for (const AffinityTerm& term : terms) {
    for (const std::string& name_space : term.namespaces) Append(key, name_space, ' ');
    AppendSelector(key, term.namespace_selector);
    AppendSelector(key, term.selector);
    Append(key, '\t', term.topology_key, ' ', term.weight, ';');
  }
}

std::string AffinityKey(const PodAffinity& affinity) {
  std::string key;
  AppendTerms(&key, affinity.required);
  AppendTerms(&key, affinity.required_anti);
  AppendTerms(&key, affinity.preferred);
  AppendTerms(&key, affinity.preferred_anti);
  return key;
}

std::string ZoneOf(const Labels& labels) {
  const std::string* region = FindLabel(labels, "topology.kubernetes.io/region");
  const std::string* zone = FindLabel(labels, "topology.kubernetes.io/zone");
  return Concat(region == nullptr ? "" : *region, "/", zone == nullptr ? "" : *zone);
}

}  // namespace

NodeFacts ParseNode(const Json& object) {
  NodeFacts facts;
  facts.name = api::NameOf(object);
  facts.labels = ParseLabels(api::LabelsOf(object));
  const Json& spec = api::MapAt(object, "spec");
  facts.unschedulable = api::FlagAt(spec, "unschedulable");
  for (const Json& taint : api::ArrayAt(spec, "taints")) {
    facts.taints.push_back({api::TextAt(taint, "key"), api::TextAt(taint, "value"),
                            ParseTaintEffect(api::TextAt(taint, "effect"))});
  }
  const Json& status = api::MapAt(object, "status");
  const Json& allocatable = api::MapAt(status, "allocatable");
  facts.allocatable = ParseResources(allocatable);
  if (const Json* pods = api::Member(allocatable, "pods")) {
    facts.pods_max = api::Quantity::Of(*pods).Value();
  }
  for (const Json& image : api::ArrayAt(status, "images")) {
    for (const Json& name : api::ArrayAt(image, "names")) {
      if (!name.is_string()) continue;
      facts.images[NormalImage(name.get_ref<const std::string&>())] =
          std::clamp<int64_t>(api::NumberAt(image, "sizeBytes"), 0, int64_t{1} << 53);
    }
  }
  return facts;
}

void TrimNode(Json& object) {
  api::Erase(object, "metadata.managedFields");
  api::Erase(object, "metadata.annotations");
  Json* status = api::Find(object, "status");
  if (status == nullptr || !status->is_object()) return;
  for (auto at = status->begin(); at != status->end();) {
    const bool read = at.key() == "allocatable" || at.key() == "images";
    at = read ? std::next(at) : status->erase(at);
  }
}

DisruptionBudget ParseBudget(const Json& object) {
  DisruptionBudget budget;
  budget.name_space = api::NamespaceOf(object);
  budget.selector = ParseSelector(api::Find(object, "spec.selector"));
  budget.allowed = api::NumberAt(object, "status.disruptionsAllowed");
  for (const auto& [pod, time] : api::MapAt(object, "status.disruptedPods").items()) {
    budget.disrupted.insert(pod);
  }
  return budget;
}

void Node::Add(std::shared_ptr<const Pod> pod) {
  requested.Add(pod->requests.resources);
  scored_milli_cpu += pod->requests.scored_milli_cpu;
  scored_memory += pod->requests.scored_memory;
  pods.push_back(std::move(pod));
}

void Node::Remove(const Pod& pod) {
  const auto at = std::find_if(pods.begin(), pods.end(),
                               [&](const auto& other) { return other->uid == pod.uid; });
  KV_CHECK(at != pods.end());
  requested.Subtract((*at)->requests.resources);
  scored_milli_cpu -= (*at)->requests.scored_milli_cpu;
  scored_memory -= (*at)->requests.scored_memory;
  pods.erase(at);
}

int Cluster::SlotOf(const std::string& name) {
  const auto found = node_index_.find(name);
  if (found != node_index_.end()) return found->second;
  int index = static_cast<int>(nodes_.size());
  if (free_slots_.empty()) {
    nodes_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  nodes_[index] = std::make_unique<Node>();
  nodes_[index]->index = index;
  nodes_[index]->facts.name = name;
  node_index_[name] = index;
  topologies_.clear();
  return index;
}

void Cluster::FreeIfEmpty(int index) {
  const Node& node = *nodes_[index];
  if (node.known || !node.pods.empty()) return;
  node_index_.erase(node.facts.name);
  nodes_[index].reset();
  free_slots_.push_back(index);
}

void Cluster::SetNode(NodeFacts facts) {
  const int index = SlotOf(facts.name);
  Node& node = *nodes_[index];
  if (!node.known || node.facts.labels != facts.labels) {
    topologies_.clear();
    order_stale_ = true;
  }
  if (!node.known) ++known_nodes_;
  node.known = true;
  for (const auto& [image, bytes] : node.facts.images) {
    const auto at = images_.find(image);
    at->second.erase(index);
    if (at->second.empty()) images_.erase(at);
  }
  for (const auto& [image, bytes] : facts.images) images_[image][index] = bytes;
  node.facts = std::move(facts);
}

void Cluster::RemoveNode(const std::string& name) {
  const auto found = node_index_.find(name);
  if (found == node_index_.end() || !nodes_[found->second]->known) return;
  const int index = found->second;
  NodeFacts nothing;
  nothing.name = name;
  SetNode(std::move(nothing));
  nodes_[index]->known = false;
  --known_nodes_;
  order_stale_ = true;
  topologies_.clear();
  FreeIfEmpty(index);
}

LabelGroup* Cluster::LabelGroupOf(const Pod& pod) {
  std::unique_ptr<LabelGroup>& group = label_groups_[LabelKey(pod)];
  if (group == nullptr) {
    group = std::make_unique<LabelGroup>();
    group->name_space = pod.name_space;
    group->labels = pod.labels;
    label_groups_in_[pod.name_space].push_back(group.get());
  }
  return group.get();
}

AffinityGroup* Cluster::AffinityGroupOf(const Pod& pod) {
  if (pod.affinity == nullptr) return nullptr;
  std::unique_ptr<AffinityGroup>& group = affinity_groups_[AffinityKey(*pod.affinity)];
  if (group == nullptr) {
    group = std::make_unique<AffinityGroup>();
    group->affinity = pod.affinity;
    affinity_list_.push_back(group.get());
  }
  return group.get();
}

void Cluster::Place(std::shared_ptr<const Pod> pod, const std::string& node, bool assumed) {
  // Pods name labels as they like; only a few are in use at a time.
  if (topologies_.size() > kTopologiesMax) topologies_.clear();
  const int index = SlotOf(node);
  nodes_[index]->Add(pod);
  LabelGroup* labels = LabelGroupOf(*pod);
  ++labels->pods;
  GroupCount& count = labels->nodes[index];
  ++count.all;
  if (!pod->terminating) ++count.live;
  AffinityGroup* affinity = AffinityGroupOf(*pod);
  if (affinity != nullptr) {
    ++affinity->pods;
    ++affinity->nodes[index];
  }
  for (const ClaimUse& use : pod->claims) {
    ++claim_users_[Concat(pod->name_space, "/", use.name)];
  }
  std::string uid = pod->uid;
  pods_[std::move(uid)] = {std::move(pod), index, assumed, labels, affinity};
}

void Cluster::TakeAway(const Placed& placed) {
  const Pod& pod = *placed.pod;
  nodes_[placed.node]->Remove(pod);
  LabelGroup* labels = placed.labels;
  const auto count = labels->nodes.find(placed.node);
  if (!pod.terminating) --count->second.live;
  if (--count->second.all == 0) labels->nodes.erase(count);
  if (--labels->pods == 0) {
    const auto in = label_groups_in_.find(pod.name_space);
    std::erase(in->second, labels);
    if (in->second.empty()) label_groups_in_.erase(in);
    label_groups_.erase(LabelKey(pod));
  }
  if (AffinityGroup* affinity = placed.affinity; affinity != nullptr) {
    const auto pods = affinity->nodes.find(placed.node);
    if (--pods->second == 0) affinity->nodes.erase(pods);
    if (--affinity->pods == 0) {
      std::erase(affinity_list_, affinity);
      affinity_groups_.erase(AffinityKey(*pod.affinity));
    }
  }
  for (const ClaimUse& use : pod.claims) {
    const auto users = claim_users_.find(Concat(pod.name_space, "/", use.name));
    if (--users->second == 0) claim_users_.erase(users);
  }
  FreeIfEmpty(placed.node);
}

void Cluster::SetPod(std::shared_ptr<const Pod> pod) {
  RemovePod(pod->uid);
  const std::string node = pod->node;
  Place(std::move(pod), node, false);
}

void Cluster::RemovePod(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const Placed placed = std::move(found->second);
  pods_.erase(found);
  TakeAway(placed);
}

void Cluster::Assume(std::shared_ptr<const Pod> pod, const std::string& node) {
  KV_CHECK(!pods_.contains(pod->uid));
  Place(std::move(pod), node, true);
}

void Cluster::Forget(const std::string& uid) {
  if (IsAssumed(uid)) RemovePod(uid);
}

bool Cluster::IsAssumed(const std::string& uid) const {
  const auto found = pods_.find(uid);
  return found != pods_.end() && found->second.assumed;
}

const Pod* Cluster::FindPod(const std::string& uid) const {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : found->second.pod.get();
}

void Cluster::Nominate(std::shared_ptr<const Pod> pod, const std::string& node) {
  RemoveNomination(pod->uid);
  nomination_[pod->uid] = node;
  nominated_[node].push_back(std::move(pod));
}

void Cluster::RemoveNomination(const std::string& uid) {
  const auto found = nomination_.find(uid);
  if (found == nomination_.end()) return;
  const auto on = nominated_.find(found->second);
  std::erase_if(on->second, [&](const auto& pod) { return pod->uid == uid; });
  if (on->second.empty()) nominated_.erase(on);
  nomination_.erase(found);
}

std::string Cluster::NominationOf(const std::string& uid) const {
  const auto found = nomination_.find(uid);
  return found == nomination_.end() ? "" : found->second;
}

const std::vector<std::shared_ptr<const Pod>>& Cluster::NominatedOn(const std::string& node) const {
  static const std::vector<std::shared_ptr<const Pod>> none;
  const auto found = nominated_.find(node);
  return found == nominated_.end() ? none : found->second;
}

void Cluster::SetNamespace(const std::string& name, Labels labels) {
  namespaces_[name] = std::move(labels);
}
void Cluster::RemoveNamespace(const std::string& name) { namespaces_.erase(name); }

const Labels& Cluster::NamespaceLabels(const std::string& name) const {
  static const Labels none;
  const auto found = namespaces_.find(name);
  return found == namespaces_.end() ? none : found->second;
}

void Cluster::SetService(const std::string& name_space, const std::string& name, Labels selector) {
  RemoveService(name_space, name);
  if (!selector.empty()) services_[name_space][name] = std::move(selector);
}

void Cluster::RemoveService(const std::string& name_space, const std::string& name) {
  const auto in = services_.find(name_space);
  if (in == services_.end()) return;
  in->second.erase(name);
  if (in->second.empty()) services_.erase(in);
}

void Cluster::SetOwner(const std::string& key, Selector selector) {
  owners_[key] = std::move(selector);
}
void Cluster::RemoveOwner(const std::string& key) { owners_.erase(key); }

Selector Cluster::PeersOf(const Pod& pod) const {
  std::map<std::string, std::string> labels;
  if (const auto in = services_.find(pod.name_space); in != services_.end()) {
    for (const auto& [name, wanted] : in->second) {
      const bool serves = std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
        const std::string* value = FindLabel(pod.labels, label.first);
        return value != nullptr && *value == label.second;
      });
      if (serves) labels.insert(wanted.begin(), wanted.end());
    }
  }
  Selector peers = SelectLabels(Labels(labels.begin(), labels.end()));
  if (!pod.owner_kind.empty()) {
    const auto owner =
        owners_.find(Concat(pod.owner_kind, "/", pod.name_space, "/", pod.owner_name));
    if (owner != owners_.end()) {
      peers.nothing = owner->second.nothing;
      peers.requirements.insert(peers.requirements.end(), owner->second.requirements.begin(),
                                owner->second.requirements.end());
    }
  }
  return peers;
}

void Cluster::SetBudget(const std::string& key, DisruptionBudget budget) {
  budgets_[key] = std::move(budget);
}
void Cluster::RemoveBudget(const std::string& key) { budgets_.erase(key); }

std::vector<const DisruptionBudget*> Cluster::Budgets() const {
  std::vector<const DisruptionBudget*> budgets;
  budgets.reserve(budgets_.size());
  for (const auto& [key, budget] : budgets_) budgets.push_back(&budget);
  return budgets;
}

int Cluster::ClaimUsers(const std::string& claim_key) const {
  const auto found = claim_users_.find(claim_key);
  return found == claim_users_.end() ? 0 : found->second;
}

const std::vector<int>& Cluster::order() const {
  if (!order_stale_) return order_;
  order_stale_ = false;
  order_.clear();
  std::map<std::string, std::vector<int>> zones;
  for (const auto& node : nodes_) {
    if (node != nullptr && node->known) zones[ZoneOf(node->facts.labels)].push_back(node->index);
  }
  for (size_t turn = 0; order_.size() < known_nodes_; ++turn) {
    for (const auto& [zone, members] : zones) {
      if (turn < members.size()) order_.push_back(members[turn]);
    }
  }
  return order_;
}

const Node* Cluster::FindNode(const std::string& name) const {
  const auto found = node_index_.find(name);
  if (found == node_index_.end() || !nodes_[found->second]->known) return nullptr;
  return nodes_[found->second].get();
}

const Topology& Cluster::TopologyOf(const std::string& label) const {
  const auto found = topologies_.find(label);
  if (found != topologies_.end()) return found->second;
  Topology& topology = topologies_[label];
  topology.domain_of_node.assign(nodes_.size(), -1);
  absl::flat_hash_map<std::string, int> domains;
  for (const auto& node : nodes_) {
    if (node == nullptr || !node->known) continue;
    const std::string* value = FindLabel(node->facts.labels, label);
    if (value == nullptr) continue;
    const auto [domain, fresh] = domains.try_emplace(*value, topology.domains);
    if (fresh) ++topology.domains;
    topology.domain_of_node[node->index] = domain->second;
  }
  return topology;
}

const absl::flat_hash_map<int, int64_t>* Cluster::ImageNodes(const std::string& image) const {
  const auto found = images_.find(image);
  return found == images_.end() ? nullptr : &found->second;
}

const std::vector<LabelGroup*>& Cluster::LabelGroupsIn(const std::string& name_space) const {
  static const std::vector<LabelGroup*> none;
  const auto found = label_groups_in_.find(name_space);
  return found == label_groups_in_.end() ? none : found->second;
}

}  // namespace keelson::scheduler
