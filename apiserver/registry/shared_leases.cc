#include "apiserver/registry/shared_leases.h"

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/client.h"

namespace keelson::registry {

absl::StatusOr<int64_t> SharedLeases::For(absl::Duration time_to_live) {
  constexpr absl::Duration kReused = absl::Minutes(1);
  const absl::Time now = absl::Now();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = leases_.find(time_to_live);
    if (found != leases_.end() && now < found->second.reused_until) return found->second.id;
  }
  KV_ASSIGN_OR_RETURN(const etcdserverpb::LeaseGrantResponse granted,
                      store_->lease().Grant(absl::ToInt64Seconds(time_to_live + kReused)));
  absl::MutexLock lock(&mutex_);
  leases_[time_to_live] = {granted.id(), now + kReused};
  return granted.id();
}

void SharedLeases::Forget(int64_t id) {
  absl::MutexLock lock(&mutex_);
  for (auto& [time_to_live, lease] : leases_) {
    if (lease.id == id) lease.reused_until = absl::InfinitePast();
  }
}

}  // namespace keelson::registry
