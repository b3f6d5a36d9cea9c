// LoneMember: member 1 of a cluster whose other members are the test itself: it says what they
// send and looks at what is sent to them. What the member writes and applies is done at once by
// Sent(); a test that wants it later drives node().
#ifndef KEELSON_RAFT_TESTING_LONE_MEMBER_H_
#define KEELSON_RAFT_TESTING_LONE_MEMBER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "raft/raw_node.h"
#include "raft/testing/memory_log.h"
#include "raft/testing/test_cluster.h"
#include "raft/testing/test_node.h"
#include "raft/types.h"

namespace keelson::raft {

class LoneMember {
 public:
  // Of voters 1..n, with the defaults of the tests.
  void Start(uint64_t voters, MemoryLog disk = MemoryLog());
  // The hard state is the disk's.
  void Start(Config config, MemoryLog disk = MemoryLog(), uint64_t seed = 1);

  TestNode& node() { return *node_; }
  RawNode& raft() { return node_->raft(); }
  // What a leader believes of `id`. REQUIRES: a leader that knows it.
  ProgressStatus progress(uint64_t id);

  void Receive(uint64_t from, uint64_t term, MessageBody body);
  // In the present term.
  void Hear(uint64_t from, MessageBody body);
  // What has left, once all is written and applied.
  std::vector<Message> Sent();
  // Of one kind only.
  template <typename Body>
  std::vector<Body> SentOf() {
    std::vector<Body> bodies;
    for (const Message& message : Sent()) {
      if (Is<Body>(message)) bodies.push_back(As<Body>(message));
    }
    return bodies;
  }

  void BecomeCandidate();
  // The others grant their (pre-)votes until it leads; what it then sends is taken.
  void BecomeLeader();
  void AcceptFrom(uint64_t peer, uint64_t index);
  ProposeResult Propose(std::string_view data);
  void Tick(int ticks);

 private:
  std::unique_ptr<TestNode> node_;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_LONE_MEMBER_H_
