"""Hours of everyday life, made short: three members, a thousand watchers, ten thousand leases that are kept alive, writers of
every kind, compactions, leases that nobody keeps, and members that are restarted, with SIGTERM and SIGKILL in turn.

    /usr/bin/python3 tests/integration/soak_test.py                   # about 80 seconds
    /usr/bin/python3 tests/integration/soak_test.py --minutes 30      # the long one

What must hold. No member grows: memory, threads and open files at the end of a time without restarts are those at its beginning,
within the tolerances below, and once more after the restarts. Every watcher is told every event of its range once and in order,
through every restart. A lease that is kept alive does not expire; one that is not does, not too early, and takes its keys along.
In the end all members have the same state.
"""

import collections
import os
import pathlib
import random
import sys
import threading
import time
import unittest
import zlib

import cluster
import wire
from cluster import Cluster, wait_until
import grpc

MINUTES = 1.2
if "--minutes" in sys.argv:
    at = sys.argv.index("--minutes")
    MINUTES = float(sys.argv[at + 1])
    del sys.argv[at:at + 2]

GROUPS = 1000             # of keys; each has a watcher of its own
KEYS_PER_GROUP = 3
WIDE_WATCHERS = 4         # of all groups
STREAMS = 12              # that the watchers share
WRITERS = 4
WRITES_PER_SECOND = 240   # and reads, by all writers together
LEASES = 10_000
LEASE_SECONDS = 60
KEEPERS = 3
ABANDONED_SECONDS = 3
COMPACTION_SECONDS = 5
COMPACTION_DISTANCE = 30  # seconds of history that stay
RESTART_SECONDS = 12      # from one restart to the next

# What a window of time may be above an earlier one. Memory: the caches are filled before the first window, but for the one of
# blocks, which only fills as tables are read; 64 MiB is its budget. Files: RocksDB's tables come and go.
MEMORY_GROWTH = 1.15
MEMORY_SLACK = 24 << 20
BLOCK_CACHE = 64 << 20
THREADS_SLACK = 2
FILES_SLACK = 40

FILL_BYTES = 192 << 20    # more than a member's memtables and caches of log and versions
FILL_VALUE = 256 << 10


class Tolerant:
    """Somebody who talks to one member until that fails, and then goes on with the next."""

    def __init__(self, members, number):
        self.endpoints = [m.endpoint for m in members]
        self.at = number
        self.client = None

    def connect(self):
        if self.client is None:
            self.client = wire.Client(self.endpoints[self.at % len(self.endpoints)])
        return self.client

    def next(self):
        if self.client is not None:
            self.client.close()
        self.client = None
        self.at += 1


class Part(threading.Thread):
    """A part of the load, with a thread of its own; what goes wrong in it is the test's failure."""

    parts = []

    def __init__(self, members, number):
        super().__init__(daemon=True)
        self.number = number
        self.dice = random.Random(random.getrandbits(64))
        self.tolerant = Tolerant(members, number)
        self.ending = threading.Event()
        self.failure = None
        Part.parts.append(self)

    def run(self):
        try:
            self.work()
        except BaseException as problem:  # raised by check(), in the test's thread
            self.failure = problem

    @classmethod
    def check(cls):
        for part in cls.parts:
            if part.failure:
                raise part.failure

    def end(self):
        self.ending.set()
        self.join(60)
        assert not self.is_alive(), f"{type(self).__name__} {self.number} hangs"


def group_of(key):
    return key.split(b"/")[1]


