#!/usr/bin/python3
"""One API server over a store, asked as its clients ask: versions, lists and watches, patches, deletion, eviction, access.

KEELSON_TEST_SERVER=/usr/bin/etcd runs it over real etcd, which must make no difference.
"""

import base64
import concurrent.futures
import gzip
import http.client
import json
import pathlib
import re
import ssl
import threading
import time
import unittest
import urllib.parse

import cluster
import api_server
from cluster import wait_until
from manifests import config_map, pod

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Watch:
    """A watch that a thread reads; events are (type, object) in order."""

    def __init__(self, connection, path):
        self.connection = connection
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        self.events = []
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                event = json.loads(line)
                self.events.append((event["type"], event["object"]))
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.ended = True

    def told(self):
        return [f"{kind} {thing['metadata'].get('name', '')}".strip() for kind, thing in list(self.events)]

    def wait_for(self, count):
        wait_until(lambda: len(self.events) >= count, 20, f"{count} events of a watch")
        return self.told()

    def close(self):
        # The socket itself: closing what another thread reads would wait for it.
        if self.connection.sock:
            self.connection.sock.shutdown(2)
        self.thread.join(10)
        self.connection.close()


class ApiServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plane = api_server.ControlPlane()
        cls.addClassCleanup(cls.plane.close)
        cls.number = 0

    def setUp(self):
        type(self).number += 1
        self.space = f"t{self.number}"
        code, _ = self.ask("POST", "/api/v1/namespaces",
                           {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space}})
        self.assertEqual(code, 201)
        code, _ = self.ask("POST", f"/api/v1/namespaces/{self.space}/serviceaccounts",
                           {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
        self.assertIn(code, (201, 409))
        self.maps = f"/api/v1/namespaces/{self.space}/configmaps"
        self.pods = f"/api/v1/namespaces/{self.space}/pods"
        self.watches = []
        self.addCleanup(lambda: [watch.close() for watch in self.watches])

    def connect(self, context=None):
        address = urllib.parse.urlsplit(self.plane.url)
        return http.client.HTTPSConnection(address.hostname, address.port, context=context or self.plane.context,
                                           timeout=30)

    def exchange(self, method, path, body=None, headers=None, context=None):
        connection = self.connect(context)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, {"content-type": JSON, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def ask(self, method, path, body=None, content_type=JSON, **headers):
        code, _, text = self.exchange(method, path, body, {"content-type": content_type, **headers})
        return code, json.loads(text)

    def create(self, path, thing):
        code, made = self.ask("POST", path, thing)
        self.assertEqual(code, 201, made)
        return made

    def watch(self, path):
        self.watches.append(Watch(self.connect(), path))
        return self.watches[-1]

    def names(self, thing):
        return [item["metadata"]["name"] for item in thing["items"]]

    def test_an_update_of_an_old_version_is_a_conflict(self):
        made = self.create(self.maps, config_map("a", k="1"))
        made["data"]["k"] = "2"
        code, updated = self.ask("PUT", self.maps + "/a", made)
        self.assertEqual(code, 200)
        self.assertNotEqual(updated["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])
        made["data"]["k"] = "3"
        code, status = self.ask("PUT", self.maps + "/a", made)
        self.assertEqual((code, status["reason"]), (409, "Conflict"))
        self.assertEqual(status["message"],
                         'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your '
                         "changes to the latest version and try again")
        self.assertEqual(self.ask("GET", self.maps + "/a")[1]["data"]["k"], "2")

    def test_errors_have_kubernetes_words(self):
        cases = [
            ("GET", self.maps + "/none", None, 404, 'configmaps "none" not found'),
            ("GET", "/api/v1/nothing", None, 404, "the server could not find the requested resource"),
            ("GET", "/apis/apps/v1/namespaces/x/deployments/none", None, 404, 'deployments.apps "none" not found'),
            ("POST", self.maps, config_map("a", {"namespace": "other"}), 400,
             "the namespace of the provided object does not match the namespace sent on the request"),
            ("POST", self.maps, config_map("a", {"resourceVersion": "5"}), 400,
             "resourceVersion should not be set on objects to be created"),
            ("PUT", self.maps + "/b", config_map("a"), 400,
             "the name of the object (a) does not match the name on the URL (b)"),
            ("POST", f"/api/v1/namespaces/{self.space}/none/x", None, 404, "the server could not find the requested resource"),
        ]
        for method, path, body, code, message in cases:
            with self.subTest(path=path, body=body):
                got, status = self.ask(method, path, body)
                self.assertEqual((got, status["message"]), (code, message))
                self.assertEqual((status["kind"], status["apiVersion"], status["code"]), ("Status", "v1", code))
        code, status = self.ask("PATCH", self.maps + "/a", {}, content_type="text/plain")
        self.assertEqual((code, status["reason"]), (415, "UnsupportedMediaType"))
        code, status = self.ask("POST", self.maps, config_map("big", k="x" * (3 << 20)))
        self.assertEqual((code, status["reason"]), (413, "RequestEntityTooLarge"))

    def test_paths_lead_only_to_what_access_was_asked_for(self):
        self.create(self.maps, config_map("a"))
        self.create(self.pods, pod("p"))
        spaces = f"/api/v1/namespaces/{self.space}"
        cases = [
            # What is in no namespace is not found in one, nor what is in one without it.
            ("GET", spaces + "/nodes", 404),
            ("GET", spaces + "/namespaces", 404),
            ("DELETE", spaces + "/namespaces/default", 404),
            ("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.space}/clusterroles/admin", 404),
            ("GET", f"/api/v1/configmaps/{self.space}%2Fa", 404),
            ("POST", "/api/v1/configmaps", 405),
            ("DELETE", "/api/v1/configmaps", 405),
            # A part is no way to the whole.
            ("DELETE", self.pods + "/p/status", 405),
            ("GET", self.pods + "/p/binding", 405),
            ("PUT", self.pods + "/p/eviction", 405),
            ("PATCH", spaces + "/serviceaccounts/default/token", 405),
            ("GET", self.pods + "/p/status/more", 404),
        ]
        for method, path, code in cases:
            with self.subTest(method=method, path=path):
                body = None if method in ("GET", "DELETE") else {}
                self.assertEqual(self.ask(method, path, body, MERGE if method == "PATCH" else JSON)[0], code)
        self.assertEqual(self.ask("GET", spaces)[0], 200)
        self.assertNotIn("deletionTimestamp", self.ask("GET", self.pods + "/p")[1]["metadata"])

    def test_who_may_read_one_object_is_told_of_no_other(self):
        for name in ("a", "b"):
            self.create(self.maps, config_map(name))
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.space}"
        self.create(rbac + "/roles", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "one"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"],
                       "verbs": ["get", "list", "watch", "update"]},
                      {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update"]}]})
        self.create(rbac + "/rolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "one"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}]})
        reader = {"impersonate-user": "reader"}
        wait_until(lambda: self.exchange("GET", self.maps + "/a", headers=reader)[0] == 200, 20, "the binding counts")
        self.assertEqual(self.ask("GET", self.maps + "/a?watch=true", **reader)[1]["kind"], "ConfigMap")
        code, _, told = self.exchange(
            "GET", f"/api/v1/watch/namespaces/{self.space}/configmaps/a?fieldSelector=metadata.namespace%3D{self.space}"
            "&timeoutSeconds=1", headers=reader)
        self.assertEqual((code, [json.loads(line)["object"]["metadata"]["name"] for line in told.splitlines()]), (200, ["a"]))
        self.assertEqual(self.exchange("GET", self.maps + "?watch=true", headers=reader)[0], 403)
        # An update that creates is a creation.
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}}
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.space}/leases/l"
        code, _, body = self.exchange("PUT", path, lease, reader)
        self.assertEqual((code, json.loads(body)["message"]),
                         (403, 'leases.coordination.k8s.io "l" is forbidden: User "reader" cannot create resource "leases" in API '
                          f'group "coordination.k8s.io" in the namespace "{self.space}"'))
        code, made = self.ask("PUT", path, lease)
        self.assertEqual(code, 201)
        self.assertEqual(self.exchange("PUT", path, made, reader)[0], 200)

    def test_status_and_spec_are_written_apart(self):
        made = self.create(self.pods, pod("p"))
        self.assertEqual(made["status"]["phase"], "Pending")
        made["status"]["phase"] = "Running"
        made["metadata"]["labels"] = {"x": "y"}
        _, plain = self.ask("PUT", self.pods + "/p", made)
        self.assertEqual((plain["status"]["phase"], plain["metadata"]["labels"]), ("Pending", {"x": "y"}))
        plain["status"]["phase"] = "Running"
        plain["spec"]["containers"][0]["image"] = "other"
        code, status = self.ask("PUT", self.pods + "/p/status", plain)
        self.assertEqual(code, 200, status)
        self.assertEqual((status["status"]["phase"], status["spec"]["containers"][0]["image"]), ("Running", "i"))

    def test_patches_of_every_form_change_what_they_name(self):
        deployments = f"/apis/apps/v1/namespaces/{self.space}/deployments"
        self.create(deployments, {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"a": "b"}},
                     "template": {"metadata": {"labels": {"a": "b"}},
                                  "spec": {"containers": [{"name": "x", "image": "1"}, {"name": "y", "image": "1"}]}}}})
        _, patched = self.ask("PATCH", deployments + "/d", {"spec": {"replicas": 4}}, content_type=MERGE)
        self.assertEqual((patched["spec"]["replicas"], patched["metadata"]["generation"]), (4, 2))
        _, patched = self.ask("PATCH", deployments + "/d",
                              {"spec": {"template": {"spec": {"containers": [{"name": "y", "image": "2"}]}}}},
                              content_type=STRATEGIC)
        self.assertEqual([(c["name"], c["image"]) for c in patched["spec"]["template"]["spec"]["containers"]],
                         [("x", "1"), ("y", "2")])
        _, patched = self.ask("PATCH", deployments + "/d", [{"op": "replace", "path": "/spec/replicas", "value": 2}],
                              content_type=JSON_PATCH)
        self.assertEqual(patched["spec"]["replicas"], 2)
        code, same = self.ask("PATCH", deployments + "/d", {"spec": {"replicas": 2}}, content_type=MERGE)
        self.assertEqual((code, same["metadata"]["resourceVersion"]), (200, patched["metadata"]["resourceVersion"]))
        code, status = self.ask("PATCH", deployments + "/d",
                                {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 9}}, content_type=MERGE)
        self.assertEqual((code, status["reason"]), (409, "Conflict"))

    def test_scale_is_a_part_of_its_own(self):
        sets = f"/apis/apps/v1/namespaces/{self.space}/replicasets"
        self.create(sets, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"},
                           "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
                                    "template": {"metadata": {"labels": {"a": "b"}},
                                                 "spec": {"containers": [{"name": "x", "image": "1"}]}}}})
        _, scale = self.ask("GET", sets + "/r/scale")
        self.assertEqual((scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]), ("Scale", 1, "a=b"))
        scale["spec"]["replicas"] = 3
        self.assertEqual(self.ask("PUT", sets + "/r/scale", scale)[1]["spec"]["replicas"], 3)
        self.assertEqual(self.ask("PUT", sets + "/r/scale", scale)[0], 409)
        self.assertEqual(self.ask("GET", sets + "/r")[1]["spec"]["replicas"], 3)

    def test_pages_of_a_list_are_of_one_revision(self):
        for name in "abcde":
            self.create(self.maps, config_map(name))
        _, first = self.ask("GET", self.maps + "?limit=2")
        self.assertEqual(self.names(first), ["a", "b"])
        self.assertEqual(first["metadata"]["remainingItemCount"], 3)
        self.create(self.maps, config_map("bb"))
        token = urllib.parse.quote(first["metadata"]["continue"])
        _, second = self.ask("GET", f"{self.maps}?limit=2&continue={token}")
        self.assertEqual(self.names(second), ["c", "d"])
        self.assertEqual(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
        forged = [{"rv": -1, "start": "a\0"}, {"rv": -2, "start": f"{self.space}/a\0"},
                  {"rv": 99999999, "start": f"{self.space}/a\0"}]
        tokens = [base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", **token}).encode()).decode() for token in forged]
        for token in ("none", *tokens):
            code, status = self.ask("GET", f"{self.maps}?continue={urllib.parse.quote(token)}")
            self.assertEqual((code, status["reason"]), (400, "BadRequest"), token)

    def test_collections_are_deleted_page_by_page(self):
        for number in range(45):
            self.create(self.maps, config_map(f"m{number:02}", {"finalizers": ["example.com/f"] if number == 3 else []}))
        code, page = self.ask("DELETE", self.maps + "?limit=20")
        self.assertEqual((code, page["kind"], len(page["items"])), (200, "ConfigMapList", 20))
        token = urllib.parse.quote(page["metadata"]["continue"])
        partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        _, page = self.ask("DELETE", f"{self.maps}?limit=20&continue={token}", Accept=partial)
        self.assertEqual((page["kind"], page["items"][0]["kind"]), ("PartialObjectMetadataList", "PartialObjectMetadata"))
        self.assertEqual(self.names(page), [f"m{number}" for number in range(20, 40)])
        self.assertNotIn("data", page["items"][0])
        self.assertEqual(self.names(self.ask("GET", self.maps)[1]), ["m03"] + [f"m{number}" for number in range(40, 45)])
        self.ask("DELETE", self.maps)
        left = self.ask("GET", self.maps)[1]["items"]
        self.assertEqual([thing["metadata"]["name"] for thing in left], ["m03"])
        self.assertIn("deletionTimestamp", left[0]["metadata"])

    def test_many_collections_deleted_at_once_share_few_threads(self):
        requests, objects = 12, 40
        for number in range(requests * objects):
            self.create(self.maps, config_map(f"m{number}", {"labels": {"l": str(number // objects)}}))

        def threads():
            status = pathlib.Path(f"/proc/{self.plane.api_server.process.pid}/status").read_text()
            return int(re.search(r"(?m)^Threads:\s+(\d+)$", status).group(1))
        before, most, ended = threads(), 0, threading.Event()

        def look():
            nonlocal most
            while not ended.is_set():
                most = max(most, threads())
        watcher = threading.Thread(target=look)
        watcher.start()
        with concurrent.futures.ThreadPoolExecutor(requests) as pool:
            answers = list(pool.map(lambda l: self.ask("DELETE", f"{self.maps}?labelSelector=l={l}"), range(requests)))
        ended.set()
        watcher.join()
        self.assertEqual([(code, len(told["items"])) for code, told in answers], [(200, objects)] * requests)
        self.assertEqual(self.ask("GET", self.maps)[1]["items"], [])
        # One for each request, 15 that help all of them, and a few that the server may begin meanwhile.
        self.assertLessEqual(most, before + requests + 15 + 8)

    def test_a_new_object_has_the_status_that_go_gives_it(self):
        container = pod()["spec"]["containers"]
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": container}}
        workload = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        job = {"template": {"spec": {"containers": container, "restartPolicy": "Never"}}}
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
        four = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
        daemons = {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}
        for group_version, kind, plural, fields, status in (
                ("v1", "ConfigMap", "configmaps", {}, None),
                ("v1", "Secret", "secrets", {}, None),
                ("v1", "Service", "services", {"spec": {"ports": [{"port": 80}]}}, {"loadBalancer": {}}),
                ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", {"spec": claim}, {"phase": "Pending"}),
                ("v1", "ResourceQuota", "resourcequotas", {"spec": {"hard": {"pods": "9"}}}, {}),
                ("v1", "ReplicationController", "replicationcontrollers", {"spec": {"template": template}}, {"replicas": 0}),
                ("apps/v1", "Deployment", "deployments", {"spec": workload}, {}),
                ("apps/v1", "ReplicaSet", "replicasets", {"spec": workload}, {"replicas": 0}),
                ("apps/v1", "StatefulSet", "statefulsets", {"spec": workload}, {"availableReplicas": 0, "replicas": 0}),
                ("apps/v1", "DaemonSet", "daemonsets", {"spec": workload}, daemons),
                ("batch/v1", "Job", "jobs", {"spec": job}, {}),
                ("batch/v1", "CronJob", "cronjobs", {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}}, {}),
                ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", {"spec": {"minAvailable": 1}}, four),
                ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers",
                 {"spec": {"maxReplicas": 2, "scaleTargetRef": target}}, {"desiredReplicas": 0}),
                ("networking.k8s.io/v1", "Ingress", "ingresses",
                 {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}}, {"loadBalancer": {}}),
                ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", {"spec": {"podSelector": {}}}, None)):
            with self.subTest(kind=kind):
                path = f"/{'apis' if '/' in group_version else 'api'}/{group_version}/namespaces/{self.space}/{plural}"
                sent = {"apiVersion": group_version, "kind": kind, "metadata": {"name": "x"}, **fields}
                # What is sent as its status counts for nothing.
                made = self.create(path, sent if status is None else {**sent, "status": {"conditions": []}})
                self.assertEqual(made.get("status"), status)
                self.assertEqual(self.ask("GET", path + "/x")[1].get("status"), status)
                code, changed = self.ask("PATCH", path + "/x", {"metadata": {"labels": {"c": "d"}}}, content_type=MERGE)
                self.assertEqual((code, changed.get("status")), (200, status))
        old = f"/apis/autoscaling/v1/namespaces/{self.space}/horizontalpodautoscalers/x"
        self.assertEqual(self.ask("GET", old)[1]["status"], {"currentReplicas": 0, "desiredReplicas": 0})
        code, told = self.ask("PATCH", f"/apis/apps/v1/namespaces/{self.space}/replicasets/x/status",
                              {"status": {"replicas": None, "observedGeneration": 1}}, content_type=MERGE)
        self.assertEqual((code, told["status"]), (200, {"observedGeneration": 1, "replicas": 0}))

    def test_selectors_choose(self):
        for name, label in (("a", "x"), ("b", "y"), ("c", "x")):
            self.create(self.maps, config_map(name, {"labels": {"l": label}}))
        self.assertEqual(self.names(self.ask("GET", self.maps + "?labelSelector=l%3Dx")[1]), ["a", "c"])
        self.assertEqual(self.names(self.ask("GET", self.maps + "?labelSelector=l%20notin%20(x)")[1]), ["b"])
        self.assertEqual(self.names(self.ask("GET", self.maps + "?fieldSelector=metadata.name%3Db")[1]), ["b"])
        code, status = self.ask("GET", self.pods + "?fieldSelector=spec.none%3Db")
        self.assertEqual((code, status["message"]), (400, "field label not supported: spec.none"))

    def test_resource_versions_of_lists_mean_what_they_say(self):
        made = self.create(self.maps, config_map("a"))
        version = made["metadata"]["resourceVersion"]
        self.create(self.maps, config_map("b"))
        self.assertEqual(self.names(self.ask("GET", f"{self.maps}?resourceVersion={version}&resourceVersionMatch=Exact")[1]),
                         ["a"])
        self.assertEqual(self.names(self.ask(
            "GET", f"{self.maps}?resourceVersion={version}&resourceVersionMatch=NotOlderThan")[1]), ["a", "b"])
        code, status = self.ask("GET", f"{self.maps}?resourceVersion=99999999")
        self.assertEqual((code, status["reason"]), (504, "Timeout"))
        self.assertEqual(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge")

    def test_versions_that_make_no_sense_together_are_invalid(self):
        for query in ("resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact",
                      "resourceVersion=5&resourceVersionMatch=None"):
            with self.subTest(query=query):
                code, status = self.ask("GET", f"{self.maps}?{query}")
                self.assertEqual((code, status["reason"]), (422, "Invalid"))
                self.assertEqual(status["details"]["causes"][0]["field"], "resourceVersionMatch")

    def test_a_watch_goes_on_from_a_list_and_misses_nothing(self):
        self.create(self.maps, config_map("a"))
        _, listed = self.ask("GET", self.maps)
        watch = self.watch(f"{self.maps}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}")
        self.create(self.maps, config_map("b", k="1"))
        self.ask("PATCH", self.maps + "/a", {"data": {"k": "2"}}, content_type=MERGE)
        self.ask("DELETE", self.maps + "/b")
        self.assertEqual(watch.wait_for(3), ["ADDED b", "MODIFIED a", "DELETED b"])
        versions = [int(thing["metadata"]["resourceVersion"]) for _, thing in watch.events]
        self.assertEqual(versions, sorted(set(versions)))
        self.assertEqual(watch.events[2][1]["data"], {"k": "1"})

    def test_a_watch_without_a_version_begins_with_what_there_is(self):
        self.create(self.maps, config_map("a"))
        watch = self.watch(f"{self.maps}?watch=true")
        self.assertEqual(watch.wait_for(1), ["ADDED a"])
        self.create(self.maps, config_map("b"))
        self.assertEqual(watch.wait_for(2), ["ADDED a", "ADDED b"])

    def test_what_begins_or_ends_to_match_is_added_or_deleted(self):
        self.create(self.maps, config_map("a", {"labels": {"l": "x"}}))
        watch = self.watch(f"{self.maps}?watch=true&labelSelector=l%3Dx")
        watch.wait_for(1)
        self.ask("PATCH", self.maps + "/a", {"metadata": {"labels": {"l": "y"}}}, content_type=MERGE)
        _, back = self.ask("PATCH", self.maps + "/a", {"metadata": {"labels": {"l": "x"}}}, content_type=MERGE)
        self.assertEqual(watch.wait_for(3), ["ADDED a", "DELETED a", "ADDED a"])
        # A deletion of this kind shows the last state that matched, under the version of the change.
        gone = watch.events[1][1]
        self.assertEqual(gone["metadata"]["labels"], {"l": "x"})
        self.assertLess(int(gone["metadata"]["resourceVersion"]), int(back["metadata"]["resourceVersion"]))

    def test_initial_events_end_with_a_bookmark(self):
        self.create(self.maps, config_map("a"))
        watch = self.watch(f"{self.maps}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                           "&allowWatchBookmarks=true")
        self.assertEqual(watch.wait_for(2), ["ADDED a", "BOOKMARK"])
        bookmark = watch.events[1][1]
        self.assertEqual(bookmark["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        self.create(self.maps, config_map("b"))
        self.assertEqual(watch.wait_for(3)[2], "ADDED b")
        code, status = self.ask("GET", f"{self.maps}?watch=true&sendInitialEvents=true")
        self.assertEqual((code, status["reason"]), (422, "Invalid"))

    def test_a_watch_from_before_the_window_is_told_so(self):
        made = self.create(self.maps, config_map("a"))
        # A server that has just begun knows no changes from before.
        self.assertEqual(self.plane.api_server.terminate(), 0)
        self.plane.daemons.remove(self.plane.api_server)
        self.plane.start_api_server()
        self.create(self.maps, config_map("b"))
        version = int(made["metadata"]["resourceVersion"]) - 1
        code, status = self.ask("GET", f"{self.maps}?watch=true&resourceVersion={version}")
        self.assertEqual((code, status["code"], status["reason"]), (410, 410, "Expired"))

    def test_a_watch_ends_at_its_time(self):
        watch = self.watch(f"{self.maps}?watch=true&timeoutSeconds=1")
        wait_until(lambda: watch.ended, 20, "the watch ends")
        self.assertEqual(watch.events, [])

    def test_tables_are_given_to_who_asks(self):
        self.create(self.maps, config_map("a", k="1"))
        code, table = self.ask("GET", self.maps, accept=TABLE)
        self.assertEqual((code, table["kind"]), (200, "Table"))
        self.assertEqual([c["name"] for c in table["columnDefinitions"]], ["Name", "Data", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:2], ["a", 1])
        self.assertEqual(table["rows"][0]["object"]["kind"], "PartialObjectMetadata")

    def test_long_answers_are_compressed_for_who_takes_it(self):
        self.create(self.maps, config_map("a", k="x" * 200_000))
        code, headers, body = self.exchange("GET", self.maps, headers={"accept-encoding": "gzip"})
        self.assertEqual((code, headers["content-encoding"]), (200, "gzip"))
        self.assertLess(len(body), 10_000)
        self.assertEqual(self.names(json.loads(gzip.decompress(body))), ["a"])

    def test_finalizers_hold_an_object(self):
        self.create(self.maps, config_map("a", {"finalizers": ["example.com/f"]}))
        code, held = self.ask("DELETE", self.maps + "/a")
        self.assertEqual(code, 200)
        self.assertIn("deletionTimestamp", held["metadata"])
        self.assertEqual(self.ask("GET", self.maps + "/a")[0], 200)
        self.ask("PATCH", self.maps + "/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
        self.assertEqual(self.ask("GET", self.maps + "/a")[0], 404)

    def test_pods_on_a_node_are_deleted_with_grace(self):
        self.create(self.pods, pod("waiting"))
        code, status = self.ask("DELETE", self.pods + "/waiting")
        self.assertEqual((code, status["status"] if status["kind"] == "Status" else ""), (200, "Success"))
        made = self.create(self.pods, pod("bound"))
        code, _ = self.ask("POST", self.pods + "/bound/binding",
                           {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"},
                            "target": {"apiVersion": "v1", "kind": "Node", "name": "n"}})
        self.assertEqual(code, 201)
        code, status = self.ask("POST", self.pods + "/bound/binding",
                                {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "bound"},
                                 "target": {"apiVersion": "v1", "kind": "Node", "name": "m"}})
        self.assertEqual((code, status["reason"]), (409, "Conflict"))
        code, going = self.ask("DELETE", self.pods + "/bound")
        self.assertEqual((code, going["metadata"]["deletionGracePeriodSeconds"]), (200, 30))
        self.assertEqual(going["metadata"]["uid"], made["metadata"]["uid"])
        code, _ = self.ask("DELETE", self.pods + "/bound", {"gracePeriodSeconds": 0, "preconditions": {"uid": "other"}})
        self.assertEqual(code, 409)
        self.assertEqual(self.ask("DELETE", self.pods + "/bound", {"gracePeriodSeconds": 0})[0], 200)
        self.assertEqual(self.ask("GET", self.pods + "/bound")[0], 404)

    def test_a_grace_without_end_is_still_a_time(self):
        self.create(self.pods, pod("p", node="n"))
        _, going = self.ask("DELETE", self.pods + f"/p?gracePeriodSeconds={2**63 - 1}")
        self.assertRegex(going["metadata"]["deletionTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.ask("DELETE", self.pods + "/p?gracePeriodSeconds=0")[0], 200)
        self.assertEqual(self.ask("GET", self.pods + "/p")[0], 404)

    def test_a_budget_keeps_a_pod_from_being_evicted(self):
        self.create(self.pods, pod("p", {"a": "b"}, node="n"))
        _, now = self.ask("GET", self.pods + "/p")
        now["status"].update(phase="Running", conditions=[{"type": "Ready", "status": "True"}])
        code, answer = self.ask("PUT", self.pods + "/p/status", now)
        self.assertEqual(code, 200, answer)
        budgets = f"/apis/policy/v1/namespaces/{self.space}/poddisruptionbudgets"
        self.create(budgets, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
                              "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}})

        def set_allowed(count):
            _, budget = self.ask("GET", budgets + "/b")
            budget["status"] = {"disruptionsAllowed": count, "currentHealthy": 1 + count, "desiredHealthy": 1,
                                "expectedPods": 1, "observedGeneration": budget["metadata"]["generation"]}
            code, answer = self.ask("PUT", budgets + "/b/status", budget)
            self.assertEqual(code, 200, answer)

        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": self.space}}

        def evict():
            return self.ask("POST", self.pods + "/p/eviction", eviction)

        set_allowed(0)
        # What decides about evictions reads budgets as the cache has them.
        wait_until(lambda: evict()[0] == 429, 20, "the budget is known")
        code, status = evict()
        self.assertEqual((code, status["reason"]), (429, "TooManyRequests"))
        self.assertEqual(status["details"]["causes"][0]["reason"], "DisruptionBudget")
        set_allowed(1)
        code, status = evict()
        self.assertEqual((code, status["status"]), (201, "Success"))
        self.assertEqual(self.ask("GET", budgets + "/b")[1]["status"]["disruptionsAllowed"], 0)
        self.assertIn("deletionTimestamp", self.ask("GET", self.pods + "/p")[1]["metadata"])

    def test_dry_runs_store_nothing(self):
        code, made = self.ask("POST", self.maps + "?dryRun=All", config_map("a"))
        self.assertEqual((code, "uid" in made["metadata"]), (201, True))
        self.assertEqual(self.ask("GET", self.maps + "/a")[0], 404)

    def test_who_has_no_credential_may_do_little(self):
        stranger = ssl.create_default_context(cafile=self.plane.authority.ca)
        code, _, body = self.exchange("GET", self.maps, context=stranger)
        status = json.loads(body)
        self.assertEqual((code, status["reason"]), (403, "Forbidden"))
        self.assertEqual(status["message"], 'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" '
                                            f'in API group "" in the namespace "{self.space}"')
        self.assertEqual(self.exchange("GET", "/version", context=stranger)[0], 200)
        code, _, _ = self.exchange("GET", self.maps, headers={"authorization": "Bearer none"}, context=stranger)
        self.assertEqual(code, 401)

    def test_a_service_account_is_who_its_token_says(self):
        accounts = f"/api/v1/namespaces/{self.space}/serviceaccounts"
        code, granted = self.ask("POST", accounts + "/default/token",
                                 {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        self.assertEqual(code, 201, granted)
        token = granted["status"]["token"]
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.assertEqual(claims["sub"], f"system:serviceaccount:{self.space}:default")
        stranger = ssl.create_default_context(cafile=self.plane.authority.ca)
        bearer = {"authorization": f"Bearer {token}"}
        self.assertEqual(self.exchange("GET", self.maps, headers=bearer, context=stranger)[0], 403)
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.space}"
        self.create(rbac + "/rolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "view"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": self.space}]})
        wait_until(lambda: self.exchange("GET", self.maps, headers=bearer, context=stranger)[0] == 200, 20,
                   "the binding counts")
        self.assertEqual(self.exchange("POST", self.maps, config_map("a"), bearer, stranger)[0], 403)

    def test_metrics_and_health_are_there(self):
        self.assertEqual(self.exchange("GET", "/livez")[2], b"ok")
        # What clients make up is not remembered.
        self.exchange("GET", self.pods + "/p/made-up-part")
        self.exchange("MADE", self.pods)
        self.watch(self.maps + "?watch=true")
        wait_until(lambda: b'apiserver_longrunning_requests{verb="watch"} 1' in self.exchange("GET", "/metrics")[2], 20,
                   "the watch is counted")
        metrics = self.exchange("GET", "/metrics")[2]
        self.assertIn(b"apiserver_request_total", metrics)
        self.assertNotIn(b"made", metrics)

    def test_open_watches_do_not_hold_the_end(self):
        watch = self.watch(self.maps + "?watch=true")
        began = time.monotonic()
        self.assertEqual(self.plane.api_server.terminate(), 0)
        self.assertLess(time.monotonic() - began, 8)
        wait_until(lambda: watch.ended, 5, "the watch ends")
        self.plane.daemons.remove(self.plane.api_server)
        self.plane.start_api_server()


if __name__ == "__main__":
    cluster.main()
