#include "apiserver/controllers/deployment_sync.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

constexpr char kHashLabel[] = "pod-template-hash";
constexpr char kRevision[] = "deployment.kubernetes.io/revision";
constexpr char kRevisionHistory[] = "deployment.kubernetes.io/revision-history";
constexpr char kDesired[] = "deployment.kubernetes.io/desired-replicas";
constexpr char kMax[] = "deployment.kubernetes.io/max-replicas";
constexpr int64_t kUnlimited = std::numeric_limits<int32_t>::max();

int64_t Replicas(const Json& set) { return api::NumberAt(set, "spec.replicas", 1); }
int64_t Available(const Json& set) { return api::NumberAt(set, "status.availableReplicas"); }

int64_t NumberIn(const Json& annotations, std::string_view name) {
  const Json* text = api::Member(annotations, name);
  int64_t number = 0;
  if (text == nullptr || !text->is_string() ||
      !absl::SimpleAtoi(text->get_ref<const std::string&>(), &number)) {
    return 0;
  }
  return number;
}

int64_t RevisionOf(const Json& object) { return NumberIn(api::AnnotationsOf(object), kRevision); }

SetSize SizeOf(const Json& set) {
  return {.replicas = Replicas(set),
          // A status from before the set was made smaller counts what is going.
          .available = std::min(Available(set), Replicas(set)),
          .max_before_scaling = NumberIn(api::AnnotationsOf(set), kMax)};
}

bool SameTemplate(const Json& a, const Json& b) {
  Json left = a;
  Json right = b;
  for (Json* one : {&left, &right}) {
    if (Json* labels = api::Find(*one, "metadata.labels")) labels->erase(kHashLabel);
    api::Erase(*one, "metadata.creationTimestamp");
  }
  return SameMeaning(left, right);
}

// The Deployment's annotations that its sets have too.
bool IsCopied(const std::string& annotation) {
  return annotation != "kubectl.kubernetes.io/last-applied-configuration" &&
         annotation != kRevision && annotation != kRevisionHistory && annotation != kDesired &&
         annotation != kMax && annotation != "deprecated.deployment.rollback.to";
}

}  // namespace

DeploymentSync::DeploymentSync(Environment environment, const Json& deployment,
                               const std::vector<Object>& sets)
    : environment_(environment),
      deployment_(deployment),
      now_(absl::Now()),
      wanted_(api::NumberAt(deployment, "spec.replicas", 1)),
      seen_(deployment),
      conditions_(api::ArrayAt(deployment, "status.conditions")),
      collisions_(api::NumberAt(deployment, "status.collisionCount")) {
  for (const Object& set : sets) sets_.push_back(*set);
  const auto age = [](const Json& set) {
    return std::tie(api::TextAt(set, "metadata.creationTimestamp"), api::NameOf(set));
  };
  std::sort(sets_.begin(), sets_.end(),
            [&](const Json& a, const Json& b) { return age(a) < age(b); });
  for (size_t i = 0; i < sets_.size() && !new_set_; ++i) {
    if (SameTemplate(api::MapAt(sets_[i], "spec.template"),
                     api::MapAt(deployment_, "spec.template"))) {
      new_set_ = i;
    }
  }
}

bool DeploymentSync::paused() const { return api::FlagAt(deployment_, "spec.paused"); }
bool DeploymentSync::is_recreate() const {
  return api::TextAt(deployment_, "spec.strategy.type") == "Recreate";
}
bool DeploymentSync::has_deadline() const {
  const Json* seconds = api::Find(deployment_, "spec.progressDeadlineSeconds");
  return seconds != nullptr && seconds->is_number() && seconds->get<int64_t>() != kUnlimited;
}
Leeway DeploymentSync::leeway() const {
  if (is_recreate()) return {};
  return LeewayOf(api::MapAt(deployment_, "spec.strategy.rollingUpdate"), wanted_);
}
std::string DeploymentSync::Subject() const {
  return new_set_ ? Concat("ReplicaSet \"", api::NameOf(sets_[*new_set_]), "\"")
                  : Concat("Deployment \"", api::NameOf(deployment_), "\"");
}

