"""/metrics: Prometheus can read it, the numbers are those of what was done, and the names that etcd's dashboards and alerts ask
for are there."""

import http.client
import re
import unittest

import cluster
import wire
from cluster import Cluster, free_port, wait_until

# What the dashboards and alerts of etcd's mixin need, with the kinds it takes them for.
NEEDED = {
    "etcd_server_has_leader": "gauge", "etcd_server_leader_changes_seen_total": "counter",
    "etcd_server_proposals_failed_total": "counter", "etcd_server_proposals_pending": "gauge",
    "etcd_server_proposals_committed_total": "gauge", "etcd_server_proposals_applied_total": "gauge",
    "etcd_server_quota_backend_bytes": "gauge", "etcd_mvcc_db_total_size_in_bytes": "gauge",
    "etcd_mvcc_db_total_size_in_use_in_bytes": "gauge", "etcd_disk_wal_fsync_duration_seconds": "histogram",
    "etcd_disk_backend_commit_duration_seconds": "histogram", "etcd_network_peer_round_trip_time_seconds": "histogram",
    "etcd_network_peer_sent_bytes_total": "counter", "etcd_network_peer_received_bytes_total": "counter",
    "etcd_network_peer_sent_failures_total": "counter", "etcd_network_client_grpc_sent_bytes_total": "counter",
    "etcd_network_client_grpc_received_bytes_total": "counter", "grpc_server_started_total": "counter",
    "grpc_server_handled_total": "counter", "process_resident_memory_bytes": "gauge",
}
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)\Z')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def ask(port, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    result = answer.status, answer.getheader("Content-Type"), answer.read().decode()
    connection.close()
    return result


class Metrics:
    """One answer, taken apart as strictly as Prometheus does."""

    def __init__(self, port):
        status, kind, text = ask(port)
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8"), (status, kind)
        assert text.endswith("\n")
        self.kinds, self.helps, self.values = {}, set(), {}
        current = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                assert name not in self.helps, f"{name} comes twice"
                self.helps.add(name)
            elif line.startswith("# TYPE "):
                _, _, current, kind = line.split(" ")
                self.kinds[current] = kind
            else:
                match = LINE.match(line)
                assert match, line
                name, labels, value = match.groups()
                suffixes = ("_bucket", "_sum", "_count") if self.kinds[current] == "histogram" else ("",)
                assert name in [current + suffix for suffix in suffixes], f"{name} stands under {current}"
                key = name, tuple(sorted(LABEL.findall(labels or "")))
                assert key not in self.values, f"{key} comes twice"
                self.values[key] = float(value)

    def get(self, metric, **labels):
        return self.values[metric, tuple(sorted(labels.items()))]

    def sum(self, metric, **labels):
        found = [v for (name, have), v in self.values.items() if name == metric and set(labels.items()) <= set(have)]
        assert found, f"there is no {metric} {labels}"
        return sum(found)

    def handled(self, service, method, code="OK"):
        return self.sum("grpc_server_handled_total", grpc_service=service, grpc_method=method, grpc_code=code)


