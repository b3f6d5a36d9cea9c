"""The JSON gateway: the same requests to etcd and to us have the same answers but for what names the cluster; streams come
line by line; and nothing that is sent to it harms the member."""

import base64
import http.client
import json
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import cluster
from cluster import KVCTL, Cluster, ClusterTest, environment, free_port, run_command, wait_until

ETCD = "/usr/bin/etcd"


def b64(data):
    return base64.b64encode(data).decode()


def ask(port, path, body="", method="POST", headers=None):
    """Status, content type and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    kind = answer.getheader("Content-Type")
    connection.close()
    return answer.status, kind, text


class Lines:
    """The lines of an answer that has no end."""

    def __init__(self, port, path, body, more=False):
        """more: the request stays open, for write."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        framing = "Transfer-Encoding: chunked" if more else f"Content-Length: {len(body)}"
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        self.more = more
        self.write(body)
        self.answer = http.client.HTTPResponse(self.socket, method="POST")
        self.answer.begin()

    def write(self, body):
        self.socket.sendall(f"{len(body):x}\r\n{body}\r\n".encode() if self.more else body.encode())

    def next(self):
        return self.answer.readline().decode()

    def next_json(self):
        return json.loads(self.next())["result"]

    def close(self):
        self.answer.close()
        self.socket.close()


