// Lessor: the clock of leases. What leases exist is replicated state in the store; when they end is
// known to the leader alone, by its monotonic clock. A new leader gives every lease its time anew,
// and an election timeout more, so that no lease ends early; an expired one is revoked through the
// log, with the term of the leader that saw it expire.
//
// Thread: apply.
#ifndef KEELSON_SERVER_LESSOR_H_
#define KEELSON_SERVER_LESSOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/types.h"
#include "storage/store.h"

namespace keelson::server {

class Lessor {
 public:
  // `store` and `clock` outlive the lessor. `extension`: what a new leader adds, an election
  // timeout.
  Lessor(const storage::Store* store, const Clock* clock, absl::Duration extension);

  // This member became leader in `term`: all leases start anew.
  void Promote(Term term);
  // It is the leader no more: renewals that wait are answered with `false`.
  void Demote();
  bool is_primary() const { return term_.value() != 0; }

  // After the store applied them.
  void OnGranted(LeaseId id);
  void OnRevoked(LeaseId id);

  // Leader: the lease's time runs. It does from OnGranted on, which comes later than the store has
  // the lease.
  bool Knows(LeaseId id) const { return deadlines_.contains(id); }
  // Leader: starts the lease anew and gives its TTL; 0 when it is unknown. A lease that has expired
  // but is not revoked yet is answered with 0 once it is. `done(-1)`: leadership was lost.
  using RenewDone = absl::AnyInvocable<void(int64_t ttl)>;
  void Renew(LeaseId id, RenewDone done);
  // Leader: whole seconds left; 0 when it has run out and is not revoked yet. REQUIRES: the store
  // has it.
  int64_t Remaining(LeaseId id) const;

  // Leader: up to `count_max` expired leases whose revocation is not under way; they count as under
  // way until OnRevoked, or until asked for again after `retry`.
  std::vector<LeaseId> TakeExpired(int count_max);
  Term term() const { return term_; }

 private:
  void Schedule(LeaseId id, absl::Duration deadline);
  void Unschedule(LeaseId id);

  const storage::Store* const store_;
  const Clock* const clock_;
  const absl::Duration extension_;
  Term term_;                                               // 0: not the leader
  absl::flat_hash_map<LeaseId, absl::Duration> deadlines_;  // leader only
  std::set<std::pair<absl::Duration, LeaseId>> queue_;      // to be looked at, by time
  std::map<LeaseId, std::vector<RenewDone>> waiting_;       // renewals of expired leases
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_LESSOR_H_
