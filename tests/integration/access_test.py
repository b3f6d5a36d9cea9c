"""Who may do what at the API: certificates, tokens, nobody, others in whose name one speaks, and rights that are granted."""

import base64
import json
import ssl
import subprocess
import urllib.error
import urllib.request

import control_plane

NODES_OWN = "CN=system:node:node-0/O=system:nodes"


class AccessTest(control_plane.TestCase):
    members = 1
    nodes = 1

    def setUp(self):
        self.space = "s-" + self.id().rsplit(".", 1)[1].replace("_", "-")[5:40].strip("-")
        self.kubectl("create", "namespace", self.space)
        self.wait_until(lambda: self.kubectl("-n", self.space, "get", "sa", "default", check=False).returncode == 0, 30,
                        "the namespace has its service account")

    def as_user(self, name, *arguments, check=False):
        return self.kubectl(f"--as={name}", "-n", self.space, *arguments, check=check)

    def with_credentials(self, *arguments, token=None, certificate=None, stdin=None):
        """kubectl without the administrator's configuration."""
        flags = [f"--server=https://127.0.0.1:{self.plane.port}",
                 f"--certificate-authority={self.plane.dir}/pki/ca.crt", "--kubeconfig=/dev/null"]
        if token:
            flags.append(f"--token={token}")
        if certificate:
            flags += [f"--client-certificate={certificate}.crt", f"--client-key={certificate}.key"]
        return self.kubectl(*flags, *arguments, check=False, stdin=stdin)

    def certificate(self, name, subject, authority="ca"):
        """Of the cluster's authority; the path without its ending."""
        path = self.plane.folder / name
        pki = self.plane.dir / "pki"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        f"/{subject}", "-keyout", f"{path}.key", "-out", f"{path}.csr"], check=True, capture_output=True)
        sign = ["-CA", f"{pki}/ca.crt", "-CAkey", f"{pki}/ca.key", "-CAcreateserial", "-CAserial", f"{path}.srl"]
        if authority != "ca":
            sign = ["-signkey", f"{path}.key"]
        subprocess.run(["openssl", "x509", "-req", "-in", f"{path}.csr", "-days", "1", "-out", f"{path}.crt", *sign],
                       check=True, capture_output=True)
        return path

    def fetch(self, path, token=None):
        context = ssl.create_default_context(cafile=str(self.plane.dir / "pki" / "ca.crt"))
        request = urllib.request.Request(f"https://127.0.0.1:{self.plane.port}{path}",
                                         headers={"Authorization": f"Bearer {token}"} if token else {})
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_nobody_sees_health_and_version_only(self):
        for path, code in (("/version", 200), ("/readyz", 200), ("/api/v1/pods", 403), ("/apis", 403), ("/metrics", 403)):
            self.assertEqual(self.fetch(path)[0], code, path)
        status = json.loads(self.fetch("/api/v1/namespaces/default/pods")[1])
        self.assertEqual((status["reason"], status["message"]),
                         ("Forbidden", 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
                                       'in the namespace "default"'))

    def test_bad_credentials_are_refused_whatever_they_would_open(self):
        self.assertEqual(self.fetch("/version", token="nonsense")[0], 401)
        status = json.loads(self.fetch("/version", token="a.b.c")[1])
        self.assertEqual((status["code"], status["reason"], status["message"]), (401, "Unauthorized", "Unauthorized"))
        foreign = self.certificate("foreign", "CN=root/O=system:masters", authority="self")
        done = self.with_credentials("get", "nodes", certificate=foreign)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("You must be logged in to the server", done.stderr)

    def test_certificates_name_users_and_groups(self):
        alice = self.certificate("alice", "CN=alice/O=devs")
        self.assertIn('User "alice" cannot list', self.with_credentials("get", "pods", certificate=alice).stderr)
        self.kubectl("-n", self.space, "create", "rolebinding", "devs", "--clusterrole=view", "--group=devs")
        self.wait_until(lambda: self.with_credentials("-n", self.space, "get", "pods", certificate=alice).returncode == 0, 10,
                        "the binding counts")
        self.assertNotEqual(self.with_credentials("-n", self.space, "get", "secrets", certificate=alice).returncode, 0)
        self.assertNotEqual(self.with_credentials("get", "pods", certificate=alice).returncode, 0)

    def test_nobody_grants_what_he_does_not_have(self):
        self.kubectl("-n", self.space, "create", "role", "roles", "--verb=create,update,get",
                     "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io")
        self.kubectl("-n", self.space, "create", "rolebinding", "roles", "--role=roles", "--user=bob")
        self.kubectl("-n", self.space, "create", "rolebinding", "view", "--clusterrole=view", "--user=bob")
        self.wait_until(lambda: self.as_user("bob", "create", "role", "fine", "--verb=get", "--resource=pods").returncode == 0,
                        10, "bob may write a role of what he has")
        refused = self.as_user("bob", "create", "role", "more", "--verb=get,delete", "--resource=pods").stderr
        self.assertIn("is attempting to grant RBAC permissions not currently held", refused)
        self.assertIn('{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}', refused)
        self.assertEqual(self.as_user("bob", "create", "rolebinding", "x", "--clusterrole=view", "--user=eve").returncode, 0)
        self.assertNotEqual(self.as_user("bob", "create", "rolebinding", "y", "--clusterrole=edit", "--user=eve").returncode, 0)

    def test_token_of_a_pod_ends_with_the_pod(self):
        self.kubectl("-n", self.space, "run", "holder", "--image=nginx",
                     '--overrides={"spec": {"serviceAccountName": "default"}}')
        pod = self.get("-n", self.space, "pod", "holder")
        token = self.kubectl("-n", self.space, "create", "token", "default", "--bound-object-kind=Pod",
                             "--bound-object-name=holder", f"--bound-object-uid={pod['metadata']['uid']}").strip()
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.assertEqual(claims["sub"], f"system:serviceaccount:{self.space}:default")
        self.assertEqual(claims["kubernetes.io"]["pod"], {"name": "holder", "uid": pod["metadata"]["uid"]})
        who = self.with_credentials("auth", "whoami", "-o", "json", token=token)
        self.assertEqual(json.loads(who.stdout)["status"]["userInfo"]["username"], claims["sub"])
        self.kubectl("-n", self.space, "delete", "pod", "holder", "--force", "--grace-period=0")
        self.wait_until(lambda: self.fetch("/version", token=token)[0] == 401, 10, "the token is refused")

    def test_others_can_verify_tokens(self):
        token = self.kubectl("-n", self.space, "create", "token", "default", "--audience=vault").strip()
        self.assertEqual(self.fetch("/version", token=token)[0], 401, "it is not for us")
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                  "spec": {"token": token, "audiences": ["vault"]}}
        answer = json.loads(self.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
        self.assertEqual((answer["status"]["authenticated"], answer["status"]["audiences"]), (True, ["vault"]))
        ours = self.kubectl("-n", self.space, "create", "token", "default").strip()
        self.assertEqual(self.fetch("/.well-known/openid-configuration")[0], 403)
        document = json.loads(self.fetch("/.well-known/openid-configuration", token=ours)[1])
        keys = json.loads(self.fetch("/openid/v1/jwks", token=ours)[1])["keys"]
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        self.assertEqual([key["kid"] for key in keys], [header["kid"]])
        self.assertTrue(document["jwks_uri"].endswith("/openid/v1/jwks"), document)

    def test_impersonation_needs_the_right_to_it(self):
        who = json.loads(self.kubectl("--as=carol", "--as-group=devs", "auth", "whoami", "-o", "json"))["status"]["userInfo"]
        self.assertEqual((who["username"], who["groups"]), ("carol", ["devs", "system:authenticated"]))
        alice = self.certificate("speaker", "CN=speaker")
        refused = self.with_credentials("--as=carol", "get", "pods", certificate=alice).stderr
        self.assertIn('users "carol" is forbidden: User "speaker" cannot impersonate resource "users" in API group "" at the '
                      'cluster scope', refused)

    def test_node_gets_at_its_own_things_only(self):
        node = self.certificate("node", NODES_OWN)
        self.assertEqual(self.with_credentials("get", "node", "node-0", certificate=node).returncode, 0)
        for forbidden in (("get", "nodes"), ("get", "secrets", "-A"), ("delete", "node", "node-0"),
                          ("-n", "kube-node-lease", "get", "lease", "node-1"), ("get", "pods", "-A")):
            done = self.with_credentials(*forbidden, certificate=node)
            self.assertIn("Forbidden", done.stderr, forbidden)
        other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-7"}}
        done = self.with_credentials("create", "--validate=false", "-f", "-", certificate=node, stdin=json.dumps(other))
        self.assertIn('node "node-0" is not allowed to modify node "node-7"', done.stderr)


if __name__ == "__main__":
    control_plane.main()
