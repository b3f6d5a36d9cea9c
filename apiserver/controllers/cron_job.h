// CronJobs: a Job each time their schedule is due.
#ifndef KEELSON_APISERVER_CONTROLLERS_CRON_JOB_H_
#define KEELSON_APISERVER_CONTROLLERS_CRON_JOB_H_

#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "apiserver/api/cron.h"
#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

// The last time in (since, now] that was due. *many: there were more than a hundred.
std::optional<absl::Time> LastDue(const api::CronSchedule& schedule, absl::Time since,
                                  absl::Time now, bool* many);

std::unique_ptr<runtime::Controller> MakeCronJobController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_CRON_JOB_H_
