#include "server/errors.h"

#include "absl/strings/str_cat.h"
#include "storage/errors.h"

namespace keelson::server {

absl::Status ErrEmptyKey() { return absl::InvalidArgumentError("etcdserver: key is not provided"); }
absl::Status ErrKeyNotFound() { return absl::InvalidArgumentError("etcdserver: key not found"); }
absl::Status ErrValueProvided() {
  return absl::InvalidArgumentError("etcdserver: value is provided");
}
absl::Status ErrLeaseProvided() {
  return absl::InvalidArgumentError("etcdserver: lease is provided");
}
absl::Status ErrTooManyOps() {
  return absl::InvalidArgumentError("etcdserver: too many operations in txn request");
}
absl::Status ErrDuplicateKey() {
  return absl::InvalidArgumentError("etcdserver: duplicate key given in txn request");
}
absl::Status ErrInvalidSortOption() {
  return absl::InvalidArgumentError("etcdserver: invalid sort option");
}
absl::Status ErrCompacted() {
  return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
}
absl::Status ErrFutureRevision() {
  return absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision");
}
absl::Status ErrNoSpace() {
  return absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded");
}
absl::Status ErrLeaseNotFound() {
  return absl::NotFoundError("etcdserver: requested lease not found");
}
absl::Status ErrLeaseExists() {
  return absl::FailedPreconditionError("etcdserver: lease already exists");
}
absl::Status ErrLeaseTtlTooLarge() {
  return absl::OutOfRangeError("etcdserver: too large lease TTL");
}
absl::Status ErrRequestTooLarge() {
  return absl::InvalidArgumentError("etcdserver: request is too large");
}
// etcd returns this one as an object without a gRPC status, which goes out as Unknown (facts,
// section 3); clients resolve it by its text.
absl::Status ErrTooManyRequests() { return absl::UnknownError("etcdserver: too many requests"); }
absl::Status ErrNoLeader() { return absl::UnavailableError("etcdserver: no leader"); }
absl::Status ErrStopped() { return absl::UnavailableError("etcdserver: server stopped"); }
absl::Status ErrTimeout() { return absl::UnavailableError("etcdserver: request timed out"); }
absl::Status ErrTimeoutLeaderLost() {
  return absl::UnavailableError(
      "etcdserver: request timed out, possibly due to previous leader failure");
}
absl::Status ErrCorrupt() { return absl::DataLossError("etcdserver: corrupt cluster"); }
absl::Status ErrMemberExists() {
  return absl::FailedPreconditionError("etcdserver: member ID already exist");
}
absl::Status ErrPeerUrlsExist() {
  return absl::FailedPreconditionError("etcdserver: Peer URLs already exists");
}
// Unknown on the wire for the same reason as ErrTooManyRequests.
absl::Status ErrNotEnoughStartedMembers() {
  return absl::UnknownError(
      "etcdserver: re-configuration failed due to not enough started members");
}
absl::Status ErrBadMemberUrls() {
  return absl::InvalidArgumentError("etcdserver: given member URLs are invalid");
}
absl::Status ErrMemberNotFound() { return absl::NotFoundError("etcdserver: member not found"); }
absl::Status ErrMemberNotLearner() {
  return absl::FailedPreconditionError("etcdserver: can only promote a learner member");
}
absl::Status ErrLearnerNotReady() {
  return absl::FailedPreconditionError(
      "etcdserver: can only promote a learner member which is in sync with leader");
}
absl::Status ErrTooManyLearners() {
  return absl::FailedPreconditionError("etcdserver: too many learner members in cluster");
}
absl::Status ErrUnhealthy() { return absl::UnavailableError("etcdserver: unhealthy cluster"); }
absl::Status ErrNotSupportedForLearner() {
  return absl::FailedPreconditionError("etcdserver: rpc not supported for learner");
}
absl::Status ErrNotLeader() { return absl::FailedPreconditionError("etcdserver: not leader"); }
absl::Status ErrBadLeaderTransferee() {
  return absl::FailedPreconditionError("etcdserver: bad leader transferee");
}
absl::Status ErrTimeoutLeaderTransfer() {
  return absl::UnknownError("etcdserver: request timed out, leader transfer took too long");
}
absl::Status ErrWrongDowngradeFormat() {
  return absl::InvalidArgumentError("etcdserver: wrong downgrade target version format");
}
absl::Status ErrInvalidDowngradeTarget() {
  return absl::InvalidArgumentError("etcdserver: invalid downgrade target version");
}
absl::Status ErrDowngradeInProgress() {
  return absl::FailedPreconditionError("etcdserver: cluster has a downgrade job in progress");
}
absl::Status ErrWatchCanceled() { return absl::CancelledError("etcdserver: watch canceled"); }
absl::Status ErrRootUserNotExist() {
  return absl::FailedPreconditionError("etcdserver: root user does not exist");
}
absl::Status ErrRootRoleNotExist() {
  return absl::FailedPreconditionError("etcdserver: root user does not have root role");
}
absl::Status ErrUserAlreadyExist() {
  return absl::FailedPreconditionError("etcdserver: user name already exists");
}
absl::Status ErrUserEmpty() { return absl::InvalidArgumentError("etcdserver: user name is empty"); }
absl::Status ErrUserNotFound() {
  return absl::FailedPreconditionError("etcdserver: user name not found");
}
absl::Status ErrRoleAlreadyExist() {
  return absl::FailedPreconditionError("etcdserver: role name already exists");
}
absl::Status ErrRoleNotFound() {
  return absl::FailedPreconditionError("etcdserver: role name not found");
}
absl::Status ErrRoleEmpty() { return absl::InvalidArgumentError("etcdserver: role name is empty"); }
absl::Status ErrAuthFailed() {
  return absl::InvalidArgumentError(
      "etcdserver: authentication failed, invalid user ID or password");
}
// etcd has no gRPC status for this one and the last of these.
absl::Status ErrNoPasswordUser() {
  return absl::UnknownError("auth: authentication failed, password was given for no password user");
}
absl::Status ErrPermissionNotGiven() {
  return absl::InvalidArgumentError("etcdserver: permission not given");
}
absl::Status ErrPermissionDenied() {
  return absl::PermissionDeniedError("etcdserver: permission denied");
}
absl::Status ErrRoleNotGranted() {
  return absl::FailedPreconditionError("etcdserver: role is not granted to the user");
}
absl::Status ErrPermissionNotGranted() {
  return absl::FailedPreconditionError("etcdserver: permission is not granted to the role");
}
absl::Status ErrAuthNotEnabled() {
  return absl::FailedPreconditionError("etcdserver: authentication is not enabled");
}
absl::Status ErrInvalidAuthToken() {
  return absl::UnauthenticatedError("etcdserver: invalid auth token");
}
absl::Status ErrInvalidAuthManagement() {
  return absl::InvalidArgumentError("etcdserver: invalid auth management");
}
absl::Status ErrAuthOldRevision() {
  return absl::InvalidArgumentError("etcdserver: revision of auth store is old");
}
absl::Status ErrTokenVerifyOnly() {
  return absl::UnknownError("auth: token signing attempted with verify-only key");
}
absl::Status ErrMalformed() {
  return absl::InternalError("grpc: error unmarshalling request: malformed message");
}

absl::Status FromStorage(const absl::Status& status) {
  if (status.ok()) return status;
  if (status.message() == storage::kCompactedMessage) return ErrCompacted();
  if (status.message() == storage::kFutureRevisionMessage) return ErrFutureRevision();
  return absl::Status(status.code(), absl::StrCat("etcdserver: ", status.message()));
}

}  // namespace keelson::server
