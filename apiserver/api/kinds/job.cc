// Job.
#include <limits>
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/field_defaults.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/job_spec.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr const char* kUidLabel = "batch.kubernetes.io/controller-uid";
constexpr const char* kNameLabel = "batch.kubernetes.io/job-name";
constexpr const char* kOldUidLabel = "controller-uid";
constexpr const char* kOldNameLabel = "job-name";

void SetConditionDefaults(Json& spec) {
  for (Json* rule : ElementsAt(spec, "podFailurePolicy.rules")) {
    for (Json* pattern : ElementsAt(*rule, "onPodConditions")) {
      DefaultText(*pattern, "status", "True");
    }
  }
}

void SetDefaults(Json& object) {
  Json& spec = Make(object, "spec");
  if (Find(spec, "completions") == nullptr && Find(spec, "parallelism") == nullptr) {
    Make(spec, "completions") = 1;
  }
  SetDefault(spec, "parallelism", 1);
  const bool per_index = Find(spec, "backoffLimitPerIndex") != nullptr;
  SetDefault(spec, "backoffLimit", per_index ? std::numeric_limits<int32_t>::max() : 6);
  if (const Json labels = MapAt(spec, "template.metadata.labels");
      !labels.empty() && LabelsOf(object).empty()) {
    Make(object, "metadata.labels") = labels;
  }
  SetDefault(spec, "completionMode", "NonIndexed");
  SetDefault(spec, "suspend", false);
  SetConditionDefaults(spec);
  const bool has_policy = Find(spec, "podFailurePolicy") != nullptr;
  SetDefault(spec, "podReplacementPolicy", has_policy ? "Failed" : "TerminatingOrFailed");
  SetDefault(spec, "manualSelector", false);
  SetPodTemplateDefaults(Make(spec, "template"));
}

// Unless the client chose labels and selector itself, the job's pods are those that carry its uid.
void PrepareCreate(Json& object) {
  if (FlagAt(object, "spec.manualSelector")) return;
  const std::string name = NameOf(object);
  const std::string uid = UidOf(object);
  Json& labels = MapIn(object, "spec.template.metadata.labels");
  labels.emplace(kOldNameLabel, name);
  labels.emplace(kNameLabel, name);
  labels.emplace(kOldUidLabel, uid);
  labels.emplace(kUidLabel, uid);
  MapIn(object, "spec.selector.matchLabels").emplace(kUidLabel, uid);
}

void CheckHasLabel(const Json& labels, std::string_view label, std::string_view value,
                   FieldErrors& errors) {
  const std::string path = Key("spec.template.metadata.labels", label);
  const Json* found = Member(labels, label);
  if (found == nullptr) {
    errors.Required(path, Concat("must be '", value, "'"));
  } else if (TextAt(*found, "") != value) {
    errors.Invalid(path, labels, Concat("must be '", value, "'"));
  }
}

void ValidateGeneratedSelector(const Json& object, FieldErrors& errors) {
  const Json* selector = Find(object, "spec.selector");
  if (FlagAt(object, "spec.manualSelector") || selector == nullptr) return;
  const std::string& uid = UidOf(object);
  const std::string& name = NameOf(object);
  if (uid.empty()) errors.Required("metadata.uid");
  const Json& labels = MapAt(object, "spec.template.metadata.labels");
  CheckHasLabel(labels, kOldUidLabel, uid, errors);
  CheckHasLabel(labels, kOldNameLabel, name, errors);
  CheckHasLabel(labels, kUidLabel, uid, errors);
  CheckHasLabel(labels, kNameLabel, name, errors);
  const Json generated = {
      {kUidLabel, uid}, {kNameLabel, name}, {kOldUidLabel, uid}, {kOldNameLabel, name}};
  if (!LabelSelector::FromObject(*selector).Matches(generated)) {
    errors.Invalid("spec.selector", *selector, "`selector` not auto-generated");
  }
}

// The pods of an indexed job are named after it and their index.
void ValidatePodNames(const Json& object, FieldErrors& errors) {
  const int64_t completions = NumberAt(object, "spec.completions");
  if (TextAt(object, "spec.completionMode") != "Indexed" || completions <= 0) return;
  const std::string longest = Concat(NameOf(object), "-", completions - 1);
  std::string why;
  if (IsLabel(longest, &why)) return;
  errors.Invalid("metadata.name", NameOf(object),
                 Concat("will not able to create pod with invalid DNS label: ", longest));
}

