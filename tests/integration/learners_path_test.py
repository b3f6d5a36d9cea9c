"""What a learner does with a cluster in his first hours: the voting application of examples/voting-app, by kubectl."""

import unittest

import control_plane
import wire

APP = wire.ROOT / "examples" / "voting-app"
NAMESPACE = "voting"
DEPLOYMENTS = {"redis": 1, "db": 1, "worker": 2, "vote": 3, "result": 2}


class LearnersPathTest(control_plane.TestCase):
    nodes = 4

    def in_app(self, *arguments, **options):
        return self.kubectl("-n", NAMESPACE, *arguments, **options)

    def pods(self, app):
        """The pods of a part that are not about to go."""
        items = self.get("-n", NAMESPACE, "pods", "-l", f"app={app}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, app):
        return [pod for pod in self.pods(app)
                if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))]

    def addresses(self, service):
        slices = self.get("-n", NAMESPACE, "endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
        return sorted(address for one in slices for endpoint in one.get("endpoints") or []
                      if endpoint["conditions"].get("ready") for address in endpoint["addresses"])

    def roll_out(self, app):
        self.in_app("rollout", "status", f"deployment/{app}", "--timeout=90s", timeout=100)

    def converge(self, replicas):
        for app, count in replicas.items():
            self.roll_out(app)
            self.wait_until(lambda: len(self.ready(app)) == count == len(self.pods(app)), 60, f"{count} of {app} are ready")

    def nodes_of(self, app):
        return {pod["spec"]["nodeName"] for pod in self.pods(app)}

    def test_the_whole_path(self):
        self.apply_the_directory()
        self.services_lead_to_pods()
        self.scale()
        self.update_and_undo()
        self.delete_a_pod()
        self.drain_a_node()
        self.lose_a_node()
        self.clean_up()

    def apply_the_directory(self):
        self.kubectl("apply", "-f", str(APP))
        self.converge(DEPLOYMENTS)
        told = self.kubectl("apply", "-f", str(APP))
        self.assertEqual({line.rsplit(" ", 1)[1] for line in told.splitlines()}, {"unchanged"}, told)
        claim = self.get("-n", NAMESPACE, "pvc", "db-data")
        self.assertEqual((claim["status"]["phase"], claim["spec"]["volumeName"]), ("Bound", "voting-db"))
        secret = self.in_app("get", "secret", "db", "-o", "jsonpath={.data.POSTGRES_USER}")
        self.assertEqual(secret, "cG9zdGdyZXM=")
        described = self.in_app("describe", "deployment", "vote")
        for text in ("ScalingReplicaSet", "3 desired | 3 updated | 3 total | 3 available"):
            self.assertIn(text, described)
        self.assertIn("voting.example", self.in_app("get", "ingress"))
        self.assertIn("vote", self.in_app("get", "all"))

    def services_lead_to_pods(self):
        for service in ("redis", "db", "vote", "result"):
            expected = sorted(pod["status"]["podIP"] for pod in self.ready(service))
            self.wait_until(lambda: self.addresses(service) == expected, 30, f"{service} leads to its pods")
        self.assertEqual(len(set(self.addresses("vote"))), 3)
        self.assertIn("31000", self.in_app("get", "service", "vote"))

    def scale(self):
        self.in_app("scale", "deployment/vote", "--replicas=6")
        self.converge({"vote": 6})
        self.wait_until(lambda: len(self.addresses("vote")) == 6, 30, "the service knows all six")
        self.in_app("scale", "deployment/vote", "--replicas=3")
        self.converge({"vote": 3})
        self.wait_until(lambda: len(self.addresses("vote")) == 3, 30, "the service knows three")

    def images(self):
        return {pod["spec"]["containers"][0]["image"].rsplit(":", 1)[1] for pod in self.pods("vote")}

    def update_and_undo(self):
        self.in_app("set", "image", "deployment/vote", "vote=dockersamples/examplevotingapp_vote:after")
        self.converge({"vote": 3})
        self.assertEqual(self.images(), {"after"})
        history = self.in_app("rollout", "history", "deployment/vote").splitlines()
        self.assertEqual([line.split()[0] for line in history if line[:1].isdigit()], ["1", "2"], history)
        self.in_app("rollout", "undo", "deployment/vote")
        self.converge({"vote": 3})
        self.assertEqual(self.images(), {"before"})
        self.in_app("rollout", "restart", "deployment/result")
        self.converge({"result": 2})

    def delete_a_pod(self):
        victim = self.pods("worker")[0]["metadata"]
        self.in_app("delete", "pod", victim["name"])
        self.converge({"worker": 2})
        self.assertNotIn(victim["uid"], [pod["metadata"]["uid"] for pod in self.pods("worker")])

    def drain_a_node(self):
        node = self.pods("vote")[0]["spec"]["nodeName"]
        self.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s", timeout=90)
        self.assertIn("SchedulingDisabled", self.kubectl("get", "node", node))
        self.converge(DEPLOYMENTS)
        for app in DEPLOYMENTS:
            self.assertNotIn(node, self.nodes_of(app))
        self.kubectl("uncordon", node)
        self.assertNotIn("SchedulingDisabled", self.kubectl("get", "node", node))

    def lose_a_node(self):
        # A taint of no execution sends its pods away; the node is then gone altogether.
        node = self.pods("vote")[0]["spec"]["nodeName"]
        self.kubectl("taint", "node", node, "broken=yes:NoExecute")
        self.wait_until(lambda: all(node not in self.nodes_of(app) for app in DEPLOYMENTS), 60, "its pods move")
        self.converge(DEPLOYMENTS)
        node = self.pods("vote")[0]["spec"]["nodeName"]
        before = {pod["metadata"]["uid"] for app in DEPLOYMENTS for pod in self.pods(app)
                  if pod["spec"]["nodeName"] == node}
        self.kubectl("delete", "node", node)

        def replaced():
            now = {pod["metadata"]["uid"] for app in DEPLOYMENTS for pod in self.pods(app)}
            return not now & before
        self.wait_until(replaced, 90, "the pods of a node that was deleted are made anew")
        self.converge(DEPLOYMENTS)

    def clean_up(self):
        self.kubectl("delete", "namespace", NAMESPACE, "--timeout=90s", timeout=100)
        self.assertNotEqual(self.kubectl("get", "namespace", NAMESPACE, check=False).returncode, 0)
        left = self.get("pods,services,deployments,replicasets,configmaps,secrets,pvc,ingresses", "-A")["items"]
        self.assertEqual([item["kind"] for item in left if item["metadata"]["namespace"] == NAMESPACE], [])
        self.assertEqual(self.get("pv", "voting-db")["status"]["phase"], "Released")
        self.kubectl("delete", "pv", "voting-db")


if __name__ == "__main__":
    control_plane.main()
