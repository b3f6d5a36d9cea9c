#include "apiserver/scheduler/inter_pod_affinity.h"

#include <algorithm>
#include <limits>
#include <string>

namespace keelson::scheduler {
namespace {

const std::vector<AffinityTerm>& RequiredOf(const Pod& pod) {
  static const std::vector<AffinityTerm> none;
  return pod.affinity == nullptr ? none : pod.affinity->required;
}
const std::vector<AffinityTerm>& RequiredAntiOf(const Pod& pod) {
  static const std::vector<AffinityTerm> none;
  return pod.affinity == nullptr ? none : pod.affinity->required_anti;
}

// Calls `visit` for each group of pods that a term could be about.
template <typename Visit>
void ForGroups(const Cluster& cluster, const std::vector<AffinityTerm>& terms, const Visit& visit) {
  const bool anywhere = std::any_of(terms.begin(), terms.end(), [](const AffinityTerm& term) {
    return !term.namespace_selector.nothing;
  });
  if (anywhere) {
    for (const auto& [key, group] : cluster.label_groups()) visit(*group);
    return;
  }
  std::vector<std::string> names;
  for (const AffinityTerm& term : terms) {
    names.insert(names.end(), term.namespaces.begin(), term.namespaces.end());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    for (const LabelGroup* group : cluster.LabelGroupsIn(name)) visit(*group);
  }
}

// Sums of weights, by domain, of each topology that somebody named.
class Preferences {
 public:
  explicit Preferences(const Cluster* cluster) : cluster_(cluster) {}

  // `count_on` gives the pods of one of the group's nodes.
  template <typename Nodes, typename Count>
  void Add(const std::string& label, const Nodes& nodes, int64_t weight, const Count& count_on) {
    const Topology& topology = cluster_->TopologyOf(label);
    std::vector<int64_t>& sums = SumsOf(topology);
    for (const auto& [node, pods] : nodes) {
      const int domain = topology.domain_of_node[node];
      if (domain >= 0) sums[domain] += weight * count_on(pods);
    }
  }

  bool empty() const { return sums_.empty(); }
  int64_t At(int node) const {
    int64_t sum = 0;
    for (const auto& [topology, sums] : sums_) {
      const int domain = topology->domain_of_node[node];
      if (domain >= 0) sum += sums[domain];
    }
    return sum;
  }

 private:
  std::vector<int64_t>& SumsOf(const Topology& topology) {
    for (auto& [known, sums] : sums_) {
      if (known == &topology) return sums;
    }
    sums_.emplace_back(&topology, std::vector<int64_t>(topology.domains, 0));
    return sums_.back().second;
  }

