// Cluster: the members of the store. Thread-safe.
#ifndef KEELSON_CLIENT_CLUSTER_H_
#define KEELSON_CLIENT_CLUSTER_H_

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

 private:
  Core& core_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CLUSTER_H_
