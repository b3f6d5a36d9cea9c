"""The everyday commands of kubectl against a control plane of ours, with every kubectl at hand.

    kubectl_commands_test.py                    # all versions
    kubectl_commands_test.py --kubectl 1.33     # one

A scenario is a list of command lines, run in order against one control plane, each with the output and the exit status it
must have. What needs a container that really runs is named at the end as not run.
"""

import base64
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

import api_server
from api_server import ControlPlane
from cluster import wait_until

WATCH_SECONDS = 30

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {app: a}}
spec:
  containers: [{name: c, image: "nginx:1.25"}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d1, labels: {{app: d1}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: d1}}}}
  template:
    metadata: {{labels: {{app: d1}}}}
    spec:
      containers: [{{name: nginx, image: "nginx:{tag}"}}]
"""
DAEMON_SET = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  selector: {matchLabels: {app: ds}}
  template:
    metadata: {labels: {app: ds}}
    spec:
      containers: [{name: c, image: "nginx:1.25"}]
"""
KUSTOMIZATION = """\
namePrefix: kz-
resources: [map.yaml]
"""
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {a: b}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: node1, labels: {kubernetes.io/hostname: node1}}
"""
# Of /CN=x, by a key of P-256.
REQUEST = """\
-----BEGIN CERTIFICATE REQUEST-----
MIHGMG4CAQAwDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BKNPkLfjf2XEuSdN43w38kXgJJwEcI4PI1gqge6QWX8KjJQkEwzNW2/vmmPFsXdX
qEptN1qLpT35Mqe82HqObWOgADAKBggqhkjOPQQDAgNIADBFAiBz2PUxDu2lN1VQ
Td3WteKVs71cl1KrIVYSGAiVUsZgjgIhAIOgmYSS8oQ4Wp7IP2ijeiGScC0AqZMz
xTFh8YXi8jtq
-----END CERTIFICATE REQUEST-----
"""
SIGNING_REQUEST = f"""\
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: me}}
spec:
  request: {base64.b64encode(REQUEST.encode()).decode()}
  signerName: example.com/web
  usages: [client auth]
"""
# One of each kind of core, as far as BEFORE and MAKING make none.
CORE = """\
# Old kubectls take what begins with a brace for JSON.
{apiVersion: v1, kind: Service, metadata: {name: ports}, spec: {selector: {app: a}, ports: [
  {name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: node-port}, spec: {type: NodePort, selector: {app: a, b: c}, ports: [
  {port: 80, nodePort: 30080}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: headless}, spec: {clusterIP: None, selector: {app: a}}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside}, spec: {type: ExternalName, externalName: example.com}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: e}, subsets: [
  {addresses: [{ip: 192.0.2.1}, {ip: 192.0.2.2}], ports: [{port: 80, name: a}, {port: 81, name: b}]}]}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s}, addressType: IPv4,
 endpoints: [{addresses: [192.0.2.1]}, {addresses: [192.0.2.2]}], ports: [{port: 80, name: a}]}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: b}}
---
{apiVersion: v1, kind: PodTemplate, metadata: {name: t}, template: {metadata: {labels: {a: b}}, spec: {containers: [
  {name: c, image: i}, {name: d, image: j}]}}}
---
{apiVersion: v1, kind: ReplicationController, metadata: {name: rc}, spec: {replicas: 1, selector: {a: rc}, template: {
  metadata: {labels: {a: rc}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {capacity: {storage: 1Gi}, hostPath: {path: /tmp},
  accessModes: [ReadWriteOnce, ReadOnlyMany], storageClassName: slow}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c}, spec: {accessModes: [ReadWriteOnce],
  resources: {requests: {storage: 1Gi}}, storageClassName: fast}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 9Gi}}]}}
---
{apiVersion: v1, kind: Event, metadata: {name: e}, involvedObject: {kind: Pod, name: p, namespace: default}, reason: Why,
 message: because, type: Normal, count: 3, source: {component: me, host: here}}
