// LeaderLease: until when nobody else can have been elected (thesis 6.4.1). A quorum that answered
// a round of heartbeats helps nobody for an election timeout from when it heard it, and so from
// when the round was sent.
//
// Time is counted in ticks of the own clock. A member that hears a round counts E ticks (the
// election timeout) before it helps anybody, the first of which may come at once: at least E - 1 of
// its intervals pass. This member counts n ticks since it sent the round; since the tick before and
// the tick to come are not exact, at most n + 2 of its intervals have passed. Its clock may be
// slower than the other's by `clock_drift_percent`, so the lease holds while
//
//   (n + 2) * 100 <= (E - 1) * (100 - clock_drift_percent)
//
// which rests on ticks that come no later than one interval (RawNode::RevokeLease otherwise).
#ifndef KEELSON_RAFT_LEADER_LEASE_H_
#define KEELSON_RAFT_LEADER_LEASE_H_

#include <cstdint>
#include <deque>

namespace keelson::raft {

class LeaderLease {
 public:
  LeaderLease(int election_timeout_ticks, int clock_drift_percent);

  void Tick();
  // A heartbeat with this round number goes to all members now. Numbers ascend.
  void OnRoundSent(uint64_t round);
  // A quorum answered `round`, and so all before it.
  void OnRoundConfirmed(uint64_t round);
  // Whatever was sent so far proves nothing any more.
  void Revoke();
  bool Holds() const { return now_ <= through_; }

 private:
  struct Sent {
    uint64_t round = 0;
    int64_t at = 0;
  };

  const int64_t lease_ticks_;  // negative: the timeout is too short for this drift
  int64_t now_ = 0;
  int64_t through_ = -1;   // the lease holds up to this tick
  std::deque<Sent> sent_;  // not confirmed and young enough to matter
};

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_LEADER_LEASE_H_
