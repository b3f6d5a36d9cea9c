#!/usr/bin/env python3
"""docs/raft-tests.md tells the truth: every test it names is in the file it names, every test of
etcd-io/raft is there once, with a test of ours or a reason, and enough have one."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "raft-tests.md"
MAPPED_MIN = 200

TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")
LEFT_OUT = "–"


def tests_in(path):
    return {f"{suite}.{name}" for suite, name in TEST.findall(path.read_text())}


def rows(text):
    """(section, their test, our tests or the dash, where or why not) of each row."""
    section = ""
    for line in text.splitlines():
        if line.startswith("### "):
            section = line[4:]
        elif line.startswith("| Test"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            yield (section, *cells)


class RaftTestsTableTest(unittest.TestCase):
    def setUp(self):
        self.text = TABLE.read_text()
        self.rows = list(rows(self.text))

    def mapped(self):
        return [row for row in self.rows if row[2] != LEFT_OUT]

    def test_every_test_that_is_named_exists(self):
        for section, theirs, ours, where in self.mapped():
            with self.subTest(f"{section} {theirs}"):
                files = [ROOT / "raft" / name for name in QUOTED.findall(where)]
                self.assertTrue(files)
                found = set().union(*(tests_in(file) for file in files))
                names = QUOTED.findall(ours)
                self.assertTrue(names)
                self.assertLessEqual(set(names), found)

    def test_what_is_left_out_has_a_reason(self):
        for section, theirs, ours, where in self.rows:
            if ours == LEFT_OUT:
                self.assertGreater(len(where.split()), 2, f"{section} {theirs}")

    def test_each_is_listed_once(self):
        listed = [row[:2] for row in self.rows]
        self.assertEqual(len(listed), len(set(listed)))

    def test_enough_have_one_and_the_count_in_the_text_is_right(self):
        self.assertGreaterEqual(len(self.mapped()), MAPPED_MIN)
        self.assertIn(f"{len(self.mapped())} of {len(self.rows)} have one", self.text)


if __name__ == "__main__":
    sys.exit(unittest.main())
