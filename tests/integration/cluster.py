"""Clusters of real processes for the integration tests.

    with Cluster(size=3) as cluster:
        cluster[0].client.KV.Put(key=b"a", value=b"1")
        cluster.leader().kill()

The server is kvd of $KEELSON_BIN, or whatever $KEELSON_TEST_SERVER names: KEELSON_TEST_SERVER=/usr/bin/etcd runs a test
against real etcd, which is how we know that the test is right. Everything lies in one temporary folder, removed when the
test passes; the servers' logs are shown when it does not. Servers die with the test, however it dies.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import wire
import grpc  # after wire, which sets its environment

BIN = pathlib.Path(os.environ.get("KEELSON_BIN", wire.ROOT / "build/release/bin"))
SERVER = os.environ.get("KEELSON_TEST_SERVER", str(BIN / "kvd"))
IS_ETCD = os.path.basename(SERVER) == "etcd"
# The command line that goes with the server, unless one is named: kvctl can be tested against etcd.
KVCTL = os.environ.get("KEELSON_TEST_CTL", "/usr/bin/etcdctl" if IS_ETCD else str(BIN / "kvctl"))
IS_ETCDCTL = os.path.basename(KVCTL) == "etcdctl"
ETCDCTL = "/usr/bin/etcdctl"

READY_SECONDS = 30


def wait_until(condition, seconds, what, interval=0.02):
    """Returns the first true value of condition(); fails when there is none within that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(interval)


_given_ports = set()


def free_port():
    """A port nobody listens on, below those the system gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _given_ports.add(port)
                return port


def environment():
    """Ours without what would reconfigure a server or a command line."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ETCD", "KVD_", "http_proxy", "https_proxy"))}
    return {**clean, "ETCDCTL_API": "3"}


