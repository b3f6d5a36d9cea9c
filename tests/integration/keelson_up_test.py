"""keelson up, status, down and delete: a cluster of real processes, of which one member at a time may die."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import unittest

import control_plane
from cluster import BIN, wait_until

OTHERS = """\
apiVersion: v1
kind: Config
# prod is not to be touched
clusters:
- cluster:
    server: https://prod.example
  name: prod
contexts:
- context:
    cluster: prod
    user: me
  name: prod
current-context: prod
users:
- name: me
  user: {}
"""


class UpTest(unittest.TestCase):
    def setUp(self):
        self.plane = control_plane.ControlPlane(members=3, nodes=4)
        self.addCleanup(self.plane.remove)
        self.kubectl = self.plane.kubectl

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before:
            self.plane.show_logs()

    def nodes_ready(self):
        nodes = self.plane.get("nodes")["items"]
        return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
                   for node in nodes)

    def test_whole_life(self):
        self.plane.kubeconfig.write_text(OTHERS)
        begin = time.monotonic()
        told = self.plane.up().stdout
        print(f"up took {time.monotonic() - begin:.1f} s")
        self.assertIn("4 ready", told)
        self.assertEqual(self.nodes_ready(), 4)
        self.assertEqual(self.kubectl("config", "current-context").strip(), "keelson")
        self.assertEqual(self.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"), "kubernetes-admin")

        status = self.plane.status().stdout
        for name in self.plane.components():
            self.assertIn(name, status)
        self.assertEqual(status.count("leader"), 1, status)
        self.assertEqual(status.count("active"), 2, status)
        pids = {name: self.plane.pid(name) for name in self.plane.components()}
        self.assertIn("runs already", self.plane.up().stdout)
        self.assertEqual({name: self.plane.pid(name) for name in pids}, pids, "the second call started something")
        logs = self.plane.keelson("logs", f"--dir={self.plane.dir}", "m1", "-n", "3").stdout
        self.assertEqual(len(logs.splitlines()), 3)

        # What users of the store know works as ever.
        endpoint = f"--endpoints=127.0.0.1:{self.plane.client_ports[1]}"
        subprocess.run([BIN / "kvctl", endpoint, "put", "greeting", "hello"], check=True, capture_output=True)

        self.kubectl("create", "configmap", "kept", "--from-literal=a=1")
        self.plane.down()
        self.assertEqual(self.plane.status(check=False).returncode, 1)
        self.assertNotEqual(self.kubectl("get", "nodes", check=False).returncode, 0)
        self.plane.up()
        self.assertEqual(self.plane.get("configmap", "kept")["data"], {"a": "1"})
        wait_until(lambda: self.nodes_ready() == 4, 60, "all nodes are ready again")

        self.plane.keelson("delete", f"--dir={self.plane.dir}")
        self.assertFalse(self.plane.dir.exists())
        self.assertEqual(self.plane.kubeconfig.read_text(), OTHERS)

    def test_kubectl_goes_on_while_members_are_killed(self):
        self.plane.up()
        failures = []
        stop = threading.Event()
        done = [0]

        def work():
            while not stop.is_set():
                name = f"c{done[0]}"
                for arguments in (("create", "configmap", name, f"--from-literal=n={name}"),
                                  ("get", "configmap", name, "-o", "name"), ("get", "nodes")):
                    outcome = self.kubectl(*arguments, check=False)
                    if outcome.returncode != 0:
                        failures.append((arguments, outcome.stderr))
                done[0] += 1

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for member in (1, 2, 3):
                names = [f"m{member}", f"apiserver-{member}", f"scheduler-{member}", f"controllers-{member}"]
                before = {name: self.plane.pid(name) for name in names}
                rounds = done[0]
                for name in names:
                    self.plane.kill(name, signal.SIGKILL)
                wait_until(lambda: all(self.plane.pid(n) not in (None, before[n]) for n in names), 30,
                           "the supervisor starts them again")
                wait_until(self.plane.is_well, 60, "all are well again")
                wait_until(lambda: done[0] >= rounds + 3, 60, "kubectl goes on")
        finally:
            stop.set()
            worker.join()
        # A request that was on its way to a process that died may be lost with it; no more than that.
        self.assertLessEqual(len(failures), 3, failures)
        made = {item["metadata"]["name"] for item in self.plane.get("configmaps")["items"]}
        lost = [f"c{i}" for i in range(done[0]) if f"c{i}" not in made and
                not any(a[0] == "create" and a[2] == f"c{i}" for a, _ in failures)]
        self.assertEqual(lost, [], "objects whose creation was acknowledged")

    def test_nothing_is_left_of_a_supervisor_that_is_killed(self):
        self.plane.up("--no-kubeconfig")
        self.assertFalse(self.plane.kubeconfig.exists())
        pids = [self.plane.pid(name) for name in self.plane.components()]
        os.kill(self.plane.supervisor(), signal.SIGKILL)

        def gone(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0] == "Z"
            except FileNotFoundError:
                return True
        wait_until(lambda: all(map(gone, pids)), 30, "all processes end")
        self.plane.up()
        self.assertTrue(self.plane.is_well())

    def test_taken_port_is_told_and_nothing_is_started(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.plane.peer_ports[2]))
            other.listen()
            done = self.plane.up(check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"port {self.plane.peer_ports[2]} is taken", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertFalse(self.plane.dir.exists())

    def test_foreground_ends_with_its_signal(self):
        command = [BIN / "keelson", "up", f"--dir={self.plane.dir}", "--foreground", "--members=1", "--nodes=1",
                   f"--port={self.plane.port}", f"--client-ports={self.plane.client_ports[0]}",
                   f"--peer-ports={self.plane.peer_ports[0]}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   env=self.plane.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if "Running until Ctrl-C" in line:
                break
        state = json.loads((self.plane.dir / "state.json").read_text())
        pids = [component["pid"] for component in state["components"]]
        self.assertNotIn(0, pids)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), 0)
        for pid in pids:
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)


if __name__ == "__main__":
    control_plane.main()
