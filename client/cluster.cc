#include "client/cluster.h"

#include "client/unary.h"

namespace keelson::client {
namespace {

constexpr Method<etcdserverpb::MemberListRequest, etcdserverpb::MemberListResponse> kMemberList = {
    "/etcdserverpb.Cluster/MemberList"};
constexpr Method<etcdserverpb::MemberAddRequest, etcdserverpb::MemberAddResponse> kMemberAdd = {
    "/etcdserverpb.Cluster/MemberAdd"};
constexpr Method<etcdserverpb::MemberRemoveRequest, etcdserverpb::MemberRemoveResponse>
    kMemberRemove = {"/etcdserverpb.Cluster/MemberRemove"};
constexpr Method<etcdserverpb::MemberUpdateRequest, etcdserverpb::MemberUpdateResponse>
    kMemberUpdate = {"/etcdserverpb.Cluster/MemberUpdate"};
constexpr Method<etcdserverpb::MemberPromoteRequest, etcdserverpb::MemberPromoteResponse>
    kMemberPromote = {"/etcdserverpb.Cluster/MemberPromote"};

}  // namespace

absl::StatusOr<etcdserverpb::MemberListResponse> Cluster::MemberList(
    const etcdserverpb::MemberListRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kMemberList, CallKind::kRead, request, options);
}

absl::StatusOr<etcdserverpb::MemberAddResponse> Cluster::MemberAdd(
    const etcdserverpb::MemberAddRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kMemberAdd, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::MemberRemoveResponse> Cluster::MemberRemove(
    uint64_t id, const CallOptions& options) {
  etcdserverpb::MemberRemoveRequest request;
  request.set_id(id);
  return CallBlocking(core_, kMemberRemove, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::MemberUpdateResponse> Cluster::MemberUpdate(
    const etcdserverpb::MemberUpdateRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kMemberUpdate, CallKind::kWrite, request, options);
}

absl::StatusOr<etcdserverpb::MemberPromoteResponse> Cluster::MemberPromote(
    uint64_t id, const CallOptions& options) {
  etcdserverpb::MemberPromoteRequest request;
  request.set_id(id);
  return CallBlocking(core_, kMemberPromote, CallKind::kWrite, request, options);
}

}  // namespace keelson::client
