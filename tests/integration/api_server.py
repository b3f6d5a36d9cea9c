"""Control planes of real processes for the integration tests: a store, one API server over it, and the daemons that are
asked for.

    with ControlPlane(daemons=("controllers", "scheduler")) as plane:
        plane.kubectl("get", "pods")

All of it lies in the store's temporary folder: certificates of an authority of its own, a kubeconfig for a member of
system:masters, and the logs, which are shown when the test fails.
"""

import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import urllib.request

import cluster
from cluster import BIN, Cluster, environment, free_port, wait_until
from pki import Authority, openssl

KEELSON = str(BIN / "keelson")
READY_SECONDS = 60

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- name: test
  cluster: {{server: "{url}", certificate-authority: {ca}}}
users:
- name: admin
  user: {{client-certificate: {cert}, client-key: {key}}}
contexts:
- name: test
  context: {{cluster: test, user: admin}}
- name: x
  context: {{cluster: test, user: admin, namespace: x}}
current-context: test
"""


def has_command(name):
    """Whether this build of keelson knows the command."""
    done = subprocess.run([KEELSON, "--help"], capture_output=True, timeout=20, check=False)
    return re.search(rf"(?m)^  {name}\b", done.stdout.decode()) is not None


class Daemon:
    """One process of the control plane."""

    def __init__(self, name, arguments, log):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", KEELSON, *map(str, arguments)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment())

    def check_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} stopped with exit status {self.process.poll()}")

    def terminate(self, seconds=15):
        """SIGTERM. Returns the exit status; one that does not stop is a failure."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds} s of SIGTERM") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def show_log(self, lines=25):
        text = self.log.read_text(errors="replace").splitlines()
        print(f"---- log of {self.name}, last {min(lines, len(text))} of {len(text)} lines ({self.log})", file=sys.stderr)
        print("\n".join(text[-lines:]), file=sys.stderr, flush=True)


class ControlPlane:
    """`nodes` simulated ones run what is scheduled to them: node-1, node-2 and so on."""

    def __init__(self, daemons=(), nodes=0):
        self.store = Cluster(1)
        self.folder = self.store.folder
        self.daemons = []
        try:
            self.make_credentials()
            self.start_api_server()
            for name in daemons:
                self.start_daemon(name)
            if nodes:
                self.start_daemon("node", f"--simulated={nodes}", "--name-prefix=node", "--first-index=1")
        except BaseException:
            self.show_logs()
            self.close()
            raise

    def make_credentials(self):
        self.authority = Authority(self.folder, "ca")
        self.server_identity = self.authority.issue("apiserver")
        self.admin = self.authority.issue("admin", organization="system:masters")
        self.service_account_key = self.folder / "service-account.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.service_account_key)

    def start_api_server(self):
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubeconfig.write_text(KUBECONFIG.format(url=self.url, ca=self.authority.ca, cert=self.admin.cert,
                                                     key=self.admin.key))
        self.context = ssl.create_default_context(cafile=self.authority.ca)
        self.context.load_cert_chain(self.admin.cert, self.admin.key)
        self.api_server = self.add("apiserver", [
            "apiserver", f"--etcd-servers={self.store[0].client_url}", f"--listen=127.0.0.1:{port}",
            f"--tls-cert={self.server_identity.cert}", f"--tls-key={self.server_identity.key}",
            f"--client-ca={self.authority.ca}", f"--service-account-key={self.service_account_key}"])
        wait_until(self.ready, READY_SECONDS, "the API server is ready", interval=0.1)

    def start_daemon(self, name, *arguments):
        """A daemon of the API server's clients, as the user that default roles are bound to; simulated nodes are many."""
        user = {"controllers": "system:kube-controller-manager", "scheduler": "system:kube-scheduler"}.get(name)
        identity = self.authority.issue(name, common_name=user, organization=None if user else "system:masters")
        return self.add(name, [name, f"--server={self.url}", f"--ca={self.authority.ca}", f"--cert={identity.cert}",
                               f"--key={identity.key}", f"--listen=127.0.0.1:{free_port()}", *arguments])

    def add(self, name, arguments):
        daemon = Daemon(name, arguments, self.folder / f"{name}.log")
        self.daemons.append(daemon)
        return daemon

    def get(self, path):
        """The body of the answer; urllib's errors."""
        with urllib.request.urlopen(self.url + path, context=self.context, timeout=10) as answer:
            return answer.read()

    def ready(self):
        for daemon in self.daemons:
            daemon.check_running()
        try:
            return self.get("/readyz") == b"ok"
        except OSError:
            return False

    def kubectl_environment(self):
        """For kubectl and helm: this server, and caches that no other test sees."""
        return {**environment(), "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder / "home"),
                "KUBECACHEDIR": str(self.folder / "home/cache")}

    def run(self, program, *arguments, seconds=60, folder=None, env=()):
        """Runs a client of the API server to its end; output is text."""
        return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds, cwd=folder or self.folder, check=False,
                              env={**self.kubectl_environment(), **dict(env)})

    def show_logs(self):
        for daemon in self.daemons:
            daemon.show_log()
        self.store.show_logs(5)

    def close(self, keep=False):
        for daemon in reversed(self.daemons):
            daemon.kill()
        self.store.close(keep)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.show_logs()
        self.close(keep=bool(kind))


def kubectls():
    """The kubectl programs at hand, by version: {"1.33": path}."""
    found = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        program = pathlib.Path(folder) / "kubectl"
        if not program.exists():
            continue
        # Distributions of several versions keep them side by side, as kubectl.1.33.
        for beside in [program, *program.resolve().parent.glob("kubectl.1.*")]:
            done = subprocess.run([beside, "version", "--client", "-o", "json"], capture_output=True, text=True, timeout=30,
                                  check=False)
            version = re.search(r'"gitVersion": "v(\d+\.\d+)', done.stdout)
            if version:
                found.setdefault(version.group(1), str(beside.resolve()))
    return found


def main():
    cluster.main()
