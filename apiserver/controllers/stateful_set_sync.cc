#include "apiserver/controllers/stateful_set_sync.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/revisions.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

constexpr char kHashLabel[] = "controller-revision-hash";

std::string RevisionOf(const Json& pod) {
  const Json* name = api::Member(api::LabelsOf(pod), kHashLabel);
  return name != nullptr && name->is_string() ? name->get<std::string>() : "";
}

}  // namespace

int64_t OrdinalOf(const std::string& set_name, const std::string& pod_name) {
  if (!pod_name.starts_with(set_name + "-")) return -1;
  const std::string digits = pod_name.substr(set_name.size() + 1);
  int32_t ordinal = -1;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &ordinal) || std::to_string(ordinal) != digits) {
    return -1;
  }
  return ordinal;
}

StatefulSetSync::StatefulSetSync(Environment environment, const Json& set,
                                 const std::vector<Object>& pods,
                                 const std::vector<Object>& revisions)
    : environment_(environment),
      set_(set),
      now_(absl::Now()),
      first_(api::NumberAt(set, "spec.ordinals.start")),
      wanted_(api::NumberAt(set, "spec.replicas", 1)),
      min_ready_(api::NumberAt(set, "spec.minReadySeconds")),
      revisions_(revisions),
      status_(api::MapAt(set, "status")),
      collisions_(api::NumberAt(set, "status.collisionCount")) {
  for (const Object& pod : pods) {
    const int64_t ordinal = OrdinalOf(api::NameOf(set), api::NameOf(*pod));
    if (ordinal < 0) continue;
    if (ordinal >= first_ && ordinal < first_ + wanted_) {
      replicas_[ordinal] = pod;
    } else {
      condemned_[ordinal] = pod;
    }
  }
}

std::string StatefulSetSync::PodName(int64_t ordinal) const {
  return Concat(api::NameOf(set_), "-", ordinal);
}
bool StatefulSetSync::one_by_one() const {
  return api::TextAt(set_, "spec.podManagementPolicy") != "Parallel";
}
bool StatefulSetSync::is_rolling() const {
  return api::TextAt(set_, "spec.updateStrategy.type") != "OnDelete";
}
int64_t StatefulSetSync::partition() const {
  return api::NumberAt(set_, "spec.updateStrategy.rollingUpdate.partition");
}
bool StatefulSetSync::IsHealthy(const Json& pod) const {
  return api::TextAt(pod, "status.phase") == "Running" && IsReady(pod) && !api::IsBeingDeleted(pod);
}

// Pods below the partition, and below those that the update has reached, keep the old template.
const Json& StatefulSetSync::RevisionFor(int64_t ordinal) const {
  if (!is_rolling() || api::NameOf(current_) == api::NameOf(update_)) return update_;
  const int64_t below =
      partition() > 0 ? first_ + partition() : first_ + api::NumberAt(status_, "currentReplicas");
  return ordinal < below ? current_ : update_;
}

absl::Status StatefulSetSync::Run() {
  KV_RETURN_IF_ERROR(FindRevisions());
  CountPods();
  absl::Status arranged;
  if (!api::IsBeingDeleted(set_)) arranged = Arrange();
  const absl::Status written = WriteStatus();
  if (!arranged.ok()) return arranged;
  if (!written.ok()) return written;
  std::set<std::string> in_use = {api::NameOf(current_), api::NameOf(update_)};
  for (const auto& [ordinal, pod] : replicas_) in_use.insert(RevisionOf(*pod));
  for (const auto& [ordinal, pod] : condemned_) in_use.insert(RevisionOf(*pod));
  return TrimRevisions(environment_.client, revisions_, in_use,
                       api::NumberAt(set_, "spec.revisionHistoryLimit", 10));
}

