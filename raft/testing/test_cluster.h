// TestCluster: a few TestNodes and the messages between them, for behaviour tests. Settle() lets
// everything happen until nothing moves; Cut, Isolate and Drop are faults until Heal().
#ifndef KEELSON_RAFT_TESTING_TEST_CLUSTER_H_
#define KEELSON_RAFT_TESTING_TEST_CLUSTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "raft/testing/test_node.h"
#include "raft/types.h"

namespace keelson::raft {

class TestCluster {
 public:
  using Adjust = std::function<void(Config&)>;
  // Voters 1..n; `adjust` changes the config of each.
  explicit TestCluster(uint64_t nodes, const Adjust& adjust = {});
  // Members that start from what their disks hold.
  TestCluster(uint64_t nodes, const Adjust& adjust, std::vector<MemoryLog> logs);

  TestNode& node(uint64_t id) { return *nodes_.at(id - 1); }
  RawNode& raft(uint64_t id) { return node(id).raft(); }
  uint64_t size() const { return nodes_.size(); }

  // Runs the nodes and delivers messages until nothing moves.
  void Settle();
  // As Settle, but keeps the messages sent by `id` and returns them.
  std::vector<Message> RunAndIntercept(uint64_t id);
  void Deliver(Message message);
  void TickAll(int ticks);

  // node(id) applies what it can and campaigns, and everything settles.
  void Elect(uint64_t id);
  ProposeResult Propose(uint64_t id, std::string_view data);
  // Proposes and settles.
  void Write(uint64_t id, std::string_view data);

  void Cut(uint64_t a, uint64_t b);  // both ways
  void Isolate(uint64_t id);
  void Heal() {
    cut_.clear();
    drop_ = {};
  }
  // Messages for which `drop` is true are lost.
  void Drop(std::function<bool(const Message&)> drop) { drop_ = std::move(drop); }

  // 0: none. REQUIRES: no two in the highest term.
  uint64_t Leader() const;
  // Payloads of commands applied at `id`, changes of membership and empty entries left out.
  std::vector<std::string> Applied(uint64_t id);

 private:
  bool IsLost(const Message& message) const;

  std::vector<std::unique_ptr<TestNode>> nodes_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::function<bool(const Message&)> drop_;
};

template <typename Body>
bool Is(const Message& message) {
  return std::holds_alternative<Body>(message.body);
}
template <typename Body>
const Body& As(const Message& message) {
  return std::get<Body>(message.body);
}

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_TEST_CLUSTER_H_
