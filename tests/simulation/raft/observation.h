// What the checkers share: the state of a member before and after it was given one input.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_OBSERVATION_H_
#define KEELSON_TESTS_SIMULATION_RAFT_OBSERVATION_H_

#include <array>
#include <memory>
#include <vector>

#include "raft/raw_node.h"
#include "tests/simulation/raft/counters.h"
#include "tests/simulation/raft/invariants.h"
#include "tests/simulation/raft/ledger.h"
#include "tests/simulation/raft/member.h"
#include "tests/simulation/raft/options.h"

namespace keelson::raft::simulation {

// By id - 1; ids are given out without gaps.
using Members = std::vector<std::unique_ptr<Member>>;

enum class Cause : uint8_t {
  kStart,
  kTick,
  kMissedTick,  // one of several after a pause; the last is a kTick
  kMessage,
  kTakeReady,  // not an input, but a removed leader may step down in it
  kPropose,
  kProposeConfChange,
  kRead,
  kWritten,
  kApplied,
  kApplyConfChange,
  kUnreachable,
  kSnapshotReport,
  kStorageStalled,
  kCampaign,
  kTransfer,
  kForget,
};

// What of a Status is compared with the one after the next input.
struct Seen {
  Term term = {};
  NodeId vote = {};
  Role role = Role::kFollower;
  NodeId leader = {};
  LogIndex commit = {};
  LogIndex applied = {};
  LogIndex last = {};
  NodeId transferee = {};
};

struct Observation {
  const Member& member;
  Cause cause;
  const Message* message;  // kMessage
  const Seen& before;
  const Status& now;

  bool BecameLeader() const {
    return now.role == Role::kLeader && (before.role != Role::kLeader || now.term > before.term);
  }
};

// What all checkers see and write to.
struct CheckContext {
  const Options& options;
  const Members& members;
  Ledger& ledger;
  Verdict& verdict;
  Counters& counters;

  Member* Find(NodeId id) const {
    const uint64_t position = id.value() - 1;
    return position < members.size() ? members[position].get() : nullptr;
  }
};

template <typename T>
using PerMember = std::array<T, kMembersMax + 1>;  // by id

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_OBSERVATION_H_
