#include "apiserver/controllers/job_sync.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/job_decide.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::Object;

constexpr int64_t kBurst = 500;
constexpr size_t kUncountedMax = 500;
constexpr char kIndexAnnotation[] = "batch.kubernetes.io/job-completion-index";
constexpr char kIndexFailures[] = "batch.kubernetes.io/job-index-failure-count";

Json* ListIn(Json& status, const char* name) {
  Json& list = api::Make(status, Concat("uncountedTerminatedPods.", name));
  if (!list.is_array()) list = Json::array();
  return &list;
}

bool Contains(const Json& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

void AddTo(Json& status, const char* counter, int64_t count) {
  if (count != 0) status[counter] = api::NumberAt(status, counter) + count;
}

}  // namespace

absl::Status RemoveTracking(runtime::ApiClient* client, const Json& pod) {
  const absl::Status status =
      client
          ->Patch(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                  runtime::PatchType::kStrategicMerge,
                  {{"metadata",
                    {{"uid", api::UidOf(pod)},
                     {"$deleteFromPrimitiveList/finalizers", Json::array({kTrackingFinalizer})}}}})
          .status();
  return api::IsNotFound(status) || api::IsConflict(status) ? absl::OkStatus() : status;
}

JobSync::JobSync(Environment environment, const Json& job, std::vector<Object> pods,
                 std::set<std::string>* released, Failures* failures, bool may_manage)
    : environment_(environment),
      job_(job),
      key_(api::KeyOf(job)),
      now_(absl::Now()),
      pods_(std::move(pods)),
      released_(released),
      failures_(failures),
      may_manage_(may_manage),
      seen_(job),
      status_(api::MapAt(job, "status")) {}

bool JobSync::HasEnded() const {
  return api::ConditionIsTrue(job_, "Complete") || api::ConditionIsTrue(job_, "Failed");
}
bool JobSync::is_suspended() const { return api::FlagAt(job_, "spec.suspend"); }
bool JobSync::IsTracked(const Json& pod) const {
  return api::HasFinalizer(pod, kTrackingFinalizer) && !released_->contains(api::UidOf(pod));
}
void JobSync::LookAgain(absl::Duration after) {
  look_again_ = std::min(look_again_.value_or(absl::InfiniteDuration()), after);
}

void JobSync::SetJobCondition(const std::string& type, const std::string& status,
                              const std::string& reason, const std::string& message) {
  if (!SetCondition(&status_["conditions"], {type, status, reason, message}, now_)) return;
  for (Json& condition : status_["conditions"]) {
    if (api::TextAt(condition, "type") == type) condition["lastProbeTime"] = api::FormatTime(now_);
  }
}

absl::Status JobSync::Run() {
  if (HasEnded()) {
    // Pods that ended late are let go all the same.
    for (const Object& pod : pods_) {
      if (!IsTracked(*pod)) continue;
      KV_RETURN_IF_ERROR(RemoveTracking(environment_.client, *pod));
      released_->insert(api::UidOf(*pod));
    }
    return absl::OkStatus();
  }
  CountPods();
  CountFailures();
  if (!is_suspended()) api::SetDefault(status_, "startTime", api::FormatTime(now_));
  std::optional<Verdict> verdict = Judge();
  absl::Status managed;
  if (verdict) {
    managed = DeletePods(active_);
    // It has ended when all its pods have: what is deleted now is looked at again when it shows.
    if (!active_.empty() || !may_manage_) {
      if (verdict->type == "Failed") {
        SetJobCondition("FailureTarget", "True", verdict->reason, verdict->message);
      } else {
        SetJobCondition("SuccessCriteriaMet", "True", verdict->reason, verdict->message);
      }
      verdict.reset();
    }
  } else if (may_manage_ && !api::IsBeingDeleted(job_)) {
    managed = Manage();
    JudgeSuspension();
  }
  const absl::Status tracked = Track(verdict);
  return managed.ok() ? tracked : managed;
}