void DeploymentSync::SetDeploymentCondition(std::string_view type, std::string_view status,
                                            std::string_view reason, std::string_view message) {
  const Json* known = nullptr;
  for (const Json& condition : conditions_) {
    if (api::TextAt(condition, "type") == type) known = &condition;
  }
  if (known != nullptr && api::TextAt(*known, "status") == status &&
      api::TextAt(*known, "reason") == reason) {
    return;
  }
  SetCondition(&conditions_,
               {std::string(type), std::string(status), std::string(reason), std::string(message)},
               now_);
  for (Json& condition : conditions_) {
    if (api::TextAt(condition, "type") == type) condition["lastUpdateTime"] = api::FormatTime(now_);
  }
}

absl::Status DeploymentSync::Run() {
  if (api::IsBeingDeleted(deployment_)) return SyncStatus();
  JudgePause();
  const absl::Status done = RunActive();
  // Also after an error: what is known of the rest belongs into the status.
  const absl::Status written = SyncStatus();
  return done.ok() ? written : done;
}

absl::Status DeploymentSync::RunActive() {
  bool scaled = false;
  for (const Json& set : sets_) {
    const Json& annotations = api::AnnotationsOf(set);
    const int64_t desired = NumberIn(annotations, kDesired);
    scaled |= Replicas(set) > 0 && annotations.contains(kDesired) && desired != wanted_;
  }
  if (paused() || scaled) {
    KV_RETURN_IF_ERROR(FindNewSet(/*create=*/false));
    KV_RETURN_IF_ERROR(Scale());
    return paused() ? CleanUp() : absl::OkStatus();
  }
  return is_recreate() ? Recreate() : RollingUpdate();
}

absl::Status DeploymentSync::FindNewSet(bool create) {
  if (new_set_) return RefreshNewSet();
  if (!create) return absl::OkStatus();
  int64_t revision = 0;
  for (const Json& set : sets_) revision = std::max(revision, RevisionOf(set));
  return CreateNewSet(revision + 1);
}

absl::Status DeploymentSync::RefreshNewSet() {
  int64_t revision = 0;
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (i != *new_set_) revision = std::max(revision, RevisionOf(sets_[i]));
  }
  ++revision;
  Json& set = sets_[*new_set_];
  Json wanted = set;
  Json& annotations = api::Make(wanted, "metadata.annotations");
  for (const auto& [name, value] : api::AnnotationsOf(deployment_).items()) {
    if (IsCopied(name)) annotations[name] = value;
  }
  const int64_t old_revision = RevisionOf(set);
  if (old_revision < revision) {
    annotations[kRevision] = std::to_string(revision);
    if (old_revision > 0) {
      // A template that comes back keeps its set; the revisions it had are remembered.
      const Json* history = api::Member(annotations, kRevisionHistory);
      annotations[kRevisionHistory] =
          history != nullptr && history->is_string() && !history->get<std::string>().empty()
              ? Concat(history->get<std::string>(), ",", old_revision)
              : std::to_string(old_revision);
    }
  }
  const int64_t min_ready = api::NumberAt(deployment_, "spec.minReadySeconds");
  if (api::NumberAt(set, "spec.minReadySeconds") != min_ready) {
    api::Make(wanted, "spec.minReadySeconds") = min_ready;
  }
  KV_ASSIGN_OR_RETURN(
      set, PatchObject(environment_.client, kReplicaSets, set, wanted, Condition::kSameVersion));
  if (has_deadline() && api::FindCondition(deployment_, "Progressing") == nullptr) {
    SetDeploymentCondition("Progressing", "True", "FoundNewReplicaSet",
                           Concat("Found new replica set \"", api::NameOf(set), "\""));
  }
  return AdoptRevision(RevisionOf(set));
}

absl::Status DeploymentSync::AdoptRevision(int64_t revision) {
  if (RevisionOf(deployment_) == revision) return absl::OkStatus();
  Json wanted = deployment_;
  api::Make(wanted, "metadata.annotations")[kRevision] = std::to_string(revision);
  return PatchObject(environment_.client, kDeployments, deployment_, wanted, Condition::kSameObject)
      .status();
}