"""
FILES = {"core.yaml": CORE, "csr.yaml": SIGNING_REQUEST, "pod.yaml": POD,
         "deploy.yaml": DEPLOYMENT.format(replicas=2, tag="1.25"),
         "deploy2.yaml": DEPLOYMENT.format(replicas=3, tag="1.26"), "ds.yaml": DAEMON_SET, "node.yaml": NODE,
         "kz/kustomization.yaml": KUSTOMIZATION, "kz/map.yaml": MAP,
         "ed.sh": "#!/bin/sh\nsed -i 's/replicas: 3/replicas: 2/' \"$1\"\n"}

# They need a container that runs, or its measures: what answers for these is the node's agent.
NOT_RUN = ["exec p1 -- ls", "exec -i p1 -- cat", "attach p1", "port-forward pod/p1 LOCAL:80", "cp p1:/etc/hosts cpout"]

# What kubectl remarks, of itself and differently in each version.
ANYTHING = "..."


class Line:
    """A command line of kubectl, and what it must say: `out` and `err` are patterns of like()."""

    def __init__(self, line, out="", err="", status=0, until=None, env=()):
        self.line = line
        self.out = out
        self.err = err
        self.status = status
        self.until = until  # what a watch shows last before it is ended
        self.env = env


def like(pattern):
    """A regular expression for text as a person sees it: spaces in a row are one, <age> is any age, <...> anything on the
    line, and a line "..." any lines."""
    lines = []
    for line in textwrap.dedent(pattern).strip("\n").split("\n"):
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
            continue
        parts = []
        for part in re.split(r"(<age>|<\.\.\.>| +)", line.strip()):
            if part == "<age>":
                parts.append(r"(?:\d+[smhdy])+")
            elif part == "<...>":
                parts.append(r".*")
            elif part.startswith(" "):
                parts.append(r"\s+")
            else:
                parts.append(re.escape(part))
        lines.append(r"[ \t]*" + "".join(parts) + r"[ \t]*\n")
    return re.compile("".join(lines))


def plain(text):
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# Nothing moves by itself here: no daemon runs, statuses are what the test wrote.
BEFORE = [
    # What a controller gives every namespace; pods run as it.
    Line("create serviceaccount default", "serviceaccount/default created"),
    Line("create -f node.yaml", "node/node1 created"),
    Line("create -f pod.yaml", "pod/p1 created"),
    Line("create deployment web --image=nginx:1.25 --replicas=2", "deployment.apps/web created"),
    Line("apply -f ds.yaml", "daemonset.apps/ds created"),
    Line("""patch node node1 --subresource=status -p '{"status": {"conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.33.1"}, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}'""",
         "node/node1 patched"),
    Line("""patch pod p1 --subresource=status -p '{"status": {"phase": "Running", "podIP": "10.1.0.7",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "c", "ready": true, "restartCount": 1, "image": "nginx:1.25", "imageID": "",
                               "state": {"running": {}}}]}}'""", "pod/p1 patched"),
    Line("""patch deployment web --subresource=status -p '{"status": {"observedGeneration": 1, "replicas": 2,
        "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}}'""", "deployment.apps/web patched"),
    Line("""patch ds ds --subresource=status -p '{"status": {"observedGeneration": 1, "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1, "updatedNumberScheduled": 1,
        "numberAvailable": 1}}'""", "daemonset.apps/ds patched"),
]