void JobSync::CountPods() {
  const int64_t completions = api::NumberAt(job_, "spec.completions");
  succeeded_indexes_ = ParseIndexes(api::TextAt(status_, "completedIndexes"), completions);
  failed_indexes_ = ParseIndexes(api::TextAt(status_, "failedIndexes"), completions);
  const Json done = *ListIn(status_, "succeeded");
  const Json lost = *ListIn(status_, "failed");
  succeeded_ = api::NumberAt(status_, "succeeded") + static_cast<int64_t>(done.size());
  failed_ = api::NumberAt(status_, "failed") + static_cast<int64_t>(lost.size());
  const bool per_index = api::Find(job_, "spec.backoffLimitPerIndex") != nullptr;
  int64_t ready = 0;
  for (const Object& pod : pods_) {
    if (api::IsBeingDeleted(*pod) && !IsTerminal(*pod)) ++terminating_;
    if (IsActive(*pod)) {
      active_.push_back(pod);
      ready += IsReady(*pod) ? 1 : 0;
      continue;
    }
    const bool succeeded = api::TextAt(*pod, "status.phase") == "Succeeded";
    if (!succeeded && !HasFailed(job_, *pod)) continue;
    if (!IsTracked(*pod)) continue;
    ended_.push_back(pod);
    const std::string& uid = api::UidOf(*pod);
    const int64_t index = IndexOf(*pod);
    if (succeeded) {
      if (IsIndexed(job_) && index >= 0 && index < completions) succeeded_indexes_.insert(index);
      if (!Contains(done, uid)) ++succeeded_;
      continue;
    }
    const FailureAction action = MatchFailurePolicy(job_, *pod).action;
    if (!Contains(lost, uid) && action != FailureAction::kIgnore) ++failed_;
    if (!per_index || index < 0) continue;
    const int64_t limit = api::NumberAt(job_, "spec.backoffLimitPerIndex");
    if (action == FailureAction::kFailIndex ||
        (action == FailureAction::kCount && FailuresOfIndex(index) > limit)) {
      failed_indexes_.insert(index);
    }
  }
  for (const int64_t index : succeeded_indexes_) failed_indexes_.erase(index);
  if (IsIndexed(job_)) succeeded_ = static_cast<int64_t>(succeeded_indexes_.size());
  status_["ready"] = ready;
}

// How often the index has failed, by what its newest pod remembers of those before it.
int64_t JobSync::FailuresOfIndex(int64_t index) const {
  int64_t most = 0;
  for (const Object& pod : pods_) {
    if (IndexOf(*pod) != index || !HasFailed(job_, *pod)) continue;
    const Json* text = api::Member(api::AnnotationsOf(*pod), kIndexFailures);
    int64_t before = 0;
    if (text != nullptr && text->is_string() &&
        !absl::SimpleAtoi(text->get_ref<const std::string&>(), &before)) {
      before = 0;
    }
    const bool ignored = MatchFailurePolicy(job_, *pod).action == FailureAction::kIgnore;
    most = std::max(most, before + (ignored ? 0 : 1));
  }
  return most;
}

void JobSync::CountFailures() {
  std::vector<std::pair<absl::Time, const Json*>> news;
  std::set<std::string> present;
  for (const Object& pod : ended_) {
    present.insert(api::UidOf(*pod));
    if (!failures_->counted.contains(api::UidOf(*pod))) {
      news.emplace_back(EndOf(*pod), pod.get());
    }
  }
  std::sort(news.begin(), news.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [at, pod] : news) {
    if (api::TextAt(*pod, "status.phase") == "Succeeded") {
      failures_->count = 0;
    } else {
      ++failures_->count;
      failures_->last = at;
    }
  }
  failures_->counted = std::move(present);
}

std::optional<JobSync::Verdict> JobSync::Judge() {
  if (const Json* met = api::FindCondition(job_, "SuccessCriteriaMet")) {
    if (api::TextAt(*met, "status") == "True") {
      return Verdict{"Complete", api::TextAt(*met, "reason"), api::TextAt(*met, "message")};
    }
  }
  if (std::optional<Verdict> failure = JudgeFailure()) return failure;
  if (IsIndexed(job_)) {
    if (std::optional<Verdict> verdict = JudgeIndexes()) return verdict;
  }
  const Json* completions = api::Find(job_, "spec.completions");
  const bool fixed = completions != nullptr && completions->is_number();
  const bool complete =
      active_.empty() && (fixed ? succeeded_ >= completions->get<int64_t>() : succeeded_ > 0);
  if (!complete) return std::nullopt;
  return Verdict{"Complete", "CompletionsReached", "Reached expected number of succeeded pods"};
}

