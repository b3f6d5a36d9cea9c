#include "apiserver/controllers/replica_set.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kBurst = 500;
constexpr int kWorkers = 5;

// Whether a pod that stays its owner's is to that what it was: one that is bound, or pulls an
// image, is no reason to look at ten thousands again.
bool CountsAsBefore(const Json& before, const Json& now) {
  return IsTerminal(before) == IsTerminal(now) && IsReady(before) == IsReady(now) &&
         ReadySince(before) == ReadySince(now) && api::LabelsOf(before) == api::LabelsOf(now);
}

// What differs between the two.
struct Flavor {
  runtime::Resource resource;
  std::string kind;
  std::string component;
  LabelSelector (*selector)(const Json& owner);
};

class ReplicaController final : public runtime::QueueController {
 public:
  ReplicaController(const ControllerContext& context, Flavor flavor)
      : QueueController(flavor.component, context.clock, kWorkers),
        flavor_(std::move(flavor)),
        client_(context.client),
        events_(context.events->As(flavor_.component)),
        expectations_(context.clock),
        owners_(OwnedCopies(context, flavor_.resource)),
        pods_(PodCopies(context)) {
    owners_.AddHandler({
        .on_add = [this](const Object& owner) { queue().Add(api::KeyOf(*owner)); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (api::UidOf(*before) != api::UidOf(*now)) {
                expectations_.Forget(api::KeyOf(*before));
              }
              queue().Add(api::KeyOf(*now));
            },
        .on_delete =
            [this](const Object& last) {
              expectations_.Forget(api::KeyOf(*last));
              queue().Add(api::KeyOf(*last));
            },
    });
    pods_.AddHandler({
        .on_add = [this](const Object& pod) { OnPodAdded(*pod); },
        .on_update = [this](const Object& before,
                            const Object& now) { OnPodChanged(*before, *now); },
        .on_delete = [this](const Object& last) { OnPodGone(*last); },
    });
  }

 private:
  absl::Status Reconcile(const std::string& key) override;
  // Creates or deletes what is missing or too much of.
  absl::Status Manage(const std::string& key, const Json& owner, const std::vector<Object>& active);
  absl::Status CreatePods(const std::string& key, const Json& owner, int count);
  absl::Status DeletePods(const std::string& key, const Json& owner, std::vector<Object> doomed);
  absl::Status DeletePod(const std::string& key, const Json& owner, const Json& pod);
  // The pods of all that have the same owner.
  std::vector<Object> Family(const Json& owner) const;
  Json StatusOf(const Json& owner, const std::vector<Object>& active,
                const absl::Status& managed) const;

  void OnPodAdded(const Json& pod);
  void OnPodChanged(const Json& before, const Json& now);
  void OnPodGone(const Json& pod);
  void EnqueueMatching(const Json& orphan);

  const Flavor flavor_;
  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Expectations expectations_;
  Informer& owners_;
  Informer& pods_;
};

void ReplicaController::OnPodAdded(const Json& pod) {
  if (api::IsBeingDeleted(pod)) return OnPodGone(pod);
  if (api::ControllerOf(pod) == nullptr) return EnqueueMatching(pod);
  if (const Object owner = OwnerAmong(owners_, flavor_.kind, pod)) {
    const std::string key = api::KeyOf(*owner);
    expectations_.CreationObserved(key);
    queue().Add(key);
  }
}

void ReplicaController::OnPodChanged(const Json& before, const Json& now) {
  if (api::UidOf(before) != api::UidOf(now)) {
    OnPodGone(before);
    return OnPodAdded(now);
  }
  if (api::IsBeingDeleted(now)) return OnPodGone(now);
  const Object old_owner = OwnerAmong(owners_, flavor_.kind, before);
  const Object owner = OwnerAmong(owners_, flavor_.kind, now);
  if (old_owner != nullptr && old_owner != owner) queue().Add(api::KeyOf(*old_owner));
  if (owner != nullptr) {
    if (old_owner == owner && CountsAsBefore(before, now)) return;
    queue().Add(api::KeyOf(*owner));
    const int64_t min_ready = api::NumberAt(*owner, "spec.minReadySeconds");
    if (min_ready > 0 && !IsReady(before) && IsReady(now)) {
      // It becomes available by itself; a second more for clocks that differ.
      queue().AddAfter(api::KeyOf(*owner), absl::Seconds(min_ready + 1));
    }
  } else if (api::ControllerOf(now) == nullptr &&
             (old_owner != nullptr || api::LabelsOf(before) != api::LabelsOf(now))) {
    EnqueueMatching(now);
  }
}

