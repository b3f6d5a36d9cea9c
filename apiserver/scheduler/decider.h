// Decider: the scheduler's decision for one pod: a node, or why none and whom to ask to leave. It
// looks at the cluster and changes nothing; all chance comes from the given source, so that a
// cluster, a pod and a seed give one decision.
//
// Thread: the cluster's.
#ifndef KEELSON_APISERVER_SCHEDULER_DECIDER_H_
#define KEELSON_APISERVER_SCHEDULER_DECIDER_H_

#include <optional>
#include <string>
#include <vector>

#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/filters.h"
#include "apiserver/scheduler/pod.h"
#include "apiserver/scheduler/preemption.h"
#include "base/random.h"

namespace keelson::scheduler {

struct Decision {
  std::string node;    // "": none will do
  VolumePlan volumes;  // to be written before the pod is bound to `node`
  // If none will do: the whole message, which plugins said so, and whom to preempt.
  std::string message;
  PluginSet refused_by = 0;
  std::optional<Preemption> preemption;
  bool keeps_nomination = false;
};

class Decider {
 public:
  Decider(const Cluster* cluster, Random* random) : cluster_(cluster), random_(random) {}

  Decision Decide(const Pod& pod);

  // How many nodes that will do are looked for among `nodes`.
  static size_t FeasibleNodesWanted(size_t nodes);

 private:
  struct Search;  // what one decision found out
  void FindFeasible(const Pod& pod, const PodFilter& filter, Search* search);
  const Node* Choose(const Pod& pod, const std::vector<const Node*>& nodes);
  void Explain(const Pod& pod, const PodFilter& filter, const Search& search, Decision* decision);

  const Cluster* const cluster_;
  Random* const random_;
  size_t next_start_ = 0;  // in the cluster's order: each decision begins where the last one ended
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_DECIDER_H_
