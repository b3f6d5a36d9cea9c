// Cluster: the members of the store. Thread-safe.
#ifndef KEELSON_CLIENT_CLUSTER_H_
#define KEELSON_CLIENT_CLUSTER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "client/options.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;

class Cluster {
 public:
  explicit Cluster(Core& core) : core_(core) {}

  // Sorted by id. Linearizable requests are answered by a quorum; others by whoever is reached.
  absl::StatusOr<etcdserverpb::MemberListResponse> MemberList(
      const etcdserverpb::MemberListRequest& request, const CallOptions& options = {});
  // Changes of the membership, one after the other; a refused one changes nothing. One that ends in
  // Unavailable or DeadlineExceeded may or may not have happened: list the members before trying
  // again.
  absl::StatusOr<etcdserverpb::MemberAddResponse> MemberAdd(
      const etcdserverpb::MemberAddRequest& request, const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::MemberRemoveResponse> MemberRemove(uint64_t id,
                                                                  const CallOptions& options = {});
  absl::StatusOr<etcdserverpb::MemberUpdateResponse> MemberUpdate(
      const etcdserverpb::MemberUpdateRequest& request, const CallOptions& options = {});
  // Makes a voter of a learner that has caught up.
  absl::StatusOr<etcdserverpb::MemberPromoteResponse> MemberPromote(
      uint64_t id, const CallOptions& options = {});

 private:
  Core& core_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CLUSTER_H_
