"""Manifests and requests that are wrong are refused as kube-apiserver refuses them: with its code, its reason and its
words, from which kubectl makes what it prints; and of none of them anything is stored."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest

import bad_manifests
import cluster
from bad_manifests import CONFIG_MAPS, DEPLOYMENTS, NAMESPACE, PODS, config_map, deployment, pod, thing
from cluster import BIN, Cluster, free_port, wait_until
from pki import Authority, openssl

KEELSON = os.environ.get("KEELSON_TEST_PROGRAM", str(BIN / "keelson"))


class ApiServer:
    """A store of one member and an API server over it."""

    def __init__(self):
        self.store = Cluster(1)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keelson-api-"))
        self.port = free_port()
        ca = Authority(self.folder, "ca")
        server = ca.issue("server")
        key = self.folder / "tokens.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        self.tokens = self.folder / "tokens.csv"
        self.tokens.write_text('secret,admin,1,"system:masters"\nother,somebody,2\n')
        self.tls = ssl.create_default_context(cafile=str(ca.ca))
        self.ca = ca.ca
        self.log = open(self.folder / "apiserver.log", "wb")
        self.process = subprocess.Popen(
            [KEELSON, "apiserver", f"--etcd-servers=http://{self.store[0].endpoint}", f"--listen=127.0.0.1:{self.port}",
             f"--tls-cert={server.cert}", f"--tls-key={server.key}", f"--client-ca={ca.ca}",
             f"--service-account-key={key}", f"--token-file={self.tokens}"], stdout=self.log, stderr=self.log)
        try:
            wait_until(self.is_ready, cluster.READY_SECONDS, "the API server to be ready", interval=0.1)
        except BaseException:
            self.close()
            raise

    def is_ready(self):
        with contextlib.suppress(OSError):
            return self.call("GET", "/readyz")[0] == 200
        return False

    def call(self, method, path, body=None, content_type="application/json", token="secret", accept="application/json"):
        """(code, answer, headers); the answer is JSON where it is some."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.tls)
        with contextlib.closing(connection):
            headers = {"Accept": accept}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            if body is not None:
                headers["Content-Type"] = content_type
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
            answer = text.decode(errors="replace")
            with contextlib.suppress(ValueError):
                answer = json.loads(text)
            return response.status, answer, response.headers

    def stored(self):
        """Every key of the API's with the revision of its last change, but for what the server writes by itself."""
        host, port = self.store[0].endpoint.split(":")
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=20)) as connection:
            prefix, end = (base64.b64encode(k).decode() for k in (b"/registry/", b"/registry0"))
            connection.request("POST", "/v3/kv/range", json.dumps({"key": prefix, "range_end": end, "keys_only": True}))
            keys = json.loads(connection.getresponse().read()).get("kvs", [])
        own = ("/registry/leases/", "/registry/masterleases/", "/registry/events/", "/registry/services/endpoints/default/",
               "/registry/endpointslices/default/")
        revisions = {base64.b64decode(entry["key"]).decode(): entry["mod_revision"] for entry in keys}
        return {key: revision for key, revision in revisions.items() if not key.startswith(own)}

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)


REASONS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 413: "RequestEntityTooLarge",
           415: "UnsupportedMediaType", 422: "Invalid", 504: "Timeout"}


def reason_of(code, message):
    if code == 409:
        return "AlreadyExists" if message.endswith("already exists") else "Conflict"
    return REASONS[code]


class BadManifestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ApiServer()
        cls.addClassCleanup(cls.server.close)
        cls.make("/api/v1/namespaces", thing("v1", "Namespace", "bad"))
        cls.make(f"{NAMESPACE}/serviceaccounts", thing("v1", "ServiceAccount", "default"))
        cls.make(CONFIG_MAPS, config_map("live", data={"a": "b"}))
        cls.make(DEPLOYMENTS, deployment("live"))
        cls.make(PODS, pod("live"))

    @classmethod
    def make(cls, path, thing_to_make):
        code, answer, _ = cls.server.call("POST", path, json.dumps(thing_to_make))
        if code == 409:  # a controller was faster
            return
        assert code == 201, answer

    def check(self, rows):
        for what, method, path, body, code, message, *content_type in rows:
            if not isinstance(body, (str, bytes, type(None))):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            with self.subTest(what):
                before = self.server.stored()
                got, answer, _ = self.server.call(method, path, body, *content_type)
                self.assertEqual(self.server.stored(), before, "something was stored")
                self.assertIsInstance(answer, dict, answer)
                said = answer.get("message")
                self.assertEqual(got, code, said)
                if message.endswith("..."):
                    self.assertEqual(said[:len(message) - 3], message[:-3])
                else:
                    self.assertEqual(said, message)
                self.assertEqual((answer["kind"], answer["apiVersion"], answer["status"], answer["code"], answer["reason"]),
                                 ("Status", "v1", "Failure", code, reason_of(code, message)))

    def test_bodies_that_are_no_json_object_are_unrecognized(self):
        self.check(bad_manifests.UNREADABLE)

    def test_wrong_types_are_refused_with_their_place(self):
        self.check(bad_manifests.MISTYPED)

    def test_unknown_and_duplicate_fields_are_refused_where_that_is_asked_for(self):
        self.check(bad_manifests.STRICTLY_WRONG)

    def test_bodies_of_another_kind_version_or_form_are_refused(self):
        self.check(bad_manifests.MISDIRECTED)

    def test_names_and_labels_are_held_to_their_rules(self):
        self.check(bad_manifests.NAMES)
        self.check(bad_manifests.LABELS)
        self.check(bad_manifests.METADATA)

    def test_invalid_objects_are_refused_with_what_is_wrong(self):
        self.check(bad_manifests.SPECS)

    def test_patches_that_do_not_fit_are_refused(self):
        self.check(bad_manifests.PATCHES)

    def test_queries_deletions_and_subresources_that_make_no_sense_are_refused(self):
        self.check(bad_manifests.QUERIES)

    def test_yaml_and_protobuf_that_are_none_are_refused(self):
        self.check(bad_manifests.OTHER_FORMS)

    def test_there_are_two_hundred_cases(self):
        tables = (bad_manifests.UNREADABLE, bad_manifests.MISTYPED, bad_manifests.STRICTLY_WRONG, bad_manifests.MISDIRECTED,
                  bad_manifests.NAMES, bad_manifests.LABELS, bad_manifests.METADATA, bad_manifests.SPECS, bad_manifests.PATCHES,
                  bad_manifests.QUERIES, bad_manifests.OTHER_FORMS)
        self.assertGreaterEqual(sum(map(len, tables)), 200)

    @unittest.skipIf(shutil.which("kubectl") is None, "no kubectl here")
    def test_kubectl_prints_what_the_server_says(self):
        for what, manifest, says in (
                ("an invalid object", pod(restartPolicy="Sometimes"),
                 'The Pod "x" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
                 '"OnFailure", "Never"'),
                ("a wrong type", deployment(replicas="3"),
                 'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'),
                ("an unknown field", pod(container={"imge": "i"}),
                 'strict decoding error: unknown field "spec.containers[0].imge"'),
                ("what is there already", config_map("live"), 'configmaps "live" already exists')):
            with self.subTest(what):
                done = subprocess.run(
                    ["kubectl", f"--server=https://127.0.0.1:{self.server.port}", f"--certificate-authority={self.server.ca}",
                     "--token=secret", "--namespace=bad", f"--cache-dir={self.server.folder}/cache", "create", "-f", "-"],
                    input=json.dumps(manifest).encode(), capture_output=True, timeout=60, check=False,
                    env={"PATH": os.environ["PATH"], "HOME": str(self.server.folder)})
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(says, done.stderr.decode())


if __name__ == "__main__":
    cluster.main()
