"""The leader is killed under a running write load, ten times over; at last the whole cluster at once.

Writers put keys that nobody wrote before, each with a value of its own, and count up a counter each by compare-and-swap.
A write that failed may have happened or not; a writer never repeats it, it goes on with the next. So in the end every key
must be there that was acknowledged, at the revision that was acknowledged, and every key must have been written once.
"""

import itertools
import os
import random
import threading
import time
import unittest

import cluster
import wire
from cluster import Cluster, wait_until
import grpc

KILLS = int(os.environ.get("KEELSON_TEST_KILLS", "10"))
WRITERS = 6


class Writer(threading.Thread):
    """Writes through one member after another: when one fails it goes on with the next."""

    def __init__(self, number, endpoints, stop):
        super().__init__(daemon=True)
        self.number = number
        self.endpoints = itertools.cycle(endpoints[number % len(endpoints):] + endpoints[:number % len(endpoints)])
        self.stopping = stop
        self.acknowledged = {}  # key -> (value, revision)
        self.attempted = {}     # key -> value
        self.counter_low = 0    # acknowledged increments
        self.counter_high = 0   # attempted ones, all that can have happened
        self.last_acknowledgement = time.monotonic()
        self.failure = None

    def run(self):
        try:
            self.write()
        except BaseException as problem:  # shown by the test, which fails of it
            self.failure = problem

    def write(self):
        client = wire.Client(next(self.endpoints))
        for n in itertools.count():
            if self.stopping.is_set():
                break
            try:
                if n % 8 == 7:
                    self.count_up(client)
                else:
                    self.put(client, n)
                self.last_acknowledgement = time.monotonic()
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                client.close()
                self.stopping.wait(0.02)
                client = wire.Client(next(self.endpoints))
        client.close()

    def put(self, client, n):
        key = f"load/{self.number}/{n:06}".encode()
        value = f"{self.number}-{n}-{random.random()}".encode()
        self.attempted[key] = value
        answer = client.KV.Put(key=key, value=value, timeout=2)
        self.acknowledged[key] = (value, answer.header.revision)

    def count_up(self, client):
        key = f"count/{self.number}".encode()
        before = client.KV.Range(key=key, timeout=2)
        now = int(before.kvs[0].value) if before.kvs else 0
        revision = before.kvs[0].mod_revision if before.kvs else 0
        assert self.counter_low <= now <= self.counter_high, \
            f"counter {self.number}: a linearizable read gives {now}, not in [{self.counter_low}, {self.counter_high}]"
        # What may still have happened of an attempt whose answer we did not get is settled by the revision we compare.
        self.counter_low = now
        self.counter_high = now + 1
        answer = client.KV.Txn(
            compare=[wire.Compare(key=key, target="MOD", result="EQUAL", mod_revision=revision)],
            success=[wire.RequestOp(request_put=wire.PutRequest(key=key, value=str(now + 1).encode()))], timeout=2)
        if answer.succeeded:
            self.counter_low = now + 1


