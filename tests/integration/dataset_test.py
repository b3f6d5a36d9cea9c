"""Every record of the machine's Debian package lists: loaded with the command line, watched while it is loaded, read back
whole, in pages and singly. What comes back is what went in, to the byte.

The records are those of /var/lib/dpkg/status and, unless --installed-only is given, of all package lists apt has.
"""

import base64
import concurrent.futures
import glob
import json
import pathlib
import random
import subprocess
import sys
import threading
import time
import unittest

import cluster
import wire
from cluster import Cluster, KVCTL, run_command

INSTALLED_ONLY = "--installed-only" in sys.argv
if INSTALLED_ONLY:
    sys.argv.remove("--installed-only")

OPS_A_TXN = 128
LOADERS = 4


def stanzas(data):
    """(name, version, the whole stanza) of each record of a file in Debian's control format."""
    for stanza in data.split(b"\n\n"):
        if not stanza.strip():
            continue
        fields = {}
        for line in stanza.split(b"\n"):
            name, colon, value = line.partition(b": ")
            if colon and name in (b"Package", b"Version", b"Architecture"):
                fields[name] = value.strip()
        if b"Package" in fields:
            yield fields[b"Package"], fields.get(b"Version", b"-"), fields.get(b"Architecture", b"-"), stanza


def records():
    """key -> value, all that the machine has."""
    sources = [("status", pathlib.Path("/var/lib/dpkg/status").read_bytes())]
    if not INSTALLED_ONLY:
        for path in sorted(glob.glob("/var/lib/apt/lists/*Packages*")):
            done = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], capture_output=True, check=True)
            sources.append((path.rsplit("/", 1)[1], done.stdout))
    found = {}
    for source, data in sources:
        for name, version, architecture, stanza in stanzas(data):
            key = b"/debian/" + name + b"/" + version + b"/" + architecture + b"/" + source.encode()
            found[key] = stanza
    return found


def quoted(data):
    """As the txn command wants it: a double-quoted string of Go."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t"}
    return '"' + "".join(plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data) + '"'


class Watcher(threading.Thread):
    """Takes the events of the whole range, from before the first write on."""

    def __init__(self, member, expected):
        super().__init__(daemon=True)
        self.client = member.new_client()
        self.expected = expected
        self.seen = {}
        self.faults = []
        self.created = threading.Event()
        self.done = threading.Event()

    def requests(self):
        yield wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"/debian/", range_end=b"/debian0"))
        self.done.wait()

    def run(self):
        last = 0
        try:
            for answer in self.client.Watch.Watch(self.requests()):
                if answer.created:
                    self.created.set()
                for event in answer.events:
                    if event.type != 0 or event.kv.mod_revision < last:
                        self.faults.append(event)
                    if event.kv.key in self.seen:
                        self.faults.append(event)
                    last = event.kv.mod_revision
                    self.seen[event.kv.key] = event.kv.value
                if len(self.seen) >= self.expected:
                    break
        except Exception as problem:
            self.faults.append(problem)
        self.created.set()
        self.done.set()


class DatasetTest(unittest.TestCase):
    def check_same(self, found, data):
        """As assertEqual, but does not print all Debian where it fails."""
        wrong = [k for k in data if found.get(k) != data[k]] + [k for k in found if k not in data]
        self.assertEqual(wrong[:5], [], f"{len(wrong)} records differ or are missing, of {len(data)}")

    def test_all_records_come_back_as_they_went_in(self):
        data = records()
        size = sum(len(k) + len(v) for k, v in data.items())
        print(f"{len(data)} records, {size / 1e6:.1f} MB", flush=True)
        self.assertGreater(len(data), 50)
        with Cluster(3) as members:
            watchers = [Watcher(member, len(data)) for member in members]
            for watcher in watchers:
                watcher.start()
                self.assertTrue(watcher.created.wait(10), "the watch is not created")
            self.load(members, data)
            self.check_read_whole(members, data)
            self.check_pages(members, data)
            self.check_single(members, data)
            self.check_command_line(members, data)
            for watcher in watchers:
                watcher.join(60)
                self.assertEqual(watcher.faults[:3], [], "the watch told something wrong")
                self.assertEqual(len(watcher.seen), len(data))
                self.check_same(watcher.seen, data)
            members.wait_equal()
            self.assertEqual(len(set(members.hashes())), 1)

    def load(self, members, data):
        began = time.monotonic()
        keys = list(data)
        random.shuffle(keys)
        batches, batch, size = [], [], 0
        for key in keys:
            # The command reads a line at a time; a server takes 1.5 MiB at a time.
            if len(batch) == OPS_A_TXN or size + len(data[key]) > 1_000_000:
                batches.append(batch)
                batch, size = [], 0
            batch.append(key)
            size += len(key) + len(data[key])
        batches.append(batch)

        def run(number):
            text = "\n" + "".join(f"put {quoted(k)} {quoted(data[k])}\n" for k in batches[number]) + "\n\n"
            endpoint = members[number % len(members)].endpoint
            done = run_command([KVCTL, "--endpoints=" + endpoint, "--command-timeout=20s", "txn"], stdin=text.encode(), seconds=60)
            self.assertEqual(done.returncode, 0, done.stderr[-500:])
            self.assertEqual(done.stdout, b"SUCCESS\n" + b"\nOK\n" * len(batches[number]))
        with concurrent.futures.ThreadPoolExecutor(LOADERS) as pool:
            list(pool.map(run, range(len(batches))))
        print(f"loaded in {len(batches)} transactions, {time.monotonic() - began:.1f} s", flush=True)

    def check_read_whole(self, members, data):
        for member in members:
            answer = member.client.KV.Range(key=b"/debian/", range_end=b"/debian0", timeout=60)
            self.assertEqual(answer.count, len(data))
            self.assertTrue([p.key for p in answer.kvs] == sorted(data), "keys are missing, doubled or out of order")
            self.check_same({p.key: p.value for p in answer.kvs}, data)
            self.assertEqual({p.version for p in answer.kvs}, {1})

    def check_pages(self, members, data):
        for limit in (997, 10_000):
            found, at, revision = {}, b"/debian/", 0
            while True:
                page = random.choice(members.members).client.KV.Range(key=at, range_end=b"/debian0", limit=limit,
                                                                      revision=revision, timeout=60)
                revision = revision or page.header.revision
                self.assertEqual(page.count, len(data) - len(found))
                found.update((p.key, p.value) for p in page.kvs)
                if not page.more:
                    break
                self.assertEqual(len(page.kvs), limit)
                at = page.kvs[-1].key + b"\0"
            self.check_same(found, data)

    def check_single(self, members, data):
        for key in random.sample(sorted(data), 200):
            answer = random.choice(members.members).client.KV.Range(key=key)
            self.assertEqual([p.value for p in answer.kvs], [data[key]])
        prefix = random.choice(sorted(data)).rsplit(b"/", 3)[0] + b"/"
        answer = members[0].client.KV.Range(key=prefix, range_end=wire.prefix_end(prefix))
        self.assertEqual({p.key for p in answer.kvs}, {k for k in data if k.startswith(prefix)})

    def check_command_line(self, members, data):
        done = run_command([KVCTL, "--endpoints=" + members.endpoints(), "--command-timeout=60s", "get", "--prefix", "/debian/",
                            "-w", "json"], seconds=90)
        self.assertEqual(done.returncode, 0, done.stderr[-500:])
        pairs = json.loads(done.stdout)["kvs"]
        self.check_same({base64.b64decode(p["key"]): base64.b64decode(p["value"]) for p in pairs}, data)


if __name__ == "__main__":
    cluster.main()
