"""Scheduler and simulated nodes against a real API server: where pods go and why not, what makes room, and what a node
does with the pods it is given."""

import json
import re
import signal
import subprocess
import time

import control_plane
from cluster import wait_until

SIM = "keelson.io/sim."


def pod(name, spec=None, cpu=None, labels=None, sim=None, image="app:1"):
    container = {"name": "c", "image": image}
    if cpu is not None:
        container["resources"] = {"requests": {"cpu": str(cpu)}}
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {},
                         "annotations": {SIM + key: value for key, value in (sim or {}).items()}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 5, **(spec or {})}}


def deployment(name, replicas, spec=None):
    template = pod(name, spec, labels={"app": name})
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]}}}


class PlaneTest(control_plane.TestCase):
    members = 1
    nodes = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A new node is kept free until the controllers have seen that it is ready.
        wait_until(lambda: not any(node["spec"].get("taints") for node in cls.get("nodes")["items"]), 30,
                   "all nodes take pods")

    def apply(self, *objects):
        for one in objects:
            self.kubectl("apply", "-f", "-", stdin=json.dumps(one))
            kind, name = one["kind"], one["metadata"]["name"]
            self.addCleanup(self.kubectl, "delete", kind, name, "--ignore-not-found", "--now", check=False)

    def pods(self, app):
        return self.get("pods", "-l", f"app={app}")["items"]

    def phase(self, name):
        done = self.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}", check=False)
        return done.stdout if done.returncode == 0 else None

    def wait_running(self, name, seconds=30):
        wait_until(lambda: self.phase(name) == "Running", seconds, f"{name} runs")

    def node_of(self, name):
        return self.get("pod", name)["spec"].get("nodeName")

    def condition(self, name, kind):
        conditions = self.get("pod", name)["status"].get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), None)

    def refusal(self, name):
        wait_until(lambda: self.condition(name, "PodScheduled"), 20, f"{name} is refused")
        condition = self.condition(name, "PodScheduled")
        self.assertEqual((condition["status"], condition["reason"]), ("False", "Unschedulable"))
        return condition["message"]

    def events(self, name, reason):
        events = self.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
        return [e["message"] for e in events if e["reason"] == reason]

    def wait_events(self, name, reason):
        wait_until(lambda: self.events(name, reason), 20, f"an event {reason} of {name}")
        return self.events(name, reason)


