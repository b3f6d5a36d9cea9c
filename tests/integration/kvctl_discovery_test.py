"""kvctl and etcdctl find the servers that DNS names for a domain.

It runs in a network and mount namespace of its own, where the name server is this test; where those cannot be had, it is
skipped, and says so.
"""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

INSIDE = "KEELSON_TEST_INSIDE"


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


class NameServer(threading.Thread):
    """Answers for SRV records, and that every host of the domain test. is this one."""

    def __init__(self, records):
        super().__init__(daemon=True)
        self.records = records  # of a name: (priority, weight, port, target)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            end = query.index(b"\0", 12) + 1
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            asked, (kind,) = ".".join(labels).lower(), struct.unpack(">H", query[end:end + 2])
            is_host = asked.endswith(".test") and not asked.startswith("_")
            data = []
            if kind == 33:
                data = [struct.pack(">HHH", *numbers) + name(target) for *numbers, target in self.records.get(asked, [])]
            elif kind == 1 and is_host:
                data = [socket.inet_aton("127.0.0.1")]
            answers = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(one)) + one for one in data)
            flags = 0x8580 if is_host or asked in self.records else 0x8583
            self.socket.sendto(query[:2] + struct.pack(">HHHHH", flags, 1, len(data), 0, 0) + query[12:end + 4] + answers, client)


class DiscoveryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Not before: its imports would be for nothing outside.
        global cluster  # noqa: PLW0603
        import cluster  # noqa: PLC0415
        cls.members = cluster.Cluster(1)
        port = int(cls.members[0].client_url.rsplit(":", 1)[1])
        NameServer({"_etcd-client._tcp.example.test": [(1, 1, port, "member.test")],
                    "_etcd-client-two._tcp.example.test": [(1, 1, port, "member.test")],
                    "_etcd-client-ssl._tcp.secure.test": [(1, 1, port, "member.test")]}).start()

    @classmethod
    def tearDownClass(cls):
        cls.members.close()

    def run_both(self, *words, code=0):
        answers = []
        for program in (cluster.KVCTL, cluster.ETCDCTL):
            done = subprocess.run([program, "--command-timeout=3s", *words], capture_output=True, timeout=30, check=False,
                                  env={**os.environ, "ETCDCTL_API": "3"})
            self.assertEqual(done.returncode, code, (program, done.stdout, done.stderr))
            answers.append((done.stdout.decode(), done.stderr.decode()))
        return answers

    def test_the_servers_of_a_domain_are_asked(self):
        for words in (("-d", "example.test"), ("--discovery-srv=example.test", "--discovery-srv-name=two")):
            for stdout, _ in self.run_both(*words, "put", "a", "b"):
                self.assertEqual(stdout, "OK\n")

    def test_a_domain_without_servers_is_told(self):
        for words in (("-d", "nobody.test"), ("-d", "example.test", "--discovery-srv-name=three")):
            for _, stderr in self.run_both(*words, "get", "a", code=1):
                self.assertIn("dns lookup errors: ", stderr)
                self.assertEqual(stderr.count("\n"), 1, stderr)

    def test_servers_in_clear_are_left_out_when_they_are_not_wanted(self):
        endpoints = f"--endpoints={self.members[0].client_url}"
        for stdout, stderr in self.run_both("-d", "example.test", "--insecure-discovery=false", endpoints, "put", "a", "c"):
            self.assertEqual(stdout, "OK\n", "the endpoints that are given are asked then")
            self.assertIn("ignoring discovered insecure endpoint \"http://member.test", stderr)

    def test_a_server_behind_tls_is_spoken_to_so(self):
        for _, stderr in self.run_both("-d", "secure.test", "--dial-timeout=1s", "get", "a", code=1):
            self.assertNotIn("dns lookup", stderr)


def main():
    if INSIDE in os.environ:
        return unittest.main(verbosity=2)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as resolv:
        resolv.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        resolv.flush()
        script = f'ip link set lo up && mount --bind {resolv.name} /etc/resolv.conf && exec "$@"'
        begin = ["unshare", "--net", "--mount", "sh", "-c", script, "sh"]
        if subprocess.run([*begin, "true"], capture_output=True, check=False).returncode != 0:
            print("skipped: there are no namespaces to be had here")
            return sys.exit(77)
        return sys.exit(subprocess.run([*begin, sys.executable, *sys.argv], env={**os.environ, INSIDE: "1"}, check=False).returncode)


if __name__ == "__main__":
    main()
