"""Overload: what must be answered is answered while everything else comes in floods, and memory has a bound, whoever reads."""

import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import unittest

import cluster
import wire
from cluster import Cluster, wait_until
from metrics_test import Metrics
from raw_http2 import RawHttp2
import grpc  # after wire, which sets its environment

MIB = 1 << 20
WATCHERS = 10_000
LEASES = 100_000

# Processes of their own: in ours, their work would count as the server's. Each keeps so many calls out on each of its
# connections, whatever becomes of them, and says how many have ended.
FLOOD = """
import os, select, sys
sys.path.insert(0, sys.argv[1])
import wire
from raw_http2 import RawHttp2
port, kind, connections, outstanding = int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if kind == "put":
    path, message = "/etcdserverpb.KV/Put", wire.PutRequest(key=b"flood", value=os.urandom(512))
else:
    path, message = "/etcdserverpb.KV/Range", wire.RangeRequest(key=b"large/", range_end=b"large0")
open_calls = []
for i in range(connections):
    connection = RawHttp2(port)
    for j in range(outstanding):
        connection.call(path, message)
    connection.flush()
    open_calls.append(connection)
print("ready", flush=True)
done = 0
while True:
    for connection in select.select(open_calls, [], [])[0]:
        connection.read()
        ended = len(connection.ended) + len(connection.reset)
        connection.ended.clear()
        connection.reset.clear()
        for i in range(ended):
            connection.call(path, message)
        connection.flush()
        done += ended
    print(done, flush=True)
"""


class Flood:
    """A process of FLOOD, and how many of its calls have ended."""

    def __init__(self, process, outstanding):
        self.process = process
        self.outstanding = outstanding
        self.done = 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with self.process.stdout as lines:
            for line in lines:
                self.done = int(line)