class SchedulingTest(PlaneTest):
    def test_replicas_are_spread_over_the_nodes(self):
        self.apply(deployment("spread", 6))
        wait_until(lambda: [p["status"]["phase"] for p in self.pods("spread")] == ["Running"] * 6, 30, "all run")
        nodes = sorted(p["spec"]["nodeName"] for p in self.pods("spread"))
        self.assertEqual(nodes, ["node-0", "node-0", "node-1", "node-1", "node-2", "node-2"])
        self.assertEqual(len({p["status"]["podIP"] for p in self.pods("spread")}), 6)

    def test_a_refusal_says_why_and_a_change_of_the_cluster_ends_it(self):
        self.apply(pod("huge", cpu=33))
        message = ("0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: "
                   "3 No preemption victims found for incoming pod.")
        self.assertEqual(self.refusal("huge"), message)
        self.assertIn(message, self.wait_events("huge", "FailedScheduling"))

        self.apply(pod("picky", {"nodeSelector": {"disk": "ssd"}}))
        self.assertTrue(self.refusal("picky").startswith(
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."), self.refusal("picky"))
        self.addCleanup(self.kubectl, "label", "node", "node-1", "disk-")
        self.kubectl("label", "node", "node-1", "disk=ssd")
        self.wait_running("picky")
        self.assertEqual(self.node_of("picky"), "node-1")
        self.assertEqual(self.wait_events("picky", "Scheduled"), ["Successfully assigned default/picky to node-1"])
        self.assertEqual(self.condition("picky", "PodScheduled")["status"], "True")

    def test_taints_and_cordons_keep_pods_away(self):
        self.addCleanup(self.kubectl, "taint", "node", "node-0", "k-", check=False)
        self.addCleanup(self.kubectl, "uncordon", "node-2")
        self.kubectl("taint", "node", "node-0", "k=v:NoSchedule")
        self.kubectl("cordon", "node-2")
        self.apply(*[pod(f"plain{i}") for i in range(3)],
                   pod("brave", {"nodeSelector": {"kubernetes.io/hostname": "node-0"},
                                 "tolerations": [{"key": "k", "operator": "Exists"}]}),
                   pod("stuck", {"nodeSelector": {"kubernetes.io/hostname": "node-0"}}))
        for i in range(3):
            self.wait_running(f"plain{i}")
            self.assertEqual(self.node_of(f"plain{i}"), "node-1")
        self.wait_running("brave")
        self.assertTrue(self.refusal("stuck").startswith(
            "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated "
            "taint {k: v}, 1 node(s) were unschedulable."), self.refusal("stuck"))
        self.kubectl("taint", "node", "node-0", "k-")
        self.wait_running("stuck")

    def test_pods_that_keep_apart(self):
        apart = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "apart"}}, "topologyKey": "kubernetes.io/hostname"}]}}}
        self.apply(deployment("apart", 4, apart))
        wait_until(lambda: sorted(p["status"]["phase"] for p in self.pods("apart")) == ["Pending"] + ["Running"] * 3,
                   30, "three run and one waits")
        waiting = next(p["metadata"]["name"] for p in self.pods("apart") if p["status"]["phase"] == "Pending")
        self.assertTrue(self.refusal(waiting).startswith(
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."), self.refusal(waiting))
        self.kubectl("scale", "deployment", "apart", "--replicas=3")
        wait_until(lambda: [p["status"]["phase"] for p in self.pods("apart")] == ["Running"] * 3, 30, "three are left")
        self.assertEqual(len({p["spec"]["nodeName"] for p in self.pods("apart")}), 3)

    def test_the_important_take_the_place_of_the_least_important(self):
        for name, value in (("low", 10), ("middle", 20), ("high", 1000)):
            self.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
                        "value": value})
        full = [pod(f"full{i}", {"priorityClassName": "low" if i == 1 else "middle"}, cpu=30) for i in range(3)]
        self.apply(*full)
        for i in range(3):
            self.wait_running(f"full{i}")
        room = self.node_of("full1")
        self.apply(pod("vip", {"priorityClassName": "high"}, cpu=30))
        self.wait_running("vip")
        self.assertEqual(self.node_of("vip"), room)
        wait_until(lambda: self.phase("full1") is None, 20, "the victim is gone")
        uid = self.get("pod", "vip")["metadata"]["uid"]
        self.assertEqual(self.wait_events("full1", "Preempted"), [f"Preempted by pod {uid} on node {room}"])
        self.assertEqual([self.phase("full0"), self.phase("full2")], ["Running", "Running"])

    def test_gated_pods_wait_for_their_gates(self):
        self.apply(pod("gated", {"schedulingGates": [{"name": "example.com/later"}]}), pod("free"))
        self.wait_running("free")
        self.assertIsNone(self.node_of("gated"))
        self.kubectl("patch", "pod", "gated", "--type=json", "-p",
                     '[{"op":"remove","path":"/spec/schedulingGates"}]')
        self.wait_running("gated")

    def test_a_scheduler_that_was_killed_goes_on_where_it_was(self):
        self.apply(pod("before", cpu=33))
        self.refusal("before")
        pid = self.plane.pid("scheduler-1")
        self.plane.kill("scheduler-1", signal.SIGKILL)
        self.apply(pod("after"))
        wait_until(lambda: self.plane.pid("scheduler-1") not in (None, pid), 30, "the scheduler is there again")
        self.wait_running("after", 60)
        self.assertEqual(self.phase("before"), "Pending")


