#!/usr/bin/python3
"""What a pod costs: `keelson up` with simulated nodes, pods in thousands, and the CPU time of every process.

    tools/kvbench/control_plane.py --pods 5000
    KEELSON_BIN=/elsewhere/bin tools/kvbench/control_plane.py --rounds 3      # another build, to be compared

Each round, in one cluster:
  whole path       a Deployment goes from 0 to --pods replicas, until its status says that all are available;
  created          the same with the schedulers stopped, until all pods are there;
  bound            ... and the schedulers going on, until all are available: pods that have waited, so this is what the
                   scheduler, the bindings and the statuses take;
  deleted          the Deployment is deleted, until there is no pod left;
  scheduled        (after another creation) the schedulers going on and the nodes stopped, until every pod has a node:
                   what upstream's scheduler_perf measures, bindings without kubelets;
  started          the nodes going on, until all are available;
  namespace        its namespace is deleted, until there is none.

Rates are of wall time and say little on a machine that does something else beside it. CPU time a pod, of a component's
processes together (three API servers), is what to compare builds by. Below each phase: how long API servers took for
its requests, from the last byte of the request to the answer, watches aside.

Nodes are stopped for NODES_STOPPED_SECONDS at most, before anybody takes them for dead: `scheduled` with very many
--pods fails on a slow machine.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import control_plane  # noqa: E402

GROUPS = ("m", "apiserver", "scheduler", "controllers", "nodes", "front")
TICKS = os.sysconf("SC_CLK_TCK")
PHASE_SECONDS = 600
# A node's lease may be 10 s old when it is stopped, and the node is taken for dead when it is 40 s old.
NODES_STOPPED_SECONDS = 28
PART_LIMITS = (0.025, 0.05, 0.1)


class Api:
    """One connection to the front, or to an API server, as the administrator."""

    def __init__(self, plane, port):
        context = ssl.create_default_context(cafile=str(plane.dir / "pki" / "ca.crt"))
        context.load_cert_chain(*plane.certificate("admin"))
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)

    def text(self, path):
        self.connection.request("GET", path)
        return self.connection.getresponse().read().decode()

    def call(self, method, path, body=None, content="application/json"):
        self.connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": content})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)


def deployment(replicas):
    labels = {"app": "crowd"}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "crowd"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "registry.example/pause:3.9",
                                     "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}}}]}}}}


def print_durations(within):
    """`within`: how many requests took no longer than each limit, in seconds."""
    requests = within[float("inf")]
    if requests == 0:
        return
    shares = "  ".join(f"{within[limit] / requests:.2%} below {limit * 1000:.0f} ms" for limit in PART_LIMITS)
    p99 = min(limit for limit, count in within.items() if count >= 0.99 * requests)
    print(f"    {requests} requests: {shares}; p99 below {p99 * 1000:.0f} ms", flush=True)


class Bench:
    def __init__(self, plane, args):
        self.plane = plane
        self.args = args
        self.api = Api(plane, plane.port)
        self.servers = [Api(plane, port) for port in plane.server_ports]
        # First those of the schedulers, then those of the controllers, then that of the nodes.
        ports = json.loads((plane.dir / "cluster.json").read_text())["statusPorts"]
        self.scheduler_ports = ports[:plane.members]
        self.space = None
        self.results = []

    def processes(self):
        for name in self.plane.components():
            group = name.rstrip("0123456789-")
            yield group if group in GROUPS else "other", self.plane.pid(name)

    def cpu(self):
        used = dict.fromkeys(GROUPS, 0.0)
        for group, pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            used[group] += (int(fields[11]) + int(fields[12])) / TICKS
        return used

    def memory(self):
        """Resident, of a component's processes together, in MiB."""
        held = dict.fromkeys(GROUPS, 0.0)
        for group, pid in self.processes():
            pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
            held[group] += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return held

    def requests(self):
        """What API servers have answered so far, by verb and resource."""
        total = collections.Counter()
        for server in self.servers:
            for labels, count in re.findall(r'^apiserver_request_total\{(.*)\} (\S+)$', server.text("/metrics"), re.M):
                of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                what = of["resource"] + ("/" + of["subresource"] if of["subresource"] else "")
                total[f"{of['verb']} {what} {of['code']}"] += float(count)
        return total

    def durations(self):
        """How many requests took no longer than each limit of the histogram, of all API servers so far."""
        total = collections.Counter()
        for server in self.servers:
            for labels, count in re.findall(r'^apiserver_request_duration_seconds_bucket\{(.*)\} (\S+)$',
                                            server.text("/metrics"), re.M):
                total[float(re.search(r'le="([^"]*)"', labels)[1])] += int(float(count))
        return total

    def scheduled(self):
        """How many pods the schedulers have bound so far."""
        total = 0
        for port in self.scheduler_ports:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            for labels, count in re.findall(r'^scheduler_schedule_attempts_total\{(.*)\} (\S+)$', text, re.M):
                total += int(float(count)) if 'result="scheduled"' in labels else 0
        return total

    def measure(self, phase, act, done, limit=PHASE_SECONDS):
        asked, took = self.requests(), self.durations()
        before, begin = self.cpu(), time.monotonic()
        act()
        while not done():
            if time.monotonic() - begin > limit:
                raise RuntimeError(f"{phase}: not done after {limit} s")
            time.sleep(0.2)
        seconds, after = time.monotonic() - begin, self.cpu()
        milliseconds = {group: (after[group] - before[group]) * 1000 / self.args.pods for group in GROUPS}
        took = self.durations() - took
        self.results.append({"phase": phase, "seconds": seconds, "cpu": milliseconds, "requests": took})
        print(f"{phase:10}  {seconds:7.1f} s  {self.args.pods / seconds:6.0f} pods/s   "
              + "  ".join(f"{group} {milliseconds[group]:.2f}" for group in GROUPS)
              + f"  all {sum(milliseconds.values()):.2f} ms CPU a pod", flush=True)
        print_durations(took)
        if self.args.memory:
            print("    memory  " + "  ".join(f"{group} {size:.0f}" for group, size in self.memory().items()) + " MiB",
                  flush=True)
        if self.args.requests:
            for what, count in (self.requests() - asked).most_common():
                if count >= self.args.pods / 50:
                    print(f"    {count / self.args.pods:6.2f} a pod  {what}", flush=True)

    def path(self, suffix=""):
        return f"/apis/apps/v1/namespaces/{self.space}/deployments{suffix}"

    def new_space(self, name):
        self.space = name
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def scale(self):
        self.api.call("PATCH", self.path("/crowd"), {"spec": {"replicas": self.args.pods}},
                      "application/merge-patch+json")

    def status_is(self, field):
        return self.api.call("GET", self.path("/crowd")).get("status", {}).get(field, 0) == self.args.pods

    def no_pods(self):
        return not self.api.call("GET", f"/api/v1/namespaces/{self.space}/pods?limit=1")["items"]

    def no_waiting_pods(self):
        path = f"/api/v1/namespaces/{self.space}/pods?limit=1&fieldSelector=spec.nodeName%3D"
        return not self.api.call("GET", path)["items"]

    def signal(self, group, number):
        for of, pid in self.processes():
            if of == group:
                os.kill(pid, number)

    def create(self):
        self.api.call("POST", self.path(), deployment(0))
        self.signal("scheduler", signal.SIGSTOP)
        self.measure("created", self.scale, lambda: self.status_is("replicas"))

    def round(self, number):
        self.new_space(f"crowd-{number}")

        def available():
            return self.status_is("availableReplicas")

        def delete():
            self.api.call("DELETE", self.path("/crowd"))

        self.api.call("POST", self.path(), deployment(0))
        self.measure("whole path", self.scale, available)
        self.measure("deleted", delete, self.no_pods)
        if self.args.short:
            return
        self.create()
        self.measure("bound", lambda: self.signal("scheduler", signal.SIGCONT), available)
        self.measure("deleted", delete, self.no_pods)
        due = self.scheduled() + self.args.pods
        self.create()
        self.signal("nodes", signal.SIGSTOP)
        self.measure("scheduled", lambda: self.signal("scheduler", signal.SIGCONT),
                     lambda: self.scheduled() >= due and self.no_waiting_pods(), limit=NODES_STOPPED_SECONDS)
        self.measure("started", lambda: self.signal("nodes", signal.SIGCONT), available)
        space = f"/api/v1/namespaces/{self.space}"
        self.measure("namespace", lambda: self.api.call("DELETE", space), lambda: self.api.call("GET", space) is None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--requests", action="store_true", help="how many requests of which kind a pod is")
    parser.add_argument("--short", action="store_true", help="of each round only the whole path and the deletion")
    parser.add_argument("--memory", action="store_true", help="resident memory after each phase")
    parser.add_argument("--json", help="a file for the numbers, too")
    args = parser.parse_args()
    plane = control_plane.ControlPlane(members=args.members, nodes=args.nodes)
    try:
        plane.up("--no-kubeconfig")
        bench = Bench(plane, args)
        try:
            for number in range(args.rounds):
                bench.round(number)
        finally:
            for group in ("scheduler", "nodes"):
                bench.signal(group, signal.SIGCONT)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(bench.results, indent=1) + "\n")
    finally:
        plane.remove()


if __name__ == "__main__":
    main()