LOOKING = [
    Line("version", """
        Client Version: <...>
        ...
        Server Version: <...>
        """, err=ANYTHING),
    Line("cluster-info", """
        Kubernetes control plane is running at https://127.0.0.1:<...>

        To further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.
        """),
    Line("get pods", """
        NAME READY STATUS RESTARTS AGE
        p1 1/1 Running 1 <age>
        """),
    Line("get pods -o wide", """
        NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES
        p1 1/1 Running 1 <age> 10.1.0.7 <none> <none> <none>
        """),
    Line("get po -A", """
        NAMESPACE NAME READY STATUS RESTARTS AGE
        default p1 1/1 Running 1 <age>
        """),
    Line("get pod p1 -o yaml", """
        apiVersion: v1
        kind: Pod
        metadata:
        ...
        spec:
          containers:
          - image: nginx:1.25
            imagePullPolicy: IfNotPresent
            name: c
        ...
          dnsPolicy: ClusterFirst
        ...
          restartPolicy: Always
        ...
        """),
    Line("get pods -o json", """
        {
            "apiVersion": "v1",
            "items": [
        ...
            "kind": "List",
            "metadata": {
                "resourceVersion": ""
            }
        }
        """),
    Line("get pods -o name", "pod/p1"),
    Line("get pods -o 'jsonpath={.items[*].metadata.name}'", "p1"),
    Line("get pods -o custom-columns=N:.metadata.name", """
        N
        p1
        """),
    Line("get pods -l app=a --field-selector status.phase=Running --sort-by=.metadata.name", """
        NAME READY STATUS RESTARTS AGE
        p1 1/1 Running 1 <age>
        """),
    Line("get pods -l app=b", err="No resources found in default namespace."),
    Line("get pods --field-selector spec.nodeName=node1", err="No resources found in default namespace."),
    Line("get pods --field-selector spec.color=red",
         err='Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", field '
             'selector "spec.color=red": field label not supported: spec.color', status=1),
    Line("get pods -w", until="p1 1/1 Running 1 <age>"),
    Line("get pods -w -o json", until='"phase": "Running",'),
    Line("get all", """
        NAME READY STATUS RESTARTS AGE
        pod/p1 1/1 Running 1 <age>

        NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE
        service/kubernetes ClusterIP <...> <none> 443/TCP <age>

        NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE
        daemonset.apps/ds 1 1 1 1 1 <none> <age>

        NAME READY UP-TO-DATE AVAILABLE AGE
        deployment.apps/web 2/2 2 2 <age>
        """),
    Line("get deploy,rs", """
        NAME READY UP-TO-DATE AVAILABLE AGE
        deployment.apps/web 2/2 2 2 <age>
        """),
    Line("get deploy -o wide", """
        NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR
        web 2/2 2 2 <age> nginx nginx:1.25 app=web
        """),
    Line("get pods --show-labels", """
        NAME READY STATUS RESTARTS AGE LABELS
        p1 1/1 Running 1 <age> app=a
        """),
    Line("get pods --chunk-size=1", """
        NAME READY STATUS RESTARTS AGE
        p1 1/1 Running 1 <age>
        """),
    Line("get --raw /readyz", "ok"),
    Line("get nodes", """
        NAME STATUS ROLES AGE VERSION
        node1 Ready <none> <age> v1.33.1
        """),
    Line("get pod/nope", err='Error from server (NotFound): pods "nope" not found', status=1),
    Line("get foos", err='error: the server doesn\'t have a resource type "foos"', status=1),
    Line("describe pod p1", """
        Name: p1
        Namespace: default
        ...
        Labels: app=a
        ...
        Status: Running
        ...
        Containers:
          c:
        ...
            Image: nginx:1.25
        ...
        Events: <none>
        """),
    Line("describe deployment web", """
        Name: web
        Namespace: default
        ...
        Selector: app=web
        Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable
        StrategyType: RollingUpdate
        MinReadySeconds: 0
        RollingUpdateStrategy: 25% max unavailable, 25% max surge
        ...
        Events: <none>
        """),
    Line("describe node node1", """
        Name: node1
        Roles: <none>
        ...
        Addresses:
          InternalIP: 10.0.0.1
        ...
        Non-terminated Pods: (0 in total)
        ...
        """),
    Line("describe svc kubernetes", """
        Name: kubernetes
        Namespace: default
        ...
        Type: ClusterIP
        ...
        Port: https 443/TCP
        ...
        """),
    Line("explain deployment", """
        ...
        KIND: Deployment
        ...
        FIELDS:
        ...
          spec <...>
        ...
        """),
    Line("explain pod.spec", """
        ...
        KIND: Pod
        ...
          containers <[]Container> <...>
        ...
        """),
    Line("api-resources", """
        NAME SHORTNAMES APIVERSION NAMESPACED KIND
        ...
        configmaps cm v1 true ConfigMap
        ...
        pods po v1 true Pod
        ...
        deployments deploy apps/v1 true Deployment
        ...
        horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler
        ...
        """),
    Line("api-versions", """
        ...
        apps/v1
        ...
        autoscaling/v1
        autoscaling/v2
        batch/v1
        ...
        v1
        """),
    Line("auth can-i create pods", "yes"),
    Line("auth can-i --list", """
        Resources Non-Resource URLs Resource Names Verbs
        ...
        *.* [] [] [*]
        ...
        """),
    Line("auth whoami", """
        ATTRIBUTE VALUE
        Username admin
        Groups [system:masters system:authenticated]
        ...
        """),
    Line("config view", """
        apiVersion: v1
        ...
        """),
    Line("config get-contexts", """
        CURRENT NAME CLUSTER AUTHINFO NAMESPACE
        * test test admin
        x test admin x
        """),
    Line("cluster-info dump --namespaces default", """
        {
        ...
        """),
]