class NodesTest(PlaneTest):
    def test_logs_are_read_from_the_node(self):
        talker = pod("talker", {"restartPolicy": "OnFailure"}, image="busybox", sim={"log-interval": "100ms"})
        talker["spec"]["containers"][0]["command"] = ["sh", "-c", "echo hello; sleep infinity"]
        self.apply(talker)
        self.wait_running("talker")
        self.assertEqual(self.kubectl("logs", "talker").splitlines()[:2], ["c started", "hello"])
        wait_until(lambda: "line 3" in self.kubectl("logs", "talker"), 10, "lines come")
        self.assertEqual(len(self.kubectl("logs", "talker", "--tail=2").splitlines()), 2)
        self.assertRegex(self.kubectl("logs", "talker", "--timestamps"), r"(?m)^\d{4}-\d\d-\d\dT\S+Z hello$")

    def follow(self, *arguments):
        process = subprocess.Popen([control_plane.KUBECTL, "logs", "-f", *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.plane.environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_a_log_is_followed_until_the_container_ends(self):
        self.apply(pod("lasting", {"restartPolicy": "Never"}, sim={"log-interval": "200ms", "exit-after": "4s"}))
        self.wait_running("lasting")
        out, err = self.follow("lasting").communicate(timeout=60)
        count = len(out.splitlines()) - 1
        self.assertGreaterEqual(count, 20, err)
        self.assertEqual(out, "c started\n" + "".join(f"line {i}\n" for i in range(1, count + 1)))
        # One that has ended has no more to say.
        self.assertEqual(self.follow("lasting", "--tail=1").communicate(timeout=30)[0], f"line {count}\n")

    def test_many_logs_are_followed_and_nobody_waits_for_them(self):
        self.apply(pod("endless", sim={"log-interval": "200ms"}))
        self.wait_running("endless")
        self.kubectl("logs", "endless", "--tail=0")
        followers = [self.follow("endless", "--tail=1", "--timestamps") for _ in range(5)]
        for follower in followers:
            lines = [follower.stdout.readline() for _ in range(3)]
            numbers = [int(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (?:line (\d+)|c started)\n", line).group(1) or 0)
                       for line in lines]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3)))
        since = self.kubectl("logs", "endless", "--since=1s").splitlines()
        self.assertLess(len(since), 10)
        self.assertEqual(self.kubectl("logs", "endless", "--since-time=2099-01-01T00:00:00+01:00"), "")
        self.kubectl("delete", "pod", "endless", "--now")
        for follower in followers:
            follower.communicate(timeout=30)
            self.assertEqual(follower.returncode, 0)

    def test_a_log_cannot_be_cut_to_less_than_nothing(self):
        self.apply(pod("quiet"))
        self.wait_running("quiet")
        path = "/api/v1/namespaces/default/pods/quiet/log?"
        for query, fault in (("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
                             ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
                             ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0")):
            done = self.kubectl("get", "--raw", path + query, check=False)
            self.assertIn('PodLogOptions "quiet" is invalid: ' + fault, done.stderr)

    def test_a_container_that_fails_is_restarted_and_backs_off(self):
        self.apply(pod("crash", sim={"exit-after": "100ms", "exit-code": "3"}))
        wait_until(lambda: "CrashLoopBackOff" in self.kubectl("get", "pod", "crash"), 30, "it is known to crash")
        status = self.get("pod", "crash")["status"]["containerStatuses"][0]
        self.assertEqual(status["lastState"]["terminated"]["exitCode"], 3)
        self.assertGreaterEqual(status["restartCount"], 1)
        self.assertEqual(self.kubectl("logs", "crash", "--previous").splitlines()[0], "c started")
        self.assertTrue(self.wait_events("crash", "BackOff")[0].startswith("Back-off restarting failed container c"))

    def test_readiness_follows_the_probe(self):
        slow = pod("slow", sim={"ready-after": "3s"})
        slow["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 80}, "periodSeconds": 1}
        self.apply(slow)
        self.wait_running("slow")
        self.assertEqual(self.condition("slow", "Ready")["reason"], "ContainersNotReady")
        self.kubectl("wait", "pod", "slow", "--for=condition=Ready", "--timeout=30s")

    def test_pods_run_to_their_ends(self):
        for name, code, phase in (("good", "0", "Succeeded"), ("bad", "7", "Failed")):
            self.apply(pod(name, {"restartPolicy": "Never"}, sim={"exit-after": "200ms", "exit-code": code}))
            wait_until(lambda n=name, p=phase: self.phase(n) == p, 30, f"{name} has {phase}")
            self.assertEqual(self.kubectl("logs", name).splitlines()[0], "c started")

    def test_deletion_gives_the_grace_that_is_asked_for(self):
        self.apply(pod("stubborn", {"terminationGracePeriodSeconds": 60}, sim={"ignore-stop": "true"}), pod("quick"))
        self.wait_running("stubborn")
        self.wait_running("quick")
        begin = time.monotonic()
        self.kubectl("delete", "pod", "stubborn", "--grace-period=3")
        self.assertGreaterEqual(time.monotonic() - begin, 2)
        self.assertIsNone(self.phase("stubborn"))
        self.kubectl("delete", "pod", "quick")
        self.assertIsNone(self.phase("quick"))

    def test_nodes_that_were_killed_run_their_pods_again(self):
        self.apply(pod("survivor"))
        self.wait_running("survivor")
        address = self.get("pod", "survivor")["status"]["podIP"]
        pid = self.plane.pid("nodes")
        self.plane.kill("nodes", signal.SIGKILL)
        wait_until(lambda: self.plane.pid("nodes") not in (None, pid), 30, "the nodes are there again")

        def runs_again():
            status = self.get("pod", "survivor")["status"]["containerStatuses"][0]
            return status["restartCount"] == 1 and "running" in status["state"]
        wait_until(runs_again, 30, "it was started again")
        self.assertEqual(self.get("pod", "survivor")["status"]["podIP"], address)


if __name__ == "__main__":
    control_plane.main()
