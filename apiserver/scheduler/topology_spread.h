// Spreading a pod and its like evenly over the domains of a topology: required constraints refuse
// nodes, the others score them.
//
// Values that belong to one decision; the cluster must not change meanwhile. Thread: one.
#ifndef KEELSON_APISERVER_SCHEDULER_TOPOLOGY_SPREAD_H_
#define KEELSON_APISERVER_SCHEDULER_TOPOLOGY_SPREAD_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/pod.h"

namespace keelson::scheduler {

class RequiredSpread {
 public:
  enum class Answer { kFits, kLabelMissing, kTooUneven };

  RequiredSpread(const Cluster& cluster, const Pod& pod);

  Answer Check(const Node& node) const;
  // As if `other` came to the node (by = 1) or left it (-1).
  void Update(const Pod& other, const Node& node, int by);

 private:
  struct Rule {
    const SpreadConstraint* constraint;
    const Topology* topology;
    bool selects_pod;         // the pod itself counts
    std::vector<int> counts;  // by domain; -1: no node of it counts
    int domains = 0;          // that count
    mutable int fewest = -1;  // pods in a domain; -1: to be computed
  };
  bool Counts(const Node& node, const SpreadConstraint& constraint) const;
  bool HasAllLabels(const Node& node) const;

  const Pod* pod_;
  std::vector<Rule> rules_;
};

// 0 to 100 for each of the nodes; 0 for all if there is nothing to spread by.
void ScoreSpread(const Cluster& cluster, const Pod& pod, absl::Span<const Node* const> nodes,
                 std::vector<int64_t>* scores);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_TOPOLOGY_SPREAD_H_
