#!/usr/bin/python3
"""Server-side apply and managedFields of one API server: as its clients ask, and as kubectl of each version that is at hand.

KEELSON_TEST_SERVER=/usr/bin/etcd runs it over real etcd, which must make no difference.
"""

import http.client
import json
import os
import threading
import unittest
import urllib.parse

import api_server
from cluster import wait_until
from manifests import config_map, deployment, pod

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def owners(thing):
    """{(manager, operation, subresource): fields}"""
    return {(entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
            for entry in thing["metadata"].get("managedFields", [])}


class ApplyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plane = api_server.ControlPlane()
        cls.addClassCleanup(cls.plane.close)
        cls.number = 0

    def setUp(self):
        type(self).number += 1
        self.space = f"t{self.number}"
        self.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space}}, code=201)
        self.maps = f"/api/v1/namespaces/{self.space}/configmaps"
        self.deployments = f"/apis/apps/v1/namespaces/{self.space}/deployments"

    def exchange(self, method, path, body=None, content_type=JSON, context=None, agent="python/3"):
        """The answer's code, warnings and object."""
        address = urllib.parse.urlsplit(self.plane.url)
        connection = http.client.HTTPSConnection(address.hostname, address.port, context=context or self.plane.context, timeout=30)
        try:
            text = body if isinstance(body, (str, type(None))) else json.dumps(body)
            connection.request(method, path, text, {"content-type": content_type, "user-agent": agent})
            answer = connection.getresponse()
            return answer.status, answer.headers.get_all("warning") or [], json.loads(answer.read())
        finally:
            connection.close()

    def ask(self, *request, code=200, **options):
        """The answer's object; its code must be `code`."""
        got, self.warnings, told = self.exchange(*request, **options)
        self.assertEqual(got, code, told)
        return told

    @staticmethod
    def applying(path, manager, **parameters):
        return f"{path}?{urllib.parse.urlencode({'fieldManager': manager, **parameters})}"

    def apply(self, path, body, manager="one", code=200, context=None, **parameters):
        return self.ask("PATCH", self.applying(path, manager, **parameters), body, APPLY, code=code, context=context)

    def test_applying_creates_changes_and_takes_away(self):
        made = self.apply(self.maps + "/m", config_map(a="1", b="2"), code=201)
        self.assertEqual(owners(made), {("one", "Apply", ""): {"f:data": {"f:a": {}, "f:b": {}}}})
        entry = made["metadata"]["managedFields"][0]
        self.assertEqual((entry["apiVersion"], entry["fieldsType"]), ("v1", "FieldsV1"))
        self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.ask("GET", self.maps + "/m"), made)
        changed = self.apply(self.maps + "/m", config_map(a="3"))
        self.assertEqual(changed["data"], {"a": "3"})
        self.assertEqual(owners(changed), {("one", "Apply", ""): {"f:data": {"f:a": {}}}})

    def test_applying_what_is_so_already_writes_nothing(self):
        made = self.apply(self.deployments + "/web", deployment(replicas=2), code=201)
        self.assertEqual(self.apply(self.deployments + "/web", deployment(replicas=2)), made)
        # But who is new to it is written down, once.
        second = self.apply(self.deployments + "/web", deployment(replicas=2), manager="two")
        self.assertNotEqual(second["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])
        self.assertEqual(second["metadata"]["generation"], made["metadata"]["generation"])
        self.assertEqual(len(second["metadata"]["managedFields"]), 2)
        self.assertEqual(self.apply(self.deployments + "/web", deployment(replicas=2), manager="two"), second)

    def test_defaults_and_what_the_server_does_have_no_owner(self):
        made = self.apply(self.deployments + "/web", deployment(), code=201)
        self.assertEqual(made["spec"]["replicas"], 1)
        fields = owners(made)[("one", "Apply", "")]
        self.assertEqual(set(fields), {"f:spec"})
        self.assertEqual(set(fields["f:spec"]), {"f:selector", "f:template"})

    def test_writes_without_apply_have_owners_too(self):
        made = self.ask("POST", self.maps, config_map(a="1", b="2"), code=201, agent="kubectl/v1.33.1 (linux/amd64)")
        self.assertEqual(owners(made), {("kubectl", "Update", ""): {"f:data": {".": {}, "f:a": {}, "f:b": {}}}})
        patched = self.ask("PATCH", self.maps + "/m?fieldManager=me", {"data": {"a": "2"}}, MERGE)
        self.assertEqual(owners(patched), {("kubectl", "Update", ""): {"f:data": {".": {}, "f:b": {}}},
                                           ("me", "Update", ""): {"f:data": {"f:a": {}}}})
        # A PUT of what is there, whether the client knows of managedFields or not.
        self.assertEqual(self.ask("PUT", self.maps + "/m?fieldManager=other", patched), patched)
        del patched["metadata"]["managedFields"]
        again = self.ask("PUT", self.maps + "/m?fieldManager=other", patched)
        self.assertEqual(again["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"])
        self.assertEqual(len(owners(again)), 2)

    def test_a_conflict_says_with_whom_and_force_takes(self):
        self.ask("POST", self.deployments + "?fieldManager=creator", deployment(replicas=2), code=201)
        status = self.apply(self.deployments + "/web", deployment(replicas=3), code=409)
        self.assertEqual(status["reason"], "Conflict")
        self.assertEqual(status["message"],
                         'Apply failed with 1 conflict: conflict with "creator" using apps/v1: .spec.replicas')
        self.assertEqual(status["details"]["causes"],
                         [{"reason": "FieldManagerConflict", "message": 'conflict with "creator" using apps/v1',
                           "field": ".spec.replicas"}])
        wanted = deployment(replicas=3)
        wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "j"
        status = self.apply(self.deployments + "/web", wanted, code=409)
        self.assertEqual(status["message"],
                         'Apply failed with 2 conflicts: conflicts with "creator" using apps/v1:\n- .spec.replicas\n'
                         '- .spec.template.spec.containers[name="c"].image')
        forced = self.apply(self.deployments + "/web", wanted, force="true")
        self.assertEqual(forced["spec"]["replicas"], 3)
        fields = owners(forced)
        self.assertIn("f:replicas", fields[("one", "Apply", "")]["f:spec"])
        self.assertNotIn("f:replicas", fields[("creator", "Update", "")]["f:spec"])

    def test_what_cannot_be_applied_is_refused(self):
        here = self.maps + "/m"
        strict = 'error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 4: key "a" already set in map'
        twice = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: u, a: v}\n"
        cases = [
            (config_map(), {"fieldManager": ""}, 422,
             'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'),
            (config_map(), {"fieldManager": "x" * 129}, 422,
             'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'),
            (config_map(), {"fieldManager": "a\tb"}, 422,
             'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\tb": invalid character U+0009 (at position 1)'),
            (deployment(), {}, 400, "invalid object type: apps/v1, Kind=Deployment"),
            (config_map(metadata={"managedFields": []}), {}, 400, "metadata.managedFields must be nil"),
            ({**config_map(), "dat": {}}, {}, 500,
             "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .dat: field not declared in schema"),
            (config_map(a={"b": "c"}), {}, 500,
             "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .data.a: expected string, got "
             '&value.valueUnstructured{Value:map[string]interface {}{"b":"c"}}'),
            (config_map("other"), {}, 400,
             "the name of the object (other) does not match the name on the URL (m)"),
            (config_map(metadata={"namespace": "other"}), {}, 400,
             "the namespace of the provided object does not match the namespace sent on the request"),
            (config_map(metadata={"uid": "1"}), {}, 409,
             'Operation cannot be fulfilled on configmaps "m": uid mismatch: the provided object specified uid 1, and no '
             "existing object was found"),
            ("a: [", {}, 400, None),
            ("[]", {}, 400, "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into "
                            "Go value of type map[string]interface {}"),
            (twice, {"fieldValidation": "Strict"}, 400, strict),
        ]
        for body, parameters, code, message in cases:
            with self.subTest(message=message):
                status = self.apply(here, body, code=code, **{"manager": parameters.pop("fieldManager", "one"), **parameters})
                if message:
                    self.assertEqual(status["message"], message)
        self.ask("GET", here, code=404)
        self.apply(here, twice, code=201)
        self.assertEqual(len(self.warnings), 1)
        self.assertIn('already set in map', self.warnings[0])
        status = self.ask("PATCH", here + "?force=true", {}, MERGE, code=422)
        self.assertEqual(status["message"], 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for '
                                            "non-apply patch")

    def test_a_dry_run_applies_nothing(self):
        self.assertEqual(self.apply(self.maps + "/m", config_map(a="1"), code=201, dryRun="All")["data"], {"a": "1"})
        self.ask("GET", self.maps + "/m", code=404)
        made = self.apply(self.maps + "/m", config_map(a="1"), code=201)
        self.assertEqual(self.apply(self.maps + "/m", config_map(a="2"), dryRun="All")["data"], {"a": "2"})
        self.assertEqual(self.ask("GET", self.maps + "/m"), made)

    def test_status_and_scale_are_applied_apart(self):
        path = self.deployments + "/web"
        self.apply(path, deployment(replicas=2), code=201)
        status = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                  "spec": {"replicas": 9}, "status": {"replicas": 2, "observedGeneration": 1}}
        told = self.apply(path + "/status", status, manager="controller")
        self.assertEqual((told["spec"]["replicas"], told["status"]["replicas"]), (2, 2))
        self.assertEqual(owners(told)[("controller", "Apply", "status")],
                         {"f:status": {"f:observedGeneration": {}, "f:replicas": {}}})
        scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
        refused = self.apply(path + "/scale", scale, manager="scaler", code=409)
        self.assertEqual(refused["message"], 'Apply failed with 1 conflict: conflict with "one": .spec.replicas')
        scaled = self.apply(path + "/scale", scale, manager="scaler", force="true")
        self.assertEqual((scaled["kind"], scaled["spec"]["replicas"]), ("Scale", 5))
        self.assertEqual(owners(self.ask("GET", path))[("scaler", "Apply", "scale")], {"f:spec": {"f:replicas": {}}})
        scale["spec"]["replicas"] = -1
        self.apply(path + "/scale", scale, manager="scaler", code=422)
        # Neither creates.
        self.apply(self.deployments + "/none/status", status, manager="controller", code=404)
        self.apply(self.deployments + "/none/scale", scale, manager="scaler", code=404)
        # An update of the scale has an owner as well.
        self.ask("PATCH", path + "/scale?fieldManager=kubectl", {"spec": {"replicas": 7}}, MERGE)
        fields = owners(self.ask("GET", path))
        self.assertEqual(fields[("kubectl", "Update", "scale")], {"f:spec": {"f:replicas": {}}})
        self.assertNotIn(("scaler", "Apply", "scale"), fields)

    def test_managed_fields_may_be_written_and_cleared(self):
        made = self.ask("POST", self.maps + "?fieldManager=kubectl-client-side-apply", config_map(a="1"), code=201)
        entries = made["metadata"]["managedFields"]
        entries[0].update(manager="kubectl", operation="Apply")
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": entries},
                 {"op": "replace", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]}]
        self.assertEqual(set(owners(self.ask("PATCH", self.maps + "/m", patch, JSON_PATCH))), {("kubectl", "Apply", "")})
        self.ask("PATCH", self.maps + "/m", patch, JSON_PATCH, code=409)  # of the old version
        cleared = self.ask("PATCH", self.maps + "/m", {"metadata": {"managedFields": [{}]}}, MERGE)
        self.assertNotIn("managedFields", cleared["metadata"])
        self.assertEqual(cleared["data"], {"a": "1"})
        # From now on nobody is written down, until somebody applies.
        self.assertNotIn("managedFields", self.ask("PATCH", self.maps + "/m", {"data": {"a": "2"}}, MERGE)["metadata"])
        self.assertEqual(set(owners(self.apply(self.maps + "/m", config_map(b="1")))),
                         {("one", "Apply", ""), ("before-first-apply", "Update", "")})

    def test_an_empty_list_of_owners_clears_them_in_every_way_of_writing(self):
        nothing = {"metadata": {"managedFields": []}}
        cases = [
            ("PUT", config_map(metadata={"managedFields": []}, a="1"), JSON),
            ("PUT", config_map(metadata={"managedFields": [{}]}, a="1"), JSON),
            ("PATCH", nothing, MERGE),
            ("PATCH", nothing, STRATEGIC),
            ("PATCH", [{"op": "replace", "path": "/metadata/managedFields", "value": []}], JSON_PATCH),
        ]
        for method, body, content_type in cases:
            with self.subTest(method=method, body=body, content_type=content_type):
                self.apply(self.maps + "/m", config_map(a="1"), code=201)
                cleared = self.ask(method, self.maps + "/m", body, content_type)
                self.assertEqual((cleared["data"], owners(cleared)), ({"a": "1"}, {}))
                self.assertNotIn("managedFields", self.ask("GET", self.maps + "/m")["metadata"])
                self.ask("DELETE", self.maps + "/m")
        # To take the list away says nothing, and neither does a subresource.
        made = self.apply(self.deployments + "/web", deployment(), code=201)
        said = [{"op": "remove", "path": "/metadata/managedFields"}]
        self.assertEqual(owners(self.ask("PATCH", self.deployments + "/web", said, JSON_PATCH)), owners(made))
        self.assertEqual(owners(self.ask("PATCH", self.deployments + "/web/status", nothing, MERGE)), owners(made))
        # Who creates an object so owns it all the same.
        made = self.ask("POST", self.maps + "?fieldManager=me",
                        config_map(metadata={"managedFields": []}, a="1"), code=201)
        self.assertEqual(set(owners(made)), {("me", "Update", "")})

    def make_pod(self):
        """The path of the namespace's pods; one of them is p."""
        self.ask("POST", f"/api/v1/namespaces/{self.space}/serviceaccounts",
                 {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, code=201)
        pods = f"/api/v1/namespaces/{self.space}/pods"
        self.ask("POST", pods + "?fieldManager=me", pod(resources={"requests": {"cpu": "1"}}), code=201)
        return pods

    def test_where_a_pod_runs_nobody_owns(self):
        pods = self.make_pod()
        self.ask("POST", pods + "/p/binding", {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
                                               "target": {"kind": "Node", "name": "n"}}, code=201)
        bound = self.ask("GET", pods + "/p")
        self.assertEqual(bound["spec"]["nodeName"], "n")
        self.assertEqual(set(owners(bound)), {("me", "Update", "")})
        spec = owners(bound)[("me", "Update", "")]["f:spec"]
        self.assertNotIn("f:nodeName", spec)
        self.assertNotIn("f:volumes", spec)  # the token that admission puts in
        self.assertIn("f:restartPolicy", spec)  # a default

    def test_each_version_of_a_kind_has_its_own_entries(self):
        name = f"/namespaces/{self.space}/horizontalpodautoscalers/h"
        spec = {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
        config = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": spec}
        made = self.apply("/apis/autoscaling/v1" + name, {"apiVersion": "autoscaling/v1", **config}, code=201)
        self.assertEqual(made["metadata"]["managedFields"][0]["apiVersion"], "autoscaling/v1")
        spec["maxReplicas"] = 6
        status = self.apply("/apis/autoscaling/v2" + name, {"apiVersion": "autoscaling/v2", **config}, manager="two", code=409)
        self.assertEqual(status["details"]["causes"][0]["field"], ".spec.maxReplicas")
        told = self.apply("/apis/autoscaling/v2" + name, {"apiVersion": "autoscaling/v2", **config})
        self.assertEqual([entry["apiVersion"] for entry in told["metadata"]["managedFields"]], ["autoscaling/v2"])

    def test_whoever_may_not_create_may_apply_to_what_there_is(self):
        user = self.plane.authority.issue(f"patcher{self.number}")
        context = self.plane.context.__class__(self.plane.context.protocol)
        context.load_verify_locations(self.plane.authority.ca)
        context.load_cert_chain(user.cert, user.key)
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.space}"
        group = {"apiGroup": "rbac.authorization.k8s.io"}
        self.ask("POST", roles + "/roles", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
                                            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}]}, code=201)
        self.ask("POST", roles + "/rolebindings",
                 {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
                  "roleRef": {**group, "kind": "Role", "name": "r"},
                  "subjects": [{**group, "kind": "User", "name": f"patcher{self.number}"}]}, code=201)
        self.apply(self.maps + "/there", config_map("there"), code=201)
        wait_until(lambda: self.may_patch(context), 20, "the role binding is known")
        status = self.apply(self.maps + "/m", config_map(a="1"), code=403, context=context)
        self.assertIn("cannot create resource", status["message"])
        self.apply(self.maps + "/there", config_map("there", {"labels": {"a": "b"}}), context=context)

    def may_patch(self, context):
        there = config_map("there")
        return self.exchange("PATCH", self.applying(self.maps + "/there", "two"), there, APPLY, context=context)[0] == 200

    def test_many_who_apply_at_once_all_have_their_way(self):
        codes = []

        def run(number):
            for value in range(5):
                wanted = config_map(**{f"k{number}": str(value)})
                codes.append(self.exchange("PATCH", self.applying(self.maps + "/m", f"m{number}"), wanted, APPLY)[0])
        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(sorted(codes), [200] * 39 + [201])  # the first of them all creates it
        told = self.ask("GET", self.maps + "/m")
        self.assertEqual(told["data"], {f"k{number}": "4" for number in range(8)})
        self.assertEqual(len(owners(told)), 8)


MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: "nginx:{tag}"}}]}}
"""


class KubectlApplyTest(unittest.TestCase):
    """A test for each version; see add_tests()."""

    @classmethod
    def setUpClass(cls):
        cls.plane = api_server.ControlPlane()
        cls.addClassCleanup(cls.plane.close)

    def kubectl(self, *arguments, out="", err="", status=0):
        """Both must be in what it says; the output."""
        done = self.plane.run(self.program, *arguments, "-n", self.space)
        told = f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, status, told)
        self.assertIn(out, done.stdout, told)
        self.assertIn(err, done.stderr, told)
        return done.stdout

    def read(self):
        return json.loads(self.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields"))

    def check(self, version, program):
        self.program, self.space = program, "v" + version.replace(".", "-")
        done = self.plane.run(program, "create", "namespace", self.space)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = self.plane.folder / "first.yaml", self.plane.folder / "second.yaml"
        first.write_text(MANIFEST.format(replicas=2, tag="1.25"))
        second.write_text(MANIFEST.format(replicas=3, tag="1.26"))
        self.check_apply(first, second)
        self.check_migration(first, second)
        self.kubectl("create", "configmap", "x", "--from-literal=a=b", "--field-manager=me", out="configmap/x created")
        made = json.loads(self.kubectl("get", "configmap", "x", "-o", "json", "--show-managed-fields"))
        self.assertEqual(set(owners(made)), {("me", "Update", "")})

    def check_apply(self, first, second):
        applied = "deployment.apps/web serverside-applied"
        self.kubectl("apply", "--server-side", "-f", first, out=applied)
        made = self.read()
        self.assertEqual(set(owners(made)), {("kubectl", "Apply", "")})
        self.kubectl("apply", "--server-side", "-f", first, out=applied)
        self.assertEqual(self.read(), made)
        self.kubectl("apply", "--server-side", "--dry-run=server", "-f", second, out=applied + " (server dry run)")
        # One line in the diff for each that differs, and none of managedFields.
        shown = self.kubectl("diff", "--server-side", "-f", second, status=1)
        lines = [line[0] + line[1:].strip() for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        self.assertEqual(sorted(lines), sorted(["-generation: 1", "+generation: 2", "-replicas: 2", "+replicas: 3",
                                                "-- image: nginx:1.25", "+- image: nginx:1.26"]))
        self.kubectl("diff", "--server-side", "-f", first)
        self.assertNotIn("managedFields", self.kubectl("get", "deployment", "web", "-o", "yaml"))
        self.assertIn("f:replicas", self.kubectl("get", "deployment", "web", "-o", "yaml", "--show-managed-fields"))
        self.kubectl("apply", "--server-side", "--field-manager=other", "-f", second, status=1,
                     err='Apply failed with 2 conflicts: conflicts with "kubectl":\n- .spec.replicas\n'
                         '- .spec.template.spec.containers[name="c"].image')
        self.kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", second, out=applied)
        self.assertEqual(self.read()["spec"]["replicas"], 3)
        self.kubectl("scale", "deployment", "web", "--replicas=5", out="deployment.apps/web scaled")
        program = os.path.basename(self.program)  # for kubectl names no manager here
        self.assertEqual(owners(self.read())[(program, "Update", "scale")], {"f:spec": {"f:replicas": {}}})
        self.kubectl("apply", "--server-side", "--field-manager=other", "-f", second, status=1,
                     err=f'Apply failed with 1 conflict: conflict with "{program}" with subresource "scale" using apps/v1: '
                         ".spec.replicas")
        self.kubectl("delete", "deployment", "web", out='deployment.apps "web" deleted')

    def check_migration(self, first, second):
        """Of an object that clients applied: nothing is in conflict with oneself, and all is one entry in the end."""
        self.kubectl("apply", "-f", first, out="deployment.apps/web created")
        self.assertEqual(set(owners(self.read())), {("kubectl-client-side-apply", "Update", "")})
        self.kubectl("apply", "--server-side", "-f", second, out="deployment.apps/web serverside-applied")
        made = self.read()
        self.assertEqual(made["spec"]["replicas"], 3)
        self.assertNotIn(("kubectl-client-side-apply", "Update", ""), owners(made))
        self.assertIn("f:replicas", owners(made)[("kubectl", "Apply", "")]["f:spec"])
        self.assertIn('"replicas":3', made["metadata"]["annotations"][LAST_APPLIED])
        # And back: the record is up to date.
        self.kubectl("apply", "-f", second, out="deployment.apps/web")
        self.kubectl("apply", "-f", first, out="deployment.apps/web configured")
        self.assertEqual(self.read()["spec"]["replicas"], 2)


def add_tests():
    for version, program in sorted(api_server.kubectls().items()):
        def test(self, version=version, program=program):
            self.check(version, program)
        setattr(KubectlApplyTest, "test_kubectl_" + version.replace(".", "_"), test)


if __name__ == "__main__":
    add_tests()
    api_server.main()
