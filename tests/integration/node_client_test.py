"""npm's etcd3, unmodified and whole: node_client/ has the checks, which are run against a cluster of ours.

The package is installed in the build directory ($KEELSON_NODE_CACHE, or a temporary one); where there is no npm, or it cannot
have the package, the test is skipped, and says so.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import cluster
from cluster import Cluster, environment

SOURCE = pathlib.Path(__file__).resolve().parent / "node_client"


def install(folder):
    """"" when the package is there, or why it is not."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "there is no npm"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, folder)
    # What is there already, as the lock file has it, is not fetched again.
    installed = pathlib.Path(folder) / "node_modules/.package-lock.json"
    if installed.exists() and installed.stat().st_mtime > (SOURCE / "package-lock.json").stat().st_mtime:
        return ""
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True,
                          timeout=200, check=False)
    return "" if done.returncode == 0 else "npm cannot have it: " + done.stderr.decode().strip().splitlines()[-1]


class NodeClientTest(unittest.TestCase):
    folder = None

    def test_every_feature_of_the_node_client(self):
        with Cluster(3, ["--bcrypt-cost=4"]) as members:
            done = subprocess.run(["setpriv", "--pdeathsig", "KILL", "node", str(SOURCE / "checks.js"),
                                   *(m.client_url for m in members)], capture_output=True, timeout=180,
                                  env={**environment(), "NODE_CLIENT": self.folder}, check=False)
            told = done.stdout.decode()
            print(told, done.stderr.decode()[-2000:], flush=True)
            self.assertEqual(re.findall(r"^FAILED (.*)", told, re.MULTILINE), [])
            self.assertRegex(told, r"(?m)^1\d passed, 0 failed$")
            self.assertEqual(done.returncode, 0)


def run():
    given = os.environ.get("KEELSON_NODE_CACHE")
    folder = given or tempfile.mkdtemp(prefix="keelson-node-")
    os.makedirs(folder, exist_ok=True)
    try:
        why = install(folder)
        if why:
            print(f"SKIPPED: {why}", flush=True)
            sys.exit(77)
        NodeClientTest.folder = folder
        cluster.main()
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run()
