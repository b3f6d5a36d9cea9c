#include "apiserver/controllers/autoscale_decide.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

using api::Json;

constexpr double kTolerance = 0.1;

struct Sum {
  int64_t used = 0;
  int64_t requested = 0;
  int64_t pods = 0;
};

double RatioOf(const Sum& sum, const LoadTarget& target) {
  if (target.value <= 0) return 1;
  if (target.is_utilization) {
    return static_cast<double>(sum.used) * 100 / static_cast<double>(sum.requested) /
           static_cast<double>(target.value);
  }
  return static_cast<double>(sum.used) / static_cast<double>(sum.pods) /
         static_cast<double>(target.value);
}

bool IsClose(double ratio) { return std::abs(1 - ratio) <= kTolerance; }

int64_t RoundedUp(double value) { return static_cast<int64_t>(std::ceil(value - 1e-9)); }

}  // namespace

std::optional<LoadVerdict> JudgeLoad(const std::vector<PodLoad>& pods, const LoadTarget& target,
                                     int64_t current) {
  Sum measured;
  int64_t unready = 0;
  int64_t missing = 0;
  for (const PodLoad& pod : pods) {
    if (target.is_utilization && pod.requested <= 0) return std::nullopt;
    if (pod.unready) {
      ++unready;
    } else if (!pod.used) {
      ++missing;
    } else {
      measured.used += *pod.used;
      measured.requested += pod.requested;
      ++measured.pods;
    }
  }
  if (measured.pods == 0) return std::nullopt;
  LoadVerdict verdict{.replicas = current, .average = measured.used / measured.pods};
  if (target.is_utilization) verdict.utilization = measured.used * 100 / measured.requested;
  const double ratio = RatioOf(measured, target);
  const bool grows = ratio > 1;
  if (missing == 0 && (unready == 0 || !grows)) {
    if (!IsClose(ratio)) {
      verdict.replicas = RoundedUp(ratio * static_cast<double>(measured.pods));
    }
    return verdict;
  }
  // What is not known is taken to speak against the change.
  Sum all = measured;
  for (const PodLoad& pod : pods) {
    const bool counted = pod.unready ? grows : !pod.used.has_value();
    if (!counted) continue;
    ++all.pods;
    all.requested += pod.requested;
    if (grows) continue;
    all.used += target.is_utilization ? pod.requested * std::max<int64_t>(100, target.value) / 100
                                      : target.value;
  }
  const double cautious = RatioOf(all, target);
  if (IsClose(cautious) || (cautious > 1) != grows) return verdict;
  const int64_t replicas = RoundedUp(cautious * static_cast<double>(all.pods));
  if (grows ? replicas > current : replicas < current) verdict.replicas = replicas;
  return verdict;
}

namespace {

struct Policy {
  std::string type;
  int64_t value;
  absl::Duration period;
};

std::vector<Policy> PoliciesOf(const Json& rules, bool up) {
  std::vector<Policy> policies;
  for (const Json& policy : api::ArrayAt(rules, "policies")) {
    policies.push_back({api::TextAt(policy, "type"), api::NumberAt(policy, "value"),
                        absl::Seconds(api::NumberAt(policy, "periodSeconds"))});
  }
  if (!policies.empty()) return policies;
  if (up) return {{"Pods", 4, absl::Seconds(15)}, {"Percent", 100, absl::Seconds(15)}};
  return {{"Percent", 100, absl::Seconds(15)}};
}

// How many replicas the policies let it have.
int64_t PolicyLimit(const Json& rules, bool up, int64_t current, const ScaleHistory& history,
                    absl::Time now) {
  const std::string& select = api::TextAt(rules, "selectPolicy");
  if (select == "Disabled") return current;
  std::optional<int64_t> limit;
  for (const Policy& policy : PoliciesOf(rules, up)) {
    int64_t changed = 0;
    for (const ScaleHistory::Entry& entry : history.changed) {
      if (entry.at > now - policy.period && (entry.value > 0) == up) changed += entry.value;
    }
    const int64_t start = current - changed;
    const double share = static_cast<double>(start) * static_cast<double>(policy.value) / 100;
    int64_t one = 0;
    if (policy.type == "Pods") {
      one = up ? start + policy.value : start - policy.value;
    } else {
      one = up ? RoundedUp(static_cast<double>(start) + share)
               : static_cast<int64_t>(static_cast<double>(start) - share);
    }
    // The largest change, unless the smallest is asked for.
    const bool largest_number = (select == "Min") != up;
    limit = !limit ? one : largest_number ? std::max(*limit, one) : std::min(*limit, one);
  }
  return up ? std::max(*limit, current) : std::min(*limit, current);
}

}  // namespace