absl::Status StatefulSetSync::FindRevisions() {
  absl::StatusOr<Json> found = PresentRevision(environment_.client, set_, revisions_, &collisions_);
  if (!found.ok()) {
    if (collisions_ == api::NumberAt(set_, "status.collisionCount")) return found.status();
    status_["collisionCount"] = collisions_;
    KV_RETURN_IF_ERROR(PatchStatus(environment_.client, kStatefulSets, set_, status_));
    return found.status();
  }
  update_ = *std::move(found);
  current_ = update_;
  const std::string& name = api::TextAt(set_, "status.currentRevision");
  for (const Object& revision : revisions_) {
    if (api::NameOf(*revision) == name) current_ = *revision;
  }
  return absl::OkStatus();
}

void StatefulSetSync::CountPods() {
  int64_t replicas = 0;
  int64_t ready = 0;
  int64_t available = 0;
  int64_t current = 0;
  int64_t updated = 0;
  const auto count = [&](const Json& pod) {
    ++replicas;
    if (api::TextAt(pod, "status.phase") == "Running" && IsReady(pod)) {
      ++ready;
      available += IsAvailable(pod, min_ready_, now_) ? 1 : 0;
    }
    if (api::IsBeingDeleted(pod)) return;
    current += RevisionOf(pod) == api::NameOf(current_) ? 1 : 0;
    updated += RevisionOf(pod) == api::NameOf(update_) ? 1 : 0;
  };
  for (const auto& [ordinal, pod] : replicas_) count(*pod);
  for (const auto& [ordinal, pod] : condemned_) count(*pod);
  status_["replicas"] = replicas;
  status_["availableReplicas"] = available;
  for (const auto& [field, value] :
       {std::pair("readyReplicas", ready), std::pair("currentReplicas", current),
        std::pair("updatedReplicas", updated)}) {
    if (value > 0) {
      status_[field] = value;
    } else {
      status_.erase(field);
    }
  }
  status_["currentRevision"] = api::NameOf(current_);
  status_["updateRevision"] = api::NameOf(update_);
  status_["observedGeneration"] = api::NumberAt(set_, "metadata.generation");
  status_["collisionCount"] = collisions_;
}

absl::Status StatefulSetSync::WriteStatus() {
  // The update is over when all pods have it and run.
  const int64_t replicas = api::NumberAt(status_, "replicas");
  if (is_rolling() && api::NumberAt(status_, "updatedReplicas") == replicas &&
      api::NumberAt(status_, "readyReplicas") == replicas) {
    if (status_.contains("updatedReplicas")) {
      status_["currentReplicas"] = status_["updatedReplicas"];
    }
    status_["currentRevision"] = status_["updateRevision"];
  }
  return PatchStatus(environment_.client, kStatefulSets, set_, status_);
}

absl::Status StatefulSetSync::Arrange() {
  for (int64_t ordinal = first_; ordinal < first_ + wanted_; ++ordinal) {
    KV_ASSIGN_OR_RETURN(const Step step, ArrangeReplica(ordinal));
    if (step == Step::kWait) return absl::OkStatus();
  }
  for (const auto& [ordinal, pod] : condemned_) {
    KV_ASSIGN_OR_RETURN(const Step step, ArrangeCondemned(pod));
    if (step == Step::kWait) return absl::OkStatus();
  }
  return is_rolling() ? Update() : absl::OkStatus();
}

absl::StatusOr<StatefulSetSync::Step> StatefulSetSync::ArrangeReplica(int64_t ordinal) {
  const Step next = one_by_one() ? Step::kWait : Step::kGoOn;
  const auto found = replicas_.find(ordinal);
  if (found == replicas_.end()) {
    KV_RETURN_IF_ERROR(KeepClaims(ordinal, nullptr));
    KV_RETURN_IF_ERROR(CreatePod(ordinal));
    return next;
  }
  const Json& pod = *found->second;
  if (IsTerminal(pod)) {
    // Its name must be free before it can be made again.
    if (api::IsBeingDeleted(pod)) return next;
    const bool failed = api::TextAt(pod, "status.phase") == "Failed";
    environment_.events->Warning(
        set_, failed ? "RecreatingFailedPod" : "RecreatingTerminatedPod",
        Concat("StatefulSet ", api::NamespaceOf(set_), "/", api::NameOf(set_), " is recreating ",
               failed ? "failed" : "terminated", " Pod ", api::NameOf(pod)));
    KV_RETURN_IF_ERROR(DeletePod(pod));
    return next;
  }
  if (api::IsBeingDeleted(pod)) return next;
  KV_RETURN_IF_ERROR(KeepClaims(ordinal, found->second));
  if (!IsHealthy(pod)) return next;
  if (!IsAvailable(pod, min_ready_, now_)) {
    const auto since = ReadySince(pod);
    look_again_ =
        std::max(absl::Seconds(1), since.value_or(now_) + absl::Seconds(min_ready_) - now_);
    return next;
  }
  return Step::kGoOn;
}

