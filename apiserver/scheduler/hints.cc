#include "apiserver/scheduler/hints.h"

#include <algorithm>

namespace keelson::scheduler {
namespace {

using Kind = ClusterEvent::Kind;

bool Has(PluginSet set, Plugin plugin) { return (set & SetOf(plugin)) != 0; }

bool CouldHold(const NodeFacts& node, const Resources& asked) {
  const Resources& all = node.allocatable;
  return node.pods_max > 0 && asked.milli_cpu <= all.milli_cpu && asked.memory <= all.memory &&
         asked.ephemeral_storage <= all.ephemeral_storage &&
         std::all_of(asked.others.begin(), asked.others.end(),
                     [&](const auto& other) { return other.second <= all.Other(other.first); });
}

bool Tolerated(const NodeFacts& node, const Pod& pod) {
  return std::all_of(node.taints.begin(), node.taints.end(), [&](const Taint& taint) {
    return taint.effect == TaintEffect::kPreferNoSchedule || Tolerate(pod.tolerations, taint);
  });
}

bool NodeMayHelp(const ClusterEvent& event, const Pod& pod, PluginSet refused_by) {
  const NodeFacts& node = *event.node;
  // What the node's own properties rule out no plugin's change of mind can help.
  if (!pod.AllowsNode(node.labels, node.name) || !Tolerated(node, pod) ||
      !CouldHold(node, pod.requests.resources)) {
    return false;
  }
  // Nobody refuses a pod that there is no node for, and those that come may have taints at first.
  if (event.kind == Kind::kNodeAdded || refused_by == 0) return true;
  const PluginSet of_changes = SetOf(Plugin::kNodeUnschedulable) | SetOf(Plugin::kTaintToleration) |
                               SetOf(Plugin::kNodeAffinity) | SetOf(Plugin::kNodeResourcesFit) |
                               SetOf(Plugin::kVolumeBinding) | SetOf(Plugin::kVolumeZone) |
                               SetOf(Plugin::kPodTopologySpread) | SetOf(Plugin::kInterPodAffinity);
  return (refused_by & of_changes) != 0;
}

bool NeighbourMayHelp(const Pod& neighbour, const Pod& pod, PluginSet refused_by) {
  if (Has(refused_by, Plugin::kPodTopologySpread) && neighbour.name_space == pod.name_space &&
      std::any_of(pod.spread.begin(), pod.spread.end(), [&](const SpreadConstraint& one) {
        return one.selector.Matches(neighbour.labels);
      })) {
    return true;
  }
  if (!Has(refused_by, Plugin::kInterPodAffinity) || pod.affinity == nullptr) return false;
  // Namespaces that are selected by labels are taken to match.
  return std::any_of(
      pod.affinity->required.begin(), pod.affinity->required.end(),
      [&](const AffinityTerm& term) { return term.selector.Matches(neighbour.labels); });
}

bool UsesClaim(const Pod& pod, const ClusterEvent& event) {
  return pod.name_space == event.name_space &&
         std::any_of(pod.claims.begin(), pod.claims.end(),
                     [&](const ClaimUse& use) { return use.name == event.name; });
}

}  // namespace

bool MayHelp(const ClusterEvent& event, const Pod& pod, PluginSet refused_by) {
  switch (event.kind) {
    case Kind::kNodeAdded:
    case Kind::kNodeChanged:
      return NodeMayHelp(event, pod, refused_by);
    case Kind::kPodOnNode:
      return NeighbourMayHelp(*event.pod, pod, refused_by);
    case Kind::kPodGone:
      return Has(refused_by, Plugin::kNodePorts) || Has(refused_by, Plugin::kNodeResourcesFit) ||
             Has(refused_by, Plugin::kVolumeRestrictions) ||
             Has(refused_by, Plugin::kNodeVolumeLimits) ||
             Has(refused_by, Plugin::kPodTopologySpread) ||
             Has(refused_by, Plugin::kInterPodAffinity);
    case Kind::kClaimChanged:
      return UsesClaim(pod, event);
    case Kind::kVolumeChanged:
    case Kind::kStorageClassChanged:
      return !pod.claims.empty() &&
             (Has(refused_by, Plugin::kVolumeBinding) || Has(refused_by, Plugin::kVolumeZone) ||
              Has(refused_by, Plugin::kNodeVolumeLimits));
    case Kind::kVolumeLimitsChanged:
      return Has(refused_by, Plugin::kNodeVolumeLimits);
    case Kind::kNamespaceChanged:
      return Has(refused_by, Plugin::kInterPodAffinity);
  }
  return true;
}

bool MayHelp(const Pod& before, const Pod& now) {
  const Resources& asked = now.requests.resources;
  const Resources& asked_before = before.requests.resources;
  return before.labels != now.labels || before.tolerations.size() != now.tolerations.size() ||
         before.node_selector != now.node_selector || before.gated != now.gated ||
         asked.milli_cpu != asked_before.milli_cpu || asked.memory != asked_before.memory;
}

}  // namespace keelson::scheduler
