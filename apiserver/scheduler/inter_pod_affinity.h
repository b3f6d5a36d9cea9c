// Pods near others, or away from them: what a pod requires of the pods around it, what those that
// are there require of it, and what both would prefer.
//
// Values that belong to one decision; the cluster must not change meanwhile. Thread: one.
#ifndef KEELSON_APISERVER_SCHEDULER_INTER_POD_AFFINITY_H_
#define KEELSON_APISERVER_SCHEDULER_INTER_POD_AFFINITY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/pod.h"

namespace keelson::scheduler {

class RequiredAffinity {
 public:
  enum class Answer { kFits, kNotNear, kTooNear, kOthersRefuse };

  RequiredAffinity(const Cluster& cluster, const Pod& pod);

  Answer Check(const Node& node) const;
  // As if `other` came to the node (by = 1) or left it (-1).
  void Update(const Pod& other, const Node& node, int by);

 private:
  // How often a term of one side is met by the other, by domain of its topology.
  struct Met {
    const Topology* topology;
    std::vector<int64_t> counts;
    int64_t total = 0;

    void Add(int node, int64_t by);
    int64_t At(int node) const;
  };
  Met MakeMet(const std::string& label) const;
  bool MatchesAllRequired(const std::string& name_space, const Labels& labels) const;
  void CountOwnTerms(const LabelGroup& group);
  // nullptr: another pod's term does not mean this one.
  Met* OthersMet(const AffinityTerm& term);

  const Cluster* cluster_;
  const Pod* pod_;
  const Labels* namespace_labels_;
  std::vector<Met> near_;    // by the pod's required terms
  std::vector<Met> apart_;   // by its required anti-affinity terms
  std::vector<Met> others_;  // by topologies of others' anti-affinity terms that mean this pod
};

// 0 to 100 for each of the nodes; 0 for all if nobody prefers anything.
void ScoreAffinity(const Cluster& cluster, const Pod& pod, absl::Span<const Node* const> nodes,
                   std::vector<int64_t>* scores);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_INTER_POD_AFFINITY_H_
