// The status of a Job: what its controller, which need not be ours, may write there.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/job_spec.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::api {
namespace {

using Interval = std::pair<int64_t, int64_t>;  // first and last

absl::Status Malformed(const std::string& message) { return absl::InvalidArgumentError(message); }

std::vector<std::string> Split(std::string_view text, char separator) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), separator);
}

absl::StatusOr<int64_t> ParseIndex(const std::string& text, int64_t completions) {
  int64_t index = 0;
  if (!absl::SimpleAtoi(text, &index)) {
    return Malformed(Concat("cannot convert string to integer for index: ", Quoted(text)));
  }
  if (index >= completions) return Malformed(Concat("too large index: ", Quoted(text)));
  return index;
}

absl::StatusOr<Interval> ParseInterval(const std::string& text, int64_t completions) {
  const std::vector<std::string> ends = Split(text, '-');
  if (ends.size() > 2) {
    return Malformed(Concat("the fragment ", Quoted(text),
                            " violates the requirement that an index interval can have at most "
                            "two parts separated by '-'"));
  }
  KV_ASSIGN_OR_RETURN(const int64_t first, ParseIndex(ends[0], completions));
  if (ends.size() == 1) return Interval{first, first};
  KV_ASSIGN_OR_RETURN(const int64_t last, ParseIndex(ends[1], completions));
  if (first >= last) {
    return Malformed(Concat("non-increasing order, previous: ", first, ", current: ", last));
  }
  return Interval{first, last};
}

// Those that are well-formed.
std::vector<Interval> Intervals(std::string_view text, int64_t completions) {
  std::vector<Interval> intervals;
  if (text.empty()) return intervals;
  for (const std::string& part : Split(text, ',')) {
    const absl::StatusOr<Interval> interval = ParseInterval(part, completions);
    if (interval.ok()) intervals.push_back(*interval);
  }
  return intervals;
}

// A job's status, and what it was, looked at the way the rules below speak of them.
class StatusCheck {
 public:
  StatusCheck(const Json& job, const Json& old, FieldErrors& errors)
      : job_(job), old_(old), status_(MapAt(job, "status")), errors_(errors) {}

  void CheckValues();
  void CheckConditions();
  void CheckCompletion();
  void CheckFinished();
  void CheckIndexes();
  void CheckChanges();

 private:
  bool Is(std::string_view type) const { return ConditionIsTrue(job_, type); }
  bool Was(std::string_view type) const { return ConditionIsTrue(old_, type); }
  bool IsFinished() const { return Is("Complete") || Is("Failed"); }
  bool WasFinished() const { return Was("Complete") || Was("Failed"); }
  bool Changed(std::string_view path) const {
    return !MeansTheSame(Find(job_, path), Find(old_, path));
  }
  bool ConditionChanged(std::string_view type) const { return Is(type) != Was(type); }
  bool IsIndexed() const { return TextAt(job_, "spec.completionMode") == "Indexed"; }
  void RefuseConditions(std::string_view why) { errors_.InvalidPlainly("status.conditions", why); }
  void CheckUncounted(std::string_view list);

  const Json& job_;
  const Json& old_;
  const Json& status_;
  FieldErrors& errors_;
};

void StatusCheck::CheckUncounted(std::string_view list) {
  const std::string path = Child("status.uncountedTerminatedPods", list);
  std::set<std::string> seen;
  size_t index = 0;
  for (const Json& uid : ArrayAt(MapAt(status_, "uncountedTerminatedPods"), list)) {
    const std::string& text = TextAt(uid, "");
    const std::string at = Index(path, index++);
    if (text.empty()) {
      errors_.Invalid(at, text, "must not be empty");
    } else if (!seen.insert(text).second) {
      errors_.Duplicate(at, text);
    }
  }
}

void StatusCheck::CheckValues() {
  CheckNoneNegative(status_, {"active", "succeeded", "failed", "ready", "terminating"}, "status",
                    errors_);
  CheckUncounted("succeeded");
  CheckUncounted("failed");
}

