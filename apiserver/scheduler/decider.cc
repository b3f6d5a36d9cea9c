#include "apiserver/scheduler/decider.h"

#include <algorithm>
#include <map>

#include "apiserver/scheduler/scores.h"
#include "base/concat.h"

namespace keelson::scheduler {
namespace {

constexpr size_t kFeasibleMin = 100;
constexpr size_t kPercentMin = 5;

}  // namespace

struct Decider::Search {
  std::vector<const Node*> feasible;
  std::map<std::string, size_t> reasons;
  std::vector<int> helpable;  // nodes where preemption may help
  PluginSet refused_by = 0;
  std::string nominated;
  bool nominated_is_hopeless = false;

  void Refused(const Node& node, const Refusal& refusal) {
    for (const std::string& reason : refusal.reasons) ++reasons[reason];
    refused_by |= SetOf(refusal.plugin);
    if (refusal.preemption_may_help) {
      helpable.push_back(node.index);
    } else if (node.facts.name == nominated) {
      nominated_is_hopeless = true;
    }
  }
};

size_t Decider::FeasibleNodesWanted(size_t nodes) {
  if (nodes < kFeasibleMin) return nodes;
  const size_t less = nodes / 125;
  const size_t percent = less + kPercentMin > 50 ? kPercentMin : 50 - less;
  return std::max(nodes * percent / 100, kFeasibleMin);
}

Decision Decider::Decide(const Pod& pod) {
  Decision decision;
  if (cluster_->node_count() == 0) {
    decision.message = "no nodes available to schedule pods";
    return decision;
  }
  const PodFilter filter(*cluster_, pod);
  Search search;
  search.nominated = cluster_->NominationOf(pod.uid);
  if (search.nominated.empty()) search.nominated = pod.nominated;
  if (!filter.refusal()) FindFeasible(pod, filter, &search);
  if (search.feasible.empty()) {
    Explain(pod, filter, search, &decision);
    return decision;
  }
  const Node* node = Choose(pod, search.feasible);
  decision.node = node->facts.name;
  if (!filter.claims().waiting.empty()) {
    cluster_->volumes().Check(filter.claims(), *node, &decision.volumes);
  }
  return decision;
}

void Decider::FindFeasible(const Pod& pod, const PodFilter& filter, Search* search) {
  if (const Node* node = cluster_->FindNode(search->nominated); node != nullptr) {
    if (!filter.CheckWithNominated(*node)) {
      search->feasible.push_back(node);
      return;
    }
  }
  const auto check = [&](const Node& node) {
    if (const auto refusal = filter.CheckWithNominated(node)) {
      search->Refused(node, *refusal);
    } else {
      search->feasible.push_back(&node);
    }
  };
  if (filter.only_nodes()) {
    size_t looked_at = 0;
    for (const std::string& name : *filter.only_nodes()) {
      const Node* node = cluster_->FindNode(name);
      if (node == nullptr) continue;
      ++looked_at;
      check(*node);
    }
    const size_t others = cluster_->node_count() - looked_at;
    if (others > 0) search->reasons["node(s) didn't satisfy plugin(s) [NodeAffinity]"] += others;
    search->refused_by |= SetOf(Plugin::kNodeAffinity);
    return;
  }
  const std::vector<int>& order = cluster_->order();
  const size_t wanted = FeasibleNodesWanted(order.size());
  size_t looked_at = 0;
  while (looked_at < order.size() && search->feasible.size() < wanted) {
    check(cluster_->node(order[(next_start_ + looked_at) % order.size()]));
    ++looked_at;
  }
  next_start_ = (next_start_ + looked_at) % order.size();
}

const Node* Decider::Choose(const Pod& pod, const std::vector<const Node*>& nodes) {
  if (nodes.size() == 1) return nodes[0];
  const std::vector<int64_t> scores = ScoreNodes(*cluster_, pod, nodes);
  const int64_t best = *std::max_element(scores.begin(), scores.end());
  const auto ties = static_cast<uint64_t>(std::count(scores.begin(), scores.end(), best));
  uint64_t chosen = random_->Below(ties);
  for (size_t i = 0;; ++i) {
    if (scores[i] == best && chosen-- == 0) return nodes[i];
  }
}

void Decider::Explain(const Pod& pod, const PodFilter& filter, const Search& search,
                      Decision* decision) {
  decision->message = Concat("0/", cluster_->node_count(), " nodes are available:");
  if (filter.refusal()) {
    Append(&decision->message, " ", filter.refusal()->reasons[0], ".");
    decision->refused_by = SetOf(filter.refusal()->plugin);
  } else {
    Append(&decision->message, " ", JoinReasons({search.reasons.begin(), search.reasons.end()}),
           ".");
    decision->refused_by = search.refused_by;
  }
  const PreemptionQuestion question{&pod, &filter, search.helpable,
                                    search.nominated_is_hopeless || filter.refusal().has_value()};
  PreemptionAnswer answer = FindPreemption(*cluster_, question, random_);
  decision->preemption = std::move(answer.preemption);
  decision->keeps_nomination = answer.keeps_nomination;
  if (!answer.message.empty()) Append(&decision->message, " preemption: ", answer.message);
}

}  // namespace keelson::scheduler
