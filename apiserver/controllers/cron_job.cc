#include "apiserver/controllers/cron_job.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::CronSchedule;
using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 3;
constexpr int kManyMissed = 100;
constexpr char kScheduledAt[] = "batch.kubernetes.io/cronjob-scheduled-timestamp";
// Timers must not be early.
constexpr absl::Duration kLater = absl::Milliseconds(100);

}  // namespace

std::optional<absl::Time> LastDue(const CronSchedule& schedule, absl::Time since, absl::Time now,
                                  bool* many) {
  *many = false;
  std::optional<absl::Time> last;
  absl::Time at = since;
  for (int count = 0; count <= kManyMissed; ++count) {
    const std::optional<absl::Time> next = schedule.Next(at);
    if (!next || *next > now) return last;
    last = next;
    at = *next;
  }
  *many = true;
  // Too many to walk through them: look back from now, further each time.
  for (absl::Duration back = absl::Minutes(1);; back *= 2) {
    absl::Time from = std::max(since, now - back);
    std::optional<absl::Time> found;
    while (const std::optional<absl::Time> next = schedule.Next(from)) {
      if (*next > now) break;
      found = from = *next;
    }
    if (found) return found;
    if (now - back <= since) return last;
  }
}

namespace {

// Complete or Failed; "": it has not ended.
std::string EndOfJob(const Json& job) {
  for (const char* type : {"Complete", "Failed"}) {
    if (api::ConditionIsTrue(job, type)) return type;
  }
  return "";
}

// One look at one CronJob.
class CronJobSync {
 public:
  CronJobSync(runtime::ApiClient* client, runtime::EventRecorder* events, const Json& cron_job,
              std::vector<Object> jobs)
      : client_(client),
        events_(events),
        cron_job_(cron_job),
        now_(absl::Now()),
        jobs_(std::move(jobs)),
        status_(api::MapAt(cron_job, "status")),
        active_(api::ArrayAt(cron_job, "status.active")) {}

  absl::Status Run() {
    KV_RETURN_IF_ERROR(FollowJobs());
    KV_RETURN_IF_ERROR(CleanUp());
    absl::Status scheduled;
    if (!api::IsBeingDeleted(cron_job_) && !api::FlagAt(cron_job_, "spec.suspend")) {
      scheduled = Schedule();
    }
    if (active_.empty()) {
      status_.erase("active");
    } else {
      status_["active"] = active_;
    }
    const absl::Status written = PatchStatus(client_, kCronJobs, cron_job_, status_);
    return scheduled.ok() ? written : scheduled;
  }
  std::optional<absl::Duration> look_again() const { return look_again_; }

 private:
  bool IsActive(const std::string& uid) const {
    return std::any_of(active_.begin(), active_.end(),
                       [&](const Json& one) { return api::TextAt(one, "uid") == uid; });
  }
  void Deactivate(const std::string& uid) {
    Json kept = Json::array();
    for (const Json& one : active_) {
      if (api::TextAt(one, "uid") != uid) kept.push_back(one);
    }
    active_ = std::move(kept);
  }

  absl::Status FollowJobs() {
    for (const Object& job : jobs_) {
      const std::string end = EndOfJob(*job);
      const bool known = IsActive(api::UidOf(*job));
      if (end.empty()) {
        if (!known) {
          events_->Warning(cron_job_, "UnexpectedJob",
                           Concat("Saw a job that the controller did not create or forgot: ",
                                  api::NameOf(*job)));
        }
        continue;
      }
      if (known) {
        Deactivate(api::UidOf(*job));
        events_->Normal(cron_job_, "SawCompletedJob",
                        Concat("Saw completed job: ", api::NameOf(*job), ", condition: ", end));
      }
      const std::string& completed = api::TextAt(*job, "status.completionTime");
      if (end == "Complete" && completed > api::TextAt(status_, "lastSuccessfulTime")) {
        status_["lastSuccessfulTime"] = completed;
      }
    }
    // Those that are gone. The copies may not have them yet.
    const Json before = active_;
    for (const Json& one : before) {
      const std::string& uid = api::TextAt(one, "uid");
      const bool found = std::any_of(jobs_.begin(), jobs_.end(),
                                     [&](const Object& job) { return api::UidOf(*job) == uid; });
      if (found) continue;
      const absl::StatusOr<Json> live =
          client_->Get(kJobs, api::NamespaceOf(cron_job_), api::TextAt(one, "name"));
      if (!live.ok() && !api::IsNotFound(live.status())) return live.status();
      if (live.ok() && api::UidOf(*live) == uid) continue;
      events_->Normal(cron_job_, "MissingJob",
                      Concat("Active job went missing: ", api::TextAt(one, "name")));
      Deactivate(uid);
    }
    return absl::OkStatus();
  }

