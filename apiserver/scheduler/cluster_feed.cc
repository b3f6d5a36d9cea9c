#include "apiserver/scheduler/cluster_feed.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using Kind = ClusterEvent::Kind;

bool Shrank(const Pod& before, const Pod& now) {
  const Resources& was = before.requests.resources;
  const Resources& is = now.requests.resources;
  return is.milli_cpu < was.milli_cpu || is.memory < was.memory;
}

}  // namespace

void ClusterFeed::Apply(Source source, const Json& object, Now now) {
  switch (source) {
    case Source::kPods:
      return ApplyPod(object, now);
    case Source::kNodes:
      return ApplyNode(object, now);
    case Source::kNamespaces:
      return ApplyNamespace(object, now);
    case Source::kServices:
      return ApplyService(object, now);
    case Source::kReplicationControllers:
      return ApplyOwner("ReplicationController", object, now);
    case Source::kReplicaSets:
      return ApplyOwner("ReplicaSet", object, now);
    case Source::kStatefulSets:
      return ApplyOwner("StatefulSet", object, now);
    case Source::kDisruptionBudgets:
      return ApplyBudget(object, now);
    case Source::kClaims:
      return ApplyClaim(object, now);
    case Source::kVolumes:
      return ApplyVolume(object, now);
    case Source::kStorageClasses:
      return ApplyStorageClass(object, now);
    case Source::kCsiNodes:
      return ApplyCsiNode(object, now);
  }
}

void ClusterFeed::ApplyPod(const Json& object, Now now) {
  auto pod = ParsePod(object);
  if (pod->uid.empty()) return;
  if (now == Now::kGone || pod->finished) {
    PodLeft(*pod);
  } else if (!pod->node.empty()) {
    PodIsOnNode(std::move(pod));
  } else if (pod->scheduler == scheduler_) {
    PodWaits(std::move(pod));
  }
}

void ClusterFeed::PodLeft(const Pod& pod) {
  queue_->Remove(pod.uid);
  // Room that was kept for it is free now, as is that which it had.
  const bool had_room =
      cluster_->FindPod(pod.uid) != nullptr || !cluster_->NominationOf(pod.uid).empty();
  cluster_->RemoveNomination(pod.uid);
  cluster_->RemovePod(pod.uid);
  if (had_room) queue_->OnEvent({Kind::kPodGone, nullptr, &pod});
}

void ClusterFeed::PodIsOnNode(std::shared_ptr<const Pod> pod) {
  queue_->Remove(pod->uid);
  cluster_->RemoveNomination(pod->uid);
  const Pod* before = cluster_->FindPod(pod->uid);
  const bool fresh = before == nullptr || before->labels != pod->labels;
  const bool less =
      before != nullptr && (Shrank(*before, *pod) || (pod->terminating && !before->terminating));
  cluster_->SetPod(pod);
  if (fresh) queue_->OnEvent({Kind::kPodOnNode, nullptr, pod.get()});
  if (less) queue_->OnEvent({Kind::kPodGone, nullptr, pod.get()});
}

void ClusterFeed::PodWaits(std::shared_ptr<const Pod> pod) {
  if (pod->terminating) return PodLeft(*pod);
  if (!pod->nominated.empty() && !cluster_->IsAssumed(pod->uid) &&
      cluster_->NominationOf(pod->uid).empty()) {
    cluster_->Nominate(pod, pod->nominated);
  }
  queue_->Set(std::move(pod));
}

void ClusterFeed::ApplyNode(const Json& object, Now now) {
  NodeFacts facts = ParseNode(object);
  if (now == Now::kGone) return cluster_->RemoveNode(facts.name);
  const std::string name = facts.name;
  const Node* before = cluster_->FindNode(name);
  const bool added = before == nullptr;
  const bool changed =
      !added &&
      (before->facts.labels != facts.labels || before->facts.taints != facts.taints ||
       before->facts.unschedulable != facts.unschedulable ||
       before->facts.pods_max != facts.pods_max || before->facts.allocatable != facts.allocatable);
  cluster_->SetNode(std::move(facts));
  if (!added && !changed) return;
  queue_->OnEvent(
      {added ? Kind::kNodeAdded : Kind::kNodeChanged, &cluster_->FindNode(name)->facts});
}