std::optional<JobSync::Verdict> JobSync::JudgeFailure() {
  if (const Json* target = api::FindCondition(job_, "FailureTarget")) {
    if (api::TextAt(*target, "status") == "True") {
      return Verdict{"Failed", api::TextAt(*target, "reason"), api::TextAt(*target, "message")};
    }
  }
  for (const Object& pod : pods_) {
    FailureMatch match = MatchFailurePolicy(job_, *pod);
    if (match.action == FailureAction::kFailJob) {
      return Verdict{"Failed", "PodFailurePolicy", std::move(match.message)};
    }
  }
  const int64_t limit = api::NumberAt(job_, "spec.backoffLimit", 6);
  if (failed_ > limit || RestartedTooOften()) {
    return Verdict{"Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"};
  }
  const Json* deadline = api::Find(job_, "spec.activeDeadlineSeconds");
  const auto started = api::ParseTime(api::TextAt(status_, "startTime"));
  if (deadline != nullptr && deadline->is_number() && started && !is_suspended()) {
    const absl::Duration left = *started + absl::Seconds(deadline->get<int64_t>()) - now_;
    if (left <= absl::ZeroDuration()) {
      return Verdict{"Failed", "DeadlineExceeded", "Job was active longer than specified deadline"};
    }
    LookAgain(left);
  }
  return std::nullopt;
}

bool JobSync::RestartedTooOften() const {
  if (api::TextAt(job_, "spec.template.spec.restartPolicy") != "OnFailure") return false;
  int64_t restarts = 0;
  for (const Object& pod : active_) {
    for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
      for (const Json& status : api::ArrayAt(*pod, list)) {
        restarts += api::NumberAt(status, "restartCount");
      }
    }
  }
  const int64_t limit = api::NumberAt(job_, "spec.backoffLimit", 6);
  return limit == 0 ? restarts > 0 : restarts >= limit;
}

std::optional<JobSync::Verdict> JobSync::JudgeIndexes() {
  if (api::Find(job_, "spec.backoffLimitPerIndex") != nullptr) {
    const int64_t failed = static_cast<int64_t>(failed_indexes_.size());
    const Json* most = api::Find(job_, "spec.maxFailedIndexes");
    if (most != nullptr && most->is_number() && failed > most->get<int64_t>()) {
      return Verdict{"Failed", "MaxFailedIndexesExceeded",
                     "Job has exceeded the specified maximal number of failed indexes"};
    }
    if (failed > 0 && failed + succeeded_ >= api::NumberAt(job_, "spec.completions")) {
      return Verdict{"Failed", "FailedIndexes", "Job has failed indexes"};
    }
  }
  if (std::optional<std::string> message = MatchSuccessPolicy(job_, succeeded_indexes_)) {
    return Verdict{"Complete", "SuccessPolicy", *std::move(message)};
  }
  return std::nullopt;
}

absl::Status JobSync::Manage() {
  const int64_t active = static_cast<int64_t>(active_.size());
  if (is_suspended()) return DeletePods(active_);
  const int64_t wanted = WantedActive(job_, active, succeeded_);
  if (active > wanted) {
    return DeletePods(
        PickForDeletion(active_, static_cast<size_t>(active - wanted), active_, now_));
  }
  int64_t missing = wanted - active;
  if (ReplacesFailedOnly(job_)) missing -= terminating_;
  if (missing <= 0) return absl::OkStatus();
  const absl::Duration left = failures_->last + RetryPause(failures_->count) - now_;
  if (failures_->count > 0 && left > absl::ZeroDuration()) {
    LookAgain(left);
    return absl::OkStatus();
  }
  return CreatePods(std::min(missing, kBurst));
}

std::vector<int64_t> JobSync::MissingIndexes(int64_t count) const {
  std::set<int64_t> taken = succeeded_indexes_;
  taken.insert(failed_indexes_.begin(), failed_indexes_.end());
  for (const Object& pod : active_) taken.insert(IndexOf(*pod));
  if (ReplacesFailedOnly(job_)) {
    for (const Object& pod : pods_) {
      if (api::IsBeingDeleted(*pod) && !IsTerminal(*pod)) taken.insert(IndexOf(*pod));
    }
  }
  std::vector<int64_t> missing;
  const int64_t completions = api::NumberAt(job_, "spec.completions");
  for (int64_t i = 0; i < completions && static_cast<int64_t>(missing.size()) < count; ++i) {
    if (!taken.contains(i)) missing.push_back(i);
  }
  return missing;
}

