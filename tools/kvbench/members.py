"""Clusters of kvd or etcd on loopback, for measurements: the same flags for both, nothing installed but a python.

A member dies with the process that started it. Ports are picked below those the system gives to outgoing connections.
"""

import os
import random
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

READY_SECONDS = 30


class Failed(Exception):
    """Something we cannot measure without; the text is for people."""


def free_ports(count):
    chance = random.SystemRandom()
    sockets = []
    try:
        while len(sockets) < count:
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", chance.randrange(20000, 32000)))
                sockets.append(probe)
            except OSError:
                probe.close()
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Cluster:
    """Members of one program, in `folder`, which should be fresh."""

    def __init__(self, program, folder, size=3, flags=(), ready_seconds=READY_SECONDS, tls=None):
        """tls: a Certificates; clients must show theirs then, members among themselves speak in clear."""
        self.tls = tls
        self.program = program
        self.ready_seconds = ready_seconds
        self.folder = folder
        self.flags = list(flags) + (tls.server_flags() if tls else [])
        if os.path.basename(program) == "etcd":
            self.flags.append("--logger=zap")
        self.names = [f"m{i + 1}" for i in range(size)]
        ports = free_ports(2 * size)
        self.client_ports, self.peer_ports = ports[:size], ports[size:]
        self.processes = []

    def endpoints(self):
        scheme = "https://" if self.tls else ""
        return ",".join(f"{scheme}127.0.0.1:{port}" for port in self.client_ports)

    def pids(self):
        return [p.pid for p in self.processes]

    def start(self):
        """Returns when all are healthy. May be called again after stop(): they go on with their data."""
        peers = ",".join(f"{n}=http://127.0.0.1:{p}" for n, p in zip(self.names, self.peer_ports))
        scheme = "https" if self.tls else "http"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ETCD", "KVD_"))}
        for name, client, peer in zip(self.names, self.client_ports, self.peer_ports):
            folder = os.path.join(self.folder, name)
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "log"), "ab") as log:
                self.processes.append(subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", self.program, f"--name={name}", f"--data-dir={folder}/data",
                     f"--listen-client-urls={scheme}://127.0.0.1:{client}", f"--advertise-client-urls={scheme}://127.0.0.1:{client}",
                     f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                     f"--initial-cluster={peers}", "--initial-cluster-state=new", *self.flags],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment))
        self._wait_ready()

    def _wait_ready(self):
        deadline = time.monotonic() + self.ready_seconds
        waiting = list(zip(self.names, self.client_ports, self.processes))
        while waiting:
            name, port, process = waiting[0]
            if process.poll() is not None:
                raise Failed(f"{self.program}, member {name}, stopped with exit status {process.returncode}: {self._last_words(name)}")
            if healthy(port, self.tls):
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise Failed(f"{self.program}, member {name}, is not healthy after {self.ready_seconds} s: {self._last_words(name)}")
            else:
                time.sleep(0.005)

    def _last_words(self, name):
        with open(os.path.join(self.folder, name, "log"), errors="replace") as log:
            lines = log.read().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self, with_signal=signal.SIGKILL):
        """Returns when all are gone."""
        for process in self.processes:
            process.send_signal(with_signal)
        for process in self.processes:
            process.wait()
        self.processes = []


class Certificates:
    """An authority, and one certificate for servers and clients, made in `folder` with openssl."""

    def __init__(self, folder):
        self.ca, self.cert, self.key = (os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem"))
        ca_key, request, extensions = (os.path.join(folder, name) for name in ("ca-key.pem", "request.pem", "extensions"))
        with open(extensions, "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (["req", "-x509", *curve, "-subj", "/CN=kvbench authority", "-days", "2", "-keyout", ca_key, "-out", self.ca],
                        ["req", "-new", *curve, "-subj", "/CN=kvbench", "-keyout", self.key, "-out", request],
                        ["x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
                         "-extfile", extensions, "-out", self.cert]):
            done = subprocess.run(["openssl", *command], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"openssl {' '.join(command)}: {done.stderr.strip()}")

    def server_flags(self):
        return [f"--cert-file={self.cert}", f"--key-file={self.key}", f"--trusted-ca-file={self.ca}", "--client-cert-auth"]

    def client_flags(self):
        return [f"--cacert={self.ca}", f"--cert={self.cert}", f"--key={self.key}"]

    def context(self):
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.cert, self.key)
        return context


def healthy(port, tls=None):
    """True when the member on that client port knows a leader and can serve."""
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=1, context=tls.context() if tls else None) as answer:
            return b'"health":"true"' in answer.read()
    except OSError:
        return False