  absl::Status CleanUp() {
    for (const auto& [end, limit] :
         {std::pair("Complete", api::NumberAt(cron_job_, "spec.successfulJobsHistoryLimit", 3)),
          std::pair("Failed", api::NumberAt(cron_job_, "spec.failedJobsHistoryLimit", 1))}) {
      std::vector<Object> ended;
      for (const Object& job : jobs_) {
        if (EndOfJob(*job) == end && !api::IsBeingDeleted(*job)) ended.push_back(job);
      }
      if (static_cast<int64_t>(ended.size()) <= limit) continue;
      std::sort(ended.begin(), ended.end(), [](const Object& a, const Object& b) {
        return std::tie(api::TextAt(*a, "status.startTime"), api::NameOf(*a)) <
               std::tie(api::TextAt(*b, "status.startTime"), api::NameOf(*b));
      });
      ended.resize(ended.size() - static_cast<size_t>(limit));
      for (const Object& job : ended) KV_RETURN_IF_ERROR(DeleteJob(*job));
    }
    return absl::OkStatus();
  }

  absl::Status DeleteJob(const Json& job) {
    const absl::Status status = client_->Delete(
        kJobs, api::NamespaceOf(job), api::NameOf(job),
        {{"propagationPolicy", "Background"}, {"preconditions", {{"uid", api::UidOf(job)}}}});
    if (!status.ok() && !api::IsNotFound(status)) {
      events_->Warning(cron_job_, "FailedDelete",
                       Concat("Deleted job: ", std::string(status.message())));
      return status;
    }
    Deactivate(api::UidOf(job));
    events_->Normal(cron_job_, "SuccessfulDelete", Concat("Deleted job ", api::NameOf(job)));
    return absl::OkStatus();
  }

  std::optional<CronSchedule> ParseSchedule() {
    absl::TimeZone zone = absl::UTCTimeZone();
    const std::string& text = api::TextAt(cron_job_, "spec.schedule");
    if (const std::string& name = api::TextAt(cron_job_, "spec.timeZone"); !name.empty()) {
      const absl::StatusOr<absl::TimeZone> found = api::FindTimeZone(name);
      if (!found.ok()) {
        events_->Warning(
            cron_job_, "UnknownTimeZone",
            Concat("invalid timeZone: \"", name, "\": ", std::string(found.status().message())));
        return std::nullopt;
      }
      zone = *found;
    }
    const absl::StatusOr<CronSchedule> schedule = CronSchedule::Parse(text, zone);
    if (schedule.ok()) return *schedule;
    events_->Warning(cron_job_, "UnparseableSchedule",
                     Concat("unparseable schedule: \"", text,
                            "\" : ", std::string(schedule.status().message())));
    return std::nullopt;
  }

