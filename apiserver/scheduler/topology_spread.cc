#include "apiserver/scheduler/topology_spread.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace keelson::scheduler {
namespace {

constexpr char kHostname[] = "kubernetes.io/hostname";
constexpr char kZone[] = "topology.kubernetes.io/zone";

bool CountsFor(const Pod& pod, const Node& node, const SpreadConstraint& constraint) {
  if (constraint.honor_affinity && !pod.AllowsNode(node.facts.labels, node.facts.name)) {
    return false;
  }
  if (!constraint.honor_taints) return true;
  return std::all_of(node.facts.taints.begin(), node.facts.taints.end(), [&](const Taint& taint) {
    return taint.effect == TaintEffect::kPreferNoSchedule || Tolerate(pod.tolerations, taint);
  });
}

// Live pods of the namespace that are selected, by node index.
std::vector<int> CountByNode(const Cluster& cluster, const std::string& name_space,
                             const Selector& selector) {
  std::vector<int> counts(cluster.slots(), 0);
  if (selector.everything()) return counts;
  for (const LabelGroup* group : cluster.LabelGroupsIn(name_space)) {
    if (!selector.Matches(group->labels)) continue;
    for (const auto& [node, count] : group->nodes) counts[node] += count.live;
  }
  return counts;
}

// The constraints that score: the pod's own, or, if it has none at all, those for all pods that
// have peers.
std::vector<SpreadConstraint> ScoringConstraints(const Cluster& cluster, const Pod& pod) {
  std::vector<SpreadConstraint> constraints;
  for (const SpreadConstraint& one : pod.spread) {
    if (!one.required) constraints.push_back(one);
  }
  if (!pod.spread.empty()) return constraints;
  const Selector peers = cluster.PeersOf(pod);
  if (peers.everything()) return constraints;
  for (const auto& [label, skew] : {std::pair{kHostname, 3}, std::pair{kZone, 5}}) {
    SpreadConstraint one;
    one.topology_key = label;
    one.max_skew = skew;
    one.required = false;
    one.selector = peers;
    constraints.push_back(std::move(one));
  }
  return constraints;
}

// One constraint's part in the scores.
struct Scorer {
  const SpreadConstraint* constraint;
  const Topology* topology;
  bool by_node;
  double weight = 0;
  std::vector<int> counts;  // by node, or by domain; -1: a domain with no candidate

  int CountOf(int node) const { return counts[by_node ? node : topology->domain_of_node[node]]; }
};

void SumDomains(const Cluster& cluster, const Pod& pod, absl::Span<const Scorer> scorers,
                bool needs_all_labels, Scorer* scorer) {
  std::vector<int> by_node = std::move(scorer->counts);
  scorer->counts.assign(scorer->topology->domains, 0);
  for (const int index : cluster.order()) {
    const int domain = scorer->topology->domain_of_node[index];
    if (domain < 0 || by_node[index] == 0) continue;
    const bool has_all =
        !needs_all_labels || std::all_of(scorers.begin(), scorers.end(), [&](const Scorer& other) {
          return other.topology->domain_of_node[index] >= 0;
        });
    if (has_all && CountsFor(pod, cluster.node(index), *scorer->constraint)) {
      scorer->counts[domain] += by_node[index];
    }
  }
}

double WeightOf(const Scorer& scorer, absl::Span<const Node* const> nodes,
                const std::vector<bool>& ignored) {
  size_t domains = 0;
  std::vector<bool> seen(scorer.topology->domains + 1, false);
  bool unlabelled = false;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (ignored[i]) continue;
    if (scorer.by_node) {
      ++domains;
      continue;
    }
    const int domain = scorer.topology->domain_of_node[nodes[i]->index];
    if (domain < 0) {
      unlabelled = true;  // together they are one
    } else if (!seen[domain]) {
      seen[domain] = true;
      ++domains;
    }
  }
  return std::log(static_cast<double>(domains + (unlabelled ? 1 : 0) + 2));
}

void Normalize(const std::vector<bool>& ignored, std::vector<int64_t>* scores) {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = 0;
  for (size_t i = 0; i < scores->size(); ++i) {
    if (ignored[i]) continue;
    least = std::min(least, (*scores)[i]);
    most = std::max(most, (*scores)[i]);
  }
  for (size_t i = 0; i < scores->size(); ++i) {
    int64_t& score = (*scores)[i];
    score = ignored[i] ? 0 : most == 0 ? 100 : 100 * (most + least - score) / most;
  }
}

}  // namespace

