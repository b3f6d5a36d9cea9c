#!/usr/bin/python3
"""kvbench, as built, against a real server on loopback: end_to_end_test.py KVBENCH SERVER

The server is etcd or kvd. It runs with one member: what is tested is the tool.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import members

KVBENCH, SERVER = "", ""


class EndToEndTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="kvbench-test-")
        cls.cluster = members.Cluster(SERVER, cls.folder.name, size=1)
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def bench(self, *arguments, exit_status=0):
        done = subprocess.run([KVBENCH, *arguments], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, exit_status, done.stdout + done.stderr)
        return done

    def run_json(self, operation, *arguments, exit_status=0):
        done = self.bench(operation, "--endpoints", self.cluster.endpoints(), "--json", "--warmup=50ms", "--duration=300ms",
                          *arguments, exit_status=exit_status)
        return json.loads(done.stdout)

    def test_put_then_get_finds_every_key(self):
        put = self.run_json("put", "--key-space=500", "--key-order=sequential", "--total=500", "--warmup=0", "--duration=20s",
                            "--outstanding=50", "--connections=5")
        self.assertEqual((put["operations"], put["errors"]), (500, 0))
        for consistency in "ls":
            get = self.run_json("get", "--key-space=500", "--outstanding=8", "--consistency", consistency)
            self.assertEqual((get["errors"], get["not_found"], get["consistency"]), (0, 0, consistency))
            self.assertGreater(get["operations"], 10)
            for low, high in (("p50", "p90"), ("p90", "p99"), ("p99", "max")):
                self.assertLessEqual(get["latency_ms"][low], get["latency_ms"][high])

    def test_keys_that_were_never_put_are_counted(self):
        get = self.run_json("get", "--key-size=64", "--total=10")
        self.assertEqual((get["operations"], get["not_found"], get["errors"]), (10, 10, 0))

    def test_costs_of_the_server_are_found_by_its_port(self):
        put = self.run_json("put", "--outstanding=16", "--duration=500ms")
        self.assertEqual([s["pid"] for s in put["servers"]], self.cluster.pids())
        self.assertGreater(put["server_cpu_us_per_op"], 0)
        self.assertGreater(put["servers"][0]["rss_bytes"], 1 << 20)
        self.assertGreater(put["client_cpu_us_per_op"], 0)

    def test_leader_is_found(self):
        put = self.run_json("put", "--target=leader", "--total=5")
        self.assertEqual(put["target"], self.cluster.endpoints())

    def test_every_watcher_gets_every_event(self):
        watch = self.run_json("watch", "--streams=7", "--watchers=3", "--connections=2", "--total=20", "--outstanding=4",
                              "--warmup=0")  # events of a put may come on either side of a warm-up's end
        self.assertEqual((watch["errors"], watch["puts"], watch["operations"]), (0, 20, 20 * 7 * 3))

    def test_rate_is_kept(self):
        put = self.run_json("put", "--outstanding=64", "--rate=200", "--duration=1s")
        self.assertAlmostEqual(put["operations"], 200, delta=20)

    def test_errors_of_the_server_are_shown_and_fail(self):
        done = self.bench("put", "--endpoints", self.cluster.endpoints(), "--value-size=2000000", "--total=3", "--warmup=0",
                          exit_status=1)
        self.assertIn("3 errors; the first: INVALID_ARGUMENT: etcdserver: request is too large", done.stderr)

    def test_table_is_for_people(self):
        done = self.bench("put", "--endpoints", self.cluster.endpoints(), "--total=10")
        self.assertRegex(done.stdout, r"throughput +\d+ requests/s \(10 in ")
        self.assertRegex(done.stdout, r"p50 [\d.]+ +p90 ")

    def test_bad_flags_and_absent_servers_get_one_line(self):
        for arguments, exit_status, says in (
                (["put", "--outstanding=0"], 2, "--outstanding"),
                (["frob"], 2, "no operation frob"),
                (["put", "--endpoints=127.0.0.1:1"], 1, "dial tcp 127.0.0.1:1: Connection refused"),
                (["put", "--endpoints", self.cluster.endpoints(), "--server-pids=1073741824"], 1, "no process 1073741824")):
            done = self.bench(*arguments, exit_status=exit_status)
            self.assertEqual(done.stdout, "")
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn(says, done.stderr)


class TlsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kvbench-test-")
        self.addCleanup(folder.cleanup)
        self.tls = members.Certificates(folder.name)
        self.cluster = members.Cluster(SERVER, folder.name, size=1, tls=self.tls)
        self.addCleanup(self.cluster.stop)
        self.cluster.start()

    def bench(self, *arguments):
        return subprocess.run([KVBENCH, *arguments, "--endpoints", self.cluster.endpoints(), "--json", "--timeout=3s"],
                              capture_output=True, text=True, timeout=30, check=False)

    def test_load_over_tls_is_measured_too(self):
        for arguments in (["put", "--total=200", "--outstanding=20", "--connections=4", "--value-size=70000"],
                          ["get", "--total=200", "--outstanding=20", "--target=leader"],
                          ["watch", "--streams=5", "--connections=2", "--total=20", "--warmup=0"]):
            done = self.bench(*arguments, *self.tls.client_flags())
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            self.assertEqual(json.loads(done.stdout)["errors"], 0)

    def test_who_may_not_or_does_not_believe_is_told_why(self):
        for flags, says in (([], "tls: bad certificate"), ([f"--cacert={self.tls.ca}"], "UNAVAILABLE"),
                            (["--cacert=/nosuch"], "/nosuch"), ([f"--cert={self.tls.cert}"], "must be given together")):
            done = self.bench("put", "--total=5", "--warmup=0", *flags)
            self.assertNotEqual(done.returncode, 0, flags)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    KVBENCH, SERVER = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
