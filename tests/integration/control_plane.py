"""Whole clusters of `keelson up` for the integration tests, in a folder and on ports of their own.

    class SomeTest(control_plane.TestCase):
        nodes = 4                                  # one cluster for all tests of the class
        def test_it(self):
            self.kubectl("get", "nodes")

The processes die with the supervisor, and the supervisor is stopped when the tests are done. A test of this kind is
skipped where there is no kubectl.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import cluster
from cluster import BIN, environment, free_port, wait_until

KUBECTL = os.environ.get("KEELSON_TEST_KUBECTL") or shutil.which("kubectl")
SKIPPED = 77


class ControlPlane:
    """What `keelson up` runs in one folder."""

    def __init__(self, members=3, nodes=3):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-up-"))
        self.dir = self.folder / "cluster"
        self.kubeconfig = self.folder / "kubeconfig"
        self.members = members
        self.nodes = nodes
        self.port = free_port()
        self.client_ports = [free_port() for _ in range(members)]
        self.peer_ports = [free_port() for _ in range(members)]
        self.server_ports = [free_port() for _ in range(members)]

    def environment(self):
        return {**environment(), "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "cache"),
                "HOME": str(self.folder)}

    def keelson(self, *arguments, check=True, timeout=120):
        done = subprocess.run([BIN / "keelson", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False, env=self.environment())
        if check and done.returncode != 0:
            raise AssertionError(f"keelson {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def up(self, *arguments, check=True):
        def ports(list_of):
            return ",".join(map(str, list_of))
        return self.keelson("up", f"--dir={self.dir}", f"--members={self.members}", f"--nodes={self.nodes}",
                            f"--port={self.port}", f"--client-ports={ports(self.client_ports)}",
                            f"--peer-ports={ports(self.peer_ports)}", f"--server-ports={ports(self.server_ports)}",
                            *arguments, check=check)

    def status(self, check=True):
        return self.keelson("status", f"--dir={self.dir}", check=check)

    def is_well(self):
        return self.status(check=False).returncode == 0

    def down(self):
        return self.keelson("down", f"--dir={self.dir}")

    def kubectl(self, *arguments, check=True, stdin=None, timeout=60):
        """What it printed; with check=False the whole outcome."""
        done = subprocess.run([KUBECTL, *arguments], input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, check=False,
                              env=self.environment())
        if not check:
            return done
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def get(self, *arguments):
        """The object, or list, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def components(self):
        return [c["name"] for c in json.loads((self.dir / "state.json").read_text())["components"]]

    def pid(self, component):
        try:
            return int((self.dir / component / "pid").read_text())
        except FileNotFoundError:
            return None

    def kill(self, component, number):
        os.kill(self.pid(component), number)

    def supervisor(self):
        return int((self.dir / "supervisor.pid").read_text())

    def certificate(self, name):
        return str(self.dir / "pki" / f"{name}.crt"), str(self.dir / "pki" / f"{name}.key")

    def show_logs(self):
        for log in sorted(self.dir.glob("*/log")) + [self.dir / "supervisor.log"]:
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-15:]
                print(f"--- {log.relative_to(self.dir)}\n" + "\n".join(tail), file=sys.stderr)

    def remove(self):
        self.keelson("down", f"--dir={self.dir}", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class TestCase(unittest.TestCase):
    members = 3
    nodes = 3

    @classmethod
    def setUpClass(cls):
        cls.plane = ControlPlane(cls.members, cls.nodes)
        cls.addClassCleanup(cls.plane.remove)
        cls.kubectl = cls.plane.kubectl
        cls.get = cls.plane.get
        cls.plane.up()

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before:
            self.plane.show_logs()

    def wait_until(self, condition, seconds, what):
        """As cluster.wait_until, with a kubectl or two a turn in mind."""
        return wait_until(condition, seconds, what, interval=0.2)


def main():
    if KUBECTL is None:
        print("there is no kubectl here")
        sys.exit(SKIPPED)
    cluster.main()
