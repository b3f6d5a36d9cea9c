// CronJob.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/cron.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/job_spec.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// The names of its jobs add "-" and ten digits, and are labels.
constexpr size_t kNameBytesMax = 52;

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  DefaultText(spec, "concurrencyPolicy", "Allow");
  SetDefault(spec, "suspend", false);
  SetDefault(spec, "successfulJobsHistoryLimit", 3);
  SetDefault(spec, "failedJobsHistoryLimit", 1);
  SetPodTemplateDefaults(Make(spec, "jobTemplate.spec.template"));
}

void ValidateSchedule(const std::string& schedule, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.schedule";
  if (schedule.empty()) return errors.Required(kPath);
  const absl::Status parsed = CronSchedule::Parse(schedule).status();
  if (!parsed.ok()) errors.Invalid(kPath, schedule, std::string(parsed.message()));
  if (schedule.find("TZ") != std::string::npos) {
    errors.Invalid(kPath, schedule,
                   "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  }
}

bool CanBeZoneName(const std::string& part) {
  constexpr size_t kBytesMax = 14;
  const auto allowed = [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == '+';
  };
  return !part.empty() && part.size() <= kBytesMax && part != "." && part != ".." &&
         part[0] != '-' && std::all_of(part.begin(), part.end(), allowed);
}

void ValidateTimeZone(const std::string& zone, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.timeZone";
  if (zone.empty()) {
    return errors.Invalid(kPath, zone, "timeZone must be nil or non-empty string");
  }
  const std::vector<std::string> parts = absl::StrSplit(zone, '/');
  if (!std::all_of(parts.begin(), parts.end(), CanBeZoneName)) {
    return errors.Invalid(kPath, zone, Concat("unknown time zone ", zone));
  }
  if (absl::EqualsIgnoreCase(zone, "Local")) {
    errors.Invalid(kPath, zone,
                   "timeZone must be an explicit time zone as defined in "
                   "https://www.iana.org/time-zones");
    if (zone == "Local") return;
  }
  const absl::Status found = FindTimeZone(zone).status();
  if (!found.ok()) errors.Invalid(kPath, zone, std::string(found.message()));
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  ValidateSchedule(TextAt(spec, "schedule"), errors);
  CheckNoneNegative(spec, {"startingDeadlineSeconds"}, "spec", errors);
  if (Find(spec, "timeZone") != nullptr) ValidateTimeZone(TextAt(spec, "timeZone"), errors);
  CheckSupported(TextAt(spec, "concurrencyPolicy"), {"Allow", "Forbid", "Replace"},
                 "spec.concurrencyPolicy", errors);
  const Json& job = MapAt(spec, "jobTemplate.spec");
  ValidateJobSpec(job, "spec.jobTemplate.spec", errors);
  if (const Json* selector = Find(job, "selector"); selector != nullptr) {
    errors.Invalid("spec.jobTemplate.spec.selector", *selector,
                   "`selector` will be auto-generated");
  }
  if (FlagAt(job, "manualSelector")) {
    errors.NotSupported("spec.jobTemplate.spec.manualSelector", true, {"nil", "false"});
  }
  CheckNoneNegative(spec, {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"}, "spec", errors);
  if (NameOf(object).size() > kNameBytesMax) {
    errors.Invalid("metadata.name", NameOf(object), "must be no more than 52 characters");
  }
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json& spec = MapAt(object, "spec");
  const Json* suspend = Find(spec, "suspend");
  const std::string& scheduled = TextAt(object, "status.lastScheduleTime");
  cells->push_back(NameOf(object));
  cells->push_back(TextAt(spec, "schedule"));
  cells->push_back(Find(spec, "timeZone") == nullptr ? "<none>" : TextAt(spec, "timeZone"));
  cells->push_back(suspend == nullptr ? "<unset>" : FlagAt(spec, "suspend") ? "True" : "False");
  cells->push_back(ArrayAt(object, "status.active").size());
  cells->push_back(scheduled.empty() ? "<none>" : AgeSince(scheduled, context.now));
  cells->push_back(AgeCell(object, context));
  PrintTemplate(MapAt(spec, "jobTemplate.spec"), cells);
}

}  // namespace

const Kind& CronJobKind() {
  static const Kind kind = {
      .group = "batch",
      .version = "v1",
      .kind = "CronJob",
      .plural = "cronjobs",
      .singular = "cronjob",
      .short_names = {"cj"},
      .categories = {"all"},
      .message = "batch.v1.CronJob",
      .storage_prefix = "cronjobs",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .has_generation = true,
      .set_defaults = SetDefaults,
      .validate = Validate,
      .columns = WithTemplateColumns({NameColumn(),
                                      {"Schedule"},
                                      {"Timezone"},
                                      {"Suspend", "boolean"},
                                      {"Active", "integer"},
                                      {"Last Schedule"},
                                      {"Age"}}),
      .print = Print,
  };
  return kind;
}

}  // namespace keelson::api
