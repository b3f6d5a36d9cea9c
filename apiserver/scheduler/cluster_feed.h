// ClusterFeed: objects of the API server, as they come and change, into the scheduler's cluster and
// queue. Thread: the scheduler's.
#ifndef KEELSON_APISERVER_SCHEDULER_CLUSTER_FEED_H_
#define KEELSON_APISERVER_SCHEDULER_CLUSTER_FEED_H_

#include <string>

#include "apiserver/api/json.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/queue.h"

namespace keelson::scheduler {

enum class Source {
  kPods,
  kNodes,
  kNamespaces,
  kServices,
  kReplicationControllers,
  kReplicaSets,
  kStatefulSets,
  kDisruptionBudgets,
  kClaims,
  kVolumes,
  kStorageClasses,
  kCsiNodes,
};

enum class Now { kThere, kGone };

class ClusterFeed {
 public:
  // Pods that name another scheduler are left alone until they are on a node.
  ClusterFeed(Cluster* cluster, SchedulingQueue* queue, std::string scheduler)
      : cluster_(cluster), queue_(queue), scheduler_(std::move(scheduler)) {}

  // `object`: as it is, or as it was last.
  void Apply(Source source, const api::Json& object, Now now);

 private:
  void ApplyPod(const api::Json& object, Now now);
  void PodLeft(const Pod& pod);
  void PodIsOnNode(std::shared_ptr<const Pod> pod);
  void PodWaits(std::shared_ptr<const Pod> pod);
  void ApplyNode(const api::Json& object, Now now);
  void ApplyOwner(const char* kind, const api::Json& object, Now now);
  void ApplyService(const api::Json& object, Now now);
  void ApplyNamespace(const api::Json& object, Now now);
  void ApplyBudget(const api::Json& object, Now now);
  void ApplyClaim(const api::Json& object, Now now);
  void ApplyVolume(const api::Json& object, Now now);
  void ApplyStorageClass(const api::Json& object, Now now);
  void ApplyCsiNode(const api::Json& object, Now now);

  Cluster* const cluster_;
  SchedulingQueue* const queue_;
  const std::string scheduler_;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_CLUSTER_FEED_H_
