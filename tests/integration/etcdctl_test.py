"""Debian's etcdctl, unmodified, against every member: what it prints is what it prints with etcd."""

import base64
import json
import queue
import re
import subprocess
import threading
import time

import cluster
from cluster import ClusterTest, ETCDCTL, environment, run_command, wait_until


class Background:
    """A command that runs on, with the lines it has printed so far."""

    def __init__(self, arguments):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip("\n"))

    def take(self, count, seconds=10):
        taken = []
        deadline = time.monotonic() + seconds
        while len(taken) < count:
            try:
                taken.append(self.lines.get(timeout=max(0.001, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"expected {count} lines within {seconds} s, got {taken}") from None
        return taken

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class EtcdctlTest(ClusterTest):
    command = ETCDCTL

    def setUp(self):
        self.ok("del", "", "--from-key", member=0, output=None)

    def arguments(self, member, *words):
        return [self.command, "--endpoints=" + self.cluster[member].endpoint, *words]

    def ctl(self, *words, member=0, stdin=None, env=()):
        return run_command(self.arguments(member, *words), stdin=stdin, env=env)

    def ok(self, *words, member=0, output="", stdin=None):
        """Runs it; checks that it succeeds and prints exactly `output` (None: anything). Returns what it printed."""
        done = self.ctl(*words, member=member, stdin=stdin)
        told = done.stdout.decode()
        said = f"{self.cluster[member].name}: {words}: {done.stderr.decode()}"
        self.assertEqual(done.returncode, 0, said + told)
        if output is not None:
            self.assertEqual(told, output, said)
        return told

    def bad(self, *words, member=0, error, code=1, stdin=None):
        """Runs it; checks that it fails with exactly this error."""
        done = self.ctl(*words, member=member, stdin=stdin)
        told = [line for line in done.stderr.decode().splitlines() if line.startswith("Error: ")]
        said = f"{self.cluster[member].name}: {words}: {done.stderr.decode()}"
        self.assertEqual(told, ["Error: " + error], said)
        self.assertEqual(done.stdout.decode(), "", said)
        self.assertEqual(done.returncode, code, said)

    def json(self, *words, member=0):
        return json.loads(self.ok(*words, "-w", "json", member=member, output=None))

    def revision(self):
        return self.json("get", "x")["header"]["revision"]

    def background(self, *words, member=0):
        command = Background(self.arguments(member, *words))
        self.addCleanup(command.stop)
        return command

    def each_member(self):
        return range(len(self.cluster))

    # ---- keys

    def test_put_get_and_delete_from_any_member(self):
        for m in self.each_member():
            self.ok("put", "greeting", "hello", member=m, output="OK\n")
            for other in range(len(self.cluster)):
                self.ok("get", "greeting", member=other, output="greeting\nhello\n")
            self.ok("put", "greeting", "again", "--prev-kv", member=m, output="OK\ngreeting\nhello\n")
            self.ok("del", "greeting", "--prev-kv", member=m, output="1\ngreeting\nagain\n")
            self.ok("del", "greeting", member=m, output="0\n")
            self.ok("get", "greeting", member=m, output="")

    def test_put_reads_its_value_from_stdin(self):
        self.ok("put", "poem", stdin=b"two\nlines\n", output="OK\n")
        self.ok("get", "poem", "--print-value-only", output="two\nlines\n\n")

    def test_empty_value_and_bytes_that_are_not_text(self):
        self.ok("put", "empty", "", output="OK\n")
        self.ok("get", "empty", output="empty\n\n")
        self.ok("put", "bytes", stdin=b"\x00\xff\r\n\x80", output="OK\n")
        self.assertEqual(base64.b64decode(self.json("get", "bytes")["kvs"][0]["value"]), b"\x00\xff\r\n\x80")
        self.ok("get", "bytes", "--hex", output=r"\x62\x79\x74\x65\x73" + "\n" + r"\x00\xff\x0d\x0a\x80" + "\n")

    def test_put_keeps_value_or_lease_when_told(self):
        lease = self.ok("lease", "grant", "100", output=None).split()[1]
        self.ok("put", "k", "v", "--lease=" + lease, output="OK\n")
        self.ok("put", "k", "w", "--ignore-lease", output="OK\n")
        self.ok("put", "k", "--ignore-value", "--lease=" + lease, output="OK\n")
        pair = self.json("get", "k")["kvs"][0]
        self.assertEqual((pair["lease"], base64.b64decode(pair["value"]), pair["version"]), (int(lease, 16), b"w", 3))
        self.ok("lease", "revoke", lease, output=f"lease {lease} revoked\n")
        self.ok("get", "k", output="")
        self.bad("put", "absent", "--ignore-value", error="etcdserver: key not found")
        self.bad("put", "k", "v", "--lease=123", error="etcdserver: requested lease not found")

    def test_ranges_orders_and_limits(self):
        for key, value in [("a", "3"), ("b", "1"), ("ba", "2"), ("bb", "4"), ("c", "0")]:
            self.ok("put", key, value, output="OK\n")
        for m in self.each_member():
            self.ok("get", "b", "--prefix", "--keys-only", member=m, output="b\n\nba\n\nbb\n\n")
            self.ok("get", "b", "c", "--print-value-only", member=m, output="1\n2\n4\n")
            self.ok("get", "ba", "--from-key", member=m, output="ba\n2\nbb\n4\nc\n0\n")
            self.ok("get", "", "--prefix", "--limit=2", member=m, output="a\n3\nb\n1\n")
            self.ok("get", "", "--from-key", "--order=DESCEND", "--limit=2", member=m, output="c\n0\nbb\n4\n")
            self.ok("get", "", "--prefix", "--sort-by=VALUE", "--print-value-only", member=m, output="0\n1\n2\n3\n4\n")
            self.ok("get", "", "--prefix", "--sort-by=MODIFY", "--order=DESCEND", "--limit=1", member=m, output="c\n0\n")
            self.ok("get", "b", "--prefix", "--consistency=s", "--limit=1", member=m, output=None)
            counted = self.ok("get", "b", "--prefix", "--limit=1", "-w", "fields", member=m, output=None)
            self.assertIn('"Count" : 3\n', counted)
            self.assertIn('"More" : true\n', counted)
        self.ok("del", "b", "--prefix", "--prev-kv", output="3\nb\n1\nba\n2\nbb\n4\n")
        self.ok("del", "a", "z", output="2\n")

    def test_json_and_fields_tell_revisions_versions_and_counts(self):
        first = self.json("put", "k", "v1")["header"]["revision"]
        second = self.json("put", "k", "v2")["header"]["revision"]
        self.assertEqual(second, first + 1)
        for m in self.each_member():
            got = self.json("get", "k", member=m)
            self.assertEqual(got["header"].keys(), {"cluster_id", "member_id", "revision", "raft_term"})
            self.assertEqual(got["header"]["member_id"], self.cluster[m].id())
            self.assertEqual(got["header"]["revision"], second)
            self.assertEqual(got["kvs"], [{"key": "aw==", "create_revision": first, "mod_revision": second, "version": 2,
                                          "value": "djI="}])
            self.assertEqual(got["count"], 1)
        fields = self.ok("get", "k", "-w", "fields", output=None).splitlines()
        self.assertEqual(fields[4:], ['"Key" : "k"', f'"CreateRevision" : {first}', f'"ModRevision" : {second}', '"Version" : 2',
                                      '"Value" : "v2"', '"Lease" : 0', '"More" : false', '"Count" : 1'])

    def test_old_revisions_are_read_until_compacted(self):
        first = self.json("put", "k", "old")["header"]["revision"]
        self.ok("put", "k", "new", output="OK\n")
        self.ok("del", "k", output="1\n")
        last = self.ok("put", "k", "newest", output="OK\n") and self.revision()
        for m in self.each_member():
            self.ok("get", "k", f"--rev={first}", member=m, output="k\nold\n")
            self.ok("get", "k", f"--rev={first + 1}", member=m, output="k\nnew\n")
            self.ok("get", "k", f"--rev={first + 2}", member=m, output="")
            self.bad("get", "k", f"--rev={last + 1}", member=m,
                     error="etcdserver: mvcc: required revision is a future revision")
        self.bad("compaction", str(last + 1), error="etcdserver: mvcc: required revision is a future revision")
        self.ok("compaction", str(first + 1), member=1, output=f"compacted revision {first + 1}\n")
        self.bad("compaction", str(first + 1), error="etcdserver: mvcc: required revision has been compacted")
        for m in self.each_member():
            self.bad("get", "k", f"--rev={first}", member=m, error="etcdserver: mvcc: required revision has been compacted")
            self.ok("get", "k", f"--rev={first + 1}", member=m, output="k\nnew\n")
        self.ok("compaction", str(last), "--physical", output=f"compacted revision {last}\n")
        self.ok("get", "k", output="k\nnewest\n")

    # ---- transactions

    def test_transactions_take_one_branch_or_the_other(self):
        self.ok("put", "k", "v", output="OK\n")
        for m in self.each_member():
            self.ok("txn", member=m, stdin=b'value("k") = "v"\n\nput k w\nget k\nput l 1\n\nget nothing\n\n',
                    output="SUCCESS\n\nOK\n\nk\nw\n\nOK\n")
            self.ok("txn", member=m, stdin=b'value("k") = "v"\nversion("l") > "0"\n\nput k x\n\nput k v\ndel l\nget l\n\n',
                    output="FAILURE\n\nOK\n\n1\n\n")
        create = int(self.json("get", "k")["kvs"][0]["create_revision"])
        self.ok("txn", stdin=f'create("k") = "{create}"\nmod("k") > "{create}"\nver("k") != "1"\n\nget k\n\n\n'.encode(),
                output="SUCCESS\n\nk\nv\n")

    def test_transaction_that_creates_only_once(self):
        for m in self.each_member():
            key = f"once{m}"
            create = f'mod("{key}") = "0"\n\nput {key} first\n\nget {key}\n\n'.encode()
            self.ok("txn", member=m, stdin=create, output="SUCCESS\n\nOK\n")
            self.ok("txn", member=m, stdin=create, output=f"FAILURE\n\n{key}\nfirst\n")

    def test_transaction_may_put_a_key_once(self):
        before = self.revision()
        self.bad("txn", stdin=b"\nput k 1\nput k 2\n\n\n", error="etcdserver: duplicate key given in txn request")
        self.assertEqual(self.revision(), before)

    # ---- watch

    def test_watch_from_a_past_revision_tells_all_that_happened(self):
        first = self.json("put", "w/a", "1")["header"]["revision"]
        self.ok("put", "w/a", "2", output="OK\n")
        self.ok("put", "other", "x", output="OK\n")
        self.ok("put", "w/b", "3", output="OK\n")
        self.ok("del", "w/a", output="1\n")
        for m in self.each_member():
            watch = self.background("watch", "w/", "--prefix", "--prev-kv", f"--rev={first}", member=m)
            self.assertEqual(watch.take(11), ["PUT", "w/a", "1", "PUT", "w/a", "1", "w/a", "2", "PUT", "w/b", "3"])
            self.assertEqual(watch.take(5), ["DELETE", "w/a", "2", "w/a", ""])
            self.ok("put", f"w/live{m}", "4", member=(m + 1) % len(self.cluster), output="OK\n")
            for _ in range(m):  # what earlier members' turns left behind
                watch.take(3)
            self.assertEqual(watch.take(3), ["PUT", f"w/live{m}", "4"])
            plain = self.background("watch", "w/a", f"--rev={first + 1}", member=m)
            self.assertEqual(plain.take(6), ["PUT", "w/a", "2", "DELETE", "w/a", ""])

    def test_watch_from_now_tells_what_comes(self):
        for m in self.each_member():
            watch = self.background("watch", f"now{m}", member=m)

            def put_and_look(m=m, watch=watch):
                self.ok("put", f"now{m}", "v", output="OK\n")
                return not watch.lines.empty()
            wait_until(put_and_look, 10, "the watch tells a put")
            self.assertEqual(watch.take(3), ["PUT", f"now{m}", "v"])

    def test_one_watch_command_may_watch_many_keys(self):
        first = self.json("put", "i/1", "a")["header"]["revision"]
        self.ok("put", "i/2", "b", output="OK\n")
        watch = self.background("watch", "-i", member=2)
        watch.send(f"watch --rev={first} i/1")
        self.assertEqual(watch.take(3), ["PUT", "i/1", "a"])
        watch.send(f"watch --rev={first} i/2")
        self.assertEqual(watch.take(3), ["PUT", "i/2", "b"])

    def test_watch_of_compacted_history_is_refused(self):
        first = self.json("put", "k", "1")["header"]["revision"]
        last = self.json("put", "k", "2")["header"]["revision"]
        self.ok("compaction", str(last), output=f"compacted revision {last}\n")
        for m in self.each_member():
            done = self.ctl("watch", "k", f"--rev={first}", member=m)
            self.assertIn("watch was canceled (etcdserver: mvcc: required revision has been compacted)",
                          done.stderr.decode() + done.stdout.decode())
            self.assertNotEqual(done.returncode, 0)

    # ---- leases

    def test_lease_holds_keys_until_revoked(self):
        for m in self.each_member():
            lease = re.fullmatch(r"lease ([0-9a-f]{16}) granted with TTL\(100s\)\n",
                                 self.ok("lease", "grant", "100", member=m, output=None))[1]
            self.ok("put", "leased/1", "a", "--lease=" + lease, member=m, output="OK\n")
            self.ok("put", "leased/2", "b", "--lease=" + lease, member=m, output="OK\n")
            other = (m + 1) % len(self.cluster)
            told = self.ok("lease", "timetolive", lease, "--keys", member=other, output=None)
            parts = re.fullmatch(rf"lease {lease} granted with TTL\(100s\), remaining\((\d+)s\), attached keys\(\[(.*)\]\)\n", told)
            self.assertTrue(parts, told)
            self.assertIn(int(parts[1]), range(90, 101))
            self.assertEqual(sorted(parts[2].split()), ["leased/1", "leased/2"])
            self.ok("lease", "keep-alive", "--once", lease, member=other, output=f"lease {lease} keepalived with TTL(100)\n")
            self.assertIn(lease, self.ok("lease", "list", member=m, output=None).splitlines())
            before = self.revision()
            self.ok("lease", "revoke", lease, member=other, output=f"lease {lease} revoked\n")
            self.assertEqual(self.revision(), before + 1, "all keys of a lease go in one revision")
            self.ok("get", "leased/", "--prefix", member=m, output="")
            self.ok("lease", "timetolive", lease, member=m, output=f"lease {lease} already expired\n")
            self.bad("lease", "revoke", lease, member=m,
                     error="failed to revoke lease (etcdserver: requested lease not found)")
            self.assertNotIn(lease, self.ok("lease", "list", member=m, output=None).splitlines())

    def test_lease_expires_with_its_keys_and_not_before(self):
        asked = time.monotonic()  # what is promised is counted from when the client asked
        lease = self.ok("lease", "grant", "2", output=None).split()[1]
        self.ok("put", "short", "lived", "--lease=" + lease, output="OK\n")
        watch = self.background("watch", "short", f"--rev={self.revision()}", member=1)
        self.assertEqual(watch.take(3), ["PUT", "short", "lived"])
        self.assertEqual(watch.take(3, seconds=20), ["DELETE", "short", ""])
        self.assertGreaterEqual(time.monotonic() - asked, 2)
        self.ok("get", "short", output="")

    def test_lease_lives_as_long_as_it_is_kept_alive(self):
        lease = self.ok("lease", "grant", "2", output=None).split()[1]
        self.ok("put", "kept", "alive", "--lease=" + lease, output="OK\n")
        keep = self.background("lease", "keep-alive", lease, member=2)
        granted = time.monotonic()
        while time.monotonic() < granted + 5:  # more than twice its time
            self.assertEqual(keep.take(1), [f"lease {lease} keepalived with TTL(2)"])
        self.ok("get", "kept", output="kept\nalive\n")
        self.ok("lease", "revoke", lease, output=f"lease {lease} revoked\n")
        while keep.lines.qsize() or "expired or revoked" not in keep.take(1)[0]:
            pass

    # ---- lock and election, which the client makes of leases, transactions and watches

    def test_lock_runs_a_command_and_is_free_again(self):
        for m in self.each_member():
            told = self.ok("lock", "mutex", "--", "sh", "-c", "echo $ETCD_LOCK_KEY", member=m, output=None)
            self.assertRegex(told, r"^mutex/[0-9a-f]+\n$")
        self.ok("get", "mutex", "--prefix", output="")

    def test_lock_is_held_by_one_at_a_time(self):
        holder = self.background("lock", "mutex", member=0)
        key = holder.take(1)[0]
        waiter = self.background("lock", "mutex", member=1)
        wait_until(lambda: self.json("get", "mutex/", "--prefix").get("count") == 2, 10, "the second waits")
        self.assertTrue(waiter.lines.empty())
        self.ok("del", key, member=2, output="1\n")
        self.assertRegex(waiter.take(1)[0], r"^mutex/[0-9a-f]+$")

    def test_election_tells_its_leader(self):
        campaign = self.background("elect", "boss", "me", member=0)
        key, value = campaign.take(2)
        self.assertEqual(value, "me")
        listener = self.background("elect", "-l", "boss", member=2)
        self.assertEqual(listener.take(2), [key, "me"])

    # ---- the cluster

    def test_endpoints_are_healthy(self):
        everywhere = "--endpoints=" + self.cluster.endpoints()
        told = self.ok("endpoint", "health", everywhere, output=None).splitlines()
        stderr = run_command([self.command, everywhere, "endpoint", "health"])
        lines = sorted((stderr.stdout + stderr.stderr).decode().splitlines())
        self.assertEqual(len(lines), len(self.cluster), told)
        for line, endpoint in zip(lines, sorted(m.endpoint for m in self.cluster)):
            self.assertRegex(line, rf"^{re.escape(endpoint)} is healthy: successfully committed proposal: took = [0-9.µm]+s$")

    def test_endpoints_may_be_urls(self):
        # etcdctl then sends the whole URL as the authority of its requests.
        for m in self.cluster:
            for command in (["put", "k", "v"], ["get", "k"], ["endpoint", "status"], ["endpoint", "health"], ["endpoint", "hashkv"],
                            ["member", "list"]):
                done = run_command([self.command, "--endpoints=" + m.client_url, *command])
                self.assertEqual(done.returncode, 0, f"{command}: {done.stderr.decode()}")

    def test_an_endpoint_nobody_serves_is_unhealthy(self):
        nobody = f"127.0.0.1:{cluster.free_port()}"
        done = run_command([self.command, "--endpoints=" + nobody, "endpoint", "health"])
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{nobody} is unhealthy: failed to commit proposal: context deadline exceeded",
                      (done.stdout + done.stderr).decode())

    def test_endpoint_status_agrees_with_itself(self):
        for m in self.each_member():
            statuses = self.json("endpoint", "status", "--cluster", member=m)
            self.assertEqual({s["Endpoint"] for s in statuses}, {x.client_url for x in self.cluster})
            self.assertEqual(len({s["Status"]["leader"] for s in statuses}), 1)
            self.assertEqual(len({s["Status"]["raftTerm"] for s in statuses}), 1)
            self.assertEqual({s["Status"]["header"]["member_id"] for s in statuses}, {x.id() for x in self.cluster})
            for status in statuses:
                self.assertRegex(status["Status"]["version"], r"^3\.[0-9]+\.[0-9]+")
                self.assertGreater(status["Status"]["dbSize"], 0)
                self.assertGreaterEqual(status["Status"]["raftIndex"], status["Status"]["raftAppliedIndex"])
        table = self.ok("endpoint", "status", "--cluster", "-w", "table", output=None)
        self.assertEqual(len(re.findall(r"\|\s+true \|", table)), 1, table)
        rows = self.ok("endpoint", "status", "--cluster", output=None).splitlines()
        self.assertEqual([row.split(", ")[1] for row in rows], [f"{s['Status']['header']['member_id']:x}" for s in statuses])

    def test_every_member_answers_the_same_hash(self):
        for i in range(20):
            self.ok("put", f"h{i}", str(i), member=i % len(self.cluster), output="OK\n")
        self.cluster.wait_equal()
        hashes = self.json("endpoint", "hashkv", "--cluster")
        self.assertEqual(len(hashes), len(self.cluster))
        self.assertEqual(len({h["HashKV"]["hash"] for h in hashes}), 1)

    def test_member_list_names_all_members(self):
        members = sorted(self.cluster, key=lambda m: m.id())
        expected = "".join(f"{m.id():x}, started, {m.name}, {m.peer_url}, {m.client_url}, false\n" for m in members)
        for m in self.each_member():
            self.ok("member", "list", member=m, output=expected)
            listed = self.json("member", "list", member=m)["members"]
            self.assertEqual(listed, [{"ID": x.id(), "name": x.name, "peerURLs": [x.peer_url], "clientURLs": [x.client_url]}
                                      for x in members])
        table = self.ok("member", "list", "-w", "table", output=None)
        for x in members:
            self.assertRegex(table, rf"\| +{x.id():x} \| started \| +{x.name} \| {x.peer_url} \| {x.client_url} \| +false \|")

    # ---- refusals

    def test_refusals_are_told_in_etcds_words(self):
        for m in self.each_member():
            self.bad("put", "", "v", member=m, error="etcdserver: key is not provided")
            self.bad("put", "k", member=m, stdin=b"x" * (3 << 19), error="etcdserver: request is too large")


if __name__ == "__main__":
    cluster.main()
