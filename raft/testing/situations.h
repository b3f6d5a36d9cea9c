// Situations: the words in which behaviour tests say how a cluster begins and what a peer says to
// it.
#ifndef KEELSON_RAFT_TESTING_SITUATIONS_H_
#define KEELSON_RAFT_TESTING_SITUATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "raft/raw_node.h"
#include "raft/testing/memory_log.h"
#include "raft/testing/test_cluster.h"
#include "raft/types.h"

namespace keelson::raft {

// For TestCluster::Adjust.
void PreVote(Config& config);
void CheckQuorum(Config& config);
void PreVoteAndCheckQuorum(Config& config);

// A disk with entries of these terms, from index 1 on, and a hard state in `term`.
MemoryLog DiskWith(const std::vector<uint64_t>& terms, uint64_t term, uint64_t vote = 0);

// A disk whose log begins behind a snapshot, in the term of its last entry; for Config::applied and
// Config::conf of the same.
MemoryLog DiskFrom(const Snapshot& snapshot);

std::vector<NodeId> Ids(const std::vector<uint64_t>& ids);

// Changes of membership, by one step.
ConfChange AddVoter(uint64_t id);
ConfChange AddLearner(uint64_t id);
ConfChange Remove(uint64_t id);
// By all steps of `changes`, through a joint configuration.
ConfChange Joint(const std::vector<ConfChange>& changes,
                 ConfTransition transition = ConfTransition::kJointImplicit);
Entry ChangeEntry(uint64_t term, uint64_t index, const ConfChange& change);

// What is on the disk of a member.
std::string LogOf(TestCluster& cluster, uint64_t id);

Message From(uint64_t from, uint64_t to, uint64_t term, MessageBody body);

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_SITUATIONS_H_