  const Cluster* cluster_;
  std::vector<std::pair<const Topology*, std::vector<int64_t>>> sums_;
};

void AddOwn(const Cluster& cluster, const std::vector<AffinityTerm>& terms, int sign,
            Preferences* preferences) {
  if (terms.empty()) return;
  ForGroups(cluster, terms, [&](const LabelGroup& group) {
    for (const AffinityTerm& term : terms) {
      if (!term.Matches(group.name_space, cluster.NamespaceLabels(group.name_space),
                        group.labels)) {
        continue;
      }
      preferences->Add(term.topology_key, group.nodes, int64_t{sign} * term.weight,
                       [](const GroupCount& count) { return count.all; });
    }
  });
}

// What pods that are there prefer of this one.
void AddOthers(const Cluster& cluster, const Pod& pod, Preferences* preferences) {
  const Labels& namespace_labels = cluster.NamespaceLabels(pod.name_space);
  const auto add = [&](const AffinityGroup& group, const AffinityTerm& term, int64_t weight) {
    if (!term.Matches(pod.name_space, namespace_labels, pod.labels)) return;
    preferences->Add(term.topology_key, group.nodes, weight, [](int count) { return count; });
  };
  for (const AffinityGroup* group : cluster.affinity_groups()) {
    // A pod that requires others near it is the better off the more of them there are.
    for (const AffinityTerm& term : group->affinity->required) add(*group, term, 1);
    for (const AffinityTerm& term : group->affinity->preferred) add(*group, term, term.weight);
    for (const AffinityTerm& term : group->affinity->preferred_anti) {
      add(*group, term, -int64_t{term.weight});
    }
  }
}

}  // namespace

void RequiredAffinity::Met::Add(int node, int64_t by) {
  const int domain = topology->domain_of_node[node];
  if (domain < 0) return;
  counts[domain] += by;
  total += by;
}

int64_t RequiredAffinity::Met::At(int node) const {
  const int domain = topology->domain_of_node[node];
  return domain < 0 ? 0 : counts[domain];
}

RequiredAffinity::Met RequiredAffinity::MakeMet(const std::string& label) const {
  const Topology& topology = cluster_->TopologyOf(label);
  return {&topology, std::vector<int64_t>(topology.domains, 0)};
}

RequiredAffinity::RequiredAffinity(const Cluster& cluster, const Pod& pod)
    : cluster_(&cluster), pod_(&pod), namespace_labels_(&cluster.NamespaceLabels(pod.name_space)) {
  for (const AffinityTerm& term : RequiredOf(pod)) near_.push_back(MakeMet(term.topology_key));
  for (const AffinityTerm& term : RequiredAntiOf(pod)) apart_.push_back(MakeMet(term.topology_key));
  if (pod.affinity != nullptr && (!near_.empty() || !apart_.empty())) {
    std::vector<AffinityTerm> terms = pod.affinity->required;
    terms.insert(terms.end(), pod.affinity->required_anti.begin(),
                 pod.affinity->required_anti.end());
    ForGroups(cluster, terms, [this](const LabelGroup& group) { CountOwnTerms(group); });
  }
  for (const AffinityGroup* group : cluster.affinity_groups()) {
    for (const AffinityTerm& term : group->affinity->required_anti) {
      Met* met = OthersMet(term);
      if (met == nullptr) continue;
      for (const auto& [node, count] : group->nodes) met->Add(node, count);
    }
  }
}

bool RequiredAffinity::MatchesAllRequired(const std::string& name_space,
                                          const Labels& labels) const {
  const std::vector<AffinityTerm>& terms = RequiredOf(*pod_);
  const Labels& of_namespace = cluster_->NamespaceLabels(name_space);
  return !terms.empty() && std::all_of(terms.begin(), terms.end(), [&](const AffinityTerm& term) {
    return term.Matches(name_space, of_namespace, labels);
  });
}

void RequiredAffinity::CountOwnTerms(const LabelGroup& group) {
  if (MatchesAllRequired(group.name_space, group.labels)) {
    for (Met& met : near_) {
      for (const auto& [node, count] : group.nodes) met.Add(node, count.all);
    }
  }
  const std::vector<AffinityTerm>& anti = RequiredAntiOf(*pod_);
  for (size_t i = 0; i < anti.size(); ++i) {
    if (!anti[i].Matches(group.name_space, cluster_->NamespaceLabels(group.name_space),
                         group.labels)) {
      continue;
    }
    for (const auto& [node, count] : group.nodes) apart_[i].Add(node, count.all);
  }
}

RequiredAffinity::Met* RequiredAffinity::OthersMet(const AffinityTerm& term) {
  if (!term.Matches(pod_->name_space, *namespace_labels_, pod_->labels)) return nullptr;
  const Topology* topology = &cluster_->TopologyOf(term.topology_key);
  for (Met& met : others_) {
    if (met.topology == topology) return &met;
  }
  others_.push_back(MakeMet(term.topology_key));
  return &others_.back();
}

RequiredAffinity::Answer RequiredAffinity::Check(const Node& node) const {
  bool near_all = true;
  bool none_anywhere = true;
  for (const Met& met : near_) {
    if (met.topology->domain_of_node[node.index] < 0) return Answer::kNotNear;
    if (met.At(node.index) <= 0) near_all = false;
    if (met.total > 0) none_anywhere = false;
  }
  // The first of a series that wants to be together would else never start.
  if (!near_all && !(none_anywhere && MatchesAllRequired(pod_->name_space, pod_->labels))) {
    return Answer::kNotNear;
  }
  for (const Met& met : apart_) {
    if (met.At(node.index) > 0) return Answer::kTooNear;
  }
  for (const Met& met : others_) {
    if (met.At(node.index) > 0) return Answer::kOthersRefuse;
  }
  return Answer::kFits;
}

void RequiredAffinity::Update(const Pod& other, const Node& node, int by) {
  for (const AffinityTerm& term : RequiredAntiOf(other)) {
    if (Met* met = OthersMet(term); met != nullptr) met->Add(node.index, by);
  }
  if (MatchesAllRequired(other.name_space, other.labels)) {
    for (Met& met : near_) met.Add(node.index, by);
  }
  const std::vector<AffinityTerm>& anti = RequiredAntiOf(*pod_);
  for (size_t i = 0; i < anti.size(); ++i) {
    if (anti[i].Matches(other.name_space, cluster_->NamespaceLabels(other.name_space),
                        other.labels)) {
      apart_[i].Add(node.index, by);
    }
  }
}

void ScoreAffinity(const Cluster& cluster, const Pod& pod, absl::Span<const Node* const> nodes,
                   std::vector<int64_t>* scores) {
  scores->assign(nodes.size(), 0);
  Preferences preferences(&cluster);
  if (pod.affinity != nullptr) {
    AddOwn(cluster, pod.affinity->preferred, 1, &preferences);
    AddOwn(cluster, pod.affinity->preferred_anti, -1, &preferences);
  }
  AddOthers(cluster, pod, &preferences);
  if (preferences.empty()) return;
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = std::numeric_limits<int64_t>::min();
  for (size_t i = 0; i < nodes.size(); ++i) {
    (*scores)[i] = preferences.At(nodes[i]->index);
    least = std::min(least, (*scores)[i]);
    most = std::max(most, (*scores)[i]);
  }
  for (int64_t& score : *scores) {
    score = most == least ? 0
                          : static_cast<int64_t>(100 * (static_cast<double>(score - least) /
                                                        static_cast<double>(most - least)));
  }
}

}  // namespace keelson::scheduler