class Writer(Part):
    """Writes keys that nobody else writes. What was acknowledged is remembered; what failed may have happened or not."""

    def __init__(self, members, number):
        super().__init__(members, number)
        self.keys = [b"w/%04d/%d" % (g, k) for g in range(number, GROUPS, WRITERS) for k in range(KEYS_PER_GROUP)]
        self.acknowledged = collections.defaultdict(list)  # key -> revisions
        self.done = self.failed = 0
        self.revision = 0

    def work(self):
        pause = WRITERS / WRITES_PER_SECOND
        due = time.monotonic()
        while not self.ending.is_set():
            due = max(due + pause, time.monotonic() - 1)
            self.ending.wait(max(0, due - time.monotonic()))
            try:
                self.one(self.tolerant.connect().KV)
                self.done += 1
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                self.failed += 1
                self.tolerant.next()
                self.ending.wait(0.05)

    def one(self, kv):
        key = self.dice.choice(self.keys)
        kind = self.dice.random()
        value = self.dice.randbytes(self.dice.randrange(64, 2048))
        if kind < 0.55:
            revision = kv.Put(key=key, value=value, timeout=3).header.revision
            self.acknowledged[key].append(revision)
        elif kind < 0.65:
            answer = kv.DeleteRange(key=key, timeout=3)
            revision = answer.header.revision
            if answer.deleted:
                self.acknowledged[key].append(revision)
        elif kind < 0.85:
            answer = kv.Txn(compare=[wire.Compare(key=key, target="VERSION", result="GREATER", version=2)], timeout=3,
                            success=[wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=key))],
                            failure=[wire.RequestOp(request_put=wire.PutRequest(key=key, value=value))])
            revision = answer.header.revision
            self.acknowledged[key].append(revision)
        else:
            group = b"w/" + group_of(key)
            revision = kv.Range(key=group + b"/", range_end=group + b"0", timeout=3).header.revision
        assert revision >= self.revision, f"an answer of revision {revision} after one of {self.revision}"
        self.revision = revision


class Watcher:
    """What one watcher was told. It is made anew on another member from where it was."""

    def __init__(self, key, range_end):
        self.key = key
        self.range_end = range_end
        self.next = 2          # the revision it has not seen
        self.last = 0          # of the last event
        self.events = 0
        self.versions = {}     # key -> version, of those that are there
        self.digests = {}      # key -> checksum over all that happened to it
        self.revisions = collections.defaultdict(set) if len(key) > 2 else None  # key -> revisions, of the narrow ones

    def take(self, answer):
        revision = answer.header.revision
        for event in answer.events:
            kv = event.kv
            # Several keys may change in one revision, here by an expiry; each key but once.
            assert kv.mod_revision >= max(self.next, self.last), \
                f"{self.key}: {kv.mod_revision} was told after {self.last}, complete until {self.next - 1}"
            before = self.versions.get(kv.key, 0)
            if event.type == 0:
                assert kv.version == before + 1, f"{kv.key} has version {kv.version} after {before}: an event is missing"
                self.versions[kv.key] = kv.version
            else:
                assert before > 0, f"{kv.key} is deleted and was not there: an event is missing"
                del self.versions[kv.key]
            self.digests[kv.key] = zlib.crc32(b"%d %d" % (event.type, kv.mod_revision), self.digests.get(kv.key, 0))
            if self.revisions is not None:
                self.revisions[kv.key].add(kv.mod_revision)
            self.last = kv.mod_revision
            self.events += 1
        if answer.events:
            assert revision >= self.last, f"a header of {revision} over an event of {self.last}"
            self.next = self.last + 1

    def complete(self, revision):
        self.next = max(self.next, revision + 1)


class WatchStream(Part):
    """One stream with its share of the watchers, on one member after another."""

    def __init__(self, members, number, watchers):
        super().__init__(members, number)
        self.watchers = watchers
        self.wake = threading.Event()
        self.requests = collections.deque()
        self.restarts = 0
        self.created = 0

    def work(self):
        while not self.ending.is_set():
            self.follow()
            self.tolerant.next()
            self.restarts += 1
            self.ending.wait(0.1)

    def ask(self, request):
        self.requests.append(request)
        self.wake.set()

    def feed(self, over):
        while not over.is_set():
            while self.requests:
                yield self.requests.popleft()
            self.wake.wait(1)
            self.wake.clear()

    def follow(self):
        over = threading.Event()
        self.requests.clear()
        self.created = 0
        for i, watcher in enumerate(self.watchers):
            self.requests.append(wire.WatchRequest(create_request=wire.WatchCreateRequest(
                key=watcher.key, range_end=watcher.range_end, start_revision=watcher.next, watch_id=i + 1)))
        self.call = self.tolerant.connect().Watch.Watch(self.feed(over))
        try:
            for answer in self.call:
                self.take(answer)
                if self.ending.is_set():
                    break
        except grpc.RpcError as error:
            if not self.ending.is_set() and error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
                                                                 grpc.StatusCode.UNKNOWN):
                raise
        finally:
            self.call.cancel()
            over.set()
            self.wake.set()

    def take(self, answer):
        assert not answer.canceled, f"a watcher was ended: {answer}"
        if answer.created:
            self.created += 1
        elif answer.watch_id == -1:
            for watcher in self.watchers:
                watcher.complete(answer.header.revision)
        else:
            self.watchers[answer.watch_id - 1].take(answer)

    def ask_progress(self):
        if self.created == len(self.watchers):
            self.ask(wire.WatchRequest(progress_request=wire.WatchProgressRequest()))

    def complete_until(self):
        return min(watcher.next for watcher in self.watchers) - 1

    def end(self):
        self.ending.set()
        self.call.cancel()
        super().end()