Limited LimitScaling(const Json& autoscaler, int64_t current, int64_t wanted, ScaleHistory* history,
                     absl::Time now) {
  const Json& up_rules = api::MapAt(autoscaler, "spec.behavior.scaleUp");
  const Json& down_rules = api::MapAt(autoscaler, "spec.behavior.scaleDown");
  const int64_t least = api::NumberAt(autoscaler, "spec.minReplicas", 1);
  const int64_t most = api::NumberAt(autoscaler, "spec.maxReplicas", 1);
  const absl::Duration up_window =
      absl::Seconds(api::NumberAt(up_rules, "stabilizationWindowSeconds", 0));
  const absl::Duration down_window =
      absl::Seconds(api::NumberAt(down_rules, "stabilizationWindowSeconds", 300));
  const absl::Time oldest =
      now - std::max({up_window, down_window, absl::Duration(absl::Hours(1))});
  for (auto* list : {&history->recommended, &history->changed}) {
    std::erase_if(*list, [&](const ScaleHistory::Entry& entry) { return entry.at < oldest; });
  }
  // The calmest of what was recommended lately.
  int64_t up = wanted;
  int64_t down = wanted;
  for (const ScaleHistory::Entry& entry : history->recommended) {
    if (entry.at > now - up_window) up = std::min(up, entry.value);
    if (entry.at > now - down_window) down = std::max(down, entry.value);
  }
  history->recommended.push_back({now, wanted});
  Limited limited;
  limited.replicas = current;
  if (current < up) limited.replicas = up;
  if (current > down) limited.replicas = down;
  if (limited.replicas != wanted) {
    limited.reason = wanted < limited.replicas ? "ScaleDownStabilized" : "ScaleUpStabilized";
    limited.message = wanted < limited.replicas
                          ? "recent recommendations were higher than current one, applying the "
                            "highest recent recommendation"
                          : "recent recommendations were lower than current one, applying the "
                            "lowest recent recommendation";
  }
  if (limited.replicas > current) {
    const int64_t limit = PolicyLimit(up_rules, true, current, *history, now);
    if (limited.replicas > std::min(limit, most)) {
      const bool by_policy = limit < most;
      limited = {std::min(limit, most), by_policy ? "ScaleUpLimit" : "TooManyReplicas",
                 by_policy
                     ? "the desired replica count is increasing faster than the maximum scale rate"
                     : "the desired replica count is more than the maximum replica count"};
    }
  } else if (limited.replicas < current) {
    const int64_t limit = PolicyLimit(down_rules, false, current, *history, now);
    if (limited.replicas < std::max(limit, least)) {
      const bool by_policy = limit > least;
      limited = {std::max(limit, least), by_policy ? "ScaleDownLimit" : "TooFewReplicas",
                 by_policy
                     ? "the desired replica count is decreasing faster than the maximum scale rate"
                     : "the desired replica count is less than the minimum replica count"};
    }
  } else if (wanted > most) {
    limited = {current, "TooManyReplicas",
               "the desired replica count is more than the maximum replica count"};
  } else if (wanted < least) {
    limited = {current, "TooFewReplicas",
               "the desired replica count is less than the minimum replica count"};
  }
  return limited;
}

}  // namespace keelson::controllers