void ClusterFeed::ApplyNamespace(const Json& object, Now now) {
  const std::string& name = api::NameOf(object);
  if (now == Now::kGone) return cluster_->RemoveNamespace(name);
  Labels labels = ParseLabels(api::LabelsOf(object));
  if (labels == cluster_->NamespaceLabels(name)) return;
  cluster_->SetNamespace(name, std::move(labels));
  queue_->OnEvent({Kind::kNamespaceChanged, nullptr, nullptr, "", name});
}

void ClusterFeed::ApplyService(const Json& object, Now now) {
  const std::string& name_space = api::NamespaceOf(object);
  if (now == Now::kGone) return cluster_->RemoveService(name_space, api::NameOf(object));
  cluster_->SetService(name_space, api::NameOf(object),
                       ParseLabels(api::MapAt(object, "spec.selector")));
}

void ClusterFeed::ApplyOwner(const char* kind, const Json& object, Now now) {
  const std::string key = Concat(kind, "/", api::NamespaceOf(object), "/", api::NameOf(object));
  if (now == Now::kGone) return cluster_->RemoveOwner(key);
  const Json* selector = api::Find(object, "spec.selector");
  // That of a ReplicationController is a plain map of labels.
  const bool plain = std::string_view(kind) == "ReplicationController";
  cluster_->SetOwner(key, plain ? SelectLabels(ParseLabels(api::MapAt(object, "spec.selector")))
                                : ParseSelector(selector));
}

void ClusterFeed::ApplyBudget(const Json& object, Now now) {
  const std::string key = api::KeyOf(object);
  if (now == Now::kGone) return cluster_->RemoveBudget(key);
  cluster_->SetBudget(key, ParseBudget(object));
}

void ClusterFeed::ApplyClaim(const Json& object, Now now) {
  if (now == Now::kGone) return cluster_->volumes().RemoveClaim(api::KeyOf(object));
  cluster_->volumes().SetClaim(ParseClaim(object));
  queue_->OnEvent(
      {Kind::kClaimChanged, nullptr, nullptr, api::NamespaceOf(object), api::NameOf(object)});
}

void ClusterFeed::ApplyVolume(const Json& object, Now now) {
  if (now == Now::kGone) return cluster_->volumes().RemoveVolume(api::NameOf(object));
  cluster_->volumes().SetVolume(ParseVolume(object));
  queue_->OnEvent({Kind::kVolumeChanged});
}

void ClusterFeed::ApplyStorageClass(const Json& object, Now now) {
  if (now == Now::kGone) return cluster_->volumes().RemoveClass(api::NameOf(object));
  cluster_->volumes().SetClass(ParseStorageClass(object));
  queue_->OnEvent({Kind::kStorageClassChanged});
}

void ClusterFeed::ApplyCsiNode(const Json& object, Now now) {
  const std::string& node = api::NameOf(object);
  if (now == Now::kGone) return cluster_->volumes().RemoveLimits(node);
  absl::flat_hash_map<std::string, int> limits;
  for (const Json& driver : api::ArrayAt(object, "spec.drivers")) {
    const Json* count = api::Find(driver, "allocatable.count");
    if (count == nullptr || !count->is_number_integer()) continue;
    limits[api::TextAt(driver, "name")] = static_cast<int>(
        std::clamp<int64_t>(count->get<int64_t>(), 0, std::numeric_limits<int>::max()));
  }
  cluster_->volumes().SetLimits(node, std::move(limits));
  queue_->OnEvent({Kind::kVolumeLimitsChanged});
}

}  // namespace keelson::scheduler
