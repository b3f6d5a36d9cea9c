// What a quorum decides, from its definition and over all sets of voters: slow, and short enough to
// be believed. For tests of the functions that answer the same fast.
//
// A configuration is given by its halves, one or two; each ascends. A quorum is a set of members
// that holds more than half of each half; an empty half asks for nobody.
#ifndef KEELSON_RAFT_TESTING_QUORUM_DEFINITION_H_
#define KEELSON_RAFT_TESTING_QUORUM_DEFINITION_H_

#include <cstdint>
#include <map>
#include <vector>

#include "base/types.h"
#include "raft/quorum.h"

namespace keelson::raft {

using Half = std::vector<NodeId>;
using Halves = std::vector<Half>;

// All members of any half, ascending.
Half MembersOf(const Halves& halves);
bool IsQuorum(const Halves& halves, const Half& members);
// All subsets of `members`, each ascending.
std::vector<Half> SubsetsOf(const Half& members);

// The largest value that all of some quorum have reached; who is not named has reached 0. No
// voters: the largest possible.
uint64_t ReachedByDefinition(const Halves& halves, const std::map<NodeId, uint64_t>& reached);

// Won or lost if it will be however those answer who have not; otherwise pending.
VoteResult VoteByDefinition(const Halves& halves, const std::map<NodeId, bool>& votes);

// Some quorum of `a` and some of `b` share nobody.
bool CanDecideApart(const Halves& a, const Halves& b);

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TESTING_QUORUM_DEFINITION_H_
