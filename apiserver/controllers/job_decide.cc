#include "apiserver/controllers/job_decide.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::controllers {

using api::Json;

std::set<int64_t> ParseIndexes(std::string_view text, int64_t completions) {
  std::set<int64_t> indexes;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t dash = part.find('-');
    int64_t first = 0;
    int64_t last = 0;
    if (!absl::SimpleAtoi(std::string(part.substr(0, dash)), &first)) continue;
    last = first;
    if (dash != std::string_view::npos &&
        !absl::SimpleAtoi(std::string(part.substr(dash + 1)), &last)) {
      continue;
    }
    last = std::min(last, completions - 1);
    for (int64_t index = std::max<int64_t>(first, 0); index <= last; ++index) {
      indexes.insert(index);
    }
  }
  return indexes;
}

std::string FormatIndexes(const std::set<int64_t>& indexes) {
  std::string text;
  for (auto at = indexes.begin(); at != indexes.end();) {
    const int64_t first = *at;
    int64_t last = first;
    while (++at != indexes.end() && *at == last + 1) ++last;
    Append(&text, text.empty() ? "" : ",", first);
    if (last > first) Append(&text, last == first + 1 ? "," : "-", last);
  }
  return text;
}

int64_t IndexOf(const Json& pod) {
  const Json* text =
      api::Member(api::AnnotationsOf(pod), "batch.kubernetes.io/job-completion-index");
  int64_t index = -1;
  if (text == nullptr || !text->is_string() ||
      !absl::SimpleAtoi(text->get_ref<const std::string&>(), &index)) {
    return -1;
  }
  return index;
}

bool IsIndexed(const Json& job) { return api::TextAt(job, "spec.completionMode") == "Indexed"; }
bool ReplacesFailedOnly(const Json& job) {
  return api::TextAt(job, "spec.podReplacementPolicy") == "Failed";
}

bool HasFailed(const Json& job, const Json& pod) {
  const std::string& phase = api::TextAt(pod, "status.phase");
  if (phase == "Failed") return true;
  return !ReplacesFailedOnly(job) && phase != "Succeeded" && api::IsBeingDeleted(pod);
}

absl::Time EndOf(const Json& pod) {
  std::optional<absl::Time> last;
  for (const Json& status : api::ArrayAt(pod, "status.containerStatuses")) {
    const auto ended = api::ParseTime(api::TextAt(status, "state.terminated.finishedAt"));
    if (ended && (!last || *ended > *last)) last = ended;
  }
  if (last) return *last;
  if (const Json* ready = api::FindCondition(pod, "Ready")) {
    const auto since = api::ParseTime(api::TextAt(*ready, "lastTransitionTime"));
    if (since && api::TextAt(*ready, "status") == "False") return *since;
  }
  if (const auto deleted = api::ParseTime(api::TextAt(pod, "metadata.deletionTimestamp"))) {
    return *deleted - absl::Seconds(api::NumberAt(pod, "metadata.deletionGracePeriodSeconds"));
  }
  return api::ParseTime(api::TextAt(pod, "metadata.creationTimestamp")).value_or(absl::UnixEpoch());
}

namespace {

// The container whose exit code the rule is about; nullptr: none.
const Json* MatchExitCodes(const Json& rule, const Json& pod) {
  const std::string& only = api::TextAt(rule, "containerName");
  const Json& values = api::ArrayAt(rule, "values");
  const bool in = api::TextAt(rule, "operator") == "In";
  for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
    for (const Json& status : api::ArrayAt(pod, list)) {
      if (!only.empty() && api::TextAt(status, "name") != only) continue;
      const Json* code = api::Find(status, "state.terminated.exitCode");
      if (code == nullptr || !code->is_number() || *code == 0) continue;
      const bool listed = std::find(values.begin(), values.end(), *code) != values.end();
      if (listed == in) return &status;
    }
  }
  return nullptr;
}

