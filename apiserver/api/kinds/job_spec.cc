#include "apiserver/api/kinds/job_spec.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Bounds of status.completedIndexes and status.failedIndexes.
constexpr int64_t kIndexedParallelismMax = 100000;
constexpr int64_t kFailedIndexesMax = 100000;
// Above this many completions, these bounds hold when failures are counted per index.
constexpr int64_t kManyCompletions = 100000;
constexpr int64_t kManyParallelismMax = 10000;
constexpr int64_t kManyFailedIndexesMax = 10000;

constexpr int64_t kManagedByBytesMax = 63;
constexpr int64_t kRulesMax = 20;
constexpr int64_t kExitCodesMax = 255;
constexpr int64_t kSucceededIndexesBytesMax = 64 * 1024;

void CheckAtMost(const Json& spec, std::string_view field, int64_t most, std::string_view path,
                 std::string_view when, FieldErrors& errors) {
  const int64_t value = NumberAt(spec, field);
  if (value <= most) return;
  errors.Invalid(Child(path, field), value, Concat("must be less than or equal to ", most, when));
}

void ValidateIndexed(const Json& spec, std::string_view path, FieldErrors& errors) {
  const bool has_completions = Find(spec, "completions") != nullptr;
  const int64_t completions = NumberAt(spec, "completions");
  if (!has_completions) {
    errors.Required(Child(path, "completions"), "when completion mode is Indexed");
  }
  CheckAtMost(spec, "parallelism", kIndexedParallelismMax, path, " when completion mode is Indexed",
              errors);
  if (has_completions && NumberAt(spec, "maxFailedIndexes") > completions) {
    errors.Invalid(Child(path, "maxFailedIndexes"), NumberAt(spec, "maxFailedIndexes"),
                   "must be less than or equal to completions");
  }
  CheckAtMost(spec, "maxFailedIndexes", kFailedIndexesMax, path, "", errors);
  if (completions <= kManyCompletions || Find(spec, "backoffLimitPerIndex") == nullptr) return;
  if (Find(spec, "maxFailedIndexes") == nullptr) {
    errors.Required(Child(path, "maxFailedIndexes"),
                    Concat("must be specified when completions is above ", kManyCompletions));
  }
  const std::string when = Concat(" when completions are above ", kManyCompletions,
                                  " and used with backoff limit per index");
  CheckAtMost(spec, "parallelism", kManyParallelismMax, path, when, errors);
  CheckAtMost(spec, "maxFailedIndexes", kManyFailedIndexesMax, path, when, errors);
}

void ValidateNotIndexed(const Json& spec, std::string_view path, FieldErrors& errors) {
  for (std::string_view field : {"backoffLimitPerIndex", "maxFailedIndexes"}) {
    if (const Json* value = Find(spec, field); value != nullptr) {
      errors.Invalid(Child(path, field), *value, "requires indexed completion mode");
    }
  }
}

void ValidateExitCodes(const Json& spec, const Json& rule, std::string_view path,
                       FieldErrors& errors) {
  const std::string& op = TextAt(rule, "operator");
  if (op.empty()) {
    errors.Required(Child(path, "operator"), "valid values: [\"In\" \"NotIn\"]");
  } else {
    CheckSupported(op, {"In", "NotIn"}, Child(path, "operator"), errors);
  }
  if (Find(rule, "containerName") != nullptr) {
    const std::string& wanted = TextAt(rule, "containerName");
    bool known = false;
    for (std::string_view list : {"template.spec.containers", "template.spec.initContainers"}) {
      for (const Json& container : ArrayAt(spec, list)) {
        known = known || TextAt(container, "name") == wanted;
      }
    }
    if (!known) {
      errors.Invalid(Child(path, "containerName"), wanted,
                     "must be one of the container or initContainer names in the pod template");
    }
  }
  const Json& values = ArrayAt(rule, "values");
  const std::string values_path = Child(path, "values");
  if (values.empty()) {
    errors.Invalid(values_path, values, "at least one value is required");
  } else if (static_cast<int64_t>(values.size()) > kExitCodesMax) {
    errors.TooMany(values_path, values.size(), kExitCodesMax);
  }
  std::set<int64_t> seen;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t value = NumberAt(values[i], "");
    if (op == "In" && value == 0) {
      errors.Invalid(Index(values_path, i), value, "must not be 0 for the In operator");
    }
    if (!seen.insert(value).second) errors.Duplicate(Index(values_path, i), value);
  }
  if (!std::is_sorted(values.begin(), values.end())) {
    errors.Invalid(values_path, values, "must be ordered");
  }
}

