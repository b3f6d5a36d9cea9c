// Hints: whether what has happened in the cluster may help a pod that was refused, judged by who
// refused it. Wrong in one direction only: a pod that is tried in vain costs a decision, one that
// is forgotten waits for minutes.
#ifndef KEELSON_APISERVER_SCHEDULER_HINTS_H_
#define KEELSON_APISERVER_SCHEDULER_HINTS_H_

#include <string>

#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/filters.h"
#include "apiserver/scheduler/pod.h"

namespace keelson::scheduler {

struct ClusterEvent {
  enum class Kind {
    kNodeAdded,
    kNodeChanged,   // in labels, taints, allocatable or schedulability
    kPodOnNode,     // a pod came to a node, or its labels there changed
    kPodGone,       // a pod left a node, or leaves fewer traces there
    kClaimChanged,  // with its namespace and name
    kVolumeChanged,
    kStorageClassChanged,
    kVolumeLimitsChanged,
    kNamespaceChanged,
  };
  Kind kind;
  const NodeFacts* node = nullptr;  // of node events
  const Pod* pod = nullptr;         // of pod events
  std::string name_space = {};      // of claims, namespaces
  std::string name = {};
};

bool MayHelp(const ClusterEvent& event, const Pod& pod, PluginSet refused_by);

// Whether a pod has changed so that a refusal may not hold any more.
bool MayHelp(const Pod& before, const Pod& now);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_HINTS_H_