Json JobSync::PodFor(int64_t index) const {
  Json pod = PodFromTemplate(api::MapAt(job_, "spec.template"), job_);
  Json& finalizers = api::Make(pod, "metadata.finalizers");
  if (!finalizers.is_array()) finalizers = Json::array();
  finalizers.push_back(kTrackingFinalizer);
  if (index < 0) return pod;
  const std::string text = std::to_string(index);
  api::Make(pod, "metadata.annotations")[kIndexAnnotation] = text;
  api::Make(pod, "metadata.labels")[kIndexAnnotation] = text;
  if (api::Find(job_, "spec.backoffLimitPerIndex") != nullptr) {
    api::Make(pod, "metadata.annotations")[kIndexFailures] = std::to_string(FailuresOfIndex(index));
  }
  api::Make(pod, "metadata.generateName") = Concat(api::NameOf(job_), "-", index, "-");
  api::SetDefault(pod, "spec.hostname", Concat(api::NameOf(job_), "-", index));
  const Json variable = {
      {"name", "JOB_COMPLETION_INDEX"},
      {"valueFrom",
       {{"fieldRef", {{"fieldPath", Concat("metadata.labels['", kIndexAnnotation, "']")}}}}}};
  for (const char* list : {"spec.initContainers", "spec.containers"}) {
    Json* containers = api::Find(pod, list);
    if (containers == nullptr) continue;
    for (Json& container : *containers) {
      Json& env = container["env"];
      if (!env.is_array()) env = Json::array();
      const bool set = std::any_of(env.begin(), env.end(), [](const Json& one) {
        return api::TextAt(one, "name") == "JOB_COMPLETION_INDEX";
      });
      if (!set) env.push_back(variable);
    }
  }
  return pod;
}

absl::Status JobSync::CreatePods(int64_t count) {
  std::vector<int64_t> indexes;
  if (IsIndexed(job_)) {
    indexes = MissingIndexes(count);
    count = static_cast<int64_t>(indexes.size());
  }
  const int number = static_cast<int>(count);
  environment_.expectations->ExpectCreations(key_, number);
  const BatchResult result = InGrowingBatches(number, [&](int i) {
    const Json pod = PodFor(indexes.empty() ? -1 : indexes[i]);
    const absl::StatusOr<Json> made =
        environment_.client->CreateForMetadata(kPods, api::NamespaceOf(job_), pod);
    if (made.ok()) {
      environment_.events->Normal(job_, "SuccessfulCreate",
                                  Concat("Created pod: ", api::NameOf(*made)));
    } else if (!NamespaceIsEnding(made.status())) {
      environment_.events->Warning(
          job_, "FailedCreate", Concat("Error creating: ", std::string(made.status().message())));
    }
    return made.status();
  });
  created_ = result.done;
  // What is expected stays so: there is nothing to try again until the job goes, too.
  if (NamespaceIsEnding(result.error)) return absl::OkStatus();
  for (int i = result.done; i < number; ++i) environment_.expectations->CreationObserved(key_);
  return result.error;
}

// Those that are deleted on purpose have not failed, so they are let go first.
absl::Status JobSync::DeletePods(const std::vector<Object>& doomed) {
  if (doomed.empty()) return absl::OkStatus();
  std::vector<std::string> uids;
  for (const Object& pod : doomed) uids.push_back(api::UidOf(*pod));
  environment_.expectations->ExpectDeletions(key_, uids);
  deleted_ = static_cast<int64_t>(doomed.size());
  return Everywhere(static_cast<int>(doomed.size()), [&](int i) {
    const Json& pod = *doomed[i];
    absl::Status status = RemoveTracking(environment_.client, pod);
    if (status.ok()) {
      status = environment_.client->Delete(kPods, api::NamespaceOf(pod), api::NameOf(pod),
                                           {{"preconditions", {{"uid", api::UidOf(pod)}}}});
    }
    if (status.ok()) {
      environment_.events->Normal(job_, "SuccessfulDelete",
                                  Concat("Deleted pod: ", api::NameOf(pod)));
      return status;
    }
    environment_.expectations->DeletionObserved(key_, api::UidOf(pod));
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  });
}

void JobSync::JudgeSuspension() {
  const Json* known = api::FindCondition(job_, "Suspended");
  const bool was = known != nullptr && api::TextAt(*known, "status") == "True";
  if (is_suspended() && !was) {
    SetJobCondition("Suspended", "True", "JobSuspended", "Job suspended");
    environment_.events->Normal(job_, "Suspended", "Job suspended");
  } else if (!is_suspended() && was) {
    SetJobCondition("Suspended", "False", "JobResumed", "Job resumed");
    environment_.events->Normal(job_, "Resumed", "Job resumed");
    status_["startTime"] = api::FormatTime(now_);
  }
  if (is_suspended()) status_.erase("startTime");
}

