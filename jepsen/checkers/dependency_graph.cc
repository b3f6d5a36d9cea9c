#include "jepsen/checkers/dependency_graph.h"

#include <algorithm>
#include <deque>

namespace keelson::checkers {

void DependencyGraph::Add(size_t from, size_t to, Kind kind) {
  if (from != to) edges_[from].push_back({from, to, kind});
}

// Tarjan's algorithm, with a stack of its own: histories are longer than a thread's stack is deep.
std::vector<size_t> DependencyGraph::Components(uint8_t kinds) const {
  constexpr size_t kUnseen = SIZE_MAX;
  struct Visit {
    size_t node;
    size_t edge;
  };
  std::vector<size_t> number(size(), kUnseen), low(size()), component(size(), kUnseen);
  std::vector<size_t> open;
  std::vector<Visit> visits;
  size_t seen = 0, components = 0;
  const auto enter = [&](size_t node) {
    number[node] = low[node] = seen++;
    open.push_back(node);
    visits.push_back({node, 0});
  };
  for (size_t root = 0; root < size(); ++root) {
    if (number[root] == kUnseen) enter(root);
    while (!visits.empty()) {
      Visit& visit = visits.back();
      const size_t node = visit.node;
      if (visit.edge < edges_[node].size()) {
        const Edge& edge = edges_[node][visit.edge++];
        if ((edge.kind & kinds) == 0) continue;
        if (number[edge.to] == kUnseen) {
          enter(edge.to);
        } else if (component[edge.to] == kUnseen) {
          low[node] = std::min(low[node], number[edge.to]);
        }
        continue;
      }
      visits.pop_back();
      if (!visits.empty()) low[visits.back().node] = std::min(low[visits.back().node], low[node]);
      if (low[node] != number[node]) continue;
      while (component[node] == kUnseen) {
        component[open.back()] = components;
        open.pop_back();
      }
      ++components;
    }
  }
  return component;
}

std::vector<DependencyGraph::Edge> DependencyGraph::Path(size_t from, size_t to,
                                                         uint8_t kinds) const {
  std::vector<const Edge*> by(size(), nullptr);
  std::deque<size_t> queue = {from};
  while (!queue.empty() && by[to] == nullptr) {
    const size_t node = queue.front();
    queue.pop_front();
    for (const Edge& edge : edges_[node]) {
      if ((edge.kind & kinds) == 0 || by[edge.to] != nullptr || edge.to == from) continue;
      by[edge.to] = &edge;
      queue.push_back(edge.to);
    }
  }
  std::vector<Edge> path;
  for (size_t node = to; node != from && by[node] != nullptr; node = by[node]->from) {
    path.push_back(*by[node]);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

std::vector<DependencyGraph::Edge> DependencyGraph::FindCycle(uint8_t kinds) const {
  const std::vector<size_t> component = Components(kinds);
  for (const auto& edges : edges_) {
    for (const Edge& edge : edges) {
      if ((edge.kind & kinds) == 0 || component[edge.from] != component[edge.to]) continue;
      std::vector<Edge> cycle = Path(edge.to, edge.from, kinds);
      cycle.insert(cycle.begin(), edge);
      return cycle;
    }
  }
  return {};
}

std::vector<DependencyGraph::Edge> DependencyGraph::FindCycleWithOne(Kind once,
                                                                     uint8_t kinds) const {
  const std::vector<size_t> component = Components(static_cast<uint8_t>(kinds | once));
  for (const auto& edges : edges_) {
    for (const Edge& edge : edges) {
      if (edge.kind != once || component[edge.from] != component[edge.to]) continue;
      std::vector<Edge> cycle = Path(edge.to, edge.from, kinds);
      if (cycle.empty()) continue;
      cycle.insert(cycle.begin(), edge);
      return cycle;
    }
  }
  return {};
}

}  // namespace keelson::checkers