const Json* MatchConditions(const Json& patterns, const Json& pod) {
  for (const Json& pattern : patterns) {
    const Json* condition = api::FindCondition(pod, api::TextAt(pattern, "type"));
    if (condition == nullptr) continue;
    const std::string& wanted = api::TextAt(pattern, "status");
    if (api::TextAt(*condition, "status") == (wanted.empty() ? "True" : wanted)) return condition;
  }
  return nullptr;
}

}  // namespace

FailureMatch MatchFailurePolicy(const Json& job, const Json& pod) {
  const Json& rules = api::ArrayAt(job, "spec.podFailurePolicy.rules");
  if (api::TextAt(pod, "status.phase") != "Failed") return {};
  const std::string subject = Concat("pod ", api::NamespaceOf(pod), "/", api::NameOf(pod));
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string& action = api::TextAt(rules[i], "action");
    std::string message;
    if (const Json* codes = api::Find(rules[i], "onExitCodes")) {
      const Json* status = MatchExitCodes(*codes, pod);
      if (status == nullptr) continue;
      message =
          Concat("Container ", api::TextAt(*status, "name"), " for ", subject,
                 " failed with exit code ", api::NumberAt(*status, "state.terminated.exitCode"),
                 " matching ", action, " rule at index ", i);
    } else {
      const Json* condition = MatchConditions(api::ArrayAt(rules[i], "onPodConditions"), pod);
      if (condition == nullptr) continue;
      message = Concat("Pod ", api::NamespaceOf(pod), "/", api::NameOf(pod), " has condition ",
                       api::TextAt(*condition, "type"), " matching ", action, " rule at index ", i);
    }
    if (action == "Ignore") return {FailureAction::kIgnore, ""};
    if (action == "FailJob") return {FailureAction::kFailJob, std::move(message)};
    if (action == "FailIndex") return {FailureAction::kFailIndex, ""};
    return {};
  }
  return {};
}

std::optional<std::string> MatchSuccessPolicy(const Json& job, const std::set<int64_t>& succeeded) {
  const Json& rules = api::ArrayAt(job, "spec.successPolicy.rules");
  const int64_t completions = api::NumberAt(job, "spec.completions");
  if (succeeded.empty()) return std::nullopt;
  for (size_t i = 0; i < rules.size(); ++i) {
    const Json* listed = api::Find(rules[i], "succeededIndexes");
    std::set<int64_t> counted = succeeded;
    size_t wanted = static_cast<size_t>(completions);
    if (listed != nullptr && listed->is_string()) {
      const std::set<int64_t> of_rule = ParseIndexes(listed->get<std::string>(), completions);
      std::erase_if(counted, [&](int64_t index) { return !of_rule.contains(index); });
      wanted = of_rule.size();
    }
    const int64_t count = api::NumberAt(rules[i], "succeededCount", static_cast<int64_t>(wanted));
    if (static_cast<int64_t>(counted.size()) >= count) {
      return Concat("Matched rules at index ", i);
    }
  }
  return std::nullopt;
}

absl::Duration RetryPause(int64_t failures) {
  if (failures <= 0) return absl::ZeroDuration();
  absl::Duration pause = absl::Seconds(10);
  for (int64_t i = 1; i < failures && pause < absl::Minutes(10); ++i) pause *= 2;
  return std::min(pause, absl::Minutes(10));
}

int64_t WantedActive(const Json& job, int64_t active, int64_t succeeded) {
  const int64_t parallelism = api::NumberAt(job, "spec.parallelism", 1);
  const Json* completions = api::Find(job, "spec.completions");
  if (completions == nullptr || !completions->is_number()) {
    // After the first success no more begin; those that run may end.
    return succeeded > 0 ? std::min(active, parallelism) : parallelism;
  }
  return std::clamp<int64_t>(completions->get<int64_t>() - succeeded, 0, parallelism);
}

}  // namespace keelson::controllers
