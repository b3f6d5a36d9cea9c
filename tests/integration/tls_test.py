"""TLS between real processes: who is let in and who is not, by clients' and peers' connections; files that change while
the members run; and openssl, curl and etcdctl as the other side."""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import ssl
import tempfile
import unittest

import cluster
import wire
from cluster import Cluster, ETCDCTL, KVCTL, SERVER, free_port, run_command, wait_until
from pki import ALWAYS, PAST, Authority
import grpc


def grpc_credentials(ca, identity=None):
    return grpc.ssl_channel_credentials(ca.read_bytes(), identity and identity.key.read_bytes(),
                                        identity and identity.cert.read_bytes())


def copy(identity, to):
    """Puts a certificate and its key in the place of another pair, the certificate first."""
    for source, target in zip(identity, to):
        temporary = target.with_suffix(".tmp")
        shutil.copy(source, temporary)
        temporary.rename(target)


def context_of(ca, identity=None):
    context = ssl.create_default_context(cafile=str(ca))
    if identity:
        context.load_cert_chain(str(identity.cert), str(identity.key))
    return context


def serial_presented(port, context):
    """The serial number of the certificate that the server shows."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            return connection.getpeercert()["serialNumber"]


def asks_version(port, context):
    """Whether a request is answered over TLS; what the other side says against it otherwise.

    With TLS 1.3 a server refuses a client's certificate after the client believes to be done: the first read tells."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b""
                while chunk := connection.recv(4096):
                    answer += chunk
    except (ssl.SSLError, ConnectionError) as error:
        return str(error)
    return answer.startswith(b"HTTP/1.1 200") or f"answered {answer!r}"


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-tls-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.ca = Authority(self.folder, "ca")
        self.alice = self.ca.issue("alice")
        self.server = self.ca.issue("server")

    def client_flags(self, *more):
        return [f"--cert-file={self.server.cert}", f"--key-file={self.server.key}", f"--trusted-ca-file={self.ca.ca}",
                "--client-cert-auth", *more]

    def new_cluster(self, size, flags, own=lambda i: [], identity=None):
        members = Cluster(size, flags, start=False, credentials=grpc_credentials(self.ca.ca, identity or self.alice))
        self.addCleanup(self.close, members)
        for i, member in enumerate(members):
            member.own_flags = own(i)
        return members

    def close(self, members):
        if not self._outcome.success:
            members.show_logs()
        members.close()

    def single(self, *more, identity=None):
        members = self.new_cluster(1, [*self.client_flags(*more), "--peer-auto-tls"], identity=identity)
        members.start()
        return members[0]

    def command(self, program, endpoints, *arguments, identity=None, ca=None):
        identity = identity or self.alice
        return run_command([program, f"--endpoints={endpoints}", f"--cacert={ca or self.ca.ca}", f"--cert={identity.cert}",
                            f"--key={identity.key}", *arguments])

    def refused(self, port, identity, *words, ca=None):
        answer = asks_version(port, context_of(ca or self.ca.ca, identity))
        self.assertIsNot(answer, True, "it was let in")
        self.assertTrue(any(word in answer for word in words), answer)

    def let_in(self, port, identity):
        self.assertIs(asks_version(port, context_of(self.ca.ca, identity)), True)


