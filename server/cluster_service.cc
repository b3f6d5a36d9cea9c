// etcdserverpb.Cluster: who the members are, and changes of that.
#include <string_view>
#include <utility>

#include "proto/etcd/rpc.pb.h"
#include "server/errors.h"
#include "server/membership.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using rpc::Call;

// Cluster answers carry no revision (facts 4.1).
Header ClusterHeader(MemberCore* core) {
  Header header = core->header();
  header.revision = Revision();
  return header;
}

void ReplyMembers(MemberCore* core, Call& call) {
  etcdserverpb::MemberListResponse response;
  FillHeader(ClusterHeader(core), response.mutable_header());
  for (etcdserverpb::Member& member : Members(core->store())) {
    *response.add_members() = std::move(member);
  }
  ReplyMessage(call, response);
}

void MemberList(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MemberListRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (!request.linearizable()) return ReplyMembers(core, *call);
  core->AwaitLinearizable([core, call = std::move(call)](absl::Status status) {
    if (call->cancelled()) return;
    if (!status.ok()) return call->Finish(status);
    ReplyMembers(core, *call);
  });
}

Reconfigurator::Done ReplyTo(MemberCore* core, std::shared_ptr<Call> call) {
  return [core, call = std::move(call)](const Answer& answer) {
    if (!answer.status.ok()) return call->Finish(answer.status);
    Reply(*call, absl::OkStatus(), WithHeader(ClusterHeader(core), answer.body));
  };
}

void MemberAdd(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MemberAddRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  core->reconfigurator().Add(request, ReplyTo(core, std::move(call)));
}

void MemberRemove(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MemberRemoveRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  core->reconfigurator().Remove(NodeId(request.id()), ReplyTo(core, std::move(call)));
}

void MemberUpdate(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MemberUpdateRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  core->reconfigurator().Update(request, ReplyTo(core, std::move(call)));
}

void MemberPromote(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MemberPromoteRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  core->reconfigurator().Promote(NodeId(request.id()), ReplyTo(core, std::move(call)));
}

}  // namespace

absl::Status AdmitToLearner(MemberCore& core, std::string_view method) {
  if (!core.reconfigurator().is_learner() || method == "/etcdserverpb.KV/Range" ||
      method == "/etcdserverpb.Maintenance/Status" ||
      method == "/etcdserverpb.Maintenance/Snapshot") {
    return absl::OkStatus();
  }
  return ErrNotSupportedForLearner();
}

void RegisterCluster(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/etcdserverpb.Cluster/MemberList", BindUnary<MemberList>(core));
  server->RegisterUnary("/etcdserverpb.Cluster/MemberAdd", BindUnary<MemberAdd>(core));
  server->RegisterUnary("/etcdserverpb.Cluster/MemberRemove", BindUnary<MemberRemove>(core));
  server->RegisterUnary("/etcdserverpb.Cluster/MemberUpdate", BindUnary<MemberUpdate>(core));
  server->RegisterUnary("/etcdserverpb.Cluster/MemberPromote", BindUnary<MemberPromote>(core));
}

}  // namespace keelson::server
