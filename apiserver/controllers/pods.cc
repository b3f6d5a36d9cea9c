#include "apiserver/controllers/pods.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"

namespace keelson::controllers {

using api::Json;
using runtime::Object;

bool IsTerminal(const Json& pod) {
  const std::string& phase = api::TextAt(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool IsActive(const Json& pod) { return !IsTerminal(pod) && !api::IsBeingDeleted(pod); }

bool IsReady(const Json& pod) { return api::ConditionIsTrue(pod, "Ready"); }

std::optional<absl::Time> ReadySince(const Json& pod) {
  const Json* ready = api::FindCondition(pod, "Ready");
  if (ready == nullptr || api::TextAt(*ready, "status") != "True") return std::nullopt;
  return api::ParseTime(api::TextAt(*ready, "lastTransitionTime"));
}

bool IsAvailable(const Json& pod, int64_t min_ready_seconds, absl::Time now) {
  if (!IsReady(pod)) return false;
  if (min_ready_seconds == 0) return true;
  const std::optional<absl::Time> since = ReadySince(pod);
  return since && *since + absl::Seconds(min_ready_seconds) <= now;
}

int64_t Restarts(const Json& pod) {
  int64_t most = 0;
  for (const Json& status : api::ArrayAt(pod, "status.containerStatuses")) {
    most = std::max(most, api::NumberAt(status, "restartCount"));
  }
  return most;
}

namespace {

int PhaseRank(const Json& pod) {
  const std::string& phase = api::TextAt(pod, "status.phase");
  return phase == "Pending" ? 0 : phase == "Unknown" ? 1 : 2;
}

int64_t DeletionCost(const Json& pod) {
  const Json* text =
      api::Member(api::AnnotationsOf(pod), "controller.kubernetes.io/pod-deletion-cost");
  int64_t cost = 0;
  if (text == nullptr || !text->is_string() ||
      !absl::SimpleAtoi(text->get_ref<const std::string&>(), &cost)) {
    return 0;
  }
  return cost;
}

// Ages that differ by less than a factor of two count as one, so that it is chance who goes.
int64_t AgeRank(std::optional<absl::Time> since, absl::Time now) {
  if (!since) return -1;
  const double seconds = std::max(1.0, absl::ToDoubleSeconds(now - *since));
  return static_cast<int64_t>(std::log2(seconds));
}

}  // namespace

std::vector<Object> PickForDeletion(std::vector<Object> pods, size_t count,
                                    const std::vector<Object>& siblings, absl::Time now) {
  if (count >= pods.size()) return pods;
  std::map<std::string, int> on_node;
  for (const Object& sibling : siblings) {
    if (IsActive(*sibling)) ++on_node[api::TextAt(*sibling, "spec.nodeName")];
  }
  // Ascending: who is least goes first.
  using Rank = std::tuple<bool, int, bool, int64_t, int, int64_t, int64_t, int64_t, std::string>;
  std::vector<std::pair<Rank, Object>> ranked;
  ranked.reserve(pods.size());
  for (Object& pod : pods) {
    const std::string& node = api::TextAt(*pod, "spec.nodeName");
    const bool ready = IsReady(*pod);
    const auto created = api::ParseTime(api::TextAt(*pod, "metadata.creationTimestamp"));
    Rank rank{!node.empty(), PhaseRank(*pod), ready, DeletionCost(*pod),
              node.empty() ? 0 : -on_node[node], ready ? AgeRank(ReadySince(*pod), now) : 0,
              -Restarts(*pod), AgeRank(created, now),
              // A UUID, so chance.
              api::UidOf(*pod)};
    ranked.emplace_back(std::move(rank), std::move(pod));
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Object> picked;
  for (size_t i = 0; i < count; ++i) picked.push_back(std::move(ranked[i].second));
  return picked;
}

}  // namespace keelson::controllers
