#include "server/metrics_endpoint.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/alarm_key.h"
#include "server/metric_families.h"
#include "server/version.h"

namespace keelson::server {
namespace {

// gRPC's names of its codes, as grpc-go writes them.
constexpr const char* kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

std::string Hex(NodeId id) { return absl::StrCat(absl::Hex(id.value())); }

double Number(uint64_t value) { return static_cast<double>(value); }

}  // namespace

void MetricsEndpoint::Register(rpc::RpcServer* server) const {
  server->RegisterHttp("/metrics", [this](const rpc::HttpRequest& request, auto respond) {
    if (request.method != "GET" && request.method != "HEAD") {
      return respond({.status = 405, .body = "Method Not Allowed\n", .allow = "GET"});
    }
    respond({.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = Text()});
  });
}

std::string MetricsEndpoint::Text() const {
  MetricFamilies families;
  AddServer(families);
  AddHealth(families);
  AddDisk(families);
  AddKeySpace(families);
  AddWatchesAndLeases(families);
  AddPeers(families);
  AddSnapshots(families);
  AddRpc(families);
  AddLoad(families);
  families.Process();
  return families.Text();
}

void MetricsEndpoint::AddServer(MetricFamilies& families) const {
  MemberCore& core = *sources_.core;
  const raft::Status raft = core.node().status();
  const CoreCounters& counters = core.counters();
  const std::vector<NodeId>& learners = raft.conf.learners;
  families.Gauge("keelson_build_info", "Keelson's own version, with the value 1.", 1,
                 {{"version", kKeelsonVersion}});
  families.Gauge("etcd_server_version", "Which version is running. 1 for 'server_version' label.",
                 1, {{"server_version", kEtcdVersion}});
  families.Gauge("etcd_cluster_version", "Which version is running. 1 for 'cluster_version' label.",
                 1, {{"cluster_version", kEtcdClusterVersion}});
  families.Gauge("etcd_server_id", "Server or member ID in hexadecimal. 1 for 'server_id' label.",
                 1, {{"server_id", Hex(core.options().id)}});
  families.Gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence.",
                 raft.leader ? 1 : 0);
  families.Gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is.",
                 core.node().is_leader() ? 1 : 0);
  families.Gauge("etcd_server_is_learner", "Whether or not this member is a learner. 1 if is.",
                 std::count(learners.begin(), learners.end(), core.options().id) > 0 ? 1 : 0);
  families.Counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.",
                   Number(counters.leader_changes));
  families.Gauge("etcd_server_proposals_committed_total",
                 "The total number of consensus proposals committed.",
                 Number(core.node().commit().value()));
  families.Gauge("etcd_server_proposals_applied_total",
                 "The total number of consensus proposals applied.",
                 Number(core.node().applied().value()));
  families.Gauge("etcd_server_proposals_pending", "Proposals of clients that are not applied yet.",
                 Number(core.proposals_pending()));
  families.Counter("etcd_server_proposals_failed_total",
                   "Proposals that were refused or not applied in time.",
                   Number(counters.proposals_failed));
  families.Counter("etcd_server_slow_apply_total",
                   "Groups of entries that took longer than 100 ms to apply.",
                   Number(counters.slow_applies));
  families.Counter("etcd_server_slow_read_indexes_total",
                   "Linearizable reads that were not granted in time.",
                   Number(counters.slow_reads));
  families.Gauge("etcd_server_quota_backend_bytes", "Current quota of the store in bytes.",
                 static_cast<double>(core.options().space.quota_bytes));
  ForEachAlarm(core.store(), [&families](const AlarmKey& alarm) {
    families.Gauge("etcd_debugging_server_alarms", "Alarms for every member in cluster.", 1,
                   {{"server_id", Hex(alarm.member)},
                    {"alarm_type", etcdserverpb::AlarmType_Name(
                                       static_cast<etcdserverpb::AlarmType>(alarm.alarm))}});
  });
}

void MetricsEndpoint::AddHealth(MetricFamilies& families) const {
  const HealthEndpoints& health = *sources_.health;
  families.Counter("etcd_server_health_success", "The total number of successful health checks.",
                   Number(health.health_successes()));
  families.Counter("etcd_server_health_failures", "The total number of failed health checks.",
                   Number(health.health_failures()));
  for (const HealthEndpoints::CheckCount& check : health.checks()) {
    if (check.passed + check.failed > 0) {
      families.Gauge("etcd_server_healthcheck", "The result of each kind of healthcheck.",
                     check.passes ? 1 : 0, {{"type", check.type}, {"name", check.name}});
    }
    for (const auto& [status, count] :
         {std::pair("success", check.passed), std::pair("error", check.failed)}) {
      families.Counter("etcd_server_healthchecks_total",
                       "The total number of each kind of healthcheck.", Number(count),
                       {{"type", check.type}, {"name", check.name}, {"status", status}});
    }
  }
}

