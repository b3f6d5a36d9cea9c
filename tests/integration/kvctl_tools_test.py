"""What kvctl does besides keys: mirrors, checks, downgrades, completion, and work on files that no member runs on."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import cluster
from cluster import BIN, ETCDCTL, Cluster, ClusterTest, environment, run_command, wait_until

KVCTL = str(BIN / "kvctl")


def kvctl(*arguments, seconds=30, env=()):
    return run_command([KVCTL, *map(str, arguments)], seconds=seconds, env=env)


def everything(member, prefix=b""):
    end = prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\0"
    found = member.client.KV.Range(key=prefix or b"\0", range_end=end)
    return {kv.key: kv.value for kv in found.kvs}


class ToolTest(ClusterTest):
    def setUp(self):
        self.cluster[0].client.KV.DeleteRange(key=b"\0", range_end=b"\0")

    def ok(self, *arguments, **options):
        done = kvctl("--endpoints", self.cluster[0].endpoint, *arguments, **options)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr, done.stdout))
        return done.stdout.decode()

    def bad(self, code, error, *arguments, **options):
        done = kvctl("--endpoints", self.cluster[0].endpoint, *arguments, **options)
        self.assertEqual((done.returncode, done.stderr.decode()), (code, f"Error: {error}\n"), arguments)


class DowngradeTest(ToolTest):
    size = 1

    def status(self):
        row = json.loads(self.ok("endpoint", "status", "-w", "json"))[0]["Status"]
        return row["downgradeInfo"].get("enabled", False), row["downgradeInfo"].get("targetVersion", "")

    def test_downgrades_are_validated_begun_shown_and_cancelled(self):
        version = self.cluster[0].status().version.rsplit(".", 1)[0]
        major, minor = version.split(".")
        below = f"{major}.{int(minor) - 1}"
        success = f"success, cluster version {version}\n"
        self.assertEqual(self.ok("downgrade", "validate", below), "Downgrade validate " + success)
        self.assertEqual(self.status(), (False, ""))
        self.bad(1, "etcdserver: invalid downgrade target version", "downgrade", "validate", version)
        self.bad(1, "etcdserver: wrong downgrade target version format", "downgrade", "enable", "x")
        self.bad(128, "TARGET_VERSION not provided", "downgrade", "enable")
        self.bad(128, "too many arguments", "downgrade", "cancel", "3.6")
        self.assertEqual(self.ok("downgrade", "enable", below), "Downgrade enable " + success)
        enabled, target = self.status()
        self.assertTrue(enabled)
        self.assertTrue(target.startswith(below), target)
        self.bad(1, "etcdserver: cluster has a downgrade job in progress", "downgrade", "enable", below)
        answer = json.loads(self.ok("downgrade", "cancel", "-w", "json"))
        self.assertEqual((answer["version"], sorted(answer)), (version, ["header", "version"]))
        self.assertEqual(self.status(), (False, ""))
        self.assertEqual(self.ok("downgrade", "cancel"), "Downgrade cancel " + success)
        self.assertIn('"Version" : ', self.ok("downgrade", "validate", below, "-w", "fields"))
        self.bad(4, "table not supported as output format", "downgrade", "validate", below, "-w", "table")


class MirrorTest(ToolTest):
    size = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.copies = Cluster(1)

    @classmethod
    def tearDownClass(cls):
        cls.copies.close(keep=cls.failed)
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.source, self.copy = self.cluster[0], self.copies[0]
        self.copy.client.KV.DeleteRange(key=b"\0", range_end=b"\0")

    def mirror(self, *flags, destination=None):
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", KVCTL, "--endpoints", self.source.endpoint, "make-mirror",
             destination or self.copy.endpoint, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_copied(self, expected, process):
        def same():
            self.assertIsNone(process.poll(), process.stderr.read() if process.poll() is not None else "")
            return everything(self.copy) == expected
        wait_until(same, 20, "the destination has the same keys")

    def test_everything_is_copied_and_changes_follow(self):
        put = self.source.client.KV.Put
        for i in range(2500):  # more than a page
            put(key=b"k%04d" % i, value=b"%d" % i)
        put(key=b"big", value=b"x" * 1_200_000)
        put(key=b"bytes\x00\xff", value=b"")
        self.copy.client.KV.Put(key=b"k0000", value=b"before")
        process = self.mirror()
        self.wait_copied(everything(self.source), process)
        put(key=b"k0001", value=b"changed")
        self.source.client.KV.DeleteRange(key=b"k1", range_end=b"k3")  # 1500 in one revision
        put(key=b"k1000", value=b"again")
        self.wait_copied(everything(self.source), process)

    def test_keys_change_their_prefix(self):
        for key in (b"/app/a", b"/app/b", b"/other"):
            self.source.client.KV.Put(key=key, value=b"v")
        for flags, expected in [(["--prefix", "/app/"], {b"/app/a", b"/app/b"}),
                                (["--prefix", "/app/", "--dest-prefix", "/copy/"], {b"/copy/a", b"/copy/b"}),
                                (["--prefix", "/app/", "--no-dest-prefix"], {b"a", b"b"}),
                                (["--dest-prefix", "/all"], {b"/all/app/a", b"/all/app/b", b"/all/other"})]:
            with self.subTest(flags=flags):
                self.copy.client.KV.DeleteRange(key=b"\0", range_end=b"\0")
                process = self.mirror(*flags)
                self.wait_copied({key: b"v" for key in expected}, process)
                process.kill()
                process.wait()

    def test_a_transaction_stays_one(self):
        """Who reads the destination never sees half of what was written together."""
        first = self.source.client.KV.Put(key=b"a", value=b"0").header.revision
        request = ("\n" + "put a 1\nput b 1\nput c 1\n" + "\n\n").encode()
        done = run_command([KVCTL, "--endpoints", self.source.endpoint, "txn"], stdin=request)
        self.assertEqual(done.returncode, 0, done.stderr)
        process = self.mirror("--rev", str(first + 1))
        self.wait_copied({b"a": b"1", b"b": b"1", b"c": b"1"}, process)
        found = self.copy.client.KV.Range(key=b"a", range_end=b"d").kvs
        self.assertEqual(len({kv.mod_revision for kv in found}), 1)

    def test_large_revisions_are_cut_where_they_must_be(self):
        for i in range(30):
            self.source.client.KV.Put(key=b"k%02d" % i, value=b"v")
        revision = self.copy.client.KV.Range(key=b"x").header.revision
        process = self.mirror("--max-txn-ops", "7")
        self.wait_copied(everything(self.source), process)
        self.assertEqual(self.copy.client.KV.Range(key=b"x").header.revision, revision + 5)

    def test_what_is_compacted_cannot_be_followed(self):
        first = self.source.client.KV.Put(key=b"a", value=b"1").header.revision
        last = self.source.client.KV.Put(key=b"a", value=b"2").header.revision
        self.source.client.KV.Compact(revision=last)
        self.bad(1, "etcdserver: mvcc: required revision has been compacted; run it again, without --rev",
                 "make-mirror", self.copy.endpoint, "--rev", first)

    def test_bad_command_lines_and_destinations(self):
        self.bad(128, "make-mirror takes one destination argument", "make-mirror")
        self.bad(128, "--max-txn-ops must be greater than 0", "make-mirror", "x:1", "--max-txn-ops", "0")
        self.source.client.KV.Put(key=b"a", value=b"1")
        done = kvctl("--endpoints", self.source.endpoint, "--command-timeout", "500ms", "make-mirror", "127.0.0.1:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"destination: context deadline exceeded", done.stderr)
        done = kvctl("--endpoints", self.source.endpoint, "make-mirror", self.copy.endpoint, "--dest-cacert", "/nosuch")
        self.assertEqual(done.returncode, 128, done.stderr)

    def test_destination_with_users(self):
        client = self.copy.new_client()
        client.Auth.RoleAdd(name="root")
        client.Auth.UserAdd(name="root", password="p")
        client.Auth.UserGrantRole(user="root", role="root")
        client.Auth.AuthEnable()
        try:
            self.source.client.KV.Put(key=b"a", value=b"1")
            self.bad(1, "destination: etcdserver: user name is empty", "make-mirror", self.copy.endpoint)
            self.bad(2, "etcdserver: authentication failed, invalid user ID or password", "make-mirror", self.copy.endpoint,
                     "--dest-user", "root:wrong")
            for flags in (["--dest-user", "root:p"], ["--dest-user", "root", "--dest-password", "p"]):
                process = self.mirror(*flags)

                def copied():
                    read = kvctl("--endpoints", self.copy.endpoint, "--user", "root:p", "get", "a", "--print-value-only")
                    return read.stdout == b"1\n"
                wait_until(copied, 20, "the key is copied")
                process.kill()
                process.wait()
                kvctl("--endpoints", self.copy.endpoint, "--user", "root:p", "del", "a")
        finally:
            done = kvctl("--endpoints", self.copy.endpoint, "--user", "root:p", "auth", "disable")
            self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(os.path.exists(ETCDCTL), "no etcdctl here")
    def test_etcdctl_mirrors_too(self):
        for i in range(5):
            self.source.client.KV.Put(key=b"e%d" % i, value=b"v")
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", ETCDCTL, "--endpoints", self.source.endpoint,
                                    "make-mirror", self.copy.endpoint], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.wait_copied(everything(self.source), process)
        self.source.client.KV.DeleteRange(key=b"e0")
        self.source.client.KV.Put(key=b"e5", value=b"w")
        self.wait_copied(everything(self.source), process)


class CheckTest(ToolTest):
    def test_perf_measures_and_leaves_nothing(self):
        told = self.ok("check", "perf", "--duration", "2s", "--auto-compact", "--auto-defrag")
        lines = told.splitlines()
        self.assertRegex(lines[0], r"^Compacting with revision \d+$")
        self.assertRegex(lines[1], r"^Compacted with revision \d+$")
        self.assertEqual(lines[2:4], [f'Defragmenting "{self.cluster[0].endpoint}"', f'Defragmented "{self.cluster[0].endpoint}"'])
        self.assertRegex(lines[4], r"^PASS: Throughput is 1[45]\d writes/s$")
        self.assertRegex(lines[5], r"^PASS: Slowest request took 0\.\d{6}s$")
        self.assertRegex(lines[6], r"^PASS: Stddev is 0\.\d{6}s$")
        self.assertEqual(lines[7:], ["PASS"])
        self.assertEqual(everything(self.cluster[0]), {})

    def test_perf_fails_where_no_one_answers_in_time(self):
        """Two of three are stopped: nothing can be written, and that is said."""
        leader = self.cluster.leader()
        others = [m for m in self.cluster if m is not leader]
        for member in others:
            member.pause()
        try:
            done = kvctl("--endpoints", leader.endpoint, "--command-timeout", "1s", "check", "perf", "--duration", "1s")
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn(b"PASS\n", done.stdout)
        finally:
            for member in others:
                member.resume()
            self.cluster.leader(30)

    def test_datascale_measures_memory(self):
        told = self.ok("check", "datascale", "--command-timeout", "20s").splitlines()
        self.assertEqual(told[0], "Start data scale check for work load [10000 key-value pairs, 1024 bytes per key-value, "
                                  "50 concurrent clients].")
        self.assertRegex(told[1], r"^PASS: Approximate system memory used : -?\d+\.\d\d MB\.$")
        self.assertEqual(everything(self.cluster[0]), {})

    def test_a_prefix_with_keys_is_left_alone(self):
        self.cluster[0].client.KV.Put(key=b"/mine/a", value=b"1")
        for check in ("perf", "datascale"):
            self.bad(3, 'prefix "/mine/" has keys. Delete with kvctl del --prefix /mine/ first', "check", check, "--prefix", "/mine/")
            self.bad(4, "unknown load option q", "check", check, "--load", "q")
        self.assertEqual(everything(self.cluster[0]), {b"/mine/a": b"1"})


class OfflineTest(unittest.TestCase):
    """A member's directory and its snapshot, while the member runs and when it has ended."""

    def setUp(self):
        self.cluster = Cluster(1)
        self.addCleanup(self.cluster.close)
        self.member = self.cluster[0]
        for i in range(200):
            last = self.member.client.KV.Put(key=b"k%d" % (i % 50), value=os.urandom(500)).header.revision
        self.member.client.KV.Compact(revision=last - 20, physical=True)
        self.last = last

    def online_hash(self, revision=0):
        answer = self.member.client.Maintenance.HashKV(revision=revision)
        return f"{answer.hash}, {answer.hash_revision}, {answer.compact_revision}\n"

    def test_hash_of_files_is_the_hash_of_the_member(self):
        expected, older = self.online_hash(), self.online_hash(self.last - 5)
        saved = self.cluster.folder / "saved.db"
        self.assertEqual(kvctl("--endpoints", self.member.endpoint, "snapshot", "save", saved).returncode, 0)
        for path in (saved, self.member.data_dir):
            if path is self.member.data_dir:
                self.assertEqual(self.member.terminate(), 0)
            with self.subTest(path=path.name):
                self.assertEqual(kvctl("hashkv", path).stdout.decode(), expected)
                self.assertEqual(kvctl("hashkv", path, "--rev", self.last - 5).stdout.decode(), older)
                parts = expected.strip().split(", ")
                self.assertEqual(json.loads(kvctl("hashkv", path, "-w", "json").stdout),
                                 dict(zip(("hash", "hashRevision", "compactRevision"), map(int, parts))))
                self.assertIn("HASH REVISION", kvctl("hashkv", path, "-w", "table").stdout.decode())
                for revision, words in [(1, "has been compacted"), (10 ** 6, "is a future revision")]:
                    done = kvctl("hashkv", path, "--rev", revision)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(words, done.stderr.decode())
        self.assertEqual([p.name for p in saved.parent.iterdir() if "unpacked" in p.name], [])

    def test_directories_in_use_are_waited_for_and_left_alone(self):
        for arguments in (["hashkv", self.member.data_dir], ["defrag", "--data-dir", self.member.data_dir]):
            done = kvctl(*arguments, "--timeout", "300ms")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(done.stderr.decode().splitlines(), [f"kvctl: {self.member.data_dir} is in use; waiting",
                                                                f"Error: {self.member.data_dir} is in use by another process"])
        self.assertTrue(self.member.running())
        expected = self.online_hash()
        waiting = subprocess.Popen([KVCTL, "hashkv", str(self.member.data_dir)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environment())
        self.assertIn(b"waiting", waiting.stderr.readline())
        self.assertEqual(self.member.terminate(), 0)
        self.assertEqual(waiting.communicate(timeout=20)[0].decode(), expected)

    def test_an_idle_directory_is_defragmented_and_serves_again(self):
        before = self.online_hash()
        self.assertEqual(self.member.terminate(), 0)
        done = kvctl("defrag", "--data-dir", self.member.data_dir)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.member.start()
        self.member.wait_ready()
        self.assertEqual(self.online_hash(self.last), before)

    def test_what_is_no_member_is_not_made_one(self):
        nowhere = self.cluster.folder / "nowhere"
        empty = self.cluster.folder / "empty"
        empty.mkdir()
        for arguments in (["defrag", "--data-dir", nowhere], ["defrag", "--data-dir", empty], ["hashkv", empty],
                          ["hashkv", nowhere]):
            done = kvctl(*arguments)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr.decode(), r"\AError: [^\n]+\n\Z")
        self.assertFalse(nowhere.exists())
        self.assertEqual(list(empty.iterdir()), [])

    def test_migrate_says_why_not(self):
        done = kvctl("migrate", "--data-dir", "x", "--target-version", "3.6")
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"use make-mirror", done.stderr)


