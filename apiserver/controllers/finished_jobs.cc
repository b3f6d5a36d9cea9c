#include "apiserver/controllers/finished_jobs.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/resources.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Object;

// When it may go; nullopt: it has not ended, or stays.
std::optional<absl::Time> ExpiresAt(const Json& job) {
  const Json* seconds = api::Find(job, "spec.ttlSecondsAfterFinished");
  if (seconds == nullptr || !seconds->is_number() || api::IsBeingDeleted(job)) return std::nullopt;
  for (const char* type : {"Complete", "Failed"}) {
    const Json* condition = api::FindCondition(job, type);
    if (condition == nullptr || api::TextAt(*condition, "status") != "True") continue;
    const auto ended = api::ParseTime(api::TextAt(*condition, "lastTransitionTime"));
    if (ended) return *ended + absl::Seconds(seconds->get<int64_t>());
  }
  return std::nullopt;
}

class FinishedJobController final : public runtime::QueueController {
 public:
  explicit FinishedJobController(const ControllerContext& context)
      : QueueController("ttl-after-finished-controller", context.clock, 2),
        client_(context.client),
        jobs_(OwnedCopies(context, kJobs)) {
    const auto enqueue = [this](const Object& job) {
      if (ExpiresAt(*job)) queue().Add(api::KeyOf(*job));
    };
    jobs_.AddHandler(OnPresent(enqueue));
  }

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object job = AtKey(jobs_, key);
    const std::optional<absl::Time> expires = job == nullptr ? std::nullopt : ExpiresAt(*job);
    if (!expires) return absl::OkStatus();
    const absl::Duration left = *expires - absl::Now();
    if (left > absl::ZeroDuration()) {
      queue().AddAfter(key, left);
      return absl::OkStatus();
    }
    // What was decided is about this version: its time may have been made longer.
    const absl::Status status =
        client_->Delete(kJobs, api::NamespaceOf(*job), api::NameOf(*job),
                        {{"propagationPolicy", "Foreground"},
                         {"preconditions",
                          {{"uid", api::UidOf(*job)},
                           {"resourceVersion", api::TextAt(*job, "metadata.resourceVersion")}}}});
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  runtime::ApiClient* const client_;
  runtime::Informer& jobs_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeFinishedJobController(const ControllerContext& context) {
  return std::make_unique<FinishedJobController>(context);
}

}  // namespace keelson::controllers
