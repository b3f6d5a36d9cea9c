"""Members come and go on a running cluster: nothing that was acknowledged is lost, a member that is removed ends, and what would cost
the quorum is refused, with etcd's words."""

import shutil
import threading
import unittest

import cluster
import wire
import grpc
from cluster import Cluster, ETCDCTL, IS_ETCD, IS_ETCDCTL, KVCTL, run_command, wait_until
from leader_kill_test import Writer

FLAGS = ("--heartbeat-interval=50", "--election-timeout=500")
GONE = "permanently removed from the cluster"


def words(call):
    """What a call is refused with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.details()
    return "ok"


def settled(call, seconds=15):
    """Repeats a change while it is refused because members have not been connected for long enough."""
    def attempt():
        try:
            return call() or True
        except grpc.RpcError as error:
            if error.details() != "etcdserver: unhealthy cluster":
                raise
            return None
    return wait_until(attempt, seconds, "the cluster is healthy enough for a change", interval=0.1)


def log_text(member):
    return member.log.read_text(errors="replace")


class MembershipTest(unittest.TestCase):
    def with_cluster(self, size, test, flags=()):
        members = Cluster(size, (*FLAGS, *flags))
        try:
            test(members)
        except BaseException:
            members.show_logs()
            members.close(keep=True)
            raise
        members.close()

    def remove(self, members, member, asked=None):
        """Removes a running member; returns its exit status."""
        asked = asked or next(m for m in members if m is not member and m.running())
        number = member.id()
        settled(lambda: asked.client.Cluster.MemberRemove(ID=number, timeout=10))
        status = members.forget_member(member)
        self.assertIn(GONE, log_text(member))
        return status

    def promote(self, members, member):
        number = member.id()
        asked = next(m for m in members if m is not member)
        def attempt():
            said = words(lambda: asked.client.Cluster.MemberPromote(ID=number, timeout=10))
            self.assertIn(said, ("ok", "etcdserver: can only promote a learner member which is in sync with leader"))
            return said == "ok"
        wait_until(attempt, 20, "the learner catches up and is promoted", interval=0.1)

    def wait_status(self, member):
        return wait_until(member.status_or_none, 20, f"{member.name} answers")

    # ------------------------------------------------------------------------------------------------------------------ growing

    @unittest.skipIf(IS_ETCD, "etcd may never answer a change that was on its way to a leader which goes")
    def test_three_members_become_five_and_three_others_under_load(self):
        def test(members):
            stop = threading.Event()
            writers = [Writer(i, [m.endpoint for m in members], stop) for i in range(4)]
            for writer in writers:
                writer.start()
            fourth = settled(lambda: members.add_member("m4", members[0], learner=True))
            self.wait_status(fourth)
            self.promote(members, fourth)
            fifth = settled(lambda: members.add_member("m5", members[1]))
            fifth.wait_ready()
            # Those that came in write too.
            more = [Writer(10 + i, [m.endpoint], stop) for i, m in enumerate((fourth, fifth))]
            for writer in more:
                writer.start()
            leader = members.leader()
            others = [m for m in members if m not in (leader, fourth, fifth)]
            self.assertEqual(self.remove(members, leader, asked=fifth), 0)
            self.assertEqual(self.remove(members, others[0], asked=others[1]), 0)
            for writer in (*writers, *more):
                wait_until(lambda w=writer: len(w.acknowledged) > 30 or w.failure, 20, "writers go on")
            stop.set()
            for writer in (*writers, *more):
                writer.join(10)
                self.assertIsNone(writer.failure)
            members.wait_ready()
            members.wait_equal()
            self.assertEqual(len(set(members.hashes())), 1, "the members' states differ")
            for member in members:
                answer = member.client.KV.Range(key=b"load/", range_end=b"load0", serializable=True, timeout=20)
                found = {kv.key: (kv.value, kv.mod_revision) for kv in answer.kvs}
                self.assertTrue(all(kv.version == 1 for kv in answer.kvs), "a write was made twice")
                for writer in (*writers, *more):
                    for key, written in writer.acknowledged.items():
                        self.assertEqual(found.get(key), written)
            listed = members[0].client.Cluster.MemberList(linearizable=True).members
            self.assertEqual({m.name for m in listed}, {m.name for m in members})
        self.with_cluster(3, test)

    def test_a_learner_comes_serves_what_it_may_and_goes(self):
        def test(members):
            members[0].client.KV.Put(key=b"a", value=b"1")
            learner = members.add_member("m2", members[0], learner=True, start=False)
            number = next(m.ID for m in members[0].client.Cluster.MemberList().members if m.isLearner)
            self.assertEqual(words(lambda: members[0].client.Cluster.MemberPromote(ID=number)),
                             "etcdserver: can only promote a learner member which is in sync with leader")
            self.assertEqual(words(lambda: members[0].client.Cluster.MemberAdd(peerURLs=["http://127.0.0.1:1"], isLearner=True)),
                             "etcdserver: too many learner members in cluster")
            learner.start()
            self.assertTrue(self.wait_status(learner).isLearner)
            def local():
                answer = learner.client.KV.Range(key=b"a", serializable=True)
                return [kv.value for kv in answer.kvs] == [b"1"]
            wait_until(local, 10, "the learner has what was written")
            for refused in (lambda: learner.client.KV.Range(key=b"a"), lambda: learner.client.KV.Put(key=b"a"),
                            lambda: learner.client.KV.Txn(), lambda: learner.client.Lease.LeaseGrant(TTL=10),
                            lambda: learner.client.Cluster.MemberList(), lambda: learner.client.Health.Check(),
                            lambda: next(learner.client.Watch.Watch(iter([wire.WatchRequest(
                                create_request=wire.WatchCreateRequest(key=b"a"))]), timeout=5))):
                self.assertEqual(words(refused), "etcdserver: rpc not supported for learner")
            if not IS_ETCD:  # Debian's serves it since 3.5 only
                self.assertGreater(len(list(learner.client.Maintenance.Snapshot(timeout=10))), 1)
            # It is not needed for a quorum.
            learner.kill()
            members[0].client.KV.Put(key=b"b", value=b"2", timeout=5)
            learner.start()
            self.wait_status(learner)
            self.assertEqual(self.remove(members, learner), 0)
        self.with_cluster(1, test)

    @unittest.skipIf(IS_ETCD, "ours")
    def test_learners_are_promoted_by_themselves_when_told(self):
        def test(members):
            learner = members.add_member("m2", members[0], learner=True)
            wait_until(lambda: (s := learner.status_or_none()) and not s.isLearner, 20, "the learner is promoted")
            learner.wait_ready()
        self.with_cluster(1, test, ["--promote-learners"])

    # ------------------------------------------------------------------------------------------------------------------ going

    def test_a_member_that_lost_its_disk_is_replaced(self):
        def test(members):
            members[0].client.KV.Put(key=b"a", value=b"1")
            lost = members[2]
            number = lost.id()
            lost.kill()
            shutil.rmtree(lost.data_dir)
            # It may not come back as if nothing had happened.
            lost.start()
            self.assertEqual(lost.process.wait(20), 1)
            self.assertIn("has already been bootstrapped", log_text(lost))
            members.leader()
            settled(lambda: members[0].client.Cluster.MemberRemove(ID=number, timeout=10))
            members.members.remove(lost)
            members.former.append(lost)
            fresh = settled(lambda: members.add_member("m3", members[1]))
            fresh.wait_ready()
            members.wait_equal()
            self.assertNotEqual(fresh.id(), number)
            self.assertEqual(fresh.client.KV.Range(key=b"a", serializable=True).kvs[0].value, b"1")
        self.with_cluster(3, test)

    def test_a_member_that_was_removed_while_it_was_away_ends_when_it_comes_back(self):
        def test(members):
            away = members[2]
            number = away.id()
            away.kill()
            members.leader()  # etcd never answers what was on its way to a leader that has gone
            settled(lambda: members[0].client.Cluster.MemberRemove(ID=number, timeout=10))
            self.assertEqual(words(lambda: members[0].client.Cluster.MemberRemove(ID=number)), "etcdserver: member not found")
            away.start()
            self.assertEqual(members.forget_member(away), 0)
            self.assertIn(GONE, log_text(away))
            members[0].client.KV.Put(key=b"a", value=b"1", timeout=5)
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "etcd starts and then ends")
    def test_a_removed_member_does_not_start_again(self):
        def test(members):
            gone = members[0]
            gone.joins = members.initial_cluster()
            self.assertEqual(self.remove(members, gone), 0)
            gone.start()
            self.assertEqual(gone.process.wait(10), 1)
            self.assertIn(GONE, log_text(gone).splitlines()[-1])
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "etcd may never answer a change that was on its way to a leader which goes")
    def test_a_member_finds_back_when_all_others_were_replaced(self):
        def test(members):
            away = members[2]
            old = [members[0], members[1]]
            for name in ("m4", "m5"):
                settled(lambda n=name: members.add_member(n, old[0])).wait_ready()
            members.wait_equal()
            away.kill()
            for member in old:
                self.remove(members, member, asked=members[-1])
            members[-1].client.KV.Put(key=b"b", value=b"2", timeout=10)
            away.start()  # it knows nobody that is left
            away.wait_ready()
            members.wait_equal()
            self.assertEqual(away.client.KV.Range(key=b"b", serializable=True).kvs[0].value, b"2")
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "etcd looks at nothing but its own flags")
    def test_a_member_moves_to_another_address(self):
        def test(members):
            moved = members[1]
            number = moved.id()
            port = cluster.free_port()
            url = f"http://127.0.0.1:{port}"
            members[0].client.Cluster.MemberUpdate(ID=number, peerURLs=[url])
            self.assertEqual([list(m.peerURLs) for m in members[2].client.Cluster.MemberList(linearizable=True).members
                              if m.ID == number], [[url]])
            moved.kill()
            moved.peer_port, moved.peer_url = port, url
            moved.start()
            moved.wait_ready()
            members[2].kill()  # now the moved one is needed
            members[0].wait_ready()
            members[0].client.KV.Put(key=b"a", value=b"1", timeout=10)
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "etcd drops what the one that is left does not know to be committed")
    def test_one_member_goes_on_alone(self):
        def test(members):
            for i in range(50):
                members[0].client.KV.Put(key=b"k%d" % i, value=b"v")
            members.wait_equal()
            for member in members:
                member.kill()
            alone = members[1]
            alone.own_flags = ["--force-new-cluster"]
            alone.start()
            alone.wait_ready()
            self.assertEqual([m.name for m in alone.client.Cluster.MemberList(linearizable=True).members], ["m2"])
            self.assertEqual(alone.client.KV.Range(key=b"k", range_end=b"l", count_only=True).count, 50)
            alone.client.KV.Put(key=b"after", value=b"1")
            # The others are members no more, and hear it.
            other = members[2]
            other.start()
            self.assertEqual(members.forget_member(other), 0)
            alone.kill()
            alone.own_flags = []
            alone.start()
            alone.wait_ready()
            self.assertEqual(alone.client.KV.Range(key=b"after").count, 1)
            members.former.append(members.members.pop(0))
            fresh = members.add_member("m6", alone)
            fresh.wait_ready()
        self.with_cluster(3, test)

    # ------------------------------------------------------------------------------------------------------------------ refusals

    def test_what_is_refused_and_how(self):
        def test(members):
            a = members[0].client.Cluster
            own = members[0].id()
            self.assertEqual(words(lambda: a.MemberRemove(ID=own)),
                             "etcdserver: re-configuration failed due to not enough started members")
            self.assertEqual(words(lambda: a.MemberRemove(ID=77)), "etcdserver: member not found")
            for urls in ([], ["x:1"], ["http://127.0.0.1"], ["http://127.0.0.1:1/p"], ["ftp://127.0.0.1:1"]):
                self.assertEqual(words(lambda: a.MemberAdd(peerURLs=urls)), "etcdserver: given member URLs are invalid")
            self.assertEqual(words(lambda: a.MemberAdd(peerURLs=[members[0].peer_url])), "etcdserver: Peer URLs already exists")
            self.assertEqual(words(lambda: a.MemberPromote(ID=77)), "etcdserver: member not found")
            self.assertEqual(words(lambda: a.MemberPromote(ID=own)), "etcdserver: can only promote a learner member")
            self.assertEqual(words(lambda: a.MemberUpdate(ID=77, peerURLs=["http://127.0.0.1:1"])), "etcdserver: member not found")
            self.assertEqual(words(lambda: a.MemberAdd(peerURLs=["http://127.0.0.1:1"])), "ok")
            # The cluster of two has no quorum without the one that was never started.
            self.assertIn(words(lambda: a.MemberAdd(peerURLs=["http://127.0.0.1:2"], timeout=20)),
                          ("etcdserver: re-configuration failed due to not enough started members"))
        self.with_cluster(1, test)

    def test_a_joining_member_that_was_not_added_says_so(self):
        def test(members):
            stranger = cluster.Member(members, "m9")
            stranger.joins = f"m1={members[0].peer_url},m9={stranger.peer_url}"
            stranger.start()
            members.former.append(stranger)
            self.assertEqual(stranger.process.wait(30), 1)
            self.assertIn("member count is unequal", log_text(stranger))
        self.with_cluster(1, test)

    def test_leadership_moves_where_it_is_told(self):
        def test(members):
            leader = members.leader()
            other = next(m for m in members if m is not leader)
            to = other.id()
            self.assertEqual(words(lambda: other.client.Maintenance.MoveLeader(targetID=to)), "etcdserver: not leader")
            self.assertEqual(words(lambda: leader.client.Maintenance.MoveLeader(targetID=77)), "etcdserver: bad leader transferee")
            leader.client.Maintenance.MoveLeader(targetID=to)
            self.assertIs(members.leader(), other)
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "etcd's log has other words")
    def test_a_leader_that_is_asked_to_end_hands_over(self):
        def test(members):
            for _ in range(3):
                leader = members.leader()
                self.assertEqual(leader.terminate(), 0)
                end = log_text(leader).rsplit("received signal", 1)[1]
                self.assertIn("leader is ", end)
                self.assertNotIn("(this member)", end)
                leader.start()
                members.wait_ready()
        self.with_cluster(3, test)

    @unittest.skipIf(IS_ETCD, "Debian's etcd has no Downgrade")
    def test_a_downgrade_is_judged_as_etcd_does(self):
        def test(members):
            def downgrade(action, version=""):
                return words(lambda: members[1].client.Maintenance.Downgrade(action=action, version=version))
            self.assertEqual(downgrade("VALIDATE", "x"), "etcdserver: wrong downgrade target version format")
            self.assertEqual(downgrade("VALIDATE", "3.5"), "etcdserver: invalid downgrade target version")
            self.assertEqual(members[0].client.Maintenance.Downgrade(action="VALIDATE", version="3.6").version, "3.7")
            self.assertEqual(downgrade("CANCEL"), "ok")
            self.assertEqual(downgrade("ENABLE", "3.6.0"), "ok")
            members.wait_equal()
            for member in members:
                self.assertEqual((member.status().downgradeInfo.enabled, member.status().downgradeInfo.targetVersion), (True, "3.6.0"))
            self.assertEqual(downgrade("ENABLE", "3.6"), "etcdserver: cluster has a downgrade job in progress")
            self.assertEqual(downgrade("VALIDATE", "3.6"), "etcdserver: cluster has a downgrade job in progress")
            self.assertEqual(downgrade("CANCEL"), "ok")
            members.wait_equal()
            self.assertFalse(members[2].status().downgradeInfo.enabled)
            request = wire.DowngradeRequest.FromString(b"\x08\x07")
            self.assertEqual(words(lambda: members[0].client.Maintenance.Downgrade(request)), "etcdserver: unknown method")
        self.with_cluster(3, test)

    def test_members_in_the_same_state_have_the_same_hash(self):
        def test(members):
            members[0].client.Lease.LeaseGrant(TTL=100, ID=5)
            members[0].client.KV.Put(key=b"a", value=b"1", lease=5)
            members.wait_equal()
            hashes = {m.client.Maintenance.Hash().hash for m in members}
            self.assertEqual(len(hashes), 1)
            members[0].client.KV.Put(key=b"a", value=b"2")
            members.wait_equal()
            self.assertNotIn(members[1].client.Maintenance.Hash().hash, hashes)
        self.with_cluster(3, test)

    # ------------------------------------------------------------------------------------------------------------------ etcdctl

    def test_etcdctl_adds_lists_updates_promotes_and_removes(self):
        self.check_command_line(ETCDCTL)

    @unittest.skipIf(IS_ETCDCTL, "that is the test before")
    def test_kvctl_adds_lists_updates_promotes_and_removes(self):
        self.check_command_line(KVCTL)

    def check_command_line(self, command):
        def test(members):
            def ctl(*arguments, status=0):
                done = run_command([command, f"--endpoints={members[0].endpoint}", *arguments])
                self.assertEqual(done.returncode, status, done.stderr)
                return done.stdout.decode()
            fresh = cluster.Member(members, "m2")
            text = ctl("member", "add", "m2", "--learner", f"--peer-urls={fresh.peer_url}")
            self.assertRegex(text, r"^Member +[0-9a-f]+ added (as learner )?to cluster +[0-9a-f]+\n\nETCD_NAME=\"m2\"\nETCD_INITIAL_CLUSTER=\"")
            variables = dict(line.split("=", 1) for line in text.splitlines() if line.startswith("ETCD_"))
            self.assertEqual(variables["ETCD_INITIAL_CLUSTER_STATE"], '"existing"')
            fresh.joins = variables["ETCD_INITIAL_CLUSTER"].strip('"')
            members.members.append(fresh)
            fresh.start()
            self.wait_status(fresh)
            number = f"{fresh.id():x}"
            def promoted():
                done = run_command([command, f"--endpoints={members[0].endpoint}", "member", "promote", number])
                return done.returncode == 0 and done.stdout.decode()
            self.assertRegex(wait_until(promoted, 20, "the learner is promoted"), rf"^Member +{number} promoted in cluster +[0-9a-f]+\n$")
            self.assertRegex(ctl("member", "update", number, f"--peer-urls={fresh.peer_url}"), rf"^Member +{number} updated in cluster")
            fresh.wait_ready()
            self.assertIn(f"{number}, started, m2, {fresh.peer_url}, {fresh.client_url}, false\n", ctl("member", "list"))
            leader = members.leader()
            other = next(m for m in members if m is not leader)
            moved = run_command([command, f"--endpoints={members.endpoints()}", "move-leader", f"{other.id():x}"])
            self.assertEqual(moved.stdout.decode(), f"Leadership transferred from {leader.id():x} to {other.id():x}\n")
            settled_text = wait_until(lambda: (d := run_command([command, f"--endpoints={members[0].endpoint}", "member", "remove", number]))
                                      .returncode == 0 and d.stdout.decode(), 15, "the member may be removed", interval=0.2)
            self.assertRegex(settled_text, rf"^Member +{number} removed from cluster +[0-9a-f]+\n$")
            self.assertEqual(members.forget_member(fresh), 0)
        self.with_cluster(1, test)


if __name__ == "__main__":
    cluster.main()
