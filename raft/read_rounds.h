// ReadRounds: the leader's linearizable reads on their way (thesis 6.4). Requests that wait
// together form a round: one commit index, one broadcast of heartbeats that carry the round's
// number, one quorum. The numbers never repeat in the life of a node, so that a late answer cannot
// confirm a later round, and an answer to a round confirms all before it.
//
// Bounded: requests of other members beyond kPeerRequestsMax are refused; they ask again.
#ifndef KEELSON_RAFT_READ_ROUNDS_H_
#define KEELSON_RAFT_READ_ROUNDS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/types.h"

namespace keelson::raft {

struct ReadRequest {
  NodeId from;  // the node itself, or the member whose batch this is
  uint64_t context = 0;
};

struct ReadRound {
  uint64_t number = 0;
  LogIndex index;  // the commit index when it began: what its reads must see
  std::vector<ReadRequest> requests;
};

class ReadRounds {
 public:
  // Rounds under way at once. With one, a request that just missed a round waits for two round
  // trips; with many, a busy leader would send heartbeats for every few reads.
  static constexpr size_t kUnderWayMax = 2;
  static constexpr size_t kPeerRequestsMax = 1024;

  void AddOwn(ReadRequest request) { waiting_.push_back(request); }
  // False: refused.
  bool AddOfPeer(ReadRequest request);

  bool HasWaiting() const { return !waiting_.empty(); }
  bool CanBegin() const { return HasWaiting() && under_way_.size() < kUnderWayMax; }
  // All that wait become a round at `index`; returns its number. REQUIRES: CanBegin().
  uint64_t Begin(LogIndex index);
  // The newest round under way; 0: none.
  uint64_t newest() const { return under_way_.empty() ? 0 : under_way_.back().number; }
  // Newest number given out so far, under way or not.
  uint64_t last_number() const { return last_number_; }
  // A number for a heartbeat that is to be confirmed without a read waiting for it.
  uint64_t NewNumber() { return ++last_number_; }
  // A quorum answered `number`: that round and all before it.
  std::vector<ReadRound> TakeConfirmed(uint64_t number);
  // All that wait, as a round at `index` that needs no confirmation.
  ReadRound TakeWaiting(LogIndex index);
  // A change of term or role: forgets everything, returns what was asked.
  std::vector<ReadRequest> TakeAll();

 private:
  std::vector<ReadRequest> waiting_;
  std::deque<ReadRound> under_way_;  // by number
  uint64_t last_number_ = 0;         // only grows
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_READ_ROUNDS_H_
