#include "apiserver/controllers/job.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/expectations.h"
#include "apiserver/controllers/job_sync.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/resources.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 5;
// Of a pod's own key in the queue, which otherwise has the keys of Jobs; no namespace has it.
constexpr std::string_view kStray = "stray:";

class JobController final : public runtime::QueueController {
 public:
  explicit JobController(const ControllerContext& context)
      : QueueController("job-controller", context.clock, kWorkers),
        client_(context.client),
        events_(context.events->As("job-controller")),
        expectations_(context.clock),
        jobs_(OwnedCopies(context, kJobs)),
        pods_(PodCopies(context)) {
    jobs_.AddHandler(OnPresent([this](const Object& job) { queue().Add(api::KeyOf(*job)); },
                               [this](const Object& job) { OnJobGone(*job); }));
    pods_.AddHandler({
        .on_add = [this](const Object& pod) { OnPodAdded(*pod); },
        .on_update = [this](const Object& before,
                            const Object& now) { OnPodChanged(*before, *now); },
        .on_delete = [this](const Object& pod) { OnPodGone(*pod); },
    });
  }

 private:
  // What is remembered of a Job between two looks.
  struct Memory {
    std::set<std::string> released;
    JobSync::Failures failures;
  };

  void OnJobGone(const Json& job) {
    const std::string key = api::KeyOf(job);
    expectations_.Forget(key);
    for (const Object& pod : OwnedBy(pods_, api::UidOf(job))) Enqueue(*pod, nullptr);
    absl::MutexLock lock(&mu_);
    memories_.erase(api::UidOf(job));
  }

  void OnPodAdded(const Json& pod) {
    const Object job = OwnerAmong(jobs_, "Job", pod);
    if (job != nullptr && !api::IsBeingDeleted(pod)) {
      expectations_.CreationObserved(api::KeyOf(*job));
    }
    Enqueue(pod, job);
  }
  void OnPodChanged(const Json& before, const Json& now) {
    const Object job = OwnerAmong(jobs_, "Job", now);
    if (job != nullptr) {
      if (api::IsBeingDeleted(now)) {
        expectations_.DeletionObserved(api::KeyOf(*job), api::UidOf(now));
      }
      if (!api::HasFinalizer(now, kTrackingFinalizer)) ForgetReleased(*job, now);
    }
    const Object old_job = OwnerAmong(jobs_, "Job", before);
    if (old_job != nullptr && old_job != job) queue().Add(api::KeyOf(*old_job));
    Enqueue(now, job);
  }
  void OnPodGone(const Json& pod) {
    const Object job = OwnerAmong(jobs_, "Job", pod);
    if (job == nullptr) return;
    expectations_.DeletionObserved(api::KeyOf(*job), api::UidOf(pod));
    ForgetReleased(*job, pod);
    queue().Add(api::KeyOf(*job));
  }

  void ForgetReleased(const Json& job, const Json& pod) {
    absl::MutexLock lock(&mu_);
    const auto found = memories_.find(api::UidOf(job));
    if (found != memories_.end()) found->second.released.erase(api::UidOf(pod));
  }

  void Enqueue(const Json& pod, const Object& job) {
    if (job != nullptr) return queue().Add(api::KeyOf(*job));
    if (api::HasFinalizer(pod, kTrackingFinalizer)) {
      queue().Add(Concat(kStray, api::KeyOf(pod)));
    }
    if (api::ControllerOf(pod) != nullptr) return;
    for (const Object& one : jobs_.List(api::NamespaceOf(pod))) {
      if (SelectorOf(*one).Matches(api::LabelsOf(pod))) queue().Add(api::KeyOf(*one));
    }
  }

  static LabelSelector SelectorOf(const Json& job) {
    const Json* selector = api::Find(job, "spec.selector");
    return selector == nullptr ? LabelSelector::Nothing() : LabelSelector::FromObject(*selector);
  }

  absl::Status Reconcile(const std::string& key) override {
    if (key.starts_with(kStray)) return LetGo(key.substr(kStray.size()));
    const Object job = AtKey(jobs_, key);
    if (job == nullptr) {
      expectations_.Forget(key);
      return absl::OkStatus();
    }
    const std::string& manager = api::TextAt(*job, "spec.managedBy");
    if (!manager.empty() && manager != "kubernetes.io/job-controller") return absl::OkStatus();
    const bool may_manage = expectations_.Satisfied(key);
    const LabelSelector selector = SelectorOf(*job);
    KV_ASSIGN_OR_RETURN(std::vector<Object> pods, ClaimObjects({.client = client_,
                                                                .owner_resource = kJobs,
                                                                .owner = *job,
                                                                .selector = selector,
                                                                .resource = kPods,
                                                                .copies = pods_,
                                                                .finalizer = kTrackingFinalizer}));
    const std::string& uid = api::UidOf(*job);
    Memory memory = TakeMemory(uid);
    const std::set<std::string> released_before = memory.released;
    JobSync sync({.client = client_, .events = events_.get(), .expectations = &expectations_}, *job,
                 std::move(pods), &memory.released, &memory.failures, may_manage);
    const absl::Status status = sync.Run();
    KeepMemory(uid, released_before, std::move(memory));
    if (sync.look_again()) queue().AddAfter(key, *sync.look_again());
    return status;
  }

  Memory TakeMemory(const std::string& uid) {
    absl::MutexLock lock(&mu_);
    return memories_[uid];
  }
  // Only what is new of the released pods: others may have shown meanwhile.
  void KeepMemory(const std::string& uid, const std::set<std::string>& released_before,
                  Memory memory) {
    std::vector<std::string> fresh;
    for (const std::string& pod : memory.released) {
      if (!released_before.contains(pod)) fresh.push_back(pod);
    }
    absl::MutexLock lock(&mu_);
    Memory& kept = memories_[uid];
    kept.failures = std::move(memory.failures);
    kept.released.insert(fresh.begin(), fresh.end());
  }

  // A pod whose Job is gone is held by nobody.
  absl::Status LetGo(const std::string& key) {
    const Object pod = AtKey(pods_, key);
    if (pod == nullptr || !api::HasFinalizer(*pod, kTrackingFinalizer)) return absl::OkStatus();
    const Json* owner = api::ControllerOf(*pod);
    if (owner != nullptr && api::TextAt(*owner, "kind") == "Job") {
      const absl::StatusOr<Json> job =
          client_->Get(kJobs, api::NamespaceOf(*pod), api::TextAt(*owner, "name"));
      if (!job.ok() && !api::IsNotFound(job.status())) return job.status();
      if (job.ok() && api::UidOf(*job) == api::TextAt(*owner, "uid")) return absl::OkStatus();
    }
    return RemoveTracking(client_, *pod);
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Expectations expectations_;
  Informer& jobs_;
  Informer& pods_;
  absl::Mutex mu_;
  std::map<std::string, Memory> memories_ ABSL_GUARDED_BY(mu_);  // by the Job's uid
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeJobController(const ControllerContext& context) {
  return std::make_unique<JobController>(context);
}

}  // namespace keelson::controllers