void StatusCheck::CheckConditions() {
  if ((ConditionChanged("Complete") || ConditionChanged("Failed")) && Is("Complete") &&
      Is("Failed")) {
    RefuseConditions("cannot set Complete=True and Failed=true conditions");
  }
  if ((ConditionChanged("Complete") || ConditionChanged("FailureTarget")) && Is("Complete") &&
      Is("FailureTarget")) {
    RefuseConditions("cannot set Complete=True and FailureTarget=true conditions");
  }
  if ((ConditionChanged("Failed") || Changed("status.failedIndexes")) && Is("Failed") &&
      !Is("FailureTarget")) {
    RefuseConditions("cannot set Failed=True condition without the FailureTarget=true condition");
  }
  if ((ConditionChanged("Complete") || ConditionChanged("SuccessCriteriaMet")) && Is("Complete") &&
      !Is("SuccessCriteriaMet")) {
    RefuseConditions(
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
  }
  if (Is("SuccessCriteriaMet") && Is("Failed")) {
    RefuseConditions("cannot set SuccessCriteriaMet=True and Failed=true conditions");
  }
  if (Is("SuccessCriteriaMet") && Is("FailureTarget")) {
    RefuseConditions("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
  }
  if (Find(job_, "spec.successPolicy") != nullptr && !Is("SuccessCriteriaMet") && Is("Complete")) {
    RefuseConditions(
        "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True");
  }
}

void StatusCheck::CheckCompletion() {
  constexpr std::string_view kPath = "status.completionTime";
  const std::string& completed = TextAt(status_, "completionTime");
  const std::string& started = TextAt(status_, "startTime");
  if (ConditionChanged("Complete") || Changed(kPath)) {
    if (!completed.empty() && !Is("Complete")) {
      errors_.Invalid(kPath, completed,
                      "cannot set completionTime when there is no Complete=True condition");
    }
    if (completed.empty() && Is("Complete")) {
      errors_.Required(kPath, "completionTime is required for Complete jobs");
    }
  }
  if ((Changed("status.startTime") || Changed(kPath)) && !completed.empty() && !started.empty() &&
      ParseTime(completed) < ParseTime(started)) {
    errors_.Invalid(kPath, completed, "completionTime cannot be set before startTime");
  }
}

void StatusCheck::CheckFinished() {
  const bool changed = IsFinished() != WasFinished();
  const int64_t active = NumberAt(status_, "active");
  if (IsFinished()) {
    if ((changed || Changed("status.active")) && active > 0) {
      errors_.Invalid("status.active", active, "active>0 is invalid for finished job");
    }
    if ((changed || Changed("status.startTime")) && TextAt(status_, "startTime").empty()) {
      errors_.Required("status.startTime", "startTime is required for finished job");
    }
    const Json& uncounted = MapAt(status_, "uncountedTerminatedPods");
    const size_t uncounted_count =
        ArrayAt(uncounted, "failed").size() + ArrayAt(uncounted, "succeeded").size();
    if ((changed || Changed("status.uncountedTerminatedPods")) && uncounted_count > 0) {
      errors_.Invalid("status.uncountedTerminatedPods", uncounted,
                      "uncountedTerminatedPods needs to be empty for finished job");
    }
    const int64_t terminating = NumberAt(status_, "terminating");
    if ((changed || Changed("status.terminating")) && terminating > 0) {
      errors_.Invalid("status.terminating", terminating,
                      "terminating>0 is invalid for finished job");
    }
  }
  const int64_t ready = NumberAt(status_, "ready");
  if ((Changed("status.ready") || Changed("status.active")) && ready > active) {
    errors_.Invalid("status.ready", ready, "cannot set more ready pods than active");
  }
}

void StatusCheck::CheckIndexes() {
  const bool completed_changed = Changed("status.completedIndexes");
  const bool failed_changed = Changed("status.failedIndexes");
  const std::string& completed = TextAt(status_, "completedIndexes");
  const std::string& failed = TextAt(status_, "failedIndexes");
  const bool has_failed = Find(status_, "failedIndexes") != nullptr;
  const bool counts_per_index = Find(job_, "spec.backoffLimitPerIndex") != nullptr;
  const int64_t completions = NumberAt(job_, "spec.completions");
  const bool has_completions = Find(job_, "spec.completions") != nullptr;
  const auto check = [this, completions](std::string_view field, const std::string& indexes) {
    const absl::Status parsed = CountIndexes(indexes, completions).status();
    if (parsed.ok()) return;
    errors_.Invalid(Child("status", field), indexes,
                    Concat("error parsing ", field, ": ", std::string(parsed.message())));
  };
  if (completed_changed && has_completions) check("completedIndexes", completed);
  if (failed_changed && has_completions && counts_per_index) check("failedIndexes", failed);
  if (completed_changed && !completed.empty() && !IsIndexed()) {
    errors_.Invalid("status.completedIndexes", completed,
                    "cannot set non-empty completedIndexes when non-indexed completion mode");
  }
  if (failed_changed && has_failed && !counts_per_index) {
    errors_.Invalid("status.failedIndexes", failed,
                    "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
  }
  if ((failed_changed || completed_changed) && has_completions && has_failed) {
    const std::string overlap = OverlapOfIndexes(completed, failed, completions);
    if (!overlap.empty()) errors_.Invalid("status.failedIndexes", failed, overlap);
  }
}

void StatusCheck::CheckChanges() {
  for (std::string_view type : {"Failed", "Complete", "FailureTarget"}) {
    if (Was(type) && !Is(type)) {
      RefuseConditions(Concat("cannot disable the terminal ", type, "=True condition"));
    }
  }
  const auto decreased = [this](std::string_view path) {
    return NumberAt(job_, path) < NumberAt(old_, path);
  };
  if (decreased("status.failed")) {
    errors_.Invalid("status.failed", NumberAt(status_, "failed"),
                    "cannot decrease the failed counter");
  }
  // An indexed job that is scaled down forgets the indexes it no longer has.
  const bool scales =
      IsIndexed() && ValueAt(job_, "spec.completions") == ValueAt(job_, "spec.parallelism");
  if (!scales && decreased("status.succeeded")) {
    errors_.Invalid("status.succeeded", NumberAt(status_, "succeeded"),
                    "cannot decrease the succeeded counter");
  }
  const std::string& completed = TextAt(status_, "completionTime");
  if (!completed.empty() && !TextAt(old_, "status.completionTime").empty() &&
      Changed("status.completionTime")) {
    errors_.Invalid("status.completionTime", completed, "completionTime cannot be mutated");
  }
  if (!TextAt(old_, "status.startTime").empty() && Changed("status.startTime") &&
      !FlagAt(job_, "spec.suspend")) {
    errors_.Required("status.startTime", "startTime cannot be removed for unsuspended job");
  }
  if (Was("SuccessCriteriaMet") && !Is("SuccessCriteriaMet")) {
    RefuseConditions("cannot disable the SuccessCriteriaMet=True condition");
  }
  if (Was("Complete") && !Was("SuccessCriteriaMet") && Is("SuccessCriteriaMet")) {
    RefuseConditions(
        "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
  }
}

}  // namespace

absl::StatusOr<int64_t> CountIndexes(std::string_view text, int64_t completions) {
  if (text.empty()) return 0;
  std::optional<int64_t> last;
  int64_t count = 0;
  for (const std::string& part : Split(text, ',')) {
    KV_ASSIGN_OR_RETURN(const Interval interval, ParseInterval(part, completions));
    if (last.has_value() && *last >= interval.first) {
      return Malformed(
          Concat("non-increasing order, previous: ", *last, ", current: ", interval.first));
    }
    count += interval.second - interval.first + 1;
    last = interval.second;
  }
  return count;
}

std::string OverlapOfIndexes(std::string_view completed, std::string_view failed,
                             int64_t completions) {
  const std::vector<Interval> a = Intervals(completed, completions);
  const std::vector<Interval> b = Intervals(failed, completions);
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i].first <= b[j].second && b[j].first <= a[i].second) {
      return Concat("failedIndexes and completedIndexes overlap at index: ",
                    std::max(a[i].first, b[j].first));
    }
    a[i].first <= b[j].first ? ++i : ++j;
  }
  return "";
}

void ValidateJobStatus(const Json& job, const Json& old, FieldErrors& errors) {
  StatusCheck check(job, old, errors);
  check.CheckValues();
  check.CheckConditions();
  check.CheckCompletion();
  check.CheckFinished();
  check.CheckIndexes();
  check.CheckChanges();
}

}  // namespace keelson::api
