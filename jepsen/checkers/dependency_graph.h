// A graph of what must have come before what, with the kinds of the reasons, and the search for a
// cycle of certain kinds.
#ifndef KEELSON_JEPSEN_CHECKERS_DEPENDENCY_GRAPH_H_
#define KEELSON_JEPSEN_CHECKERS_DEPENDENCY_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace keelson::checkers {

class DependencyGraph {
 public:
  enum Kind : uint8_t { kWriteWrite = 1, kWriteRead = 2, kReadWrite = 4, kRealTime = 8 };
  struct Edge {
    size_t from = 0;
    size_t to = 0;
    Kind kind = kWriteWrite;
  };

  explicit DependencyGraph(size_t nodes) : edges_(nodes) {}
  size_t size() const { return edges_.size(); }
  // An edge of a node to itself is left out.
  void Add(size_t from, size_t to, Kind kind);

  // A shortest cycle through some node, of edges whose kinds are in `kinds`; empty: there is none.
  std::vector<Edge> FindCycle(uint8_t kinds) const;
  // The same with exactly one edge of kind `once`, the others of `kinds`.
  std::vector<Edge> FindCycleWithOne(Kind once, uint8_t kinds) const;

 private:
  // By node, its strongly connected component by edges of `kinds`.
  std::vector<size_t> Components(uint8_t kinds) const;
  // A shortest path of edges of `kinds`; empty: there is none.
  std::vector<Edge> Path(size_t from, size_t to, uint8_t kinds) const;

  std::vector<std::vector<Edge>> edges_;  // by where they begin
};

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_DEPENDENCY_GRAPH_H_
