"""Planted bugs are in the builds that have them and in no other, each is a row of the list and a place in the code, and the
cheapest of them are found. Run as planted_bugs_test.py SIMULATIONS KVD WITH_BUGS (ON, OFF)."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("raft", "storage", "server", "client")
# Those that the first seeds find.
WRONG_PARTS = ("lease-leaks-key", "stale-read", "state-of-its-own", "flush-pretended")
PLANTED = ("read-unconfirmed", "watch-revision-cut", "lease-never-expires", "entries-applied-again",
           "progress-before-start")


def simulate(program, *flags, **environment):
    return subprocess.run([SIMULATIONS / program, *flags], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **environment}, timeout=100, errors="replace")


def names_in_the_code():
    text = "".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in (".h", ".cc"))
    return set(re.findall(r'KV_PLANTED\(\s*"([a-z-]+)"\)', text))


def names_in_the_list():
    table = (ROOT / "tests/simulation/planted_bugs.h").read_text().split("kPlantedBugs[] = {")[1].split("\n};")[0]
    return re.findall(r'^ {4}\{"([a-z-]+)",', table, re.M)


class Lists(unittest.TestCase):
    def test_each_bug_is_in_the_list_once_and_in_the_code(self):
        listed = names_in_the_list()
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual(set(listed), names_in_the_code())

    def test_the_simulation_names_them_all(self):
        rows = [line.split("\t") for line in simulate("cluster_simulation", "--list-bugs").stdout.splitlines()]
        names = [row[0] for row in rows]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(names_in_the_list()), set(names))
        self.assertEqual({len(row) for row in rows}, {4})

    def test_the_table_of_results_has_them_all(self):
        table = (ROOT / "docs/testing.md").read_text()
        for line in simulate("cluster_simulation", "--list-bugs").stdout.splitlines():
            name = line.split("\t")[0]
            self.assertTrue(f"\n| {name} |" in table, f"docs/testing.md has no row of {name}")


class OrdinaryBuild(unittest.TestCase):
    def test_no_flag_switches_a_bug_on(self):
        for program in ("cluster_simulation", "raft_simulation"):
            refused = simulate(program, "--bug", "read-unconfirmed", "--seeds", "1")
            self.assertEqual(refused.returncode, 2, refused.stdout)
            self.assertIn("this build has no planted bugs", refused.stdout)

    def test_the_environment_switches_none_on(self):
        without = simulate("cluster_simulation", "--seed", "1")
        self.assertEqual(without.returncode, 0, without.stdout)
        hash_of = re.compile(r"hash \w+")
        given = simulate("cluster_simulation", "--seed", "1", KEELSON_BUG="read-unconfirmed")
        self.assertEqual(hash_of.findall(given.stdout), hash_of.findall(without.stdout))

    def test_nothing_of_them_is_in_the_server(self):
        server = KVD.read_bytes()
        for name in names_in_the_list():
            self.assertNotIn(name.encode(), server)
        self.assertNotIn(b"KEELSON_BUG", server)


def check_found(test, name):
    found = simulate("cluster_simulation", "--bug", name, "--seeds", "20")
    test.assertNotEqual(found.returncode, 0, f"{name} got away")
    test.assertRegex(found.stdout, "BROKEN: |check failed: ")


class BuildWithBugs(unittest.TestCase):
    def test_planted_bugs_are_found(self):
        for name in PLANTED:
            check_found(self, name)


class EveryBuild(unittest.TestCase):
    def test_wrong_parts_are_found(self):
        for name in WRONG_PARTS:
            check_found(self, name)

    def test_what_does_not_exist_cannot_be_planted(self):
        for program in ("cluster_simulation", "raft_simulation"):
            refused = simulate(program, "--bug", "no-such-bug", "--seeds", "1")
            self.assertEqual(refused.returncode, 2, refused.stdout)


if __name__ == "__main__":
    SIMULATIONS, KVD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if sys.argv[3] == "ON":
        del OrdinaryBuild
    else:
        del BuildWithBugs
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
