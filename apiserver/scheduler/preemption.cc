#include "apiserver/scheduler/preemption.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/concat.h"

namespace keelson::scheduler {
namespace {

using PodPointer = std::shared_ptr<const Pod>;

// Of many nodes that could be cleared not all are tried: a tenth, but at least these.
constexpr size_t kCandidatesMin = 100;
constexpr size_t kCandidatesPercent = 10;

// Priorities are summed as positive numbers, so that more victims are always worse.
constexpr int64_t kPriorityShift = int64_t{1} << 31;

struct Candidate {
  const Node* node;
  std::vector<PodPointer> victims;
  int64_t violations = 0;  // of disruption budgets
};

bool IsMoreImportant(const PodPointer& a, const PodPointer& b) {
  if (a->priority != b->priority) return a->priority > b->priority;
  return a->started < b->started;
}

// Moves those whose eviction some budget does not allow any more to the front.
size_t PutViolatingFirst(const Cluster& cluster, std::vector<PodPointer>* pods) {
  const std::vector<const DisruptionBudget*> budgets = cluster.Budgets();
  std::vector<int64_t> allowed;
  allowed.reserve(budgets.size());
  for (const DisruptionBudget* budget : budgets) allowed.push_back(budget->allowed);
  const auto violates = [&](const PodPointer& pod) {
    bool violated = false;
    for (size_t i = 0; i < budgets.size() && !pod->labels.empty(); ++i) {
      if (budgets[i]->name_space != pod->name_space || budgets[i]->selector.everything() ||
          !budgets[i]->selector.Matches(pod->labels) || budgets[i]->disrupted.contains(pod->name)) {
        continue;
      }
      if (--allowed[i] < 0) violated = true;
    }
    return violated;
  };
  std::vector<PodPointer> others;
  std::vector<PodPointer> violating;
  for (PodPointer& pod : *pods) (violates(pod) ? violating : others).push_back(std::move(pod));
  const size_t count = violating.size();
  *pods = std::move(violating);
  pods->insert(pods->end(), others.begin(), others.end());
  return count;
}

// Takes all pods of lower priority from the node and puts back, the most important first, those
// with which the pod still fits. A refusal: it does not fit even without them.
std::optional<Refusal> SelectVictims(const Cluster& cluster, const PreemptionQuestion& question,
                                     Candidate* candidate) {
  Node node = *candidate->node;
  PodFilter filter = *question.filter;
  std::vector<PodPointer> lower;
  for (const PodPointer& pod : candidate->node->pods) {
    if (pod->priority < question.pod->priority) lower.push_back(pod);
  }
  if (lower.empty()) {
    Refusal refusal;
    refusal.reasons.emplace_back("No preemption victims found for incoming pod");
    return refusal;
  }
  for (const PodPointer& pod : lower) {
    node.Remove(*pod);
    filter.OnRemoved(*pod, node);
  }
  if (auto refusal = filter.CheckWithNominated(node)) return refusal;

  std::stable_sort(lower.begin(), lower.end(), IsMoreImportant);
  const size_t violating = PutViolatingFirst(cluster, &lower);
  for (size_t i = 0; i < lower.size(); ++i) {
    node.Add(lower[i]);
    filter.OnAdded(*lower[i], node);
    if (!filter.CheckWithNominated(node)) continue;  // it can stay
    node.Remove(*lower[i]);
    filter.OnRemoved(*lower[i], node);
    candidate->victims.push_back(lower[i]);
    if (i < violating) ++candidate->violations;
  }
  std::stable_sort(candidate->victims.begin(), candidate->victims.end(), IsMoreImportant);
  return std::nullopt;
}

// The less the better, element by element.
auto CostOf(const Candidate& candidate) {
  const int32_t top = candidate.victims.front()->priority;
  int64_t sum = 0;
  absl::Time earliest = absl::InfiniteFuture();  // start of those at the top
  for (const PodPointer& victim : candidate.victims) {
    sum += victim->priority + kPriorityShift;
    if (victim->priority == top) earliest = std::min(earliest, victim->started);
  }
  // The latest start wins: it has done the least work.
  return std::tuple(candidate.violations, top, sum, candidate.victims.size(),
                    absl::UnixEpoch() - earliest);
}

// Why a pod may not preempt; empty: it may.
std::string WhyNotEligible(const Cluster& cluster, const PreemptionQuestion& question) {
  const Pod& pod = *question.pod;
  if (pod.never_preempts) return "not eligible due to preemptionPolicy=Never.";
  const std::string promised = cluster.NominationOf(pod.uid);
  const Node* node = cluster.FindNode(promised.empty() ? pod.nominated : promised);
  if (node == nullptr || question.nominated_is_hopeless) return "";
  const bool leaving = std::any_of(node->pods.begin(), node->pods.end(), [&](const auto& other) {
    return other->priority < pod.priority && other->terminating && other->preempted;
  });
  return leaving ? "not eligible due to a terminating pod on the nominated node." : "";
}

}  // namespace

std::string JoinReasons(const std::vector<std::pair<std::string, size_t>>& counts) {
  std::vector<std::string> texts;
  for (const auto& [reason, count] : counts) texts.push_back(Concat(count, " ", reason));
  std::sort(texts.begin(), texts.end());
  std::string joined;
  for (const std::string& text : texts) Append(&joined, joined.empty() ? "" : ", ", text);
  return joined;
}

PreemptionAnswer FindPreemption(const Cluster& cluster, const PreemptionQuestion& question,
                                Random* random) {
  PreemptionAnswer answer;
  answer.message = WhyNotEligible(cluster, question);
  if (!answer.message.empty()) {
    answer.keeps_nomination = !question.pod->never_preempts;
    return answer;
  }

  const size_t count = question.helpable.size();
  const size_t wanted = std::max(count * kCandidatesPercent / 100, kCandidatesMin);
  const size_t start = count == 0 ? 0 : random->Below(count);
  std::vector<Candidate> candidates;
  bool any_without_violation = false;
  std::map<std::string, size_t> reasons;
  size_t explained = 0;
  for (size_t i = 0; i < count; ++i) {
    Candidate candidate{&cluster.node(question.helpable[(start + i) % count]), {}};
    if (const auto refusal = SelectVictims(cluster, question, &candidate)) {
      ++explained;
      for (const std::string& reason : refusal->reasons) ++reasons[reason];
      continue;
    }
    if (candidate.victims.empty()) continue;  // it fits meanwhile: it will be tried again
    any_without_violation |= candidate.violations == 0;
    candidates.push_back(std::move(candidate));
    if (any_without_violation && candidates.size() >= wanted) break;
  }
  if (candidates.empty()) {
    const size_t others = cluster.node_count() - explained;
    if (others > 0) reasons["Preemption is not helpful for scheduling"] += others;
    answer.message =
        Concat("0/", cluster.node_count(),
               " nodes are available: ", JoinReasons({reasons.begin(), reasons.end()}), ".");
    return answer;
  }
  const auto best = std::min_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return CostOf(a) < CostOf(b); });
  answer.preemption = Preemption{best->node->facts.name, std::move(best->victims)};
  return answer;
}

}  // namespace keelson::scheduler
