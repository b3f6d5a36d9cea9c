"""etcd's failpoints in a build that has them (cmake --preset failpoints): set in the environment and over HTTP, as gofail's."""

import contextlib
import os
import signal
import time
import unittest
import urllib.error
import urllib.request

import cluster
import grpc
from cluster import Cluster, free_port, wait_until


class FailpointsTest(unittest.TestCase):
    def new_cluster(self, size=1, failpoints=""):
        self.ports = [free_port() for _ in range(size)]
        made = Cluster(size, start=False)
        self.addCleanup(made.close)
        self.addCleanup(lambda: self._outcome.success or made.show_logs())
        for member, port in zip(made, self.ports):
            os.environ["GOFAIL_HTTP"] = f"127.0.0.1:{port}"
            os.environ["GOFAIL_FAILPOINTS"] = failpoints
            self.addCleanup(os.environ.pop, "GOFAIL_HTTP", None)
            self.addCleanup(os.environ.pop, "GOFAIL_FAILPOINTS", None)
            member.start()
        return made

    def ask(self, method, path, body=None, member=0):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[member]}/{path}", method=method,
                                         data=body.encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def reached(self, name, member=0):
        return int(self.ask("GET", f"{name}/count", member=member))

    def test_every_point_on_the_way_of_a_write_is_reached(self):
        made = self.new_cluster()
        made.wait_ready()
        names = ["raftBeforeSave", "raftAfterSave", "walBeforeSync", "walAfterSync", "raftBeforeAdvance", "beforeStartDBTxn",
                 "afterStartDBTxn", "beforeApplyOneEntryNormal", "beforeWritebackBuf", "afterWritebackBuf", "beforeCommit",
                 "afterCommit", "compactBeforeCommitScheduledCompact", "compactAfterCommitScheduledCompact",
                 "compactBeforeCommitBatch", "compactAfterCommitBatch", "compactBeforeSetFinishedCompact",
                 "compactAfterSetFinishedCompact", "beforeLookupWhenLeaseTimeToLive", "beforeServeHTTPLeaseRenew",
                 "beforeRangeStreamChunk", "beforeSendWatchResponse", "beforeSyncWatchers", "defragBeforeCopy"]
        self.ask("PUT", "failpoints", ";".join(f"{name}=off" for name in names))
        client = made[0].client
        lease = client.Lease.LeaseGrant(TTL=60).ID
        client.KV.Put(key=b"a", value=b"1", lease=lease)
        revision = client.KV.Put(key=b"a", value=b"2").header.revision
        client.Lease.LeaseTimeToLive(ID=lease)
        next(client.Lease.LeaseKeepAlive(iter([cluster.wire.LeaseKeepAliveRequest(ID=lease)])))
        list(client.KV.RangeStream(key=b"a"))
        watch = client.Watch.Watch(iter([cluster.wire.WatchRequest(
            create_request=cluster.wire.WatchCreateRequest(key=b"a", start_revision=revision))]))
        while not next(watch).events:
            pass
        client.KV.Compact(revision=revision, physical=True)
        client.Maintenance.Defragment()
        for name in names:
            self.assertGreater(self.reached(name), 0, name)
        listed = self.ask("GET", "").splitlines()
        self.assertIn("walBeforeSync=off", listed)
        self.assertIn("raftDropHeartbeat=", listed)

    def test_a_panic_before_the_sync_loses_nothing_that_was_answered(self):
        made = self.new_cluster()
        made.wait_ready()
        member = made[0]
        member.client.KV.Put(key=b"answered", value=b"1")
        self.ask("PUT", "walBeforeSync", "panic(\"as told\")")
        with self.assertRaises(grpc.RpcError):
            member.client.KV.Put(key=b"unanswered", value=b"1", timeout=10)
        self.assertEqual(member.process.wait(10), -signal.SIGABRT)
        self.assertIn("failpoint panic: walBeforeSync as told", member.log.read_text())
        member.reconnect()
        member.start()
        member.wait_ready()
        self.assertEqual(member.client.KV.Range(key=b"answered").count, 1)

    def test_counted_sleeps_in_the_environment_slow_down_what_they_are_in(self):
        made = self.new_cluster(failpoints="beforePublishing=1*sleep(1500)->off")
        start = time.monotonic()
        made.wait_ready()
        self.assertGreater(time.monotonic() - start, 1.4)
        self.assertEqual(self.reached("beforePublishing"), 1)
        # The point's own server answers while the member sleeps in it.
        self.ask("PUT", "beforeCommit", "sleep(1000)")
        put = made[0].client.KV.Put.call.future(cluster.wire.PutRequest(key=b"a", value=b"1"), timeout=20)
        wait_until(lambda: self.reached("beforeCommit") > 0, 10, "the put is at the point")
        self.assertFalse(put.done())
        self.ask("DELETE", "beforeCommit")
        put.result()

    def test_a_returned_error_is_the_operations_error(self):
        made = self.new_cluster()
        made.wait_ready()
        self.ask("PUT", "defragdbFail", "1*return(\"no room to rewrite\")")
        with self.assertRaises(grpc.RpcError) as failed:
            made[0].client.Maintenance.Defragment()
        self.assertIn("no room to rewrite", failed.exception.details())
        made[0].client.Maintenance.Defragment()

    def test_a_leader_whose_heartbeats_are_dropped_is_replaced(self):
        made = self.new_cluster(size=3)
        made.wait_ready()
        leader = made.leader()
        term = leader.status().raftTerm
        self.ask("PUT", "raftDropHeartbeat", "return", member=made.members.index(leader))
        wait_until(lambda: any((s := m.status_or_none()) and s.raftTerm > term for m in made), 20, "an election")
        self.ask("DELETE", "raftDropHeartbeat", member=made.members.index(leader))
        made.leader()

    def test_wrong_terms_are_refused_and_end_a_member_that_is_started_with_them(self):
        made = self.new_cluster()
        made.wait_ready()
        for path, body, code in (("walBeforeSync", "nonsense", 400), ("unknown", "off", 404), ("failpoints", "unknown=off", 400)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.ask("PUT", path, body)
            self.assertEqual(refused.exception.code, code)
            refused.exception.close()
        made[0].terminate()
        os.environ["GOFAIL_FAILPOINTS"] = "walBeforeSync=nonsense"
        made[0].start()
        self.assertEqual(made[0].process.wait(10), 1)


if __name__ == "__main__":
    with contextlib.suppress(KeyError):
        del os.environ["GOFAIL_FAILPOINTS"]
    cluster.main()
