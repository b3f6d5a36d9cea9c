// The gRPC services of a member: requests checked, turned into commands or reads of MemberCore, and
// their outcome into answers. Each Register function adds one service's methods; `core` outlives
// the server.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_SERVICES_H_
#define KEELSON_SERVER_SERVICES_H_

#include <functional>
#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "server/auth/bcrypt.h"
#include "server/auth/jwt.h"
#include "server/auth/worker.h"
#include "server/member_core.h"
#include "server/rpc/call.h"
#include "server/rpc/rpc_server.h"
#include "server/snapshot_keeper.h"

namespace keelson::server {

// What the Auth service computes with; the worker outlives the server's calls.
struct AuthServiceOptions {
  Worker* worker;
  std::shared_ptr<const Jwt> jwt = nullptr;  // null: simple tokens
  int bcrypt_cost = kBcryptCostDefault;
  SecretSource secrets = SecretRandomBytes;  // of any thread
};

void RegisterKv(MemberCore* core, rpc::RpcServer* server);
void RegisterWatch(MemberCore* core, rpc::RpcServer* server);
void RegisterAuth(MemberCore* core, AuthServiceOptions options, rpc::RpcServer* server);
void RegisterLease(MemberCore* core, rpc::RpcServer* server);
void RegisterCluster(MemberCore* core, rpc::RpcServer* server);
void RegisterMaintenance(MemberCore* core, rpc::RpcServer* server);
// MoveLeader, Hash and Downgrade.
void RegisterClusterMaintenance(MemberCore* core, rpc::RpcServer* server);
void RegisterLock(MemberCore* core, rpc::RpcServer* server);
void RegisterElection(MemberCore* core, rpc::RpcServer* server);
// What Maintenance.Snapshot reads with; all outlive the server's calls.
struct SnapshotAccess {
  SnapshotKeeper* keeper;
  Executor* core;
  Executor* worker;
};
void RegisterSnapshot(MemberCore* core, SnapshotAccess access, rpc::RpcServer* server);
void RegisterHealth(MemberCore* core, rpc::RpcServer* server);

// A learner answers few methods: an error for all others. Of Range it answers serializable ones
// only, which the method sees to.
absl::Status AdmitToLearner(MemberCore& core, std::string_view method);

// Proposes `request`, which adds up to `cost` bytes to the store (request_cost.h), and finishes `call`
// with the answer: header and body.
void SubmitForCall(MemberCore* core, std::shared_ptr<rpc::Call> call, int op_field,
                   std::string_view request, uint64_t cost = 0);
// The same with an outcome that the caller makes an answer of.
void SubmitAs(MemberCore* core, std::shared_ptr<rpc::Call> call, int op_field,
              std::string_view request, uint64_t cost, MemberCore::Done done);
// Runs `proceed` with on whose behalf the command may be proposed and the request, or with why it
// may not.
void AuthorizeProposal(
    MemberCore* core, std::shared_ptr<rpc::Call> call, int op_field, std::string_view request,
    absl::AnyInvocable<void(absl::StatusOr<Caller>, std::string_view request)> proceed);
// Runs `proceed` with who `call` is from, or with why he is refused. This member's state may be
// behind the cluster's: who seems not to be allowed is asked about again when it has caught up.
void Authorize(MemberCore* core, std::shared_ptr<rpc::Call> call,
               std::function<absl::Status(const Caller&)> check,
               absl::AnyInvocable<void(absl::StatusOr<Caller>)> proceed);
// Whether whoever `call` is from may make a read, as of this member's state. Reads are checked when
// they are made, which is when the state is new enough for them.
template <typename Request>
absl::Status CheckRead(MemberCore* core, const rpc::Call& call, const Request& request) {
  KV_ASSIGN_OR_RETURN(const Caller caller, core->auth_gate().Identify(call));
  return CheckPermission(core->auth_view(), caller, request);
}

// Positive and not 0, as clients expect of a lease id that is chosen for them.
int64_t NewLeaseId(MemberCore* core);

// What Status shows of a downgrade under way.
void FillDowngradeInfo(const storage::Store& store, etcdserverpb::DowngradeInfo* out);

// Finishes a unary call.
void Reply(rpc::Call& call, const absl::Status& status, std::string response);
template <typename Message>
void ReplyMessage(rpc::Call& call, const Message& response) {
  Reply(call, absl::OkStatus(), response.SerializeAsString());
}

// Parses a request; false: `call` was finished with an error.
template <typename Message>
bool ParseRequest(rpc::Call& call, const SharedBytes& bytes, Message& request);

// A handler function made a method's handler.
template <void (*kHandler)(MemberCore*, std::shared_ptr<rpc::Call>, const SharedBytes&)>
rpc::UnaryHandler BindUnary(MemberCore* core) {
  return [core](std::shared_ptr<rpc::Call> call, SharedBytes request) {
    kHandler(core, std::move(call), request);
  };
}

// ------------------------------------------------------------------------------------
// implementation

absl::Status MalformedRequest();

template <typename Message>
bool ParseRequest(rpc::Call& call, const SharedBytes& bytes, Message& request) {
  if (request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return true;
  call.Finish(MalformedRequest());
  return false;
}

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SERVICES_H_
