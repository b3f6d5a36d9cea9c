// Cluster: all nodes and the pods on them, as the scheduler believes them to be: what the API
// server says, and what was decided and is not yet said (assumed).
//
// Pods that are alike to others' selectors (same namespace, same labels) are counted together, a
// group at a time and by node, so that a question about "all pods that match" costs the groups
// that match and the nodes they are on, not all pods. So are pods with the same affinity.
//
// Thread: one, the scheduler's.
#ifndef KEELSON_APISERVER_SCHEDULER_CLUSTER_H_
#define KEELSON_APISERVER_SCHEDULER_CLUSTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "apiserver/api/json.h"
#include "apiserver/scheduler/pod.h"
#include "apiserver/scheduler/resources.h"
#include "apiserver/scheduler/selectors.h"
#include "apiserver/scheduler/volumes.h"

namespace keelson::scheduler {

// What a Node object says.
struct NodeFacts {
  std::string name;
  Labels labels;
  std::vector<Taint> taints;
  bool unschedulable = false;
  Resources allocatable;
  int64_t pods_max = 0;
  absl::flat_hash_map<std::string, int64_t> images;  // bytes
};
NodeFacts ParseNode(const api::Json& object);
// Takes from a node's object what ParseNode does not read.
void TrimNode(api::Json& object);

// A node and what is on it. Copies are for trying what would be.
struct Node {
  int index = -1;
  bool known = false;  // there is a Node object; without one pods may still be on it
  NodeFacts facts;
  Resources requested;
  int64_t scored_milli_cpu = 0;
  int64_t scored_memory = 0;
  std::vector<std::shared_ptr<const Pod>> pods;

  void Add(std::shared_ptr<const Pod> pod);
  void Remove(const Pod& pod);
};

// Counts of a group of pods on one node.
struct GroupCount {
  int all = 0;
  int live = 0;  // not terminating
};

// Pods of one namespace with the same labels.
struct LabelGroup {
  std::string name_space;
  Labels labels;
  int pods = 0;
  absl::flat_hash_map<int, GroupCount> nodes;
};

// Pods of one namespace with the same pod affinity.
struct AffinityGroup {
  std::shared_ptr<const PodAffinity> affinity;
  int pods = 0;
  absl::flat_hash_map<int, int> nodes;
};

// The domains that a label cuts the nodes into.
struct Topology {
  std::vector<int> domain_of_node;  // -1: the node has no such label
  int domains = 0;
};

struct DisruptionBudget {
  std::string name_space;
  Selector selector;
  int64_t allowed = 0;
  absl::flat_hash_set<std::string> disrupted;  // pods that were counted already
};
DisruptionBudget ParseBudget(const api::Json& object);

class Cluster {
 public:
  void SetNode(NodeFacts facts);
  void RemoveNode(const std::string& name);

  // A pod that is on a node, by what the API server says. Takes the place of what was assumed.
  void SetPod(std::shared_ptr<const Pod> pod);
  void RemovePod(const std::string& uid);
  // A pod that will be on a node. REQUIRES: it is on none.
  void Assume(std::shared_ptr<const Pod> pod, const std::string& node);
  void Forget(const std::string& uid);
  bool IsAssumed(const std::string& uid) const;
  const Pod* FindPod(const std::string& uid) const;

  // Pods that wait for a node that was cleared for them.
  void Nominate(std::shared_ptr<const Pod> pod, const std::string& node);
  void RemoveNomination(const std::string& uid);
  std::string NominationOf(const std::string& uid) const;  // "": none
  const std::vector<std::shared_ptr<const Pod>>& NominatedOn(const std::string& node) const;

  void SetNamespace(const std::string& name, Labels labels);
  void RemoveNamespace(const std::string& name);
  const Labels& NamespaceLabels(const std::string& name) const;

  // Of services: the labels they select; of others, by "ReplicaSet/namespace/name": the selector.
  void SetService(const std::string& name_space, const std::string& name, Labels selector);
  void RemoveService(const std::string& name_space, const std::string& name);
  void SetOwner(const std::string& key, Selector selector);
  void RemoveOwner(const std::string& key);
  // What selects the pods that serve with this one; everything: nothing does.
  Selector PeersOf(const Pod& pod) const;

  void SetBudget(const std::string& key, DisruptionBudget budget);
  void RemoveBudget(const std::string& key);
  std::vector<const DisruptionBudget*> Budgets() const;

  Volumes& volumes() { return volumes_; }
  const Volumes& volumes() const { return volumes_; }
  // Pods on nodes that use the claim.
  int ClaimUsers(const std::string& claim_key) const;

  // Known nodes, zone by turns with zone.
  const std::vector<int>& order() const;
  size_t node_count() const { return known_nodes_; }
  size_t slots() const { return nodes_.size(); }
  const Node& node(int index) const { return *nodes_[index]; }
  const Node* FindNode(const std::string& name) const;  // known ones only
  const Topology& TopologyOf(const std::string& label) const;
  // On how many nodes an image is, and nullptr or its sizes by node index.
  const absl::flat_hash_map<int, int64_t>* ImageNodes(const std::string& image) const;
  size_t pod_count() const { return pods_.size(); }

  const std::vector<LabelGroup*>& LabelGroupsIn(const std::string& name_space) const;
  const absl::flat_hash_map<std::string, std::unique_ptr<LabelGroup>>& label_groups() const {
    return label_groups_;
  }
  const std::vector<AffinityGroup*>& affinity_groups() const { return affinity_list_; }

 private:
  struct Placed {
    std::shared_ptr<const Pod> pod;
    int node;
    bool assumed;
    LabelGroup* labels;
    AffinityGroup* affinity;  // nullptr: none
  };
  int SlotOf(const std::string& name);
  void FreeIfEmpty(int index);
  void Place(std::shared_ptr<const Pod> pod, const std::string& node, bool assumed);
  void TakeAway(const Placed& placed);
  LabelGroup* LabelGroupOf(const Pod& pod);
  AffinityGroup* AffinityGroupOf(const Pod& pod);

  std::vector<std::unique_ptr<Node>> nodes_;  // by index; empty slots are null
  std::vector<int> free_slots_;
  absl::flat_hash_map<std::string, int> node_index_;
  size_t known_nodes_ = 0;
  mutable std::vector<int> order_;
  mutable bool order_stale_ = false;
  // Made when asked for, cleared when labels change. A map whose elements do not move.
  mutable std::map<std::string, Topology> topologies_;
  absl::flat_hash_map<std::string, absl::flat_hash_map<int, int64_t>> images_;

  absl::flat_hash_map<std::string, Placed> pods_;  // by uid
  absl::flat_hash_map<std::string, std::unique_ptr<LabelGroup>> label_groups_;
  absl::flat_hash_map<std::string, std::vector<LabelGroup*>> label_groups_in_;
  absl::flat_hash_map<std::string, std::unique_ptr<AffinityGroup>> affinity_groups_;
  std::vector<AffinityGroup*> affinity_list_;
  absl::flat_hash_map<std::string, int> claim_users_;

  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<const Pod>>> nominated_;
  absl::flat_hash_map<std::string, std::string> nomination_;  // uid -> node
  absl::flat_hash_map<std::string, Labels> namespaces_;
  absl::flat_hash_map<std::string, std::map<std::string, Labels, std::less<>>> services_;
  absl::flat_hash_map<std::string, Selector> owners_;
  std::map<std::string, DisruptionBudget, std::less<>> budgets_;
  Volumes volumes_;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_CLUSTER_H_
