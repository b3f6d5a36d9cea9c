#include "apiserver/scheduler/filters.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/concat.h"

namespace keelson::scheduler {
namespace {

constexpr bool kPreemptionMayHelp = true;
constexpr bool kPreemptionIsNoHelp = false;

Refusal Refuse(Plugin plugin, bool preemption_may_help, std::string_view reason) {
  Refusal refusal{plugin, preemption_may_help};
  refusal.reasons.emplace_back(reason);
  return refusal;
}

const Taint* FirstUntolerated(const Pod& pod, const Node& node) {
  for (const Taint& taint : node.facts.taints) {
    if (taint.effect == TaintEffect::kPreferNoSchedule) continue;
    if (!Tolerate(pod.tolerations, taint)) return &taint;
  }
  return nullptr;
}

bool PortsClash(const Pod& pod, const Node& node) {
  for (const auto& other : node.pods) {
    for (const HostPort& theirs : other->host_ports) {
      for (const HostPort& ours : pod.host_ports) {
        if (ours.Clashes(theirs)) return true;
      }
    }
  }
  return false;
}

bool DisksClash(const Pod& pod, const Node& node) {
  for (const auto& other : node.pods) {
    for (const InlineDisk& theirs : other->disks) {
      for (const InlineDisk& ours : pod.disks) {
        if (ours.Clashes(theirs)) return true;
      }
    }
  }
  return false;
}

}  // namespace

PodFilter::PodFilter(const Cluster& cluster, const Pod& pod)
    : cluster_(&cluster), pod_(&pod), spread_(cluster, pod), affinity_(cluster, pod) {
  FindOnlyNodes();
  if (refusal_) return;
  claims_ = cluster.volumes().ClaimsOf(pod);
  if (!claims_.refusal.empty()) {
    refusal_ = Refuse(Plugin::kVolumeBinding, kPreemptionIsNoHelp, claims_.refusal);
    return;
  }
  for (const std::string& key : claims_.exclusive) exclusive_users_ += cluster.ClaimUsers(key);
}

void PodFilter::FindOnlyNodes() {
  std::set<std::string> names;
  for (const NodeTerm& term : pod_->node_terms) {
    std::optional<std::set<std::string>> of_term;
    for (const Requirement& field : term.fields) {
      if (field.key != "metadata.name" || field.op != api::LabelSelector::Operator::kIn) continue;
      std::set<std::string> values(field.values.begin(), field.values.end());
      if (of_term) std::erase_if(values, [&](const auto& one) { return !of_term->contains(one); });
      of_term = std::move(values);
    }
    if (!of_term) return;  // this term allows any node, by name
    names.merge(*of_term);
  }
  if (pod_->node_terms.empty()) return;
  if (names.empty()) {
    refusal_ = Refuse(Plugin::kNodeAffinity, kPreemptionIsNoHelp, "pod affinity terms conflict");
    return;
  }
  only_nodes_.emplace(names.begin(), names.end());
}

std::optional<Refusal> PodFilter::Check(const Node& node) const {
  if (auto refusal = CheckNodeItself(node)) return refusal;
  if (auto refusal = CheckRoom(node)) return refusal;
  if (auto refusal = CheckVolumes(node)) return refusal;
  return CheckNeighbours(node);
}

std::optional<Refusal> PodFilter::CheckWithNominated(const Node& node) const {
  std::vector<std::shared_ptr<const Pod>> promised;
  for (const auto& other : cluster_->NominatedOn(node.facts.name)) {
    if (other->priority >= pod_->priority && other->uid != pod_->uid) promised.push_back(other);
  }
  if (!promised.empty()) {
    Node full = node;
    PodFilter filter = *this;
    for (const auto& other : promised) {
      full.Add(other);
      filter.OnAdded(*other, full);
    }
    if (auto refusal = filter.Check(full)) return refusal;
  }
  // They may not come after all, and this pod may need what is there now.
  return Check(node);
}

std::optional<Refusal> PodFilter::CheckNodeItself(const Node& node) const {
  if (node.facts.unschedulable && !Tolerate(pod_->tolerations, {"node.kubernetes.io/unschedulable",
                                                                "", TaintEffect::kNoSchedule})) {
    return Refuse(Plugin::kNodeUnschedulable, kPreemptionIsNoHelp, "node(s) were unschedulable");
  }
  if (!pod_->node.empty() && pod_->node != node.facts.name) {
    return Refuse(Plugin::kNodeName, kPreemptionIsNoHelp,
                  "node(s) didn't match the requested node name");
  }
  if (const Taint* taint = FirstUntolerated(*pod_, node); taint != nullptr) {
    return Refuse(Plugin::kTaintToleration, kPreemptionIsNoHelp,
                  Concat("node(s) had untolerated taint {", taint->key, ": ", taint->value, "}"));
  }
  if (!pod_->AllowsNode(node.facts.labels, node.facts.name)) {
    return Refuse(Plugin::kNodeAffinity, kPreemptionIsNoHelp,
                  "node(s) didn't match Pod's node affinity/selector");
  }
  return std::nullopt;
}

std::optional<Refusal> PodFilter::CheckRoom(const Node& node) const {
  if (!pod_->host_ports.empty() && PortsClash(*pod_, node)) {
    return Refuse(Plugin::kNodePorts, kPreemptionMayHelp,
                  "node(s) didn't have free ports for the requested pod ports");
  }
  Refusal refusal{Plugin::kNodeResourcesFit, kPreemptionMayHelp};
  if (static_cast<int64_t>(node.pods.size()) + 1 > node.facts.pods_max) {
    refusal.reasons.emplace_back("Too many pods");
  }
  const Resources& asked = pod_->requests.resources;
  const Resources& all = node.facts.allocatable;
  const auto check = [&](std::string_view name, int64_t want, int64_t has, int64_t used) {
    if (want > 0 && want > has - used) refusal.reasons.push_back(Concat("Insufficient ", name));
  };
  check("cpu", asked.milli_cpu, all.milli_cpu, node.requested.milli_cpu);
  check("memory", asked.memory, all.memory, node.requested.memory);
  check("ephemeral-storage", asked.ephemeral_storage, all.ephemeral_storage,
        node.requested.ephemeral_storage);
  for (const auto& [name, amount] : asked.others) {
    check(name, amount, all.Other(name), node.requested.Other(name));
  }
  if (refusal.reasons.empty()) return std::nullopt;
  return refusal;
}

std::optional<Refusal> PodFilter::CheckVolumes(const Node& node) const {
  if (!pod_->disks.empty() && DisksClash(*pod_, node)) {
    return Refuse(Plugin::kVolumeRestrictions, kPreemptionMayHelp, "node(s) had no available disk");
  }
  if (pod_->claims.empty()) return std::nullopt;
  if (exclusive_users_ > 0) {
    return Refuse(Plugin::kVolumeRestrictions, kPreemptionMayHelp,
                  "node has pod using PersistentVolumeClaim with the same name and "
                  "ReadWriteOncePod access mode");
  }
  if (!cluster_->volumes().WithinLimits(*pod_, node)) {
    return Refuse(Plugin::kNodeVolumeLimits, kPreemptionMayHelp, "node(s) exceed max volume count");
  }
  const auto reasons = cluster_->volumes().Check(claims_, node, nullptr);
  if (!reasons.empty()) {
    Refusal refusal{Plugin::kVolumeBinding, kPreemptionIsNoHelp};
    for (const std::string_view reason : reasons) refusal.reasons.emplace_back(reason);
    return refusal;
  }
  if (!cluster_->volumes().ZonesMatch(claims_, node)) {
    return Refuse(Plugin::kVolumeZone, kPreemptionIsNoHelp, "node(s) had no available volume zone");
  }
  return std::nullopt;
}

std::optional<Refusal> PodFilter::CheckNeighbours(const Node& node) const {
  switch (spread_.Check(node)) {
    case RequiredSpread::Answer::kFits:
      break;
    case RequiredSpread::Answer::kLabelMissing:
      return Refuse(
          Plugin::kPodTopologySpread, kPreemptionIsNoHelp,
          "node(s) didn't match pod topology spread constraints (missing required label)");
    case RequiredSpread::Answer::kTooUneven:
      return Refuse(Plugin::kPodTopologySpread, kPreemptionMayHelp,
                    "node(s) didn't match pod topology spread constraints");
  }
  switch (affinity_.Check(node)) {
    case RequiredAffinity::Answer::kFits:
      break;
    case RequiredAffinity::Answer::kNotNear:
      return Refuse(Plugin::kInterPodAffinity, kPreemptionIsNoHelp,
                    "node(s) didn't match pod affinity rules");
    case RequiredAffinity::Answer::kTooNear:
      return Refuse(Plugin::kInterPodAffinity, kPreemptionMayHelp,
                    "node(s) didn't match pod anti-affinity rules");
    case RequiredAffinity::Answer::kOthersRefuse:
      return Refuse(Plugin::kInterPodAffinity, kPreemptionMayHelp,
                    "node(s) didn't satisfy existing pods anti-affinity rules");
  }
  return std::nullopt;
}

void PodFilter::Update(const Pod& other, const Node& node, int by) {
  spread_.Update(other, node, by);
  affinity_.Update(other, node, by);
  if (claims_.exclusive.empty() || other.name_space != pod_->name_space) return;
  for (const ClaimUse& use : other.claims) {
    const std::string key = Concat(other.name_space, "/", use.name);
    if (std::find(claims_.exclusive.begin(), claims_.exclusive.end(), key) !=
        claims_.exclusive.end()) {
      exclusive_users_ += by;
    }
  }
}

}  // namespace keelson::scheduler
