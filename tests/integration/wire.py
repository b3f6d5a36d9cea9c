"""etcd's v3 API over plain grpcio, from our own .proto files: every field, status and stream as the wire has it.

    client = wire.Client("127.0.0.1:2379")
    client.KV.Put(key=b"a", value=b"1").header.revision
    client.KV.Range(wire.RangeRequest(key=b"a"), timeout=1, metadata=[("token", "x")])

A unary call returns the answer or raises grpc.RpcError; a streaming one takes and gives what grpcio does. The messages
live in a pool of their own, so that python3-etcd3, which has messages of the same names, can be used beside them.
"""

import os
import pathlib
import subprocess
import tempfile

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = ["proto/etcd/rpc.proto", "proto/etcd/lock.proto", "proto/etcd/election.proto", "proto/grpc/health/v1/health.proto"]


def _load():
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "set")
        subprocess.run(["protoc", "-I", str(ROOT), "--include_imports", "--descriptor_set_out=" + output, *PROTOS],
                       cwd=ROOT, check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(output).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    messages, services = {}, {}
    for file in files.file:
        descriptor = pool.FindFileByName(file.name)
        for message in descriptor.message_types_by_name.values():
            messages[message.name] = factory.GetPrototype(message)
        for service in descriptor.services_by_name.values():
            streams = {m.name: (m.client_streaming, m.server_streaming)
                       for s in file.service if s.name == service.name for m in s.method}
            services[service.name] = (service.full_name, {
                method.name: (factory.GetPrototype(method.input_type), factory.GetPrototype(method.output_type),
                              *streams[method.name]) for method in service.methods})
    return messages, services


_MESSAGES, _SERVICES = _load()
globals().update(_MESSAGES)


class _Service:
    def __init__(self, channel, name):
        path, methods = _SERVICES[name]
        for method, (request, response, client_streams, server_streams) in methods.items():
            kind = ("stream" if client_streams else "unary") + "_" + ("stream" if server_streams else "unary")
            call = getattr(channel, kind)(f"/{path}/{method}", request_serializer=lambda m: m.SerializeToString(),
                                          response_deserializer=response.FromString)
            setattr(self, method, call if client_streams else self._with_fields(call, request))

    @staticmethod
    def _with_fields(call, request_type):
        def invoke(request=None, timeout=10, metadata=None, compression=None, **fields):
            if request is None:
                request = request_type(**fields)
            return invoke.call(request, timeout=timeout, metadata=metadata, compression=compression)
        invoke.call = call  # grpcio's own, for .with_call() and .future()
        return invoke


class Client:
    """A connection to one member.

    grpcio waits long before it connects again to what refused it once; whoever expects a member to come back makes a new
    Client, which costs a millisecond.
    """

    def __init__(self, target, options=(), credentials=None):
        self.target = target
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0),
                   ("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = (grpc.secure_channel(target, credentials, options=options) if credentials
                        else grpc.insecure_channel(target, options=options))
        for name in _SERVICES:
            setattr(self, name, _Service(self.channel, name))

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def prefix_end(prefix):
    """The range_end that makes a range of all keys with this prefix."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\0"
