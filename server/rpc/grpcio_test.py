"""Talks to rpc_echo_server with grpcio (generic stubs of bytes): what a client that is not ours sees.

Run by ctest as: /usr/bin/python3 grpcio_test.py PATH_OF_rpc_echo_server
"""
import subprocess
import sys
import threading
import unittest

import grpc

SERVER = None
TIMEOUT = 60  # ends a hang, nothing else


def unary(channel, name):
    return channel.unary_unary("/test.Echo/" + name)


class GrpcioTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.port = int(cls.server.stdout.readline())

    @classmethod
    def tearDownClass(cls):
        cls.server.stdin.close()
        assert cls.server.wait(TIMEOUT) == 0
        cls.server.stdout.close()

    def setUp(self):
        self.channel = grpc.insecure_channel(
            "127.0.0.1:%d" % self.port,
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
                     ("grpc.use_local_subchannel_pool", 1)])

    def tearDown(self):
        self.channel.close()

    def error_of(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        return caught.exception.code(), caught.exception.details()

    def test_unary_gives_bytes_back(self):
        echo = unary(self.channel, "Echo")
        for size in (0, 1, 255, 256, 1023, 1024, 16379, 16380, 65535, 100000, 2000000):
            payload = bytes(i & 255 for i in range(256)) * (size // 256 + 1)
            self.assertEqual(echo(payload[:size], timeout=TIMEOUT), payload[:size])

    def test_many_at_once(self):
        echo = unary(self.channel, "Echo")
        calls = [echo.future(b"%d" % i * 100, timeout=TIMEOUT) for i in range(1000)]
        for i, call in enumerate(calls):
            self.assertEqual(call.result(), b"%d" % i * 100)

    def test_server_stream_comes_whole_and_in_order(self):
        expand = self.channel.unary_stream("/test.Echo/Expand")
        sizes = [len(m) for m in expand(b"5000 3000", timeout=TIMEOUT)]
        self.assertEqual(sizes, [3000] * 5000)
        self.assertEqual([len(m) for m in expand(b"3 30000000", timeout=TIMEOUT)], [30000000] * 3)
        self.assertEqual(list(expand(b"0 1", timeout=TIMEOUT)), [])

    def test_bidi_answers_each_message_before_the_next_is_sent(self):
        go = threading.Semaphore(1)

        def requests():
            for i in range(100):
                go.acquire()
                yield b"m%d" % i

        chat = self.channel.stream_stream("/test.Echo/Chat")(requests(), timeout=TIMEOUT)
        for i in range(100):
            self.assertEqual(next(chat), b"m%d" % i)
            go.release()
        self.assertEqual(list(chat), [])
        self.assertEqual(chat.code(), grpc.StatusCode.OK)

    def test_status_and_message_of_a_failed_stream(self):
        chat = self.channel.stream_stream("/test.Echo/Chat")(iter([b"a", b"fail"]), timeout=TIMEOUT)
        self.assertEqual(self.error_of(lambda: list(chat)), (grpc.StatusCode.ABORTED, "as you said"))

    def test_status_messages_of_any_bytes_arrive(self):
        text = "5 etcdserver: 100% \u00fc\u4e16\u754c not ok"
        # Metadata is ASCII, so the text goes encoded by hand; the server sends it back in grpc-message.
        code, details = self.error_of(lambda: unary(self.channel, "Echo")(
            b"", metadata=[("x-status", "5 a % b")], timeout=TIMEOUT))
        self.assertEqual((code, details), (grpc.StatusCode.NOT_FOUND, "a % b"))

    def test_metadata(self):
        echo = unary(self.channel, "Echo")
        metadata = [("token", "abc"), ("raw-bin", b"\x00\xff\x01"), ("token", "second")]
        self.assertEqual(echo(b"METADATA token", metadata=metadata, timeout=TIMEOUT), b"abc")
        self.assertEqual(echo(b"METADATA raw-bin", metadata=metadata, timeout=TIMEOUT), b"\x00\xff\x01")
        self.assertEqual(echo(b"METADATA absent", metadata=metadata, timeout=TIMEOUT), b"(absent)")

    def test_unknown_names(self):
        self.assertEqual(self.error_of(lambda: unary(self.channel, "Nope")(b"", timeout=TIMEOUT)),
                         (grpc.StatusCode.UNIMPLEMENTED, "unknown method Nope for service test.Echo"))
        self.assertEqual(
            self.error_of(lambda: self.channel.unary_unary("/a.B/C")(b"", timeout=TIMEOUT)),
            (grpc.StatusCode.UNIMPLEMENTED, "unknown service a.B"))

    def test_deadline_cancels_the_call(self):
        before = int(unary(self.channel, "Cancels")(b""))
        code, _ = self.error_of(lambda: unary(self.channel, "Wait")(b"", timeout=0.05))
        self.assertEqual(code, grpc.StatusCode.DEADLINE_EXCEEDED)
        while int(unary(self.channel, "Cancels")(b"")) <= before:
            pass

    def test_cancellation_reaches_the_handler(self):
        cancels = unary(self.channel, "Cancels")
        before = int(cancels(b""))
        chat = self.channel.stream_stream("/test.Echo/Chat")(iter_forever(), timeout=TIMEOUT)
        next(chat)
        chat.cancel()
        wait = unary(self.channel, "Wait").future(b"", timeout=TIMEOUT)
        wait.cancel()
        while int(cancels(b"")) < before + 1:
            pass

    def test_gzip_both_ways(self):
        echo = unary(self.channel, "Echo")
        for payload in (b"", b"short", b"long " * 100000):
            self.assertEqual(echo(payload, compression=grpc.Compression.Gzip, timeout=TIMEOUT), payload)

    def test_deflate_is_refused(self):
        code, details = self.error_of(lambda: unary(self.channel, "Echo")(
            b"x" * 1000, compression=grpc.Compression.Deflate, timeout=TIMEOUT))
        self.assertEqual(code, grpc.StatusCode.UNIMPLEMENTED)

    def test_message_too_large(self):
        size = 1572864 + 524288 + 1
        self.assertEqual(
            self.error_of(lambda: unary(self.channel, "Echo")(b"x" * size, timeout=TIMEOUT)),
            (grpc.StatusCode.RESOURCE_EXHAUSTED,
             "grpc: received message larger than max (2097153 vs. 2097152)"))
        # A bomb: little on the wire, much behind it.
        code, details = self.error_of(lambda: unary(self.channel, "Echo")(
            b"x" * 100000000, compression=grpc.Compression.Gzip, timeout=TIMEOUT))
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)


def iter_forever():
    yield b"first"
    threading.Event().wait(TIMEOUT)


if __name__ == "__main__":
    SERVER = sys.argv.pop(1)
    unittest.main()
