#include "raft/testing/test_cluster.h"

#include <string>

#include "base/check.h"

namespace keelson::raft {

TestCluster::TestCluster(uint64_t nodes, const Adjust& adjust)
    : TestCluster(nodes, adjust, std::vector<MemoryLog>(nodes)) {}

TestCluster::TestCluster(uint64_t nodes, const Adjust& adjust, std::vector<MemoryLog> logs) {
  for (uint64_t id = 1; id <= nodes; ++id) {
    Config config = TestConfig(id, nodes);
    config.hard_state = logs[id - 1].hard_state();
    if (adjust) adjust(config);
    nodes_.push_back(std::make_unique<TestNode>(config, std::move(logs[id - 1]), id));
  }
}

bool TestCluster::IsLost(const Message& message) const {
  return cut_.contains({message.from, message.to}) || (drop_ && drop_(message));
}

void TestCluster::Deliver(Message message) {
  const uint64_t to = message.to.value();
  if (to == 0 || to > nodes_.size() || !node(to).alive() || IsLost(message)) return;
  raft(to).Step(std::move(message));
}

void TestCluster::Settle() {
  bool moved = true;
  while (moved) {
    moved = false;
    for (auto& node : nodes_) {
      if (!node->alive()) continue;
      node->Run();
      for (Message& message : node->TakeSent()) {
        Deliver(std::move(message));
        moved = true;
      }
    }
  }
}

std::vector<Message> TestCluster::RunAndIntercept(uint64_t id) {
  node(id).Run();
  return node(id).TakeSent();
}

void TestCluster::TickAll(int ticks) {
  for (int i = 0; i < ticks; ++i) {
    for (auto& node : nodes_) {
      if (node->alive()) node->raft().Tick();
    }
    Settle();
  }
}

void TestCluster::Elect(uint64_t id) {
  node(id).Run();  // after a restart, what is committed is applied first
  raft(id).Campaign();
  Settle();
}

ProposeResult TestCluster::Propose(uint64_t id, std::string_view data) {
  return raft(id).Propose({{.data = SharedBytes::Copy(data)}});
}

void TestCluster::Write(uint64_t id, std::string_view data) {
  Propose(id, data);
  Settle();
}

void TestCluster::Cut(uint64_t a, uint64_t b) {
  cut_.insert({NodeId{a}, NodeId{b}});
  cut_.insert({NodeId{b}, NodeId{a}});
}

void TestCluster::Isolate(uint64_t id) {
  for (uint64_t other = 1; other <= size(); ++other) {
    if (other != id) Cut(id, other);
  }
}

uint64_t TestCluster::Leader() const {
  uint64_t leader = 0;
  Term term;
  for (const auto& node : nodes_) {
    if (!node->alive() || node->raft().role() != Role::kLeader) continue;
    KV_CHECK(leader == 0 || node->raft().term() != term) << "two leaders in term " << term;
    if (leader != 0 && node->raft().term() < term) continue;
    leader = node->id().value();
    term = node->raft().term();
  }
  return leader;
}

std::vector<std::string> TestCluster::Applied(uint64_t id) {
  std::vector<std::string> data;
  for (const Entry& entry : node(id).applied()) {
    if (entry.type == EntryType::kNormal && !entry.data.empty())
      data.emplace_back(entry.data.view());
  }
  return data;
}

}  // namespace keelson::raft
