#include "client/maintenance.h"

#include "base/status_macros.h"
#include "client/errors.h"
#include "client/ops.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

using Stub = etcdserverpb::Maintenance::Stub;

constexpr Method<Stub, etcdserverpb::StatusRequest, etcdserverpb::StatusResponse> kStatus = {
    &Endpoint::maintenance, &Stub::Status, &Stub::AsyncStatus};
constexpr Method<Stub, etcdserverpb::HashKVRequest, etcdserverpb::HashKVResponse> kHashKv = {
    &Endpoint::maintenance, &Stub::HashKV, &Stub::AsyncHashKV};
constexpr Method<Stub, etcdserverpb::AlarmRequest, etcdserverpb::AlarmResponse> kAlarm = {
    &Endpoint::maintenance, &Stub::Alarm, &Stub::AsyncAlarm};
constexpr Method<Stub, etcdserverpb::DefragmentRequest, etcdserverpb::DefragmentResponse>
    kDefragment = {&Endpoint::maintenance, &Stub::Defragment, &Stub::AsyncDefragment};
constexpr Method<Stub, etcdserverpb::MoveLeaderRequest, etcdserverpb::MoveLeaderResponse>
    kMoveLeader = {&Endpoint::maintenance, &Stub::MoveLeader, &Stub::AsyncMoveLeader};
constexpr Method<Stub, etcdserverpb::DowngradeRequest, etcdserverpb::DowngradeResponse> kDowngrade =
    {&Endpoint::maintenance, &Stub::Downgrade, &Stub::AsyncDowngrade};
constexpr Method<etcdserverpb::KV::Stub, etcdserverpb::RangeRequest, etcdserverpb::RangeResponse>
    kRange = {&Endpoint::kv, &etcdserverpb::KV::Stub::Range, &etcdserverpb::KV::Stub::AsyncRange};

}  // namespace

absl::StatusOr<etcdserverpb::StatusResponse> Maintenance::Status(const std::string& endpoint,
                                                                 const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  return CallBlocking(core_, kStatus, CallKind::kRead, {}, options, std::move(only));
}

absl::StatusOr<etcdserverpb::HashKVResponse> Maintenance::HashKv(const std::string& endpoint,
                                                                 int64_t revision,
                                                                 const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  etcdserverpb::HashKVRequest request;
  request.set_revision(revision);
  return CallBlocking(core_, kHashKv, CallKind::kRead, request, options, std::move(only));
}

absl::Status Maintenance::Defragment(const std::string& endpoint, const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  // Not asked again by itself: where it takes long, it would only wait for the same work.
  return CallBlocking(core_, kDefragment, CallKind::kWrite, {}, options, std::move(only)).status();
}

absl::Status Maintenance::CheckHealth(const std::string& endpoint, const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  const absl::Status status =
      CallBlocking(core_, kRange, CallKind::kRead, KeyRange("health"), options, std::move(only))
          .status();
  // Refused for want of permission, but answered after a quorum was asked.
  return IsNotPermitted(status) ? absl::OkStatus() : status;
}

absl::StatusOr<etcdserverpb::AlarmResponse> Maintenance::AlarmList(const std::string& endpoint,
                                                                   const CallOptions& options) {
  std::shared_ptr<Endpoint> only;
  if (!endpoint.empty()) {
    KV_ASSIGN_OR_RETURN(only, core_.Named(endpoint));
  }
  etcdserverpb::AlarmRequest request;
  request.set_action(etcdserverpb::AlarmRequest::GET);
  return CallBlocking(core_, kAlarm, CallKind::kRead, request, options, std::move(only));
}

absl::StatusOr<etcdserverpb::AlarmResponse> Maintenance::AlarmDisarm(
    const etcdserverpb::AlarmMember& alarm, const CallOptions& options) {
  etcdserverpb::AlarmRequest request;
  request.set_action(etcdserverpb::AlarmRequest::DEACTIVATE);
  request.set_memberid(alarm.memberid());
  request.set_alarm(alarm.alarm());
  // To clear an alarm twice is to clear it once.
  return CallBlocking(core_, kAlarm, CallKind::kRead, request, options);
}

absl::StatusOr<etcdserverpb::MoveLeaderResponse> Maintenance::MoveLeader(
    const std::string& endpoint, uint64_t target_id, const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  etcdserverpb::MoveLeaderRequest request;
  request.set_targetid(target_id);
  return CallBlocking(core_, kMoveLeader, CallKind::kWrite, request, options, std::move(only));
}

absl::StatusOr<etcdserverpb::DowngradeResponse> Maintenance::Downgrade(
    const etcdserverpb::DowngradeRequest& request, const CallOptions& options) {
  // A second ENABLE would be told that one is under way.
  const bool repeatable = request.action() != etcdserverpb::DowngradeRequest::ENABLE;
  return CallBlocking(core_, kDowngrade, repeatable ? CallKind::kRead : CallKind::kWrite, request,
                      options);
}

absl::Status Maintenance::Snapshot(const std::string& endpoint,
                                   absl::FunctionRef<bool(std::string_view bytes)> take,
                                   const CallOptions& options) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<Endpoint> only, core_.Named(endpoint));
  Attempts attempts(core_, CallKind::kWrite, options, std::move(only));
  grpc::ClientContext context;
  Endpoint* const member = attempts.Begin(context);
  if (member == nullptr) return attempts.status();
  const auto reader = member->maintenance->Snapshot(&context, {});
  etcdserverpb::SnapshotResponse piece;
  bool wanted = true;
  while (wanted && reader->Read(&piece)) wanted = take(piece.blob());
  if (!wanted) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return wanted ? FromGrpc(status) : absl::CancelledError("the snapshot is not wanted any more");
}

}  // namespace keelson::client
