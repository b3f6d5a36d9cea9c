"""The quota: what is refused when it is used up, what is not, and how a cluster gets out of it."""

import os
import unittest

import cluster
import wire
from cluster import ClusterTest, ETCDCTL, IS_ETCD, KVCTL, run_command, wait_until
import grpc

Code = grpc.StatusCode
QUOTA = 8 << 20
VALUE_BYTES = 256 << 10
GET, DEACTIVATE = 0, 2  # of AlarmRequest
NO_SPACE = "etcdserver: mvcc: database space exceeded"


class QuotaTest(ClusterTest):
    flags = (f"--quota-backend-bytes={QUOTA}",)

    def setUp(self):
        self.addCleanup(self.make_room)

    # ---- the words of these tests

    def refused(self, call, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            call(**fields)
        self.assertEqual((caught.exception.code(), caught.exception.details()), (Code.RESOURCE_EXHAUSTED, NO_SPACE))

    def fill(self, member):
        """Puts random values until one is refused. Returns how many were taken."""
        for i in range(4 * QUOTA // VALUE_BYTES):
            try:
                member.client.KV.Put(key=b"fill/%d" % i, value=os.urandom(VALUE_BYTES))
            except grpc.RpcError as error:
                self.assertEqual((error.code(), error.details()), (Code.RESOURCE_EXHAUSTED, NO_SPACE))
                return i
        raise AssertionError("nothing was refused")

    def refused_soon(self):
        """There is no room, though etcd sees what it has written only some time later."""
        self.assertLess(self.fill(self.cluster[0]), 8)

    def alarms(self, member):
        return sorted((a.memberID, a.alarm) for a in member.client.Maintenance.Alarm(action=GET).alarms)

    def disarm(self):
        client = self.cluster[0].client
        for member_id, alarm in self.alarms(self.cluster[0]):
            client.Maintenance.Alarm(action=DEACTIVATE, memberID=member_id, alarm=alarm)

    def delete_and_compact(self):
        client = self.cluster[0].client
        revision = client.KV.DeleteRange(key=b"fill/", range_end=wire.prefix_end(b"fill/")).header.revision
        try:
            client.KV.Compact(revision=revision, physical=True)
        except grpc.RpcError as error:  # nothing was deleted since the last one
            self.assertEqual(error.details(), "etcdserver: mvcc: required revision has been compacted")

    def make_room(self):
        self.delete_and_compact()
        for member in self.cluster:
            wait_until(lambda m=member: self.compacted_like_the_first(m), 10, "all members have compacted")
            member.client.Maintenance.Defragment(timeout=30)
        # A member that is behind may raise its alarm only now.
        self.cluster.wait_equal()
        self.disarm()
        self.cluster.wait_equal()

    def compacted_like_the_first(self, member):
        want = self.cluster[0].client.Maintenance.HashKV().compact_revision
        return member.client.Maintenance.HashKV().compact_revision == want

    # ---- the tests

    def test_a_full_store_refuses_what_adds_and_takes_what_makes_room(self):
        client = self.cluster[0].client
        lease = client.Lease.LeaseGrant(TTL=100).ID
        client.KV.Put(key=b"leased", value=b"1", lease=lease)
        taken = self.fill(self.cluster[0])
        self.assertGreater(taken * VALUE_BYTES, QUOTA // 2, "refused long before the quota")
        self.assertNotEqual(self.alarms(self.cluster[0]), [])
        for member in self.cluster:
            kv = member.client.KV
            self.refused(kv.Put, key=b"small", value=b"x")
            self.refused(member.client.Lease.LeaseGrant, TTL=100)
            self.refused(kv.Txn, success=[put_op(b"small")])
            self.refused(kv.Txn, success=[put_op(b"small")], failure=[get_op(b"fill/0")])
            self.assertEqual(kv.Range(key=b"fill/0").count, 1)
            self.assertEqual(kv.Txn(success=[get_op(b"fill/0")]).responses[0].response_range.count, 1)
            self.assertTrue(any("alarm:NOSPACE" in e for e in member.status().errors), member.status().errors)
        self.assertEqual(client.KV.Txn(success=[delete_op(b"fill/0")]).responses[0].response_delete_range.deleted, 1)
        self.assertEqual(client.KV.DeleteRange(key=b"fill/1").deleted, 1)
        client.Lease.LeaseRevoke(ID=lease)
        self.assertEqual(client.KV.Range(key=b"leased").count, 0)

    def test_after_delete_compact_defragment_and_disarm_it_goes_on(self):
        self.fill(self.cluster[0])
        full = self.cluster[0].status().dbSize
        self.make_room()
        for member in self.cluster:
            status = member.status()
            self.assertLess(status.dbSize, full // 2)
            self.assertLessEqual(status.dbSizeInUse, status.dbSize)
            self.assertEqual(self.alarms(member), [])
            self.assertEqual(list(status.errors), [])
            member.client.KV.Put(key=b"again", value=b"x")
        self.assertGreater(self.fill(self.cluster[1]) * VALUE_BYTES, QUOTA // 2, "and the room is whole again")

    def test_disarmed_without_room_the_next_write_raises_it_again(self):
        self.fill(self.cluster[0])
        self.disarm()
        self.assertEqual(self.alarms(self.cluster[0]), [])
        self.refused_soon()
        self.assertNotEqual(self.alarms(self.cluster[0]), [])

    def test_status_names_no_member_for_an_alarm_of_nobody_knows_whom(self):
        alarms = self.cluster[0].client.Maintenance
        alarms.Alarm(action="ACTIVATE", memberID=0, alarm="NOSPACE")
        self.assertEqual(list(self.cluster[0].status().errors), ["alarm:NOSPACE "])
        alarms.Alarm(action="DEACTIVATE", memberID=0, alarm="NOSPACE")
        self.assertEqual(list(self.cluster[0].status().errors), [])

    def test_the_command_line_shows_and_disarms_alarms(self):
        self.fill(self.cluster[0])
        for command in {ETCDCTL, KVCTL}:
            with self.subTest(command=command):
                def ctl(*words, command=command):
                    done = run_command([command, "--endpoints=" + self.cluster[0].endpoint, *words])
                    self.assertEqual(done.returncode, 0, done.stderr.decode())
                    return sorted(done.stdout.decode().splitlines())

                lines = sorted(f"memberID:{i} alarm:NOSPACE " for i, _ in self.alarms(self.cluster[0]))
                self.assertTrue(lines)
                self.assertEqual(ctl("alarm", "list"), lines)
                self.assertEqual(ctl("alarm", "disarm"), lines)
                self.assertEqual(ctl("alarm", "list"), [])
                self.assertRegex(ctl("defrag")[0], r"^Finished defragmenting etcd member\[.*\]")
            self.refused_soon()

    @unittest.skipIf(IS_ETCD, "etcd needs Defragment for it")
    def test_compacted_space_comes_back_without_defragment(self):
        self.fill(self.cluster[0])
        self.delete_and_compact()
        for member in self.cluster:
            wait_until(lambda m=member: m.status().dbSizeInUse < QUOTA // 4, 20, "the space came back")
        self.disarm()
        self.cluster[0].client.KV.Put(key=b"again", value=b"x")

    def test_an_alarm_is_there_after_a_restart(self):
        self.fill(self.cluster[0])
        before = self.alarms(self.cluster[0])
        for member in self.cluster:
            member.kill()
        self.cluster.start()
        self.assertLessEqual(set(before), set(self.alarms(self.cluster[1])))
        self.refused(self.cluster[1].client.KV.Put, key=b"small", value=b"x")


def put_op(key):
    return wire.RequestOp(request_put=wire.PutRequest(key=key, value=b"x"))


def get_op(key):
    return wire.RequestOp(request_range=wire.RangeRequest(key=key))


def delete_op(key):
    return wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=key))


if __name__ == "__main__":
    cluster.main()
