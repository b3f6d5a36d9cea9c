#include "raft/leader_lease.h"

#include <algorithm>

#include "base/planted_bug.h"

namespace keelson::raft {

LeaderLease::LeaderLease(int election_timeout_ticks, int clock_drift_percent)
    : lease_ticks_(KV_PLANTED("lease-without-drift")
                       ? election_timeout_ticks
                       : (election_timeout_ticks - 1) * (100 - clock_drift_percent) / 100 - 2) {}

void LeaderLease::Tick() {
  ++now_;
  while (!sent_.empty() && sent_.front().at + lease_ticks_ < now_) sent_.pop_front();
}

void LeaderLease::OnRoundSent(uint64_t round) {
  // Rounds of one tick are as good as their newest.
  if (!sent_.empty() && sent_.back().at == now_) {
    sent_.back().round = round;
  } else {
    sent_.push_back({.round = round, .at = now_});
  }
}

void LeaderLease::OnRoundConfirmed(uint64_t round) {
  while (!sent_.empty() && sent_.front().round <= round) {
    through_ = std::max(through_, sent_.front().at + lease_ticks_);
    sent_.pop_front();
  }
}

void LeaderLease::Revoke() {
  through_ = -1;
  sent_.clear();
}

}  // namespace keelson::raft
