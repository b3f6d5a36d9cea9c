// etcdserverpb.Maintenance: what concerns the cluster as a whole. MoveLeader, Hash, Downgrade.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "proto/etcd/rpc.pb.h"
#include "proto/keelson/command.pb.h"
#include "server/cluster_records.h"
#include "server/downgrade.h"
#include "server/errors.h"
#include "server/services.h"
#include "server/version.h"

namespace keelson::server {
namespace {

using etcdserverpb::DowngradeRequest;
using proto::DowngradeInfo;
using rpc::Call;

// The answer has no header (facts 4.1).
void MoveLeader(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::MoveLeaderRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  // A client that gives no deadline is told after as long as for any other request.
  const absl::Duration give_up =
      call->deadline().value_or(core->clock().Now() + core->options().request_timeout());
  core->reconfigurator().TransferLeadership(
      NodeId(request.targetid()), give_up, [call](const absl::Status& status) {
        if (!status.ok()) return call->Finish(status);
        ReplyMessage(*call, etcdserverpb::MoveLeaderResponse());
      });
}

// etcd's is the checksum of all of its file but for what differs between members. Ours is of the
// key space, as HashKV has it, and of the replicated records beside it: equal on members that have
// applied the same, and comparable with no other server's.
void Hash(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::HashRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  const storage::Store& store = core->store();
  const auto keys = store.HashKv(Revision());
  if (!keys.ok()) return call->Finish(FromStorage(keys.status()));
  uint32_t crc = keys->hash;
  for (const storage::LeaseRecord& lease : store.Leases()) {
    crc = Crc32cExtend(crc, absl::StrCat(lease.id.value(), " ", lease.granted_ttl, "\n"));
  }
  for (const storage::Table table :
       {storage::Table::kMembers, storage::Table::kAlarms, storage::Table::kAuth}) {
    store.ForEachRecord(table, [&crc](std::string_view key, std::string_view value) {
      crc = Crc32cExtend(Crc32cExtend(crc, key), value);
    });
  }
  etcdserverpb::HashResponse response;
  FillHeader(core->header(), response.mutable_header());
  response.set_hash(crc);
  ReplyMessage(*call, response);
}

DowngradeInfo StoredDowngrade(const storage::Store& store) {
  DowngradeInfo info;
  const auto record = store.FindRecord(storage::Table::kCluster, kDowngradeKey);
  if (record && info.ParseFromString(*record)) return info;
  return DowngradeInfo();
}

void ReplyDowngrade(MemberCore* core, Call& call) {
  etcdserverpb::DowngradeResponse response;
  // etcd's header here is empty but for what its interceptors fill in: as in all cluster answers.
  FillHeader(core->header(), response.mutable_header());
  response.set_version(MajorMinor(kEtcdClusterVersion));
  ReplyMessage(call, response);
}

void SetDowngrade(MemberCore* core, std::shared_ptr<Call> call, const DowngradeInfo& info) {
  core->Submit(proto::Command::kDowngradeFieldNumber, info.SerializeAsString(),
               [core, call = std::move(call)](const Answer& answer) {
                 if (!answer.status.ok()) return call->Finish(answer.status);
                 ReplyDowngrade(core, *call);
               });
}

// With what is committed applied here.
void CarryOut(MemberCore* core, std::shared_ptr<Call> call, const DowngradeRequest& request) {
  const bool under_way = StoredDowngrade(core->store()).enabled();
  if (request.action() == DowngradeRequest::CANCEL) {
    // Nothing to cancel is no error, since etcd 3.6.
    if (!under_way) return ReplyDowngrade(core, *call);
    return SetDowngrade(core, std::move(call), DowngradeInfo());
  }
  const auto target = CheckDowngradeTarget(request.version(), kEtcdClusterVersion);
  if (!target.ok()) return call->Finish(target.status());
  if (under_way) return call->Finish(ErrDowngradeInProgress());
  if (request.action() == DowngradeRequest::VALIDATE) return ReplyDowngrade(core, *call);
  DowngradeInfo info;
  info.set_enabled(true);
  info.set_target_version(*target);
  SetDowngrade(core, std::move(call), info);
}

void Downgrade(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  DowngradeRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (!DowngradeRequest::DowngradeAction_IsValid(request.action())) {
    return call->Finish(absl::UnknownError("etcdserver: unknown method"));
  }
  // What makes no sense needs no quorum to be refused.
  if (request.action() != DowngradeRequest::CANCEL) {
    const auto target = CheckDowngradeTarget(request.version(), kEtcdClusterVersion);
    if (target.status() == ErrWrongDowngradeFormat()) return call->Finish(target.status());
  }
  core->AwaitLinearizable([core, call, request](absl::Status status) {
    if (call->cancelled()) return;
    if (!status.ok()) return call->Finish(status);
    CarryOut(core, call, request);
  });
}

}  // namespace

void FillDowngradeInfo(const storage::Store& store, etcdserverpb::DowngradeInfo* out) {
  const DowngradeInfo info = StoredDowngrade(store);
  out->set_enabled(info.enabled());
  out->set_targetversion(info.target_version());
}

void RegisterClusterMaintenance(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/etcdserverpb.Maintenance/MoveLeader", BindUnary<MoveLeader>(core));
  server->RegisterUnary("/etcdserverpb.Maintenance/Hash", BindUnary<Hash>(core));
  server->RegisterUnary("/etcdserverpb.Maintenance/Downgrade", BindUnary<Downgrade>(core));
}

}  // namespace keelson::server