void ReplicaController::OnPodGone(const Json& pod) {
  if (const Object owner = OwnerAmong(owners_, flavor_.kind, pod)) {
    const std::string key = api::KeyOf(*owner);
    expectations_.DeletionObserved(key, api::UidOf(pod));
    queue().Add(key);
  }
}

void ReplicaController::EnqueueMatching(const Json& orphan) {
  for (const Object& owner : owners_.List(api::NamespaceOf(orphan))) {
    const LabelSelector selector = flavor_.selector(*owner);
    if (!selector.everything() && selector.Matches(api::LabelsOf(orphan))) {
      queue().Add(api::KeyOf(*owner));
    }
  }
}

absl::Status ReplicaController::Reconcile(const std::string& key) {
  const Object found = AtKey(owners_, key);
  if (found == nullptr) {
    expectations_.Forget(key);
    return absl::OkStatus();
  }
  const Json& owner = *found;
  // Before the copies are read: what shows in between is counted too late, never too early.
  const bool counts = expectations_.Satisfied(key);
  const LabelSelector selector = flavor_.selector(owner);
  KV_ASSIGN_OR_RETURN(
      std::vector<Object> active,
      ClaimObjects({.client = client_,
                    .owner_resource = flavor_.resource,
                    .owner = owner,
                    .selector = selector,
                    .resource = kPods,
                    .copies = pods_,
                    .may_adopt = [](const Json& pod) { return !IsTerminal(pod); }}));
  std::erase_if(active, [](const Object& pod) { return !IsActive(*pod); });

  absl::Status managed;
  if (counts && !api::IsBeingDeleted(owner)) managed = Manage(key, owner, active);
  const Json status = StatusOf(owner, active, managed);
  KV_RETURN_IF_ERROR(PatchStatus(client_, flavor_.resource, owner, status));
  const int64_t min_ready = api::NumberAt(owner, "spec.minReadySeconds");
  if (managed.ok() && min_ready > 0 &&
      api::NumberAt(status, "readyReplicas") == api::NumberAt(owner, "spec.replicas", 1) &&
      api::NumberAt(status, "availableReplicas") != api::NumberAt(status, "readyReplicas")) {
    queue().AddAfter(key, absl::Seconds(min_ready));
  }
  return managed;
}

absl::Status ReplicaController::Manage(const std::string& key, const Json& owner,
                                       const std::vector<Object>& active) {
  const int64_t wanted = api::NumberAt(owner, "spec.replicas", 1);
  const int64_t missing = wanted - static_cast<int64_t>(active.size());
  if (missing > 0) {
    return CreatePods(key, owner, static_cast<int>(std::min<int64_t>(missing, kBurst)));
  }
  if (missing < 0) {
    const auto count = static_cast<size_t>(std::min<int64_t>(-missing, kBurst));
    return DeletePods(key, owner, PickForDeletion(active, count, Family(owner), absl::Now()));
  }
  return absl::OkStatus();
}

absl::Status ReplicaController::CreatePods(const std::string& key, const Json& owner, int count) {
  expectations_.ExpectCreations(key, count);
  const Json pod = PodFromTemplate(api::MapAt(owner, "spec.template"), owner);
  const BatchResult result = InGrowingBatches(count, [&](int) {
    const absl::StatusOr<Json> made =
        client_->CreateForMetadata(kPods, api::NamespaceOf(owner), pod);
    if (made.ok()) {
      events_->Normal(owner, "SuccessfulCreate", Concat("Created pod: ", api::NameOf(*made)));
    } else if (!NamespaceIsEnding(made.status())) {
      events_->Warning(owner, "FailedCreate",
                       Concat("Error creating: ", std::string(made.status().message())));
    }
    return made.status();
  });
  // What is expected stays so: there is nothing to try again until the owner goes, too.
  if (NamespaceIsEnding(result.error)) return absl::OkStatus();
  for (int i = result.done; i < count; ++i) expectations_.CreationObserved(key);
  return result.error;
}

absl::Status ReplicaController::DeletePods(const std::string& key, const Json& owner,
                                           std::vector<Object> doomed) {
  std::vector<std::string> uids;
  for (const Object& pod : doomed) uids.push_back(api::UidOf(*pod));
  expectations_.ExpectDeletions(key, uids);
  return Everywhere(static_cast<int>(doomed.size()),
                    [&](int index) { return DeletePod(key, owner, *doomed[index]); });
}