MAKING = [
    Line("create -f pod.yaml", status=1,
         err='Error from server (AlreadyExists): error when creating "pod.yaml": pods "p1" already exists'),
    Line("create -f pod.yaml --validate=false --dry-run=server", status=1,
         err='Error from server (AlreadyExists): error when creating "pod.yaml": pods "p1" already exists'),
    Line("create deployment cd --image=nginx --replicas=2", "deployment.apps/cd created"),
    Line("create namespace foo", "namespace/foo created"),
    Line("get namespace foo", """
        NAME STATUS AGE
        foo Active <age>
        """),
    Line("create configmap cmx --from-literal=a=b", "configmap/cmx created"),
    Line("create secret generic s1 --from-literal=a=b", "secret/s1 created"),
    Line("create serviceaccount sa1", "serviceaccount/sa1 created"),
    Line("create token sa1", "<...>.<...>.<...>"),
    Line("create job j1 --image=busybox -- echo hi", "job.batch/j1 created"),
    Line("get jobs", """
        NAME STATUS COMPLETIONS DURATION AGE
        j1 Running 0/1 <age>
        """),
    Line("apply -f deploy.yaml", "deployment.apps/d1 created"),
    Line("apply -f deploy.yaml", "deployment.apps/d1 unchanged"),
    Line("apply -f deploy2.yaml", "deployment.apps/d1 configured"),
    Line("apply -f deploy2.yaml --server-side", "deployment.apps/d1 serverside-applied"),
    # The server keeps the record of what was applied, but does not write it letter by letter as kubectl does.
    Line("apply -f deploy2.yaml --dry-run=server", "deployment.apps/d1 configured (server dry run)"),
    Line("apply -f deploy2.yaml", "deployment.apps/d1 configured"),
    Line("apply -f deploy2.yaml --dry-run=server", "deployment.apps/d1 unchanged (server dry run)"),
    Line("diff -f deploy.yaml", """
        diff -u -N <...>
        ...
        -  replicas: 3
        +  replicas: 2
        ...
        """, status=1),
    Line("replace -f deploy2.yaml", "deployment.apps/d1 replaced"),
    Line("edit deployment d1", "deployment.apps/d1 edited", env={"KUBE_EDITOR": "./ed.sh"}),
    Line("get deployment d1 -o 'jsonpath={.spec.replicas}'", "2"),
    Line("""patch deployment d1 -p '{"spec":{"replicas":1}}'""", "deployment.apps/d1 patched"),
    Line("""patch deployment d1 --type=merge -p '{"spec":{"replicas":1}}'""", "deployment.apps/d1 patched (no change)"),
    Line("""patch deployment d1 --type=json -p '[{"op":"replace","path":"/spec/replicas","value":3}]'""",
         "deployment.apps/d1 patched"),
    Line("run r1 --image=nginx", "pod/r1 created"),
    Line("run r2 --image=nginx --expose --port=80", """
        service/r2 created
        pod/r2 created
        """),
    Line("expose deployment d1 --port=80", "service/d1 exposed"),
    Line("scale deployment d1 --replicas=5", "deployment.apps/d1 scaled"),
    Line("scale --replicas=6 -f deploy.yaml", "deployment.apps/d1 scaled"),
    Line("scale deployment d1 --current-replicas=6 --replicas=2", "deployment.apps/d1 scaled"),
    Line("autoscale deployment d1 --min=1 --max=3 --cpu-percent=50", "horizontalpodautoscaler.autoscaling/d1 autoscaled"),
    Line("get hpa", """
        NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE
        d1 Deployment/d1 cpu: <unknown>/50% 1 3 0 <age>
        """),
    Line("set image deployment/web nginx=nginx:1.9.1", "deployment.apps/web image updated"),
    Line("set env deployment/web A=b", "deployment.apps/web env updated"),
    Line("rollout pause deployment/web", "deployment.apps/web paused"),
    Line("rollout resume deployment/web", "deployment.apps/web resumed"),
    Line("rollout restart deployment/web", "deployment.apps/web restarted"),
    Line("rollout status ds/ds", 'daemon set "ds" successfully rolled out'),
    Line("label pod p1 x=y", "pod/p1 labeled"),
    Line("annotate pod p1 x=y", "pod/p1 annotate<...>"),
    Line("taint node node1 k=v:NoSchedule", "node/node1 tainted"),
    Line("cordon node1", "node/node1 cordoned"),
    Line("get nodes", """
        NAME STATUS ROLES AGE VERSION
        node1 Ready,SchedulingDisabled <none> <age> v1.33.1
        """),
    Line("uncordon node1", "node/node1 uncordoned"),
    Line("wait --for=condition=Ready pod/p1 --timeout=3s", "pod/p1 condition met"),
    Line("wait --for=jsonpath='{.status.phase}'=Running pod/p1 --timeout=3s", "pod/p1 condition met"),
    Line("wait --for=condition=Ready pod/r1 --timeout=1s", err="error: timed out waiting for the condition on pods/r1", status=1),
    Line("wait --for=delete pod/zzz --timeout=3s"),
    Line("kustomize kz", """
        apiVersion: v1
        data:
          a: b
        kind: ConfigMap
        metadata:
          name: kz-map
        """),
    Line("apply -k kz", "configmap/kz-map created"),
    Line("events", err="No events found in default namespace."),
    Line("events --for pod/p1", err="No events found in default namespace."),
    Line("debug p1 --image=busybox -c dbg", err=ANYTHING),
    Line("get pod p1 -o 'jsonpath={.spec.ephemeralContainers[0].name}'", "dbg"),
    Line("debug node/node1 --image=busybox",
         "Creating debugging pod node-debugger-node1-<...> with container debugger on node node1.", err=ANYTHING),
    Line("create -f csr.yaml", "certificatesigningrequest.certificates.k8s.io/me created"),
    Line("certificate approve me", "certificatesigningrequest.certificates.k8s.io/me approved"),
    Line("get csr", """
        NAME AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION
        me <age> example.com/web admin <none> Approved
        """),
    Line("config use-context x", 'Switched to context "x".'),
    Line("config use-context test", 'Switched to context "test".'),
]

