"""tools/up, tools/status and tools/down, in a folder and on ports of their own."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import cluster
import wire
from cluster import BIN, environment, free_port, wait_until

TOOLS = wire.ROOT / "tools"


def running(pid):
    """False also for one that has ended and waits for its parent to ask."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


class ScriptsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-scripts-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.bin = BIN
        if cluster.IS_ETCD:
            self.bin = self.folder / "bin"
            self.bin.mkdir()
            (self.bin / "kvd").symlink_to("/usr/bin/etcd")
            (self.bin / "kvctl").symlink_to("/usr/bin/etcdctl")
        self.ports = [free_port() for _ in range(3)]
        self.peers = [free_port() for _ in range(3)]
        self.run_dir = self.folder / "run"
        self.addCleanup(self.script, "down", check=False)

    def script(self, name, *arguments, check=True):
        done = subprocess.run([TOOLS / name, *arguments], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False, env={
                                  **environment(), "KEELSON_BIN": str(self.bin), "KEELSON_RUN_DIR": str(self.run_dir),
                                  "KEELSON_CLIENT_PORTS": " ".join(map(str, self.ports)),
                                  "KEELSON_PEER_PORTS": " ".join(map(str, self.peers))})
        if check:
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done

    def pids(self):
        return [int((self.run_dir / f"m{i}" / "pid").read_text()) for i in (1, 2, 3)]

    def test_up_status_down_and_up_again(self):
        self.assertNotEqual(self.script("status", check=False).returncode, 0)
        self.assertIn("Nothing was running.", self.script("down").stdout)
        told = self.script("up").stdout
        self.assertIn("Keelson serves.", told)
        pids = self.pids()
        commands = told.split("Try:\n")[1].strip().splitlines()
        self.assertEqual(len(commands), 3)
        outputs = [subprocess.run(["sh", "-c", c], capture_output=True, text=True, timeout=20, env=environment(), cwd="/",
                                  check=True).stdout for c in commands]
        self.assertEqual(outputs, ["OK\n", "greeting\nhello\n", "greeting\nhello\n"])
        self.assertIn("Keelson was serving already.", self.script("up").stdout)
        self.assertEqual(self.pids(), pids, "the second call started something")

        os.kill(pids[1], signal.SIGKILL)
        wait_until(lambda: self.script("status", check=False).returncode != 0, 10, "status tells that a member is gone")
        self.script("up")
        self.assertEqual([a == b for a, b in zip(self.pids(), pids)], [True, False, True])
        self.script("status")

        before = self.pids()
        self.assertIn("Stopped 3 members.", self.script("down").stdout)
        self.assertEqual([pid for pid in before if running(pid)], [])
        self.script("up")
        with wire.Client(f"127.0.0.1:{self.ports[0]}") as client:
            self.assertEqual(client.KV.Range(key=b"greeting").kvs[0].value, b"hello")
        self.script("down", "--delete")
        self.assertFalse(self.run_dir.exists())

    def test_up_tells_which_port_is_taken_and_starts_nothing(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.peers[2]))
            other.listen()
            done = self.script("up", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(f"port {self.peers[2]} is taken", done.stderr)
        self.assertFalse(self.run_dir.exists())

    def test_down_stops_nothing_but_its_own_members(self):
        stranger = subprocess.Popen(["sleep", "60"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        (self.run_dir / "m1").mkdir(parents=True)
        (self.run_dir / "m1" / "pid").write_text(str(stranger.pid))
        self.assertIn("Nothing was running.", self.script("down").stdout)
        self.assertIsNone(stranger.poll())

    def test_arguments_nobody_knows_are_refused_in_one_line(self):
        for name in ("up", "down", "status"):
            done = self.script(name, "--nonsense", check=False)
            self.assertEqual((done.returncode, done.stderr), (1, f"{name}: unknown argument: --nonsense\n"))


if __name__ == "__main__":
    cluster.main()