void ValidatePodConditions(const Json& patterns, std::string_view path, FieldErrors& errors) {
  if (static_cast<int64_t>(patterns.size()) > kRulesMax) {
    errors.TooMany(path, patterns.size(), kRulesMax);
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    const std::string at = Index(path, i);
    CheckName(TextAt(patterns[i], "type"), IsQualifiedName, Child(at, "type"), errors);
    const std::string& status = TextAt(patterns[i], "status");
    if (status.empty()) {
      errors.Required(Child(at, "status"), "valid values: [\"False\" \"True\" \"Unknown\"]");
    } else {
      CheckSupported(status, {"False", "True", "Unknown"}, Child(at, "status"), errors);
    }
  }
}

void ValidateFailureRule(const Json& spec, const Json& rule, std::string_view path,
                         FieldErrors& errors) {
  const std::string& action = TextAt(rule, "action");
  const std::string action_path = Child(path, "action");
  if (action.empty()) {
    errors.Required(action_path, "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]");
  } else if (action == "FailIndex") {
    if (Find(spec, "backoffLimitPerIndex") == nullptr) {
      errors.Invalid(action_path, action, "requires the backoffLimitPerIndex to be set");
    }
  } else {
    CheckSupported(action, {"Count", "FailIndex", "FailJob", "Ignore"}, action_path, errors);
  }
  const Json* codes = Find(rule, "onExitCodes");
  const Json& conditions = ArrayAt(rule, "onPodConditions");
  if (codes != nullptr) ValidateExitCodes(spec, *codes, Child(path, "onExitCodes"), errors);
  ValidatePodConditions(conditions, Child(path, "onPodConditions"), errors);
  if (codes != nullptr && !conditions.empty()) {
    errors.InvalidPlainly(path, "specifying both OnExitCodes and OnPodConditions is not supported");
  }
  if (codes == nullptr && conditions.empty()) {
    errors.InvalidPlainly(path, "specifying one of OnExitCodes and OnPodConditions is required");
  }
}

void ValidateFailurePolicy(const Json& spec, std::string_view path, FieldErrors& errors) {
  const std::string rules_path = Child(path, "rules");
  const Json& rules = ArrayAt(spec, "podFailurePolicy.rules");
  if (static_cast<int64_t>(rules.size()) > kRulesMax) {
    errors.TooMany(rules_path, rules.size(), kRulesMax);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    ValidateFailureRule(spec, rules[i], Index(rules_path, i), errors);
  }
}

void ValidateSuccessRule(const Json& spec, const Json& rule, std::string_view path,
                         FieldErrors& errors) {
  const int64_t completions = NumberAt(spec, "completions");
  const bool has_count = Find(rule, "succeededCount") != nullptr;
  const bool has_indexes = Find(rule, "succeededIndexes") != nullptr;
  if (!has_count && !has_indexes) {
    errors.Required(path, "at least one of succeededCount or succeededIndexes must be specified");
  }
  int64_t indexes_count = 0;
  if (has_indexes) {
    const std::string at = Child(path, "succeededIndexes");
    const std::string& indexes = TextAt(rule, "succeededIndexes");
    if (static_cast<int64_t>(indexes.size()) > kSucceededIndexesBytesMax) {
      errors.TooLong(at, kSucceededIndexesBytesMax);
    }
    const absl::StatusOr<int64_t> counted = CountIndexes(indexes, completions);
    if (counted.ok()) {
      indexes_count = *counted;
    } else {
      errors.Invalid(
          at, indexes,
          Concat("error parsing succeededIndexes: ", std::string(counted.status().message())));
    }
  }
  if (!has_count) return;
  const int64_t count = NumberAt(rule, "succeededCount");
  const std::string at = Child(path, "succeededCount");
  CheckNoneNegative(rule, {"succeededCount"}, path, errors);
  if (count > completions) {
    errors.Invalid(at, count,
                   Concat("must be less than or equal to ", completions,
                          " (the number of specified completions)"));
  }
  if (has_indexes && count > indexes_count) {
    errors.Invalid(at, count,
                   Concat("must be less than or equal to ", indexes_count,
                          " (the number of indexes in the specified succeededIndexes field)"));
  }
}

