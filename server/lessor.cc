#include "server/lessor.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted_bug.h"

namespace keelson::server {
namespace {

// A revocation proposed and not seen applied within this is proposed again (the proposal may be
// lost).
constexpr absl::Duration kRevokeRetry = absl::Seconds(3);

}  // namespace

Lessor::Lessor(const storage::Store* store, const Clock* clock, absl::Duration extension)
    : store_(store), clock_(clock), extension_(extension) {}

void Lessor::Schedule(LeaseId id, absl::Duration deadline) {
  Unschedule(id);
  deadlines_[id] = deadline;
  queue_.emplace(deadline, id);
}

void Lessor::Unschedule(LeaseId id) {
  const auto it = deadlines_.find(id);
  if (it == deadlines_.end()) return;
  queue_.erase({it->second, id});
  deadlines_.erase(it);
}

void Lessor::Promote(Term term) {
  Demote();
  term_ = term;
  const absl::Duration now = clock_->Now();
  for (const storage::LeaseRecord& lease : store_->Leases()) {
    const int64_t ttl = lease.remaining_ttl > 0 ? lease.remaining_ttl : lease.granted_ttl;
    Schedule(lease.id, KV_PLANTED("lease-not-extended-by-new-leader")
                           ? now + extension_
                           : now + absl::Seconds(ttl) + extension_);
  }
}

void Lessor::Demote() {
  term_ = Term();
  deadlines_.clear();
  queue_.clear();
  for (auto& [id, waiting] : std::exchange(waiting_, {})) {
    for (RenewDone& done : waiting) done(-1);
  }
}

void Lessor::OnGranted(LeaseId id) {
  if (!is_primary()) return;
  const auto lease = store_->FindLease(id);
  // Granted and revoked within one group of entries: nothing to watch.
  if (!lease || KV_PLANTED("lease-never-expires")) return;
  Schedule(id, clock_->Now() + absl::Seconds(lease->granted_ttl));
}

void Lessor::OnRevoked(LeaseId id) {
  Unschedule(id);
  auto node = waiting_.extract(id);
  if (node.empty()) return;
  for (RenewDone& done : node.mapped()) done(0);
}

void Lessor::Renew(LeaseId id, RenewDone done) {
  if (!is_primary()) return done(-1);
  const auto lease = store_->FindLease(id);
  const auto it = deadlines_.find(id);
  if (!lease || it == deadlines_.end()) return done(0);
  const absl::Duration now = clock_->Now();
  const bool ending = it->second <= now || waiting_.contains(id);
  if (ending && !KV_PLANTED("lease-renewed-while-revoked")) {
    waiting_[id].push_back(std::move(done));
    return;
  }
  Schedule(id, now + absl::Seconds(lease->granted_ttl));
  done(lease->granted_ttl);
}

int64_t Lessor::Remaining(LeaseId id) const {
  const auto it = deadlines_.find(id);
  if (it == deadlines_.end() || waiting_.contains(id)) return 0;
  return std::max<int64_t>(0, absl::ToInt64Seconds(it->second - clock_->Now()));
}

std::vector<LeaseId> Lessor::TakeExpired(int count_max) {
  std::vector<LeaseId> expired;
  const absl::Duration now = clock_->Now();
  while (!queue_.empty() && queue_.begin()->first <= now &&
         static_cast<int>(expired.size()) < count_max) {
    const LeaseId id = queue_.begin()->second;
    expired.push_back(id);
    // From here on a renewal must wait for the outcome, so the deadline may only move in the queue.
    waiting_.try_emplace(id);
    Schedule(id, now + kRevokeRetry);
  }
  return expired;
}

}  // namespace keelson::server
