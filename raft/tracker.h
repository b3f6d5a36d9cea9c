// Tracker: the members and what is believed of each; answers the questions that need a quorum.
// Members are kept and visited in the order of their ids. Learners are replicated to and never
// counted.
//
// A joint configuration gives a voter of the outgoing half a mark of its own, and every question
// the weaker answer of the two halves; no caller changes.
#ifndef KEELSON_RAFT_TRACKER_H_
#define KEELSON_RAFT_TRACKER_H_

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "raft/inflights.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/types.h"

namespace keelson::raft {

class Tracker {
 public:
  // REQUIRES: not a joint configuration; no id is 0 or named twice.
  Tracker(const ConfState& conf, const InflightLimits& limits);

  // nullptr: not a member.
  Progress* Find(NodeId id);
  const Progress* Find(NodeId id) const;
  bool IsVoter(NodeId id) const;
  bool IsOnlyVoter(NodeId id) const { return voters_ == 1 && IsVoter(id); }
  std::vector<Progress>& members() { return members_; }
  const std::vector<Progress>& members() const { return members_; }

  // A new term or role: forgets all answers.
  void Reset(LogIndex last);
  void ResetVotes();
  // The first answer of a member in an election counts.
  void RecordVote(NodeId id, bool granted);
  VoteResult CountVotes() const;

  // The largest index a quorum holds.
  LogIndex CommittedIndex() const;
  // The newest read-index round a quorum confirmed.
  uint64_t ConfirmedReadRound() const;
  // A quorum was heard from since the last time; starts the next interval. `self` counts as heard.
  bool TakeQuorumActive(NodeId self);

 private:
  template <typename Value>
  uint64_t Reached(Value value) const;

  std::vector<Progress> members_;  // by id
  size_t voters_ = 0;
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TRACKER_H_