class Keeper(Part):
    """Keeps its share of the leases alive: each three times in its life."""

    def __init__(self, members, number, leases):
        super().__init__(members, number)
        self.leases = leases
        self.kept = 0
        self.last = {}

    def work(self):
        batch = 50
        pause = LEASE_SECONDS / 3 * batch / len(self.leases)
        at = 0
        while not self.ending.is_set():
            began = time.monotonic()
            chosen = [self.leases[(at + i) % len(self.leases)] for i in range(batch)]
            try:
                asked = time.monotonic()
                requests = iter([wire.LeaseKeepAliveRequest(ID=lease) for lease in chosen])
                answers = list(self.tolerant.connect().Lease.LeaseKeepAlive(requests, timeout=5))
                assert [a.ID for a in answers] == chosen, "an answer of another lease"
                for answer in answers:
                    away = time.monotonic() - self.last.get(answer.ID, began)
                    assert answer.TTL == LEASE_SECONDS, \
                        f"lease {answer.ID} has {answer.TTL} s and was kept alive at most {away:.1f} s ago"
                    self.last[answer.ID] = asked
                self.kept += batch
                at = (at + batch) % len(self.leases)
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
                                        grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN):
                    raise
                self.tolerant.next()
                self.ending.wait(0.05)
                continue
            self.ending.wait(max(0, pause - (time.monotonic() - began)))


class Abandoner(Part):
    """Grants leases, each with two keys, and forgets them."""

    def __init__(self, members, number):
        super().__init__(members, number)
        self.granted = {}  # key -> when its lease was granted at the earliest
        self.count = 0

    def work(self):
        while not self.ending.is_set():
            self.count += 1
            client = self.tolerant.connect()
            try:
                asked = time.monotonic()
                lease = client.Lease.LeaseGrant(TTL=ABANDONED_SECONDS, timeout=3).ID
                for i in range(2):
                    key = b"x/%07d/%d" % (self.count, i)
                    client.KV.Put(key=key, lease=lease, timeout=3)
                    self.granted[key] = asked
            except grpc.RpcError as error:
                # Not found: it expired while a leader was looked for.
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.NOT_FOUND):
                    raise
                self.tolerant.next()
            self.ending.wait(0.1)


class Gravedigger(Watcher):
    """Watches the keys of the abandoned leases go."""

    def __init__(self, abandoner):
        super().__init__(b"x/", b"x0")
        self.abandoner = abandoner
        self.buried = 0

    def take(self, answer):
        super().take(answer)
        now = time.monotonic()
        for event in answer.events:
            if event.type == 1:
                self.buried += 1
                granted = self.abandoner.granted.get(event.kv.key)
                if granted is not None:
                    assert now - granted >= ABANDONED_SECONDS, f"{event.kv.key} expired after {now - granted:.2f} s"


class Compactor(Part):
    """Forgets history that is older than a while."""

    def work(self):
        history = collections.deque()
        while not self.ending.wait(COMPACTION_SECONDS):
            try:
                kv = self.tolerant.connect().KV
                history.append((time.monotonic(), kv.Range(key=b"w/", timeout=3).header.revision))
                if history[0][0] < time.monotonic() - COMPACTION_DISTANCE:
                    kv.Compact(revision=history.popleft()[1], timeout=3)
            except grpc.RpcError as error:
                if "compacted" in error.details():
                    continue  # by the attempt whose answer did not come
                self.tolerant.next()


Sample = collections.namedtuple("Sample", "time memory threads files")