void MetricsEndpoint::AddDisk(MetricFamilies& families) const {
  const storage::RaftLog::Times& log = sources_.log->times();
  storage::Store& store = sources_.core->store();
  families.Histogram("etcd_disk_wal_fsync_duration_seconds",
                     "The latency distributions of syncs of the raft log.", log.sync);
  families.Histogram("etcd_disk_wal_write_duration_seconds",
                     "The latency distributions of writes to the raft log.", log.write);
  families.Gauge("etcd_disk_wal_write_bytes_total", "Total number of bytes written in WAL.",
                 Number(log.written_bytes.load(std::memory_order_relaxed)));
  families.Histogram("etcd_disk_backend_commit_duration_seconds",
                     "The latency distributions of writing a group of entries to the store.",
                     sources_.core->counters().commit);
  families.Gauge("etcd_mvcc_db_total_size_in_bytes", "Total size of the store on disk in bytes.",
                 Number(store.SizeOnDisk()));
  families.Gauge("etcd_mvcc_db_total_size_in_use_in_bytes",
                 "Size of the store's live data in bytes.", Number(store.SizeInUse()));
}

void MetricsEndpoint::AddKeySpace(MetricFamilies& families) const {
  const KvCounters& kv = *sources_.core->kv_counters();
  storage::Store& store = sources_.core->store();
  families.Counter("etcd_mvcc_range_total", "Total number of ranges seen by this member.",
                   Number(kv.ranges));
  families.Counter("etcd_mvcc_put_total", "Total number of puts seen by this member.",
                   Number(kv.puts));
  families.Counter("etcd_mvcc_delete_total", "Total number of deletes seen by this member.",
                   Number(kv.deletes));
  families.Counter("etcd_mvcc_txn_total", "Total number of txns seen by this member.",
                   Number(kv.txns));
  families.Gauge("etcd_debugging_mvcc_total_put_size_in_bytes",
                 "The total size of put kv pairs seen by this member.", Number(kv.put_bytes));
  families.Gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.",
                 static_cast<double>(store.KeyCount()));
  families.Gauge("etcd_debugging_mvcc_current_revision", "The current revision of store.",
                 static_cast<double>(store.revision().value()));
  families.Gauge("etcd_debugging_mvcc_compact_revision",
                 "The revision of the last compaction in store.",
                 static_cast<double>(store.compacted().value()));
}

void MetricsEndpoint::AddWatchesAndLeases(MetricFamilies& families) const {
  const WatchHub& hub = sources_.core->watch_hub();
  const CoreCounters& counters = sources_.core->counters();
  families.Gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.",
                 Number(hub.stream_count()));
  families.Gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.",
                 Number(hub.watcher_count()));
  families.Gauge("etcd_debugging_mvcc_slow_watcher_total",
                 "Total number of unsynced slow watchers.", Number(hub.lagging_count()));
  families.Counter("etcd_debugging_mvcc_events_total",
                   "Total number of events sent by this member.", Number(hub.events_sent()));
  families.Counter("etcd_debugging_lease_granted_total", "The total number of granted leases.",
                   Number(counters.leases_granted));
  families.Counter("etcd_debugging_lease_revoked_total", "The total number of revoked leases.",
                   Number(counters.leases_revoked));
  families.Counter("etcd_debugging_lease_renewed_total",
                   "The number of renewed leases seen by the leader.",
                   Number(counters.leases_renewed));
  families.Counter("etcd_debugging_server_lease_expired_total",
                   "The total number of expired leases.", Number(counters.leases_expired));
}

void MetricsEndpoint::AddPeers(MetricFamilies& families) const {
  const std::string self = Hex(sources_.core->options().id);
  for (const auto& [id, peer] : sources_.peers->statistics()) {
    const MetricFamilies::Labels pair = {{"Local", self}, {"Remote", Hex(id)}};
    const MetricFamilies::Labels to = {{"To", Hex(id)}};
    const MetricFamilies::Labels from = {{"From", Hex(id)}};
    families.Gauge("etcd_network_known_peers", "The current number of known peers.", 1, pair);
    families.Gauge("etcd_network_active_peers", "The current number of active peer connections.",
                   peer.active ? 1 : 0, pair);
    families.Counter("etcd_network_disconnected_peers_total",
                     "The total number of disconnected peers.", Number(peer.disconnects), pair);
    families.Counter("etcd_network_peer_sent_bytes_total",
                     "The total number of bytes sent to peers.", Number(peer.sent_bytes), to);
    families.Counter("etcd_network_peer_received_bytes_total",
                     "The total number of bytes received from peers.", Number(peer.received_bytes),
                     from);
    families.Counter("etcd_network_peer_sent_failures_total",
                     "The total number of send failures from peers.", Number(peer.sent_failures),
                     to);
    families.Counter("etcd_network_peer_received_failures_total",
                     "The total number of receive failures from peers.",
                     Number(peer.received_failures), from);
    families.Histogram("etcd_network_peer_round_trip_time_seconds",
                       "Round-Trip-Time histogram between peers.", peer.round_trip, to);
  }
}

