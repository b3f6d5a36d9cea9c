// Quorum: who has won, and what a majority has reached. Pure functions of counts and values; which
// members vote is the tracker's knowledge. A joint configuration needs both of its halves: its
// answer is the weaker of theirs, and an empty half has no say.
#ifndef KEELSON_RAFT_QUORUM_H_
#define KEELSON_RAFT_QUORUM_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace keelson::raft {

enum class VoteResult : uint8_t { kPending, kWon, kLost };

struct VoteCount {
  size_t voters = 0;
  size_t granted = 0;
  size_t rejected = 0;
};

constexpr size_t MajorityOf(size_t voters) { return voters / 2 + 1; }

// Nobody to ask: won, so that the empty half of a joint configuration has no say.
VoteResult MajorityVote(const VoteCount& count);

// The largest value that a majority has reached; `values` holds one per voter and is reordered.
// No voters: the largest possible value, so that the empty half of a joint configuration has no
// say.
uint64_t MajorityReached(std::span<uint64_t> values);

// Won in both halves; lost as soon as it is lost in one.
VoteResult JointVote(VoteResult a, VoteResult b);
// What a majority of each half has reached.
constexpr uint64_t JointReached(uint64_t a, uint64_t b) { return a < b ? a : b; }

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_QUORUM_H_
