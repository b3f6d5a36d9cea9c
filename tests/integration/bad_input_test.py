"""What cannot be done is refused: by the server at its start and by kvctl with one clear line and a failing exit, on the
wire with etcd's error; and nothing that is sent to an open port harms the members."""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import struct
import tempfile
import time
import unittest

import cluster
import wire
from cluster import Cluster, ClusterTest, IS_ETCD, IS_ETCDCTL, KVCTL, SERVER, free_port, run_command, wait_until
import grpc

NOBODY = 65534
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def start_flags(name="m1", data_dir="", client=None, peer=None, token="bad-input", **changes):
    """The flags of a single member, some changed; None takes a flag away."""
    client = client or free_port()
    peer = peer or free_port()
    flags = {"name": name, "data-dir": data_dir, "listen-client-urls": f"http://127.0.0.1:{client}",
             "advertise-client-urls": f"http://127.0.0.1:{client}", "listen-peer-urls": f"http://127.0.0.1:{peer}",
             "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}", "initial-cluster": f"{name}=http://127.0.0.1:{peer}",
             "initial-cluster-state": "new", "initial-cluster-token": token}
    flags.update({k.replace("_", "-"): v for k, v in changes.items()})
    return [f"--{k}={v}" for k, v in flags.items() if v is not None]


@unittest.skipIf(IS_ETCD, "etcd tells its failures in many lines of log")
class BadStartTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-bad-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = str(self.folder / "data")

    def refused(self, flags, *words, prefix=(), env=()):
        """The server ends with a failure and one line on stderr that has these words."""
        done = run_command([*prefix, SERVER, *flags], seconds=20, env=env)
        lines = done.stderr.decode().splitlines()
        self.assertNotEqual(done.returncode, 0, lines)
        self.assertGreater(done.returncode, 0, "ended by a signal")
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])
        return lines[0]

    def start_and_stop(self, flags, client, expected=()):
        """Lets a member write its data folder, after a look at what is there."""
        members = Cluster(1, start=False)
        self.addCleanup(members.close)
        member = members[0]
        member.flags = lambda: flags
        member.endpoint = f"127.0.0.1:{client}"
        member.start()
        member.wait_ready()
        self.assertEqual([p.value for p in member.client.KV.Range(key=b"k").kvs], list(expected))
        member.client.KV.Put(key=b"k", value=b"kept")
        self.assertEqual(member.terminate(), 0)

    def test_unknown_flag(self):
        self.refused([*start_flags(data_dir=self.data), "--no-such-flag=1"], "no-such-flag")
        self.assertFalse(os.path.exists(self.data))

    def test_values_that_make_no_sense(self):
        for flag, value in [("heartbeat-interval", "often"), ("heartbeat-interval", "-5"), ("election-timeout", "1"),
                            ("initial-cluster-state", "maybe"), ("snapshot-count", "x")]:
            self.refused(start_flags(data_dir=self.data, **{flag: value}), flag)

    def test_malformed_urls(self):
        for flag in ("listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls"):
            for url in ("127.0.0.1:1", "http://", "ftp://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:notaport",
                        "http://127.0.0.1:70000", "http://127.0.0.1:1/path"):
                self.refused(start_flags(data_dir=self.data, **{flag: url}), flag)
        self.refused(start_flags(data_dir=self.data, initial_cluster="m1"), "initial-cluster")
        self.refused(start_flags(data_dir=self.data, initial_cluster="other=http://127.0.0.1:1"), "m1")
        self.refused(start_flags(data_dir=self.data, initial_cluster="m1=http://127.0.0.1:1"), "127.0.0.1:1")
        self.assertFalse(os.path.exists(self.data))

    def test_port_in_use(self):
        for kind in ("client", "peer"):
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                other.listen()
                port = other.getsockname()[1]
                self.refused(start_flags(data_dir=self.data + kind, **{kind: port}), str(port), "in use")

    def test_data_folder_that_cannot_be_written(self):
        file = self.folder / "file"
        file.write_text("in the way")
        self.refused(start_flags(data_dir=str(file)), str(file))
        self.refused(start_flags(data_dir=str(file / "below")), str(file))
        self.assertEqual(file.read_text(), "in the way")

    def test_data_folder_of_somebody_else(self):
        if os.getuid() != 0:
            self.skipTest("only root can become somebody else")
        # The build folder may be closed to others; they run a copy.
        copy = self.folder / "kvd"
        shutil.copy(SERVER, copy)
        self.folder.chmod(0o755)
        mine = self.folder / "mine"
        mine.mkdir(mode=0o755)
        done = run_command(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(copy),
                            *start_flags(data_dir=str(mine / "data"))])
        lines = done.stderr.decode().splitlines()
        self.assertGreater(done.returncode, 0)
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(str(mine / "data"), lines[0])

    def test_data_folder_of_another_member_or_cluster(self):
        client, peer = free_port(), free_port()
        flags = start_flags(data_dir=self.data, client=client, peer=peer)
        self.start_and_stop(flags, client)
        self.refused(start_flags(data_dir=self.data, client=client, peer=peer, token="another"), self.data)
        self.refused(start_flags(name="m2", data_dir=self.data, client=client), self.data)
        self.start_and_stop(flags, client, expected=[b"kept"])  # what refused has harmed nothing

    def test_data_folder_in_use(self):
        members = Cluster(1)
        self.addCleanup(members.close)
        self.refused([*start_flags(name="m1", token=members.token, peer=members[0].peer_port,
                                   data_dir=str(members[0].data_dir))], str(members[0].data_dir))
        members[0].client.KV.Put(key=b"k", value=b"still served")

    def test_version_and_help_are_told(self):
        for flag, word in (("--version", "Version: "), ("--help", "--listen-client-urls")):
            done = run_command([SERVER, flag])
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn(word, done.stdout.decode())


