"""python3-etcd3, unmodified, against every member."""

import hashlib
import io
import queue
import threading
import time

import cluster
from cluster import ClusterTest, wait_until
import etcd3
import grpc


class PythonClientTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clients = [etcd3.client(host="127.0.0.1", port=m.client_port, timeout=10) for m in cls.cluster]

    @classmethod
    def tearDownClass(cls):
        # The library's watch thread may be about to begin anew when its connection is closed, and says so.
        threading.excepthook = lambda arguments: None
        for client in cls.clients:
            client.close()
        super().tearDownClass()

    def setUp(self):
        self.cluster[0].client.KV.DeleteRange(key=b"\0", range_end=b"\0")

    def watching(self, client, key, *, prefix=False, **options):
        """A queue of the events of a watch."""
        events = queue.Queue()
        add = client.add_watch_prefix_callback if prefix else client.add_watch_callback
        watch = add(key, lambda answer: [events.put(e) for e in getattr(answer, "events", [answer])], **options)
        self.addCleanup(client.cancel_watch, watch)
        return events

    @staticmethod
    def take(events, count, seconds=10):
        return [events.get(timeout=seconds) for _ in range(count)]

    def test_put_get_and_delete_from_each_member(self):
        for number, client in enumerate(self.clients):
            key = f"k{number}"
            self.assertEqual(client.get(key), (None, None))
            client.put(key, b"v\x00\xff")
            for other in self.clients:
                value, meta = other.get(key)
                self.assertEqual((value, meta.key, meta.version), (b"v\x00\xff", key.encode(), 1))
            self.assertTrue(client.put_if_not_exists("new" + key, "1"))
            self.assertFalse(client.put_if_not_exists("new" + key, "2"))
            self.assertTrue(client.replace(key, b"v\x00\xff", "w"))
            self.assertFalse(client.replace(key, "v", "x"))
            self.assertTrue(client.delete(key))
            self.assertFalse(client.delete(key))
            self.assertEqual(client.get(key), (None, None))

    def test_prefixes_ranges_and_orders(self):
        client = self.clients[0]
        for i in range(20):
            client.put(f"doot/{i:02}", str(20 - i))
        client.put("doou", "outside")
        for client in self.clients:
            self.assertEqual([m.key for _, m in client.get_prefix("doot/")], [f"doot/{i:02}".encode() for i in range(20)])
            self.assertEqual([v for v, _ in client.get_prefix("doot/", sort_order="descend")][:2], [b"1", b"2"])
            self.assertEqual([v for v, _ in client.get_prefix("doot/", sort_order="ascend", sort_target="value")][:3], [b"1", b"10", b"11"])
            self.assertEqual([v for v, _ in client.get_prefix("doot/", keys_only=True)], [b""] * 20)
            self.assertEqual(len(list(client.get_range("doot/05", "doot/10"))), 5)
            self.assertEqual(len(list(client.get_all())), 21)
        self.assertEqual(self.clients[1].delete_prefix("doot/").deleted, 20)
        self.assertEqual([v for v, _ in self.clients[2].get_all()], [b"outside"])

    def test_transactions(self):
        for number, client in enumerate(self.clients):
            key = f"t{number}"
            client.put(key, "dootdoot")
            done, answers = client.transaction(
                compare=[client.transactions.value(key) == "dootdoot", client.transactions.version(key) > 0,
                         client.transactions.create("absent" + key) == 0],
                success=[client.transactions.put(key, "success"), client.transactions.get(key),
                         client.transactions.delete("absent")],
                failure=[client.transactions.put(key, "failure")])
            self.assertTrue(done)
            self.assertEqual(answers[1][0][0], b"success")
            done, _ = client.transaction(compare=[client.transactions.mod(key) == 1],
                                         success=[client.transactions.put(key, "success")],
                                         failure=[client.transactions.put(key, "failure")])
            self.assertFalse(done)
            self.assertEqual(client.get(key)[0], b"failure")
            nested = client.transactions.txn(compare=[client.transactions.value(key) == "failure"],
                                             success=[client.transactions.put(key + "n", "nested")], failure=[])
            self.assertTrue(client.transaction(compare=[], success=[nested], failure=[])[0])
            self.assertEqual(client.get(key + "n")[0], b"nested")

    def test_counters_count_every_client_once(self):
        self.clients[0].put("counter", "0")

        def count(client):
            for _ in range(20):
                while True:
                    value, _ = client.get("counter")
                    if client.replace("counter", value, str(int(value) + 1)):
                        break
        threads = [threading.Thread(target=count, args=[client]) for client in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        value, meta = self.clients[1].get("counter")
        self.assertEqual((value, meta.version), (b"60", 61))

    def test_watch_of_a_prefix_tells_what_others_do(self):
        for number, client in enumerate(self.clients):
            events = self.watching(client, f"w{number}/", prefix=True, prev_kv=True)
            other = self.clients[(number + 1) % len(self.clients)]
            other.put(f"w{number}/a", "1")
            other.put(f"w{number}/a", "2")
            other.put("elsewhere", "x")
            other.delete(f"w{number}/a")
            put, again, deleted = self.take(events, 3)
            self.assertIsInstance(put, etcd3.events.PutEvent)
            self.assertEqual((put.key, put.value, put.prev_value), (f"w{number}/a".encode(), b"1", b""))
            self.assertEqual((again.value, again.prev_value), (b"2", b"1"))
            self.assertIsInstance(deleted, etcd3.events.DeleteEvent)
            self.assertEqual((deleted.key, deleted.value, deleted.prev_value), (f"w{number}/a".encode(), b"", b"2"))
            self.assertTrue(events.empty())

    def test_watch_from_a_past_revision(self):
        writer = self.clients[0]
        start = writer.put("past/0", "0").header.revision
        for i in range(1, 50):
            writer.put(f"past/{i}", str(i))
        for client in self.clients:
            events = self.watching(client, "past/", prefix=True, start_revision=start)
            self.assertEqual([e.value for e in self.take(events, 50)], [str(i).encode() for i in range(50)])
        start = writer.put("past/0", "again").header.revision
        events = self.watching(self.clients[2], "past/0", start_revision=start)
        self.assertEqual(self.take(events, 1)[0].value, b"again")

    def test_watch_of_compacted_history_raises(self):
        client = self.clients[1]
        first = client.put("k", "1").header.revision
        last = client.put("k", "2").header.revision
        client.compact(last)
        answers = self.watching(client, "k", start_revision=first)
        error = self.take(answers, 1)[0]
        self.assertIsInstance(error, etcd3.exceptions.RevisionCompactedError)
        self.assertEqual(error.compacted_revision, last)
        with self.assertRaises(grpc.RpcError) as caught:
            client.compact(last)
        self.assertEqual(caught.exception.details(), "etcdserver: mvcc: required revision has been compacted")

    def test_leases_expire_with_their_keys(self):
        leases = []
        for number, client in enumerate(self.clients):
            lease = client.lease(2)
            leases.append(lease)
            client.put(f"leased/{number}", "v", lease=lease)
            self.assertEqual(lease.granted_ttl, 2)
            self.assertIn(lease.remaining_ttl, (0, 1, 2))
            self.assertEqual(lease.keys, [f"leased/{number}".encode()])
        granted = time.monotonic()
        wait_until(lambda: not list(self.clients[0].get_prefix("leased/")), 20, "the leases expire")
        self.assertGreater(time.monotonic() - granted, 1)
        for lease in leases:
            self.assertEqual(lease.remaining_ttl, -1)

    def test_leases_live_while_refreshed_and_die_when_revoked(self):
        lease = self.clients[0].lease(2)
        self.clients[1].put("kept", "v", lease=lease.id)
        began = time.monotonic()
        while time.monotonic() < began + 4.5:
            answers = self.clients[2].refresh_lease(lease.id)
            self.assertEqual([a.TTL for a in answers], [2])
            threading.Event().wait(0.5)  # the pace of a client that keeps a lease
        self.assertEqual(self.clients[1].get("kept")[0], b"v")
        self.clients[1].revoke_lease(lease.id)
        self.assertEqual(self.clients[0].get("kept"), (None, None))

    def test_locks_are_taken_and_given_back(self):
        for number, client in enumerate(self.clients):  # a lock that waits does not work in the library of Debian 12
            lock = client.lock("mutex", ttl=20)
            self.assertTrue(lock.acquire(timeout=5))
            self.assertTrue(lock.is_acquired())
            other = self.clients[(number + 1) % len(self.clients)]
            self.assertFalse(other.put_if_not_exists(lock.key, b"mine"))
            self.assertTrue(lock.release())
            self.assertFalse(lock.is_acquired())

    def test_members_and_status(self):
        for client, member in zip(self.clients, self.cluster):
            listed = list(client.members)
            self.assertEqual({m.name for m in listed}, {m.name for m in self.cluster})
            self.assertEqual({m.client_urls[0] for m in listed}, {m.client_url for m in self.cluster})
            status = client.status()
            self.assertIn(status.leader.name, {m.name for m in self.cluster})
            self.assertEqual(status.leader.id, self.cluster.leader().id())
            self.assertGreater(status.db_size, 0)
            self.assertRegex(status.version, r"^3\.")


    def test_alarms_are_raised_listed_and_disarmed(self):
        client, member = self.clients[0], self.cluster[1].id()
        self.assertEqual([a.member_id for a in client.create_alarm(member_id=member)], [member])
        wait_until(lambda: all([a.member_id for a in c.list_alarms()] == [member] for c in self.clients), 10, "all list the alarm")
        with self.assertRaises(grpc.RpcError) as caught:
            client.put("full", "1")
        self.assertEqual(caught.exception.details(), "etcdserver: mvcc: database space exceeded")
        self.assertEqual([a.member_id for a in client.disarm_alarm(member_id=member)], [member])
        wait_until(lambda: not any(list(c.list_alarms()) for c in self.clients), 10, "none lists it any more")
        client.put("full", "1")

    def test_maintenance(self):
        self.clients[0].put("kept", "1")
        self.cluster.wait_equal()
        self.assertEqual(len({client.hash() for client in self.clients}), 1)
        for client in self.clients:
            client.defragment()
            saved = io.BytesIO()
            client.snapshot(saved)
            whole = saved.getvalue()
            self.assertEqual(hashlib.sha256(whole[:-32]).digest(), whole[-32:])

    def test_one_change_is_awaited(self):
        client = self.clients[2]
        told = queue.Queue()
        waiter = threading.Thread(target=lambda: told.put(client.watch_prefix_once("once/", timeout=10)))
        waiter.start()

        def put_and_look():
            self.clients[0].put("once/a", "v")
            return not told.empty()
        wait_until(put_and_look, 10, "the change is told")
        waiter.join(10)
        self.assertEqual(told.get().key, b"once/a")
        with self.assertRaises(etcd3.exceptions.WatchTimedOut):
            client.watch_once("never", timeout=1)


if __name__ == "__main__":
    cluster.main()
