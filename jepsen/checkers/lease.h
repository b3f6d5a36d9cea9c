// Bounds of a lease's life: it is not over before its time, whoever leads and whatever the clocks
// of the wall say, and not long after it.
#ifndef KEELSON_JEPSEN_CHECKERS_LEASE_H_
#define KEELSON_JEPSEN_CHECKERS_LEASE_H_

#include <cstdint>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct LeaseHistory {
  int64_t id = 0;
  Time ttl = 0;  // as granted
  // When the grant, and each renewal that was answered with a TTL, was sent and answered.
  struct Renewal {
    Time sent = 0;
    Time answered = kNever;
  };
  std::vector<Renewal> renewals;  // the grant first
  Time revoke_called = kNever;    // somebody asked for its end; kNever: nobody
  // When somebody first knew that it is gone: its key was seen deleted, a renewal was refused, …
  Time known_gone = kNever;
  Time watched_until = 0;  // until then it would have been known
};

struct LeaseBounds {
  // The members' clocks are right within this part.
  double drift = 0;
  // From then on the cluster is healthy and lets leases expire.
  Time healed = 0;
  // For an election, a tick and a revocation after the lease is over.
  Time slack = 0;
};

Verdict CheckLease(const LeaseHistory& history, const LeaseBounds& bounds);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_LEASE_H_
