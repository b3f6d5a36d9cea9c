"""Locks and elections: the services of the server, and the recipes that etcdctl, kvctl and python3-etcd3 carry out themselves."""

import signal
import subprocess
import threading
import time
import unittest

import cluster
import wire
import grpc
from cluster import ClusterTest, ETCDCTL, IS_ETCD, IS_ETCDCTL, KVCTL, environment, run_command, wait_until

with_etcd3 = unittest.skip("python3-etcd3 is not installed")
try:
    import etcd3
    with_etcd3 = lambda test: test  # noqa: E731
except ImportError:
    pass


def error(call):
    """(code, message) of what a call is refused with."""
    try:
        call()
    except grpc.RpcError as refusal:
        return refusal.code().name, refusal.details()
    return "OK", ""


class Command:
    """A command line that holds something until it is ended."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def await_lines(self, count, seconds=10):
        wait_until(lambda: len(self.lines) >= count, seconds, f"{count} lines, got {self.lines}")
        return self.lines[:count]

    def end(self, number=signal.SIGTERM, seconds=10):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(seconds)
        self.reader.join(seconds)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class Base(ClusterTest):
    flags = ("--heartbeat-interval=50", "--election-timeout=500")

    def setUp(self):
        self.name = self.id().rsplit(".", 1)[-1].encode()
        self.clients = [m.new_client() for m in self.cluster]

    def tearDown(self):
        for client in self.clients:
            client.close()

    def lease(self, ttl=60):
        return self.clients[0].Lease.LeaseGrant(TTL=ttl).ID

    def keys(self, name=None):
        prefix = (name or self.name) + b"/"
        answer = self.clients[0].KV.Range(key=prefix, range_end=wire.prefix_end(prefix), sort_target="CREATE", sort_order="ASCEND")
        return [kv.key for kv in answer.kvs]

    def waiting(self, count):
        """Until so many are in the line."""
        wait_until(lambda: len(self.keys()) == count, 10, f"{count} keys")


class ServiceTest(Base):

    def test_a_lock_is_a_key_of_the_lease_with_its_revisions(self):
        lease = self.lease()
        before = self.clients[1].KV.Range(key=b"x").header
        held = self.clients[1].Lock.Lock(name=self.name, lease=lease)
        self.assertEqual(held.key, self.name + b"/%x" % lease)
        self.assertEqual((held.header.cluster_id, held.header.member_id, held.header.revision),
                         (before.cluster_id, before.member_id, before.revision + 1))
        kv = self.clients[0].KV.Range(key=held.key).kvs[0]
        self.assertEqual((kv.lease, kv.value, kv.create_revision), (lease, b"", held.header.revision))
        again = self.clients[2].Lock.Lock(name=self.name, lease=lease)
        self.assertEqual(again.key, held.key)
        gone = self.clients[2].Lock.Unlock(key=held.key)
        self.assertEqual(gone.header.revision, held.header.revision + 1)
        self.assertEqual(self.keys(), [])
        self.assertEqual(error(lambda: self.clients[2].Lock.Unlock(key=held.key)), ("OK", ""))

    def test_a_lease_is_made_for_one_who_brings_none(self):
        held = self.clients[0].Lock.Lock(name=self.name)
        kv = self.clients[0].KV.Range(key=held.key).kvs[0]
        self.assertEqual(held.key, self.name + b"/%x" % kv.lease)
        self.assertEqual(self.clients[1].Lease.LeaseTimeToLive(ID=kv.lease).grantedTTL, 60)
        self.clients[0].Lock.Unlock(key=held.key)

    def test_what_is_refused(self):
        self.assertEqual(error(lambda: self.clients[0].Lock.Lock(name=self.name, lease=12345)),
                         ("UNKNOWN", "etcdserver: requested lease not found"))
        self.assertEqual(error(lambda: self.clients[0].Lock.Unlock()), ("UNKNOWN", "etcdserver: key is not provided"))
        election = self.clients[0].Election
        self.assertEqual(error(lambda: election.Campaign(name=self.name, lease=12345)),
                         ("UNKNOWN", "etcdserver: requested lease not found"))
        self.assertEqual(error(lambda: election.Leader(name=self.name)), ("UNKNOWN", "election: no leader"))
        self.assertEqual(error(lambda: election.Proclaim(value=b"x")), ("UNKNOWN", '"leader" field must be provided'))
        self.assertEqual(error(lambda: election.Resign()), ("UNKNOWN", '"leader" field must be provided'))
        nobody = wire.LeaderKey(name=self.name, key=self.name + b"/1", rev=7, lease=self.lease())
        self.assertEqual(error(lambda: election.Proclaim(leader=nobody, value=b"x")), ("UNKNOWN", "election: not leader"))
        self.assertEqual(error(lambda: election.Resign(leader=nobody)), ("OK", ""))
        nothing = wire.LeaderKey(name=self.name)
        self.assertEqual(error(lambda: election.Resign(leader=nothing)), ("UNKNOWN", "etcdserver: key is not provided"))

    def test_many_get_it_one_after_the_other(self):
        count, got, inside = 12, [], []
        first = self.clients[0].Lock.Lock(name=self.name, lease=self.lease())
        failures = []

        def contend(i):
            try:
                client = self.cluster[i % 3].new_client()
                held = client.Lock.Lock(name=self.name, lease=leases[i], timeout=60)
                inside.append(i)
                if len(inside) != 1:
                    failures.append(f"{inside} hold it at once")
                got.append(i)
                inside.remove(i)
                client.Lock.Unlock(key=held.key)
                client.close()
            except Exception as problem:  # shown below
                failures.append(problem)

        leases = [self.lease() for _ in range(count)]
        threads = [threading.Thread(target=contend, args=(i,), daemon=True) for i in range(count)]
        for i, thread in enumerate(threads):
            thread.start()
            self.waiting(i + 2)
        self.assertEqual(got, [])
        self.clients[1].Lock.Unlock(key=first.key)
        for thread in threads:
            thread.join(30)
        self.assertEqual(failures, [])
        self.assertEqual(got, list(range(count)))
        self.assertEqual(self.keys(), [])

    def test_who_goes_away_leaves_the_line(self):
        first = self.clients[0].Lock.Lock(name=self.name, lease=self.lease())
        lock = self.clients[1].Lock.Lock.call
        impatient = lock.future(wire.LockRequest(name=self.name, lease=self.lease()), timeout=60)
        self.waiting(2)
        late = lock.future(wire.LockRequest(name=self.name, lease=self.lease()), timeout=1)
        last = lock.future(wire.LockRequest(name=self.name, lease=self.lease()), timeout=60)
        self.waiting(4)
        impatient.cancel()
        self.assertEqual(late.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.waiting(2)
        self.clients[2].Lock.Unlock(key=first.key)
        self.clients[2].Lock.Unlock(key=last.result(10).key)

    def test_a_holder_that_dies_loses_it_with_its_lease(self):
        short = self.lease(ttl=1)
        granted = self.clients[0].Lease.LeaseTimeToLive(ID=short).grantedTTL
        self.clients[0].Lock.Lock(name=self.name, lease=short)
        begun = time.monotonic()
        held = self.clients[1].Lock.Lock(name=self.name, lease=self.lease(), timeout=30)
        self.assertGreater(time.monotonic() - begun, granted * 0.5)
        self.clients[1].Lock.Unlock(key=held.key)

    @unittest.skipIf(IS_ETCD, "Debian's etcd gives it the lock")
    def test_who_loses_its_lease_while_it_waits_is_told(self):
        first = self.clients[0].Lock.Lock(name=self.name, lease=self.lease())
        lease = self.lease()
        waits = self.clients[1].Lock.Lock.call.future(wire.LockRequest(name=self.name, lease=lease), timeout=60)
        self.waiting(2)
        self.clients[2].Lease.LeaseRevoke(ID=lease)
        self.assertEqual((waits.code().name, waits.details()), ("UNKNOWN", "mutex: session is expired"))
        self.clients[2].Lock.Unlock(key=first.key)

    def test_an_election_from_campaign_to_resignation(self):
        lease = self.lease()
        election = self.clients[1].Election
        won = election.Campaign(name=self.name, lease=lease, value=b"one")
        self.assertEqual((won.leader.name, won.leader.key, won.leader.lease), (self.name, self.name + b"/%x" % lease, lease))
        self.assertEqual(won.leader.rev, won.header.revision)
        told = self.clients[2].Election.Leader(name=self.name)
        self.assertEqual((told.kv.key, told.kv.value, told.kv.create_revision), (won.leader.key, b"one", won.leader.rev))
        changed = election.Proclaim(leader=won.leader, value=b"two")
        self.assertEqual(changed.header.revision, won.header.revision + 1)
        self.assertEqual(self.clients[2].Election.Leader(name=self.name).kv.value, b"two")
        again = election.Campaign(name=self.name, lease=lease, value=b"three")
        self.assertEqual(again.leader.rev, won.leader.rev)
        self.assertEqual(self.clients[0].Election.Leader(name=self.name).kv.value, b"three")
        election.Resign(leader=won.leader)
        self.assertEqual(error(lambda: election.Leader(name=self.name))[1], "election: no leader")
        self.assertEqual(error(lambda: election.Proclaim(leader=won.leader, value=b"x"))[1], "election: not leader")

    def test_an_observer_sees_every_leader_and_all_they_proclaim(self):
        seen, failures = [], []
        observer = self.clients[2].Election.Observe(wire.LeaderRequest(name=self.name), timeout=60)

        def observe():
            try:
                for response in observer:
                    seen.append((response.kv.key, response.kv.value, response.header.revision >= response.kv.mod_revision))
            except grpc.RpcError as ended:
                if ended.code() != grpc.StatusCode.CANCELLED:
                    failures.append(ended)

        thread = threading.Thread(target=observe, daemon=True)
        thread.start()
        leases = [self.lease(), self.lease()]
        first = self.clients[0].Election.Campaign(name=self.name, lease=leases[0], value=b"a")
        wait_until(lambda: len(seen) == 1, 10, "the first leader is seen")
        self.clients[0].Election.Proclaim(leader=first.leader, value=b"b")
        second = self.clients[1].Election.Campaign.call.future(
            wire.CampaignRequest(name=self.name, lease=leases[1], value=b"c"), timeout=60)
        self.waiting(2)
        self.clients[0].Election.Resign(leader=first.leader)
        won = second.result(10)
        wait_until(lambda: len(seen) == 3, 10, "the second leader is seen")
        self.clients[0].Lease.LeaseRevoke(ID=leases[1])
        third = self.clients[0].Election.Campaign(name=self.name, lease=leases[0], value=b"d")
        wait_until(lambda: len(seen) == 4, 10, "the third leader is seen")
        observer.cancel()
        thread.join(10)
        self.assertEqual(failures, [])
        self.assertEqual(seen, [(first.leader.key, b"a", True), (first.leader.key, b"b", True), (won.leader.key, b"c", True),
                                (third.leader.key, b"d", True)])
        self.clients[0].Election.Resign(leader=third.leader)

    @with_etcd3
    def test_python_locks_and_unlocks(self):
        # Debian's library fails by itself where it would have to wait, so nobody waits here.
        for member in (1, 2, 0):
            client = etcd3.client(host="127.0.0.1", port=self.cluster[member].client_port, timeout=10)
            with client.lock("python-lock", ttl=10) as lock:
                self.assertTrue(lock.is_acquired())
                lock.refresh()
                self.assertEqual(len(self.clients[0].KV.Range(key=b"/locks/python-lock").kvs), 1)
            self.assertFalse(lock.is_acquired())
            client.close()


class EtcdctlTest(Base):
    command = ETCDCTL

    def ctl(self, *arguments, member=0):
        return [self.command, "--endpoints=" + self.cluster[member].endpoint, *arguments]

    def test_a_command_line_holds_a_lock_until_it_ends(self):
        name = self.name.decode()
        first = Command(*self.ctl("lock", name))
        self.assertTrue(first.await_lines(1)[0].startswith(name + "/"))
        second = Command(*self.ctl("lock", name, member=1))
        self.waiting(2)
        self.assertEqual(second.lines, [])
        first.end()
        self.assertTrue(second.await_lines(1)[0].startswith(name + "/"))
        # Killed, it holds it until its lease ends.
        third = Command(*self.ctl("lock", "--ttl=2", name, member=2))
        self.waiting(2)
        second.end(signal.SIGINT)
        third.await_lines(1)
        third.end(signal.SIGKILL)
        self.assertEqual(len(self.keys()), 1)
        wait_until(lambda: self.keys() == [], 15, "the lease of who was killed ends")

    def test_a_command_runs_under_a_lock(self):
        done = run_command(self.ctl("lock", self.name.decode(), "--", "sh", "-c", "echo $ETCD_LOCK_KEY $ETCD_LOCK_REV; exit 7"))
        self.assertEqual(done.stderr, b"Error: exit status 7\n")
        key, revision = done.stdout.split()
        self.assertTrue(key.startswith(self.name + b"/"))
        self.assertGreater(int(revision), 1)
        self.assertEqual(done.returncode, 1 if self.command == ETCDCTL else 7)  # Debian's: 1; since 3.5 that of the command
        self.assertEqual(self.keys(), [])

    def test_a_command_line_is_elected_and_another_listens(self):
        name = self.name.decode()
        listener = Command(*self.ctl("elect", "-l", name, member=2))
        first = Command(*self.ctl("elect", name, "one"))
        self.assertEqual(first.await_lines(2)[1], "one")
        self.assertEqual(listener.await_lines(2), first.lines)
        second = Command(*self.ctl("elect", name, "two", member=1))
        self.waiting(2)
        first.end()
        self.assertEqual(second.await_lines(2)[1], "two")
        self.assertEqual(listener.await_lines(4)[2:], second.lines)
        second.end()
        listener.end()
        wait_until(lambda: self.keys() == [], 10, "nobody is elected any more")


@unittest.skipIf(IS_ETCDCTL, "that is EtcdctlTest")
class KvctlTest(EtcdctlTest):
    command = KVCTL

    def test_what_is_wrong_with_the_words_is_said(self):
        for words, status, said in ((["lock"], 128, "lock takes a lock name argument and an optional command to execute"),
                                    (["elect"], 128, "elect takes one election name argument and an optional proposal argument"),
                                    (["elect", "a", "b", "c"], 128, "elect takes one election name argument and an optional proposal argument"),
                                    (["elect", "a"], 128, "no proposal argument but -l not set"),
                                    (["elect", "-l", "a", "b"], 128, "proposal given but -l is set"),
                                    (["lock", "a", "--", "no-such-program"], 1, 'exec: "no-such-program": executable file not found in $PATH'),
                                    (["lock", "a", "-w", "table"], 4, "table not supported as output format")):
            # etcdctl ends with the lock in its hand when it cannot print it: it has a name of its own.
            for command, name in ((self.command, "a"), (ETCDCTL, "b")):
                words = [words[0], *(name if word == "a" else word for word in words[1:])]
                done = run_command([command, "--endpoints=" + self.cluster[0].endpoint, *words])
                self.assertEqual((done.returncode, done.stderr.decode()), (status, f"Error: {said}\n"), [command, *words])
        self.assertEqual(self.keys(b"a"), [])


if __name__ == "__main__":
    cluster.main()