class BadCommandTest(ClusterTest):
    size = 1

    def refused(self, *words, error, stdin=None, code=None):
        done = run_command([KVCTL, "--endpoints=" + self.cluster[0].endpoint, *words], stdin=stdin)
        lines = done.stderr.decode().splitlines()
        self.assertGreater(done.returncode, 0, words)
        self.assertEqual(done.stdout if not IS_ETCDCTL else b"", b"", words)
        if not IS_ETCDCTL:
            self.assertEqual(len(lines), 1, lines)
        self.assertTrue(any(error in line for line in lines), lines)
        if code is not None:
            self.assertEqual(done.returncode, code)

    def test_commands_and_flags_nobody_knows(self):
        self.refused("fetch", "k", error="unknown command")
        self.refused("get", "k", "--no-such-flag", error="no-such-flag")
        if not IS_ETCDCTL:  # etcdctl tells its usage and calls that a success
            self.refused("lease", "borrow", error="borrow")

    def test_arguments_that_are_missing_or_too_many(self):
        self.refused("get", error="Error: get command needs one argument as key and an optional argument as range_end", code=128)
        self.refused("put", error="Error: put command needs 1 argument and input from stdin or 2 arguments", code=128)
        self.refused("del", error="Error: del command needs one argument as key and an optional argument as range_end", code=128)
        self.refused("lease", "grant", error="Error: lease grant command needs TTL argument", code=128)
        self.refused("lease", "revoke", "not-hex", error="Error: bad lease ID", code=128)
        self.refused("get", "k", "--rev=now", error="now")

    def test_keys_and_values_that_are_refused(self):
        self.refused("put", "", "v", error="Error: etcdserver: key is not provided", code=1)
        self.refused("put", "k", stdin=b"x" * 1_572_864, error="Error: etcdserver: request is too large", code=1)

    def test_an_endpoint_nobody_serves(self):
        done = run_command([KVCTL, f"--endpoints=127.0.0.1:{free_port()}", "--dial-timeout=300ms", "--command-timeout=500ms", "get", "k"])
        self.assertGreater(done.returncode, 0)
        self.assertEqual(done.stdout, b"")
        lines = [line for line in done.stderr.decode().splitlines() if line.startswith("Error: ")]
        self.assertEqual(len(lines), 1, done.stderr)

    def test_transactions_that_do_not_parse(self):
        for text in (b"nonsense\n\n\n\n", b'value("k") ~ "v"\n\n\n\n', b"\nfly k\n\n\n"):
            self.refused("txn", stdin=text, error="" if IS_ETCDCTL else "Error: ")


