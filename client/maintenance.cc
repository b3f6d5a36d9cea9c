#include "client/maintenance.h"

#include "base/status_macros.h"
#include "client/errors.h"
#include "client/ops.h"
#include "client/unary.h"

namespace keelson::client {
namespace {

constexpr Method<etcdserverpb::StatusRequest, etcdserverpb::StatusResponse> kStatus = {
    "/etcdserverpb.Maintenance/Status"};
constexpr Method<etcdserverpb::HashKVRequest, etcdserverpb::HashKVResponse> kHashKv = {
    "/etcdserverpb.Maintenance/HashKV"};
constexpr Method<etcdserverpb::AlarmRequest, etcdserverpb::AlarmResponse> kAlarm = {
    "/etcdserverpb.Maintenance/Alarm"};
constexpr Method<etcdserverpb::DefragmentRequest, etcdserverpb::DefragmentResponse> kDefragment = {
    "/etcdserverpb.Maintenance/Defragment"};
constexpr Method<etcdserverpb::MoveLeaderRequest, etcdserverpb::MoveLeaderResponse> kMoveLeader = {
    "/etcdserverpb.Maintenance/MoveLeader"};
constexpr Method<etcdserverpb::DowngradeRequest, etcdserverpb::DowngradeResponse> kDowngrade = {
    "/etcdserverpb.Maintenance/Downgrade"};
constexpr Method<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse> kRange = {
    "/etcdserverpb.KV/Range"};

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
  CallHeader header;
  Endpoint* const member = attempts.Begin(header);
  if (member == nullptr) return attempts.status();
  const auto stream = member->channel->OpenBlocking("/etcdserverpb.Maintenance/Snapshot", header);
  if (stream->Write(etcdserverpb::SnapshotRequest())) stream->WritesDone();
  etcdserverpb::SnapshotResponse piece;
  bool wanted = true;
  while (wanted && stream->Read(&piece)) wanted = take(piece.blob());
  if (!wanted) stream->Cancel();
  const absl::Status status = stream->Finish();
  return wanted ? status : absl::CancelledError("the snapshot is not wanted any more");
}

}  // namespace keelson::client