void ValidateSuccessPolicy(const Json& spec, std::string_view path, FieldErrors& errors) {
  const std::string rules_path = Child(path, "rules");
  const Json& rules = ArrayAt(spec, "successPolicy.rules");
  if (rules.empty()) {
    errors.Required(rules_path,
                    "at least one rules must be specified when the successPolicy is specified");
  }
  if (static_cast<int64_t>(rules.size()) > kRulesMax) {
    errors.TooMany(rules_path, rules.size(), kRulesMax);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    ValidateSuccessRule(spec, rules[i], Index(rules_path, i), errors);
  }
}

void ValidateReplacementPolicy(const Json& spec, std::string_view path, FieldErrors& errors) {
  if (Find(spec, "podReplacementPolicy") == nullptr) return;
  const std::string& policy = TextAt(spec, "podReplacementPolicy");
  const std::string at = Child(path, "podReplacementPolicy");
  if (Find(spec, "podFailurePolicy") != nullptr) {
    CheckSupported(policy, {"Failed"}, at, errors);
  } else {
    CheckSupported(policy, {"Failed", "TerminatingOrFailed"}, at, errors);
  }
}

void ValidateRestartPolicy(const Json& spec, std::string_view path, FieldErrors& errors) {
  const std::string& policy = TextAt(spec, "template.spec.restartPolicy");
  const std::string at = Child(path, "template.spec.restartPolicy");
  if (policy.empty() || policy == "Always") {
    errors.Required(at, "valid values: \"OnFailure\", \"Never\"");
  } else if (policy != "OnFailure" && policy != "Never") {
    errors.NotSupported(at, policy, {"OnFailure", "Never"});
  } else if (policy != "Never" && Find(spec, "podFailurePolicy") != nullptr) {
    errors.Invalid(at, policy, "only \"Never\" is supported when podFailurePolicy is specified");
  }
}

}  // namespace

void ValidateJobSpec(const Json& spec, std::string_view path, FieldErrors& errors) {
  CheckNoneNegative(spec,
                    {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                     "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"},
                    path, errors);
  if (Find(spec, "maxFailedIndexes") != nullptr && Find(spec, "backoffLimitPerIndex") == nullptr) {
    errors.Required(Child(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
  }
  if (Find(spec, "managedBy") != nullptr) {
    const std::string& manager = TextAt(spec, "managedBy");
    CheckDomainPrefixedPath(manager, Child(path, "managedBy"), errors);
    if (static_cast<int64_t>(manager.size()) > kManagedByBytesMax) {
      errors.TooLong(Child(path, "managedBy"), kManagedByBytesMax);
    }
  }
  const std::string& mode = TextAt(spec, "completionMode");
  if (!mode.empty()) {
    CheckSupported(mode, {"NonIndexed", "Indexed"}, Child(path, "completionMode"), errors);
  }
  if (mode == "Indexed") ValidateIndexed(spec, path, errors);
  if (mode.empty() || mode == "NonIndexed") ValidateNotIndexed(spec, path, errors);
  if (Find(spec, "podFailurePolicy") != nullptr) {
    ValidateFailurePolicy(spec, Child(path, "podFailurePolicy"), errors);
  }
  if (const Json* policy = Find(spec, "successPolicy"); policy != nullptr) {
    const std::string at = Child(path, "successPolicy");
    if (mode == "Indexed") {
      ValidateSuccessPolicy(spec, at, errors);
    } else {
      errors.Invalid(at, *policy, "requires indexed completion mode");
    }
  }
  ValidateReplacementPolicy(spec, path, errors);
  ValidatePodTemplate(MapAt(spec, "template"), Child(path, "template"), errors);
  ValidateRestartPolicy(spec, path, errors);
}

}  // namespace keelson::api
