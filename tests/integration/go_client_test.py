"""etcd's Go client, unmodified and whole: go_client/ has the checks, which are run against a cluster of ours.

The module is fetched and built in the build directory ($KEELSON_GO_CACHE, or a temporary one); where there is no Go or no
module, the test is skipped, and says so.
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

SOURCE = pathlib.Path(__file__).resolve().parent / "go_client"
GO = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
# What Debian's etcd, the oracle, does not have: it is older than the client.
NOT_IN_ETCD_3_4 = {"a range comes as a stream, too", "a downgrade is validated, begun and cancelled",
                   "users may do what their roles allow, and nothing else", "a snapshot is whole, as a stream and as a file"}


def build(folder):
    """The path of the program, or None and why there is none."""
    if GO is None:
        return None, "there is no Go"
    program = pathlib.Path(folder) / "go_client"
    made = subprocess.run([GO, "build", "-mod=readonly", "-o", str(program), "."], cwd=SOURCE, capture_output=True, timeout=280,
                          env={**os.environ, "GOFLAGS": "", "GOTOOLCHAIN": "local"}, check=False)
    if made.returncode == 0:
        return program, ""
    said = made.stderr.decode()
    # No module or too old a Go is not our fault; a program that does not compile is.
    if re.search(r"^\./\w+\.go:", said, re.MULTILINE):
        raise AssertionError(said)
    return None, "the modules cannot be had: " + said.strip().splitlines()[-1]


class GoClientTest(unittest.TestCase):
    program = None

    def test_every_feature_of_the_go_client(self):
        with Cluster(3, ["--bcrypt-cost=4"]) as members:
            done = subprocess.run(["setpriv", "--pdeathsig", "KILL", str(self.program), members.endpoints()], capture_output=True,
                                  timeout=180, env=environment(), check=False)
            told = done.stdout.decode()
            print(told, flush=True)
            failed = set(re.findall(r"^FAILED (.*?): ", told, re.MULTILINE))
            passed = set(re.findall(r"^ok (.*) \(", told, re.MULTILINE))
            self.assertEqual(failed - (NOT_IN_ETCD_3_4 if cluster.IS_ETCD else set()), set())
            self.assertRegex(told, rf"(?m)^{len(passed)} passed, {len(failed)} failed$")
            self.assertGreater(len(passed), 30)


def run():
    given = os.environ.get("KEELSON_GO_CACHE")
    folder = given or tempfile.mkdtemp(prefix="keelson-go-")
    os.makedirs(folder, exist_ok=True)
    try:
        GoClientTest.program, why = build(folder)
        if GoClientTest.program is None:
            print(f"SKIPPED: {why}", flush=True)
            sys.exit(77)
        cluster.main()
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run()