absl::Status DeploymentSync::CreateNewSet(int64_t revision) {
  Json pod_template = api::MapAt(deployment_, "spec.template");
  api::Erase(pod_template, "metadata.creationTimestamp");
  const std::string hash = TemplateHash(pod_template, collisions_);
  api::Make(pod_template, "metadata.labels")[kHashLabel] = hash;
  Json selector = api::MapAt(deployment_, "spec.selector");
  api::Make(selector, "matchLabels")[kHashLabel] = hash;
  int64_t total = 0;
  for (const Json& set : sets_) total += Replicas(set);
  const Leeway allowed = leeway();
  const int64_t replicas = is_recreate() ? wanted_ : NewSetSize(wanted_, allowed, 0, total);
  Json annotations = {{kRevision, std::to_string(revision)},
                      {kDesired, std::to_string(wanted_)},
                      {kMax, std::to_string(wanted_ + allowed.surge)}};
  for (const auto& [name, value] : api::AnnotationsOf(deployment_).items()) {
    if (IsCopied(name)) annotations[name] = value;
  }
  const std::string name = Concat(api::NameOf(deployment_), "-", hash);
  const Json set = {{"apiVersion", "apps/v1"},
                    {"kind", "ReplicaSet"},
                    {"metadata",
                     {{"name", name},
                      {"namespace", api::NamespaceOf(deployment_)},
                      {"labels", api::MapAt(pod_template, "metadata.labels")},
                      {"annotations", annotations},
                      {"ownerReferences", Json::array({ControllerReference(deployment_)})}}},
                    {"spec",
                     {{"replicas", replicas},
                      {"minReadySeconds", api::NumberAt(deployment_, "spec.minReadySeconds")},
                      {"selector", selector},
                      {"template", pod_template}}}};
  runtime::ApiClient* const client = environment_.client;
  absl::StatusOr<Json> made = client->Create(kReplicaSets, api::NamespaceOf(deployment_), set);
  const bool existed = api::IsAlreadyExists(made.status());
  if (existed) {
    // Ours, which the copies do not show yet; or two templates have one hash.
    made = client->Get(kReplicaSets, api::NamespaceOf(deployment_), name);
    if (!made.ok()) return made.status();
    const Json* owner = api::ControllerOf(*made);
    if (owner == nullptr || api::TextAt(*owner, "uid") != api::UidOf(deployment_) ||
        !SameTemplate(api::MapAt(*made, "spec.template"), pod_template)) {
      ++collisions_;
      return absl::AlreadyExistsError(Concat("another pod template has the hash ", hash));
    }
  } else if (NamespaceIsEnding(made.status())) {
    return absl::OkStatus();
  } else if (!made.ok()) {
    const std::string message = Concat("Failed to create new replica set \"", name,
                                       "\": ", std::string(made.status().message()));
    if (has_deadline()) {
      SetDeploymentCondition("Progressing", "False", "FailedCreate", message);
    }
    environment_.events->Warning(deployment_, "ReplicaSetCreateError", message);
    return made.status();
  }
  if (!existed && replicas > 0) {
    environment_.events->Normal(deployment_, "ScalingReplicaSet",
                                Concat("Scaled up replica set ", name, " from 0 to ", replicas));
  }
  if (!existed && has_deadline()) {
    SetDeploymentCondition("Progressing", "True", "NewReplicaSetCreated",
                           Concat("Created new replica set \"", name, "\""));
  }
  sets_.push_back(*std::move(made));
  new_set_ = sets_.size() - 1;
  return AdoptRevision(RevisionOf(sets_.back()));
}

