// Tracker: who takes part, and what is believed of each; answers the questions that need a quorum.
// Members are kept and visited in the order of their ids. Learners are replicated to and never
// counted. In a joint configuration every answer is the weaker one of its two halves (thesis 4.3).
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
  // REQUIRES: CheckConf(conf) is ok.
  Tracker(const ConfState& conf, const InflightLimits& limits);

  // The membership becomes `conf`. What is believed of members that stay is kept; a new one is
  // probed from the end of the log, `last`, on, and counts as heard until the next check-quorum, so
  // that it has time to answer. REQUIRES: CheckConf(conf) is ok.
  void SetConf(const ConfState& conf, LogIndex last);
  const ConfState& conf() const { return conf_; }

  // nullptr: not a member.
  Progress* Find(NodeId id);
  const Progress* Find(NodeId id) const;
  // In either half.
  bool IsVoter(NodeId id) const;
  bool IsOnlyVoter(NodeId id) const {
    return !conf_.IsJoint() && conf_.voters.size() == 1 && conf_.voters[0] == id;
  }
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
  template <typename Answer>
  VoteResult Poll(Answer answer) const;

  const InflightLimits limits_;
  ConfState conf_;
  std::vector<Progress> members_;  // by id; all that conf_ names
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_TRACKER_H_