absl::Status JobSync::WriteStatus() {
  const Json patch = MergePatch(api::MapAt(seen_, "status"), status_);
  if (patch.empty()) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(
      Json written,
      environment_.client->Patch(
          kJobs, api::NamespaceOf(job_), api::NameOf(job_), runtime::PatchType::kMerge,
          {{"metadata",
            {{"uid", api::UidOf(job_)},
             {"resourceVersion", api::TextAt(seen_, "metadata.resourceVersion")}}},
           {"status", patch}},
          "status"));
  seen_ = std::move(written);
  return absl::OkStatus();
}

// Step 2. Gives the pods that may be let go.
std::vector<Object> JobSync::NoteEnded() {
  Json& done = *ListIn(status_, "succeeded");
  Json& lost = *ListIn(status_, "failed");
  std::vector<Object> noted;
  for (const Object& pod : ended_) {
    const std::string& uid = api::UidOf(*pod);
    const bool succeeded = api::TextAt(*pod, "status.phase") == "Succeeded";
    const bool counts = succeeded ? !IsIndexed(job_) || IndexOf(*pod) >= 0
                                  : MatchFailurePolicy(job_, *pod).action != FailureAction::kIgnore;
    Json& list = succeeded ? done : lost;
    if (counts && !Contains(list, uid)) {
      if (done.size() + lost.size() >= kUncountedMax) {
        LookAgain(absl::ZeroDuration());
        continue;
      }
      list.push_back(uid);
    }
    noted.push_back(pod);
  }
  return noted;
}

// Step 3.
absl::Status JobSync::Release(const std::vector<Object>& pods) {
  std::vector<absl::Status> results(pods.size());
  const absl::Status first_error = Everywhere(static_cast<int>(pods.size()), [&](int i) {
    results[i] = RemoveTracking(environment_.client, *pods[i]);
    return results[i];
  });
  for (size_t i = 0; i < pods.size(); ++i) {
    if (results[i].ok()) released_->insert(api::UidOf(*pods[i]));
  }
  return first_error;
}

// Step 4. True: nothing is left to count.
bool JobSync::CountReleased() {
  std::set<std::string> held;
  for (const Object& pod : ended_) {
    if (!released_->contains(api::UidOf(*pod))) held.insert(api::UidOf(*pod));
  }
  bool all = held.empty();
  for (const char* name : {"succeeded", "failed"}) {
    Json& list = *ListIn(status_, name);
    Json kept = Json::array();
    int64_t counted = 0;
    for (const Json& uid : list) {
      if (uid.is_string() && held.contains(uid.get<std::string>())) {
        kept.push_back(uid);
      } else {
        ++counted;
      }
    }
    all &= kept.empty();
    list = std::move(kept);
    if (list.empty()) status_["uncountedTerminatedPods"].erase(name);
    // Of an Indexed Job the indexes are counted, not the pods.
    if (std::string_view(name) == "failed" || !IsIndexed(job_)) AddTo(status_, name, counted);
  }
  if (IsIndexed(job_)) {
    status_["succeeded"] = static_cast<int64_t>(succeeded_indexes_.size());
    if (!succeeded_indexes_.empty()) {
      status_["completedIndexes"] = FormatIndexes(succeeded_indexes_);
    }
    if (api::Find(job_, "spec.backoffLimitPerIndex") != nullptr) {
      status_["failedIndexes"] = FormatIndexes(failed_indexes_);
    }
  }
  if (api::NumberAt(status_, "succeeded") == 0) status_.erase("succeeded");
  return all;
}

absl::Status JobSync::Track(const std::optional<Verdict>& verdict) {
  status_["active"] = static_cast<int64_t>(active_.size()) + created_ - deleted_;
  if (api::NumberAt(status_, "active") == 0) status_.erase("active");
  status_["terminating"] = terminating_;
  const std::vector<Object> noted = NoteEnded();
  if (!noted.empty()) KV_RETURN_IF_ERROR(WriteStatus());
  const absl::Status released = Release(noted);
  if (CountReleased() && verdict && terminating_ == 0) Finish(*verdict);
  KV_RETURN_IF_ERROR(WriteStatus());
  return released;
}

void JobSync::Finish(const Verdict& verdict) {
  // Both stay: what was decided, and that it is over.
  SetJobCondition(verdict.type == "Failed" ? "FailureTarget" : "SuccessCriteriaMet", "True",
                  verdict.reason, verdict.message);
  SetJobCondition(verdict.type, "True", verdict.reason, verdict.message);
  if (verdict.type == "Failed") {
    environment_.events->Warning(job_, verdict.reason, verdict.message);
    return;
  }
  status_["completionTime"] = api::FormatTime(now_);
  environment_.events->Normal(job_, "Completed", "Job completed");
}

}  // namespace keelson::controllers
