#include "client/cluster.h"

#include "client/unary.h"

namespace keelson::client {
namespace {

using Stub = etcdserverpb::Cluster::Stub;

constexpr Method<Stub, etcdserverpb::MemberListRequest, etcdserverpb::MemberListResponse>
    kMemberList = {&Endpoint::cluster, &Stub::MemberList, &Stub::AsyncMemberList};

}  // namespace

absl::StatusOr<etcdserverpb::MemberListResponse> Cluster::MemberList(
    const etcdserverpb::MemberListRequest& request, const CallOptions& options) {
  return CallBlocking(core_, kMemberList, CallKind::kRead, request, options);
}

}  // namespace keelson::client
