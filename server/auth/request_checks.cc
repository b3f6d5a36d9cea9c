#include "server/auth/request_checks.h"

#include <string>

#include "base/status_macros.h"
#include "server/errors.h"

namespace keelson::server {
namespace {

using etcdserverpb::RequestOp;
using proto::Command;
using storage::KeyRange;

absl::Status CheckPut(const AuthView& view, const Caller& caller,
                      const etcdserverpb::PutRequest& request) {
  const KeyRange key{request.key(), {}, false};
  KV_RETURN_IF_ERROR(view.auth.CheckKeys(caller, key, Access::kWrite));
  // Who may not write all keys of a lease may not revoke it, and so must not hang a key on it.
  if (request.lease() != 0) {
    KV_RETURN_IF_ERROR(CheckLeaseKeys(view, caller, LeaseId(request.lease()), Access::kWrite));
  }
  if (!request.prev_kv()) return absl::OkStatus();
  return view.auth.CheckKeys(caller, key, Access::kRead);
}

absl::Status CheckDelete(const AuthView& view, const Caller& caller,
                         const etcdserverpb::DeleteRangeRequest& request) {
  const KeyRange range = KeyRange::FromWire(request.key(), request.range_end());
  KV_RETURN_IF_ERROR(view.auth.CheckKeys(caller, range, Access::kWrite));
  if (!request.prev_kv()) return absl::OkStatus();
  return view.auth.CheckKeys(caller, range, Access::kRead);
}

absl::Status CheckOps(const AuthView& view, const Caller& caller,
                      const google::protobuf::RepeatedPtrField<RequestOp>& ops) {
  for (const RequestOp& op : ops) {
    switch (op.request_case()) {
      case RequestOp::kRequestRange:
        KV_RETURN_IF_ERROR(CheckPermission(view, caller, op.request_range()));
        break;
      case RequestOp::kRequestPut:
        KV_RETURN_IF_ERROR(CheckPut(view, caller, op.request_put()));
        break;
      case RequestOp::kRequestDeleteRange:
        KV_RETURN_IF_ERROR(CheckDelete(view, caller, op.request_delete_range()));
        break;
      case RequestOp::kRequestTxn:
        KV_RETURN_IF_ERROR(CheckPermission(view, caller, op.request_txn()));
        break;
      default:
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRevoke(const AuthView& view, const Caller& caller,
                         const proto::LeaseRevoke& revoke) {
  if (revoke.leader_term() != 0) return absl::OkStatus();  // expired by the leader's clock
  if (view.auth.enabled() && !caller.known()) return ErrUserEmpty();
  for (const int64_t id : revoke.ids()) {
    KV_RETURN_IF_ERROR(CheckLeaseKeys(view, caller, LeaseId(id), Access::kWrite));
  }
  return absl::OkStatus();
}

// What holds for clients and members alike; `caller` is nobody for what members ask themselves.
absl::Status CheckAlways(const AuthView& view, const Caller& caller, const Command& command) {
  switch (command.op_case()) {
    case Command::kPut:
      return CheckPut(view, caller, command.put());
    case Command::kDeleteRange:
      return CheckDelete(view, caller, command.delete_range());
    case Command::kTxn:
      return CheckPermission(view, caller, command.txn());
    case Command::kLeaseRevoke:
      return CheckRevoke(view, caller, command.lease_revoke());
    case Command::kAuthenticate:
      return absl::OkStatus();  // it is how one becomes somebody
    default:
      return AuthStore::Takes(command) ? view.auth.CheckRoot(caller) : absl::OkStatus();
  }
}

}  // namespace

absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::RangeRequest& request) {
  return view.auth.CheckKeys(caller, KeyRange::FromWire(request.key(), request.range_end()),
                             Access::kRead);
}

absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::TxnRequest& request) {
  if (!view.auth.enabled()) return absl::OkStatus();
  // An empty transaction asks for no key, and still for somebody who asks.
  if (!caller.known()) return ErrUserEmpty();
  for (const etcdserverpb::Compare& compare : request.compare()) {
    KV_RETURN_IF_ERROR(view.auth.CheckKeys(
        caller, KeyRange::FromWire(compare.key(), compare.range_end()), Access::kRead));
  }
  KV_RETURN_IF_ERROR(CheckOps(view, caller, request.success()));
  return CheckOps(view, caller, request.failure());
}

absl::Status CheckPermission(const AuthView& view, const Caller& caller,
                             const etcdserverpb::WatchCreateRequest& request) {
  // To a watch no key is the first key.
  const std::string_view first("\0", 1);
  const std::string_view key = request.key().empty() ? first : std::string_view(request.key());
  return view.auth.CheckKeys(caller, KeyRange::FromWire(key, request.range_end()), Access::kRead);
}

absl::Status CheckLeaseKeys(const AuthView& view, const Caller& caller, LeaseId id, Access access) {
  if (view.auth.CheckRoot(caller).ok()) return absl::OkStatus();  // also while auth is off
  for (const std::string& key : view.store.LeaseKeys(id)) {
    KV_RETURN_IF_ERROR(view.auth.CheckKeys(caller, KeyRange{key, {}, false}, access));
  }
  return absl::OkStatus();
}

absl::Status CheckProposal(const AuthView& view, const Caller& caller, const Command& command) {
  if (!view.auth.enabled()) return absl::OkStatus();
  switch (command.op_case()) {
    case Command::kCompaction:
      return view.auth.CheckRoot(caller);
    case Command::kAlarm:
      return command.alarm().action() == etcdserverpb::AlarmRequest::GET
                 ? view.auth.CheckUser(caller)
                 : view.auth.CheckRoot(caller);
    case Command::kLeaseGrant:
      return view.auth.CheckUser(caller);
    case Command::kLeaseCheckpoint:
    case Command::kMemberAttributes:
      return view.auth.CheckRoot(caller);  // no client asks for these
    default:
      return CheckAlways(view, caller, command);
  }
}

absl::Status CheckCommand(const AuthView& view, const Command& command) {
  if (!view.auth.enabled()) return absl::OkStatus();
  return CheckAlways(view, Caller{command.username(), command.auth_revision()}, command);
}

}  // namespace keelson::server