absl::StatusOr<StatefulSetSync::Step> StatefulSetSync::ArrangeCondemned(const Object& pod) {
  const Step next = one_by_one() ? Step::kWait : Step::kGoOn;
  if (api::IsBeingDeleted(*pod)) return next;
  if (one_by_one() && !IsHealthy(*pod)) {
    // One that does not run may only go if it is the one that all wait for.
    for (const auto& [ordinal, other] : condemned_) {
      const bool lower = OrdinalOf(api::NameOf(set_), api::NameOf(*pod)) > ordinal;
      if (lower && !IsHealthy(*other)) return Step::kWait;
    }
  }
  KV_RETURN_IF_ERROR(KeepClaims(OrdinalOf(api::NameOf(set_), api::NameOf(*pod)), pod));
  KV_RETURN_IF_ERROR(DeletePod(*pod));
  return next;
}

absl::Status StatefulSetSync::Update() {
  for (int64_t ordinal = first_ + wanted_ - 1; ordinal >= first_ + partition(); --ordinal) {
    const auto found = replicas_.find(ordinal);
    if (found == replicas_.end()) return absl::OkStatus();
    const Json& pod = *found->second;
    if (RevisionOf(pod) != api::NameOf(update_) && !api::IsBeingDeleted(pod)) {
      return DeletePod(pod);
    }
    if (!IsHealthy(pod) || !IsAvailable(pod, min_ready_, now_)) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status StatefulSetSync::CreatePod(int64_t ordinal) {
  const Json& revision = RevisionFor(ordinal);
  Json pod_template = TemplateOf(revision);
  pod_template.erase("$patch");
  Json pod = PodFromTemplate(pod_template, set_);
  const std::string name = PodName(ordinal);
  Json& metadata = pod["metadata"];
  metadata.erase("generateName");
  metadata["name"] = name;
  metadata["labels"][kHashLabel] = api::NameOf(revision);
  metadata["labels"]["statefulset.kubernetes.io/pod-name"] = name;
  metadata["labels"]["apps.kubernetes.io/pod-index"] = std::to_string(ordinal);
  Json& spec = pod["spec"];
  spec["hostname"] = name;
  spec["subdomain"] = api::TextAt(set_, "spec.serviceName");
  Json volumes = Json::array();
  std::set<std::string> claimed;
  for (const Json& claim : api::ArrayAt(set_, "spec.volumeClaimTemplates")) {
    const std::string& volume = api::NameOf(claim);
    claimed.insert(volume);
    volumes.push_back({{"name", volume},
                       {"persistentVolumeClaim",
                        {{"claimName", Concat(volume, "-", name)}, {"readOnly", false}}}});
  }
  for (const Json& volume : api::ArrayAt(spec, "volumes")) {
    if (!claimed.contains(api::TextAt(volume, "name"))) volumes.push_back(volume);
  }
  if (!volumes.empty()) spec["volumes"] = std::move(volumes);
  const absl::Status status =
      environment_.client->Create(kPods, api::NamespaceOf(set_), pod).status();
  if (NamespaceIsEnding(status)) return absl::OkStatus();
  // The copies do not show it yet.
  if (api::IsAlreadyExists(status)) return status;
  const std::string what = Concat("create Pod ", name, " in StatefulSet ", api::NameOf(set_));
  if (!status.ok()) {
    environment_.events->Warning(set_, "FailedCreate",
                                 Concat(what, " failed error: ", std::string(status.message())));
    return status;
  }
  environment_.events->Normal(set_, "SuccessfulCreate", Concat(what, " successful"));
  return absl::OkStatus();
}

absl::Status StatefulSetSync::DeletePod(const Json& pod) {
  const absl::Status status =
      environment_.client->Delete(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                                  {{"preconditions", {{"uid", api::UidOf(pod)}}}});
  if (api::IsNotFound(status)) return absl::OkStatus();
  const std::string what =
      Concat("delete Pod ", api::NameOf(pod), " in StatefulSet ", api::NameOf(set_));
  if (!status.ok()) {
    environment_.events->Warning(set_, "FailedDelete",
                                 Concat(what, " failed error: ", std::string(status.message())));
    return status;
  }
  environment_.events->Normal(set_, "SuccessfulDelete", Concat(what, " successful"));
  return absl::OkStatus();
}

// Makes the claims of the pod where they are missing, and has them owned as the policy says.
absl::Status StatefulSetSync::KeepClaims(int64_t ordinal, const Object& pod) {
  const std::string name = PodName(ordinal);
  const std::string& space = api::NamespaceOf(set_);
  const bool condemned = ordinal < first_ || ordinal >= first_ + wanted_;
  const bool go_with_set =
      api::TextAt(set_, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted") == "Delete";
  const bool go_with_pod =
      condemned &&
      api::TextAt(set_, "spec.persistentVolumeClaimRetentionPolicy.whenScaled") == "Delete";
  Json owners = Json::array();
  const auto own = [&](const Json& owner) {
    owners.push_back({{"apiVersion", api::TextAt(owner, "apiVersion")},
                      {"kind", api::TextAt(owner, "kind")},
                      {"name", api::NameOf(owner)},
                      {"uid", api::UidOf(owner)}});
  };
  if (go_with_pod && pod != nullptr) {
    own(*pod);
  } else if (go_with_set && !condemned) {
    own(set_);
  }
  for (const Json& claim_template : api::ArrayAt(set_, "spec.volumeClaimTemplates")) {
    const std::string claim_name = Concat(api::NameOf(claim_template), "-", name);
    const Object present = environment_.claims->Get(space, claim_name);
    if (present != nullptr) {
      Json kept = Json::array();
      for (const Json& owner : api::ArrayAt(*present, "metadata.ownerReferences")) {
        const std::string& kind = api::TextAt(owner, "kind");
        const bool ours =
            (kind == "StatefulSet" && api::TextAt(owner, "name") == api::NameOf(set_)) ||
            (kind == "Pod" && api::TextAt(owner, "name") == name);
        if (!ours) kept.push_back(owner);
      }
      for (const Json& owner : owners) kept.push_back(owner);
      Json wanted = *present;
      if (kept.empty()) {
        api::Erase(wanted, "metadata.ownerReferences");
      } else {
        api::Make(wanted, "metadata.ownerReferences") = std::move(kept);
      }
      KV_RETURN_IF_ERROR(
          PatchObject(environment_.client, kClaims, *present, wanted, Condition::kSameObject)
              .status());
      continue;
    }
    if (condemned) continue;
    Json claim = claim_template;
    claim["apiVersion"] = "v1";
    claim["kind"] = "PersistentVolumeClaim";
    claim.erase("status");
    claim["metadata"]["name"] = claim_name;
    claim["metadata"]["namespace"] = space;
    for (const auto& [label, value] : api::MapAt(set_, "spec.selector.matchLabels").items()) {
      claim["metadata"]["labels"][label] = value;
    }
    if (!owners.empty()) claim["metadata"]["ownerReferences"] = owners;
    const absl::Status status = environment_.client->Create(kClaims, space, claim).status();
    if (status.ok()) {
      environment_.events->Normal(set_, "SuccessfulCreate",
                                  Concat("create Claim ", claim_name, " Pod ", name,
                                         " in StatefulSet ", api::NameOf(set_), " success"));
    } else if (!api::IsAlreadyExists(status)) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace keelson::controllers
