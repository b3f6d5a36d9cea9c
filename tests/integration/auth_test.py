"""Authentication on real processes: every refusal, with etcd's words. The same conversation is held with three members of
ours, a different one each time, and with one real etcd where it is installed; both must answer the same."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import unittest

import cluster
import wire
import grpc  # after wire, which sets its environment
from cluster import Cluster, run_command, wait_until

ETCD = "/usr/bin/etcd"
FLAGS = ("--bcrypt-cost=4",)
FROM_KEY = b"\0"

INVALID_TOKEN = "UNAUTHENTICATED etcdserver: invalid auth token"
NOBODY = "INVALID_ARGUMENT etcdserver: user name is empty"
DENIED = "PERMISSION_DENIED etcdserver: permission denied"
FAILED = "INVALID_ARGUMENT etcdserver: authentication failed, invalid user ID or password"
OLD = "INVALID_ARGUMENT etcdserver: revision of auth store is old"


def outcome(call, /, **fields):
    """What a call came to, as text: its answer without header, or code and message."""
    try:
        answer = call(**fields)
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"
    if "header" in answer.DESCRIPTOR.fields_by_name:
        answer.ClearField("header")
    return str(answer)


class Speaker:
    """Somebody who talks to the members of a cluster in turn, with the tokens of the users he has become."""

    def __init__(self, members):
        self.members = members
        self.turn = 0
        self.tokens = {}

    def client(self):
        self.turn += 1
        return self.members[self.turn % len(self.members)].client

    def become(self, user, password):
        answer = outcome(self.client().Auth.Authenticate, name=user, password=password)
        if answer.startswith("token: "):
            self.tokens[user] = answer.split('"')[1]
            return "a token"
        return answer

    def metadata(self, user):
        return [("token", self.tokens.get(user, user))] if user else []

    def ask(self, user, method, /, **fields):
        service, name = method.split(".")
        return outcome(getattr(getattr(self.client(), service), name), metadata=self.metadata(user), **fields)

    def settle(self):
        """All members know what was changed: a linearizable read is made, and then refused."""
        for member in self.members:
            outcome(member.client.KV.Range, key=b"x")

    def watch(self, user, /, **fields):
        """The reason for which a watch is refused; "created" when it is not."""
        request = wire.WatchRequest(create_request=wire.WatchCreateRequest(**fields))
        held = threading.Event()

        def requests():
            yield request
            held.wait(10)

        call = self.client().Watch.Watch(requests(), metadata=self.metadata(user), timeout=10)
        try:
            answer = next(iter(call))
            assert answer.created
            return f"{answer.cancel_reason}" if answer.canceled else "created"
        finally:
            held.set()
            call.cancel()

    def keep_alive(self, user, lease):
        call = self.client().Lease.LeaseKeepAlive(iter([wire.LeaseKeepAliveRequest(ID=lease)]),
                                                  metadata=self.metadata(user), timeout=10)
        try:
            return f"TTL {next(iter(call)).TTL}"
        except grpc.RpcError as error:
            return f"{error.code().name} {error.details()}"


def permission(key, range_end=b"", kind=2):
    return wire.Permission(key=key, range_end=range_end, permType=kind)


def put(key, **fields):
    return wire.RequestOp(request_put=wire.PutRequest(key=key, value=b"v", **fields))


def get(key, **fields):
    return wire.RequestOp(request_range=wire.RangeRequest(key=key, **fields))


def delete(key, **fields):
    return wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=key, **fields))


def management(say):
    """How users and roles are made, and everything that is wrong about it."""
    yield say.ask("", "Auth.AuthEnable")
    yield say.become("root", "x")
    yield say.ask("", "Auth.UserAdd", name="", password="p")
    yield say.ask("", "Auth.UserAdd", name="root", password="rp")
    yield say.ask("", "Auth.UserAdd", name="root", password="rp")
    yield say.ask("", "Auth.AuthEnable")
    yield say.ask("", "Auth.UserGrantRole", user="root", role="root")
    yield say.ask("", "Auth.UserGrantRole", user="root", role="root")
    yield say.ask("", "Auth.UserGrantRole", user="root", role="nosuch")
    yield say.ask("", "Auth.UserGrantRole", user="nosuch", role="root")
    yield say.ask("", "Auth.UserRevokeRole", name="root", role="nosuch")
    yield say.ask("", "Auth.UserRevokeRole", name="nosuch", role="root")
    yield say.ask("", "Auth.UserGet", name="root")
    yield say.ask("", "Auth.UserGet", name="nosuch")
    yield say.ask("", "Auth.UserDelete", name="nosuch")
    yield say.ask("", "Auth.UserChangePassword", name="nosuch", password="p")
    yield say.ask("", "Auth.RoleAdd", name="")
    yield say.ask("", "Auth.RoleAdd", name="r")
    yield say.ask("", "Auth.RoleAdd", name="r")
    yield say.ask("", "Auth.RoleGet", role="nosuch")
    yield say.ask("", "Auth.RoleGet", role="root")
    yield say.ask("", "Auth.RoleDelete", role="nosuch")
    yield say.ask("", "Auth.RoleGrantPermission", name="nosuch", perm=permission(b"a"))
    yield say.ask("", "Auth.RoleGrantPermission", name="r", perm=permission(b"c", b"e"))
    yield say.ask("", "Auth.RoleGrantPermission", name="r", perm=permission(b"a", b"c", 0))
    yield say.ask("", "Auth.RoleGrantPermission", name="r", perm=permission(b"w", b"x", 1))
    yield say.ask("", "Auth.RoleGrantPermission", name="r", perm=permission(b"w", b"x", 0))
    yield say.ask("", "Auth.RoleGrantPermission", name="r", perm=permission(b"w", b"x", 1))
    yield say.ask("", "Auth.RoleGet", role="r")
    yield say.ask("", "Auth.RoleRevokePermission", role="r", key=b"nosuch")
    yield say.ask("", "Auth.RoleRevokePermission", role="nosuch", key=b"a")
    yield say.ask("", "Auth.UserAdd", name="u", password="up")
    yield say.ask("", "Auth.UserGrantRole", user="u", role="r")
    yield say.ask("", "Auth.UserAdd", name="lonely", password="")
    yield say.ask("", "Auth.UserAdd", name="cert", options=wire.UserAddOptions(no_password=True))
    yield say.ask("", "Auth.UserList")
    yield say.ask("", "Auth.RoleList")
    yield say.ask("", "Auth.AuthEnable")


def credentials(say):
    """None, wrong ones, right ones."""
    yield say.ask("", "KV.Range", key=b"a")
    yield say.ask("", "KV.Put", key=b"c", value=b"v")
    yield say.ask("", "KV.DeleteRange", key=b"c")
    yield say.ask("", "KV.Txn", success=[put(b"c")])
    yield say.ask("", "KV.Range", key=b"a", serializable=True)
    yield say.watch("", key=b"a")
    yield say.ask("no.1", "KV.Range", key=b"a")
    yield say.ask("notoken", "KV.Put", key=b"c", value=b"v")
    yield say.watch("no.1", key=b"a")
    yield say.become("u", "wrong")
    yield say.become("nosuch", "up")
    yield say.become("cert", "anything")
    yield say.become("u", "")
    for user, password in (("root", "rp"), ("u", "up"), ("lonely", "")):
        yield say.become(user, password)
    yield say.ask("", "Auth.UserList")
    yield say.ask("no.1", "Auth.UserAdd", name="x", password="x")


def keys(say):
    """Inside the grant, outside of it, and over its edge."""
    yield say.ask("u", "KV.Put", key=b"c", value=b"v")
    yield say.ask("u", "KV.Put", key=b"a", value=b"v")
    yield say.ask("u", "KV.Put", key=b"e", value=b"v")
    yield say.ask("lonely", "KV.Put", key=b"c", value=b"v")
    yield say.ask("root", "KV.Put", key=b"zzz", value=b"v")
    yield say.ask("u", "KV.Put", key=b"c", value=b"w", prev_kv=True)
    yield say.ask("u", "KV.Put", key=b"w", value=b"w")
    yield say.ask("u", "KV.Put", key=b"w", value=b"w", prev_kv=True)
    for serializable in (False, True):
        for key, end in ((b"c", b""), (b"a", b"e"), (b"b", b"d"), (b"a", b"e0"), (b"0", b"b"), (b"a", FROM_KEY),
                         (FROM_KEY, FROM_KEY), (b"w", b""), (b"w", b"x"), (b"zzz", b"")):
            yield say.ask("u", "KV.Range", key=key, range_end=end, keys_only=True, count_only=True,
                          serializable=serializable)
    yield say.ask("root", "KV.Range", key=FROM_KEY, range_end=FROM_KEY, count_only=True)
    yield say.ask("u", "KV.DeleteRange", key=b"a")
    yield say.ask("u", "KV.DeleteRange", key=b"c", range_end=b"f")
    yield say.ask("u", "KV.DeleteRange", key=b"w", prev_kv=True)
    yield say.ask("u", "KV.DeleteRange", key=b"w")
    yield say.ask("u", "KV.DeleteRange", key=b"c", range_end=b"e", prev_kv=True)
    for key, end in ((b"a", b""), (b"a", b"e"), (b"a", b"f"), (b"", b""), (b"w", b"")):
        yield say.watch("u", key=key, range_end=end)
    yield say.watch("root", key=b"", range_end=FROM_KEY)


def transactions(say):
    compare = wire.Compare
    yield say.ask("u", "KV.Txn", success=[put(b"c"), get(b"a"), delete(b"d")])
    yield say.ask("u", "KV.Txn", compare=[compare(key=b"a")], success=[get(b"c")], failure=[get(b"d")])
    yield say.ask("u", "KV.Txn", compare=[compare(key=b"zzz")], success=[get(b"c")])
    yield say.ask("u", "KV.Txn", compare=[compare(key=b"a", range_end=b"z")], success=[put(b"c")])
    yield say.ask("u", "KV.Txn", success=[put(b"c")], failure=[get(b"zzz")])
    yield say.ask("u", "KV.Txn", success=[get(b"c")], failure=[put(b"a")])
    yield say.ask("u", "KV.Txn", success=[put(b"c"), delete(b"b")])
    yield say.ask("u", "KV.Txn", success=[put(b"c"), delete(b"w", prev_kv=True)])
    yield say.ask("root", "KV.Txn", success=[put(b"zzz"), get(b"c")])


def recipes(say):
    """Locks and elections are made of keys, and whoever asks for one must be allowed those."""
    yield say.ask("root", "Lease.LeaseGrant", ID=77, TTL=600)
    for user in ("", "lonely", "u", "root"):
        for name in (b"c", b"w", b"zzz"):
            yield say.ask(user, "Lock.Lock", name=name, lease=77)
            yield say.ask(user, "Election.Leader", name=name)
            yield say.ask(user, "Election.Campaign", name=name, lease=77, value=b"v")
            yield say.ask(user, "Election.Leader", name=name)
            leader = wire.LeaderKey(name=name, key=name + b"/4d", lease=77, rev=1)
            yield say.ask(user, "Election.Proclaim", leader=leader, value=b"w")
            yield say.ask(user, "Election.Resign", leader=leader)
    for user in ("", "lonely", "u", "root"):
        for key in (b"c/4d", b"w/4d", b"zzz/4d"):
            yield say.ask(user, "Lock.Unlock", key=key)
    yield say.ask("root", "Lease.LeaseRevoke", ID=77)


def powers(say):
    """Who is not root and wants to be."""
    for user in ("u", "lonely"):
        yield say.ask(user, "Auth.AuthDisable")
        yield say.ask(user, "Auth.AuthEnable")
        yield say.ask(user, "Auth.UserAdd", name="x", password="x")
        yield say.ask(user, "Auth.UserDelete", name="root")
        yield say.ask(user, "Auth.UserChangePassword", name=user, password="x")
        yield say.ask(user, "Auth.UserGrantRole", user=user, role="root")
        yield say.ask(user, "Auth.UserRevokeRole", name="u", role="r")
        yield say.ask(user, "Auth.UserList")
        yield say.ask(user, "Auth.RoleAdd", name="x")
        yield say.ask(user, "Auth.RoleDelete", role="r")
        yield say.ask(user, "Auth.RoleList")
        yield say.ask(user, "Auth.RoleGrantPermission", name="r", perm=permission(b"zzz"))
        yield say.ask(user, "Auth.RoleRevokePermission", role="r", key=b"c", range_end=b"e")
        yield say.ask(user, "Auth.UserGet", name="u")
        yield say.ask(user, "Auth.UserGet", name="root")
        yield say.ask(user, "Auth.RoleGet", role="r")
    yield say.ask("root", "Auth.UserDelete", name="root")
    yield say.ask("root", "Auth.UserRevokeRole", name="root", role="root")
    yield say.ask("root", "Auth.RoleAdd", name="root")
    yield say.ask("root", "Auth.RoleDelete", role="root")
    yield say.ask("root", "Auth.UserGet", name="u")


def changes(say):
    """What is taken away is gone at once; what is given is there at once."""
    yield say.ask("root", "Auth.RoleRevokePermission", role="r", key=b"c", range_end=b"e")
    yield say.ask("u", "KV.Put", key=b"c", value=b"v")
    yield say.ask("u", "KV.Range", key=b"a", count_only=True)
    yield say.ask("root", "Auth.RoleGrantPermission", name="r", perm=permission(b"n"))
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.ask("u", "KV.Put", key=b"n0", value=b"v")
    yield say.ask("root", "Auth.UserRevokeRole", name="u", role="r")
    yield say.ask("u", "KV.Range", key=b"a")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.ask("root", "Auth.UserGrantRole", user="u", role="r")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.ask("root", "Auth.RoleDelete", role="r")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.ask("root", "Auth.UserGet", name="u")
    yield say.ask("root", "Auth.UserGrantRole", user="u", role="root")
    yield say.ask("u", "KV.Put", key=b"zzz", value=b"v")
    yield say.ask("root", "Auth.UserChangePassword", name="u", password="new")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.become("u", "up")
    yield say.become("u", "new")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.ask("root", "Auth.UserDelete", name="u")
    yield say.ask("u", "KV.Put", key=b"n", value=b"v")
    yield say.become("u", "new")
    yield say.ask("root", "Auth.AuthDisable")
    yield say.ask("", "KV.Put", key=b"n", value=b"v")
    yield say.become("root", "rp")
    yield say.ask("", "Auth.AuthEnable")
    yield say.ask("root", "KV.Put", key=b"n", value=b"v")
    yield say.become("root", "rp")
    yield say.ask("root", "KV.Put", key=b"n", value=b"v")
    yield say.ask("root", "Auth.AuthDisable")


KEYS = [bytes([letter]) for letter in b"abcdef"]
USERS = ("root", "p", "q", "s")
ROLES = ("k", "l", "root")


def draw_range(dice):
    key = dice.choice(KEYS)
    # An end before the key is no range; whether etcd lets it through is up to the shape of its tree.
    return key, dice.choice([b"", b"", FROM_KEY, *(end for end in KEYS if end > key)])


def draw_management(dice, who):
    user, role = dice.choice(USERS), dice.choice(ROLES)
    key = dice.choice(KEYS)
    # One end for each key, for etcd knows again only the first of several permissions that begin with the same key.
    end = dict(zip(KEYS, (b"", b"d", b"e", FROM_KEY, b"f", b"")))[key]
    return dice.choice([
        (who, "Auth.UserAdd", dict(name=user, password="x")), (who, "Auth.UserDelete", dict(name=user)),
        (who, "Auth.UserChangePassword", dict(name=user, password="x")), (who, "Auth.UserGet", dict(name=user)),
        (who, "Auth.UserGrantRole", dict(user=user, role=role)), (who, "Auth.UserRevokeRole", dict(name=user, role=role)),
        (who, "Auth.RoleAdd", dict(name=role)), (who, "Auth.RoleDelete", dict(role=role)),
        (who, "Auth.RoleGet", dict(role=dice.choice(("k", "l")))), (who, "Auth.RoleList", {}), (who, "Auth.UserList", {}),
        *[(who, "Auth.RoleGrantPermission", dict(name=role, perm=permission(key, end, dice.randrange(3))))] * 5,
        (who, "Auth.RoleRevokePermission", dict(role=role, key=key, range_end=end))])


def draw_use_of_keys(dice, who):
    # No serializable reads: a member may be behind, and then its answer is an old one, but a right one.
    key, end = draw_range(dice)
    other, other_end = draw_range(dice)
    ops = [get(key, range_end=end), put(other, prev_kv=dice.random() < 0.2), delete(key, range_end=end)]
    return dice.choice([
        (who, "KV.Range", dict(key=key, range_end=end, count_only=True)),
        (who, "KV.Put", dict(key=key, value=b"v", prev_kv=dice.random() < 0.3)),
        (who, "KV.DeleteRange", dict(key=key, range_end=end, prev_kv=dice.random() < 0.3)),
        (who, "KV.Txn", dict(compare=[wire.Compare(key=other, range_end=other_end)], success=dice.sample(ops, 2),
                             failure=dice.sample(ops, 1)))])


def chance(seed, steps):
    """A conversation that nobody has thought of."""
    def part(say):
        dice = random.Random(seed)
        for step in range(steps):
            who = dice.choice(("root", "root", *USERS, ""))
            what = dice.random()
            if what < 0.1 or step % 40 == 0:
                yield f"become {who or 'p'}", say.become(who or "p", "x")
            else:
                user, method, fields = (draw_management if what < 0.5 else draw_use_of_keys)(dice, who)
                yield f"{user} {method} {fields}", say.ask(user, method, **fields)
                # Who lost his token may still manage users at a member that has not heard of it, as in etcd.
                if method.startswith("Auth."):
                    say.settle()
    return part


CONVERSATION = (management, credentials, keys, transactions, recipes, powers, changes)


class SameAnswersTest(unittest.TestCase):
    @unittest.skipUnless(os.path.exists(ETCD), "etcd is not installed")
    def test_three_members_answer_what_etcd_answers(self):
        with Cluster(3, FLAGS) as ours, Cluster(1, FLAGS, server=ETCD) as theirs:
            here, there = Speaker(ours.members), Speaker(theirs.members)
            asked = refused = 0
            for part in CONVERSATION:
                for i, (mine, etcds) in enumerate(zip(part(here), part(there), strict=True)):
                    with self.subTest(part=part.__name__, sentence=i):
                        self.assertEqual(mine, etcds)
                    asked += 1
                    refused += "etcdserver: " in mine
            # A conversation in which nothing happens would be the same, too.
            self.assertGreater(asked, 170)
            self.assertGreater(refused, 80)


    @unittest.skipUnless(os.path.exists(ETCD), "etcd is not installed")
    def test_members_and_etcd_answer_the_same_whatever_is_asked(self):
        part = chance(random.getrandbits(32), 1500)
        with Cluster(3, FLAGS) as ours, Cluster(1, FLAGS, server=ETCD) as theirs:
            here, there = Speaker(ours.members), Speaker(theirs.members)
            for say in (here, there):
                say.ask("", "Auth.UserAdd", name="root", password="x")
                say.ask("", "Auth.UserGrantRole", user="root", role="root")
                say.ask("", "Auth.AuthEnable")
                say.become("root", "x")
            answers = {}
            for i, ((question, mine), (_, etcds)) in enumerate(zip(part(here), part(there), strict=True)):
                self.assertEqual(mine, etcds, f"sentence {i}: {question}")
                answers[mine] = answers.get(mine, 0) + 1
            self.assertGreater(answers.get(DENIED, 0), 20)
            self.assertGreater(answers.get("", 0), 20)


class RefusalTest(cluster.ClusterTest):
    """What etcd 3.4 does not refuse yet and 3.7 does, and what happens to tokens."""

    flags = (*FLAGS, "--auth-token-ttl=3")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.say = Speaker(cls.cluster.members)
        cls.must("", "Auth.UserAdd", name="root", password="rp")
        cls.must("", "Auth.UserGrantRole", user="root", role="root")
        cls.must("", "Auth.RoleAdd", name="r")
        cls.must("", "Auth.RoleGrantPermission", name="r", perm=permission(b"a", b"c"))
        cls.must("", "Auth.UserAdd", name="u", password="up")
        cls.must("", "Auth.UserGrantRole", user="u", role="r")
        cls.must("", "Auth.AuthEnable")

    @classmethod
    def must(cls, *words, **fields):
        answer = cls.say.ask(*words, **fields)
        assert "etcdserver" not in answer, answer
        return answer

    def setUp(self):
        for user, password in (("root", "rp"), ("u", "up")):
            self.assertEqual(self.say.become(user, password), "a token")

    def expect(self, answer, user, method, /, **fields):
        self.assertEqual(self.say.ask(user, method, **fields), answer, (user, method))

    def test_the_cluster_is_for_users_and_its_changes_for_root(self):
        for method in ("Maintenance.Status", "Cluster.MemberList"):
            self.expect(NOBODY, "", method)
            self.expect(INVALID_TOKEN, "no.1", method)
            self.assertNotIn("etcdserver: ", self.say.ask("u", method))
        self.expect(NOBODY, "", "Maintenance.Alarm")
        self.expect("", "u", "Maintenance.Alarm")
        self.expect(DENIED, "u", "Maintenance.Alarm", action=1, alarm=1)
        self.expect(DENIED, "u", "Maintenance.Alarm", action=2, alarm=1)
        self.expect("", "root", "Maintenance.Alarm", action=2, alarm=1)
        self.expect(DENIED, "u", "Maintenance.HashKV")
        self.expect(NOBODY, "", "Maintenance.HashKV")
        self.assertIn("hash", self.say.ask("root", "Maintenance.HashKV"))
        self.expect(DENIED, "u", "KV.Compact", revision=1)
        self.expect(NOBODY, "", "KV.Compact", revision=1)
        self.expect(NOBODY, "", "KV.Txn")

    def test_a_watch_without_an_end_needs_a_grant_without_an_end(self):
        # etcd let it through before 3.7.1 (GHSA-xg4h-6gfc-h4m8).
        denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        self.assertEqual(self.say.watch("u", key=b"a", range_end=FROM_KEY), denied)
        self.assertEqual(self.say.watch("u", key=b"", range_end=FROM_KEY), denied)
        self.assertEqual(self.say.watch("u", key=b"a", range_end=b"c"), "created")
        self.assertEqual(self.say.watch("root", key=b"a", range_end=FROM_KEY), "created")

    def test_the_role_root_shows_that_it_may_do_everything(self):
        self.must("root", "Auth.RoleAdd", name="root")
        self.assertIn("permType: READWRITE", self.say.ask("root", "Auth.RoleGet", role="root"))

    def test_while_auth_is_off_tokens_are_not_looked_at(self):
        self.must("root", "Auth.AuthDisable")
        self.addCleanup(self.must, "", "Auth.AuthEnable")
        for user in ("", "no.1", "root"):
            self.assertNotIn("etcdserver", self.say.ask(user, "KV.Put", key=b"n", value=b"v"))

    def test_a_snapshot_is_for_root(self):
        def first(user):
            stream = self.say.client().Maintenance.Snapshot(metadata=self.say.metadata(user))
            try:
                return len(next(iter(stream)).blob) > 0
            except grpc.RpcError as error:
                return f"{error.code().name} {error.details()}"
            finally:
                stream.cancel()
        self.assertEqual(first(""), NOBODY)
        self.assertEqual(first("u"), DENIED)
        self.assertIs(first("root"), True)

    def test_a_stream_of_a_range_is_for_who_may_read_it(self):
        def read(user, **fields):
            stream = self.say.client().KV.RangeStream(metadata=self.say.metadata(user), **fields)
            try:
                return sum(len(part.range_response.kvs) for part in stream)
            except grpc.RpcError as error:
                return f"{error.code().name} {error.details()}"
        self.must("root", "KV.Put", key=b"a1", value=b"v")
        self.assertEqual(read("u", key=b"a1"), 1)
        self.assertEqual(read("u", key=b"a", range_end=b"d"), DENIED)
        self.assertEqual(read("", key=b"a1"), NOBODY)

    def test_leases_are_for_users_and_for_who_may_write_their_keys(self):
        self.expect(NOBODY, "", "Lease.LeaseGrant", TTL=100)
        for lease in (11, 12):
            self.must("u", "Lease.LeaseGrant", TTL=100, ID=lease)
        self.must("root", "KV.Put", key=b"secret", value=b"v", lease=11)
        self.must("u", "KV.Put", key=b"a", value=b"v", lease=12)
        self.expect(DENIED, "u", "KV.Put", key=b"a2", value=b"v", lease=11)
        self.expect(DENIED, "u", "KV.Txn", success=[put(b"a2", lease=11)])
        self.expect(DENIED, "u", "Lease.LeaseTimeToLive", ID=11, keys=True)
        self.assertIn("grantedTTL: 100", self.say.ask("u", "Lease.LeaseTimeToLive", ID=11))
        self.expect(NOBODY, "", "Lease.LeaseTimeToLive", ID=11)
        self.assertIn('keys: "a"', self.say.ask("u", "Lease.LeaseTimeToLive", ID=12, keys=True))
        self.expect(DENIED, "u", "Lease.LeaseLeases")
        self.expect(NOBODY, "", "Lease.LeaseLeases")
        self.assertIn("ID: 11", self.say.ask("root", "Lease.LeaseLeases"))
        self.assertEqual(self.say.keep_alive("u", 11), DENIED)
        self.assertEqual(self.say.keep_alive("", 12), NOBODY)
        self.assertEqual(self.say.keep_alive("u", 12), "TTL 100")
        self.expect(DENIED, "u", "Lease.LeaseRevoke", ID=11)
        self.expect(NOBODY, "", "Lease.LeaseRevoke", ID=12)
        self.expect("", "u", "Lease.LeaseRevoke", ID=12)
        self.expect("", "root", "Lease.LeaseRevoke", ID=11)
        self.expect("", "root", "KV.Range", key=b"secret")

    def test_a_lease_expires_although_nobody_asks(self):
        self.must("root", "Lease.LeaseGrant", TTL=2, ID=21)
        self.must("root", "KV.Put", key=b"a", value=b"v", lease=21)
        wait_until(lambda: self.say.become("u", "up") and self.say.ask("u", "KV.Range", key=b"a") == "", 20,
                   "the key of an expired lease is gone")

    def test_a_token_that_is_not_used_expires(self):
        # To use a token is to renew it, so each of these is used once; and one of them all the time.
        member = self.cluster[0]
        tokens = [member.client.Auth.Authenticate(name="u", password="up").token for _ in range(60)]
        kept = tokens.pop()

        def answer(token):
            return outcome(member.client.KV.Range, key=b"a", metadata=[("token", token)])

        self.assertNotIn("etcdserver", answer(tokens.pop()))

        def next_is_expired():
            self.assertNotIn("etcdserver", answer(kept))
            return answer(tokens.pop()) == INVALID_TOKEN

        wait_until(next_is_expired, 10, "tokens that nobody uses expire", interval=0.2)
        self.assertEqual(outcome(member.client.KV.Put, key=b"a", metadata=[("token", tokens.pop())]), INVALID_TOKEN)
        self.assertNotIn("etcdserver", answer(kept))

    def test_a_token_of_one_member_is_good_on_all_at_once(self):
        for _ in range(10):
            for member in self.cluster:
                token = member.client.Auth.Authenticate(name="u", password="up").token
                for other in self.cluster:
                    answer = outcome(other.client.KV.Put, key=b"a", value=b"v", metadata=[("token", token)])
                    self.assertNotIn("etcdserver", answer, f"a token of {member.name} on {other.name}")

    def test_http_has_its_own_name_for_a_token(self):
        token = self.say.tokens["u"]
        for header in (token, "Bearer " + token):
            answer = outcome(self.say.client().KV.Range, key=b"a", metadata=[("authorization", header)])
            self.assertNotIn("etcdserver", answer)

    def test_anybody_may_ask_whether_auth_is_on(self):
        self.assertIn("enabled: true", self.say.ask("", "Auth.AuthStatus"))
        self.assertIn("enabled: true", self.say.ask("no.1", "Auth.AuthStatus"))

    def test_passwords_that_bcrypt_would_cut_short_are_refused(self):
        self.expect("UNKNOWN bcrypt: password length exceeds 72 bytes", "root", "Auth.UserAdd", name="long",
                    password="x" * 73)
        self.expect("INVALID_ARGUMENT bcrypt: password contains a zero byte", "root", "Auth.UserAdd", name="zero",
                    password="x\0y")
        self.assertNotIn("long", self.say.ask("root", "Auth.UserList"))

    def test_passwords_are_in_no_file(self):
        self.must("root", "Auth.UserAdd", name="careful", password="Rumpelstiltskin")
        self.must("root", "Auth.UserChangePassword", name="careful", password="Rapunzel-is-not")
        self.assertEqual(self.say.become("careful", "Rapunzel-is-not"), "a token")
        for file in self.cluster.folder.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                self.assertNotIn(b"Rumpelstiltskin", content, file)
                self.assertNotIn(b"Rapunzel-is-not", content, file)


class RestartTest(unittest.TestCase):
    def test_users_stay_and_tokens_go(self):
        with Cluster(3, FLAGS) as members:
            say = Speaker(members.members)
            for part in (management(say), credentials(say)):
                for _ in part:
                    pass
            self.assertNotIn("etcdserver", say.ask("u", "KV.Put", key=b"c", value=b"v"))
            for kill in (lambda m: m.kill(), lambda m: m.terminate()):
                for member in members:
                    kill(member)
                for member in members:
                    member.start()
                for member in members:
                    def refuses(member=member):
                        member.reconnect()
                        return outcome(member.client.KV.Range, key=b"c", timeout=2) == NOBODY
                    wait_until(refuses, 30, f"{member.name} serves again")
                for member in members:
                    answer = outcome(member.client.KV.Range, key=b"c", metadata=[("token", say.tokens["u"])])
                    self.assertEqual(answer, INVALID_TOKEN, member.name)
                self.assertEqual(say.become("u", "up"), "a token")
                self.assertIn('value: "v"', say.ask("u", "KV.Range", key=b"c"))
                self.assertEqual(say.ask("u", "KV.Range", key=b"zzz"), DENIED)


    def test_a_member_that_hashes_a_password_for_hours_stops_at_once(self):
        with Cluster(1, ("--bcrypt-cost=31",)) as members:
            hashing = members[0].client.Auth.UserAdd.call.future(wire.AuthUserAddRequest(name="u", password="p"), timeout=60)
            queued = [members[0].client.Auth.UserAdd.call.future(wire.AuthUserAddRequest(name=f"u{i}", password="p"),
                                                                 timeout=60) for i in range(20)]
            # It goes on serving meanwhile, on one core too: the hash is not made on the loop.
            self.assertNotIn("etcdserver", outcome(members[0].client.KV.Put, key=b"a", value=b"v"))

            def processor_is_used():
                ticks = pathlib.Path(f"/proc/{members[0].process.pid}/stat").read_text().rsplit(")", 1)[1].split()
                return int(ticks[11]) / os.sysconf("SC_CLK_TCK") > 0.5
            wait_until(processor_is_used, 20, "the member is hashing")
            self.assertEqual(members[0].terminate(), 0)
            for call in (hashing, *queued):
                self.assertNotEqual(call.code(), grpc.StatusCode.OK)


class JwtTest(unittest.TestCase):
    """Signed tokens; etcd and we believe each other's."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-jwt-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def pair(self, *arguments):
        private, public = self.folder / "private.pem", self.folder / "public.pem"
        for command in (["openssl", "genpkey", *arguments, "-out", private],
                        ["openssl", "pkey", "-in", private, "-pubout", "-out", public]):
            subprocess.run(command, check=True, capture_output=True)
        return private, public

    def flags(self, method, private, public, ttl="10m"):
        keys_ = (f",pub-key={public}" if public else "") + (f",priv-key={private}" if private else "")
        return (*FLAGS, f"--auth-token=jwt,sign-method={method}{keys_},ttl={ttl}")

    def enable(self, members):
        say = Speaker(members)
        for _ in management(say):
            pass
        self.assertEqual(say.become("root", "rp"), "a token")
        self.assertEqual(say.become("u", "up"), "a token")
        return say

    def check(self, say):
        self.assertNotIn("etcdserver", say.ask("u", "KV.Put", key=b"c", value=b"v"))
        self.assertEqual(say.ask("u", "KV.Put", key=b"e", value=b"v"), DENIED)
        self.assertEqual(say.ask(say.tokens["u"][:-3] + "AAA", "KV.Put", key=b"c", value=b"v"), INVALID_TOKEN)
        self.assertEqual(say.ask("", "KV.Put", key=b"c", value=b"v"), NOBODY)

    def test_rs256_and_es256_are_believed_by_all_and_after_a_restart(self):
        for method, arguments in (("RS256", ["-algorithm", "RSA"]),
                                  ("ES256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            with self.subTest(method), Cluster(3, self.flags(method, *self.pair(*arguments))) as members:
                say = self.enable(members)
                self.check(say)
                members[0].kill()
                members[0].start()
                wait_until(lambda: "etcdserver" not in outcome(members[0].new_client().KV.Range, key=b"c",
                                                               metadata=[("token", say.tokens["u"])], timeout=1)
                           and members[0].running(), 30, "the member that was away believes the token again")

    def test_a_token_is_as_of_the_revision_it_was_made_at(self):
        with Cluster(3, self.flags("RS256", *self.pair("-algorithm", "RSA"))) as members:
            say = self.enable(members.members)
            self.assertNotIn("etcdserver", say.ask("root", "Auth.RoleAdd", name="more"))
            self.assertEqual(say.ask("u", "KV.Put", key=b"c", value=b"v"), OLD)
            self.assertEqual(say.ask("u", "KV.Range", key=b"c"), OLD)
            self.assertEqual(say.watch("u", key=b"c"),
                             "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old")
            self.assertEqual(say.become("u", "up"), "a token")
            self.assertNotIn("etcdserver", say.ask("u", "KV.Put", key=b"c", value=b"v"))

    def test_a_token_expires(self):
        with Cluster(1, self.flags("RS256", *self.pair("-algorithm", "RSA"), ttl="2s")) as members:
            say = self.enable(members.members)
            wait_until(lambda: say.ask("u", "KV.Range", key=b"c") == INVALID_TOKEN, 10, "the token expires, though used")

    @unittest.skipUnless(os.path.exists(ETCD), "etcd is not installed")
    def test_etcd_and_we_believe_each_others_tokens(self):
        flags = self.flags("RS256", *self.pair("-algorithm", "RSA"))
        with Cluster(1, flags) as ours, Cluster(1, flags, server=ETCD) as theirs:
            here, there = self.enable(ours.members), self.enable(theirs.members)
            here.tokens, there.tokens = there.tokens, here.tokens
            self.check(here)
            self.check(there)

    def test_with_a_public_key_alone_nothing_is_signed(self):
        _, public = self.pair("-algorithm", "RSA")
        with Cluster(1, self.flags("RS256", None, public)) as members:
            say = Speaker(members.members)
            for _ in management(say):
                pass
            self.assertEqual(say.become("root", "rp"), "UNKNOWN auth: token signing attempted with verify-only key")

    def test_a_key_that_is_none_ends_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            for spec in ("jwt,sign-method=RS256", "jwt,sign-method=XX", "jwt,sign-method=RS256,pub-key=/absent", "token"):
                done = run_command([cluster.SERVER, "--data-dir", folder + "/data", "--auth-token", spec])
                self.assertEqual(done.returncode, 1, spec)
                self.assertFalse(os.path.exists(folder + "/data"), spec)


class CommandLineTest(unittest.TestCase):
    """Debian's etcdctl, and ours, and a cluster that wants to know who asks."""

    @unittest.skipUnless(os.path.exists(cluster.ETCDCTL), "etcdctl is not installed")
    def test_etcdctl_gets_in_with_a_password_and_not_without(self):
        self.converse(cluster.ETCDCTL)

    def test_kvctl_gets_in_with_a_password_and_not_without(self):
        self.converse(str(cluster.BIN / "kvctl"))

    def converse(self, program):
        with Cluster(3, FLAGS) as members:
            def ctl(*words, user=None, stdin=None):
                login = ["--user", user] if user else []
                done = run_command([program, "--endpoints", members.endpoints(), *login, *words], stdin=stdin)
                errors = [line for line in done.stderr.decode().splitlines() if line.startswith("Error: ")]
                return done.stdout.decode() + "".join(errors)
            root = "root:rp"
            self.assertEqual(ctl("user", "add", root), "User root created\n")
            self.assertEqual(ctl("auth", "enable"), "Authentication Enabled\n")
            self.assertEqual(ctl("put", "a", "1"), "Error: etcdserver: user name is empty")
            self.assertEqual(ctl("put", "a", "1", user="root:no"),
                             "Error: etcdserver: authentication failed, invalid user ID or password")
            self.assertEqual(ctl("put", "a", "1", user=root), "OK\n")
            self.assertEqual(ctl("role", "add", "r", user=root), "Role r created\n")
            self.assertEqual(ctl("role", "grant-permission", "r", "--prefix", "readwrite", "/app/", user=root),
                             "Role r updated\n")
            self.assertEqual(ctl("user", "add", "u", "--interactive=false", user=root, stdin=b"up\n"), "User u created\n")
            self.assertEqual(ctl("user", "grant-role", "u", "r", user=root), "Role r is granted to user u\n")
            self.assertEqual(ctl("put", "/app/x", "1", user="u:up"), "OK\n")
            self.assertEqual(ctl("get", "--prefix", "/app/", user="u:up"), "/app/x\n1\n")
            self.assertEqual(ctl("get", "--prefix", "/", user="u:up"), "Error: etcdserver: permission denied")
            self.assertEqual(ctl("lease", "grant", "100", user="u:up").split()[0], "lease")
            self.assertEqual(ctl("user", "get", "u", "--detail", user="u:up"),
                             "User: u\n\nRole r\nKV Read:\n\t[/app/, /app0) (prefix /app/)\nKV Write:\n"
                             "\t[/app/, /app0) (prefix /app/)\n")
            if program != cluster.ETCDCTL:  # 3.4 has no auth status
                self.assertRegex(ctl("auth", "status"), r"^Authentication Status: true\nAuthRevision: \d+\n$")
            self.assertEqual(ctl("auth", "disable", user="u:up"), "Error: etcdserver: permission denied")
            self.assertEqual(ctl("auth", "disable", user=root), "Authentication Disabled\n")
            self.assertEqual(ctl("get", "a"), "a\n1\n")


if __name__ == "__main__":
    cluster.main()
