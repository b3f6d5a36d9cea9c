#include "client/mutex.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::client {
namespace {

constexpr std::string_view kNotHeld = "mutex: lock is not held";

}  // namespace

absl::Status Mutex::Lock(absl::Duration timeout) {
  KV_ASSIGN_OR_RETURN(const bool first, candidacy_.Enter(""));
  if (!first) {
    const absl::Status status = candidacy_.AwaitTurn(timeout);
    if (!status.ok()) return GiveUp(status);
  }
  held_ = true;
  return absl::OkStatus();
}

absl::Status Mutex::TryLock() {
  KV_ASSIGN_OR_RETURN(const bool first, candidacy_.Enter(""));
  if (!first) return GiveUp(absl::UnavailableError("mutex: Locked by another session"));
  held_ = true;
  return absl::OkStatus();
}

absl::Status Mutex::Unlock(const CallOptions& options) {
  KV_RETURN_IF_ERROR(candidacy_.Leave(options));
  held_ = false;
  return absl::OkStatus();
}

// If the key cannot be deleted the lease ends it.
absl::Status Mutex::GiveUp(const absl::Status& why) {
  candidacy_.Leave().IgnoreError();
  held_ = false;
  if (!absl::IsFailedPrecondition(why)) return why;
  return absl::FailedPreconditionError(absl::StrCat("mutex: ", why.message()));
}

absl::StatusOr<etcdserverpb::TxnResponse> Mutex::Guarded(TxnRequest request,
                                                         const CallOptions& options) {
  if (!held_) return absl::FailedPreconditionError(std::string(kNotHeld));
  return candidacy_.Guarded(std::move(request), kNotHeld, options);
}

}  // namespace keelson::client
