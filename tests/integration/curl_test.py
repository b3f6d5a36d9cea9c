"""curl on every path of the JSON gateway, against three members: each does what its RPC does."""

import base64
import hashlib
import json
import re
import subprocess

import cluster
from cluster import ClusterTest, environment, run_command, wait_until


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


# As the server's table of routes has them: a path that is added there is to be asked here.
ROUTES = cluster.wire.ROOT / "server/json_gateway.cc"


class CurlTest(ClusterTest):
    flags = ("--bcrypt-cost=4",)
    asked = set()

    def ask(self, path, body=None, member=0, status=200, token=None):
        """The answer, or the lines of a stream, of which only the first is read when it has no end."""
        type(self).asked.add(path)
        headers = ["-H", f"Authorization: {token}"] if token else []
        done = run_command(["curl", "-sS", "-w", "\n%{http_code}", *headers, "-d", json.dumps(body or {}),
                            f"{self.cluster[member].client_url}/v3/{path}"])
        self.assertEqual(done.returncode, 0, done.stderr)
        text, code = done.stdout.decode().rsplit("\n", 1)
        if status is not None:
            self.assertEqual(int(code), status, (path, text))
        return json.loads(text) if "\n" not in text.strip() else [json.loads(line)["result"] for line in text.splitlines()]

    def stream(self, path, body, member=0):
        """Yields the results of an answer without an end."""
        type(self).asked.add(path)
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "curl", "-sSN", "-d", json.dumps(body),
                                    f"{self.cluster[member].client_url}/v3/{path}"], stdout=subprocess.PIPE, env=environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return (json.loads(line)["result"] for line in process.stdout)

    def test_keys(self):
        put = self.ask("kv/put", {"key": b64("a"), "value": b64("1")})
        first = int(put["header"]["revision"])
        for member in range(3):
            self.assertEqual(self.ask("kv/range", {"key": b64("a")}, member)["kvs"][0]["value"], b64("1"))
        txn = self.ask("kv/txn", {"compare": [{"key": b64("a"), "target": "VALUE", "value": b64("1")}],
                                  "success": [{"request_put": {"key": b64("a"), "value": b64("2")}}]}, member=1)
        self.assertTrue(txn["succeeded"])
        watch = self.stream("watch", {"create_request": {"key": b64("a"), "start_revision": str(first)}}, member=2)
        values = [e["kv"]["value"] for answer in (next(watch), next(watch)) for e in answer.get("events", [])]
        self.assertEqual(values, [b64("1"), b64("2")])
        self.assertEqual(self.ask("kv/deleterange", {"key": b64("a")})["deleted"], "1")
        self.ask("kv/compaction", {"revision": str(first + 1)})
        self.assertIn("compacted", self.ask("kv/range", {"key": b64("a"), "revision": str(first)}, status=400)["error"])
        self.assertEqual(self.ask("kv/put", {"key": ""}, status=400)["code"], 3)

    def test_leases_by_both_names(self):
        for prefix in ("", "kv/"):
            lease = self.ask("lease/grant", {"TTL": "100"})["ID"]
            self.ask("kv/put", {"key": b64("leased"), "lease": lease})
            wait_until(lambda lease=lease: lease in [one["ID"] for one in self.ask("lease/leases", member=1).get("leases", [])], 10,
                       "the other member knows the lease")
            self.assertIn("leases", self.ask("kv/lease/leases"))
            self.assertEqual(self.ask("lease/keepalive", {"ID": lease}, member=2)["result"]["TTL"], "100")
            for path in ("lease/timetolive", "kv/lease/timetolive"):
                self.assertEqual(self.ask(path, {"ID": lease, "keys": True})["keys"], [b64("leased")])
            self.ask(prefix + "lease/revoke", {"ID": lease})
            self.assertEqual(self.ask(prefix + "lease/revoke", {"ID": lease}, status=404)["code"], 5)

    def test_members(self):
        members = self.ask("cluster/member/list")["members"]
        self.assertEqual(len(members), 3)
        # Members that have just met are no healthy cluster yet.
        wait_until(lambda: self.ask("cluster/member/add", {"peerURLs": ["http://127.0.0.1:1"], "isLearner": True}, status=None)
                   .get("member"), 20, "a learner is added")
        added = next(m["ID"] for m in self.ask("cluster/member/list", {"linearizable": True})["members"] if m.get("isLearner"))
        self.ask("cluster/member/update", {"ID": added, "peerURLs": ["http://127.0.0.1:2"]})
        wait_until(lambda: "in sync with leader" in self.ask("cluster/member/promote", {"ID": added}, status=None)["error"], 10,
                   "the learner is known, and not ready")
        self.assertEqual(len(self.ask("cluster/member/remove", {"ID": added})["members"]), 3)

    def test_maintenance(self):
        leader = self.cluster.leader()
        at = self.cluster.members.index(leader)
        status = self.ask("maintenance/status")
        self.assertRegex(status["version"], r"^3\.")
        self.assertEqual(int(status["leader"]), leader.id())
        self.ask("maintenance/defragment")
        self.assertIn("hash", self.ask("maintenance/hash"))
        self.cluster.wait_equal()
        self.assertEqual(len({self.ask("maintenance/hashkv", member=m)["hash"] for m in range(3)}), 1)
        raised = {"action": "ACTIVATE", "memberID": str(leader.id()), "alarm": "NOSPACE"}
        self.ask("maintenance/alarm", raised)
        self.assertEqual(self.ask("maintenance/alarm", {"action": "GET"})["alarms"][0]["alarm"], "NOSPACE")
        self.ask("maintenance/alarm", {**raised, "action": "DEACTIVATE"})
        pieces = self.ask("maintenance/snapshot")
        whole = b"".join(base64.b64decode(p.get("blob", "")) for p in (pieces if isinstance(pieces, list) else [pieces["result"]]))
        self.assertEqual(hashlib.sha256(whole[:-32]).digest(), whole[-32:])
        major, minor = status["version"].split(".")[:2]
        self.assertEqual(self.ask("maintenance/downgrade", {"action": "VALIDATE", "version": f"{major}.{int(minor) - 1}"})["version"],
                         f"{major}.{minor}")
        follower = next(m for m in self.cluster if m is not leader)
        self.ask("maintenance/transfer-leadership", {"targetID": str(follower.id())}, member=at)
        wait_until(lambda: self.cluster.leader_or_none() is follower, 10, "the other one leads")

    def test_locks_and_elections(self):
        lease = self.ask("lease/grant", {"TTL": "60"})["ID"]
        key = self.ask("lock/lock", {"name": b64("mutex"), "lease": lease})["key"]
        self.assertTrue(base64.b64decode(key).startswith(b"mutex/"))
        self.ask("lock/unlock", {"key": key}, member=1)
        self.assertIn("no leader", self.ask("election/leader", {"name": b64("boss")}, status=500)["error"])
        leader = self.ask("election/campaign", {"name": b64("boss"), "lease": lease, "value": b64("me")})["leader"]
        seen = self.stream("election/observe", {"name": b64("boss")}, member=2)
        self.assertEqual(next(seen)["kv"]["value"], b64("me"))
        self.ask("election/proclaim", {"leader": leader, "value": b64("still me")})
        self.assertEqual(next(seen)["kv"]["value"], b64("still me"))
        self.assertEqual(self.ask("election/leader", {"name": b64("boss")})["kv"]["value"], b64("still me"))
        self.ask("election/resign", {"leader": leader})
        self.ask("lease/revoke", {"ID": lease})

    def test_users_and_roles(self):
        self.ask("auth/role/add", {"name": "root"})
        self.ask("auth/role/add", {"name": "reader"})
        self.ask("auth/role/grant", {"name": "reader", "perm": {"permType": "READ", "key": b64("r")}})
        self.assertEqual(self.ask("auth/role/get", {"role": "reader"})["perm"][0]["key"], b64("r"))
        for user, role in (("root", "root"), ("alice", "reader")):
            self.ask("auth/user/add", {"name": user, "password": "p"})
            self.ask("auth/user/grant", {"user": user, "role": role})
        self.ask("auth/enable")
        token = {}
        try:
            for user in ("root", "alice"):
                token[user] = self.ask("auth/authenticate", {"name": user, "password": "p"})["token"]
            self.assertTrue(self.ask("auth/status", token=token["root"])["enabled"])
            self.ask("kv/range", {"key": b64("r")}, token=token["alice"])
            self.assertIn("permission denied", self.ask("kv/put", {"key": b64("r")}, token=token["alice"], status=403)["error"])
            self.assertIn("user name is empty", self.ask("kv/range", {"key": b64("r")}, status=400)["error"])
            self.assertEqual(sorted(self.ask("auth/user/list", token=token["root"])["users"]), ["alice", "root"])
            self.assertEqual(sorted(self.ask("auth/role/list", token=token["root"])["roles"]), ["reader", "root"])
            self.assertEqual(self.ask("auth/user/get", {"name": "alice"}, token=token["root"])["roles"], ["reader"])
        finally:
            self.ask("auth/disable", token=token["root"])
        self.ask("auth/user/changepw", {"name": "alice", "password": "q"})
        self.ask("auth/user/revoke", {"name": "alice", "role": "reader"})
        self.ask("auth/role/revoke", {"role": "reader", "key": b64("r")})
        self.ask("auth/user/delete", {"name": "alice"})
        self.ask("auth/role/delete", {"role": "reader"})

    def test_zz_every_path_was_asked(self):
        if len(self.asked) < 30:
            self.skipTest("only some of the tests were run")
        routes = set(re.findall(r'^    \{"([a-z/-]+)", "/', ROUTES.read_text(encoding="utf-8"), re.MULTILINE))
        self.assertGreater(len(routes), 45)
        self.assertEqual(routes - self.asked, set())


if __name__ == "__main__":
    cluster.main()
