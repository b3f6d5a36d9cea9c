#include "server/services.h"

#include <algorithm>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "proto/grpc/health/v1/health.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/alarm_key.h"
#include "server/errors.h"
#include "server/proto_writer.h"
#include "server/version.h"

namespace keelson::server {
namespace {

using rpc::Call;

// --------------------------------------------------------------------------------------
// maintenance

// As protobuf writes it: the member nobody knows, 0, is not named.
std::string AlarmText(const AlarmKey& alarm) {
  const std::string member =
      alarm.member ? "memberID:" + std::to_string(alarm.member.value()) + " " : "";
  return member + "alarm:" +
         etcdserverpb::AlarmType_Name(static_cast<etcdserverpb::AlarmType>(alarm.alarm)) + " ";
}

void Status(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::StatusRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const raft::Status raft = core->node().status();
  storage::Store& store = core->store();
  etcdserverpb::StatusResponse response;
  FillHeader(core->header(), response.mutable_header());
  response.set_version(kEtcdVersion);
  response.set_storageversion(kEtcdVersion);
  // Looked at one after the other: a flush in between must not make the part more than the whole.
  const uint64_t size = store.SizeOnDisk();
  response.set_dbsize(static_cast<int64_t>(size));
  response.set_dbsizeinuse(static_cast<int64_t>(std::min(size, store.SizeInUse())));
  response.set_dbsizequota(core->options().space.quota_bytes);
  response.set_leader(raft.leader.value());
  response.set_raftindex(raft.commit.value());
  response.set_raftterm(raft.term.value());
  response.set_raftappliedindex(core->node().applied().value());
  response.set_islearner(core->reconfigurator().is_learner());
  FillDowngradeInfo(store, response.mutable_downgradeinfo());
  if (!raft.leader) response.add_errors(std::string(ErrNoLeader().message()));
  if (core->out_of_disk()) {
    response.add_errors("no space left on this member's disk: it refuses what adds to the store");
  }
  ForEachAlarm(store, [&](const AlarmKey& alarm) { response.add_errors(AlarmText(alarm)); });
  ReplyMessage(*call, response);
}

void Defragment(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::DefragmentRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  // Nobody but the caller waits, and his deadline ends the waiting only.
  core->Reclaim([call = std::move(call)](absl::Status status) {
    if (call->cancelled()) return;
    // Without a header, as etcd's.
    Reply(*call, status, etcdserverpb::DefragmentResponse().SerializeAsString());
  });
}

void HashKv(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::HashKVRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const auto hash = core->store().HashKv(Revision(request.revision()));
  if (!hash.ok()) return call->Finish(FromStorage(hash.status()));
  etcdserverpb::HashKVResponse response;
  FillHeader(core->header(), response.mutable_header());
  response.set_hash(hash->hash);
  response.set_compact_revision(hash->compacted ? hash->compacted.value() : -1);
  response.set_hash_revision(hash->revision.value());
  ReplyMessage(*call, response);
}

void Alarm(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::AlarmRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  SubmitForCall(core, std::move(call), proto::Command::kAlarmFieldNumber, bytes.view());
}

// -------------------------------------------------------------------------------------------
// health

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

void HealthCheck(MemberCore*, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  HealthCheckRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (!request.service().empty()) return call->Finish(absl::NotFoundError("unknown service"));
  HealthCheckResponse response;
  response.set_status(HealthCheckResponse::SERVING);
  ReplyMessage(*call, response);
}

class HealthWatcher final : public rpc::StreamReceiver {
 public:
  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override {}
};

}  // namespace

absl::Status MalformedRequest() { return ErrMalformed(); }

void Reply(Call& call, const absl::Status& status, std::string response) {
  if (status.ok()) call.Send(ByteChain(std::move(response)));
  call.Finish(status);
}

void SubmitForCall(MemberCore* core, std::shared_ptr<Call> call, int op_field,
                   std::string_view request, uint64_t cost) {
  SubmitAs(core, call, op_field, request, cost, [core, call](const Answer& answer) {
    if (rpc::CallTimes* const times = call->times()) {
      times->applying = answer.applying;
      times->applied = answer.applied;
    }
    if (!answer.status.ok()) return call->Finish(answer.status);
    Header header = core->header();
    header.revision = answer.revision;
    Reply(*call, absl::OkStatus(), WithHeader(header, answer.body));
  });
}

namespace {

// How often a command is proposed anew because users changed between its check and its turn.
constexpr int kProposalsMax = 5;

void SubmitAuthorized(MemberCore* core, std::shared_ptr<Call> call, int op_field,
                      std::string_view request, uint64_t cost, int proposals,
                      MemberCore::Done done) {
  AuthorizeProposal(
      core, call, op_field, request,
      [core, call, op_field, cost, proposals, done = std::move(done)](
          const absl::StatusOr<Caller>& caller, std::string_view bytes) mutable {
        if (!caller.ok()) return done(Answer{0, caller.status(), {}, {}});
        if (!caller->known()) {
          return core->SubmitGrowth(op_field, bytes, *caller, cost, std::move(done));
        }
        // This member checked it as of an auth revision that was old when its turn came. It changed
        // nothing then; now this member knows better, and whoever is still allowed need not hear
        // of it. A signed token is as of one revision for good and is refused in the check.
        core->SubmitGrowth(
            op_field, bytes, *caller, cost,
            [core, call, op_field, cost, proposals, request = std::string(bytes),
             done = std::move(done)](Answer answer) mutable {
              if (answer.status != ErrAuthOldRevision() || proposals >= kProposalsMax) {
                return done(std::move(answer));
              }
              SubmitAuthorized(core, std::move(call), op_field, request, cost, proposals + 1,
                               std::move(done));
            });
      });
}

}  // namespace

void SubmitAs(MemberCore* core, std::shared_ptr<Call> call, int op_field, std::string_view request,
              uint64_t cost, MemberCore::Done done) {
  SubmitAuthorized(core, std::move(call), op_field, request, cost, 1, std::move(done));
}

void AuthorizeProposal(
    MemberCore* core, std::shared_ptr<Call> call, int op_field, std::string_view request,
    absl::AnyInvocable<void(absl::StatusOr<Caller>, std::string_view request)> proceed) {
  if (!core->auth().enabled()) return proceed(Caller(), request);
  auto command = std::make_shared<proto::Command>();
  std::string bytes;
  ProtoWriter(&bytes).Message(op_field, request);
  if (!command->ParseFromString(bytes)) return proceed(MalformedRequest(), request);
  Authorize(
      core, std::move(call),
      [core, command](const Caller& caller) {
        return CheckProposal(core->auth_view(), caller, *command);
      },
      [request = std::string(request), proceed = std::move(proceed)](
          absl::StatusOr<Caller> caller) mutable { proceed(std::move(caller), request); });
}

void Authorize(MemberCore* core, std::shared_ptr<Call> call,
               std::function<absl::Status(const Caller&)> check,
               absl::AnyInvocable<void(absl::StatusOr<Caller>)> proceed) {
  absl::StatusOr<Caller> caller = core->auth_gate().Identify(*call);
  if (caller.ok() && check(*caller).ok()) return proceed(std::move(caller));
  core->AwaitLinearizable([core, call = std::move(call), check = std::move(check),
                           proceed = std::move(proceed)](absl::Status status) mutable {
    if (!status.ok()) return proceed(std::move(status));
    absl::StatusOr<Caller> again = core->auth_gate().Identify(*call);
    if (again.ok()) status = check(*again);
    if (!status.ok()) return proceed(std::move(status));
    proceed(std::move(again));
  });
}

void RegisterMaintenance(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/etcdserverpb.Maintenance/Status", BindUnary<Status>(core));
  server->RegisterUnary("/etcdserverpb.Maintenance/HashKV", BindUnary<HashKv>(core));
  server->RegisterUnary("/etcdserverpb.Maintenance/Alarm", BindUnary<Alarm>(core));
  server->RegisterUnary("/etcdserverpb.Maintenance/Defragment", BindUnary<Defragment>(core));
}

void RegisterHealth(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/grpc.health.v1.Health/Check", BindUnary<HealthCheck>(core));
  server->RegisterServerStream(
      "/grpc.health.v1.Health/Watch",
      [](std::shared_ptr<Call> call, SharedBytes bytes) -> std::unique_ptr<rpc::StreamReceiver> {
        HealthCheckRequest request;
        if (!ParseRequest(*call, bytes, request)) return nullptr;
        HealthCheckResponse response;
        response.set_status(request.service().empty() ? HealthCheckResponse::SERVING
                                                      : HealthCheckResponse::SERVICE_UNKNOWN);
        call->Send(ByteChain(response.SerializeAsString()));
        return std::make_unique<HealthWatcher>();
      });
}

}  // namespace keelson::server