class Socket:
    """A WebSocket of the gateway."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        header = b"".join(iter(self.file.readline, b"\r\n"))
        assert header.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in header, header

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode())

    def receive(self):
        """The next message, or None: the server has closed."""
        head = self.file.read(2)
        if len(head) < 2 or head[0] == 0x88:
            return None
        assert head[0] == 0x81, head
        size = head[1] if head[1] < 126 else int.from_bytes(self.file.read(2 if head[1] == 126 else 8), "big")
        return self.file.read(size).decode()


class Etcd:
    """A single etcd, the oracle."""

    def __init__(self, flags=()):
        self.folder = tempfile.mkdtemp(prefix="keelson-oracle-")
        self.port = free_port()
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.port, free_port()))
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", ETCD, "--name=m1", f"--data-dir={self.folder}/data", "--logger=zap",
             f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
             f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=m1={peer}", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        wait_until(self.serves, 30, "etcd serves")

    def serves(self):
        try:
            return ask(self.port, "/v3/kv/range", '{"key":"YQ=="}')[0] == 200
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# In this order, on both: each answer depends on the requests before it. Paths are behind /v3/.
CONVERSATION = [
    ("kv/put", {"key": b64(b"foo"), "value": b64(b"bar")}),
    ("kv/put", {"key": b64(b"foo"), "value": b64(bytes(range(256))), "prev_kv": True}),
    ("kv/put", {"key": b64(b"foo"), "value": b64(b"x"), "bogus": {"deep": [1, {"a": None}]}}),
    ("kv/put", {"key": b64(b"fop"), "value": b64(b"?>~"), "prevKv": True}),
    ("kv/put", {"key": b64(b"foo"), "lease": "99"}),
    ("kv/put", {"key": "", "value": b64(b"bar")}),
    ("kv/put", {"key": b64(b"foo"), "value": b64(b"v"), "ignore_value": True}),
    ("kv/put", {"key": b64(b"foo"), "ignore_value": True, "prev_kv": True}),
    ("kv/put", ""),
    ("kv/put", "null"),
    ("kv/put", "{"),
    ("kv/put", "x"),
    ("kv/put", "[1]"),
    ("kv/put", '"x"'),
    ("kv/put", json.dumps({"key": b64(b"foo")}) + " trailing"),
    ("kv/range", {"key": b64(b"foo")}),
    ("kv/range", {"key": b64(b"a"), "range_end": b64(b"z"), "sort_order": "DESCEND", "sort_target": "VALUE"}),
    ("kv/range", {"key": b64(b"a"), "rangeEnd": b64(b"z"), "sort_order": 1, "limit": 1}),
    ("kv/range", {"key": b64(b"a"), "range_end": b64(b"z"), "keys_only": True, "limit": "1"}),
    ("kv/range", {"key": "AA==", "range_end": "AA==", "count_only": True}),
    ("kv/range", {"key": b64(b"nothing")}),
    ("kv/range", {"key": b64(b"foo"), "revision": "3"}),
    ("kv/range", {"key": b64(b"foo"), "revision": 100}),
    ("kv/txn", {"compare": [{"key": b64(b"foo"), "target": "VALUE", "result": "EQUAL", "value": b64(b"x")}],
                "success": [{"requestRange": {"key": b64(b"foo")}}, {"request_put": {"key": b64(b"a"), "value": b64(b"1")}}],
                "failure": [{"request_delete_range": {"key": b64(b"a")}}]}),
    ("kv/txn", {"compare": [{"key": b64(b"a"), "target": "VERSION", "result": "GREATER", "version": "5"}],
                "failure": [{"request_txn": {"success": [{"request_delete_range": {"key": b64(b"a"), "prev_kv": True}}]}}]}),
    ("kv/txn", {"success": [{"request_put": {"key": b64(b"a")}}, {"request_put": {"key": b64(b"a")}}]}),
    ("kv/txn", {}),
    ("kv/deleterange", {"key": b64(b"fop"), "prev_kv": True}),
    ("kv/deleterange", {"key": b64(b"fop")}),
    ("lease/grant", {"TTL": "600", "ID": "7"}),
    ("lease/grant", {"TTL": 600, "ID": 7}),
    ("lease/grant", {"TTL": "10000000000"}),
    ("lease/leases", {}),
    ("kv/lease/leases", {}),
    ("kv/put", {"key": b64(b"leased"), "value": b64(b"1"), "lease": 7}),
    ("lease/timetolive", {"ID": "7", "keys": True}),
    ("kv/lease/timetolive", {"ID": "8"}),
    ("lease/keepalive", {"ID": "7"}),
    ("lease/keepalive", '{"ID":"7"}{"ID":"7"}\n{"ID":"999"}'),
    ("lease/keepalive", ""),
    ("lease/keepalive", "x"),
    ("lease/keepalive", '{"ID":"7"}x'),
    ("lease/revoke", {"ID": "7777"}),
    ("kv/lease/revoke", {"ID": "7"}),
    ("kv/range", {"key": b64(b"leased")}),
    ("kv/compaction", {"revision": "1000"}),
    ("kv/compaction", {"revision": "4"}),
    ("kv/compaction", {"revision": "3"}),
    ("kv/range", {"key": b64(b"foo"), "revision": "2"}),
    ("cluster/member/list", {}),
    ("nothing", {}),
    ("kv/put/", {}),
    ("watch", "x"),
]

# Refused by both; what is wrong is said in other words.
REFUSED = [
    ("kv/put", '{"key":1}'), ("kv/put", '{"key":"*"}'), ("kv/put", '{"key":"Zm9v","lease":"abc"}'), ("kv/put", '{"key":{}}'),
    ("kv/put", '{"key":"Zm9v"'), ("kv/put", '{"key" "Zm9v"}'), ("kv/put", '{"key":"Zm9v",}'), ("kv/put", "{]"),
    ("kv/put", '{"key":"Zm9v","ignore_value":3}'), ("kv/range", '{"key":"Zm9v","sort_order":"BOGUS"}'),
    ("kv/range", '{"key":"Zm9v","limit":1.5}'), ("kv/range", '{"key":"Zm9v","limit":99999999999999999999}'),
    ("kv/txn", '{"compare":{}}'), ("kv/txn", '{"success":[1]}'),
]


def without_names(text):
    """The answer without what differs between any two clusters."""
    text = re.sub(r'"(cluster_id|member_id|ID|raft_term)":"\d{1,20}"',
                  lambda m: m[0] if m[1] == "ID" and len(m[0]) < 20 else f'"{m[1]}":"*"', text)
    text = re.sub(r'"TTL":"59\d"', '"TTL":"600"', text)
    return re.sub(r"http://127.0.0.1:\d+", "http://*", text)


class SameAsEtcdTest(unittest.TestCase):
    def setUp(self):
        self.etcd = Etcd()
        self.addCleanup(self.etcd.close)
        self.ours = Cluster(1)
        self.addCleanup(self.ours.close)

    def both(self, path, body, **options):
        return [ask(port, path, body, **options) for port in (self.etcd.port, self.ours[0].client_port)]

    def test_same_requests_have_the_same_answers(self):
        for path, body in CONVERSATION:
            with self.subTest(path=path, body=body):
                etcds, ours = self.both("/v3/" + path, body)
                self.assertEqual(without_names(ours[2]), without_names(etcds[2]))
                self.assertEqual(ours[1], etcds[1])
                # grpc-gateway's 412 of then is 400 since 3.5.
                self.assertEqual(ours[0], 400 if etcds[0] == 412 else etcds[0])
        # And nothing happened on the way that the answers did not show.
        everything = {"key": "AA==", "range_end": "AA=="}
        etcds, ours = self.both("/v3/kv/range", everything)
        self.assertEqual(without_names(ours[2]), without_names(etcds[2]))

    def test_bad_requests_are_refused_alike(self):
        for path, body in REFUSED:
            with self.subTest(path=path, body=body):
                etcds, ours = self.both("/v3/" + path, body)
                self.assertEqual(ours[:2], etcds[:2])
                self.assertEqual(sorted(json.loads(ours[2])), sorted(json.loads(etcds[2])))
                self.assertEqual(json.loads(ours[2])["code"], json.loads(etcds[2])["code"])

    def test_sizes_are_limited_alike(self):
        for size in (1_500_000, 1_600_000, 2_500_000):
            etcds, ours = self.both("/v3/kv/put", {"key": b64(b"big"), "value": b64(bytes(size))})
            self.assertEqual((ours[0], without_names(ours[2])), (etcds[0], without_names(etcds[2])))

    def test_websockets_say_the_same(self):
        told = []
        for port in (self.etcd.port, self.ours[0].client_port):
            lines = []
            for path, messages, count in [
                    ("kv/put", ['{"key":"dw==","value":"MQ=="}'], 1), ("kv/range", ['{"key":"dw=="}'], 1),
                    ("kv/put", ["{}"], 1), ("kv/put", ["x"], 1), ("kv/range", ['{"key":', '"dw=="}'], 1),
                    ("lease/grant", ['{"ID":"77","TTL":"600"}'], 1), ("lease/keepalive", ['{"ID":"77"}', '{"ID":"77"}'], 2),
                    ("watch", ['{"create_request":{"key":"dw==","start_revision":"2"}}'], 2)]:
                with Socket(port, "/v3/" + path) as client:
                    for message in messages:
                        client.send(message)
                    lines.append([without_names(client.receive()) for _ in range(count)])
                    if path.startswith("kv/"):
                        self.assertIsNone(client.receive(), "a unary call ends the connection")
            told.append(lines)
        self.assertEqual(told[1], told[0])

    def test_hosts_and_origins_that_are_allowed(self):
        self.etcd.close()
        flags = ["--host-whitelist=good,127.0.0.1", "--cors=http://page:80"]
        etcd = Etcd(flags)
        self.addCleanup(etcd.close)
        with Cluster(1, flags) as members:
            for host, origin, path, method in [
                    ("good", "http://page:80", "/v3/kv/range", "POST"), ("good:80", "http://other", "/v3/kv/range", "POST"),
                    ("bad", "http://page:80", "/v3/kv/range", "POST"), ("bad", None, "/health", "GET"), ("good", None, "/health", "GET"),
                    ("127.0.0.1:1", "http://page:80", "/version", "GET"), ("bad", "http://page:80", "/v3/kv/range", "OPTIONS"),
                    ("good", "http://page:80", "/v3/kv/range", "OPTIONS"), ("good", "http://other", "/health", "OPTIONS")]:
                answers = []
                for port in (etcd.port, members[0].client_port):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                    connection.request(method, path, "{}" if method == "POST" else None,
                                       {"Host": host, **({"Origin": origin} if origin else {})})
                    answer = connection.getresponse()
                    answer.read()
                    answers.append((answer.status, answer.getheader("Access-Control-Allow-Origin"),
                                    answer.getheader("Access-Control-Allow-Methods")))
                    connection.close()
                self.assertEqual(answers[1], answers[0], (host, origin, path, method))

    def test_methods_and_former_paths(self):
        for method in ("GET", "PUT", "DELETE"):
            etcds, ours = self.both("/v3/kv/put", "{}", method=method)
            self.assertEqual(ours, etcds)
        for path in ("/v3/nothing", "/v3beta/nothing", "/v3alpha/kv/range", "/v3beta/kv/range"):
            etcds, ours = self.both(path, {"key": b64(b"foo")})
            self.assertEqual((ours[0], ours[1], without_names(ours[2])), (etcds[0], etcds[1], without_names(etcds[2])))
        headers = {"grpc-timeout": "xx"}
        etcds, ours = self.both("/v3/kv/put", {"key": b64(b"foo")}, headers=headers)
        self.assertEqual(ours, etcds)

    def test_watches_tell_the_same_lines(self):
        for port in (self.etcd.port, self.ours[0].client_port):
            for value in (b"1", b"2"):
                ask(port, "/v3/kv/put", {"key": b64(b"w"), "value": b64(value)})
            ask(port, "/v3/kv/deleterange", {"key": b64(b"w")})
        create = {"create_request": {"key": b64(b"w"), "start_revision": "2", "prev_kv": True}}
        future = {"create_request": {"key": b64(b"w"), "watch_id": "9"}}
        told = []
        for port in (self.etcd.port, self.ours[0].client_port):
            stream = Lines(port, "/v3/watch", json.dumps(create) + json.dumps(future))
            lines = sorted(stream.next() for _ in range(3))
            ask(port, "/v3/kv/put", {"key": b64(b"w"), "value": b64(b"3")})
            lines += sorted(stream.next() for _ in range(2))
            stream.close()
            told.append([without_names(line) for line in lines])
        self.assertEqual(told[1], told[0])


class GatewayTest(ClusterTest):
    size = 1

    def setUp(self):
        self.member = self.cluster[0]
        self.port = self.member.client_port

    def test_http2_too(self):
        done = run_command(["curl", "-sS", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", "-d",
                            json.dumps({"key": b64(b"h2"), "value": b64(b"1")}), f"{self.member.client_url}/v3/kv/put"])
        self.assertRegex(done.stdout.decode(), r'^{"header":{.*}} 2 200$', done.stderr)
        self.assertEqual(self.member.client.KV.Range(key=b"h2").kvs[0].value, b"1")

    def test_requests_of_a_stream_may_come_later(self):
        stream = Lines(self.port, "/v3/watch", '{"create_request":{"key":"eA==","watch_id":"5"}}', more=True)
        self.assertEqual((stream.next_json()["watch_id"]), "5")
        self.member.client.KV.Put(key=b"x", value=b"1", timeout=5)
        self.assertEqual(stream.next_json()["events"][0]["kv"]["value"], b64(b"1"))
        stream.write('{"cancel_request":{"watch_id":"5"}}')
        self.assertTrue(stream.next_json()["canceled"])
        stream.close()

    def test_a_watch_ends_when_its_client_goes(self):
        for _ in range(50):
            stream = Lines(self.port, "/v3/watch", json.dumps({"create_request": {"key": b64(b"x")}}))
            self.assertTrue(stream.next_json()["created"])
            stream.close()
        self.member.client.KV.Put(key=b"x", value=b"1", timeout=5)

    def test_a_backup_by_the_gateway_is_a_backup(self):
        for i in range(20):
            self.member.client.KV.Put(key=b"b%d" % i, value=random.randbytes(50_000))
        stream = Lines(self.port, "/v3/maintenance/snapshot", "{}")
        blob, left = b"", []
        while line := stream.next():
            piece = json.loads(line)["result"]
            blob += base64.b64decode(piece.get("blob", ""))
            left.append(int(piece.get("remaining_bytes", "0")))
        stream.close()
        self.assertEqual(left[-1], 0)
        self.assertEqual(left, sorted(left, reverse=True))
        file = self.cluster.folder / "backup"
        file.write_bytes(blob)
        done = run_command([KVCTL, "snapshot", "status", str(file)])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_cross_origin_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("OPTIONS", "/v3/kv/put", headers={"Origin": "http://page"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        self.assertEqual(answer.getheader("Access-Control-Allow-Origin"), "*")
        self.assertIn("POST", answer.getheader("Access-Control-Allow-Methods"))
        connection.close()

    def test_malformed_bodies_are_answered_and_harm_nobody(self):
        good = [json.dumps(body) if not isinstance(body, str) else body for _, body in CONVERSATION]
        paths = sorted({path for path, _ in CONVERSATION if path not in ("nothing", "kv/put/", "watch")})
        pieces = ["{", "}", "[", "]", '"', "\\", ",", ":", "null", "1e999", "-", "\\u0000", "\\ud800", "\x7f", "é", '"key":', '{"a":' * 50]
        end = time.monotonic() + 8
        tried = 0
        while time.monotonic() < end:
            body = list(random.choice(good))
            for _ in range(random.randrange(4)):
                at = random.randrange(len(body) + 1)
                body[at:at + random.randrange(3)] = random.choice(pieces)
            data = "".join(body).encode()
            if random.random() < 0.2:
                data = data + random.randbytes(random.randrange(20))
            path = random.choice(paths)
            status, _, text = ask(self.port, "/v3/" + path, data)
            self.assertIn(status, (200, 400, 404, 429, 500), (path, data, text))
            tried += 1
        self.assertGreater(tried, 100)
        self.assertTrue(self.member.running())
        self.member.client.KV.Put(key=b"alive", value=b"1", timeout=5)

    def test_deep_nesting_and_endless_bodies_are_refused(self):
        status, _, text = ask(self.port, "/v3/kv/txn", "[" * 1_000_000)
        self.assertEqual((status, json.loads(text)["error"]), (400, "exceeded max depth"))
        nested = '{"success":[{"request_txn":' * 60 + "{}" + "}]}" * 60
        self.assertIn(ask(self.port, "/v3/kv/txn", nested)[0], (200, 400))
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(b"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(200):
                    connection.sendall(b"10000\r\n" + b" " * 65535 + b'"' + b"\r\n")
            except ConnectionError:
                pass  # it was answered and closed
        self.member.client.KV.Put(key=b"alive", value=b"1", timeout=5)

    def test_the_gateway_can_be_switched_off(self):
        with Cluster(1, ["--enable-grpc-gateway=false"]) as members:
            self.assertEqual(ask(members[0].client_port, "/v3/kv/range", "{}")[::2], (404, "404 page not found\n"))


if __name__ == "__main__":
    cluster.main()
