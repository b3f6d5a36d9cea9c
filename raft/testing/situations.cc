#include "raft/testing/situations.h"

#include <utility>

#include "raft/conf_change.h"
#include "raft/testing/describe.h"

namespace keelson::raft {

void PreVote(Config& config) { config.pre_vote = true; }
void CheckQuorum(Config& config) { config.check_quorum = true; }
void PreVoteAndCheckQuorum(Config& config) {
  config.pre_vote = true;
  config.check_quorum = true;
}

MemoryLog DiskWith(const std::vector<uint64_t>& terms, uint64_t term, uint64_t vote) {
  MemoryLog log;
  LogWrite write;
  write.hard_state = HardState{Term{term}, NodeId{vote}, LogIndex{0}};
  for (uint64_t entry_term : terms) {
    const LogIndex index{write.entries.size() + 1};
    write.entries.push_back({.term = Term{entry_term}, .index = index});
  }
  log.Write(write);
  return log;
}

MemoryLog DiskFrom(const Snapshot& snapshot) {
  MemoryLog log(snapshot.id);
  log.Write({.hard_state = HardState{snapshot.id.term, NodeId{0}, snapshot.id.index}});
  log.SetSnapshot(snapshot);
  return log;
}

std::vector<NodeId> Ids(const std::vector<uint64_t>& ids) {
  std::vector<NodeId> nodes;
  for (uint64_t id : ids) nodes.push_back(NodeId{id});
  return nodes;
}

ConfChange AddVoter(uint64_t id) {
  return {.steps = {{.type = ConfChangeType::kAddVoter, .node = NodeId{id}}}};
}

ConfChange AddLearner(uint64_t id) {
  return {.steps = {{.type = ConfChangeType::kAddLearner, .node = NodeId{id}}}};
}

ConfChange Remove(uint64_t id) {
  return {.steps = {{.type = ConfChangeType::kRemove, .node = NodeId{id}}}};
}

ConfChange Joint(const std::vector<ConfChange>& changes, ConfTransition transition) {
  ConfChange joint{.transition = transition};
  for (const ConfChange& change : changes) {
    joint.steps.insert(joint.steps.end(), change.steps.begin(), change.steps.end());
  }
  return joint;
}

Entry ChangeEntry(uint64_t term, uint64_t index, const ConfChange& change) {
  return {.term = Term{term},
          .index = LogIndex{index},
          .type = EntryType::kConfChange,
          .data = EncodeConfChange(change)};
}

std::string LogOf(TestCluster& cluster, uint64_t id) {
  return Describe(cluster.node(id).disk().entries());
}

Message From(uint64_t from, uint64_t to, uint64_t term, MessageBody body) {
  return {NodeId{from}, NodeId{to}, Term{term}, std::move(body)};
}

}  // namespace keelson::raft
