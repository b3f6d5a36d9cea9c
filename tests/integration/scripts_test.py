"""tools/up, tools/status and tools/down, in a folder and on ports of their own."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import cluster
import wire
from cluster import BIN, environment, free_port

TOOLS = wire.ROOT / "tools"


class ScriptsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-scripts-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.ports = [free_port() for _ in range(3)]
        self.peers = [free_port() for _ in range(3)]
        self.port = free_port()
        self.run_dir = self.folder / "run"
        self.addCleanup(self.script, "down", check=False)

    def script(self, name, *arguments, check=True):
        done = subprocess.run([TOOLS / name, *arguments], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False, env={
                                  **environment(), "KEELSON_BIN": str(BIN), "KEELSON_RUN_DIR": str(self.run_dir),
                                  "KEELSON_CLIENT_PORTS": " ".join(map(str, self.ports)),
                                  "KEELSON_PEER_PORTS": " ".join(map(str, self.peers)),
                                  "KEELSON_PORT": str(self.port), "KUBECONFIG": str(self.folder / "kubeconfig")})
        if check:
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done

    def test_up_status_down_and_up_again(self):
        self.assertNotEqual(self.script("status", check=False).returncode, 0)
        self.assertIn("Nothing was running.", self.script("down").stdout)
        told = self.script("up", "--nodes=1").stdout
        self.assertIn("3 members, leader m", told)
        commands = told.split("clients:\n")[1].strip().splitlines()
        self.assertEqual(len(commands), 3)
        outputs = [subprocess.run(["sh", "-c", c], capture_output=True, text=True, timeout=20, env=environment(), cwd="/",
                                  check=True).stdout for c in commands]
        self.assertEqual(outputs, ["OK\n", "greeting\nhello\n", "greeting\nhello\n"])
        self.script("status")
        self.assertIn("Stopped the cluster.", self.script("down").stdout)
        self.script("up")
        with wire.Client(f"127.0.0.1:{self.ports[0]}") as client:
            self.assertEqual(client.KV.Range(key=b"greeting").kvs[0].value, b"hello")
        self.script("down", "--delete")
        self.assertFalse(self.run_dir.exists())

    def test_arguments_nobody_knows_are_refused_in_one_line(self):
        for name in ("down", "status"):
            done = self.script(name, "--nonsense", check=False)
            self.assertEqual((done.returncode, done.stderr), (1, f"{name}: unknown argument: --nonsense\n"))
        self.assertNotEqual(self.script("up", "--nonsense", check=False).returncode, 0)
        self.assertFalse(self.run_dir.exists())


if __name__ == "__main__":
    cluster.main()