ENDING = [
    Line("delete pod p1", 'pod "p1" deleted<...>'),
    Line("run p1 --image=nginx --labels=app=a", "pod/p1 created"),
    Line("delete -f deploy.yaml", 'deployment.apps "d1" deleted<...>'),
    # It has a node, and no agent ends it there.
    Line("delete pods --field-selector spec.nodeName=node1 --force", """
        pod "node-debugger-node1-<...>" force deleted<...>
        """, err=ANYTHING),
    Line("delete pods --all", """
        pod "p1" deleted<...>
        pod "r1" deleted<...>
        pod "r2" deleted<...>
        """),
    Line("delete pod nginx --now --ignore-not-found"),
    Line("delete pod r1 --force --grace-period=0 --ignore-not-found",
         err="Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The "
             "resource may continue to run on the cluster indefinitely."),
    Line("apply --prune -l app=d1 -f deploy.yaml", "deployment.apps/d1 created", err=ANYTHING),
    Line("apply --prune -l app=d1 -f deploy2.yaml", "deployment.apps/d1 configured", err=ANYTHING),
    Line("create -f deploy.yaml --server-side", status=1, err="""
        error: unknown flag: --server-side
        See 'kubectl create --help' for usage.
        """),
    Line("delete deployment cd d1", """
        deployment.apps "cd" deleted<...>
        deployment.apps "d1" deleted<...>
        """),
]

