"""HTTP/2 with bare hands, for what no well-behaved client does: thousands of calls sent at once, answers never read.

    connection = RawHttp2(port)
    connection.call("/etcdserverpb.KV/Put", wire.PutRequest(key=b"a", value=b"1"))
    connection.flush()
    connection.wait_ended(1)
"""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
LARGEST_WINDOW = 0x7FFFFFFF


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field without any table; name and value shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class RawHttp2:
    """`window`: what the server may send on a stream before it is read; answers beyond it stay with the server."""

    def __init__(self, port, window=LARGEST_WINDOW, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.wide = window == LARGEST_WINDOW
        self.output = bytearray(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)))
        if self.wide:
            self.output += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - 65535))
        self.input = bytearray()
        self.next_stream = 1
        self.ended = set()  # streams
        self.reset = set()
        self.unacknowledged = 0

    def fileno(self):
        return self.socket.fileno()

    def open(self, path):
        """Begins a call; returns its stream."""
        stream = self.next_stream
        self.next_stream += 2
        headers = b"".join(literal(*field) for field in (
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"x"),
            (b"te", b"trailers"), (b"content-type", b"application/grpc")))
        self.output += frame(HEADERS, END_HEADERS, stream, headers)
        return stream

    def send(self, stream, message, end=False):
        body = message.SerializeToString()
        body = b"\0" + struct.pack(">I", len(body)) + body
        while len(body) > 16384:
            self.output += frame(DATA, 0, stream, body[:16384])
            body = body[16384:]
        self.output += frame(DATA, END_STREAM if end else 0, stream, body)

    def call(self, path, message):
        stream = self.open(path)
        self.send(stream, message, end=True)
        return stream

    def flush(self):
        self.socket.sendall(self.output)
        self.output.clear()

    def read(self):
        """Reads what is there, waiting for something; answers what HTTP/2 demands an answer to."""
        received = self.socket.recv(1 << 20)
        if not received:
            raise ConnectionError("the server closed the connection")
        self.input += received
        at = 0
        while len(self.input) - at >= 9:
            size = int.from_bytes(self.input[at:at + 3], "big")
            if len(self.input) - at < 9 + size:
                break
            kind, flags = self.input[at + 3], self.input[at + 4]
            stream = int.from_bytes(self.input[at + 5:at + 9], "big")
            if kind == SETTINGS and not flags & ACK:
                self.output += frame(SETTINGS, ACK, 0)
            if kind == PING and not flags & ACK:
                self.output += frame(PING, ACK, 0, bytes(self.input[at + 9:at + 17]))
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self.ended.add(stream)
            if kind == RST_STREAM and stream not in self.ended:
                self.reset.add(stream)
            if kind == DATA:
                self.unacknowledged += size
            at += 9 + size
        del self.input[:at]
        if self.wide and self.unacknowledged > 1 << 24:
            self.output += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self.unacknowledged))
            self.unacknowledged = 0
        if self.output:
            self.flush()

    def wait_ended(self, count, seconds=60):
        self.socket.settimeout(seconds)
        while len(self.ended) + len(self.reset) < count:
            self.read()

    def close(self):
        self.socket.close()