absl::Status DeploymentSync::Resize(Json* set, int64_t replicas, bool* resized) {
  const int64_t before = Replicas(*set);
  const int64_t most = wanted_ + leeway().surge;
  const Json& old_annotations = api::AnnotationsOf(*set);
  const bool annotated =
      NumberIn(old_annotations, kDesired) == wanted_ && NumberIn(old_annotations, kMax) == most;
  if (before == replicas && annotated) return absl::OkStatus();
  Json wanted = *set;
  Json& annotations = api::Make(wanted, "metadata.annotations");
  annotations[kDesired] = std::to_string(wanted_);
  annotations[kMax] = std::to_string(most);
  api::Make(wanted, "spec.replicas") = replicas;
  KV_ASSIGN_OR_RETURN(
      *set, PatchObject(environment_.client, kReplicaSets, *set, wanted, Condition::kSameVersion));
  if (before == replicas) return absl::OkStatus();
  *resized = true;
  environment_.events->Normal(deployment_, "ScalingReplicaSet",
                              Concat("Scaled ", replicas > before ? "up" : "down", " replica set ",
                                     api::NameOf(*set), " from ", before, " to ", replicas));
  return absl::OkStatus();
}

absl::Status DeploymentSync::RollingUpdate() {
  KV_RETURN_IF_ERROR(FindNewSet(/*create=*/true));
  if (!new_set_) return absl::OkStatus();
  int64_t total = 0;
  std::vector<SetSize> old_sizes;
  for (size_t i = 0; i < sets_.size(); ++i) {
    total += Replicas(sets_[i]);
    if (i != *new_set_) old_sizes.push_back(SizeOf(sets_[i]));
  }
  bool resized = false;
  Json& new_set = sets_[*new_set_];
  KV_RETURN_IF_ERROR(
      Resize(&new_set, NewSetSize(wanted_, leeway(), Replicas(new_set), total), &resized));
  if (resized) return absl::OkStatus();
  const std::vector<int64_t> sizes = ShrinkOldSets(wanted_, leeway(), SizeOf(new_set), old_sizes);
  size_t next = 0;
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (i == *new_set_) continue;
    const int64_t size = sizes[next++];
    if (size != Replicas(sets_[i])) KV_RETURN_IF_ERROR(Resize(&sets_[i], size, &resized));
  }
  return !resized && IsComplete(CountedStatus()) ? CleanUp() : absl::OkStatus();
}

absl::Status DeploymentSync::Recreate() {
  KV_RETURN_IF_ERROR(FindNewSet(/*create=*/false));
  bool resized = false;
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (i != new_set_ && Replicas(sets_[i]) > 0) {
      KV_RETURN_IF_ERROR(Resize(&sets_[i], 0, &resized));
    }
  }
  if (resized || OldPodsRun()) return absl::OkStatus();
  KV_RETURN_IF_ERROR(FindNewSet(/*create=*/true));
  if (!new_set_) return absl::OkStatus();
  KV_RETURN_IF_ERROR(Resize(&sets_[*new_set_], wanted_, &resized));
  return IsComplete(CountedStatus()) ? CleanUp() : absl::OkStatus();
}

bool DeploymentSync::OldPodsRun() const {
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (i == new_set_) continue;
    if (api::NumberAt(sets_[i], "status.replicas") > 0) return true;
    for (const Object& pod : OwnedBy(*environment_.pods, api::UidOf(sets_[i]))) {
      if (!IsTerminal(*pod)) return true;
    }
  }
  return false;
}