COMPLETIONS = [  # what was typed, and what is offered
    (["le"], ["lease"]),
    (["lease", ""], ["grant", "keep-alive", "list", "revoke", "timetolive"]),
    (["--endpoints", "a:1", "-w", "json", "endpoint", "h"], ["hashkv", "health"]),
    (["get", "--sort-by", "V"], ["VALUE", "VERSION"]),
    (["get", "-w", ""], ["fields", "json", "protobuf", "simple", "table"]),
    (["get", "--print"], ["--print-value-only"]),
    (["--write-o"], ["--write-out"]),
    (["role", "grant-permission", "r", "read"], ["read", "readwrite"]),
    (["help", "dow"], ["downgrade"]),
    (["put", "k"], []),
    (["nosuch", ""], []),
    (["lock", "l", "--", "l"], []),
]


class CompletionTest(unittest.TestCase):
    def offered(self, *words):
        done = kvctl("__complete", *words)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [line.split("\t")[0] for line in done.stdout.decode().splitlines()]

    def test_what_can_come_next_is_offered(self):
        for words, expected in COMPLETIONS:
            self.assertEqual(self.offered(*words), expected, words)
        self.assertEqual(self.offered("snapshot", "save", ""), [":files"])
        self.assertEqual(self.offered("--cacert", ""), [":files"])
        self.assertEqual(self.offered("get", "--order=A"), ["--order=ASCEND"])
        self.assertEqual(kvctl("completion", "tcsh").returncode, 1)

    def run_shell(self, shell, script):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "cert-file.pem").touch()
            done = subprocess.run([shell, *(["--norc", "--noprofile"] if shell == "bash" else []), "-c", script], cwd=folder,
                                  capture_output=True, timeout=20,
                                  env={**environment(), "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": folder})
        self.assertEqual((done.returncode, done.stderr), (0, b""), script)
        return done.stdout.decode().split()

    def test_bash(self):
        def typed(*words):
            quoted = " ".join(f"'{w}'" for w in ("kvctl", *words))
            return self.run_shell("bash", "source <(kvctl completion bash); compopt() { :; }; "
                                          f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _kvctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        for words, expected in COMPLETIONS:
            self.assertEqual(typed(*words), expected, words)
        self.assertEqual(typed("get", "--write-out", "=", "js"), ["json"])
        self.assertEqual(typed("--endpoints", "127.0.0.1", ":", "2379", "ge"), ["get"])
        self.assertEqual(typed("--cacert", "cert"), ["cert-file.pem"])
        self.assertEqual(typed("--cacert", "=", "cert"), ["cert-file.pem"])

    @unittest.skipUnless(shutil.which("fish"), "no fish here")
    def test_fish(self):
        for words, expected in COMPLETIONS:
            line = " ".join(["kvctl", *words])
            told = self.run_shell("fish", f"kvctl completion fish | source; complete -C '{line}' | string replace -r '\\t.*' ''")
            self.assertEqual(told, expected, words)

    def test_scripts_are_well_formed(self):
        for shell in ("bash", "zsh", "fish", "powershell"):
            script = kvctl("completion", shell)
            self.assertEqual(script.returncode, 0)
            self.assertIn(b"__complete", script.stdout)
            if shell in ("bash", "zsh", "fish") and shutil.which(shell):
                checked = subprocess.run([shell, "-n"], input=script.stdout, capture_output=True, timeout=20, check=False)
                self.assertEqual((checked.returncode, checked.stderr), (0, b""), shell)


class HelpTest(unittest.TestCase):
    def test_every_command_has_a_help_with_examples(self):
        listed = kvctl("help").stdout.decode()
        names = re.findall(r"^\t([a-z-]+(?: [a-z-]+)?) {2,}", listed.split("COMMANDS:")[1].split("EXAMPLES:")[0], re.MULTILINE)
        self.assertGreater(len(names), 55)
        for name in names:
            told = kvctl("help", *name.split())
            self.assertEqual(told.returncode, 0)
            text = told.stdout.decode()
            self.assertEqual(text, kvctl(*name.split(), "--help").stdout.decode())
            example = text.split("EXAMPLES:\n")[1].split("\n\n")[0]
            self.assertRegex(example, rf"\bkvctl (.* )?{name}\b", name)
        self.assertIn("--endpoints", kvctl("options").stdout.decode())


if __name__ == "__main__":
    cluster.main()
