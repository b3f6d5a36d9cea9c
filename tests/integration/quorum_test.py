"""Members that hang or are gone: with a quorum the rest serves on, without one nothing is promised, and nobody reads what is stale."""

import concurrent.futures
import unittest

import cluster
import wire
from cluster import Cluster, wait_until
import grpc

Code = grpc.StatusCode


class QuorumTest(unittest.TestCase):
    def put_until_done(self, member, key, value, seconds=10):
        """A write through a member that may have to learn first who leads now. Returns its revision."""
        def put():
            try:
                with member.new_client() as client:
                    return client.KV.Put(key=key, value=value, timeout=1).header.revision
            except grpc.RpcError as error:
                self.assertIn(error.code(), (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), error)
                return None
        return wait_until(put, seconds, f"{member.name} takes a write")

    def test_a_leader_that_hung_does_not_answer_from_its_past(self):
        with Cluster(3) as members:
            for turn in range(3):
                leader = members.leader()
                others = [m for m in members if m is not leader]
                before = str(turn).encode()
                members[0].client.KV.Put(key=b"k", value=before)
                leader.pause()
                # What is asked of it while it hangs is answered, if ever, when it is awake again.
                asked = leader.new_client()
                now = b"newer" + before
                with concurrent.futures.ThreadPoolExecutor(1) as pool:
                    self.put_until_done(others[0], b"k", now)
                    answer = pool.submit(lambda: asked.KV.Range(key=b"k", timeout=10))
                    leader.resume()
                    try:
                        self.assertEqual(answer.result().kvs[0].value, now, "a linearizable read was stale")
                    except grpc.RpcError as error:
                        self.assertIn(error.code(), (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), error)
                asked.close()
                leader.wait_ready()
                self.assertEqual(leader.client.KV.Range(key=b"k").kvs[0].value, now)
            members.wait_equal()
            self.assertEqual(len(set(members.hashes())), 1)

    def test_without_a_quorum_nothing_is_written_and_old_state_is_read(self):
        with Cluster(3) as members:
            members[0].client.KV.Put(key=b"k", value=b"before")
            members.wait_equal()
            for gone in (members[1], members[2]):
                gone.kill()
            alone = members[0]
            with self.assertRaises(grpc.RpcError) as caught:
                alone.client.KV.Put(key=b"k", value=b"alone", timeout=2)
            self.assertIn(caught.exception.code(), (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED))
            with self.assertRaises(grpc.RpcError) as caught:
                alone.client.KV.Range(key=b"k", timeout=2)
            self.assertIn(caught.exception.code(), (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED))
            stale = alone.client.KV.Range(key=b"k", serializable=True, timeout=2)
            self.assertEqual(stale.kvs[0].value, b"before")
            wait_until(lambda: alone.status().leader == 0, 10, "the member tells that it knows no leader")
            members[1].start()
            self.put_until_done(alone, b"after", b"v", seconds=20)
            members[2].start()
            members.wait_ready()
            # The write that failed may have been kept and committed later; nothing else may be there.
            self.assertIn(members[2].client.KV.Range(key=b"k").kvs[0].value, (b"before", b"alone"))
            members.wait_equal()
            self.assertEqual(len(set(members.hashes())), 1)

    def test_a_member_that_was_away_catches_up_while_writes_go_on(self):
        with Cluster(3) as members:
            away = members[2] if members.leader() is not members[2] else members[1]
            away.kill()
            keys = [f"k{i:05}".encode() for i in range(3000)]
            for i in range(0, len(keys), 100):
                members.leader().client.KV.Txn(success=[
                    wire.RequestOp(request_put=wire.PutRequest(key=k, value=k * 20)) for k in keys[i:i + 100]])
            away.start()
            away.wait_ready()
            self.assertEqual([p.key for p in away.client.KV.Range(key=b"k", range_end=b"l").kvs], keys)
            members.wait_equal()
            self.assertEqual(len(set(members.hashes())), 1)

    def test_members_end_well_when_asked(self):
        with Cluster(3) as members:
            members[0].client.KV.Put(key=b"k", value=b"v")
            leader = members.leader()
            watch = leader.new_client().Watch.Watch(iter([wire.WatchRequest(
                create_request=wire.WatchCreateRequest(key=b"k"))]))
            self.assertTrue(next(watch).created)
            status = leader.terminate(seconds=10)
            self.assertIn(status, (0, -15) if cluster.IS_ETCD else (0,))
            with self.assertRaises(grpc.RpcError):
                next(watch)
            leader.reconnect()
            leader.start()
            members.wait_ready()
            self.assertEqual(leader.client.KV.Range(key=b"k").kvs[0].value, b"v")


if __name__ == "__main__":
    cluster.main()
