#include "client/session.h"

#include <utility>

#include "base/status_macros.h"
#include "client/core.h"
#include "client/errors.h"

namespace keelson::client {

absl::StatusOr<std::unique_ptr<Session>> Session::Open(Client& client,
                                                       const SessionOptions& options) {
  if (options.lease != 0) {
    return std::unique_ptr<Session>(new Session(client, options.lease, std::nullopt));
  }
  const absl::Duration asked_at = client.core().clock().Now();
  KV_ASSIGN_OR_RETURN(const etcdserverpb::LeaseGrantResponse granted,
                      client.lease().Grant(options.ttl_seconds));
  const LeaseGrant grant{.ttl = absl::Seconds(granted.ttl()), .asked_at = asked_at};
  return std::unique_ptr<Session>(new Session(client, granted.id(), grant));
}

Session::Session(Client& client, int64_t lease, const std::optional<LeaseGrant>& grant)
    : client_(client), lease_(lease) {
  keeper_.emplace(client.core(), lease, static_cast<LeaseListener*>(this), grant);
}

Session::~Session() { keeper_.reset(); }

absl::Status Session::Close(const CallOptions& options) {
  const absl::Status status = client_.lease().Revoke(lease_, options).status();
  // The lease may have ended before, or in an attempt whose answer was lost.
  if (!status.ok() && !IsLeaseNotFound(status)) return status;
  OnLost(absl::NotFoundError(kLeaseNotFound));
  return absl::OkStatus();
}

absl::Status Session::status() const {
  absl::MutexLock lock(&mutex_);
  return lost_.value_or(absl::OkStatus());
}

bool Session::WaitLost(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto lost = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lost_.has_value(); };
  return client_.core().runtime().Await(mutex_, absl::Condition(&lost), timeout);
}

// The listeners are called under the lock, which is why they must not block, and why none is
// running when RemoveListener returns.
void Session::OnLost(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  if (lost_.has_value()) return;  // closed
  lost_ = why;
  for (const auto& [number, on_lost] : listeners_) on_lost();
}

uint64_t Session::AddListener(std::function<void()> on_lost) {
  absl::MutexLock lock(&mutex_);
  if (lost_.has_value()) on_lost();
  listeners_.emplace(++last_listener_, std::move(on_lost));
  return last_listener_;
}

void Session::RemoveListener(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  listeners_.erase(number);
}

}  // namespace keelson::client