# All daemons run here, and nodes that only say that containers run.
ROLLED_OUT = """
    ...
    deployment "web" successfully rolled out
    """
CLUSTER = [
    Line("create deployment web --image=nginx:1.25 --replicas=2", "deployment.apps/web created"),
    Line("rollout status deployment/web --timeout=60s", ROLLED_OUT),
    Line("run p1 --image=nginx --labels=app=a", "pod/p1 created"),
    Line("wait --for=condition=Ready pod/p1 --timeout=60s", "pod/p1 condition met"),
    Line("wait --for=jsonpath='{.status.phase}'=Running pod/p1 --timeout=3s", "pod/p1 condition met"),
    Line("get pods -o wide -l app=a", """
        NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES
        p1 1/1 Running 0 <age> 10.<...> node-<...> <none> <none>
        """),
    Line("get all", """
        NAME READY STATUS RESTARTS AGE
        pod/p1 1/1 Running 0 <age>
        pod/web-<...> 1/1 Running 0 <age>
        pod/web-<...> 1/1 Running 0 <age>

        NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE
        service/kubernetes ClusterIP <...> <none> 443/TCP <age>

        NAME READY UP-TO-DATE AVAILABLE AGE
        deployment.apps/web 2/2 2 2 <age>

        NAME DESIRED CURRENT READY AGE
        replicaset.apps/web-<...> 2 2 2 <age>
        """),
    Line("events --for pod/p1", """
        LAST SEEN TYPE REASON OBJECT MESSAGE
        ...
        <...> Normal Scheduled Pod/p1 Successfully assigned default/p1 to node-<...>
        ...
        """),
    Line("describe deployment web", """
        Name: web
        ...
        Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable
        ...
        NewReplicaSet: web-<...> (2/2 replicas created)
        Events:
        ...
        <...> ScalingReplicaSet <...> Scaled up replica set web-<...> from 0 to 2
        """),
    Line("logs p1", """
        p1 started
        ...
        """),
    Line("logs -f p1 --limit-bytes=11", """
        p1 started
        """),
    Line("logs -l app=a --prefix", """
        [pod/p1/p1] p1 started
        ...
        """),
    Line("logs deployment/web --pod-running-timeout=2s", """
        nginx started
        ...
        """, err="Found 2 pods, using pod/web-<...>"),
    Line("top pod", """
        NAME CPU(cores) MEMORY(bytes)
        p1 <...>m <...>Mi
        web-<...> <...>m <...>Mi
        web-<...> <...>m <...>Mi
        """),
    Line("top node", """
        NAME CPU(cores) CPU<...> MEMORY(bytes) MEMORY<...>
        node-<...> <...>m <...>% <...>Mi <...>%
        node-<...> <...>m <...>% <...>Mi <...>%
        """),
    Line("set image deployment/web nginx=nginx:1.26", "deployment.apps/web image updated"),
    Line("rollout status deployment/web --timeout=60s", ROLLED_OUT),
    Line("rollout history deployment/web", """
        deployment.apps/web
        REVISION CHANGE-CAUSE
        1 <none>
        2 <none>
        ...
        """),
    Line("rollout history deployment/web --revision=1", """
        deployment.apps/web with revision #1
        Pod Template:
          Labels: app=web
        ...
            Image: nginx:1.25
        ...
        """),
    Line("rollout undo deployment/web", "deployment.apps/web rolled back"),
    Line("rollout status deployment/web --timeout=60s", ROLLED_OUT),
    Line("get deployment web -o 'jsonpath={.spec.template.spec.containers[0].image}'", "nginx:1.25"),
    Line("rollout restart deployment/web", "deployment.apps/web restarted"),
    Line("rollout status deployment/web --timeout=60s", ROLLED_OUT),
    Line("rollout history deployment/web", """
        deployment.apps/web
        REVISION CHANGE-CAUSE
        2 <none>
        3 <none>
        4 <none>
        ...
        """),
    Line("drain node-1 --ignore-daemonsets --force --timeout=60s", """
        node/node-1 cordoned
        ...
        node/node-1 drained
        """, err=ANYTHING),
    Line("get pods --field-selector spec.nodeName=node-1", err="No resources found in default namespace."),
    Line("uncordon node-1", "node/node-1 uncordoned"),
    Line("run p2 --image=nginx", "pod/p2 created"),
    Line("wait --for=condition=Ready pod/p2 --timeout=60s", "pod/p2 condition met"),
    Line("delete pod p2", 'pod "p2" deleted<...>'),
    Line("delete deployment web --cascade=orphan", 'deployment.apps "web" deleted<...>'),
    Line("get rs -l app=web --sort-by=.spec.replicas -o custom-columns=DESIRED:.spec.replicas,OWNERS:.metadata.ownerReferences", """
        DESIRED OWNERS
        0 <none>
        0 <none>
        2 <none>
        """),
    Line("delete rs -l app=web", """
        replicaset.apps "web-<...>" deleted<...>
        replicaset.apps "web-<...>" deleted<...>
        replicaset.apps "web-<...>" deleted<...>
        """),
    Line("wait --for=delete pod -l app=web --timeout=60s", ANYTHING, err=ANYTHING),
    Line("get pods -l app=web", err="No resources found in default namespace."),
    Line("create namespace foo", "namespace/foo created"),
    Line("create configmap inside --from-literal=a=b -n foo", "configmap/inside created"),
    Line("delete ns foo", 'namespace "foo" deleted'),
    Line("get configmap inside -n foo", err='Error from server (NotFound): <...>"<...>" not found', status=1),
]