class Sampler(Part):
    """How much every member uses, each second."""

    def __init__(self, members):
        super().__init__(members, 0)
        self.members = members
        self.samples = {m.name: [] for m in members}

    def work(self):
        while not self.ending.wait(1):
            for member in self.members:
                try:
                    status = pathlib.Path(f"/proc/{member.process.pid}/status").read_text()
                    files = len(os.listdir(f"/proc/{member.process.pid}/fd"))
                    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
                    sample = Sample(time.monotonic(), int(fields["VmRSS"].split()[0]) << 10, int(fields["Threads"]), files)
                    self.samples[member.name].append(sample)
                except (OSError, KeyError):
                    pass  # it is being restarted

    def window(self, member, begin, end):
        samples = [s for s in self.samples[member.name] if begin <= s.time <= end]
        assert len(samples) >= 3, f"{len(samples)} samples of {member.name}"
        middle = len(samples) // 2
        return Sample(begin, *(sorted(column)[middle] for column in list(zip(*samples))[1:]))

    def show(self, began, step):
        for name, samples in self.samples.items():
            print(f"{name}: " + "  ".join(f"{s.time - began:.0f}s {s.memory / 2**20:.0f}M {s.threads}t {s.files}f"
                                          for s in samples[::step]), flush=True)


class SoakTest(unittest.TestCase):
    def fill(self, members):
        """Fills what members keep in memory up to its budget, so that it is not seen as growth later."""
        value = random.randbytes(FILL_VALUE)
        calls = collections.deque()
        for i in range(FILL_BYTES // FILL_VALUE):
            if len(calls) > 16:
                calls.popleft().result()
            request = wire.PutRequest(key=b"fill/%d" % (i % 16), value=value)
            calls.append(members[0].client.KV.Put.call.future(request, timeout=30))
        for call in calls:
            call.result()
        revision = members[0].client.KV.DeleteRange(key=b"fill/", range_end=b"fill0").header.revision
        members[0].client.KV.Compact(revision=revision, physical=True, timeout=30)
        return revision

    def grant(self, members):
        calls = []
        for i in range(LEASES):
            calls.append(members[i % 3].client.Lease.LeaseGrant.call.future(
                wire.LeaseGrantRequest(TTL=LEASE_SECONDS, ID=1_000_000 + i), timeout=30))
            if len(calls) % 500 == 0:
                calls[-250].result()
        for call in calls:
            call.result()
        for begin in range(0, LEASES, 100):
            members[0].client.KV.Txn(success=[wire.RequestOp(request_put=wire.PutRequest(
                key=b"l/%05d" % i, lease=1_000_000 + i)) for i in range(begin, begin + 100)], timeout=30)

    def start(self, members, revision):
        self.abandoner = Abandoner(members, 0)
        self.narrow = [Watcher(b"w/%04d/" % g, b"w/%04d0" % g) for g in range(GROUPS)]
        self.wide = [Watcher(b"w/", b"w0") for _ in range(WIDE_WATCHERS)]
        self.kept = Watcher(b"l/", b"l0")
        self.gravedigger = Gravedigger(self.abandoner)
        watchers = [*self.narrow, *self.wide, self.gravedigger]
        for watcher in watchers:
            watcher.next = revision + 1
        self.streams = [WatchStream(members, i, watchers[i::STREAMS]) for i in range(STREAMS)]
        leases = [1_000_000 + i for i in range(LEASES)]
        self.keepers = [Keeper(members, i, leases[i::KEEPERS]) for i in range(KEEPERS)]
        self.writers = [Writer(members, i) for i in range(WRITERS)]
        self.sampler = Sampler(members)
        for part in Part.parts:
            part.start()
        self.compactor = Compactor(members, 0)
        self.compactor.start()

    def live(self, seconds, until=lambda: False):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            time.sleep(0.25)  # the pace at which it looks; what happens meanwhile is the test
            Part.check()
            if time.monotonic() - self.asked > 2:
                self.asked = time.monotonic()
                for stream in self.streams:
                    stream.ask_progress()

    def check_flat(self, members, first, second, what, slack):
        """Compares two windows, each (begin, end)."""
        for member in members:
            a, b = self.sampler.window(member, *first), self.sampler.window(member, *second)
            print(f"{what}, {member.name}: memory {a.memory / 2**20:.0f} -> {b.memory / 2**20:.0f} MiB, "
                  f"threads {a.threads} -> {b.threads}, open files {a.files} -> {b.files}", flush=True)
            self.assertLessEqual(b.memory, a.memory * MEMORY_GROWTH + slack, f"{member.name} grows")
            self.assertLessEqual(b.threads, a.threads + THREADS_SLACK, f"{member.name} has more and more threads")
            self.assertLessEqual(b.files, a.files + FILES_SLACK, f"{member.name} has more and more open files")

    def restart_one_after_another(self, members, seconds):
        deadline = time.monotonic() + seconds
        count = 0
        while time.monotonic() < deadline or count < 3:
            # The leader in every second turn, lest it is missed by chance.
            member = members.leader() if count % 2 == 0 else members[count % 3]
            if count % 4 < 2:
                self.assertEqual(member.terminate(seconds=20), 0, f"{member.name} ends in order")
            else:
                member.kill()
            self.live(1)
            member.start()
            member.wait_ready()
            count += 1
            self.live(RESTART_SECONDS)
        return count

    def finish(self, members):
        for part in (*self.writers, self.abandoner):
            part.end()
        revision = members[0].client.KV.Range(key=b"w/").header.revision
        self.live(30, lambda: min(s.complete_until() for s in self.streams) >= revision)
        self.assertGreaterEqual(min(s.complete_until() for s in self.streams), revision, "a watcher is behind")
        # All that nobody keeps expires; the time begins anew with a leader.
        self.live(60, lambda: not self.gravedigger.versions)
        self.assertEqual(list(self.gravedigger.versions), [], "abandoned leases do not expire")
        for part in (*self.keepers, self.compactor, *self.streams):
            part.end()
        Part.check()

    def check_events(self):
        for watcher in self.narrow:
            for wide in self.wide:
                self.assertEqual({k: wide.digests[k] for k in watcher.digests}, watcher.digests,
                                 "two watchers were told different things of one key")
        told = sum(len(w.digests) for w in self.narrow)
        for wide in self.wide:
            self.assertEqual(len(wide.digests), told)
        lost = [(key, revision) for writer in self.writers for key, revisions in writer.acknowledged.items()
                for revision in revisions if revision not in self.narrow[int(group_of(key))].revisions[key]]
        self.assertEqual(lost, [], "acknowledged writes that no watcher was told of")

    def test_nothing_grows_nothing_is_missed_and_nothing_expires_that_is_kept(self):
        Part.parts = []
        began = self.asked = time.monotonic()
        whole = MINUTES * 60
        with Cluster(3) as members:
            filled = self.fill(members)
            self.grant(members)
            print(f"filled, {LEASES} leases granted after {time.monotonic() - began:.1f} s", flush=True)
            self.start(members, members[0].client.KV.Range(key=b"w/").header.revision)
            self.live(60, lambda: all(s.created == len(s.watchers) for s in self.streams))
            warm, half = max(8, whole * 0.1), whole * 0.4
            window = max(5, half * 0.2)
            self.live(warm)
            quiet = time.monotonic()
            self.live(half)
            self.check_flat(members, (quiet, quiet + window), (time.monotonic() - window, time.monotonic()),
                            "without restarts", MEMORY_SLACK + BLOCK_CACHE)
            restarts = self.restart_one_after_another(members, whole * 0.4)
            self.live(window)
            self.check_flat(members, (quiet + half - window, quiet + half), (time.monotonic() - window, time.monotonic()),
                            "after restarts", MEMORY_SLACK)
            self.finish(members)
            self.sampler.end()
            self.check_events()
            everything = members[1].client.KV.Range(key=b"l/", range_end=b"l0", count_only=True)
            self.assertEqual(everything.count, LEASES, "keys of leases that were kept alive are gone")
            self.assertEqual(len(members[2].client.Lease.LeaseLeases().leases), LEASES)
            revision = members.wait_equal()
            self.assertEqual(len(set(members.hashes(revision))), 1, "members differ")
            self.sampler.show(began, max(1, int(whole / 20)))
            print(f"{restarts} restarts, {sum(w.done for w in self.writers)} requests and {sum(w.failed for w in self.writers)} failed, "
                  f"{sum(w.events for s in self.streams for w in s.watchers)} events, {sum(k.kept for k in self.keepers)} times kept, "
                  f"{self.gravedigger.buried} keys expired, revision {revision} from {filled}, {time.monotonic() - began:.0f} s", flush=True)
            self.assertGreater(self.gravedigger.buried, 20)


if __name__ == "__main__":
    cluster.main()