class ClientTest(TlsTest):
    def test_clients_with_a_certificate_of_our_authority_are_served(self):
        member = self.single()
        url = member.client_url
        for program in (KVCTL, ETCDCTL):
            done = self.command(program, url, "put", "a", program)
            self.assertEqual((done.returncode, done.stdout), (0, b"OK\n"), done.stderr)
            self.assertEqual(self.command(program, url, "get", "a").stdout.decode(), f"a\n{program}\n")
        curl = ["curl", "-sS", "--cacert", self.ca.ca, "--cert", self.alice.cert, "--key", self.alice.key]
        for protocol, version in (("--http1.1", "1.1"), ("--http2", "2")):
            done = run_command([*curl, protocol, "-w", " %{http_version}", f"{url}/health"])
            self.assertEqual(done.stdout.decode(), '{"health":"true","reason":""} ' + version, done.stderr)

    def test_the_gateway_refuses_certificates_with_a_name_while_auth_is_on(self):
        root = self.ca.issue("root")
        member = self.single(identity=root)
        url = f"{member.client_url}/v3/kv/range"

        def ask(protocol, body='{"key":"YQ=="}'):
            done = run_command(["curl", "-sS", "--cacert", self.ca.ca, "--cert", root.cert, "--key", root.key, protocol, "-d", body,
                                "-o", "/dev/null", "-w", "%{http_code}", url])
            return done.stdout.decode() or done.stderr.decode()

        member.client.KV.Put(key=b"a", value=b"1", timeout=10)
        for protocol in ("--http1.1", "--http2"):
            self.assertEqual(ask(protocol), "200")
        for words in (("user", "add", "root:pw"), ("role", "add", "root"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
            done = self.command(KVCTL, member.client_url, *words, identity=root)
            self.assertEqual(done.returncode, 0, done.stderr)
        for protocol in ("--http1.1", "--http2"):
            # Without a body: curl 7 forgets an answer that came before it had sent all of it (RFC 9113, 8.1, forbids that).
            self.assertEqual(ask(protocol, body=""), "400")
        # Elsewhere the name counts.
        self.assertEqual(self.command(KVCTL, member.client_url, "get", "a", identity=root).stdout, b"a\n1\n")

    def test_environment_and_insecure_flags_of_kvctl(self):
        members = self.new_cluster(1, ["--auto-tls", "--peer-auto-tls"])
        members.credentials = None
        members[0].start()
        url = members[0].client_url
        def put(*flags, env=()):
            return run_command([KVCTL, f"--endpoints={url}", "--command-timeout=2s", *flags, "put", "a", "b"], env=env)
        wait_until(lambda: put("--insecure-skip-tls-verify").returncode == 0, 30, "kvctl reaches the member")
        self.assertNotEqual(put().returncode, 0, "a self-signed certificate was believed")
        own = str(members[0].data_dir / "fixtures/client/cert.pem")
        self.assertEqual(put(f"--cacert={own}").returncode, 0)
        self.assertEqual(put(env={"ETCDCTL_CACERT": own}).returncode, 0)
        self.assertEqual(put(env={"ETCDCTL_INSECURE_SKIP_TLS_VERIFY": "true"}).returncode, 0)
        bare = run_command([KVCTL, f"--endpoints={members[0].endpoint}", "--insecure-transport=false",
                            f"--cacert={own}", "put", "a", "b"])
        self.assertEqual(bare.returncode, 0, bare.stderr)

    def test_clients_show_certificates_to_a_self_signed_server_too(self):
        members = self.new_cluster(1, ["--auto-tls", f"--trusted-ca-file={self.ca.ca}", "--client-cert-auth", "--peer-auto-tls"])
        members[0].start()
        own = members[0].data_dir / "fixtures/client/cert.pem"
        wait_until(lambda: self.command(KVCTL, members[0].client_url, "put", "a", "b", ca=own).returncode == 0, 30, "alice is served")
        self.refused(members[0].client_port, None, "certificate required", "CERTIFICATE_REQUIRED", ca=own)

    def test_everybody_else_is_refused_by_an_alert(self):
        member = self.single()
        port = member.client_port
        other = Authority(self.folder, "other")
        self.refused(port, None, "certificate required", "CERTIFICATE_REQUIRED")
        self.refused(port, other.issue("mallory"), "unknown ca", "UNKNOWN_CA")
        self.refused(port, self.ca.issue("old", valid=PAST), "certificate expired", "CERTIFICATE_EXPIRED")
        self.refused(port, self.ca.issue("web", purpose="serverAuth"), "certificate", "CERTIFICATE")
        self.let_in(port, self.alice)
        done = self.command(KVCTL, member.client_url, "--command-timeout=2s", "get", "a", ca=other.ca)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"certificate verify failed", done.stderr)

    def test_only_clients_of_the_allowed_hostname(self):
        front = self.ca.issue("front", hosts=("DNS:front.example",))
        port = self.single("--client-cert-allowed-hostname=front.example,10.0.0.9", identity=front).client_port
        self.refused(port, self.alice, "alert")
        self.let_in(port, front)
        self.let_in(port, self.ca.issue("address", hosts=("IP:10.0.0.9",)))

    def test_revoked_certificates_are_refused_from_the_next_handshake_on(self):
        bob = self.ca.issue("bob")
        member = self.single(f"--client-crl-file={self.ca.crl}")
        self.let_in(member.client_port, bob)
        connected = member.new_client(credentials=grpc_credentials(self.ca.ca, bob))
        connected.KV.Put(key=b"a", value=b"1", timeout=5)
        self.ca.revoke(bob)
        self.refused(member.client_port, bob, "revoked", "REVOKED")
        self.let_in(member.client_port, self.alice)

    def test_certificate_and_authorities_are_replaced_while_running(self):
        member = self.single()
        before = serial_presented(member.client_port, context_of(self.ca.ca, self.alice))
        held = member.new_client()
        held.KV.Put(key=b"a", value=b"1", timeout=5)
        copy(self.ca.issue("server2"), self.server)
        after = serial_presented(member.client_port, context_of(self.ca.ca, self.alice))
        self.assertNotEqual(before, after)
        held.KV.Put(key=b"a", value=b"2", timeout=5)  # an established connection goes on

        # A certificate without its key: the former pair stays.
        broken = self.server.cert.read_text()
        self.server.cert.write_text("no certificate")
        self.assertEqual(serial_presented(member.client_port, context_of(self.ca.ca, self.alice)), after)
        self.assertIn("go on with the former TLS certificates", member.log.read_text())
        self.server.cert.write_text(broken)

        # A second authority in the bundle, then the first one taken out of it.
        other = Authority(self.folder, "next")
        carol = other.issue("carol")
        self.refused(member.client_port, carol, "unknown ca", "UNKNOWN_CA")
        first = self.ca.ca.read_text()
        self.ca.ca.write_text(first + other.ca.read_text())
        self.let_in(member.client_port, carol)
        self.let_in(member.client_port, self.alice)
        bundle = self.folder / "first.pem"
        bundle.write_text(first)
        self.ca.ca.write_text(other.ca.read_text())
        self.assertIs(asks_version(member.client_port, context_of(bundle, carol)), True)
        self.refused(member.client_port, self.alice, "unknown ca", "UNKNOWN_CA", ca=bundle)

    def test_versions_and_cipher_suites(self):
        port = self.single("--tls-min-version=TLS1.3").client_port
        old = context_of(self.ca.ca, self.alice)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertIsNot(asks_version(port, old), True)
        self.let_in(port, self.alice)

        suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        port = self.single(f"--cipher-suites={suite}", "--tls-max-version=TLS1.2").client_port
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            with context_of(self.ca.ca, self.alice).wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                self.assertEqual(connection.version(), "TLSv1.2")
                self.assertEqual(connection.cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384")
        weaker = context_of(self.ca.ca, self.alice)
        weaker.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        self.assertIsNot(asks_version(port, weaker), True)

    def test_alpn_chooses_the_protocol_and_refuses_strangers(self):
        port = self.single().client_port
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
            context = context_of(self.ca.ca, self.alice)
            context.set_alpn_protocols(offered)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
                with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                    self.assertEqual(connection.selected_alpn_protocol(), chosen)
        context = context_of(self.ca.ca, self.alice)
        context.set_alpn_protocols(["spdy/3"])
        self.assertIn("no application protocol", asks_version(port, context).lower().replace("_", " "))

    def test_bytes_that_are_no_handshake_end_cleanly(self):
        member = self.single()
        port = member.client_port
        for i in range(200):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                first = random.choice([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", b"\x16\x03\x03\x40\x00\x01", b""])
                connection.sendall(first + random.randbytes(random.randrange(1, 400)))
                connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while connection.recv(4096):
                        pass  # an alert, then the end
        self.let_in(port, self.alice)
        # The other way round: TLS where clear text is spoken.
        with Cluster(1) as plain:
            answer = asks_version(plain[0].client_port, context_of(self.ca.ca, self.alice))
            self.assertIn("wrong version number", answer.lower().replace("_", " "))
            plain[0].client.KV.Put(key=b"a", value=b"1", timeout=5)

    def test_large_requests_and_answers(self):
        member = self.single()
        values = {f"k{i}".encode(): random.randbytes(1_000_000) for i in range(12)}
        for key, value in values.items():
            member.client.KV.Put(key=key, value=value, timeout=20)
        answer = member.client.KV.Range(key=b"k", range_end=b"l", timeout=20)
        self.assertEqual({kv.key: kv.value for kv in answer.kvs}, values)


class PeerTest(TlsTest):
    def setUp(self):
        super().setUp()
        self.peers = [self.ca.issue(f"peer{i}", "member") for i in range(3)]

    def peer_flags(self, i):
        return [f"--peer-cert-file={self.peers[i].cert}", f"--peer-key-file={self.peers[i].key}"]

    def three(self, *more):
        return self.new_cluster(3, [*self.client_flags(), f"--peer-trusted-ca-file={self.ca.ca}", "--peer-client-cert-auth",
                                    "--peer-cert-allowed-cn=member", f"--peer-crl-file={self.ca.crl}",
                                    "--heartbeat-interval=50", "--election-timeout=500", *more], self.peer_flags)

    def test_three_members_with_mutual_authentication(self):
        members = self.three("--snapshot-count=20", "--snapshot-catchup-entries=3")
        members.start()
        for member in members:
            done = self.command(KVCTL, member.client_url, "put", member.name, "1")
            self.assertEqual(done.returncode, 0, done.stderr)
        # A follower that misses much gets it as a snapshot, under TLS as well.
        follower = next(m for m in members if m is not members.leader())
        follower.kill()
        leader = members.leader()
        log = leader.data_dir / "member/log"
        begins = min(log.glob("*.seg"))
        for i in range(600):
            if begins != min(log.glob("*.seg")):
                break  # the log is cut
            leader.client.KV.Put(key=b"big%d" % i, value=random.randbytes(1_000_000), timeout=10)
        follower.start()
        follower.wait_ready()
        members.wait_equal()
        self.assertEqual(len(set(members.hashes())), 1)
        logs = "".join(m.log.read_text() for m in members)
        self.assertIn("sent a snapshot of", logs)

    def test_a_peer_with_a_wrong_certificate_waits_outside_until_it_is_replaced(self):
        wrong = {"name": self.ca.issue("stranger", "stranger"), "authority": Authority(self.folder, "other").issue("x", "member"),
                 "expired": self.ca.issue("old", "member", valid=PAST)}
        revoked = self.ca.issue("revoked", "member")
        self.ca.revoke(revoked)
        wrong["revoked"] = revoked
        said = {"name": "not allowed", "authority": "unable to get local issuer", "expired": "expired", "revoked": "revoked"}
        good = self.ca.issue("good", "member")
        copy(wrong["name"], self.peers[2])
        members = self.three()
        members[0].start()
        members[1].start()
        members[0].wait_ready()
        inside = members.leader_or_none
        wait_until(inside, 30, "two members are a quorum")
        first = members[0].log
        for i, kind in enumerate(wrong):
            copy(wrong[kind], self.peers[2])
            at = first.stat().st_size
            if i == 0:
                members[2].start()
            wait_until(lambda: said[kind] in first.read_text()[at:], 30, f"the peer is refused: {kind}")
            self.assertEqual(members[0].client.KV.Put(key=b"a", value=b"1", timeout=10).header.raft_term > 0, True)
        copy(good, self.peers[2])
        members[2].wait_ready()
        members.wait_equal()

    def test_a_server_that_is_not_the_host_of_the_url_is_not_believed(self):
        self.peers[2] = self.ca.issue("elsewhere", "member", hosts=("DNS:elsewhere.example",))
        members = self.three()
        for member in members:
            member.start()
        members[0].wait_ready()
        wait_until(lambda: "mismatch" in members[0].log.read_text(), 30, "the mismatch is told")
        wait_until(lambda: "connected to peer" in members[0].log.read_text(), 30, "the other one is believed")
        self.assertEqual(members[0].log.read_text().count("connected to peer"), 1)

    def test_members_with_certificates_of_their_own_making(self):
        members = self.new_cluster(3, [*self.client_flags(), "--peer-auto-tls", "--self-signed-cert-validity=2"])
        members.start()
        members[1].client.KV.Put(key=b"a", value=b"1", timeout=10)
        with socket.create_connection(("127.0.0.1", members[0].peer_port), timeout=10) as raw:
            context = ssl.create_default_context(cafile=str(members[0].data_dir / "fixtures/peer/cert.pem"))
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
                self.assertIsNotNone(connection.version())
        key = members[0].data_dir / "fixtures/peer/key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        # The same certificate after a restart.
        before = key.read_bytes()
        members[0].terminate()
        members[0].start()
        members[0].wait_ready()
        self.assertEqual(key.read_bytes(), before)


class BadFilesTest(TlsTest):
    def refused(self, *flags_and_words):
        flags = [f for f in flags_and_words if f.startswith("--")]
        words = [w for w in flags_and_words if not w.startswith("--")]
        port = free_port()
        done = run_command([SERVER, f"--data-dir={self.folder}/data", f"--listen-client-urls=https://127.0.0.1:{port}",
                            f"--advertise-client-urls=https://127.0.0.1:{port}",
                            *flags])
        lines = done.stderr.decode().splitlines()
        self.assertEqual((done.returncode, len(lines)), (1, 1), lines)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertFalse((self.folder / "data").exists())

    def test_the_member_does_not_start_and_says_why_in_one_line(self):
        cert, key, ca = self.server.cert, self.server.key, self.ca.ca
        garbage = self.folder / "garbage.pem"
        garbage.write_bytes(os.urandom(500))
        self.refused("neither --cert-file")
        self.refused(f"--cert-file={cert}", "KeyFile and CertFile must both be present")
        self.refused(f"--cert-file={cert}", f"--key-file={self.folder}/none", "none", "no such file")
        self.refused(f"--cert-file={garbage}", f"--key-file={key}", "certificate", str(garbage))
        self.refused(f"--cert-file={cert}", f"--key-file={garbage}", "key", str(garbage))
        self.refused(f"--cert-file={cert}", f"--key-file={self.alice.key}", "key values mismatch")
        self.refused(f"--cert-file={cert}", f"--key-file={self.folder}", "not a regular file")
        good = [f"--cert-file={cert}", f"--key-file={key}"]
        self.refused(*good, f"--trusted-ca-file={garbage}", "CA file", str(garbage))
        self.refused(*good, f"--trusted-ca-file={ca}", f"--client-crl-file={cert}", "revoked certificates")
        self.refused(*good, "--tls-min-version=TLS1.1", "unexpected TLS version")
        self.refused(*good, "--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2", "greater than max version")
        self.refused(*good, "--cipher-suites=TLS_NONSENSE", 'unexpected TLS cipher suite "TLS_NONSENSE"')
        self.refused(*good, "--self-signed-cert-validity=0", "at least 1 year")
        self.refused(*good, "--peer-auto-tls", "--peer-client-cert-auth",
                     f"--listen-peer-urls=https://127.0.0.1:{free_port()}", "cannot go with --peer-client-cert-auth")
        self.refused(*good, "--peer-cert-allowed-cn=a", "--peer-cert-allowed-hostname=b", "mutually exclusive")
        peer = f"https://127.0.0.1:{free_port()}"
        self.refused(*good, f"--peer-cert-file={garbage}", f"--peer-key-file={garbage}", f"--listen-peer-urls={peer}", str(garbage))


if __name__ == "__main__":
    cluster.main()