# The columns of the kinds of core.
COLUMNS = [
    Line("create -f core.yaml", ANYTHING, err=ANYTHING),
    Line("get svc -o wide", """
        NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR
        headless ClusterIP None <none> <none> <age> app=a
        kubernetes ClusterIP 10.96.0.1 <none> 443/TCP <age> <none>
        node-port NodePort 10.<...> <none> 80:30080/TCP <age> app=a,b=c
        outside ExternalName <none> example.com <none> <age> <none>
        ports ClusterIP 10.<...> <none> 80/TCP,53/UDP <age> app=a
        """),
    Line("get ep e", """
        NAME ENDPOINTS AGE
        e 192.0.2.1:80,192.0.2.2:80,192.0.2.1:81 + 1 more... <age>
        """, err=ANYTHING),
    Line("get endpointslices s", """
        NAME ADDRESSTYPE PORTS ENDPOINTS AGE
        s IPv4 80 192.0.2.1,192.0.2.2 <age>
        """),
    Line("get secrets", """
        NAME TYPE DATA AGE
        s Opaque 1 <age>
        """),
    Line("get podtemplates", """
        NAME CONTAINERS IMAGES POD LABELS
        t c,d i,j a=b
        """),
    Line("get rc -o wide", """
        NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR
        rc 1 0 0 <age> c i a=rc
        """),
    Line("get pv -o wide", """
        NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE
        v 1Gi RWO,ROX Retain Pending slow <unset> <age> Filesystem
        """),
    Line("get pvc -o wide", """
        NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE
        c Pending fast <unset> <age> Filesystem
        """),
    Line("get limits", """
        NAME CREATED AT
        l <...>
        """),
    Line("get events -o wide", """
        LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME
        <unknown> Normal Why pod/p me, here because <unknown> 3 e
        """),
    Line("get events.v1.events.k8s.io", """
        LAST SEEN TYPE REASON OBJECT MESSAGE
        <unknown> Normal Why pod/p because
        """),
]