absl::Status ReplicaController::DeletePod(const std::string& key, const Json& owner,
                                          const Json& pod) {
  const std::string& name = api::NameOf(pod);
  const absl::Status status = client_->Delete(kPods, api::NamespaceOf(pod), name,
                                              {{"preconditions", {{"uid", api::UidOf(pod)}}}});
  if (status.ok()) {
    events_->Normal(owner, "SuccessfulDelete", Concat("Deleted pod: ", name));
    return status;
  }
  expectations_.DeletionObserved(key, api::UidOf(pod));
  if (api::IsNotFound(status)) return absl::OkStatus();
  events_->Warning(owner, "FailedDelete",
                   Concat("Error deleting: ", std::string(status.message())));
  return status;
}

std::vector<Object> ReplicaController::Family(const Json& owner) const {
  std::vector<Object> family;
  const Json* parent = api::ControllerOf(owner);
  if (parent == nullptr) return OwnedBy(pods_, api::UidOf(owner));
  for (const Object& sibling : OwnedBy(owners_, api::TextAt(*parent, "uid"))) {
    for (Object& pod : OwnedBy(pods_, api::UidOf(*sibling))) family.push_back(std::move(pod));
  }
  return family;
}

Json ReplicaController::StatusOf(const Json& owner, const std::vector<Object>& active,
                                 const absl::Status& managed) const {
  const absl::Time now = absl::Now();
  const int64_t min_ready = api::NumberAt(owner, "spec.minReadySeconds");
  const Json& labels = api::MapAt(owner, "spec.template.metadata.labels");
  const LabelSelector of_template = LabelSelector::FromMap(labels);
  // As mostly: then those it has selected have them.
  const bool selects_all = labels == api::MapAt(owner, "spec.selector.matchLabels");
  int64_t labeled = 0;
  int64_t ready = 0;
  int64_t available = 0;
  for (const Object& pod : active) {
    labeled += selects_all || of_template.Matches(api::LabelsOf(*pod)) ? 1 : 0;
    if (!IsReady(*pod)) continue;
    ++ready;
    available += min_ready == 0 || IsAvailable(*pod, min_ready, now) ? 1 : 0;
  }
  Json status = api::MapAt(owner, "status");
  status["replicas"] = active.size();
  for (const auto& [field, value] :
       {std::pair("fullyLabeledReplicas", labeled), std::pair("readyReplicas", ready),
        std::pair("availableReplicas", available)}) {
    if (value > 0) {
      status[field] = value;
    } else {
      status.erase(field);
    }
  }
  status["observedGeneration"] = api::NumberAt(owner, "metadata.generation");

  const bool failed_before = api::FindCondition(owner, "ReplicaFailure") != nullptr;
  if (!managed.ok() && !failed_before) {
    const bool too_few =
        static_cast<int64_t>(active.size()) < api::NumberAt(owner, "spec.replicas");
    SetCondition(&status["conditions"],
                 {"ReplicaFailure", "True", too_few ? "FailedCreate" : "FailedDelete",
                  std::string(managed.message())},
                 now);
  } else if (managed.ok() && failed_before) {
    RemoveCondition(&status["conditions"], "ReplicaFailure");
    if (status["conditions"].empty()) status.erase("conditions");
  }
  return status;
}

}  // namespace

std::unique_ptr<runtime::Controller> MakeReplicaSetController(const ControllerContext& context) {
  return std::make_unique<ReplicaController>(
      context, Flavor{.resource = kReplicaSets,
                      .kind = "ReplicaSet",
                      .component = "replicaset-controller",
                      .selector = [](const Json& owner) {
                        return LabelSelector::FromObject(api::MapAt(owner, "spec.selector"));
                      }});
}

std::unique_ptr<runtime::Controller> MakeReplicationController(const ControllerContext& context) {
  return std::make_unique<ReplicaController>(
      context, Flavor{.resource = kReplicationControllers,
                      .kind = "ReplicationController",
                      .component = "replication-controller",
                      .selector = [](const Json& owner) {
                        const Json& labels = api::MapAt(owner, "spec.selector");
                        return labels.empty() ? LabelSelector::Nothing()
                                              : LabelSelector::FromMap(labels);
                      }});
}

}  // namespace keelson::controllers
