// What the store's errors mean to a caller. The client hands on the server's code and message, byte
// for byte; two things it says itself: InvalidArgument for a call that cannot be made, and
// DeadlineExceeded, "context deadline exceeded" as etcd's clients say it, with the last thing that
// went wrong beside it (LastFailure).
//
// Some servers put the code Unknown on the wire for an error whose message has a code of its own, so
// the questions below look at the message, as etcd's clients do. That is a contract of the wire, not
// a habit: see etcd's api/v3rpc/rpctypes.
#ifndef KEELSON_CLIENT_ERRORS_H_
#define KEELSON_CLIENT_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace keelson::client {

inline constexpr absl::string_view kDeadlineExceeded = "context deadline exceeded";
inline constexpr absl::string_view kNoEndpoints = "etcdclient: no available endpoints";
inline constexpr absl::string_view kCompacted =
    "etcdserver: mvcc: required revision has been compacted";
inline constexpr absl::string_view kLeaseNotFound = "etcdserver: requested lease not found";
inline constexpr absl::string_view kPermissionDenied = "etcdserver: permission denied";
inline constexpr absl::string_view kNoLeader = "etcdserver: no leader";

// The revision asked for is gone; read again from a newer one.
bool IsCompacted(const absl::Status& status);
bool IsLeaseNotFound(const absl::Status& status);
bool IsNotPermitted(const absl::Status& status);

// Of a DeadlineExceeded: why the last attempt failed, "" when the only one was still waiting.
std::string LastFailure(const absl::Status& status);

// For those who make such a status.
absl::Status DeadlineExceeded(absl::string_view last_failure);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_ERRORS_H_
