"""What pods and nodes use: measured on the nodes, told by metrics.k8s.io, shown by `kubectl top`, followed by the autoscaler."""

import json

import control_plane
from cluster import wait_until
from scheduling_test import PlaneTest, SIM, deployment


class AutoscalerTest(PlaneTest):
    def test_use_is_told_and_the_autoscaler_follows_it(self):
        busy = deployment("busy", 1)
        busy["spec"]["template"]["metadata"]["annotations"] = {SIM + "cpu": "400m", SIM + "memory": "64Mi"}
        busy["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "500m"}}
        self.apply(busy)
        self.kubectl("autoscale", "deployment", "busy", "--cpu-percent=50", "--min=1", "--max=3")
        self.addCleanup(self.kubectl, "delete", "hpa", "busy", check=False)
        wait_until(lambda: len(self.pods("busy")) == 3, 120, "80 % used of what 50 % is wanted of needs more pods")
        wait_until(lambda: all(p["status"]["phase"] == "Running" for p in self.pods("busy")), 30, "they run")

        def use_of(*which):
            return [line.split()[1:] for line in self.kubectl("top", *which, "--no-headers").splitlines()]
        wait_until(lambda: use_of("pods", "-l", "app=busy") == [["400m", "64Mi"]] * 3, 60, "what they use is told")
        pods = json.loads(self.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dbusy"))
        self.assertEqual([c["name"] for c in pods["items"][0]["containers"]], ["c"])
        self.assertEqual(pods["items"][0]["metadata"]["labels"]["app"], "busy")
        name = pods["items"][0]["metadata"]["name"]
        self.assertEqual(self.get("pods.metrics.k8s.io", name)["metadata"]["name"], name)
        nodes = use_of("nodes")
        self.assertEqual(len(nodes), 3)
        self.assertGreaterEqual(sum(int(cpu[:-1]) for cpu, *_ in nodes), 1200)
        missing = self.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none", check=False)
        self.assertIn('podmetrics.metrics.k8s.io "default/none" not found', missing.stderr)
        self.assertIn("3", self.kubectl("get", "hpa", "busy", "--no-headers").split())


if __name__ == "__main__":
    control_plane.main()
