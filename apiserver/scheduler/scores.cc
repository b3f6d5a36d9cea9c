#include "apiserver/scheduler/scores.h"

#include <algorithm>
#include <cmath>

#include "apiserver/scheduler/inter_pod_affinity.h"
#include "apiserver/scheduler/topology_spread.h"

namespace keelson::scheduler {
namespace {

using Nodes = absl::Span<const Node* const>;

constexpr int64_t kMost = 100;
constexpr int64_t kTaintWeight = 3;
constexpr int64_t kNodeAffinityWeight = 2;
constexpr int64_t kSpreadWeight = 2;
constexpr int64_t kPodAffinityWeight = 2;

constexpr int64_t kMegabyte = 1024 * 1024;
constexpr int64_t kImagesLeast = 23 * kMegabyte;
constexpr int64_t kImagesMostOfContainer = 1000 * kMegabyte;

void Add(const std::vector<int64_t>& scores, int64_t weight, std::vector<int64_t>* totals) {
  for (size_t i = 0; i < scores.size(); ++i) (*totals)[i] += weight * scores[i];
}

// Shares of the highest: 100 is the highest, or, reversed, none at all.
void Normalize(bool reversed, std::vector<int64_t>* scores) {
  const int64_t highest = scores->empty() ? 0 : *std::max_element(scores->begin(), scores->end());
  for (int64_t& score : *scores) {
    const int64_t share = highest == 0 ? 0 : kMost * score / highest;
    score = reversed ? kMost - share : share;
  }
}

void ScoreTaints(const Pod& pod, Nodes nodes, std::vector<int64_t>* totals) {
  std::vector<int64_t> scores(nodes.size(), 0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const Taint& taint : nodes[i]->facts.taints) {
      const bool counts = taint.effect == TaintEffect::kPreferNoSchedule;
      if (counts && !Tolerate(pod.tolerations, taint)) ++scores[i];
    }
  }
  Normalize(true, &scores);
  Add(scores, kTaintWeight, totals);
}

void ScoreNodeAffinity(const Pod& pod, Nodes nodes, std::vector<int64_t>* totals) {
  if (pod.preferred_nodes.empty()) return;
  std::vector<int64_t> scores(nodes.size(), 0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const PreferredNodes& preferred : pod.preferred_nodes) {
      if (preferred.term.Matches(nodes[i]->facts.labels, nodes[i]->facts.name)) {
        scores[i] += preferred.weight;
      }
    }
  }
  Normalize(false, &scores);
  Add(scores, kNodeAffinityWeight, totals);
}

int64_t FreeShare(int64_t requested, int64_t allocatable) {
  if (allocatable == 0 || requested > allocatable) return 0;
  return (allocatable - requested) * kMost / allocatable;
}

// The emptier the better: the mean of what is free of cpu and memory.
int64_t LeastAllocated(const Pod& pod, const Node& node) {
  const Resources& all = node.facts.allocatable;
  const int kinds = (all.milli_cpu > 0 ? 1 : 0) + (all.memory > 0 ? 1 : 0);
  if (kinds == 0) return 0;
  return (FreeShare(node.scored_milli_cpu + pod.requests.scored_milli_cpu, all.milli_cpu) +
          FreeShare(node.scored_memory + pod.requests.scored_memory, all.memory)) /
         kinds;
}

// The nearer the used shares of cpu and memory are to each other the better.
int64_t Balance(const Pod& pod, const Node& node) {
  const Resources& all = node.facts.allocatable;
  if (all.milli_cpu == 0 || all.memory == 0) return kMost;
  const auto share = [](int64_t used, int64_t allocatable) {
    return std::min(1.0, static_cast<double>(used) / static_cast<double>(allocatable));
  };
  const Resources& asked = pod.requests.resources;
  const double cpu = share(node.requested.milli_cpu + asked.milli_cpu, all.milli_cpu);
  const double memory = share(node.requested.memory + asked.memory, all.memory);
  return static_cast<int64_t>((1 - std::abs(cpu - memory) / 2) * static_cast<double>(kMost));
}

void ScoreResources(const Pod& pod, Nodes nodes, std::vector<int64_t>* totals) {
  const Resources& asked = pod.requests.resources;
  const bool balances = asked.milli_cpu != 0 || asked.memory != 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    (*totals)[i] += LeastAllocated(pod, *nodes[i]);
    if (balances) (*totals)[i] += Balance(pod, *nodes[i]);
  }
}

// Images that are there need not be pulled; one that few nodes have counts less, so that these are
// not overrun.
void ScoreImages(const Cluster& cluster, const Pod& pod, Nodes nodes,
                 std::vector<int64_t>* totals) {
  std::vector<int64_t> bytes(nodes.size(), 0);
  bool any = false;
  for (const std::string& image : pod.images) {
    const auto* on = cluster.ImageNodes(image);
    if (on == nullptr) continue;
    any = true;
    const double spread =
        static_cast<double>(on->size()) / static_cast<double>(cluster.node_count());
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto found = on->find(nodes[i]->index);
      if (found == on->end()) continue;
      bytes[i] += static_cast<int64_t>(static_cast<double>(found->second) * spread);
    }
  }
  if (!any) return;
  const int64_t most = kImagesMostOfContainer * pod.containers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const int64_t there = std::clamp(bytes[i], kImagesLeast, most);
    (*totals)[i] += kMost * (there - kImagesLeast) / (most - kImagesLeast);
  }
}

}  // namespace

std::vector<int64_t> ScoreNodes(const Cluster& cluster, const Pod& pod, Nodes nodes) {
  std::vector<int64_t> totals(nodes.size(), 0);
  ScoreTaints(pod, nodes, &totals);
  ScoreNodeAffinity(pod, nodes, &totals);
  ScoreResources(pod, nodes, &totals);
  ScoreImages(cluster, pod, nodes, &totals);
  std::vector<int64_t> scores;
  ScoreSpread(cluster, pod, nodes, &scores);
  Add(scores, kSpreadWeight, &totals);
  ScoreAffinity(cluster, pod, nodes, &scores);
  Add(scores, kPodAffinityWeight, &totals);
  return totals;
}

}  // namespace keelson::scheduler