void Validate(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  ValidateGeneratedSelector(object, errors);
  ValidateJobSpec(spec, "spec", errors);
  const Json* selector = Find(spec, "selector");
  const size_t before = errors.causes().size();
  if (selector == nullptr) {
    errors.Required("spec.selector");
    CheckSelectorMatchesTemplate(spec, "spec", errors);
  } else {
    ValidateLabelSelector(*selector, "spec.selector", errors);
    if (errors.causes().size() == before) CheckSelectorMatchesTemplate(spec, "spec", errors);
  }
  ValidatePodNames(object, errors);
}

// While a job waits to be started, where its pods may run can still be changed.
void KeepSchedulingDirectives(const Json& now, Json& before) {
  for (std::string_view path :
       {"spec.affinity.nodeAffinity", "spec.nodeSelector", "spec.tolerations",
        "spec.schedulingGates", "metadata.annotations", "metadata.labels"}) {
    const Json* value = Find(now, path);
    if (value != nullptr) {
      Make(before, path) = *value;
    } else {
      Erase(before, path);
    }
  }
}

void ValidateUpdate(const Json& object, const Json& old, FieldErrors& errors) {
  const Json& completions = ValueAt(object, "spec.completions");
  if (TextAt(object, "spec.completionMode") != "Indexed") {
    CheckImmutable(object, old, "spec.completions", errors);
  } else if (completions != ValueAt(old, "spec.completions") && !completions.is_null() &&
             completions != ValueAt(object, "spec.parallelism")) {
    errors.Invalid("spec.completions", completions,
                   "can only be modified in tandem with spec.parallelism");
  }
  CheckImmutable(object, old, "spec.selector", errors);
  Json before = MapAt(old, "spec.template");
  const Json& now = MapAt(object, "spec.template");
  if (FlagAt(old, "spec.suspend") && Find(old, "status.startTime") == nullptr) {
    KeepSchedulingDirectives(now, before);
  }
  if (!MeansTheSame(&now, &before)) errors.Invalid("spec.template", now, "field is immutable");
  for (std::string_view path :
       {"spec.completionMode", "spec.podFailurePolicy", "spec.backoffLimitPerIndex",
        "spec.managedBy", "spec.successPolicy"}) {
    CheckImmutable(object, old, path, errors);
  }
}

std::string StatusCell(const Json& object) {
  if (ConditionIsTrue(object, "Complete")) return "Complete";
  if (ConditionIsTrue(object, "Failed")) return "Failed";
  if (IsBeingDeleted(object)) return "Terminating";
  if (ConditionIsTrue(object, "Suspended")) return "Suspended";
  if (ConditionIsTrue(object, "FailureTarget")) return "FailureTarget";
  return "Running";
}

std::string CompletionsCell(const Json& object) {
  const int64_t succeeded = NumberAt(object, "status.succeeded");
  if (Find(object, "spec.completions") != nullptr) {
    return Concat(succeeded, "/", NumberAt(object, "spec.completions"));
  }
  const int64_t parallelism = NumberAt(object, "spec.parallelism");
  return parallelism > 1 ? Concat(succeeded, "/1 of ", parallelism) : Concat(succeeded, "/1");
}

std::string DurationCell(const Json& object, const PrintContext& context) {
  const std::optional<absl::Time> started = ParseTime(TextAt(object, "status.startTime"));
  const std::optional<absl::Time> ended = ParseTime(TextAt(object, "status.completionTime"));
  if (!started.has_value()) return "";
  return FormatAge(ended.value_or(context.now) - *started);
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(StatusCell(object));
  cells->push_back(CompletionsCell(object));
  cells->push_back(DurationCell(object, context));
  cells->push_back(AgeCell(object, context));
  PrintTemplate(MapAt(object, "spec"), cells);
}

}  // namespace

const Kind& JobKind() {
  static const Kind kind = {
      .group = "batch",
      .version = "v1",
      .kind = "Job",
      .plural = "jobs",
      .singular = "job",
      .categories = {"all"},
      .message = "batch.v1.Job",
      .storage_prefix = "jobs",
      .subresources = {StatusSubresource()},
      .has_status = true,
      .has_generation = true,
      .default_propagation = Propagation::kOrphan,
      .set_defaults = SetDefaults,
      .prepare_create = PrepareCreate,
      .validate = Validate,
      .validate_update = ValidateUpdate,
      .validate_status_update = ValidateJobStatus,
      .columns =
          WithTemplateColumns({NameColumn(), {"Status"}, {"Completions"}, {"Duration"}, {"Age"}}),
      .print = Print,
      .field_labels = {{"status.successful", "status.succeeded", "0"}},
  };
  return kind;
}

}  // namespace keelson::api