def run_line(plane, program, line, folder):
    """Nothing, or what is wrong with what the command did."""
    try:
        done = plane.run("/bin/sh", "-c", f"exec {program} {line.line}", folder=folder, env=line.env)
    except subprocess.TimeoutExpired:
        return "it does not end"
    told = {"out": plain(done.stdout), "err": plain(done.stderr)}
    wrong = [name for name, pattern in (("out", line.out), ("err", line.err))
             if not (like(pattern).fullmatch(told[name] if told[name].endswith("\n") or not told[name] else told[name] + "\n")
                     if pattern else not told[name])]
    if not wrong and done.returncode == line.status:
        return ""
    return f"exit status {done.returncode}\n{told['out']}{told['err']}"


def run_watch(plane, program, line, folder):
    """A watch shows what is there, and is ended."""
    pattern = like(line.until)
    with tempfile.TemporaryFile("w+") as told:
        with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, *line.line.split()], cwd=folder, stdout=told,
                              stderr=told, text=True, env=plane.kubectl_environment()) as process:
            def shown():
                told.seek(0)
                text = told.read()
                if process.poll() is not None:
                    raise AssertionError("it ended: " + text)
                return pattern.search(text)
            try:
                wait_until(shown, WATCH_SECONDS, line.until)
                return ""
            except AssertionError as error:
                told.seek(0)
                return f"{error}\n{told.read()}"
            finally:
                process.kill()


class KubectlCommandsTest(unittest.TestCase):
    """Three tests for each version; see add_tests()."""

    def check(self, version, program, lines, **plane_options):
        with ControlPlane(**plane_options) as plane:
            folder = plane.folder / "manifests"
            for name, text in FILES.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            (folder / "ed.sh").chmod(0o755)
            failed = []
            for line in lines:
                run = run_watch if line.until else run_line
                wrong = run(plane, program, line, folder)
                if wrong:
                    failed.append(line.line)
                    print(f"---- kubectl {line.line}  ({version})\n{wrong}", flush=True)
            self.assertEqual(failed, [], f"of kubectl {version}")


def add_tests(wanted):
    """Test methods for each version, so that one that fails says which."""
    found = api_server.kubectls()
    versions = [wanted] if wanted else sorted(found)
    for version in versions:
        if version not in found:
            print(f"SKIPPED: there is no kubectl {version}", flush=True)
            continue
        def test_server(self, version=version):
            self.check(version, found[version], [*BEFORE, *LOOKING, *MAKING, *ENDING])

        def test_columns(self, version=version):
            self.check(version, found[version], COLUMNS)

        def test_cluster(self, version=version):
            self.check(version, found[version], CLUSTER, daemons=("controllers", "scheduler"), nodes=2)
        suffix = version.replace(".", "_")
        setattr(KubectlCommandsTest, f"test_server_{suffix}", test_server)
        setattr(KubectlCommandsTest, f"test_columns_{suffix}", test_columns)
        setattr(KubectlCommandsTest, f"test_cluster_{suffix}", test_cluster)
    return any(version in found for version in versions)


if __name__ == "__main__":
    WANTED = None
    if "--kubectl" in sys.argv:
        AT = sys.argv.index("--kubectl")
        WANTED = sys.argv[AT + 1]
        del sys.argv[AT:AT + 2]
    if not add_tests(WANTED):
        print("SKIPPED: there is no kubectl", flush=True)
        sys.exit(77)
    for LINE in NOT_RUN:
        print(f"not run, for it needs a container: kubectl {LINE}", flush=True)
    api_server.main()