class GarbageTest(ClusterTest):
    """Whatever comes in on a port, the members live, and serve others meanwhile."""

    def setUp(self):
        self.pids = [m.process.pid for m in self.cluster]

    def tearDown(self):
        self.check_healthy()

    def check_healthy(self):
        for number, member in enumerate(self.cluster):
            self.assertTrue(member.running(), f"{member.name} ended with {member.process.poll()}")
            self.assertEqual(member.process.pid, self.pids[number])
            value = random.randbytes(8)
            member.client.KV.Put(key=b"health", value=value, timeout=5)
            self.assertEqual(member.client.KV.Range(key=b"health", timeout=5).kvs[0].value, value)
        self.assertIsNotNone(self.cluster.leader())

    def ports(self):
        return [p for m in self.cluster for p in (m.client_port, m.peer_port)]

    def say(self, port, data, listen=True):
        """Sends and takes what comes, until the other side ends it or is silent."""
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                if listen:
                    connection.settimeout(0.05)
                    while connection.recv(65536):
                        pass

    def test_random_bytes(self):
        for port in self.ports():
            for _ in range(30):
                self.say(port, random.randbytes(random.randrange(1, 5000)))
                self.say(port, PREFACE + random.randbytes(random.randrange(1, 5000)))
                self.say(port, random.randbytes(100), listen=False)

    def test_frames_that_break_the_rules(self):
        def frame(kind, flags, stream, payload, length=None):
            size = len(payload) if length is None else length
            return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
        settings = frame(4, 0, 0, b"")
        cases = [
            frame(0, 0, 1, b"data on a stream nobody opened"),
            frame(1, 4, 2, b"\x82"),                      # a client may not open an even stream
            frame(1, 4, 1, b"\xff" * 40),                 # headers that do not decode
            frame(1, 0, 1, b"\x82") + frame(0, 0, 1, b""),  # headers that do not end
            frame(4, 0, 0, b"\x00" * 5),                  # settings of a wrong length
            frame(4, 0, 0, struct.pack(">HI", 4, 0xffffffff)),  # a window too large
            frame(8, 0, 0, struct.pack(">I", 0)),         # a window update of nothing
            frame(8, 0, 0, struct.pack(">I", 0x7fffffff)) * 2,
            frame(6, 0, 0, b"short"),                     # a ping of a wrong length
            frame(5, 4, 1, b"\x00\x00\x00\x02"),          # a push from a client
            frame(9, 4, 1, b"\x82"),                      # a continuation of nothing
            frame(0, 0, 0, b"", length=0xffffff),         # a frame larger than allowed
            frame(200, 255, 77, b"of a kind nobody knows"),
            frame(3, 0, 1, struct.pack(">I", 8)) * 2000,  # resets of idle streams
            frame(6, 0, 0, b"12345678") * 5000,           # pings without end
            frame(4, 0, 0, b"") * 5000,                   # settings without end
            frame(7, 0, 0, b"\0" * 8),                    # goaway
        ]
        for port in self.ports():
            for case in cases:
                self.say(port, PREFACE + settings + case)

    def test_grpc_bodies_that_break_the_rules(self):
        def call(body):
            return lambda c: c.channel.unary_unary("/etcdserverpb.KV/Put", request_serializer=bytes, response_deserializer=bytes)(body, timeout=5)
        for member in self.cluster:
            for _ in range(50):
                with contextlib.suppress(grpc.RpcError):  # by chance it may be a message
                    call(b"\x0a" + random.randbytes(random.randrange(200)))(member.client)
        # Not even the five bytes before each message: by a connection of our own.
        path = b"/etcdserverpb.KV/Range"
        headers = (b"\x83\x86" + b"\x44" + bytes([len(path)]) + path + b"\x41\x01x" +
                   b"\x40\x0ccontent-type\x10application/grpc" + b"\x40\x02te\x08trailers")
        for body in (b"", b"\0", b"\0\0\0\0", b"\0\xff\xff\xff\xff", b"\7\0\0\0\0", b"\1\0\0\0\2ab", b"\0\0\0\0\2\x0a\x01" + b"\0" * 50,
                     b"\0\0\0\0\0" * 3):
            data = (PREFACE + b"\0\0\0\4\0\0\0\0\0" + struct.pack(">I", len(headers))[1:] + b"\1\4\0\0\0\1" + headers +
                    struct.pack(">I", len(body))[1:] + b"\0\1\0\0\0\1" + body)
            for member in self.cluster:
                self.say(member.client_port, data)

    def test_http_1_that_is_not_ours(self):
        cases = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /health HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /health HTTP/9.9\r\n\r\n", b"GET " + b"/x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"\r\n" * 1000,
                 b"GET / HTTP/1.1\r\n" + b"X-Header: y\r\n" * 10_000 + b"\r\n", b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
                 b"GET /raft HTTP/1.1\r\nHost: x\r\n\r\n"]
        for port in self.ports():
            for case in cases:
                self.say(port, case)

    def test_connections_that_say_nothing_or_half_of_it(self):
        held = []
        for port in self.ports():
            for opening in (b"", PREFACE[:10], PREFACE, PREFACE + b"\0\0\0\4\0\0\0\0\0", PREFACE + b"\0\0", b"GET /hea", b"\0"):
                for _ in range(10):
                    connection = socket.create_connection(("127.0.0.1", port), 5)
                    connection.sendall(opening)
                    held.append(connection)
        self.check_healthy()  # while they are open
        for connection in held:
            connection.close()

    def test_connections_that_come_and_go(self):
        for port in self.ports():
            for _ in range(200):
                connection = socket.create_connection(("127.0.0.1", port), 5)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
                if random.random() < 0.5:
                    connection.send(PREFACE)
                connection.close()

    def test_a_client_that_takes_nothing_does_not_hold_up_others(self):
        member = self.cluster[0]
        for i in range(20):
            member.client.KV.Put(key=f"big/{i:02}".encode(), value=b"x" * 1_000_000)
        path = b"/etcdserverpb.KV/Range"
        headers = (b"\x83\x86" + b"\x44" + bytes([len(path)]) + path + b"\x41\x01x" +
                   b"\x40\x0ccontent-type\x10application/grpc" + b"\x40\x02te\x08trailers")
        request = wire.RangeRequest(key=b"big/", range_end=b"big0").SerializeToString()
        body = b"\0" + struct.pack(">I", len(request)) + request
        held = []
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", member.client_port), 5)
            # The largest windows there are, and then not a byte is read.
            data = PREFACE + b"\0\0\6\4\0\0\0\0\0" + struct.pack(">HI", 4, 0x7fffffff) + b"\0\0\4\x08\0\0\0\0\0" + struct.pack(">I", 0x7fff0000)
            for stream in (1, 3, 5):
                data += struct.pack(">I", len(headers))[1:] + b"\1\4" + struct.pack(">I", stream) + headers
                data += struct.pack(">I", len(body))[1:] + b"\0\1" + struct.pack(">I", stream) + body
            connection.sendall(data)
            held.append(connection)
        for _ in range(20):
            began = time.monotonic()
            member.client.KV.Put(key=b"k", value=b"v", timeout=5)
            self.assertLess(time.monotonic() - began, 3)
        for connection in held:
            connection.close()
        member.client.KV.DeleteRange(key=b"big/", range_end=b"big0")


if __name__ == "__main__":
    cluster.main()
