// Scores: which of the nodes that will do is the best, by kube-scheduler's default plugins and
// weights. A pure function of cluster, pod and nodes.
#ifndef KEELSON_APISERVER_SCHEDULER_SCORES_H_
#define KEELSON_APISERVER_SCHEDULER_SCORES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/pod.h"

namespace keelson::scheduler {

// One number a node; the highest is the best.
std::vector<int64_t> ScoreNodes(const Cluster& cluster, const Pod& pod,
                                absl::Span<const Node* const> nodes);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_SCORES_H_