absl::Status DeploymentSync::Scale() {
  std::vector<size_t> active;
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (Replicas(sets_[i]) > 0) active.push_back(i);
  }
  bool resized = false;
  if (active.size() <= 1) {
    if (sets_.empty()) return absl::OkStatus();
    const size_t only = !active.empty() ? active[0] : new_set_ ? *new_set_ : sets_.size() - 1;
    return Resize(&sets_[only], wanted_, &resized);
  }
  if (new_set_) {
    const Json& set = sets_[*new_set_];
    const bool saturated = NumberIn(api::AnnotationsOf(set), kDesired) == wanted_ &&
                           Replicas(set) == wanted_ && Available(set) == wanted_;
    if (saturated) {
      for (const size_t i : active) {
        if (i != *new_set_) KV_RETURN_IF_ERROR(Resize(&sets_[i], 0, &resized));
      }
      return absl::OkStatus();
    }
  }
  if (is_recreate()) return absl::OkStatus();
  int64_t total = 0;
  for (const size_t i : active) total += Replicas(sets_[i]);
  const bool grows = wanted_ + leeway().surge > total;
  std::stable_sort(active.begin(), active.end(), [&](size_t a, size_t b) {
    if (Replicas(sets_[a]) != Replicas(sets_[b])) return Replicas(sets_[a]) > Replicas(sets_[b]);
    return grows ? a > b : a < b;
  });
  std::vector<SetSize> sizes;
  for (const size_t i : active) sizes.push_back(SizeOf(sets_[i]));
  const std::vector<int64_t> wanted =
      ScaleInProportion(wanted_, leeway(), api::NumberAt(deployment_, "status.replicas"), sizes);
  for (size_t i = 0; i < active.size(); ++i) {
    KV_RETURN_IF_ERROR(Resize(&sets_[active[i]], wanted[i], &resized));
  }
  return absl::OkStatus();
}

