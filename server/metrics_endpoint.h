// MetricsEndpoint: /metrics, in Prometheus' text format and with etcd's names. Asks the parts of a
// member for what they have counted when it is asked itself; nothing is kept here.
//
// docs/operations.md lists etcd's metrics that are not here, and why.
//
// Thread: the core loop.
#ifndef KEELSON_SERVER_METRICS_ENDPOINT_H_
#define KEELSON_SERVER_METRICS_ENDPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/duration_histogram.h"
#include "base/types.h"
#include "server/health_endpoints.h"
#include "server/member_core.h"
#include "server/peer_transport.h"
#include "server/rpc/rpc_server.h"
#include "storage/raft_log.h"

namespace keelson::server {

class MetricFamilies;

// Snapshots to and from one peer.
struct SnapshotCounters {
  uint64_t sent = 0;
  uint64_t send_failures = 0;
  int64_t sending = 0;  // now
  uint64_t received = 0;
  DurationHistogram send_times{absl::Milliseconds(100), 10};
};

class MetricsEndpoint {
 public:
  // All outlive this and the requests.
  struct Sources {
    MemberCore* core;
    const storage::RaftLog* log;
    const PeerTransport* peers;
    const rpc::RpcServer* rpc;
    const HealthEndpoints* health;
    const std::map<NodeId, SnapshotCounters>* snapshots;
  };

  explicit MetricsEndpoint(const Sources& sources) : sources_(sources) {}

  void Register(rpc::RpcServer* server) const;
  std::string Text() const;

 private:
  void AddServer(MetricFamilies& families) const;
  void AddHealth(MetricFamilies& families) const;
  void AddDisk(MetricFamilies& families) const;
  void AddKeySpace(MetricFamilies& families) const;
  void AddWatchesAndLeases(MetricFamilies& families) const;
  void AddPeers(MetricFamilies& families) const;
  void AddSnapshots(MetricFamilies& families) const;
  void AddRpc(MetricFamilies& families) const;
  void AddLoad(MetricFamilies& families) const;

  const Sources sources_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_METRICS_ENDPOINT_H_
