// Who the members are: ids as etcd computes them, the bootstrap of a static cluster, and the
// members' records in the store.
#ifndef KEELSON_SERVER_MEMBERSHIP_H_
#define KEELSON_SERVER_MEMBERSHIP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "base/types.h"
#include "proto/etcd/rpc.pb.h"
#include "raft/types.h"
#include "storage/store.h"

namespace keelson::server {

// First 8 bytes, big-endian, of SHA-1 over the sorted URLs and the cluster token (etcd's
// computeMemberId for a static bootstrap).
NodeId ComputeMemberId(std::vector<std::string> peer_urls, std::string_view cluster_token);
// The same for a member that is added to a running cluster `unix_seconds` after 1970.
NodeId ComputeAddedMemberId(std::vector<std::string> peer_urls, int64_t unix_seconds);
// First 8 bytes, big-endian, of SHA-1 over the sorted big-endian member ids.
uint64_t ComputeClusterId(std::vector<NodeId> members);

// name -> peer URLs, as in --initial-cluster.
using InitialCluster = std::map<std::string, std::vector<std::string>>;

struct Bootstrap {
  uint64_t cluster_id = 0;
  std::vector<etcdserverpb::Member> members;  // by id
};
Bootstrap MakeBootstrap(const InitialCluster& cluster, std::string_view token);

// The records of table kMembers: key = id:be64, value = etcdserverpb.Member.
void StoreMember(storage::Store& store, const etcdserverpb::Member& member);
std::optional<etcdserverpb::Member> FindMember(const storage::Store& store, NodeId id);
// Forgets the member and remembers that its id is used up.
void RemoveMember(storage::Store& store, NodeId id);
bool WasRemoved(const storage::Store& store, NodeId id);
// Who votes and who learns, as of the store's applied index: the record of the last change, or,
// before there is one, what the members' records say.
raft::ConfState StoredConfState(const storage::Store& store);
// By id.
std::vector<etcdserverpb::Member> Members(const storage::Store& store);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBERSHIP_H_
