// Filters: whether a pod may run on a node, by kube-scheduler's default plugins in their order, and
// why not, in its words.
//
// PodFilter holds what is computed once for a pod; it can follow pods that come and go on paper, so
// that preemption can ask what would be. The cluster must not change meanwhile. Thread: one.
#ifndef KEELSON_APISERVER_SCHEDULER_FILTERS_H_
#define KEELSON_APISERVER_SCHEDULER_FILTERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/inter_pod_affinity.h"
#include "apiserver/scheduler/pod.h"
#include "apiserver/scheduler/topology_spread.h"

namespace keelson::scheduler {

enum class Plugin : uint8_t {
  kNodeUnschedulable,
  kNodeName,
  kTaintToleration,
  kNodeAffinity,
  kNodePorts,
  kNodeResourcesFit,
  kVolumeRestrictions,
  kNodeVolumeLimits,
  kVolumeBinding,
  kVolumeZone,
  kPodTopologySpread,
  kInterPodAffinity,
  kSchedulingGates,
};
// A set of plugins: bit `1 << plugin`.
using PluginSet = uint32_t;
constexpr PluginSet SetOf(Plugin plugin) { return PluginSet{1} << static_cast<int>(plugin); }

struct Refusal {
  Plugin plugin = Plugin::kNodeName;
  bool preemption_may_help = false;
  absl::InlinedVector<std::string, 2> reasons = {};
};

class PodFilter {
 public:
  PodFilter(const Cluster& cluster, const Pod& pod);

  // Why no node at all will do. nullopt: one may.
  const std::optional<Refusal>& refusal() const { return refusal_; }
  // If the pod names the only nodes that it may run on.
  const std::optional<std::vector<std::string>>& only_nodes() const { return only_nodes_; }

  // nullopt: it may run there.
  std::optional<Refusal> Check(const Node& node) const;
  // The same, counting in those pods that were promised room on the node before this one.
  std::optional<Refusal> CheckWithNominated(const Node& node) const;

  // As if `other` came to or left the node. The node's own pods are the caller's affair.
  void OnAdded(const Pod& other, const Node& node) { Update(other, node, 1); }
  void OnRemoved(const Pod& other, const Node& node) { Update(other, node, -1); }

  const PodClaims& claims() const { return claims_; }

 private:
  void Update(const Pod& other, const Node& node, int by);
  void FindOnlyNodes();
  std::optional<Refusal> CheckNodeItself(const Node& node) const;
  std::optional<Refusal> CheckRoom(const Node& node) const;
  std::optional<Refusal> CheckVolumes(const Node& node) const;
  std::optional<Refusal> CheckNeighbours(const Node& node) const;

  const Cluster* cluster_;
  const Pod* pod_;
  std::optional<Refusal> refusal_;
  std::optional<std::vector<std::string>> only_nodes_;
  PodClaims claims_;
  int exclusive_users_ = 0;  // pods with claims that only one pod may use
  RequiredSpread spread_;
  RequiredAffinity affinity_;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_FILTERS_H_