def rss(member):
    with open(f"/proc/{member.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


class OverloadTest(unittest.TestCase):
    def new_cluster(self, size, *flags):
        made = Cluster(size, flags)
        self.addCleanup(made.close)
        self.addCleanup(lambda: self._outcome.success or made.show_logs())
        return made

    def start_flood(self, member, kind, connections, outstanding):
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", FLOOD,
                                    os.path.dirname(os.path.abspath(__file__)), str(member.client_port), kind,
                                    str(connections), str(outstanding)], stdout=subprocess.PIPE, env=cluster.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        flood = Flood(process, connections * outstanding)
        wait_until(lambda: flood.done > 0, 30, "the flood begins")
        return flood

    def fill(self, member, keys, size):
        for i in range(keys):
            member.client.KV.Put(key=b"large/%04d" % i, value=os.urandom(size), timeout=30)

    def vital_calls(self, member):
        """By name, what operators, automation and holders of leases do when a cluster is in trouble."""
        client = member.client
        lease = client.Lease.LeaseGrant(TTL=600).ID
        other = client.Cluster.MemberList().members[0]
        renewals = queue.SimpleQueue()
        keep_alive = client.Lease.LeaseKeepAlive(iter(renewals.get, None))

        def renew():
            renewals.put(wire.LeaseKeepAliveRequest(ID=lease))
            self.assertGreater(next(keep_alive).TTL, 0)
        return {
            "status": lambda: client.Maintenance.Status(timeout=20),
            "health": lambda: client.Health.Check(timeout=20),
            "alarms": lambda: client.Maintenance.Alarm(action=0, timeout=20),
            "members": lambda: client.Cluster.MemberList(linearizable=True, timeout=20),
            "grant": lambda: client.Lease.LeaseGrant(TTL=600, timeout=20),
            "keep alive": renew,
            "compact": lambda: client.KV.Compact(revision=client.Maintenance.Status(timeout=20).header.revision - 1, timeout=20),
            "change of members": lambda: client.Cluster.MemberUpdate(ID=other.ID, peerURLs=list(other.peerURLs), timeout=20),
        }

    def times(self, calls, rounds):
        """The median milliseconds of each call, one after the other; every one of them has to succeed."""
        times = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.monotonic()
                try:
                    call()
                except grpc.RpcError as error:
                    # A revision that another round compacted already.
                    if name != "compact" or error.code() != grpc.StatusCode.OUT_OF_RANGE:
                        raise
                times[name].append((time.monotonic() - start) * 1000)
        return {name: statistics.median(values) for name, values in times.items()}

    def test_what_is_vital_is_answered_in_floods_of_puts_and_of_large_ranges(self):
        made = self.new_cluster(1, "--max-pending-writes=200")
        member = made[0]
        self.fill(member, keys=64, size=128 << 10)
        vital = self.vital_calls(member)
        put = {"put": lambda: until_taken(lambda: member.client.KV.Put(key=b"x", value=b"y", timeout=30))}
        member.client.KV.Put(key=b"x", value=b"x")
        alone = self.times({**vital, **put}, 10)
        metrics = Metrics(member.client_port)
        floods = [self.start_flood(member, "put", connections=8, outstanding=100),
                  self.start_flood(member, "range", connections=4, outstanding=20)]
        wait_until(lambda: Metrics(member.client_port).get("keelson_requests_refused_total", lane="write") > 0, 30,
                   "the flood is more than there is room for")
        ranges = floods[1]
        start, done = time.monotonic(), ranges.done
        beside = self.times({**vital, **put}, 10)
        wait_until(lambda: ranges.done > done + 20, 60, "the flood goes on")
        # By Little's law: so many calls are always out, and so many end in a second.
        of_flood = ranges.outstanding * (time.monotonic() - start) / (ranges.done - done) * 1000
        for flood in floods:
            self.assertIsNone(flood.process.poll(), "a flood ended")
            flood.process.kill()
        print("\nmilliseconds, median, alone and in the floods: " +
              ", ".join(f"{name} {alone[name]:.1f} {beside[name]:.1f}" for name in alone) +
              f"; a range of the flood {of_flood:.0f}", flush=True)
        after = Metrics(member.client_port)
        for lane in ("vital", "lease", "stream"):
            self.assertEqual(after.get("keelson_requests_refused_total", lane=lane), 0, lane)
            self.assertEqual(after.get("keelson_requests_queued_total", lane=lane), 0, lane)
        self.assertGreater(after.get("keelson_requests_queued_total", lane="write"), 0)
        self.assertGreater(after.get("keelson_requests_queued_total", lane="range"), 0)
        worst = max((beside[name], name) for name in alone)
        self.assertLess(worst[0], of_flood / 2, f"{worst[1]} waited as if it were one of the flood")

    def test_memory_has_a_bound_whatever_is_not_read(self):
        memory = 32 * MIB
        made = self.new_cluster(1, f"--client-memory-bytes={memory}")
        member = made[0]
        self.fill(member, keys=64, size=128 << 10)  # 8 MiB an answer
        grants = RawHttp2(member.client_port)
        self.addCleanup(grants.close)
        for first in range(0, LEASES, 1000):
            for i in range(first, first + 1000):
                grants.call("/etcdserverpb.Lease/LeaseGrant", wire.LeaseGrantRequest(ID=i + 1, TTL=6000))
            grants.flush()
            grants.wait_ended(first + 1000)
        self.assertEqual(Metrics(member.client_port).get("etcd_debugging_lease_granted_total"), LEASES)
        watches = RawHttp2(member.client_port, window=65535, receive_buffer=4096)
        self.addCleanup(watches.close)
        stream = watches.open("/etcdserverpb.Watch/Watch")
        for i in range(WATCHERS):
            watches.send(stream, wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"watched", start_revision=2)))
        watches.flush()
        wait_until(lambda: Metrics(member.client_port).get("etcd_debugging_mvcc_watcher_total") == WATCHERS, 30, "10,000 watchers")
        # Values that are written are in memory too, up to the store's budget.
        for i in range(400):
            member.client.KV.Put(key=b"other", value=os.urandom(64 << 10), timeout=30)
        before = rss(member)
        lazy = []
        for connection in range(8):  # 8 x 50 x 8 MiB are asked for, and none is read
            lazy.append(RawHttp2(member.client_port, window=65535, receive_buffer=4096))
            self.addCleanup(lazy[-1].close)
            for i in range(50):
                lazy[-1].call("/etcdserverpb.KV/Range", wire.RangeRequest(key=b"large/", range_end=b"large0"))
            watch = lazy[-1].open("/etcdserverpb.Watch/Watch")
            lazy[-1].send(watch, wire.WatchRequest(create_request=wire.WatchCreateRequest(
                key=b"\0", range_end=b"\0", start_revision=2)))
            lazy[-1].flush()
        highest = 0
        for i in range(100):
            member.client.KV.Put(key=b"watched", value=os.urandom(4 << 10), timeout=30)
            highest = max(highest, rss(member))
            self.assertEqual(member.client.KV.Range(key=b"watched", timeout=30).count, 1)
        # Whoever reads gets his large range, perhaps when he asks again, once those who do not were let go.
        read = until_taken(lambda: member.client.KV.Range(key=b"large/", range_end=b"large0", timeout=60))
        self.assertEqual(len(read.kvs), 64)
        highest = max(highest, rss(member))
        metrics = Metrics(member.client_port)
        shed = metrics.sum("keelson_requests_shed_total")
        print(f"\nRSS before {before / MIB:.0f} MiB, highest {highest / MIB:.0f} MiB, asked for {8 * 50 * 8} MiB, "
              f"let go {shed:.0f}", flush=True)
        self.assertGreater(shed, 0)
        # Twice: answers that were being read when the limit was reached, and the allocator's holes.
        self.assertLess(highest - before, 3 * memory)
        wait_until(lambda: Metrics(member.client_port).get("keelson_answers_unsent_bytes", lane="range") <= memory, 30,
                   "what is not read is dropped")
        self.assertEqual(member.client.Lease.LeaseTimeToLive(ID=LEASES).grantedTTL, 6000)
        self.assertEqual(member.terminate(), 0)


def until_taken(call, seconds=60):
    """As a client does that asks again when it hears that there are too many requests."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            # Its code is Unknown, as etcd's; clients know it by the text.
            if error.details() != "etcdserver: too many requests" or time.monotonic() > deadline:
                raise


if __name__ == "__main__":
    cluster.main()
