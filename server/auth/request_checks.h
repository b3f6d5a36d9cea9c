// Who may have what done: the permissions that each request needs (etcd's, facts 4.11), asked of
// the AuthStore. A read is checked where it is made; a change where it is proposed, so that what
// would be refused does not fill the log, and again where it is applied, which is what counts.
//
// Thread: apply.
#ifndef KEELSON_SERVER_AUTH_REQUEST_CHECKS_H_
#define KEELSON_SERVER_AUTH_REQUEST_CHECKS_H_

#include "absl/status/status.h"
#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/auth/auth_store.h"
#include "server/auth/caller.h"
#include "storage/store.h"

namespace keelson::server {

// What the questions are asked of.
struct AuthView {
  const AuthStore& auth;
  const storage::Store& store;
};

absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::RangeRequest& request);
// All compares and both branches, whichever is taken.
absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::TxnRequest& request);
absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::WatchCreateRequest& request);
// All keys of the lease; a lease without keys, or none at all, asks for nothing.
absl::Status CheckLeaseKeys(const AuthView& view, const Caller& caller, LeaseId id, Access access);

// Before `command` is proposed for a client, who is `caller`.
absl::Status CheckProposal(const AuthView& view, const Caller& caller,
                           const proto::Command& command);
// When it is applied; what the members ask for themselves passes.
absl::Status CheckCommand(const AuthView& view, const proto::Command& command);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_REQUEST_CHECKS_H_
