// Preemption: when no node has room for a pod, which pods of lower priority would have to go from
// one, and from which node that hurts least. A pure function of cluster, pod and chance.
#ifndef KEELSON_APISERVER_SCHEDULER_PREEMPTION_H_
#define KEELSON_APISERVER_SCHEDULER_PREEMPTION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/filters.h"
#include "apiserver/scheduler/pod.h"
#include "base/random.h"

namespace keelson::scheduler {

struct Preemption {
  std::string node;
  std::vector<std::shared_ptr<const Pod>> victims;  // the most important first
};

struct PreemptionAnswer {
  std::optional<Preemption> preemption;
  std::string message;  // why not, as kube-scheduler says it
  // Its victims are still leaving: the pod keeps the node that it was promised.
  bool keeps_nomination = false;
};

// `helpable`: indexes of the nodes that refused the pod for what pods on them do.
// `nominated_is_hopeless`: the node the pod was promised will not do whoever leaves it.
struct PreemptionQuestion {
  const Pod* pod;
  const PodFilter* filter;
  absl::Span<const int> helpable;
  bool nominated_is_hopeless = false;
};

PreemptionAnswer FindPreemption(const Cluster& cluster, const PreemptionQuestion& question,
                                Random* random);

// "2 Insufficient cpu, 1 node(s) were unschedulable" from counted reasons, ordered as text.
std::string JoinReasons(const std::vector<std::pair<std::string, size_t>>& counts);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_PREEMPTION_H_