class Member:
    """One server process and what it needs to be started again."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.client_port = free_port()
        self.peer_port = free_port()
        self.endpoint = f"127.0.0.1:{self.client_port}"
        scheme = "https" if cluster.credentials else "http"
        self.client_url = f"{scheme}://{self.endpoint}"
        self.peer_url = f"{scheme}://127.0.0.1:{self.peer_port}"
        self.data_dir = cluster.folder / name / "data"
        self.log = cluster.folder / name / "log"
        self.joins = None  # --initial-cluster of one that joins a running cluster
        self.own_flags = []
        self.process = None
        self._client = None

    def flags(self):
        return [f"--name={self.name}", f"--data-dir={self.data_dir}",
                f"--listen-client-urls={self.client_url}", f"--advertise-client-urls={self.client_url}",
                f"--listen-peer-urls={self.peer_url}", f"--initial-advertise-peer-urls={self.peer_url}",
                f"--initial-cluster={self.joins or self.cluster.initial_cluster()}",
                f"--initial-cluster-state={'existing' if self.joins else 'new'}",
                f"--initial-cluster-token={self.cluster.token}", *self.cluster.extra_flags, *self.own_flags]

    def start(self):
        assert not self.running(), f"{self.name} is running"
        self.log.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", self.cluster.server, *self.flags()],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())

    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def client(self):
        if self._client is None:
            self._client = self.new_client()
        return self._client

    def new_client(self, **options):
        return wire.Client(self.endpoint, **{"credentials": self.cluster.credentials, **options})

    def reconnect(self):
        if self._client is not None:
            self._client.close()
            self._client = None

    def id(self):
        return self.status().header.member_id

    def status(self, timeout=2):
        return self.client.Maintenance.Status(timeout=timeout)

    def status_or_none(self, timeout=0.5):
        try:
            return self.status(timeout)
        except grpc.RpcError:
            self.reconnect()
            return None

    def serves(self):
        if not self.running():
            raise AssertionError(f"{self.name} stopped with exit status {self.process.poll()}")
        try:
            self.client.KV.Range(key=b"ready?", timeout=1)
            return True
        except grpc.RpcError:
            self.reconnect()
            return False

    def wait_ready(self, seconds=READY_SECONDS):
        wait_until(self.serves, seconds, f"{self.name} answers a linearizable read")

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        """SIGKILL: the process is gone when this returns."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.reconnect()

    def terminate(self, seconds=10):
        """SIGTERM. Returns the exit status; a member that does not stop is a failure."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds} s of SIGTERM") from None

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def close(self):
        self.reconnect()
        if self.running():
            self.resume()
            self.kill()


class Cluster:
    def __init__(self, size=3, flags=(), start=True, server=SERVER, credentials=None):
        self.server = server
        self.credentials = credentials  # of gRPC; all URLs are https where there are some
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-test-"))
        self.token = "test-" + self.folder.name
        self.extra_flags = [*(["--logger=zap"] if os.path.basename(server) == "etcd" else []), *flags]
        self.former = []
        self.members = [Member(self, f"m{i + 1}") for i in range(size)]
        try:
            if start:
                self.start()
        except BaseException:
            self.show_logs()
            self.close()
            raise

    def initial_cluster(self):
        return ",".join(f"{m.name}={m.peer_url}" for m in self.members)

    def start(self):
        for member in self.members:
            member.start()
        self.wait_ready()

    def wait_ready(self, seconds=READY_SECONDS):
        for member in self.members:
            member.wait_ready(seconds)

    def add_member(self, name, asked, learner=False, start=True):
        """Adds a member through `asked` and starts it; it is not waited for, a learner would not answer as others do."""
        member = Member(self, name)
        asked.client.Cluster.MemberAdd(peerURLs=[member.peer_url], isLearner=learner, timeout=10)
        member.joins = ",".join([*(f"{m.name}={m.peer_url}" for m in self.members), f"{name}={member.peer_url}"])
        self.members.append(member)
        if start:
            member.start()
        return member

    def forget_member(self, member, seconds=15):
        """Waits until a removed member has ended by itself; returns its exit status."""
        status = wait_until(lambda: (member.process.poll() is not None) and (member.process.poll(),), seconds,
                            f"{member.name}, which was removed, ends")[0]
        self.members.remove(member)
        self.former.append(member)
        return status

    def __getitem__(self, i):
        return self.members[i]

    def __iter__(self):
        return iter(self.members)

    def __len__(self):
        return len(self.members)

    def endpoints(self):
        return ",".join(m.endpoint for m in self.members)

    def leader(self, seconds=10):
        """The member which the running members agree is the leader."""
        return wait_until(self.leader_or_none, seconds, "the members agree on a leader")

    def leader_or_none(self):
        statuses = [(m, m.status_or_none()) for m in self.members if m.running()]
        if not statuses or any(s is None for _, s in statuses):
            return None
        leaders = {s.leader for _, s in statuses}
        if len(leaders) != 1 or leaders == {0}:
            return None
        return next((m for m, s in statuses if s.header.member_id in leaders), None)

    def wait_equal(self, seconds=30):
        """Waits until all members have applied all that is committed; returns the revision they are at."""
        def equal():
            statuses = [m.status_or_none() for m in self.members]
            if any(s is None for s in statuses):
                return None
            revisions = {s.header.revision for s in statuses}
            indexes = {s.raftAppliedIndex for s in statuses} | {s.raftIndex for s in statuses}
            return revisions.pop() if len(revisions) == 1 and len(indexes) == 1 else None
        return wait_until(equal, seconds, "all members have applied the same")

    def hashes(self, revision=0):
        """(hash, compacted revision) of every member, in order."""
        answers = [m.client.Maintenance.HashKV(revision=revision, timeout=30) for m in self.members]
        return [(a.hash, a.compact_revision) for a in answers]

    def show_logs(self, lines=25):
        for member in [*self.members, *self.former]:
            if member.log.exists():
                text = member.log.read_text(errors="replace").splitlines()
                print(f"---- log of {member.name}, last {min(lines, len(text))} of {len(text)} lines ({member.log})", file=sys.stderr)
                print("\n".join(text[-lines:]), file=sys.stderr, flush=True)

    def close(self, keep=False):
        for member in [*self.members, *self.former]:
            member.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.show_logs()
        self.close(keep=bool(kind))


class ClusterTest(unittest.TestCase):
    """Tests that share one cluster; a test leaves it whole. Its logs are shown when one fails."""

    size = 3
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls.size, cls.flags)
        cls.failed = False

    @classmethod
    def tearDownClass(cls):
        if cls.failed:
            cls.cluster.show_logs()
        cls.cluster.close(keep=cls.failed)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True


def run_command(arguments, stdin=None, seconds=20, env=()):
    """Runs to its end; a command that does not end is a failure. Output is bytes."""
    return subprocess.run(arguments, input=stdin if stdin is not None else b"", capture_output=True, timeout=seconds,
                          env={**environment(), **dict(env)}, check=False)


def main():
    """For the last line of a test file. Says against what it runs and with which seed; --seed N repeats a run."""
    seed = int.from_bytes(os.urandom(4), "big")
    if "--seed" in sys.argv:
        at = sys.argv.index("--seed")
        seed = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    random.seed(seed)
    print(f"server {SERVER}, seed {seed} (repeat with --seed {seed})", flush=True)
    unittest.main(verbosity=2)