void MetricsEndpoint::AddSnapshots(MetricFamilies& families) const {
  for (const auto& [id, snapshots] : *sources_.snapshots) {
    const MetricFamilies::Labels to = {{"To", Hex(id)}};
    const MetricFamilies::Labels from = {{"From", Hex(id)}};
    families.Counter("etcd_network_snapshot_send_success",
                     "Total number of successful snapshot sends.", Number(snapshots.sent), to);
    families.Counter("etcd_network_snapshot_send_failures",
                     "Total number of snapshot send failures.", Number(snapshots.send_failures),
                     to);
    families.Gauge("etcd_network_snapshot_send_inflights_total",
                   "Total number of inflight snapshot sends.",
                   static_cast<double>(snapshots.sending), to);
    families.Histogram("etcd_network_snapshot_send_total_duration_seconds",
                       "Total latency distributions of v3 snapshot sends.", snapshots.send_times,
                       to);
    families.Counter("etcd_network_snapshot_receive_success",
                     "Total number of successful snapshot receives.", Number(snapshots.received),
                     from);
  }
}

void MetricsEndpoint::AddRpc(MetricFamilies& families) const {
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  for (const rpc::MethodStatistics* method : sources_.rpc->statistics()) {
    const MetricFamilies::Labels labels = {{"grpc_type", method->type},
                                           {"grpc_service", method->service},
                                           {"grpc_method", method->method}};
    received_bytes += method->received_bytes;
    sent_bytes += method->sent_bytes;
    families.Counter("grpc_server_started_total", "Total number of RPCs started on the server.",
                     Number(method->started), labels);
    families.Counter("grpc_server_msg_received_total",
                     "Total number of RPC stream messages received on the server.",
                     Number(method->received), labels);
    families.Counter("grpc_server_msg_sent_total",
                     "Total number of gRPC stream messages sent by the server.",
                     Number(method->sent), labels);
    for (size_t code = 0; code < method->handled.size(); ++code) {
      MetricFamilies::Labels with_code = labels;
      with_code.emplace_back("grpc_code", kCodeNames[code]);
      families.Counter(
          "grpc_server_handled_total",
          "Total number of RPCs completed on the server, regardless of success or failure.",
          Number(method->handled[code]), with_code);
    }
    if (method->handling != nullptr) {
      families.Histogram("grpc_server_handling_seconds",
                         "Histogram of response latency of RPCs handled by the server.",
                         *method->handling, labels);
    }
  }
  families.Counter("etcd_network_client_grpc_received_bytes_total",
                   "The total number of bytes received from grpc clients.", Number(received_bytes));
  families.Counter("etcd_network_client_grpc_sent_bytes_total",
                   "The total number of bytes sent to grpc clients.", Number(sent_bytes));
}

void MetricsEndpoint::AddLoad(MetricFamilies& families) const {
  for (size_t i = 0; i < rpc::kLanes; ++i) {
    const auto lane = static_cast<rpc::Lane>(i);
    const rpc::LoadControl::LaneState& state = sources_.rpc->load().state(lane);
    const MetricFamilies::Labels of = {{"lane", rpc::LaneName(lane)}};
    families.Gauge("keelson_requests_running", "Calls of clients at work.", Number(state.running),
                   of);
    families.Gauge("keelson_requests_waiting", "Calls of clients that wait for room.",
                   Number(state.waiting), of);
    families.Gauge("keelson_answers_unsent_bytes", "Answers that clients have not read.",
                   Number(state.unsent.queued_bytes), of);
    families.Counter("keelson_requests_queued_total", "Calls of clients that had to wait for room.",
                     Number(state.queued_total), of);
    families.Counter("keelson_requests_refused_total",
                     "Calls of clients that were refused for want of room.",
                     Number(state.refused_total), of);
    families.Counter("keelson_requests_shed_total",
                     "Calls that were ended because their client did not read.",
                     Number(state.shed_total), of);
  }
}

}  // namespace keelson::server
