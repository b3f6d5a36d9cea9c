#include "apiserver/controllers/daemon_set_sync.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/daemon_set.h"
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
constexpr char kGenerationLabel[] = "pod-template-generation";
constexpr char kDeprecatedGeneration[] = "deprecated.daemonset.template.generation";
constexpr size_t kBurst = 250;
constexpr absl::Duration kBackoffMax = absl::Minutes(15);

}  // namespace

DaemonSetSync::DaemonSetSync(Environment environment, const Json& set,
                             const std::vector<Object>& pods, const std::vector<Object>& nodes,
                             const std::vector<Object>& revisions,
                             std::map<std::string, Failures>* failures, bool may_manage)
    : environment_(environment),
      set_(set),
      now_(absl::Now()),
      min_ready_(api::NumberAt(set, "spec.minReadySeconds")),
      nodes_(nodes),
      revisions_(revisions),
      failures_(failures),
      may_manage_(may_manage),
      collisions_(api::NumberAt(set, "status.collisionCount")) {
  for (const Object& pod : pods) by_node_[TargetNodeOf(*pod)].push_back(pod);
  for (auto& [node, on_node] : by_node_) {
    std::sort(on_node.begin(), on_node.end(), [](const Object& a, const Object& b) {
      return std::tie(api::TextAt(*a, "metadata.creationTimestamp"), api::NameOf(*a)) <
             std::tie(api::TextAt(*b, "metadata.creationTimestamp"), api::NameOf(*b));
    });
  }
}

void DaemonSetSync::LookAgain(absl::Duration after) {
  look_again_ = std::min(look_again_.value_or(absl::InfiniteDuration()), after);
}
bool DaemonSetSync::IsRolling() const {
  return api::TextAt(set_, "spec.updateStrategy.type") != "OnDelete";
}
int64_t DaemonSetSync::MaxSurge() const {
  const Json* value = api::Find(set_, "spec.updateStrategy.rollingUpdate.maxSurge");
  return !IsRolling() || value == nullptr ? 0 : ScaledValue(*value, desired_, true);
}
int64_t DaemonSetSync::MaxUnavailable() const {
  const Json* value = api::Find(set_, "spec.updateStrategy.rollingUpdate.maxUnavailable");
  const int64_t most = value == nullptr ? 1 : ScaledValue(*value, desired_, true);
  return most == 0 && MaxSurge() == 0 ? 1 : most;
}

bool DaemonSetSync::IsUpdated(const Json& pod) const {
  const Json* hash = api::Member(api::LabelsOf(pod), kHashLabel);
  return hash != nullptr && *hash == hash_;
}

absl::Status DaemonSetSync::Run() {
  KV_RETURN_IF_ERROR(FindRevision());
  for (const Object& node : nodes_) {
    if (FitOf(api::MapAt(set_, "spec.template"), *node).should_run) ++desired_;
  }
  absl::Status applied;
  if (may_manage_ && !api::IsBeingDeleted(set_)) {
    for (const Object& node : nodes_) {
      const auto found = by_node_.find(api::NameOf(*node));
      PlanNode(*node, found == by_node_.end() ? Pods() : found->second);
    }
    applied = Apply();
    if (applied.ok() && create_.empty() && delete_.empty() && IsRolling()) {
      if (MaxSurge() > 0) {
        PlanSurge();
      } else {
        PlanUpdate();
      }
      applied = Apply();
    }
  }
  const absl::Status written = WriteStatus();
  if (!applied.ok()) return applied;
  if (!written.ok()) return written;
  std::set<std::string> in_use = {Concat(api::NameOf(set_), "-", hash_)};
  for (const auto& [node, pods] : by_node_) {
    for (const Object& pod : pods) {
      const Json* hash = api::Member(api::LabelsOf(*pod), kHashLabel);
      if (hash != nullptr && hash->is_string()) {
        in_use.insert(Concat(api::NameOf(set_), "-", hash->get<std::string>()));
      }
    }
  }
  return TrimRevisions(environment_.client, revisions_, in_use,
                       api::NumberAt(set_, "spec.revisionHistoryLimit", 10));
}

absl::Status DaemonSetSync::FindRevision() {
  const absl::StatusOr<Json> revision =
      PresentRevision(environment_.client, set_, revisions_, &collisions_);
  if (!revision.ok()) {
    if (collisions_ != api::NumberAt(set_, "status.collisionCount")) {
      Json status = api::MapAt(set_, "status");
      status["collisionCount"] = collisions_;
      KV_RETURN_IF_ERROR(PatchStatus(environment_.client, kDaemonSets, set_, status));
    }
    return revision.status();
  }
  const Json* hash = api::Member(api::LabelsOf(*revision), kHashLabel);
  hash_ = hash != nullptr && hash->is_string() ? hash->get<std::string>() : "";
  return absl::OkStatus();
}

