"""Runs the same command lines through etcdctl and kvctl and compares output, errors and exit codes.

etcdctl talks to one fresh etcd, kvctl to another; both have the same ids and see the same writes in the
same order, so revisions agree too. What may differ is named with the case, and explained in README.md.

    etcdctl_comparison_test.py <path of kvctl>
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
import pki  # noqa: E402, after its path

KVCTL = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
TIMEOUT = 20  # seconds; ends a hang


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A single-member etcd whose ids do not depend on its ports."""

    def __init__(self, root, name, tls=None):
        """tls: an authority, whose clients alone are served then."""
        self.port = free_port()
        self.tls = tls and {"ETCDCTL_CACERT": str(tls.ca), "ETCDCTL_CERT": str(tls.client.cert), "ETCDCTL_KEY": str(tls.client.key)}
        scheme = "https" if tls else "http"
        flags = [f"--cert-file={tls.server.cert}", f"--key-file={tls.server.key}", f"--trusted-ca-file={tls.ca}",
                 "--client-cert-auth"] if tls else []
        self.log = open(os.path.join(root, name + ".log"), "wb")
        self.process = subprocess.Popen(
            ["etcd", "--name", "m1", "--data-dir", os.path.join(root, name), "--logger", "zap", "--bcrypt-cost", "4",
             "--listen-client-urls", f"{scheme}://127.0.0.1:{self.port}",
             "--advertise-client-urls", f"{scheme}://127.0.0.1:2379",
             "--listen-peer-urls", f"http://127.0.0.1:{free_port()}",
             "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
             "--initial-cluster", "m1=http://127.0.0.1:2380", *flags],
            stdout=self.log, stderr=self.log)

    def wait_ready(self):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            done = subprocess.run(["etcdctl", "endpoint", "health", "--command-timeout=1s"], env=self.env(),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return
        raise SystemExit("etcd does not become ready")

    def env(self, more=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ETCDCTL_", "KVCTL_"))}
        env["ETCDCTL_ENDPOINTS"] = f"127.0.0.1:{self.port}"
        env.update(self.tls or {})
        env.update(more or {})
        return {k: v for k, v in env.items() if v is not None}

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Side:
    """One program with its server. Lease ids, which servers choose, are written L1, L2, ..."""

    def __init__(self, program, server):
        self.program = program
        self.server = server
        self.leases = []

    def arguments(self, words):
        return [self.program] + [re.sub(r"@L(\d+)", lambda m: self.leases[int(m[1]) - 1], w) for w in words]

    def normal(self, text):
        for i, lease in enumerate(self.leases, 1):
            number = int(lease, 16)
            text = text.replace(lease, f"L{i}").replace(str(number), f"L{i}")
        return text.replace(str(self.server.port), "PORT").replace("etcdctl", "kvctl")

    def run(self, case):
        done = subprocess.run(self.arguments(case.words), env=self.server.env(case.env), timeout=TIMEOUT,
                              input=case.stdin.encode(), capture_output=True)
        out = done.stdout.decode(errors="surrogateescape")
        granted = re.match(r"lease ([0-9a-f]{16}) granted with TTL\(\d+s\)\n", out)
        if granted and case.words[:2] == ["lease", "grant"]:
            self.leases.append(granted[1])
        return self.normal(out), self.normal(self.errors(done.stderr)), done.returncode

    def watch(self, case):
        """The first lines that a watch prints; then it is interrupted."""
        process = subprocess.Popen(self.arguments(case.words), env=self.server.env(case.env),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if case.stdin:
            process.stdin.write(case.stdin.encode())
            process.stdin.flush()
        signal.alarm(TIMEOUT)
        lines = [process.stdout.readline() for _ in range(case.watch_lines)]
        signal.alarm(0)
        process.kill()
        process.communicate()
        return self.normal(b"".join(lines).decode(errors="surrogateescape")), "", 0

    @staticmethod
    def errors(stderr):
        """Without etcdctl's log lines and kvctl's explanations, which are for people."""
        lines = stderr.decode(errors="surrogateescape").splitlines()
        return "\n".join(l for l in lines if not l.startswith(('{"level":', "kvctl: ")))


class Case:
    def __init__(self, *words, stdin="", env=None, differs=None, watch_lines=0):
        self.words = list(words)
        self.stdin = stdin
        self.env = env
        self.differs = differs or (lambda out, err: (out, err))
        self.watch_lines = watch_lines

    def check(self, theirs, ours):
        run = Side.watch if self.watch_lines else Side.run
        expected, actual = run(theirs, self), run(ours, self)
        same = (self.differs(*expected[:2]) + expected[2:]) == (self.differs(*actual[:2]) + actual[2:])
        return same, expected, actual


# ---- What may differ, and how it is compared then. README.md has the reasons.

def usage(out, err):
    """etcdctl prints its whole help about a flag it does not know, and the error twice."""
    first = next((l for l in err.splitlines() if l.startswith("Error: ")), "")
    return "", re.sub(r"(; did you mean .*)? \(run '.*$", "", first)


def no_zero_revision(out, err):
    """Since 3.6 the fields format leaves out a revision of 0."""
    return out.replace('"Revision" : 0\n', ""), err


def response_names(out, err):
    """Since 3.5 the parts of a transaction's answer are named as on the wire."""
    names = {"ResponseRange": "response_range", "ResponsePut": "response_put",
             "ResponseDeleteRange": "response_delete_range"}
    return re.sub("|".join(names), lambda m: names[m[0]], out), err


def watch_json(out, err):
    """Since 3.6 a watch answer has a CancelReason. Catching up, the header has the revision it read at."""
    answers = [json.loads(l) for l in out.splitlines()]
    for answer in answers:
        answer.pop("CancelReason", None)
    return json.dumps(answers), err


def time_taken(out, err):
    """Healthy endpoints are reported on stdout since 3.5; the time differs anyway."""
    took = re.compile(r"[0-9.]+(ns|µs|ms|s)")
    return took.sub("T", re.sub(r"-+|\s+", " ", out + "\n" + err)).strip(), ""


def defrag_time(out, err):
    """3.6 says how long it took."""
    return re.sub(r"\. took [0-9.]+(ns|µs|ms|s)$", "", out, flags=re.MULTILINE), err


def newer_columns(out, err):
    """3.6 added columns and fields to the status and the hash of an endpoint."""
    new = r'"(StorageVersion|DBSizeInUse|DBSizeQuota|DowngradeTargetVersion|DowngradeEnabled|HashRevision)" : .*\n'
    out = re.sub(new, "", out)
    out = re.sub(r"(raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash)\":\d+", r'\1":N', out)
    out = re.sub(r'"(RaftIndex|RaftAppliedIndex|DBSize|Hash)" : \d+', r'"\1" : N', out)
    row = re.match(r"(127.0.0.1:PORT, [0-9a-f]+, [0-9.]+), ", out)
    return (row[1] if row else out), err


def hash_row(out, err):
    """3.6 added the revision. The hash covers the ids of leases, which differ."""
    return re.sub(r"(PORT, )\d+.*", r"\1N", out), err


def anything(out, err):
    """Only the exit code."""
    return "", ""


def lines_sorted(out, err):
    """The order is the server's, which has none."""
    return sorted(re.split(r"[\s\[\],\"]+", out)), err


def number_words(out, err):
    """Since 3.6 the reason for a bad number is said."""
    return out, re.sub(r" \(strconv.*\)$", "", err)


def warned(out, err):
    return out, "\n".join(l for l in err.splitlines() if "Warning: Keys between" not in l
                          and "unrecognized environment variable" not in l)


def conflict(out, err):
    return out, err[err.find("conflicting environment"):]


def lower_error(out, err):
    return out, err.lower()


def plain_error(out, err):
    """Go's client prints an error that it does not know with its code."""
    return out, re.sub(r"rpc error: code = \w+ desc = ", "", err)


def txn(*blocks):
    return "".join("\n".join(block) + ("\n\n" if block else "\n") for block in blocks)


def scale(out, err):
    """The bar is on stdout; the memory is what it is."""
    out = re.sub(r" *\d+ / \d+ .*?(?=Compacting)", "", out.replace("\r", ""), flags=re.DOTALL)
    return re.sub(r"-?[0-9.]+ MB", "N MB", out), err


FORMATS = ["simple", "json", "fields", "protobuf", "table"]


def cases():
    yield Case("put", "a", "1")
    yield Case("put", "a", "2", "--prev-kv")
    yield Case("put", "b", "--", "-x")
    yield Case("put", "--", "-key", "-value")
    yield Case("put")
    yield Case("put", "a", "b", "c")
    yield Case("put", "stdin", stdin="from stdin\nwith two lines\n")
    yield Case("put", "empty-stdin")
    yield Case("put", "empty", "")
    yield Case("put", "", "v")
    yield Case("put", "[1,2]", "{\"a\": [1, 2]}")
    yield Case("put", "get", "put")
    yield Case("put", "odd", "q\"\n\t\x01\u00e9\\ <&>")
    for form in FORMATS:
        yield Case("put", "a", "v-" + form, "-w", form)
        yield Case("put", "a", "w-" + form, "--prev-kv", "-w", form)
        yield Case("get", "a", "-w", form)
        yield Case("get", "", "--prefix", "-w", form)
        yield Case("get", "nothing", "-w", form)
    yield Case("get")
    yield Case("get", "a", "b", "c")
    yield Case("get", "a", "z")
    yield Case("get", "[1,2]")
    yield Case("get", "get")
    yield Case("get", "odd", "-w", "fields")
    yield Case("get", "odd", "--hex")
    yield Case("get", "a", "--from-key")
    yield Case("get", "", "--from-key", "--keys-only")
    yield Case("get", "--prefix", "", "--keys-only")
    yield Case("get", "--prefix=true", "", "--limit", "2")
    yield Case("get", "--prefix=false", "a")
    yield Case("get", "", "--prefix", "--limit=2", "-w", "json")
    yield Case("get", "", "--prefix", "--order=DESCEND", "--sort-by=MODIFY")
    yield Case("get", "", "--prefix", "--order=descend")
    yield Case("get", "", "--prefix", "--order=ASCEND", "--sort-by=VALUE")
    yield Case("get", "", "--prefix", "--sort-by=VERSION", "--order=DESCEND", "--limit=1")
    yield Case("get", "", "--prefix", "--sort-by=CREATE", "--order=DESCEND")
    yield Case("get", "a", "--print-value-only")
    yield Case("get", "a", "--print-value-only", "-w", "json")
    yield Case("get", "a", "--rev", "2")
    yield Case("get", "a", "--rev=1000")
    yield Case("get", "a", "--consistency=s")
    yield Case("get", "a", "--consistency=x")
    yield Case("get", "a", "--order=foo")
    yield Case("get", "a", "--sort-by=foo")
    yield Case("get", "a", "--prefix", "--from-key")
    yield Case("get", "a", "b", "--prefix")
    yield Case("get", "a", "-wjson")
    yield Case("get", "a", "-w=fields")
    yield Case("-w", "json", "get", "a")
    yield Case("--hex", "get", "a")
    yield Case("get", "a", "-w", "bogus")
    yield Case("get", "-w", "bogus")
    yield Case("get", "a", "--nosuch", differs=usage)
    yield Case("get", "-x", differs=usage)
    yield Case("get", "a", "-w", differs=usage)
    yield Case("get", "a", "--limit", differs=usage)
    yield Case("get", "a", "--limit=x", differs=usage)
    yield Case("get", "a", "--limit=99999999999999999999", differs=usage)
    yield Case("get", "a", "--limit=0x1")
    yield Case("get", "a", "--prefix=zz", differs=usage)
    yield Case("get", "a", "--command-timeout=5", differs=usage)
    yield Case("get", "a", "--command-timeout=5x", differs=usage)
    yield Case("get", "a", "--command-timeout=1m30s")
    yield Case("nosuch", differs=usage)
    yield Case("lea", "li")
    yield Case("pu", "a", "abbreviated")
    yield Case("get", "a", "--user=foo:bar")

    yield Case("del")
    yield Case("del", "a", "b", "c")
    yield Case("del", "nosuch")
    yield Case("del", "nosuch", "-w", "fields")
    for form in FORMATS:
        yield Case("put", "d", "v")
        yield Case("del", "d", "--prev-kv", "-w", form)
    yield Case("del", "a", "b", "--prefix")
    yield Case("del", "--prefix", "--from-key", "a")
    yield Case("put", "e1", "v")
    yield Case("put", "e2", "v")
    yield Case("del", "e1", "e3", differs=warned)
    yield Case("put", "e1", "v")
    yield Case("del", "--prefix", "e")

    yield Case("put", "k", "v", "--lease=zz")
    yield Case("put", "k", "v", "--lease=123")
    yield Case("put", "k", "--ignore-value")
    yield Case("put", "k", "v", "--ignore-value")
    yield Case("put", "k", "v", "--ignore-lease", "--lease=1")
    yield Case("put", "k", "v", "--ignore-lease")

    yield Case("lease", "grant")
    yield Case("lease", "grant", "x")
    yield Case("lease", "grant", "1", "2")
    yield Case("lease", "grant", "99999999999")
    yield Case("lease", "grant", "1000")
    yield Case("lease", "grant", "2000")
    yield Case("put", "l1", "v", "--lease=@L1")
    yield Case("put", "l2", "v", "--lease", "@L1")
    yield Case("put", "l1", "--ignore-value", "--prev-kv", "--lease=@L1", "-w", "json")
    yield Case("get", "l1", "-w", "json")
    yield Case("get", "l1", "-w", "fields")
    for form in FORMATS:
        yield Case("lease", "list", "-w", form,
                   differs=anything if form == "protobuf" else lines_sorted)
        yield Case("lease", "timetolive", "1", "-w", form,
                   differs=anything if form == "protobuf" else None)
        yield Case("lease", "keep-alive", "--once", "@L1", "-w", form,
                   differs=anything if form == "protobuf" else None)
        yield Case("lease", "timetolive", "@L1", "--keys", "-w", form,
                   differs=anything if form == "protobuf" else lines_sorted)
    yield Case("lease", "timetolive", "@L2", "--keys")
    yield Case("lease", "timetolive")
    yield Case("lease", "timetolive", "zz")
    yield Case("lease", "keep-alive")
    yield Case("lease", "keep-alive", "zz")
    yield Case("lease", "keep-alive", "1")
    yield Case("lease", "keep-alive", "--once", "1")
    yield Case("lease", "revoke")
    yield Case("lease", "revoke", "zz")
    yield Case("lease", "revoke", "1")
    yield Case("lease", "revoke", "@L1")
    yield Case("lease", "revoke", "@L2", "-w", "json")
    yield Case("get", "l1")
    yield Case("lease", differs=anything)

    yield Case("put", "t", "1")
    for form in FORMATS:
        for value in ("1", "2"):
            yield Case("txn", "-w", form, differs=response_names,
                       stdin=txn([f'value("t") = "{value}"'], ["put x 1 --prev-kv", "get t", "del nosuch"],
                                 ["get b", "get --prefix nosuch"]))
    yield Case("txn", "-i", stdin=txn(['mod("t") > "0"'], ["get t"], []))
    yield Case("txn", "--hex", stdin=txn([], ["get t"], []))
    for compare in ('version("t") = "1"', 'ver("t") < "10"', 'create("t") != "7"', 'c("t") > "0"',
                    'm("nosuch") = "0"', 'val("t") > "0"', 'value("t") != "1"', "val(`t`) = `1`"):
        yield Case("txn", stdin=txn([compare], ["get t"], ["get b"]))
    for compare in ("foo", 'foo("a") > "x"', 'mod("a") > 1', 'mod(a) > "1"', 'ver("a")<"10"', 'mod("a") >'):
        yield Case("txn", stdin=txn([compare], ["get t"], []))
    yield Case("txn", stdin=txn(['mod("a") > "x"'], ["get t"], []), differs=number_words)
    for request in ("bogus a", "get", "put q 'single quoted'", 'put q "a\\nb c"', 'get "a b', "get t --limit 1",
                    "put q -- -v", "get t --order=nosuch", "put q 1 --lease=zz", "get q t"):
        yield Case("txn", stdin=txn([], [request], []))
    yield Case("txn", stdin=txn([], ["get a --bogus"], []), differs=usage)
    yield Case("txn", stdin=txn([], ["put q 1", "put q 2"], []))
    yield Case("txn", stdin="")
    yield Case("txn", stdin="\nput a 1\n\n")
    yield Case("txn", stdin="\nput a 1")
    yield Case("txn", "extra")
    yield Case("get", "q")

    yield Case("put", "w", "1")
    yield Case("put", "w", "2")
    yield Case("del", "w")
    yield Case("put", "w", "3")
    first = 'watch', 'w', '--rev', '2'
    yield Case(*first, watch_lines=12)
    yield Case(*first, "--prev-kv", watch_lines=16)
    yield Case(*first, "--hex", watch_lines=12)
    yield Case(*first, "-w", "fields", watch_lines=30)
    yield Case(*first, "-w", "json", watch_lines=1, differs=watch_json)
    yield Case(*first, "--prev-kv", "-w", "json", watch_lines=1, differs=watch_json)
    yield Case("watch", "--rev=2", "w", "x", watch_lines=12)
    yield Case("watch", "--prefix", "w", "--rev=2", watch_lines=12)
    yield Case("watch", "", "--prefix", "--rev=2", watch_lines=20)
    yield Case("watch", "--rev=2", env={"ETCDCTL_WATCH_KEY": "w"}, watch_lines=12)
    yield Case("watch", "--rev=2", env={"ETCDCTL_WATCH_KEY": "w", "ETCDCTL_WATCH_RANGE_END": "x"}, watch_lines=12)
    yield Case("watch", "w", "--rev=2", "--", "sh", "-c",
               "echo $ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE", watch_lines=16)
    yield Case("watch", "w", "--rev=2", "--", "false")
    yield Case("watch", "w", "--rev=2", "--", "/nosuch/program", differs=anything)
    yield Case("watch", "-i", stdin="watch w --rev 2\n", watch_lines=12)
    yield Case("watch", "-i", stdin="foo\n\nwatch\nwatch a b --prefix\n", differs=lower_error)
    yield Case("watch", "-i", stdin="watch a --\n")
    yield Case("watch", "-i", stdin="watch a --bogus\n")
    yield Case("watch")
    yield Case("watch", "--")
    yield Case("watch", "w", "--")
    yield Case("watch", "--rev=1")
    yield Case("watch", "a", "b", "--prefix")
    yield Case("watch", "w", env={"ETCDCTL_WATCH_KEY": "w"})
    yield Case("watch", "w", "--", "echo", env={"ETCDCTL_WATCH_KEY": "w"})
    yield Case("watch", env={"ETCDCTL_WATCH_RANGE_END": "w"})
    yield Case("watch", "b", "a", "--rev=2")
    yield Case("watch", "w", "-w", "table", "--rev=2")
    yield Case("watch", "w", "-w", "bogus")

    yield Case("compaction")
    yield Case("compaction", "1", "2")
    yield Case("compaction", "x")
    yield Case("compaction", "100000")
    yield Case("compaction", "10")
    yield Case("compaction", "10")
    yield Case("compaction", "12", "--physical", "-w", "json")
    yield Case("get", "a", "--rev=5")
    yield Case("watch", "w", "--rev=2")
    yield Case("watch", "w", "--rev=2", "-w", "json", differs=watch_json)

    yield Case("member", "list")
    yield Case("member", "list", "ignored")
    yield Case("member", "list", "-w", "table")
    yield Case("member", "list", "-w", "json")
    yield Case("member", "list", "-w", "fields", differs=no_zero_revision)
    yield Case("member", "list", "-w", "protobuf")
    for words in (["add"], ["add", "a", "b", "http://x"], ["add", "a"], ["add", "a", "--peer-urls=foo"],
                  ["add", "a", "--peer-urls=http://h"], ["add", "a", "--peer-urls=http://h:1/p"], ["add", "a", "--peer-urls=ftp://h:1"],
                  ["remove"], ["remove", "zz"], ["remove", "77"], ["remove", "11112222333344445"], ["remove", "1", "2"],
                  ["update"], ["update", "77"], ["update", "zz", "--peer-urls=x"], ["update", "77", "--peer-urls=x"],
                  ["update", "77", "--peer-urls=http://h:1"], ["promote"], ["promote", "zz"], ["promote", "77"]):
        yield Case("member", *words)
    for words in ([], ["zz"], ["1", "2"], ["77"]):
        yield Case("move-leader", *words)
    yield Case("lock")
    yield Case("lock", "l", "--", "sh", "-c", "echo held")
    yield Case("lock", "l", "--", "nosuch-program")
    for words in ([], ["a"], ["a", "b", "c"], ["-l", "a", "b"]):
        yield Case("elect", *words)
    yield Case("endpoint", "health", differs=time_taken)
    yield Case("endpoint", "health", "-w", "json", differs=time_taken)
    yield Case("endpoint", "health", "-w", "fields", differs=time_taken)
    yield Case("endpoint", "health", "-w", "table", differs=time_taken)
    yield Case("endpoint", "health", "-w", "protobuf")
    yield Case("endpoint", "status", differs=newer_columns)
    yield Case("endpoint", "status", "-w", "json", differs=newer_columns)
    yield Case("endpoint", "status", "-w", "fields", differs=newer_columns)
    yield Case("endpoint", "status", "-w", "table", differs=anything)
    yield Case("endpoint", "status", "-w", "protobuf")
    yield Case("endpoint", "hashkv", differs=hash_row)
    yield Case("endpoint", "hashkv", "--rev=20", differs=hash_row)
    yield Case("endpoint", "hashkv", "--rev=100000")
    yield Case("endpoint", "hashkv", "-w", "json", differs=newer_columns)
    yield Case("endpoint", "hashkv", "-w", "fields", differs=newer_columns)
    yield Case("endpoint", differs=anything)
    yield Case("defrag", differs=defrag_time)
    yield Case("defrag", "-w", "json", differs=defrag_time)
    yield Case("alarm", "list")
    yield Case("alarm", "list", "-w", "json")
    yield Case("alarm", "list", "x")
    yield Case("alarm", "disarm")
    yield Case("alarm", "disarm", "x")

    yield Case("make-mirror")
    yield Case("make-mirror", "a:1", "b:2")
    yield Case("make-mirror", "a:1", "--prefix=a", "--dest-prefix=b", "--no-dest-prefix")
    yield Case("make-mirror", "a:1", "--nosuch", differs=usage)
    yield Case("make-mirror", "127.0.0.1:1", "--dest-cert=/nosuch", differs=anything)
    for check in ("perf", "datascale"):
        yield Case("check", check, "--load=q")
        yield Case("check", check, "--load=")
        yield Case("check", check, "--prefix=a")
        yield Case("check", check, "--prefix", differs=usage)
    yield Case("check", differs=anything)
    yield Case("check", "datascale", "--prefix=/scale/", "--auto-compact", "--auto-defrag", differs=scale)
    yield Case("get", "/scale/", "--prefix")
    for shell in ("bash", "zsh", "fish", "powershell"):
        yield Case("completion", shell, differs=anything)
    yield Case("completion", differs=anything)

    yield from auth_cases()

    closed = {"ETCDCTL_ENDPOINTS": None}
    for words in (["get", "a"], ["put", "a", "b"], ["endpoint", "status"], ["endpoint", "hashkv"], ["member", "list"],
                  ["endpoint", "status", "--cluster"]):
        yield Case(*words, "--endpoints=127.0.0.1:1", "--command-timeout=300ms", env=closed)
    yield Case("get", "a", "--endpoints=", env=closed)
    yield Case("get", "a", "--endpoints=127.0.0.1:1", differs=conflict)
    yield Case("put", "a", "b", env={"ETCDCTL_WRITE_OUT": "json"})
    yield Case("get", "a", env={"ETCDCTL_HEX": "true"})
    yield Case("put", "a", "b", env={"ETCDCTL_FOO": "1"}, differs=warned)
    yield Case("put", "a", "b", env={"ETCDCTL_API": "3"})
    yield Case("version", differs=anything)


def auth_cases():
    """Users and roles while auth is off, then what is refused while it is on. Ends with auth off."""
    for form in FORMATS:
        user, role = "u-" + form, "r-" + form
        kept = [] if form != "table" else ["-w", "simple"]  # table says nothing, and does it all the same
        yield Case("user", "add", user + ":p", "-w", form)
        yield Case("user", "add", user + ":p", "-w", form)
        yield Case("user", "list", "-w", form)
        yield Case("user", "get", user, "-w", form)
        yield Case("role", "add", role, "-w", form)
        yield Case("role", "add", role, "-w", form)
        yield Case("role", "grant-permission", role, "readwrite", "a", "b", "-w", form)
        yield Case("role", "grant-permission", role, "read", "x", "-w", form)
        yield Case("role", "grant-permission", role, "write", "--from-key", "y", "-w", form)
        yield Case("role", "grant-permission", role, "READ", "--prefix", "/p/", "-w", form)
        yield Case("role", "get", role, "-w", form)
        yield Case("role", "list", "-w", form)
        yield Case("user", "grant-role", user, role, "-w", form)
        yield Case("user", "get", user, "-w", form)
        yield Case("user", "get", user, "--detail", "-w", form)
        yield Case("user", "passwd", user, "--interactive=false", "-w", form, stdin="new\n")
        yield Case("user", "revoke-role", user, role, "-w", form)
        yield Case("role", "revoke-permission", role, "a", "b", "-w", form)
        yield Case("role", "revoke-permission", role, "x", "-w", form)
        yield Case("role", "revoke-permission", role, "--from-key", "y", "-w", form)
        yield Case("role", "revoke-permission", role, "--prefix", "/p/", "-w", form)
        yield Case("role", "delete", role, "-w", form)
        yield Case("user", "delete", user, "-w", form)
        yield Case("user", "list", *kept)
    yield Case("user", "add")
    yield Case("user", "add", "a", "b")
    yield Case("user", "add", ":p")
    yield Case("user", "add", "", "--new-user-password", "p")
    yield Case("user", "add", "typed", differs=anything)  # there is no terminal to type on
    yield Case("user", "add", "piped", "--interactive=false", stdin="  one two\n")
    yield Case("user", "add", "flag", "--new-user-password", "p:q")
    yield Case("user", "add", "colon:p:q")
    yield Case("user", "add", "cert", "--no-password")
    yield Case("user", "passwd", "cert", "--interactive=false", stdin="p\n")
    yield Case("user", "passwd", "flag", differs=anything)
    yield Case("user", "passwd")
    yield Case("user", "passwd", "nosuch", "--interactive=false", stdin="p\n")
    yield Case("user", "get")
    yield Case("user", "get", "nosuch")
    yield Case("user", "delete")
    yield Case("user", "delete", "nosuch")
    yield Case("user", "list", "x")
    yield Case("user", "grant-role", "flag")
    yield Case("user", "grant-role", "flag", "nosuch")
    yield Case("user", "grant-role", "nosuch", "root")
    yield Case("user", "revoke-role", "flag")
    yield Case("user", "revoke-role", "flag", "root")
    yield Case("role", "add")
    yield Case("role", "add", "")
    yield Case("role", "add", "r")
    yield Case("role", "get")
    yield Case("role", "get", "nosuch")
    yield Case("role", "delete")
    yield Case("role", "delete", "nosuch")
    yield Case("role", "list", "x")
    for words in ([], ["r"], ["r", "read"], ["r", "bogus", "a"], ["nosuch", "read", "a"], ["r", "read", "b", "a"],
                  ["r", "read", "a", "b", "c"], ["r", "read", "a", "b", "--prefix"], ["r", "read", "a", "b", "--from-key"],
                  ["r", "read", "a", "--prefix", "--from-key"], ["r", "read", "", "--prefix", "--from-key"],
                  ["r", "readwrite", ""], ["r", "write", "", "--prefix"], ["r", "read", "", "--from-key"],
                  ["r", "ReadWrite", "\u00ff", "--prefix"], ["r", "readwrite", "k", "--prefix=false"]):
        yield Case("role", "grant-permission", *words)
    yield Case("role", "get", "r")
    yield Case("role", "get", "r", "-w", "fields")
    for words in ([], ["r"], ["r", "nosuch"], ["nosuch", "a"], ["r", "a", "b", "--prefix"], ["r", "a", "--prefix", "--from-key"],
                  ["r", "k"], ["r", "", "--prefix"], ["r", ""]):
        yield Case("role", "revoke-permission", *words)
    yield Case("role", "get", "r")
    for command in (["user"], ["role"], ["auth"]):
        yield Case(*command, differs=anything)

    yield Case("auth", "enable", "x")
    yield Case("auth", "disable", "x")
    yield Case("auth", "disable")
    yield Case("auth", "enable")
    yield Case("user", "add", "root:rp")
    yield Case("role", "grant-permission", "r", "readwrite", "--prefix", "r/")
    yield Case("user", "grant-role", "flag", "r")
    yield Case("auth", "enable")  # makes and grants the role root
    root, flag = {"ETCDCTL_USER": "root:rp"}, {"ETCDCTL_USER": "flag", "ETCDCTL_PASSWORD": "p:q"}
    yield Case("put", "r/a", "1")
    yield Case("put", "r/a", "1", "--user", "root", differs=anything)
    yield Case("put", "r/a", "1", "--user", "root:bad")
    yield Case("put", "r/a", "1", "--user", "nosuch:p")
    yield Case("put", "r/a", "1", "--user", "cert:p", differs=plain_error)
    yield Case("put", "r/a", "1", "--user", "root:rp")
    yield Case("put", "r/a", "2", "--user=colon:p:q")
    yield Case("put", "r/a", "2", "--user=flag", "--password=p:q")
    yield Case("put", "r/a", "2", "--user=flag", "--password=bad")
    yield Case("put", "r/a", "3", env=flag)
    yield Case("put", "r/a", "4", "--user=root:rp", env=root, differs=conflict)
    yield Case("get", "r/", "--prefix", env=flag)
    yield Case("get", "", "--prefix", env=flag)
    yield Case("del", "r/a", "--prev-kv", env=flag)
    yield Case("txn", stdin=txn(['value("a") = "1"'], ["get r/a"], []), env=flag)
    yield Case("user", "list", env=flag)
    yield Case("user", "list", env=root)
    yield Case("user", "get", "flag", "--detail", env=flag)
    yield Case("user", "get", "root", env=flag)
    yield Case("user", "get", "root", "-w", "json", env=root)
    yield Case("role", "get", "r", "-w", "json", env=flag)
    yield Case("role", "list", "-w", "fields", env=root)
    yield Case("user", "delete", "root", env=root)
    yield Case("user", "revoke-role", "root", "root", env=root)
    yield Case("role", "delete", "root", env=root)
    yield Case("endpoint", "health", env=flag, differs=time_taken)
    yield Case("auth", "disable")
    yield Case("auth", "disable", env=flag)
    yield Case("auth", "enable", env=root)
    yield Case("auth", "disable", env=root)
    yield Case("get", "a", env=root)
    yield Case("put", "a", "b", "--user", "whoever:x")


def tls_cases(ca, stranger):
    """Servers that speak TLS only, and only with clients of their authority."""
    plain = {name: None for name in ("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY")}
    own = [f"--cacert={ca.ca}", f"--cert={ca.client.cert}", f"--key={ca.client.key}"]
    quick = "--command-timeout=500ms"
    yield Case("put", "a", "1")
    yield Case("get", "a")
    yield Case("get", "a", *own, env=plain)
    yield Case("get", "a", "--insecure-transport=false")
    yield Case("get", "a", "--insecure-skip-tls-verify", *own[1:], env=plain)
    yield Case("endpoint", "health", differs=time_taken)
    yield Case("endpoint", "hashkv", differs=hash_row)
    yield Case("txn", stdin=txn(['value("a") = "1"'], ["put a 2", "get a"], []))
    yield Case("watch", "a", "--rev=2", watch_lines=6)
    yield Case("lease", "list")
    yield Case("get", "a", own[0], quick, env=plain)  # without a certificate
    yield Case("get", "a", quick, env=plain)  # in clear
    yield Case("get", "a", f"--cacert={stranger.ca}", *own[1:], quick, env=plain)  # who does not believe the server
    yield Case("get", "a", own[0], f"--cert={stranger.client.cert}", f"--key={stranger.client.key}", quick, env=plain)
    yield Case("get", "a", "--cacert=", env={**plain})
    yield Case("get", "a", "--cert=", env={**plain})
    yield Case("get", "a", "--key=", env={**plain})
    yield Case("get", "a", "--cacert=/nosuch", env=plain, differs=anything)
    yield Case("get", "a", own[0], own[1], env=plain, differs=anything)  # half of a pair
    yield Case("get", "a", own[0], f"--cert={ca.client.cert}", f"--key={ca.server.key}", env=plain)
    yield Case("get", "a", own[0], f"--cert={ca.client.key}", f"--key={ca.client.key}", env=plain, differs=anything)
    yield Case("get", "a", f"--cacert={ca.ca}", differs=conflict)


def authority(root, name):
    ca = pki.Authority(root, name)
    ca.server, ca.client = ca.issue("server"), ca.issue("client")
    return ca


def compare(theirs, ours, all_cases):
    """How many command lines, and how many with unknown differences, which are printed."""
    failures = count = 0
    for case in all_cases:
        count += 1
        same, expected, actual = case.check(theirs, ours)
        if same:
            continue
        failures += 1
        print("---", *case.words, repr(case.stdin) if case.stdin else "", case.env or "")
        for name, a, b in zip(("stdout", "stderr", "exit code"), expected, actual):
            if a != b:
                print(f"{name}: etcdctl {a!r}\n{name}: kvctl   {b!r}")
    return count, failures


def main():
    if not KVCTL:
        raise SystemExit(__doc__)
    if not shutil.which("etcdctl") or not shutil.which("etcd"):
        print("skipped: etcd and etcdctl are not installed")
        return 77
    with tempfile.TemporaryDirectory() as root:
        servers = []
        try:
            ca, stranger = authority(root, "ca"), authority(root, "stranger")
            servers = [Server(root, "theirs"), Server(root, "ours"), Server(root, "theirs-tls", ca), Server(root, "ours-tls", ca)]
            for server in servers:
                server.wait_ready()
            plain = compare(Side("etcdctl", servers[0]), Side(KVCTL, servers[1]), cases())
            tls = compare(Side("etcdctl", servers[2]), Side(KVCTL, servers[3]), tls_cases(ca, stranger))
            count, failures = plain[0] + tls[0], plain[1] + tls[1]
        finally:
            for server in servers:
                server.stop()
    print(f"{count} command lines, {failures} with other differences than the known ones")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