class LeaderKillTest(unittest.TestCase):
    def start_writers(self, members):
        self.stop = threading.Event()
        endpoints = [m.endpoint for m in members]
        self.writers.extend(Writer(len(self.writers), endpoints, self.stop) for _ in range(WRITERS))
        for writer in self.writers[-WRITERS:]:
            writer.start()

    def stop_writers(self):
        self.stop.set()
        for writer in self.writers:
            writer.join(30)
            self.assertFalse(writer.is_alive(), "a writer hangs")
            if writer.failure:
                raise writer.failure

    def acknowledged(self):
        return sum(len(w.acknowledged) for w in self.writers)

    def wait_for_writes(self, count, seconds=20):
        target = self.acknowledged() + count
        wait_until(lambda: self.acknowledged() >= target, seconds, f"{count} more writes are acknowledged")

    def kill_leader(self, members):
        leader = members.leader()
        old = leader.id()
        others = [m for m in members if m is not leader]
        killed = time.monotonic()
        leader.kill()

        def new_leader():
            statuses = [m.status_or_none() for m in others]
            leaders = {s.leader if s else 0 for s in statuses}
            return len(leaders) == 1 and not leaders & {0, old}
        wait_until(new_leader, 30, "there is a new leader", interval=0.01)
        elected = time.monotonic() - killed
        self.wait_for_writes(WRITERS)
        return leader, elected, time.monotonic() - killed

    def check_everything_written(self, member):
        """Compares what one member has, now and in its history, with what the writers know."""
        found, revision = {}, 0
        key = b"load/"
        while True:  # in pages, all of one revision
            page = member.client.KV.Range(key=key, range_end=b"load0", limit=2000, revision=revision, timeout=30)
            revision = revision or page.header.revision
            found.update((pair.key, pair) for pair in page.kvs)
            if not page.more:
                break
            key = page.kvs[-1].key + b"\0"
        lost = [k for w in self.writers for k in w.acknowledged if k not in found]
        self.assertEqual(lost, [], "acknowledged writes are lost")
        attempted = {k: v for w in self.writers for k, v in w.attempted.items()}
        for key, pair in found.items():
            self.assertEqual(pair.value, attempted.get(key), f"{key} has a value nobody gave it")
            self.assertEqual((pair.version, pair.create_revision), (1, pair.mod_revision), f"{key} was written twice")
        for writer in self.writers:
            for key, (_, acknowledged) in writer.acknowledged.items():
                self.assertEqual(found[key].mod_revision, acknowledged, f"{key} is not at the revision that was acknowledged")
        for writer in self.writers:
            pairs = member.client.KV.Range(key=f"count/{writer.number}".encode()).kvs
            count, version = (int(pairs[0].value), pairs[0].version) if pairs else (0, 0)
            self.assertIn(count, range(writer.counter_low, writer.counter_high + 1), f"counter {writer.number}")
            self.assertEqual(count, version, f"counter {writer.number} counted other than once a write")
        self.check_history(member, found, revision)

    def check_history(self, member, found, until):
        """A watch from the beginning tells every write once, in order."""
        requests = iter([wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"load/", range_end=b"load0",
                                                                                  start_revision=1))])
        done = threading.Event()

        def feed():
            yield from requests
            done.wait()
        client = member.new_client()
        seen, last = {}, 0
        stream = client.Watch.Watch(feed(), timeout=60)
        for answer in stream:
            self.assertFalse(answer.canceled, answer)
            for event in answer.events:
                self.assertEqual(event.type, 0)
                self.assertGreater(event.kv.mod_revision, last, "events are out of order")
                last = event.kv.mod_revision
                self.assertNotIn(event.kv.key, seen, "an event was told twice")
                seen[event.kv.key] = event.kv.mod_revision
            if len(seen) >= len(found):
                break
        done.set()
        stream.cancel()
        client.close()
        self.assertEqual(seen, {k: p.mod_revision for k, p in found.items() if p.mod_revision <= until})

    def test_no_acknowledged_write_is_lost_and_none_is_doubled(self):
        self.writers = []
        with Cluster(3) as members:
            self.start_writers(members)
            self.wait_for_writes(100)
            times = []
            for kill in range(KILLS):
                killed, elected, served = self.kill_leader(members)
                times.append(elected)
                print(f"kill {kill + 1}: {killed.name}; new leader after {elected:.2f} s, writes after {served:.2f} s, "
                      f"{self.acknowledged()} acknowledged", flush=True)
                self.wait_for_writes(50)
                behind = max(m.status().raftIndex for m in members if m is not killed)
                killed.start()
                killed.wait_ready()
                wait_until(lambda: (killed.status_or_none() or wire.StatusResponse()).raftAppliedIndex >= behind, 20,
                           f"{killed.name} catches up with index {behind}")
            self.stop_writers()
            revision = members.wait_equal()
            hashes = members.hashes(revision)
            self.assertEqual(len(set(hashes)), 1, f"members differ: {hashes}")
            for member in members:
                self.check_everything_written(member)
            print(f"{KILLS} leaders killed, new leader after {max(times):.2f} s at worst, {self.acknowledged()} writes "
                  f"acknowledged of {sum(len(w.attempted) for w in self.writers)}; revision {revision}, hash {hashes[0][0]}", flush=True)

            self.start_writers(members)
            self.wait_for_writes(200)
            for member in members:  # all of them before any is gone for long
                member.signal(9)
            for member in members:
                member.kill()
            self.stop_writers()
            for member in members:
                member.start()
            members.wait_ready()
            revision = members.wait_equal()
            hashes = members.hashes(revision)
            self.assertEqual(len(set(hashes)), 1, f"members differ: {hashes}")
            for member in members:
                self.check_everything_written(member)
            members[0].client.KV.Put(key=b"after", value=b"all")
            print(f"all killed and restarted: {self.acknowledged()} acknowledged writes are there", flush=True)


if __name__ == "__main__":
    cluster.main()