void DaemonSetSync::Delete(Object pod) { delete_.push_back(std::move(pod)); }

void DaemonSetSync::PlanNode(const Json& node, Pods pods) {
  const NodeFit fit = FitOf(api::MapAt(set_, "spec.template"), node);
  const std::string& name = api::NameOf(node);
  if (!fit.may_stay) {
    for (Object& pod : pods) {
      if (!api::IsBeingDeleted(*pod)) Delete(std::move(pod));
    }
    return;
  }
  Pods running;
  for (Object& pod : pods) {
    if (api::IsBeingDeleted(*pod)) {
      running.push_back(pod);
      continue;
    }
    const bool failed = api::TextAt(*pod, "status.phase") == "Failed";
    if (!failed && api::TextAt(*pod, "status.phase") != "Succeeded") {
      running.push_back(pod);
      continue;
    }
    // Tried again, but less and less often.
    Failures& failures = (*failures_)[name];
    absl::Duration pause = absl::Seconds(1);
    for (int i = 1; i < failures.count && pause < kBackoffMax; ++i) pause *= 2;
    const absl::Duration left = failures.count == 0
                                    ? absl::ZeroDuration()
                                    : failures.last + std::min(pause, kBackoffMax) - now_;
    if (failed && left > absl::ZeroDuration()) {
      LookAgain(left);
      running.push_back(pod);
      continue;
    }
    ++failures.count;
    failures.last = now_;
    const std::string subject =
        Concat(api::NamespaceOf(*pod), "/", api::NameOf(*pod), " on node ", name);
    if (failed) {
      environment_.events->Warning(
          set_, "FailedDaemonPod",
          Concat("Found failed daemon pod ", subject, ", will try to kill it"));
    } else {
      environment_.events->Normal(
          set_, "SucceededDaemonPod",
          Concat("Found succeeded daemon pod ", subject, ", will try to delete it"));
    }
    Delete(pod);
    running.push_back(pod);  // until it is gone
  }
  if (running.empty()) {
    if (fit.should_run) create_.push_back(name);
    return;
  }
  if (MaxSurge() > 0) return;  // two on a node are the way of the update
  // The oldest stays.
  for (size_t i = 1; i < running.size(); ++i) {
    if (IsActive(*running[i])) Delete(running[i]);
  }
}

void DaemonSetSync::PlanUpdate() {
  int64_t unavailable = 0;
  Pods old_available;
  Pods old_unavailable;
  for (const Object& node : nodes_) {
    if (!FitOf(api::MapAt(set_, "spec.template"), *node).should_run) continue;
    const auto found = by_node_.find(api::NameOf(*node));
    if (found == by_node_.end() || found->second.empty()) {
      ++unavailable;
      continue;
    }
    const Object& pod = found->second.front();
    const bool available = !api::IsBeingDeleted(*pod) && IsAvailable(*pod, min_ready_, now_);
    if (!available) ++unavailable;
    if (api::IsBeingDeleted(*pod) || IsUpdated(*pod)) continue;
    (available ? old_available : old_unavailable).push_back(pod);
  }
  // Those that do not run anyway cost nothing.
  for (Object& pod : old_unavailable) Delete(std::move(pod));
  int64_t room = MaxUnavailable() - unavailable;
  for (Object& pod : old_available) {
    if (room-- <= 0) break;
    Delete(std::move(pod));
  }
}

void DaemonSetSync::PlanSurge() {
  int64_t room = MaxSurge();
  std::vector<std::string> wanting;
  for (const Object& node : nodes_) {
    const auto found = by_node_.find(api::NameOf(*node));
    if (found == by_node_.end()) continue;
    Object old_pod;
    Object new_pod;
    for (const Object& pod : found->second) {
      if (IsActive(*pod)) (IsUpdated(*pod) ? new_pod : old_pod) = pod;
    }
    if (old_pod == nullptr) continue;
    if (new_pod == nullptr) {
      // An old one that does not run may go at once.
      if (!IsAvailable(*old_pod, min_ready_, now_)) {
        Delete(old_pod);
      } else {
        wanting.push_back(api::NameOf(*node));
      }
    } else if (IsAvailable(*new_pod, min_ready_, now_)) {
      Delete(old_pod);
    } else {
      --room;
    }
  }
  for (const std::string& node : wanting) {
    if (room-- <= 0) break;
    if (FitOf(api::MapAt(set_, "spec.template"),
              **std::find_if(nodes_.begin(), nodes_.end(),
                             [&](const Object& one) { return api::NameOf(*one) == node; }))
            .should_run) {
      create_.push_back(node);
    }
  }
}

