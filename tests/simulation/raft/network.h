// Network: decides whether, when and how often a message arrives, and keeps it until then. Links
// have a latency each, may be cut one way, lose, repeat, delay and reorder.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_NETWORK_H_
#define KEELSON_TESTS_SIMULATION_RAFT_NETWORK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "raft/types.h"
#include "tests/simulation/raft/dice.h"
#include "tests/simulation/raft/event_queue.h"
#include "tests/simulation/raft/member.h"
#include "tests/simulation/raft/options.h"

namespace keelson::raft::simulation {

class Network {
 public:
  Network(const Options& options, Dice& dice);

  // When a message that leaves now arrives: not at all, once or twice.
  struct Arrivals {
    std::array<Time, 2> at = {};
    size_t count = 0;
  };
  Arrivals DrawArrivals(const Message& message, Time now);
  // Keeps a message that is under way; its slot.
  uint64_t Keep(Message message);
  Message Take(uint64_t slot);
  size_t under_way() const { return slots_.size() - free_.size(); }

  bool IsCut(NodeId from, NodeId to) const { return cut_[from.value()][to.value()]; }
  void SetCut(NodeId from, NodeId to, bool cut) { cut_[from.value()][to.value()] = cut; }
  // Cuts or mends all between `member` and the others.
  void SetIsolated(NodeId member, bool isolated);
  void MendAll();
  // From now on nothing is lost, repeated or delayed any more.
  void StopFaults();

 private:
  template <typename T>
  using Links = std::array<std::array<T, kMembersMax + 1>, kMembersMax + 1>;

  Options options_;
  Dice& dice_;
  Links<Time> latency_ = {};
  Links<Time> newest_ = {};  // arrival of the newest message, for links that keep the order
  Links<bool> cut_ = {};
  std::vector<Message> slots_;
  std::vector<uint64_t> free_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_NETWORK_H_
