// v3lockpb.Lock: locks held on a client's behalf, by the recipe of server/contender.h.
#include <utility>

#include "proto/etcd/lock.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/contender.h"
#include "server/errors.h"
#include "server/kv_checks.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using rpc::Call;

void Contend(MemberCore* core, const std::shared_ptr<Call>& call, Contender::Options options) {
  const auto contender = std::make_shared<Contender>(core, std::move(options));
  // The call keeps the contender, until it is finished; the contender does not keep the call.
  call->OnCancel([contender] { contender->Withdraw(); });
  if (call->cancelled()) return;
  contender->Start([weak = std::weak_ptr<Call>(call)](absl::StatusOr<Contender::Won> won) {
    const auto asked = weak.lock();
    if (!asked) return;
    if (!won.ok()) return asked->Finish(AsRecipeError(won.status()));
    v3lockpb::LockResponse response;
    *response.mutable_header() = won->won;
    response.set_key(won->key);
    ReplyMessage(*asked, response);
  });
}

void Lock(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  v3lockpb::LockRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
  if (!caller.ok()) return call->Finish(caller.status());
  LeaseFor(core, *caller, request.lease(),
           [core, call, request, caller = *caller](absl::StatusOr<int64_t> lease) {
             if (!lease.ok()) return call->Finish(AsRecipeError(lease.status()));
             Contend(core, call,
                     {.name = request.name(),
                      .lease = *lease,
                      .value = "",
                      .caller = caller,
                      .replace_value = false,
                      .lost = absl::UnknownError("mutex: session is expired")});
           });
}

void Unlock(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  v3lockpb::UnlockRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  etcdserverpb::DeleteRangeRequest deletion;
  deletion.set_key(request.key());
  if (absl::Status status = CheckDeleteRange(deletion); !status.ok())
    return call->Finish(AsRecipeError(status));
  SubmitAs(core, call, proto::Command::kDeleteRangeFieldNumber, deletion.SerializeAsString(),
           /*cost=*/0, [core, call](const Answer& answer) {
             if (!answer.status.ok()) return call->Finish(AsRecipeError(answer.status));
             Header header = core->header();
             header.revision = answer.revision;
             Reply(*call, absl::OkStatus(), WithHeader(header, {}));
           });
}

}  // namespace

void RegisterLock(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/v3lockpb.Lock/Lock", BindUnary<Lock>(core));
  server->RegisterUnary("/v3lockpb.Lock/Unlock", BindUnary<Unlock>(core));
}

}  // namespace keelson::server