RequiredSpread::RequiredSpread(const Cluster& cluster, const Pod& pod) : pod_(&pod) {
  for (const SpreadConstraint& one : pod.spread) {
    if (!one.required) continue;
    rules_.push_back({&one, &cluster.TopologyOf(one.topology_key), one.selector.Matches(pod.labels),
                      std::vector<int>()});
  }
  for (Rule& rule : rules_) {
    const std::vector<int> by_node =
        CountByNode(cluster, pod.name_space, rule.constraint->selector);
    rule.counts.assign(rule.topology->domains, -1);
    for (const int index : cluster.order()) {
      const Node& node = cluster.node(index);
      if (!HasAllLabels(node) || !Counts(node, *rule.constraint)) continue;
      int& count = rule.counts[rule.topology->domain_of_node[index]];
      if (count < 0) {
        count = 0;
        ++rule.domains;
      }
      count += by_node[index];
    }
  }
}

bool RequiredSpread::HasAllLabels(const Node& node) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.topology->domain_of_node[node.index] >= 0;
  });
}

bool RequiredSpread::Counts(const Node& node, const SpreadConstraint& constraint) const {
  return CountsFor(*pod_, node, constraint);
}

RequiredSpread::Answer RequiredSpread::Check(const Node& node) const {
  for (const Rule& rule : rules_) {
    const int domain = rule.topology->domain_of_node[node.index];
    if (domain < 0) return Answer::kLabelMissing;
    if (rule.fewest < 0) {
      rule.fewest = std::numeric_limits<int>::max();
      for (const int count : rule.counts) {
        if (count >= 0) rule.fewest = std::min(rule.fewest, count);
      }
    }
    const int fewest = rule.domains < rule.constraint->min_domains ? 0 : rule.fewest;
    const int64_t there = std::max(rule.counts[domain], 0);
    if (there + (rule.selects_pod ? 1 : 0) - fewest > rule.constraint->max_skew) {
      return Answer::kTooUneven;
    }
  }
  return Answer::kFits;
}

void RequiredSpread::Update(const Pod& other, const Node& node, int by) {
  if (other.name_space != pod_->name_space || other.terminating || !HasAllLabels(node)) return;
  for (Rule& rule : rules_) {
    if (!rule.constraint->selector.Matches(other.labels) || !Counts(node, *rule.constraint)) {
      continue;
    }
    rule.counts[rule.topology->domain_of_node[node.index]] += by;
    rule.fewest = -1;
  }
}

void ScoreSpread(const Cluster& cluster, const Pod& pod, absl::Span<const Node* const> nodes,
                 std::vector<int64_t>* scores) {
  scores->assign(nodes.size(), 0);
  const std::vector<SpreadConstraint> constraints = ScoringConstraints(cluster, pod);
  if (constraints.empty()) return;
  std::vector<Scorer> scorers;
  for (const SpreadConstraint& one : constraints) {
    const bool same = !scorers.empty() && scorers.back().constraint->selector == one.selector;
    scorers.push_back(
        {&one, &cluster.TopologyOf(one.topology_key), one.topology_key == kHostname, 0,
         same ? scorers.back().counts : CountByNode(cluster, pod.name_space, one.selector)});
  }

  // A pod that says how it is to be spread is scored only where all its labels are.
  const bool needs_all_labels = !pod.spread.empty();
  std::vector<bool> ignored(nodes.size(), false);
  for (size_t i = 0; i < nodes.size() && needs_all_labels; ++i) {
    for (const Scorer& scorer : scorers) {
      if (scorer.topology->domain_of_node[nodes[i]->index] < 0) ignored[i] = true;
    }
  }
  for (Scorer& scorer : scorers) {
    scorer.weight = WeightOf(scorer, nodes, ignored);
    if (!scorer.by_node) SumDomains(cluster, pod, scorers, needs_all_labels, &scorer);
  }

  for (size_t i = 0; i < nodes.size(); ++i) {
    if (ignored[i]) continue;
    double score = 0;
    for (const Scorer& scorer : scorers) {
      if (scorer.topology->domain_of_node[nodes[i]->index] < 0) continue;
      score += scorer.CountOf(nodes[i]->index) * scorer.weight + (scorer.constraint->max_skew - 1);
    }
    (*scores)[i] = std::llround(score);
  }
  Normalize(ignored, scores);
}

}  // namespace keelson::scheduler
