// The errors that clients see: etcd's codes and texts, chosen here and nowhere else. Go clients
// look errors up by the exact text (reference: etcd's api/v3rpc/rpctypes).
#ifndef KEELSON_SERVER_ERRORS_H_
#define KEELSON_SERVER_ERRORS_H_

#include "absl/status/status.h"

namespace keelson::server {

absl::Status ErrEmptyKey();
absl::Status ErrKeyNotFound();
absl::Status ErrValueProvided();
absl::Status ErrLeaseProvided();
absl::Status ErrTooManyOps();
absl::Status ErrDuplicateKey();
absl::Status ErrInvalidSortOption();
absl::Status ErrCompacted();
absl::Status ErrFutureRevision();
absl::Status ErrNoSpace();
absl::Status ErrLeaseNotFound();
absl::Status ErrLeaseExists();
absl::Status ErrLeaseTtlTooLarge();
absl::Status ErrRequestTooLarge();
absl::Status ErrTooManyRequests();
absl::Status ErrNoLeader();
absl::Status ErrStopped();
absl::Status ErrTimeout();
absl::Status ErrTimeoutLeaderLost();
absl::Status ErrCorrupt();
absl::Status ErrMemberExists();
absl::Status ErrPeerUrlsExist();
absl::Status ErrNotEnoughStartedMembers();
absl::Status ErrBadMemberUrls();
absl::Status ErrMemberNotFound();
absl::Status ErrMemberNotLearner();
absl::Status ErrLearnerNotReady();
absl::Status ErrTooManyLearners();
absl::Status ErrUnhealthy();
absl::Status ErrNotSupportedForLearner();
absl::Status ErrNotLeader();
absl::Status ErrBadLeaderTransferee();
absl::Status ErrTimeoutLeaderTransfer();
absl::Status ErrWrongDowngradeFormat();
absl::Status ErrInvalidDowngradeTarget();
absl::Status ErrDowngradeInProgress();
absl::Status ErrWatchCanceled();
// auth
absl::Status ErrRootUserNotExist();
absl::Status ErrRootRoleNotExist();
absl::Status ErrUserAlreadyExist();
absl::Status ErrUserEmpty();
absl::Status ErrUserNotFound();
absl::Status ErrRoleAlreadyExist();
absl::Status ErrRoleNotFound();
absl::Status ErrRoleEmpty();
absl::Status ErrAuthFailed();
absl::Status ErrNoPasswordUser();
absl::Status ErrPermissionNotGiven();
absl::Status ErrPermissionDenied();
absl::Status ErrRoleNotGranted();
absl::Status ErrPermissionNotGranted();
absl::Status ErrAuthNotEnabled();
absl::Status ErrInvalidAuthToken();
absl::Status ErrInvalidAuthManagement();
absl::Status ErrAuthOldRevision();
absl::Status ErrTokenVerifyOnly();

absl::Status ErrMalformed();  // bytes that are not the method's request

// An error of storage/ as a client sees it; errors that clients never see keep their text.
absl::Status FromStorage(const absl::Status& status);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_ERRORS_H_
