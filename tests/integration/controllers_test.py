#!/usr/bin/python3
"""Controllers at work on a real API server over a real store: a cluster of one member that `keelson up` starts, without
nodes. Pods begin to run, and end, as the test writes into their status; requests are plain HTTPS."""

import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

BIN = pathlib.Path(os.environ.get("KEELSON_BIN", pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"))
PATIENCE = 60  # a hang ends then; nothing waits so long


class Refused(Exception):
    def __init__(self, code, body):
        super().__init__(f"{code}: {body.get('message', body)}")
        self.code = code
        self.body = body


class Api:
    """One connection a thread, made anew when it breaks."""

    def __init__(self, port, pki):
        self.port = port
        self.tls = ssl.create_default_context(cafile=pki / "ca.crt")
        self.tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.local = threading.local()
        self.connections = []

    def request(self, method, path, body=None, content="application/json"):
        data = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.port, context=self.tls, timeout=PATIENCE)
                self.connections.append(connection)
            try:
                connection.request(method, path, data, {"Content-Type": content} if data else {})
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if attempt == 2 or method == "POST":
                    raise
        parsed = json.loads(text) if text else {}
        if answer.status >= 300:
            raise Refused(answer.status, parsed)
        return parsed

    def close(self):
        for connection in self.connections:
            connection.close()

    def get(self, path):
        """None: not there."""
        try:
            return self.request("GET", path)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def items(self, path):
        return self.request("GET", path)["items"]

    def create(self, path, body):
        return self.request("POST", path, body)

    def merge(self, path, patch):
        return self.request("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, path, **options):
        return self.request("DELETE", path, options or None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what):
    """Waits until it holds and gives what it gave."""
    end = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.05)


class Kubelet(threading.Thread):
    """Has every pod run that has the label run=yes, and lets those go that are being deleted."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api = api
        self.stopping = threading.Event()
        self.addresses = 0

    def run(self):
        while not self.stopping.wait(0.05):
            for pod in self.api.items("/api/v1/pods"):
                try:
                    self.look_at(pod)
                except Refused as refused:
                    if refused.code not in (404, 409):
                        raise

    def look_at(self, pod):
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if "deletionTimestamp" in meta:
            if pod["spec"].get("nodeName"):
                self.api.delete(path, gracePeriodSeconds=0)
        elif meta.get("labels", {}).get("run") == "yes" and pod["status"].get("phase") == "Pending":
            self.addresses += 1
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.api.merge(path + "/status", {"status": {
                "phase": "Running", "startTime": now, "podIP": f"10.7.{self.addresses // 250}.{self.addresses % 250 + 1}",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}]}})


class ControllersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-controllers-"))
        cls.directory = cls.folder / "cluster"
        port = free_port()
        done = subprocess.run(
            [BIN / "keelson", "up", "--dir", cls.directory, "--members", "1", "--nodes", "0", "--port", str(port),
             "--no-kubeconfig"], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            cls.close()
            raise AssertionError(done.stdout + done.stderr)
        cls.api = Api(port, cls.directory / "pki")
        cls.kubelet = Kubelet(cls.api)
        cls.kubelet.start()
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.kubelet.stopping.set()
        cls.kubelet.join()
        cls.api.close()
        cls.close()

    @classmethod
    def close(cls):
        subprocess.run([BIN / "keelson", "down", "--dir", cls.directory], capture_output=True, timeout=120, check=False)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        """A namespace of its own."""
        type(self).count += 1
        self.space = f"test-{self.count}"
        self.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space}})
        until(lambda: self.api.get(f"/api/v1/namespaces/{self.space}/serviceaccounts/default"), "the service account")

    def tearDown(self):
        if self.api.get(f"/api/v1/namespaces/{self.space}"):
            self.api.delete(f"/api/v1/namespaces/{self.space}")

    def core(self, rest):
        return f"/api/v1/namespaces/{self.space}/{rest}"

    def apps(self, rest):
        return f"/apis/apps/v1/namespaces/{self.space}/{rest}"

    def batch(self, rest):
        return f"/apis/batch/v1/namespaces/{self.space}/{rest}"

    @staticmethod
    def template(image="one", **spec):
        return {"metadata": {"labels": {"app": "x", "run": "yes"}},
                "spec": {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0, **spec}}

    def status(self, path):
        return self.api.get(path).get("status", {})

    def workload(self, kind, **spec):
        spec = {"selector": {"matchLabels": {"app": "x"}}, "template": self.template(), **spec}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}

    def pods(self):
        return [p for p in self.api.items(self.core("pods")) if "deletionTimestamp" not in p["metadata"]]

    def events(self, reason):
        return [e for e in self.api.items(self.core("events")) if e["reason"] == reason]

    def end_pod(self, pod, code=0):
        """It ends as if its container had exited so."""
        self.api.merge(self.core(f"pods/{pod['metadata']['name']}/status"), {"status": {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": "c", "image": "one", "imageID": "", "ready": False, "restartCount": 0,
                                   "state": {"terminated": {"exitCode": code}}}]}})

    # Every namespace.

    def test_namespace_has_the_authority_and_gets_it_back(self):
        path = self.core("configmaps/kube-root-ca.crt")
        authority = (self.directory / "pki/ca.crt").read_text()
        first = until(lambda: self.api.get(path), "the authority")
        self.assertEqual(first["data"]["ca.crt"], authority)
        self.api.delete(path)
        until(lambda: (self.api.get(path) or first)["metadata"]["uid"] != first["metadata"]["uid"], "another one")

    def test_token_secret_is_filled_and_goes_with_its_account(self):
        self.api.create(self.core("serviceaccounts"), {"metadata": {"name": "bot"}})
        self.api.create(self.core("secrets"), {
            "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "bot"}},
            "type": "kubernetes.io/service-account-token"})
        until(lambda: self.api.get(self.core("secrets/token")).get("data", {}).get("token"), "the token")
        self.api.delete(self.core("serviceaccounts/bot"))
        until(lambda: self.api.get(self.core("secrets/token")) is None, "the end of the token")

    def test_ending_namespace_tells_of_all_that_holds_it_however_much_it_is(self):
        count = 503  # more than a page
        for i in range(count):
            self.api.create(self.core("configmaps"), {"metadata": {"name": f"m{i}", "finalizers": ["example.com/hold"]}})
        self.api.delete(f"/api/v1/namespaces/{self.space}")
        wanted = {"NamespaceContentRemaining": f"Some resources are remaining: configmaps. has {count} resource instances",
                  "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
                                                  f"example.com/hold in {count} resource instances"}

        def told():
            conditions = self.api.get(f"/api/v1/namespaces/{self.space}")["status"].get("conditions", [])
            return wanted.items() <= {c["type"]: c["message"] for c in conditions}.items()
        until(told, "the count of all that is left")
        for i in range(count):
            self.api.request("PATCH", self.core(f"configmaps/m{i}"), {"metadata": {"finalizers": None}},
                             "application/merge-patch+json")
        until(lambda: self.api.get(f"/api/v1/namespaces/{self.space}") is None, "the end of the namespace")

    def test_deleted_namespace_goes_with_all_that_is_in_it(self):
        self.api.create(self.apps("deployments"), self.workload("Deployment", replicas=2))
        self.api.create(self.core("configmaps"), {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
        until(lambda: len(self.pods()) == 2, "two pods")
        self.api.delete(f"/api/v1/namespaces/{self.space}")

        def remaining():
            conditions = self.api.get(f"/api/v1/namespaces/{self.space}")["status"].get("conditions", [])
            return any(c["type"] == "NamespaceFinalizersRemaining" and c["status"] == "True"
                       and "example.com/hold in 1 resource instances" in c["message"] for c in conditions)
        until(remaining, "a word about the finalizer")
        self.api.merge(self.core("configmaps/held"), {"metadata": {"finalizers": None}})
        until(lambda: self.api.get(f"/api/v1/namespaces/{self.space}") is None, "the end of the namespace")

    # Workloads.

    def test_deployment_rolls_forward_and_back(self):
        self.api.create(self.apps("deployments"), self.workload("Deployment", replicas=3))

        def rolled(image, revision):
            d = self.api.get(self.apps("deployments/x"))
            s = d.get("status", {})
            return (s.get("observedGeneration") == d["metadata"]["generation"] and s.get("updatedReplicas") == 3
                    and s.get("replicas") == 3 and s.get("availableReplicas") == 3
                    and d["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
                    and {p["spec"]["containers"][0]["image"] for p in self.pods()} == {image})
        until(lambda: rolled("one", "1"), "the first rollout")
        self.api.merge(self.apps("deployments/x"), {"spec": {"template": self.template("two")}})
        until(lambda: rolled("two", "2"), "the second rollout")
        self.api.merge(self.apps("deployments/x"), {"spec": {"template": self.template("one")}})
        until(lambda: rolled("one", "3"), "the way back")
        sets = self.api.items(self.apps("replicasets"))
        self.assertEqual(len(sets), 2)
        self.assertTrue(self.events("ScalingReplicaSet"))

    def test_owner_takes_its_dependents_along_or_leaves_them(self):
        self.api.create(self.apps("deployments"), self.workload("Deployment", replicas=2))
        until(lambda: len(self.pods()) == 2, "two pods")
        self.api.delete(self.apps("deployments/x"), propagationPolicy="Orphan")
        until(lambda: self.api.get(self.apps("deployments/x")) is None, "the end of the deployment")
        (orphan,) = self.api.items(self.apps("replicasets"))
        self.assertFalse(orphan["metadata"].get("ownerReferences"))
        self.api.delete(self.apps(f"replicasets/{orphan['metadata']['name']}"), propagationPolicy="Foreground")
        until(lambda: not self.api.items(self.apps("replicasets")) and not self.pods(), "the end of all")

    def test_service_points_at_the_pods_that_are_ready(self):
        self.api.create(self.core("services"), {
            "metadata": {"name": "s"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]}})
        self.api.create(self.apps("deployments"), self.workload("Deployment", replicas=2))

        def addresses():
            subsets = (self.api.get(self.core("endpoints/s")) or {}).get("subsets", [])
            return {a["ip"] for s in subsets for a in s.get("addresses", [])}

        def in_slices():
            slices = self.api.items(f"/apis/discovery.k8s.io/v1/namespaces/{self.space}/endpointslices")
            return {a for s in slices for e in s.get("endpoints") or [] if e["conditions"]["ready"]
                    for a in e["addresses"]}
        until(lambda: len(addresses()) == 2 and addresses() == in_slices(), "two addresses")
        self.api.merge(self.apps("deployments/x"), {"spec": {"replicas": 0}})
        until(lambda: not addresses() and not in_slices(), "no address")
        self.api.delete(self.core("services/s"))
        until(lambda: self.api.get(self.core("endpoints/s")) is None, "the end of the endpoints")

    def test_stateful_set_makes_one_pod_after_the_other_with_its_claim(self):
        self.api.create(self.apps("statefulsets"), self.workload(
            "StatefulSet", replicas=3, serviceName="x",
            volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]))
        until(lambda: self.status(self.apps("statefulsets/x")).get("readyReplicas") == 3, "three pods")
        pods = {p["metadata"]["name"]: p for p in self.pods()}
        self.assertEqual(set(pods), {"x-0", "x-1", "x-2"})
        created = [pods[f"x-{i}"]["metadata"]["creationTimestamp"] for i in range(3)]
        self.assertEqual(created, sorted(created))
        self.assertEqual(pods["x-1"]["spec"]["hostname"], "x-1")
        self.api.merge(self.apps("statefulsets/x"), {"spec": {"template": self.template("two")}})

        def updated():
            s = self.status(self.apps("statefulsets/x"))
            return (s["currentRevision"] == s["updateRevision"] and s.get("readyReplicas") == 3
                    and {p["spec"]["containers"][0]["image"] for p in self.pods()} == {"two"})
        until(updated, "the update")
        self.api.merge(self.apps("statefulsets/x"), {"spec": {"replicas": 1}})
        until(lambda: [p["metadata"]["name"] for p in self.pods()] == ["x-0"], "one pod")
        self.assertEqual(len(self.api.items(self.core("persistentvolumeclaims"))), 3)

    def node(self, name, **spec):
        self.api.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"group": self.space}}, "spec": spec})
        self.api.merge(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        self.addCleanup(lambda: self.api.get(f"/api/v1/nodes/{name}") and self.api.delete(f"/api/v1/nodes/{name}"))

    def test_daemon_set_has_a_pod_on_each_node_that_takes_it(self):
        for i in range(3):
            self.node(f"{self.space}-{i}", **({"taints": [{"key": "k", "effect": "NoSchedule"}]} if i == 2 else {}))
        self.api.create(self.apps("daemonsets"), self.workload(
            "DaemonSet", template=self.template(nodeSelector={"group": self.space})))

        def targets():
            return sorted(p["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
                          ["nodeSelectorTerms"][0]["matchFields"][0]["values"][0] for p in self.pods())
        until(lambda: targets() == [f"{self.space}-0", f"{self.space}-1"], "a pod for each of two nodes")
        self.api.delete(f"/api/v1/nodes/{self.space}-0")
        self.node(f"{self.space}-3")
        until(lambda: f"{self.space}-3" in targets(), "a pod for the new node")
        until(lambda: self.status(self.apps("daemonsets/x"))["desiredNumberScheduled"] == 2, "two in the status")

    # What runs to its end.

    def job(self, **spec):
        pod = self.template(restartPolicy="Never")
        return {"metadata": {"name": "j"}, "spec": {"template": pod, **spec}}

    def conditions(self, path):
        return {c["type"]: c for c in (self.api.get(path) or {}).get("status", {}).get("conditions", [])
                if c["status"] == "True"}

    def test_job_counts_each_pod_once_and_completes(self):
        self.api.create(self.batch("jobs"), self.job(completions=4, parallelism=2))
        ended = set()
        while "Complete" not in self.conditions(self.batch("jobs/j")):
            fresh = until(lambda: [p for p in self.pods() if p["status"]["phase"] == "Running"
                                   and p["metadata"]["name"] not in ended]
                          or "Complete" in self.conditions(self.batch("jobs/j")), "a pod to end")
            for pod in fresh if isinstance(fresh, list) else []:
                self.end_pod(pod)
                ended.add(pod["metadata"]["name"])
        status = self.status(self.batch("jobs/j"))
        self.assertEqual(status["succeeded"], 4)
        self.assertEqual(len(ended), 4)
        self.assertIn("completionTime", status)
        self.assertFalse([p for p in self.pods() if p["metadata"].get("finalizers")])

    def test_job_fails_when_its_pods_do_too_often(self):
        self.api.create(self.batch("jobs"), self.job(backoffLimit=0))
        (pod,) = until(lambda: [p for p in self.pods() if p["status"]["phase"] == "Running"], "a pod")
        self.end_pod(pod, code=1)
        failed = until(lambda: self.conditions(self.batch("jobs/j")).get("Failed"), "the failure")
        self.assertEqual(failed["reason"], "BackoffLimitExceeded")
        self.assertEqual(self.status(self.batch("jobs/j"))["failed"], 1)

    def test_indexed_job_knows_which_are_done(self):
        self.api.create(self.batch("jobs"), self.job(completions=3, parallelism=3, completionMode="Indexed"))
        pods = until(lambda: len(self.pods()) == 3 and all(p["status"]["phase"] == "Running" for p in self.pods())
                     and self.pods(), "three pods")
        by_index = {p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: p for p in pods}
        self.assertEqual(set(by_index), {"0", "1", "2"})
        for index in ("0", "2"):
            self.end_pod(by_index[index])
        until(lambda: self.status(self.batch("jobs/j")).get("completedIndexes") == "0,2", "0 and 2")
        self.end_pod(by_index["1"])
        until(lambda: "Complete" in self.conditions(self.batch("jobs/j")), "the end")
        self.assertEqual(self.status(self.batch("jobs/j"))["completedIndexes"], "0-2")

    def test_finished_job_goes_after_its_time(self):
        self.api.create(self.batch("jobs"), self.job(ttlSecondsAfterFinished=0))
        (pod,) = until(lambda: [p for p in self.pods() if p["status"]["phase"] == "Running"], "a pod")
        self.end_pod(pod)
        until(lambda: self.api.get(self.batch("jobs/j")) is None and not self.pods(), "the end of the job")

    def test_cron_job_that_is_due_makes_a_job(self):
        self.api.create(self.batch("cronjobs"), {"metadata": {"name": "c"}, "spec": {
            "schedule": "@every 1s", "jobTemplate": {"spec": self.job()["spec"]}, "concurrencyPolicy": "Forbid"}})
        (job,) = until(lambda: self.api.items(self.batch("jobs")), "a job")
        self.assertEqual(job["metadata"]["ownerReferences"][0]["name"], "c")
        until(lambda: self.status(self.batch("cronjobs/c")).get("active"), "its name in the status")
        self.api.merge(self.batch("cronjobs/c"), {"spec": {"suspend": True}})

    # Nodes, budgets, volumes, roles.

    def test_pods_leave_a_node_whose_taint_they_do_not_tolerate(self):
        name = f"{self.space}-n"
        self.node(name)
        for pod, tolerations in (("stays", [{"operator": "Exists"}]), ("goes", [])):
            self.api.create(self.core("pods"), {"metadata": {"name": pod}, "spec": {
                "nodeName": name, "tolerations": tolerations, "containers": [{"name": "c", "image": "one"}]}})
        taints = lambda: self.api.get(f"/api/v1/nodes/{name}")["spec"].get("taints", [])
        until(lambda: not taints(), "a node without taints")
        self.api.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
        until(lambda: [p["metadata"]["name"] for p in self.pods()] == ["stays"], "the eviction")
        self.api.merge(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "Test"}]}})
        until(lambda: {"node.kubernetes.io/not-ready"} < {t["key"] for t in taints()}, "the taint of a node that is ill")

    def test_budget_tells_how_many_may_go(self):
        self.api.create(self.apps("deployments"), self.workload("Deployment", replicas=3))
        self.api.create(f"/apis/policy/v1/namespaces/{self.space}/poddisruptionbudgets", {
            "metadata": {"name": "b"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}}})

        def status():
            return self.status(f"/apis/policy/v1/namespaces/{self.space}/poddisruptionbudgets/b")
        until(lambda: status().get("disruptionsAllowed") == 1, "one that may go")
        self.assertEqual((status()["expectedPods"], status()["desiredHealthy"], status()["currentHealthy"]), (3, 2, 3))

    def test_claims_are_bound_and_volumes_made_for_them(self):
        self.api.create("/apis/storage.k8s.io/v1/storageclasses", {
            "metadata": {"name": f"{self.space}-fast"}, "provisioner": "keelson.io/simulated"})
        self.addCleanup(lambda: self.api.delete(f"/apis/storage.k8s.io/v1/storageclasses/{self.space}-fast"))
        self.api.create(self.core("persistentvolumeclaims"), {"metadata": {"name": "made"}, "spec": {
            "storageClassName": f"{self.space}-fast", "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}})

        def bound(name):
            claim = self.api.get(self.core(f"persistentvolumeclaims/{name}"))
            return claim.get("status", {}).get("phase") == "Bound" and claim
        made = until(lambda: bound("made"), "a volume for the claim")
        volume = made["spec"]["volumeName"]
        self.assertEqual(made["status"]["capacity"]["storage"], "1Gi")
        self.api.create("/api/v1/persistentvolumes", {"metadata": {"name": f"{self.space}-old"}, "spec": {
            "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"},
            "storageClassName": self.space, "persistentVolumeReclaimPolicy": "Retain"}})
        self.api.create(self.core("persistentvolumeclaims"), {"metadata": {"name": "old"}, "spec": {
            "storageClassName": self.space, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "2Gi"}}}})
        self.assertEqual(until(lambda: bound("old"), "the old volume")["spec"]["volumeName"], f"{self.space}-old")
        for name in ("made", "old"):
            self.api.delete(self.core(f"persistentvolumeclaims/{name}"))
        until(lambda: self.api.get(f"/api/v1/persistentvolumes/{volume}") is None, "the end of the made volume")
        until(lambda: self.api.get(f"/api/v1/persistentvolumes/{self.space}-old")["status"]["phase"] == "Released",
              "the release of the other")
        self.api.delete(f"/api/v1/persistentvolumes/{self.space}-old")

    def test_roles_that_are_the_sum_of_others_follow_them(self):
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        names = [f"{self.space}-sum", f"{self.space}-part"]
        self.api.create(roles, {"metadata": {"name": names[0]}, "rules": [], "aggregationRule": {
            "clusterRoleSelectors": [{"matchLabels": {"into": self.space}}]}})
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
        self.api.create(roles, {"metadata": {"name": names[1], "labels": {"into": self.space}}, "rules": [rule]})
        until(lambda: self.api.get(f"{roles}/{names[0]}")["rules"] == [rule], "the sum")
        self.api.delete(f"{roles}/{names[1]}")
        until(lambda: not self.api.get(f"{roles}/{names[0]}").get("rules"), "nothing")
        self.api.delete(f"{roles}/{names[0]}")


if __name__ == "__main__":
    unittest.main()