class MetricsTest(unittest.TestCase):
    def new_cluster(self, size, flags=()):
        members = Cluster(size, flags)
        self.addCleanup(members.close)
        return members

    def test_names_and_kinds_are_etcds(self):
        members = self.new_cluster(3)
        metrics = Metrics(members[0].client_port)
        for name, kind in NEEDED.items():
            self.assertEqual(metrics.kinds.get(name), kind, name)
        self.assertEqual(metrics.sum("keelson_build_info"), 1)
        self.assertTrue(all(len(name) < 100 for name in metrics.helps))

    def test_what_was_done_is_what_is_counted(self):
        members = self.new_cluster(1, ["--metrics=extensive"])
        client, port = members[0].client, members[0].client_port
        members.wait_equal()  # what a member says of itself at its start is applied
        before = Metrics(port)
        for i in range(7):
            client.KV.Put(key=b"k%d" % i, value=b"12345")
        client.KV.Range(key=b"k", range_end=b"l")
        client.KV.Range(key=b"k1", serializable=True)
        client.KV.DeleteRange(key=b"k6")
        operation = wire.RequestOp
        client.KV.Txn(success=[operation(request_put=wire.PutRequest(key=b"t", value=b"1")),
                               operation(request_range=wire.RangeRequest(key=b"t"))])
        with self.assertRaises(Exception):
            client.KV.Put(key=b"", value=b"1")
        client.Lease.LeaseGrant(TTL=600, ID=5)
        client.Lease.LeaseRevoke(ID=5)
        after = Metrics(port)

        def grown(metric, **labels):
            return after.sum(metric, **labels) - before.sum(metric, **labels)
        self.assertEqual(grown("etcd_mvcc_put_total"), 8)
        self.assertEqual(grown("etcd_mvcc_range_total"), 3)
        self.assertEqual(grown("etcd_mvcc_delete_total"), 1)
        self.assertEqual(grown("etcd_mvcc_txn_total"), 1)
        self.assertEqual(grown("etcd_debugging_mvcc_keys_total"), 7)
        self.assertEqual(grown("etcd_debugging_mvcc_current_revision"), 9)
        self.assertEqual(grown("etcd_debugging_mvcc_total_put_size_in_bytes"), 7 * 7 + 2)
        self.assertEqual(grown("etcd_debugging_lease_granted_total"), 1)
        self.assertEqual(grown("etcd_debugging_lease_revoked_total"), 1)
        self.assertEqual(grown("etcd_server_proposals_applied_total"), 11)
        self.assertEqual(after.get("etcd_server_proposals_pending"), 0)
        put = {"grpc_service": "etcdserverpb.KV", "grpc_method": "Put", "grpc_type": "unary"}
        self.assertEqual(grown("grpc_server_started_total", **put), 8)
        self.assertEqual(grown("grpc_server_msg_received_total", **put), 8)
        self.assertEqual(grown("grpc_server_msg_sent_total", **put), 7)
        self.assertEqual(after.handled("etcdserverpb.KV", "Put"), 7)
        self.assertEqual(after.handled("etcdserverpb.KV", "Put", "InvalidArgument"), 1)
        self.assertEqual(grown("grpc_server_handling_seconds_count", **put), 8)
        # A put of one client at a time is a write and a sync of the log each.
        self.assertGreaterEqual(grown("etcd_disk_wal_fsync_duration_seconds_count"), 11)
        self.assertEqual(grown("etcd_disk_wal_fsync_duration_seconds_bucket", le="+Inf"),
                         grown("etcd_disk_wal_fsync_duration_seconds_count"))
        self.assertGreaterEqual(grown("etcd_disk_backend_commit_duration_seconds_count"), 11)
        self.assertGreater(grown("etcd_disk_wal_write_bytes_total"), 7 * 7)
        self.assertGreater(grown("etcd_network_client_grpc_received_bytes_total"), 7 * 7)
        self.assertGreater(after.get("process_resident_memory_bytes"), 1 << 20)

    def test_watches_and_the_gateway_count(self):
        members = self.new_cluster(1)
        member, port = members[0], members[0].client_port
        watch = wire.WatchRequest
        requests = [watch(create_request=wire.WatchCreateRequest(key=b"w"))] * 2
        stream = member.client.Watch.Watch(iter(requests))
        next(stream)
        next(stream)
        member.client.KV.Put(key=b"w", value=b"1")
        next(stream)
        next(stream)
        metrics = Metrics(port)
        self.assertEqual(metrics.get("etcd_debugging_mvcc_watcher_total"), 2)
        self.assertEqual(metrics.get("etcd_debugging_mvcc_watch_stream_total"), 1)
        self.assertEqual(metrics.get("etcd_debugging_mvcc_events_total"), 2)
        stream.cancel()
        wait_until(lambda: Metrics(port).get("etcd_debugging_mvcc_watcher_total") == 0, 10, "the watchers are gone")
        self.assertEqual(Metrics(port).handled("etcdserverpb.Watch", "Watch", "Canceled"), 1)
        self.assertNotIn("grpc_server_handling_seconds", Metrics(port).kinds)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/v3/kv/put", '{"key":"YQ=="}')
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()
        self.assertEqual(Metrics(port).handled("etcdserverpb.KV", "Put"), 2)

    def test_leaders_and_peers(self):
        members = self.new_cluster(3)
        leader = members.leader()
        others = [m for m in members if m is not leader]
        ids = {m: f"{m.id():x}" for m in members}
        for member in members:
            wait_until(lambda m=member: Metrics(m.client_port).sum("etcd_network_active_peers") == 2, 10, "all are connected")
        leader.client.KV.Put(key=b"a", value=bytes(100_000))
        members.wait_equal()
        seen = {m: Metrics(m.client_port) for m in members}
        for member, metrics in seen.items():
            self.assertEqual(metrics.get("etcd_server_has_leader"), 1)
            self.assertEqual(metrics.get("etcd_server_is_leader"), 1 if member is leader else 0)
            self.assertEqual(metrics.sum("etcd_network_known_peers", Local=ids[member]), 2)
            self.assertEqual(metrics.sum("etcd_server_id", server_id=ids[member]), 1)
        for other in others:
            self.assertGreater(seen[leader].get("etcd_network_peer_sent_bytes_total", To=ids[other]), 100_000)
            self.assertGreater(seen[other].get("etcd_network_peer_received_bytes_total", From=ids[leader]), 100_000)
            self.assertGreater(seen[leader].get("etcd_network_peer_round_trip_time_seconds_count", To=ids[other]), 0)
        leader.kill()
        members.leader()
        pair = {"Local": ids[others[0]], "Remote": ids[leader]}
        wait_until(lambda: Metrics(others[0].client_port).get("etcd_network_active_peers", **pair) == 0, 10, "the end is seen")
        metrics = Metrics(others[0].client_port)
        self.assertGreater(metrics.get("etcd_server_leader_changes_seen_total"),
                           seen[others[0]].get("etcd_server_leader_changes_seen_total"))
        self.assertGreater(metrics.get("etcd_network_disconnected_peers_total", **pair), 0)
        self.assertEqual(metrics.get("etcd_network_known_peers", **pair), 1)

    def test_listeners_of_their_own(self):
        port = free_port()
        members = self.new_cluster(1, [f"--listen-metrics-urls=http://127.0.0.1:{port}"])
        self.assertEqual(Metrics(port).kinds, Metrics(members[0].client_port).kinds)
        self.assertEqual(ask(port, "/readyz")[2], "ok\n")
        self.assertEqual(ask(port, "/health")[2], '{"health":"true","reason":""}')
        self.assertEqual(ask(port, "/version")[0], 404)
        self.assertEqual(ask(port, "/v3/kv/range", "POST")[0], 404)
        self.assertEqual(ask(port, "/metrics", "POST")[0], 405)
        metrics = Metrics(port)
        self.assertEqual(metrics.get("etcd_server_health_success"), 1)
        self.assertEqual(metrics.get("etcd_server_healthchecks_total", type="readyz", name="linearizable_read", status="success"), 1)
        self.assertEqual(metrics.get("etcd_server_healthcheck", type="readyz", name="non_learner"), 1)


if __name__ == "__main__":
    cluster.main()
