"""What kvd is told: every flag of etcd's is taken, and what is wrong in flags, the environment or a configuration file is
refused where etcd refuses it, with one line."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import cluster
from cluster import Cluster, ClusterTest, SERVER, environment, free_port, run_command, wait_until

ETCD = "/usr/bin/etcd"

# Flags that etcd has had from 3.4 to 3.7 with values it takes; --help of the etcd here adds its own. Those whose effect
# would be in the way of a test of one member have the value they have anyway.
FLAGS = """
name=m data-dir=DATA wal-dir=DATA/wal snapshot-count=10000 snapshot-catchup-entries=5000 heartbeat-interval=100
election-timeout=1000 initial-election-tick-advance=true listen-peer-urls=PEER listen-client-urls=CLIENT
listen-client-http-urls=HTTP max-wals=5 max-snapshots=5 memory-mlock=false quota-backend-bytes=0
backend-bbolt-freelist-type=map backend-batch-interval=100ms backend-batch-limit=10000 max-txn-ops=128
max-request-bytes=1572864 max-concurrent-streams=4294967295 grpc-keepalive-min-time=5s grpc-keepalive-interval=2h
grpc-keepalive-timeout=20s socket-reuse-port=true socket-reuse-address=true enable-grpc-gateway=true raft-read-timeout=5s
raft-write-timeout=5s feature-gates=CompactHashCheck=true,LeaseCheckpoint=true initial-advertise-peer-urls=PEER
initial-cluster=m=PEER initial-cluster-state=new initial-cluster-token=t advertise-client-urls=CLIENT discovery=
discovery-token= discovery-endpoints= discovery-dial-timeout=2s discovery-request-timeout=5s discovery-keepalive-time=2s
discovery-keepalive-timeout=6s discovery-insecure-transport=true discovery-insecure-skip-tls-verify=false discovery-cert=
discovery-key= discovery-cacert= discovery-user= discovery-password= discovery-srv= discovery-srv-name=
discovery-fallback=exit discovery-proxy= strict-reconfig-check=true pre-vote=true auto-compaction-mode=periodic
auto-compaction-retention=1h cert-file= key-file= trusted-ca-file= client-crl-file= client-cert-auth=false
client-cert-allowed-hostname= client-cert-file= client-key-file= auto-tls=false self-signed-cert-validity=1
peer-cert-file= peer-key-file= peer-trusted-ca-file= peer-crl-file= peer-client-cert-auth=false peer-client-cert-file=
peer-client-key-file= peer-auto-tls=false peer-cert-allowed-cn= peer-cert-allowed-hostname=
peer-skip-client-san-verification=false cipher-suites= tls-min-version=TLS1.2 tls-max-version= cors=* host-whitelist=*
auth-token=simple bcrypt-cost=10 auth-token-ttl=300 enable-pprof=false metrics=basic listen-metrics-urls= logger=zap
log-outputs=stderr log-level=info log-format=json enable-log-rotation=false log-rotation-config-json={"maxsize":100}
warning-unary-request-duration=300ms warning-apply-duration=100ms enable-distributed-tracing=false
distributed-tracing-address=localhost:4317 distributed-tracing-service-name=etcd distributed-tracing-instance-id=
distributed-tracing-sampling-rate=0 corrupt-check-time=0s compact-hash-check-time=1m compaction-batch-limit=0
compaction-sleep-interval=0s watch-progress-notify-interval=10m downgrade-check-time=5s
bootstrap-defrag-threshold-megabytes=0 max-learners=1 force-new-cluster=false unsafe-no-fsync=false cluster-active-size=1
cluster-remove-delay=1 cluster-sync-interval=1 config=x force=1 max-result-buffer=1 max-retry-attempts=1
peer-heartbeat-interval=1 peer-election-timeout=1 retry-interval=1 snapshot=1 v=1 vv=1 enable-v2=false
v2-deprecation=write-only experimental-enable-v2v3= proxy=off proxy-failure-wait=5000 proxy-refresh-interval=30000
proxy-dial-timeout=1000 proxy-write-timeout=5000 proxy-read-timeout=0 debug=false log-package-levels=
experimental-compact-hash-check-enabled=false experimental-compact-hash-check-time=1m
experimental-enable-lease-checkpoint=false experimental-enable-lease-checkpoint-persist=false
experimental-compaction-batch-limit=1000 experimental-compaction-sleep-interval=10ms
experimental-peer-skip-client-san-verification=false experimental-txn-mode-write-with-shared-buffer=true
experimental-bootstrap-defrag-threshold-megabytes=0 experimental-warning-unary-request-duration=300ms
experimental-warning-apply-duration=100ms experimental-max-learners=1 experimental-snapshot-catchup-entries=5000
experimental-stop-grpc-service-on-defrag=false experimental-downgrade-check-time=5s experimental-memory-mlock=false
experimental-backend-bbolt-freelist-type=map experimental-enable-distributed-tracing=false
experimental-distributed-tracing-address=localhost:4317 experimental-distributed-tracing-service-name=etcd
experimental-distributed-tracing-instance-id= experimental-distributed-tracing-sampling-rate=0
experimental-initial-corrupt-check=false experimental-corrupt-check-time=0s
experimental-watch-progress-notify-interval=10m
""".split()


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-config-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def urls(self):
        return {place: f"http://127.0.0.1:{free_port()}" for place in ("PEER", "CLIENT", "HTTP")}

    def start(self, program, flags, env=()):
        """A process, whose stderr is in its .lines, until it says that it serves or ends; stopped at the end of the test."""
        log = self.folder / f"log-{free_port()}"
        with open(log, "wb") as file:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, *flags], stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file, env={**environment(), **dict(env)}, cwd=self.folder)

        def stop():
            process.terminate()
            process.wait(20)
        self.addCleanup(stop)
        process.lines = lambda: log.read_text(errors="replace").splitlines()
        serving = "serving client traffic" if program == ETCD else "ready to serve"
        wait_until(lambda: process.poll() is not None or serving in log.read_text(errors="replace"), 30, f"{program} starts")
        return process

    def outcome(self, program, flags=(), env=()):
        """The exit code of a program that refuses to start, or "runs"."""
        process = self.start(program, flags, env)
        if process.poll() is None:
            process.terminate()
            process.wait(20)
            return "runs"
        if program == SERVER:
            # Lines of the log apart.
            lines = [line for line in process.lines() if not line.startswith("{")]
            self.assertEqual(len(lines), 1, process.lines())
            self.assertTrue(lines[0].startswith("kvd: "), process.lines())
        return process.returncode


class FlagsTest(Programs):
    def test_every_flag_of_etcd_is_taken_at_once(self):
        urls = self.urls()
        flags = []
        for flag in FLAGS:
            for place, value in {**urls, "DATA": str(self.folder / "data")}.items():
                flag = flag.replace(place, value) if place in flag.split("=", 1)[1] else flag
            flags.append("--" + flag)
        process = self.start(SERVER, flags)
        self.assertIsNone(process.poll(), process.lines())
        # A line for each that does nothing here; the documentation has them all.
        told = set(re.findall(r"--([a-z0-9-]+) has no effect", "\n".join(process.lines())))
        text = (cluster.wire.ROOT / "docs/operations.md").read_text()
        self.assertGreater(len(told), 50)
        self.assertEqual([flag for flag in told if f"`--{flag}`" not in text], [])

    def test_flags_of_the_etcd_here_are_all_in_our_list(self):
        text = run_command([ETCD, "--help"])
        named = set(re.findall(r"^  --([a-z0-9-]+)", (text.stdout + text.stderr).decode(), re.M))
        ours = {flag.split("=", 1)[0] for flag in FLAGS}
        self.assertGreater(len(named), 70)
        self.assertEqual(named - ours - {"version", "config-file"}, set())

    def test_each_flag_is_taken_from_the_environment(self):
        urls = self.urls()
        variables = {}
        for flag in FLAGS:
            name, value = flag.split("=", 1)
            for place, text in {**urls, "DATA": str(self.folder / "data")}.items():
                value = value.replace(place, text)
            # One name for each thing: the experimental ones say the same again.
            if value and not name.startswith("experimental-"):
                variables["ETCD_" + name.upper().replace("-", "_")] = value
        process = self.start(SERVER, [], env=variables)
        self.assertIsNone(process.poll(), process.lines())
        self.assertFalse(any("nobody knows" in line for line in process.lines()))

    def test_a_member_moves_and_starts_again_with_its_old_flags(self):
        with Cluster(3) as members:
            leader = members.leader()
            moved = next(member for member in members if member is not leader)
            port = free_port()
            new_url = f"http://127.0.0.1:{port}"
            member_id = moved.client.Maintenance.Status().header.member_id
            leader.client.Cluster.MemberUpdate(ID=member_id, peerURLs=[new_url])
            moved.terminate()
            # It listens where it is now, and says of itself what it did at first.
            moved.own_flags = [f"--listen-peer-urls={new_url}"]
            moved.start()
            moved.wait_ready()
            leader.client.KV.Put(key=b"k", value=b"v")
            wait_until(lambda: moved.client.KV.Range(key=b"k", serializable=True).kvs, 20, "the member has the key")


class ErrorsTest(Programs):
    """What etcd refuses is refused, with its exit code; what it takes is taken."""

    def both(self, flags=(), env=()):
        urls = self.urls()
        for name in ("kvd", "etcd"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        ours = self.outcome(SERVER, [*self.own(urls, flags, "kvd"), *flags], env)
        theirs = self.outcome(ETCD, ["--logger=zap", *self.own(self.urls(), flags, "etcd"), *flags], env)
        return ours, theirs

    def own(self, urls, flags, name):
        given = {flag.lstrip("-").split("=")[0] for flag in flags}
        defaults = {"name": "m", "data-dir": self.folder / name, "listen-peer-urls": urls["PEER"],
                    "listen-client-urls": urls["CLIENT"], "initial-advertise-peer-urls": urls["PEER"],
                    "initial-cluster": f"m={urls['PEER']}", "advertise-client-urls": urls["CLIENT"]}
        return [f"--{flag}={value}" for flag, value in defaults.items() if flag not in given]

    def test_flags(self):
        for flags, expected in [
                (["--no-such-flag"], 2), (["--no-such-flag=1"], 2), (["-no-such-flag", "1"], 2),
                (["--heartbeat-interval=often"], 2), (["--heartbeat-interval=-1"], 2), (["--heartbeat-interval=1.5"], 2),
                (["--heartbeat-interval="], 2), (["--pre-vote=maybe"], 2), (["--grpc-keepalive-min-time=5"], 2),
                (["--initial-cluster-state=old"], 2), (["--listen-peer-urls=abc"], 2), (["--proxy=sometimes"], 2),
                (["--election-timeout=200"], 1), (["--election-timeout=60000"], 1),
                (["--auto-compaction-retention=old"], 1), (["--cipher-suites=ROT13"], 1), (["--auth-token=paseto"], 1),
                (["--initial-cluster=other=http://127.0.0.1:1"], 1)]:
            with self.subTest(flags):
                ours, theirs = self.both(flags)
                self.assertEqual((ours, theirs), (expected, expected))

    def test_the_environment(self):
        for env, flags, expected in [
                ({"ETCD_PRE_VOTE": "maybe"}, [], 1), ({"ETCD_HEARTBEAT_INTERVAL": "often"}, [], 1),
                ({"ETCD_SNAPSHOT_COUNT": "7"}, ["--snapshot-count=7"], 1), ({"ETCD_NO_SUCH_THING": "1"}, [], "runs"),
                ({"ETCD_SNAPSHOT_COUNT": ""}, ["--snapshot-count=7"], 1), ({"ETCD_SNAPSHOT_COUNT": ""}, [], "runs"), ({"ETCD_CONFIG_FILE": "/nowhere"}, [], 1)]:
            with self.subTest(env):
                ours, theirs = self.both(flags, env)
                self.assertEqual((ours, theirs), (expected, expected))

    def test_files(self):
        for line, expected in [
                ("heartbeat-interval: often", 1), ('heartbeat-interval: "100"', 1), ("heartbeat-interval: 1.5", 1),
                ("heartbeat-interval: -1", 1), ("heartbeat-interval: 100", "runs"), ("pre-vote: maybe", 1),
                ("pre-vote: yes", "runs"), ("cors: [a, b]", 1), ("log-outputs: stderr", 1), ("log-outputs: [stderr]", "runs"),
                ("initial-cluster-token: 5", 1), ('initial-cluster-token: "5"', "runs"), ("auto-compaction-retention: 1", 1),
                ('auto-compaction-retention: "1"', "runs"), ("client-transport-security: 5", 1),
                ("client-transport-security: {cert-file: 5}", 1), ("cipher-suites: [ROT13]", 1),
                ("grpc-keepalive-min-time: 5000000000", "runs"), ("election-timeout: 200", 1),
                ("initial-cluster-state: old", 1), ("no-such-key: {a: [1]}", "runs"), ("snapshot-count: 0x10", "runs"),
                ("STRICT-RECONFIG-CHECK: maybe", 1), ("name: [m", 1), ("max-txn-ops: null", "runs")]:
            with self.subTest(line):
                outcomes = []
                for program, name in ((SERVER, "kvd"), (ETCD, "etcd")):
                    urls = self.urls()
                    shutil.rmtree(self.folder / name, ignore_errors=True)
                    path = self.folder / f"{name}.yaml"
                    path.write_text(f"name: m\ndata-dir: {self.folder / name}\nlogger: zap\nlisten-peer-urls: {urls['PEER']}\n"
                                    f"listen-client-urls: {urls['CLIENT']}\ninitial-advertise-peer-urls: {urls['PEER']}\n{line}\n")
                    # What else is said does not count, but must be right.
                    outcomes.append(self.outcome(program, [f"--config-file={path}", "--election-timeout=1"],
                                                 {"ETCD_NAME": "other", "ETCD_PRE_VOTE": "maybe"}))
                self.assertEqual(outcomes, [expected, expected])
        for program in (SERVER, ETCD):
            self.assertEqual(self.outcome(program, ["--config-file=/nowhere"]), 1)
            self.assertEqual(self.outcome(program, ["--config-file=/nowhere", "--no-such-flag"]), 2)


class LogTest(Programs):
    def log_of(self, *flags):
        urls = self.urls()
        process = self.start(SERVER, [
            f"--data-dir={self.folder / 'data'}", f"--listen-peer-urls={urls['PEER']}", f"--listen-client-urls={urls['CLIENT']}",
            f"--initial-advertise-peer-urls={urls['PEER']}", f"--advertise-client-urls={urls['CLIENT']}", *flags])
        self.assertIsNone(process.poll(), process.lines())
        process.terminate()
        self.assertEqual(process.wait(20), 0)
        return process.lines()

    def test_json_lines_have_zaps_keys(self):
        for line in self.log_of("--log-format=json", "--log-outputs=stdout"):
            entry = json.loads(line)
            self.assertEqual(list(entry), ["level", "ts", "msg"])
            self.assertRegex(entry["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:?\d\d)$")

    def test_console_lines_are_three_parts_between_tabs(self):
        for line in self.log_of("--log-format=console"):
            time, level, message = line.split("\t", 2)
            self.assertRegex(time, r"^\d{4}-\d\d-\d\dT")
            self.assertIn(level, ("info", "warn"))
            self.assertTrue(message)

    def test_a_level_keeps_what_is_below_it_out(self):
        urls = self.urls()
        flags = [f"--data-dir={self.folder / 'data'}", f"--listen-peer-urls={urls['PEER']}", f"--listen-client-urls={urls['CLIENT']}",
                 f"--initial-advertise-peer-urls={urls['PEER']}", f"--advertise-client-urls={urls['CLIENT']}", "--max-wals=7"]
        file = self.folder / "warnings"
        with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", SERVER, *flags, "--log-level=warn", f"--log-outputs={file}"],
                              env=environment()) as process:
            wait_until(lambda: file.exists() and file.read_text(), 20, "a warning")
            process.terminate()
        self.assertEqual([json.loads(line)["level"] for line in file.read_text().splitlines()], ["warn"])


if __name__ == "__main__":
    unittest.main()