  absl::Status Schedule() {
    const std::optional<CronSchedule> schedule = ParseSchedule();
    if (!schedule) return absl::OkStatus();
    if (const auto next = schedule->Next(now_)) look_again_ = *next - now_ + kLater;

    const std::string& last = api::TextAt(status_, "lastScheduleTime");
    absl::Time since =
        api::ParseTime(last.empty() ? api::TextAt(cron_job_, "metadata.creationTimestamp") : last)
            .value_or(now_);
    const Json* deadline = api::Find(cron_job_, "spec.startingDeadlineSeconds");
    const bool limited = deadline != nullptr && deadline->is_number();
    const absl::Duration lateness =
        limited ? absl::Seconds(deadline->get<int64_t>()) : absl::InfiniteDuration();
    if (limited) since = std::max(since, now_ - lateness);
    bool many = false;
    const std::optional<absl::Time> due = LastDue(*schedule, since, now_, &many);
    if (many) {
      events_->Warning(cron_job_, "TooManyMissedTimes",
                       "too many missed start times. Set or decrease "
                       ".spec.startingDeadlineSeconds or check clock skew");
    }
    if (!due) return absl::OkStatus();
    if (*due + lateness < now_) {
      events_->Warning(
          cron_job_, "MissSchedule",
          Concat("Missed scheduled time to start a job: ",
                 absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", *due, absl::UTCTimeZone())));
      return absl::OkStatus();
    }
    const std::string name = Concat(api::NameOf(cron_job_), "-", absl::ToUnixSeconds(*due) / 60);
    const bool begun = last == api::FormatTime(*due) ||
                       std::any_of(active_.begin(), active_.end(), [&](const Json& one) {
                         return api::TextAt(one, "name") == name;
                       });
    if (begun) return absl::OkStatus();
    const std::string& policy = api::TextAt(cron_job_, "spec.concurrencyPolicy");
    if (policy == "Forbid" && !active_.empty()) {
      events_->Normal(cron_job_, "JobAlreadyActive",
                      "Not starting job because prior execution is running and concurrency policy "
                      "is Forbid");
      return absl::OkStatus();
    }
    if (policy == "Replace") {
      for (const Object& job : jobs_) {
        if (IsActive(api::UidOf(*job))) KV_RETURN_IF_ERROR(DeleteJob(*job));
      }
    }
    return Begin(name, *due);
  }

  absl::Status Begin(const std::string& name, absl::Time due) {
    Json job = {{"apiVersion", "batch/v1"},
                {"kind", "Job"},
                {"metadata",
                 {{"name", name},
                  {"namespace", api::NamespaceOf(cron_job_)},
                  {"labels", api::MapAt(cron_job_, "spec.jobTemplate.metadata.labels")},
                  {"annotations", api::MapAt(cron_job_, "spec.jobTemplate.metadata.annotations")},
                  {"ownerReferences", Json::array({ControllerReference(cron_job_)})}}},
                {"spec", api::MapAt(cron_job_, "spec.jobTemplate.spec")}};
    job["metadata"]["annotations"][kScheduledAt] = api::FormatTime(due);
    absl::StatusOr<Json> made = client_->Create(kJobs, api::NamespaceOf(cron_job_), job);
    if (NamespaceIsEnding(made.status())) return absl::OkStatus();
    const bool existed = api::IsAlreadyExists(made.status());
    if (existed) {
      // Ours, from before a status could be written.
      made = client_->Get(kJobs, api::NamespaceOf(cron_job_), name);
      const Json* owner = made.ok() ? api::ControllerOf(*made) : nullptr;
      if (made.ok() && (owner == nullptr || api::TextAt(*owner, "uid") != api::UidOf(cron_job_))) {
        return absl::AlreadyExistsError(Concat("job ", name, " belongs to another"));
      }
    }
    if (!made.ok()) {
      events_->Warning(cron_job_, "FailedCreate",
                       Concat("Error creating job: ", std::string(made.status().message())));
      return made.status();
    }
    if (!existed) {
      events_->Normal(cron_job_, "SuccessfulCreate", Concat("Created job ", name));
    }
    if (EndOfJob(*made).empty()) {
      active_.push_back({{"apiVersion", "batch/v1"},
                         {"kind", "Job"},
                         {"namespace", api::NamespaceOf(*made)},
                         {"name", name},
                         {"uid", api::UidOf(*made)},
                         {"resourceVersion", api::TextAt(*made, "metadata.resourceVersion")}});
    }
    status_["lastScheduleTime"] = api::FormatTime(due);
    return absl::OkStatus();
  }

  runtime::ApiClient* const client_;
  runtime::EventRecorder* const events_;
  const Json& cron_job_;
  const absl::Time now_;
  const std::vector<Object> jobs_;
  Json status_;
  Json active_;
  std::optional<absl::Duration> look_again_;
};

class CronJobController final : public runtime::QueueController {
 public:
  explicit CronJobController(const ControllerContext& context)
      : QueueController("cronjob-controller", context.clock, kWorkers),
        client_(context.client),
        events_(context.events->As("cronjob-controller")),
        cron_jobs_(Copies(context, kCronJobs)),
        jobs_(OwnedCopies(context, kJobs)) {
    const auto enqueue = [this](const Object& cron_job) { queue().Add(api::KeyOf(*cron_job)); };
    cron_jobs_.AddHandler(OnPresent(enqueue));
    const auto enqueue_owner = [this](const Object& job) {
      const Object owner = OwnerAmong(cron_jobs_, "CronJob", *job);
      if (owner != nullptr) queue().Add(api::KeyOf(*owner));
    };
    jobs_.AddHandler(OnPresent(enqueue_owner, enqueue_owner));
  }

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object cron_job = AtKey(cron_jobs_, key);
    if (cron_job == nullptr) return absl::OkStatus();
    CronJobSync sync(client_, events_.get(), *cron_job, OwnedBy(jobs_, api::UidOf(*cron_job)));
    const absl::Status status = sync.Run();
    if (sync.look_again()) queue().AddAfter(key, *sync.look_again());
    return status;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Informer& cron_jobs_;
  Informer& jobs_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeCronJobController(const ControllerContext& context) {
  return std::make_unique<CronJobController>(context);
}

}  // namespace keelson::controllers