Json DaemonSetSync::PodFor(const std::string& node) const {
  Json pod = PodFromTemplate(api::MapAt(set_, "spec.template"), set_);
  Json& labels = api::Make(pod, "metadata.labels");
  labels[kHashLabel] = hash_;
  const Json* generation = api::Member(api::AnnotationsOf(set_), kDeprecatedGeneration);
  if (generation != nullptr && generation->is_string()) labels[kGenerationLabel] = *generation;
  Json& spec = pod["spec"];
  spec["tolerations"] = WithDaemonTolerations(spec);
  // The scheduler binds it, to this node alone: what else the template asks of a node was looked
  // at.
  api::Make(spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution") = {
      {"nodeSelectorTerms",
       Json::array({{{"matchFields", Json::array({{{"key", "metadata.name"},
                                                   {"operator", "In"},
                                                   {"values", Json::array({node})}}})}}})}};
  return pod;
}

absl::Status DaemonSetSync::Apply() {
  const std::string key = api::KeyOf(set_);
  if (create_.size() > kBurst) create_.resize(kBurst);
  if (delete_.size() > kBurst) delete_.resize(kBurst);
  std::vector<std::string> uids;
  for (const Object& pod : delete_) uids.push_back(api::UidOf(*pod));
  environment_.expectations->ExpectDeletions(key, uids);
  const int count = static_cast<int>(create_.size());
  environment_.expectations->ExpectMore(key, count);
  const BatchResult created = InGrowingBatches(count, [&](int i) {
    const absl::StatusOr<Json> made =
        environment_.client->CreateForMetadata(kPods, api::NamespaceOf(set_), PodFor(create_[i]));
    if (made.ok()) {
      environment_.events->Normal(set_, "SuccessfulCreate",
                                  Concat("Created pod: ", api::NameOf(*made)));
    } else if (!NamespaceIsEnding(made.status())) {
      environment_.events->Warning(
          set_, "FailedCreate", Concat("Error creating: ", std::string(made.status().message())));
    }
    return made.status();
  });
  // In a namespace that ends, what is expected stays so: there is nothing to try again until the
  // set goes, too.
  const bool ending = NamespaceIsEnding(created.error);
  for (int i = created.done; i < count && !ending; ++i) {
    environment_.expectations->CreationObserved(key);
  }
  const absl::Status deleted = Everywhere(static_cast<int>(delete_.size()), [&](int i) {
    const Json& pod = *delete_[i];
    const absl::Status status =
        environment_.client->Delete(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                                    {{"preconditions", {{"uid", api::UidOf(pod)}}}});
    if (status.ok()) {
      environment_.events->Normal(set_, "SuccessfulDelete",
                                  Concat("Deleted pod: ", api::NameOf(pod)));
      return status;
    }
    environment_.expectations->DeletionObserved(key, api::UidOf(pod));
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  });
  return created.error.ok() || ending ? deleted : created.error;
}

absl::Status DaemonSetSync::WriteStatus() {
  int64_t scheduled = 0;
  int64_t misscheduled = 0;
  int64_t ready = 0;
  int64_t available = 0;
  int64_t updated = 0;
  for (const Object& node : nodes_) {
    const auto found = by_node_.find(api::NameOf(*node));
    const bool has = found != by_node_.end() && !found->second.empty();
    if (!FitOf(api::MapAt(set_, "spec.template"), *node).should_run) {
      misscheduled += has ? 1 : 0;
      continue;
    }
    if (!has) continue;
    ++scheduled;
    // With two on a node, the one that serves.
    const auto serving = std::find_if(found->second.begin(), found->second.end(),
                                      [](const Object& pod) { return IsReady(*pod); });
    const Json& pod = serving == found->second.end() ? *found->second.front() : **serving;
    if (IsReady(pod)) {
      ++ready;
      available += IsAvailable(pod, min_ready_, now_) ? 1 : 0;
    }
    updated += std::any_of(found->second.begin(), found->second.end(),
                           [&](const Object& one) { return IsUpdated(*one); })
                   ? 1
                   : 0;
  }
  if (min_ready_ > 0 && ready != available) LookAgain(absl::Seconds(min_ready_));
  Json status = api::MapAt(set_, "status");
  status["currentNumberScheduled"] = scheduled;
  status["numberMisscheduled"] = misscheduled;
  status["desiredNumberScheduled"] = desired_;
  status["numberReady"] = ready;
  status["observedGeneration"] = api::NumberAt(set_, "metadata.generation");
  if (collisions_ > 0) status["collisionCount"] = collisions_;
  for (const auto& [field, value] :
       {std::pair("updatedNumberScheduled", updated), std::pair("numberAvailable", available),
        std::pair("numberUnavailable", desired_ - available)}) {
    if (value > 0) {
      status[field] = value;
    } else {
      status.erase(field);
    }
  }
  return PatchStatus(environment_.client, kDaemonSets, set_, status);
}

}  // namespace keelson::controllers
