"""The wire itself, by grpcio: codes and messages to the letter, streams, deadlines, metadata, compression, limits."""

import http.client
import json
import queue
import random
import threading
import time
import unittest

import cluster
import wire
from cluster import ClusterTest, IS_ETCD, wait_until
import grpc

Code = grpc.StatusCode


class Stream:
    """A bidirectional stream with sends and receives of its own pace."""

    def __init__(self, method, **options):
        self.requests = queue.Queue()
        self.call = method(iter(self.requests.get, None), **options)
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for answer in self.call:
                self.answers.put(answer)
            self.answers.put(None)
        except grpc.RpcError as error:
            self.answers.put(error)

    def send(self, message):
        self.requests.put(message)

    def half_close(self):
        self.requests.put(None)

    def take(self, seconds=10):
        """The next answer; None at a good end; an RpcError at a bad one."""
        try:
            return self.answers.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no answer within {seconds} s") from None

    def silent(self):
        return self.answers.empty()

    def close(self):
        self.call.cancel()
        self.half_close()


class WireTest(ClusterTest):
    def setUp(self):
        self.client = random.choice(self.cluster.members).client
        self.client.KV.DeleteRange(key=b"\0", range_end=b"\0")

    def refused(self, code, message, call, *args, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            call(*args, **fields)
        self.assertEqual((caught.exception.code(), caught.exception.details()), (code, message))

    def put(self, key, value=b"v", **fields):
        return self.client.KV.Put(key=key, value=value, **fields).header.revision

    def watch(self, member=None, metadata=None):
        client = (member or random.choice(self.cluster.members)).new_client()
        stream = Stream(client.Watch.Watch, metadata=metadata)
        self.addCleanup(client.close)
        self.addCleanup(stream.close)
        return stream

    def watch_created(self, stream, **fields):
        stream.send(wire.WatchRequest(create_request=wire.WatchCreateRequest(**fields)))
        answer = stream.take()
        self.assertTrue(answer.created, answer)
        return answer

    # ---- errors

    def test_errors_of_keys_have_etcds_codes_and_messages(self):
        for member in self.cluster:
            kv = member.client.KV
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: key is not provided", kv.Range, key=b"")
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: key is not provided", kv.Put, key=b"", value=b"v")
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: key is not provided", kv.DeleteRange, key=b"")
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: value is provided", kv.Put, key=b"k", value=b"v", ignore_value=True)
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: lease is provided", kv.Put, key=b"k", lease=1, ignore_lease=True)
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: key not found", kv.Put, key=b"absent", ignore_value=True)
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: key not found", kv.Put, key=b"absent", ignore_lease=True)
            self.refused(Code.NOT_FOUND, "etcdserver: requested lease not found", kv.Put, key=b"k", value=b"v", lease=12345)
            revision = member.client.KV.Range(key=b"k").header.revision
            self.refused(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision",
                         kv.Range, key=b"k", revision=revision + 1000)
            self.refused(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision",
                         kv.Compact, revision=revision + 1000)

    def test_compacted_revisions_are_refused_and_the_last_one_is_not(self):
        first = self.put(b"k", b"1")
        self.put(b"k", b"2")
        self.client.KV.Compact(revision=first, physical=True)
        self.refused(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", self.client.KV.Compact, revision=first)
        for member in self.cluster:
            self.refused(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted",
                         member.client.KV.Range, key=b"k", revision=first - 1)
            self.assertEqual(member.client.KV.Range(key=b"k", revision=first).kvs[0].value, b"1")

    @unittest.skipIf(IS_ETCD, "etcd has RangeStream since 3.7")
    def test_a_stream_of_a_compacted_revision_is_refused(self):
        first = self.put(b"k", b"1")
        second = self.put(b"k", b"2")
        for member in self.cluster:  # all have both
            member.client.KV.Range(key=b"k")
        self.client.KV.Compact(revision=second)
        for member in self.cluster:
            member.client.KV.Range(key=b"k")
            self.refused(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted",
                         lambda **fields: list(member.client.KV.RangeStream(**fields)), key=b"k", revision=first)
            parts = list(member.client.KV.RangeStream(key=b"k", revision=second))
            self.assertEqual(parts[-1].range_response.count, 1)

    def test_errors_of_transactions_have_etcds_codes_and_messages(self):
        kv = self.client.KV
        put = wire.RequestOp(request_put=wire.PutRequest(key=b"k", value=b"v"))
        delete = wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=b"a", range_end=b"z"))
        before = kv.Range(key=b"k").header.revision
        self.refused(Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request", kv.Txn, success=[put, put])
        self.refused(Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request", kv.Txn, failure=[put, delete])
        self.refused(Code.INVALID_ARGUMENT, "etcdserver: too many operations in txn request", kv.Txn, success=[
            wire.RequestOp(request_put=wire.PutRequest(key=str(i).encode())) for i in range(129)])
        self.refused(Code.INVALID_ARGUMENT, "etcdserver: key is not provided", kv.Txn, compare=[wire.Compare()])
        self.refused(Code.INVALID_ARGUMENT, "etcdserver: key is not provided", kv.Txn,
                     success=[wire.RequestOp(request_range=wire.RangeRequest())])
        self.refused(Code.NOT_FOUND, "etcdserver: requested lease not found", kv.Txn, success=[
            wire.RequestOp(request_put=wire.PutRequest(key=b"other")),
            wire.RequestOp(request_put=wire.PutRequest(key=b"k", lease=4711))])
        after = kv.Range(key=b"other")
        self.assertEqual((after.header.revision, after.count), (before, 0), "a refused transaction changed something")

    def test_errors_of_leases_have_etcds_codes_and_messages(self):
        for member in self.cluster:
            lease = member.client.Lease
            self.refused(Code.NOT_FOUND, "etcdserver: requested lease not found", lease.LeaseRevoke, ID=987654)
            self.refused(Code.OUT_OF_RANGE, "etcdserver: too large lease TTL", lease.LeaseGrant, TTL=9_000_000_001)
            granted = lease.LeaseGrant(TTL=60)
            self.refused(Code.FAILED_PRECONDITION, "etcdserver: lease already exists", lease.LeaseGrant, TTL=60, ID=granted.ID)
            lease.LeaseRevoke(ID=granted.ID)

    def test_requests_too_large_are_refused_and_the_next_is_served(self):
        for member in self.cluster:
            client = member.client
            self.refused(Code.INVALID_ARGUMENT, "etcdserver: request is too large", client.KV.Put, key=b"k", value=b"x" * 1_572_864)
            with self.assertRaises(grpc.RpcError) as caught:
                client.KV.Put(key=b"k", value=b"x" * 3_000_000)
            self.assertEqual(caught.exception.code(), Code.RESOURCE_EXHAUSTED)
            self.assertRegex(caught.exception.details(), r"received message larger than max \(30000\d\d vs\. 2097152\)")
            with self.assertRaises(grpc.RpcError):
                client.KV.Put(key=b"k" * 2_000_000, value=b"")
            client.KV.Put(key=b"k", value=b"x" * 1_500_000)
            self.assertEqual(client.KV.Range(key=b"k").kvs[0].value, b"x" * 1_500_000)

    def test_methods_and_services_nobody_offers_are_unimplemented(self):
        for path in ["/etcdserverpb.KV/Nothing", "/no.such.Service/Method", "/etcdserverpb.KV/", "/etcdserverpb.Watch/watch"]:
            call = self.client.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            with self.assertRaises(grpc.RpcError) as caught:
                call(b"", timeout=5)
            self.assertEqual(caught.exception.code(), Code.UNIMPLEMENTED, path)

    def test_bytes_that_are_no_message_are_refused(self):
        call = self.client.channel.unary_unary("/etcdserverpb.KV/Range", request_serializer=bytes, response_deserializer=bytes)
        with self.assertRaises(grpc.RpcError) as caught:
            call(b"\xff\xff\xff\xff", timeout=5)
        self.assertEqual(caught.exception.code(), Code.INTERNAL)

    # ---- headers and revisions

    def test_headers_tell_who_answered_and_where_the_store_is(self):
        clusters, revision = set(), self.put(b"k")
        for member in self.cluster:
            header = member.client.KV.Range(key=b"k").header
            clusters.add(header.cluster_id)
            self.assertEqual((header.member_id, header.revision), (member.id(), revision))
            self.assertGreater(header.raft_term, 0)
        self.assertEqual(len(clusters), 1)
        deleted = self.client.KV.DeleteRange(key=b"absent")
        self.assertEqual((deleted.deleted, deleted.header.revision), (0, revision))
        listed = self.client.Cluster.MemberList()
        self.assertEqual(listed.header.revision, 0)
        self.assertEqual([m.ID for m in listed.members], sorted(m.id() for m in self.cluster))

    def test_transaction_answers_carry_revisions_but_no_ids(self):
        start = self.put(b"a", b"1")
        answer = self.client.KV.Txn(success=[
            wire.RequestOp(request_range=wire.RangeRequest(key=b"a")),
            wire.RequestOp(request_put=wire.PutRequest(key=b"a", value=b"2", prev_kv=True)),
            wire.RequestOp(request_range=wire.RangeRequest(key=b"a")),
            wire.RequestOp(request_delete_range=wire.DeleteRangeRequest(key=b"b")),
            wire.RequestOp(request_txn=wire.TxnRequest(
                compare=[wire.Compare(key=b"a", target="VALUE", result="EQUAL", value=b"1")],
                success=[wire.RequestOp(request_put=wire.PutRequest(key=b"c", value=b"3"))]))])
        self.assertTrue(answer.succeeded)
        self.assertEqual(answer.header.revision, start + 1)
        first, put, second, delete, nested = answer.responses
        self.assertEqual((first.response_range.header.revision, first.response_range.kvs[0].value), (start, b"1"))
        self.assertEqual((put.response_put.header.revision, put.response_put.prev_kv.value), (start + 1, b"1"))
        self.assertEqual((second.response_range.header.revision, second.response_range.kvs[0].value), (start + 1, b"2"))
        self.assertEqual((delete.response_delete_range.header.revision, delete.response_delete_range.deleted), (start + 1, 0))
        self.assertTrue(nested.response_txn.succeeded, "a nested compare sees the state before the transaction")
        self.assertEqual(nested.response_txn.responses[0].response_put.header.revision, start + 1)
        for part in [first.response_range, put.response_put, second.response_range, delete.response_delete_range]:
            self.assertEqual((part.header.cluster_id, part.header.member_id, part.header.raft_term), (0, 0, 0))
        both = self.client.KV.Range(key=b"a", range_end=b"d")
        self.assertEqual([(p.key, p.mod_revision) for p in both.kvs], [(b"a", start + 1), (b"c", start + 1)])

    def test_versions_begin_anew_after_a_delete(self):
        first = self.put(b"k")
        self.put(b"k")
        self.client.KV.DeleteRange(key=b"k")
        again = self.put(b"k")
        pair = self.client.KV.Range(key=b"k").kvs[0]
        self.assertEqual((pair.create_revision, pair.mod_revision, pair.version), (again, again, 1))
        self.assertEqual(again, first + 3)

    def test_writes_seen_by_one_member_are_seen_by_all(self):
        for i in range(60):
            writer, reader = random.sample(self.cluster.members, 2)
            value = str(i).encode()
            revision = writer.client.KV.Put(key=b"fresh", value=value).header.revision
            got = reader.client.KV.Range(key=b"fresh")
            self.assertEqual((got.kvs[0].value, got.kvs[0].mod_revision), (value, revision))
            self.assertGreaterEqual(got.header.revision, revision)

    def test_pages_of_one_revision_make_the_whole(self):
        keys = [f"p/{i:04}".encode() for i in range(500)]
        for i in range(0, 500, 100):
            self.client.KV.Txn(success=[wire.RequestOp(request_put=wire.PutRequest(key=k, value=k)) for k in keys[i:i + 100]])
        found, at, revision = [], b"p/", 0
        while True:
            page = random.choice(self.cluster.members).client.KV.Range(key=at, range_end=b"p0", limit=37, revision=revision)
            self.assertEqual(page.count, 500 - len(found))
            self.assertEqual(page.more, len(page.kvs) < page.count)
            revision = revision or page.header.revision
            found += [p.key for p in page.kvs]
            if not page.more:
                break
            at = page.kvs[-1].key + b"\0"
            self.put(b"p/zzz")      # later revisions do not disturb
            self.client.KV.DeleteRange(key=b"p/0499")
        self.assertEqual(found, keys)

    def test_range_options(self):
        for key, value in [(b"a", b"3"), (b"b", b"1"), (b"c", b"2")]:
            self.put(key, value)
        everything = dict(key=b"\0", range_end=b"\0")

        def keys(**fields):
            return b"".join(p.key for p in self.client.KV.Range(**everything, **fields).kvs)
        self.assertEqual(keys(), b"abc")
        self.assertEqual(keys(sort_order="DESCEND"), b"cba")
        self.assertEqual(keys(sort_order="ASCEND", sort_target="VALUE"), b"bca")
        self.assertEqual(keys(sort_order="DESCEND", sort_target="VALUE", limit=1), b"a")
        self.assertEqual(keys(sort_order="DESCEND", sort_target="MOD"), b"cba")
        self.put(b"a", b"4")
        newest = self.client.KV.Range(key=b"a").kvs[0].mod_revision
        self.assertEqual(keys(min_mod_revision=newest), b"a")
        self.assertEqual(keys(max_mod_revision=newest - 1), b"bc")
        self.assertEqual(keys(min_create_revision=newest - 2), b"bc")
        self.assertEqual(keys(max_create_revision=newest - 3), b"a")
        self.assertEqual(keys(serializable=True, revision=newest), b"abc") if IS_ETCD else None
        counted = self.client.KV.Range(**everything, count_only=True)
        self.assertEqual((len(counted.kvs), counted.count, counted.more), (0, 3, False))
        only = self.client.KV.Range(**everything, keys_only=True)
        self.assertEqual([(p.key, p.value) for p in only.kvs], [(b"a", b""), (b"b", b""), (b"c", b"")])
        self.assertEqual(self.client.KV.Range(key=b"b", range_end=b"a").count, 0)

    # ---- deadlines, metadata, compression, many calls

    def test_deadlines_end_calls_and_harm_nothing(self):
        stream = self.watch_call_with_deadline(0.3)
        began = time.monotonic()
        answer = stream.take()
        while answer is not None and not isinstance(answer, grpc.RpcError):
            answer = stream.take()
        self.assertEqual(answer.code(), Code.DEADLINE_EXCEEDED)
        self.assertLess(time.monotonic() - began, 5)
        for _ in range(50):
            try:
                self.client.KV.Put(key=b"k", value=b"v", timeout=0.0005)
            except grpc.RpcError as error:
                # The server has the deadline, too, and may be the first to notice: etcd has an error of its own then.
                if IS_ETCD and error.details() == "etcdserver: request timed out":
                    self.assertEqual(error.code(), Code.UNAVAILABLE)
                else:
                    self.assertEqual(error.code(), Code.DEADLINE_EXCEEDED)
        self.put(b"k", b"still served")

    def watch_call_with_deadline(self, seconds):
        client = self.cluster[0].new_client()
        self.addCleanup(client.close)
        stream = Stream(client.Watch.Watch, timeout=seconds)
        self.addCleanup(stream.close)
        stream.send(wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"quiet")))
        return stream

    def test_metadata_that_means_nothing_to_us_is_let_pass(self):
        metadata = [("client-api-version", "3.5"), ("hasleader", "true"), ("x-custom", "1"), ("x-bytes-bin", b"\x00\xff"),
                    *((f"x-many-{i}", "v" * 50) for i in range(30))]
        for member in self.cluster:
            self.assertEqual(member.client.KV.Range(key=b"k", metadata=metadata).count, 0)
        answer, call = self.client.KV.Range.call.with_call(wire.RangeRequest(key=b"k"), timeout=5)
        self.assertEqual(call.code(), Code.OK)
        self.assertEqual(answer.count, 0)

    @unittest.skipIf(IS_ETCD, "etcd 3.4 has no gzip")
    def test_compressed_requests_are_read(self):
        value = b"compressible " * 10_000
        for member in self.cluster:
            client = member.new_client(options=[("grpc.default_compression_algorithm", grpc.Compression.Gzip.value)])
            self.addCleanup(client.close)
            client.KV.Put(key=b"z", value=value, compression=grpc.Compression.Gzip)
            self.assertEqual(client.KV.Range(key=b"z", compression=grpc.Compression.Gzip).kvs[0].value, value)

    def test_a_thousand_calls_at_once_on_one_connection(self):
        client = self.cluster[0].new_client()
        self.addCleanup(client.close)
        calls = [client.KV.Put.call.future(wire.PutRequest(key=f"m{i:04}".encode(), value=b"v"), timeout=30) for i in range(1000)]
        revisions = [call.result().header.revision for call in calls]
        self.assertEqual(len(set(revisions)), 1000, "two puts got one revision")
        self.assertEqual(client.KV.Range(key=b"m", range_end=b"n", count_only=True).count, 1000)

    def test_large_answers_come_whole(self):
        value = random.randbytes(1_000_000)
        for i in range(20):
            self.put(f"large/{i:02}".encode(), value)
        for member in self.cluster:
            got = member.client.KV.Range(key=b"large/", range_end=b"large0", timeout=30)
            self.assertEqual([p.value == value for p in got.kvs], [True] * 20)

    def test_health_service_says_serving(self):
        for member in self.cluster:
            self.assertEqual(member.client.Health.Check().status, 1)
            with self.assertRaises(grpc.RpcError) as caught:
                member.client.Health.Check(service="nobody")
            self.assertEqual(caught.exception.code(), Code.NOT_FOUND)

    def test_health_and_version_are_told_over_http_1(self):
        for member in self.cluster:
            connection = http.client.HTTPConnection("127.0.0.1", member.client_port, timeout=10)
            for _ in range(2):  # one connection, many requests
                connection.request("GET", "/health")
                answer = connection.getresponse()
                self.assertEqual((answer.status, json.loads(answer.read())["health"]), (200, "true"))
                connection.request("GET", "/version")
                answer = connection.getresponse()
                self.assertEqual(answer.status, 200)
                version = json.loads(answer.read())
                self.assertEqual(version["etcdserver"], member.status().version)
                self.assertRegex(version["etcdcluster"], r"^3\.\d+\.0$")
            connection.request("GET", "/nothing")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 404)
            connection.request("POST", "/health")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 405)
            connection.close()

    # ---- watch

    def test_one_stream_carries_many_watches(self):
        for member in self.cluster:
            stream = self.watch(member)
            first = self.watch_created(stream, key=b"one")
            second = self.watch_created(stream, key=b"two/", range_end=b"two0")
            third = self.watch_created(stream, key=b"one", watch_id=77)
            self.assertEqual((first.watch_id, second.watch_id, third.watch_id), (0, 1, 77))
            revision = self.put(b"two/x", b"2")
            answer = stream.take()
            self.assertEqual((answer.watch_id, answer.header.revision), (1, revision))
            self.assertEqual([(e.type, e.kv.key, e.kv.value) for e in answer.events], [(0, b"two/x", b"2")])
            self.put(b"one", b"1")
            self.assertEqual({stream.take().watch_id, stream.take().watch_id}, {0, 77})
            stream.send(wire.WatchRequest(cancel_request=wire.WatchCancelRequest(watch_id=0)))
            canceled = stream.take()
            self.assertEqual((canceled.watch_id, canceled.canceled), (0, True))
            self.put(b"one", b"1")
            self.assertEqual(stream.take().watch_id, 77)
            self.assertTrue(stream.silent())

    def test_watch_replays_the_past_and_goes_on_with_the_present(self):
        start = self.put(b"k", b"1")
        self.client.KV.Txn(success=[wire.RequestOp(request_put=wire.PutRequest(key=b"k", value=b"2")),
                                    wire.RequestOp(request_put=wire.PutRequest(key=b"ka", value=b"a"))])
        self.client.KV.DeleteRange(key=b"k")
        for number, member in enumerate(self.cluster):
            stream = self.watch(member)
            self.watch_created(stream, key=b"k", range_end=b"l", start_revision=start, prev_kv=True)
            events = []
            while len(events) < 4:
                events += stream.take().events
            told = [(e.type, e.kv.key, e.kv.value, e.kv.mod_revision, e.kv.version, e.prev_kv.value) for e in events[:4]]
            self.assertEqual(told, [
                (0, b"k", b"1", start, 1, b""), (0, b"k", b"2", start + 1, 2, b"1"), (0, b"ka", b"a", start + 1, 1, b""),
                (1, b"k", b"", start + 2, 0, b"2")])
            live = self.client.KV.Put(key=f"kb{number}".encode()).header.revision
            while events[-1].kv.mod_revision < live:  # what the turns of earlier members put is between
                events += stream.take().events
            self.assertEqual([e.kv.key for e in events[4:]], [f"kb{n}".encode() for n in range(number + 1)])

    def test_watch_filters_and_keeps_revisions_whole(self):
        stream = self.watch()
        self.watch_created(stream, key=b"f", range_end=b"g", filters=["NOPUT"])
        other = self.watch()
        self.watch_created(other, key=b"f", range_end=b"g", filters=["NODELETE"])
        self.client.KV.Txn(success=[wire.RequestOp(request_put=wire.PutRequest(key=f"f{i}".encode())) for i in range(100)])
        self.client.KV.DeleteRange(key=b"f", range_end=b"g")
        deleted = stream.take()
        self.assertEqual([e.type for e in deleted.events], [1] * 100)
        put = other.take()
        self.assertEqual(([e.type for e in put.events], len({e.kv.mod_revision for e in put.events})), ([0] * 100, 1))

    def test_watch_of_the_future_waits_for_it(self):
        now = self.put(b"k", b"now")
        stream = self.watch()
        self.watch_created(stream, key=b"k", start_revision=now + 3)
        for i in range(1, 4):
            self.put(b"k", str(i).encode())
        self.assertEqual([e.kv.value for e in stream.take().events], [b"3"])

    def test_watch_of_compacted_history_is_canceled_with_its_revision(self):
        first = self.put(b"k", b"1")
        last = self.put(b"k", b"2")
        self.client.KV.Compact(revision=last)
        for member in self.cluster:
            wait_until(lambda m=member: m.client.KV.Range(key=b"k").header.revision >= last, 5, "the member has applied it")
            stream = self.watch(member)
            self.watch_created(stream, key=b"k", start_revision=first)
            answer = stream.take()
            self.assertEqual((answer.canceled, answer.compact_revision, len(answer.events)), (True, last, 0))
            self.watch_created(stream, key=b"k", start_revision=last)
            self.assertEqual([e.kv.value for e in stream.take().events], [b"2"])

    def test_watch_of_an_empty_range_is_refused_on_the_stream(self):
        stream = self.watch()
        stream.send(wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"b", range_end=b"a")))
        answer = stream.take()
        self.assertEqual((answer.created, answer.canceled, answer.watch_id), (True, True, -1))
        self.watch_created(stream, key=b"ok")

    def test_duplicate_watch_id_is_refused_and_the_first_lives(self):
        stream = self.watch()
        self.watch_created(stream, key=b"k", watch_id=5)
        stream.send(wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"k", watch_id=5)))
        answer = stream.take()
        self.assertTrue(answer.canceled, answer)
        self.put(b"k")
        self.assertEqual(stream.take().watch_id, 5)

    def test_progress_is_told_when_asked(self):
        stream = self.watch(self.cluster[0])
        self.watch_created(stream, key=b"k")
        revision = self.put(b"elsewhere")
        deadline = time.monotonic() + 10
        while True:  # the member may not have applied it yet; etcd answers what it has
            stream.send(wire.WatchRequest(progress_request=wire.WatchProgressRequest()))
            answer = stream.take()
            self.assertEqual((answer.watch_id, len(answer.events)), (-1, 0))
            if answer.header.revision >= revision:
                break
            self.assertLess(time.monotonic(), deadline)

    def test_slow_reader_of_a_watch_misses_nothing(self):
        client = self.cluster[1].new_client(options=[("grpc.http2.lookahead_bytes", 1024)])
        self.addCleanup(client.close)
        requests = queue.Queue()
        requests.put(wire.WatchRequest(create_request=wire.WatchCreateRequest(key=b"s", range_end=b"t")))
        call = client.Watch.Watch(iter(requests.get, None))  # nothing is read ahead by a thread of ours
        self.addCleanup(requests.put, None)
        self.addCleanup(call.cancel)
        self.assertTrue(next(call).created)
        value = random.randbytes(100_000)
        expected = [self.put(f"s{i:03}".encode(), value) for i in range(300)]  # 30 MB nobody takes
        seen = []
        while len(seen) < len(expected):
            seen += [e.kv.mod_revision for e in next(call).events]
        self.assertEqual(seen, expected)

    def test_abandoned_watches_harm_nothing(self):
        for _ in range(50):
            client = random.choice(self.cluster.members).new_client()
            stream = Stream(client.Watch.Watch)
            self.watch_created(stream, key=b"\0", range_end=b"\0")
            client.close()
            stream.half_close()
        self.put(b"k")
        for member in self.cluster:
            self.assertTrue(member.serves())

    # ---- leases

    def test_keep_alive_answers_each_request_in_turn(self):
        for member in self.cluster:
            lease = member.client.Lease.LeaseGrant(TTL=30).ID
            client = member.new_client()
            stream = Stream(client.Lease.LeaseKeepAlive)
            for _ in range(5):
                stream.send(wire.LeaseKeepAliveRequest(ID=lease))
                answer = stream.take()
                self.assertEqual((answer.ID, answer.TTL), (lease, 30))
            stream.send(wire.LeaseKeepAliveRequest(ID=424242))
            self.assertEqual((stream.take().TTL), 0)
            member.client.Lease.LeaseRevoke(ID=lease)
            stream.send(wire.LeaseKeepAliveRequest(ID=lease))
            self.assertEqual(stream.take().TTL, 0)
            stream.half_close()
            self.assertIsNone(stream.take())
            client.close()

    def test_lease_times_are_told_by_every_member(self):
        granted = self.client.Lease.LeaseGrant(TTL=0)
        self.assertEqual(granted.TTL, 2, "the least TTL is one and a half election timeouts")
        lease = self.client.Lease.LeaseGrant(TTL=50, ID=4242).ID
        self.put(b"leased", lease=lease)
        for member in self.cluster:
            left = member.client.Lease.LeaseTimeToLive(ID=lease, keys=True)
            self.assertEqual((left.ID, left.grantedTTL, list(left.keys)), (4242, 50, [b"leased"]))
            self.assertIn(left.TTL, range(40, 51))
            unknown = member.client.Lease.LeaseTimeToLive(ID=1)
            self.assertEqual((unknown.TTL, unknown.grantedTTL), (-1, 0))
            wait_until(lambda m=member: 4242 in [x.ID for x in m.client.Lease.LeaseLeases().leases], 5, "the lease is listed")
        self.client.Lease.LeaseRevoke(ID=lease)
        self.assertEqual(self.client.KV.Range(key=b"leased").count, 0)

    def test_put_without_a_lease_lets_go_of_the_old_one(self):
        lease = self.client.Lease.LeaseGrant(TTL=50).ID
        self.put(b"a", lease=lease)
        self.put(b"b", lease=lease)
        self.put(b"a")
        before = self.client.Lease.LeaseRevoke(ID=lease).header.revision
        left = self.client.KV.Range(key=b"a", range_end=b"c")
        self.assertEqual([p.key for p in left.kvs], [b"a"])
        self.assertEqual(left.header.revision, before)


if __name__ == "__main__":
    cluster.main()
