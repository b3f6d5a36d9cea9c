#include "apiserver/scheduler/writes.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using runtime::PatchType;
using runtime::Resource;

const Resource& Pods() {
  static const Resource pods{"", "v1", "pods"};
  return pods;
}

absl::Status PatchPodStatus(runtime::ApiClient* client, const Pod& pod, Json status) {
  const Json patch = {{"metadata", {{"uid", pod.uid}}}, {"status", std::move(status)}};
  return client
      ->PatchForMetadata(Pods(), pod.name_space, pod.name, PatchType::kStrategicMerge, patch,
                         "status")
      .status();
}

absl::Status GiveVolume(runtime::ApiClient* client, const VolumePlan::Binding& binding) {
  const size_t slash = binding.claim_key.find('/');
  const std::string name_space = binding.claim_key.substr(0, slash);
  const std::string name = binding.claim_key.substr(slash + 1);
  KV_ASSIGN_OR_RETURN(const Json claim,
                      client->Get({"", "v1", "persistentvolumeclaims"}, name_space, name));
  const Resource volumes{"", "v1", "persistentvolumes"};
  KV_ASSIGN_OR_RETURN(Json volume, client->Get(volumes, "", binding.volume));
  const Json* owner = api::Find(volume, "spec.claimRef");
  if (owner != nullptr &&
      (api::TextAt(*owner, "namespace") != name_space || api::TextAt(*owner, "name") != name)) {
    return absl::FailedPreconditionError(
        Concat("persistentvolume \"", binding.volume, "\" has been given to another claim"));
  }
  api::Make(volume, "spec")["claimRef"] = {
      {"kind", "PersistentVolumeClaim"},
      {"apiVersion", "v1"},
      {"namespace", name_space},
      {"name", name},
      {"uid", api::UidOf(claim)},
      {"resourceVersion", api::TextAt(claim, "metadata.resourceVersion")}};
  if (owner == nullptr) {
    api::Make(volume, "metadata.annotations")["pv.kubernetes.io/bound-by-controller"] = "yes";
  }
  return client->Update(volumes, volume).status();
}

}  // namespace

Json Reference(const Pod& pod) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", pod.name}, {"namespace", pod.name_space}, {"uid", pod.uid}}}};
}

absl::Status BindPod(runtime::ApiClient* client, const Pod& pod, const std::string& node) {
  const Json binding = {
      {"apiVersion", "v1"},
      {"kind", "Binding"},
      {"metadata", {{"name", pod.name}, {"namespace", pod.name_space}, {"uid", pod.uid}}},
      {"target", {{"kind", "Node"}, {"name", node}}}};
  return client->Create(Pods(), pod.name_space, binding, pod.name, "binding").status();
}

absl::Status NoteRefusal(runtime::ApiClient* client, const Pod& pod, const RefusalNote& note,
                         absl::Time now) {
  Json condition = {{"type", "PodScheduled"},
                    {"status", "False"},
                    {"reason", note.reason},
                    {"message", note.message}};
  if (pod.refusal.empty()) {
    condition["lastProbeTime"] = nullptr;
    condition["lastTransitionTime"] = api::FormatTime(now);
  }
  Json status = {{"conditions", Json::array({std::move(condition)})}};
  if (note.nominated) {
    status["nominatedNodeName"] = note.nominated->empty() ? Json() : Json(*note.nominated);
  }
  return PatchPodStatus(client, pod, std::move(status));
}

absl::Status ClearNomination(runtime::ApiClient* client, const Pod& pod) {
  return PatchPodStatus(client, pod, {{"nominatedNodeName", nullptr}});
}

absl::Status Evict(runtime::ApiClient* client, const Pod& victim, std::string_view scheduler,
                   absl::Time now) {
  const Json condition = {
      {"type", "DisruptionTarget"},
      {"status", "True"},
      {"reason", "PreemptionByScheduler"},
      {"message", Concat(scheduler, ": preempting to accommodate a higher priority pod")},
      {"lastProbeTime", nullptr},
      {"lastTransitionTime", api::FormatTime(now)}};
  absl::Status told = PatchPodStatus(client, victim, {{"conditions", Json::array({condition})}});
  if (api::IsNotFound(told)) return absl::OkStatus();
  if (!told.ok()) return told;
  const absl::Status deleted = client->Delete(
      Pods(), victim.name_space, victim.name,
      {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", {{"uid", victim.uid}}}});
  return api::IsNotFound(deleted) ? absl::OkStatus() : deleted;
}

absl::Status WriteVolumes(runtime::ApiClient* client, const VolumePlan& plan,
                          const std::string& node) {
  for (const VolumePlan::Binding& binding : plan.bindings) {
    KV_RETURN_IF_ERROR(GiveVolume(client, binding));
  }
  for (const std::string& key : plan.provisioned) {
    const size_t slash = key.find('/');
    const Json patch = {
        {"metadata", {{"annotations", {{"volume.kubernetes.io/selected-node", node}}}}}};
    KV_RETURN_IF_ERROR(client
                           ->Patch({"", "v1", "persistentvolumeclaims"}, key.substr(0, slash),
                                   key.substr(slash + 1), PatchType::kMerge, patch)
                           .status());
  }
  return absl::OkStatus();
}

}  // namespace keelson::scheduler