absl::Status DeploymentSync::CleanUp() {
  const int64_t limit = api::NumberAt(deployment_, "spec.revisionHistoryLimit", kUnlimited);
  std::vector<const Json*> old;
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (i != new_set_ && !api::IsBeingDeleted(sets_[i])) old.push_back(&sets_[i]);
  }
  if (limit == kUnlimited || static_cast<int64_t>(old.size()) <= limit) return absl::OkStatus();
  std::stable_sort(old.begin(), old.end(),
                   [](const Json* a, const Json* b) { return RevisionOf(*a) < RevisionOf(*b); });
  old.resize(old.size() - static_cast<size_t>(limit));
  for (const Json* set : old) {
    if (api::NumberAt(*set, "status.replicas") != 0 || Replicas(*set) != 0 ||
        api::NumberAt(*set, "metadata.generation") >
            api::NumberAt(*set, "status.observedGeneration")) {
      continue;
    }
    const absl::Status status = environment_.client->Delete(
        kReplicaSets, api::NamespaceOf(*set), api::NameOf(*set),
        {{"preconditions", {{"uid", api::UidOf(*set)}}}, {"propagationPolicy", "Background"}});
    if (!status.ok() && !api::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

Json DeploymentSync::CountedStatus() const {
  int64_t replicas = 0;
  int64_t ready = 0;
  int64_t available = 0;
  int64_t asked = 0;
  for (const Json& set : sets_) {
    asked += Replicas(set);
    replicas += api::NumberAt(set, "status.replicas");
    ready += api::NumberAt(set, "status.readyReplicas");
    available += Available(set);
  }
  const int64_t updated =
      new_set_ ? api::NumberAt(sets_[*new_set_], "status.replicas") : int64_t{0};
  Json status = api::MapAt(deployment_, "status");
  for (const auto& [field, value] :
       std::array{std::pair("replicas", replicas), std::pair("readyReplicas", ready),
                  std::pair("availableReplicas", available), std::pair("updatedReplicas", updated),
                  std::pair("unavailableReplicas", std::max<int64_t>(0, asked - available))}) {
    if (value != 0) {
      status[field] = value;
    } else {
      status.erase(field);
    }
  }
  if (collisions_ > 0) status["collisionCount"] = collisions_;
  status["observedGeneration"] = api::NumberAt(deployment_, "metadata.generation");
  return status;
}

bool DeploymentSync::IsComplete(const Json& status) const {
  return api::NumberAt(status, "updatedReplicas") == wanted_ &&
         api::NumberAt(status, "replicas") == wanted_ &&
         api::NumberAt(status, "availableReplicas") == wanted_;
}

absl::Status DeploymentSync::SyncStatus() {
  Json status = CountedStatus();
  if (api::NumberAt(status, "availableReplicas") >= wanted_ - leeway().unavailable) {
    SetDeploymentCondition("Available", "True", "MinimumReplicasAvailable",
                           "Deployment has minimum availability.");
  } else {
    SetDeploymentCondition("Available", "False", "MinimumReplicasUnavailable",
                           "Deployment does not have minimum availability.");
  }
  if (!api::IsBeingDeleted(deployment_)) JudgeProgress(&status);
  status["conditions"] = conditions_;
  return PatchStatus(environment_.client, kDeployments, seen_, status);
}

void DeploymentSync::JudgePause() {
  if (!has_deadline()) return;
  const Json* progressing = api::FindCondition(deployment_, "Progressing");
  const std::string reason = progressing == nullptr ? "" : api::TextAt(*progressing, "reason");
  if (reason == "ProgressDeadlineExceeded") return;
  const bool was_paused = reason == "DeploymentPaused";
  if (paused() && !was_paused) {
    SetDeploymentCondition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  } else if (!paused() && was_paused) {
    SetDeploymentCondition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
  }
}

absl::Duration DeploymentSync::UntilDeadline() const {
  for (const Json& condition : conditions_) {
    if (api::TextAt(condition, "type") != "Progressing") continue;
    const auto since = api::ParseTime(api::TextAt(condition, "lastUpdateTime"));
    return since.value_or(now_) +
           absl::Seconds(api::NumberAt(deployment_, "spec.progressDeadlineSeconds")) - now_;
  }
  return absl::InfiniteDuration();
}

void DeploymentSync::JudgeProgress(Json* status) {
  // What stops a set from having its pods.
  const Json* failure = nullptr;
  for (size_t i = sets_.size(); i-- > 0 && failure == nullptr;) {
    failure = api::FindCondition(sets_[i], "ReplicaFailure");
  }
  if (failure != nullptr && api::TextAt(*failure, "status") == "True") {
    SetDeploymentCondition("ReplicaFailure", "True", api::TextAt(*failure, "reason"),
                           api::TextAt(*failure, "message"));
  } else {
    RemoveCondition(&conditions_, "ReplicaFailure");
  }
  if (!has_deadline()) {
    RemoveCondition(&conditions_, "Progressing");
    return;
  }
  if (paused()) return;
  std::string reason;
  for (const Json& condition : conditions_) {
    if (api::TextAt(condition, "type") == "Progressing") reason = api::TextAt(condition, "reason");
  }
  const auto grew = [&](const char* field) {
    return api::NumberAt(*status, field) > api::NumberAt(deployment_, Concat("status.", field));
  };
  const auto outdated = [](const Json& of) {
    return api::NumberAt(of, "replicas") - api::NumberAt(of, "updatedReplicas");
  };
  const bool progressed = grew("updatedReplicas") || grew("readyReplicas") ||
                          grew("availableReplicas") ||
                          outdated(*status) < outdated(api::MapAt(deployment_, "status"));
  const bool settled =
      reason == "NewReplicaSetAvailable" &&
      api::NumberAt(*status, "replicas") == api::NumberAt(*status, "updatedReplicas");
  if (settled) return;
  if (IsComplete(*status)) {
    SetDeploymentCondition("Progressing", "True", "NewReplicaSetAvailable",
                           Concat(Subject(), " has successfully progressed."));
    return;
  }
  if (progressed) {
    // The time of the last progress counts for the deadline.
    SetDeploymentCondition("Progressing", "True", "ReplicaSetUpdated",
                           Concat(Subject(), " is progressing."));
    for (Json& condition : conditions_) {
      if (api::TextAt(condition, "type") == "Progressing") {
        condition["lastUpdateTime"] = api::FormatTime(now_);
        condition["message"] = Concat(Subject(), " is progressing.");
      }
    }
  }
  if (reason == "ProgressDeadlineExceeded" && !progressed) return;
  const absl::Duration left = UntilDeadline();
  if (left == absl::InfiniteDuration()) return;
  if (left <= absl::ZeroDuration() && reason != "NewReplicaSetAvailable") {
    SetDeploymentCondition("Progressing", "False", "ProgressDeadlineExceeded",
                           Concat(Subject(), " has timed out progressing."));
  } else {
    // Times of conditions are whole seconds.
    look_again_ = std::max(left, absl::ZeroDuration()) + absl::Seconds(1);
  }
}

}  // namespace keelson::controllers
