#include "client/cluster.h"

#include "client/unary.h"

namespace keelson::client {
namespace {

using Stub = etcdserverpb::Cluster::Stub;

constexpr Method<Stub, etcdserverpb::MemberListRequest, etcdserverpb::MemberListResponse>
    kMemberList = {&Endpoint::cluster, &Stub::MemberList, &Stub::AsyncMemberList};
constexpr Method<Stub, etcdserverpb::MemberAddRequest, etcdserverpb::MemberAddResponse> kMemberAdd =
    {&Endpoint::cluster, &Stub::MemberAdd, &Stub::AsyncMemberAdd};
constexpr Method<Stub, etcdserverpb::MemberRemoveRequest, etcdserverpb::MemberRemoveResponse>
    kMemberRemove = {&Endpoint::cluster, &Stub::MemberRemove, &Stub::AsyncMemberRemove};
constexpr Method<Stub, etcdserverpb::MemberUpdateRequest, etcdserverpb::MemberUpdateResponse>
    kMemberUpdate = {&Endpoint::cluster, &Stub::MemberUpdate, &Stub::AsyncMemberUpdate};
constexpr Method<Stub, etcdserverpb::MemberPromoteRequest, etcdserverpb::MemberPromoteResponse>
    kMemberPromote = {&Endpoint::cluster, &Stub::MemberPromote, &Stub::AsyncMemberPromote};

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
