"""Manifests and requests that are wrong, and what kube-apiserver says to each. A row is

    (what is wrong, method, path, body, HTTP code, message[, Content-Type])

A message that ends in "..." is the beginning of what is said."""

SMP = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
YAML = "application/yaml"

NAMESPACE = "/api/v1/namespaces/bad"
PODS = f"{NAMESPACE}/pods"
SERVICES = f"{NAMESPACE}/services"
CONFIG_MAPS = f"{NAMESPACE}/configmaps"
SECRETS = f"{NAMESPACE}/secrets"
CLAIMS = f"{NAMESPACE}/persistentvolumeclaims"
DEPLOYMENTS = "/apis/apps/v1/namespaces/bad/deployments"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/bad/ingresses"
STRICT = "?fieldValidation=Strict"


def pod(name="x", metadata=(), container=(), **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **dict(metadata)},
            "spec": {"containers": [{"name": "c", "image": "i", **dict(container)}], **spec}}


def template(labels=None, **spec):
    return {"metadata": {"labels": {"a": "b"} if labels is None else labels},
            "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def deployment(name="x", template_labels=None, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(template_labels), **spec}}


def service(name="x", port=(), **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": 80, **dict(port)}], **spec}}


def config_map(name="x", **fields):
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def claim(**spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "x"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}}


def ingress(path="/", path_type="Prefix", host=None):
    rule = {"path": path, "pathType": path_type, "backend": {"service": {"name": "s", "port": {"number": 80}}}}
    return thing("networking.k8s.io/v1", "Ingress", spec={"rules": [{"host": host, "http": {"paths": [rule]}}]})


def thing(group_version, kind, name="x", **fields):
    return {"apiVersion": group_version, "kind": kind, "metadata": {"name": name}, **fields}


def cannot(kind, fault):
    return f'{kind} in version "v1" cannot be handled as a {kind}: {fault}'


def invalid(kind, name, finding):
    return f'{kind} "{name}" is invalid: {finding}'


def unreadable(fault):
    return f"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: {fault}"


ANONYMOUS = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

UNREADABLE = [(repr(body[:20]), "POST", PODS, body, 400, unreadable(fault)) for body, fault in (
    ("", "unexpected end of JSON input (<empty>)"),
    ("  ", "unexpected end of JSON input (2020)"),
    ("{", "unexpected end of JSON input ({)"),
    ('{"a":1,}', "invalid character '}' looking for beginning of object key string ({\"a\":1,})"),
    ("nonsense", "invalid character 'o' in literal null (expecting 'u') (6e6f6e73656e7365)"),
    ("[]", f"json: cannot unmarshal array into Go value of type {ANONYMOUS} (5b5d)"),
    ('"pod"', f"json: cannot unmarshal string into Go value of type {ANONYMOUS} (22706f6422)"),
    ("5", f"json: cannot unmarshal number into Go value of type {ANONYMOUS} (35)"),
    ("true", f"json: cannot unmarshal bool into Go value of type {ANONYMOUS} (74727565)"),
    ("{} {}", "invalid character '{' after top-level value ({} {})"),
    ("{'a':1}", "invalid character '\\'' looking for beginning of object key string ({'a':1})"),
    ('{"kind":"Po\nd"}', 'invalid character \'\\n\' in string literal ({"kind":"Po\nd"})'),
    ('{"a":"\\q"}', 'invalid character \'q\' in string escape code ({"a":"\\q"})'),
    ('{"a":01}', 'invalid character \'1\' after object key:value pair ({"a":01})'),
    ('{"a":tru}', 'invalid character \'}\' in literal true (expecting \'e\') ({"a":tru})'),
    ('{"a" 1}', 'invalid character \'1\' after object key ({"a" 1})'),
    ('{"a":1 "b":2}', 'invalid character \'"\' after object key:value pair ({"a":1 "b":2})'),
    ('{"a":[1 2]}', 'invalid character \'2\' after array element ({"a":[1 2]})'),
    ('{"a":NaN}', 'invalid character \'N\' looking for beginning of value ({"a":NaN})'),
    ('{"kind":5}', 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})'),
    ('{"x":' + "[" * 600 + "]" * 600 + "}", "invalid character '[' exceeded max depth ({\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[ ...)"),
)]

SUBDOMAIN = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
             "end with an alphanumeric character...")
NAMES = [(f"the name {name[:12]!r}", "POST", PODS, pod(name), 422,
          invalid("Pod", name, f'metadata.name: Invalid value: "{name}": {SUBDOMAIN}'))
         for name in ("UPPER", "under_score", "-dash", "dash-", "a..b", "sp ace", "a/b", "é", "a.", "a%b")]
NAMES.append(("a long name", "POST", PODS, pod("x" * 254), 422,
              invalid("Pod", "x" * 254, f'metadata.name: Invalid value: "{"x" * 254}": must be no more than 253 characters')))

NAME_PART = ("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
             "character...")
VALUE = ("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
         "with an alphanumeric character...")
LABELS = [(f"the label {key[:12]}={value[:12]}", "POST", PODS, pod(metadata={"labels": {key: value}}), 422,
           invalid("Pod", "x", f'metadata.labels: Invalid value: "{wrong}": {why}'))
          for key, value, wrong, why in (
              ("-a", "b", "-a", NAME_PART),
              ("a b", "c", "a b", NAME_PART),
              ("a/b/c", "d", "a/b/c", "a qualified name must consist of alphanumeric characters..."),
              ("UP_.com/x", "y", "UP_.com/x", "prefix part a lowercase RFC 1123 subdomain must consist of..."),
              ("x" * 64, "y", "x" * 64, "name part must be no more than 63 characters"),
              ("a", "-b", "-b", VALUE),
              ("a", "b c", "b c", VALUE),
              ("a", "x" * 64, "x" * 64, "must be no more than 63 characters"),
              ("a", "b/c", "b/c", VALUE))]

MISTYPED = [
    ("spec text", "POST", PODS, {"spec": "x"},
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec")),
    ("metadata list", "POST", PODS, {"metadata": []},
     400, cannot("Pod", "json: cannot unmarshal array into Go struct field Pod.metadata of type v1.ObjectMeta")),
    ("name number", "POST", PODS, {"metadata": {"name": 5}},
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string")),
    ("labels list", "POST", PODS, {"metadata": {"labels": []}},
     400, cannot("Pod", "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type "
                        "map[string]string")),
    ("label number", "POST", PODS, {"metadata": {"labels": {"a": 1}}},
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type "
                        "string")),
    ("annotation bool", "POST", PODS, {"metadata": {"annotations": {"a": True}}},
     400, cannot("Pod", "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.annotations of type "
                        "string")),
    ("finalizers text", "POST", PODS, {"metadata": {"finalizers": "x"}},
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.finalizers of type "
                        "[]string")),
    ("owner references map", "POST", PODS, {"metadata": {"ownerReferences": {}}},
     400, cannot("Pod", "json: cannot unmarshal object into Go struct field ObjectMeta.metadata.ownerReferences of "
                        "type []v1.OwnerReference")),
    ("timestamp number", "POST", PODS, {"metadata": {"creationTimestamp": 1}},
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp "
                        "of type string")),
    ("timestamp text", "POST", PODS, {"metadata": {"creationTimestamp": "yesterday"}},
     400, cannot("Pod", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" '
                        'as "2006"')),
    ("timestamp month", "POST", PODS, {"metadata": {"creationTimestamp": "2026-13-01T00:00:00Z"}},
     400, cannot("Pod", 'parsing time "2026-13-01T00:00:00Z": month out of range')),
    ("timestamp day", "POST", PODS, {"metadata": {"creationTimestamp": "2026-02-30T00:00:00Z"}},
     400, cannot("Pod", 'parsing time "2026-02-30T00:00:00Z": day out of range')),
    ("containers map", "POST", PODS, {"spec": {"containers": {}}},
     400, cannot("Pod", "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
                        "[]v1.Container")),
    ("container text", "POST", PODS, {"spec": {"containers": ["c"]}},
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type "
                        "v1.Container")),
    ("image list", "POST", PODS, pod(container={"image": ["i"]}),
     400, cannot("Pod", "json: cannot unmarshal array into Go struct field Container.spec.containers.image of type "
                        "string")),
    ("command text", "POST", PODS, pod(container={"command": "sh"}),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field Container.spec.containers.command of "
                        "type []string")),
    ("args numbers", "POST", PODS, pod(container={"args": [1]}),
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field Container.spec.containers.args of type "
                        "string")),
    ("port text", "POST", PODS, pod(container={"ports": [{"containerPort": "80"}]}),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field "
                        "ContainerPort.spec.containers.ports.containerPort of type int32")),
    ("port fraction", "POST", PODS, pod(container={"ports": [{"containerPort": 80.5}]}),
     400, cannot("Pod", "json: cannot unmarshal number 80.5 into Go struct field "
                        "ContainerPort.spec.containers.ports.containerPort of type int32")),
    ("port large", "POST", PODS, pod(container={"ports": [{"containerPort": 99999999999}]}),
     400, cannot("Pod", "json: cannot unmarshal number 99999999999 into Go struct field "
                        "ContainerPort.spec.containers.ports.containerPort of type int32")),
    ("env map", "POST", PODS, pod(container={"env": {"A": "b"}}),
     400, cannot("Pod", "json: cannot unmarshal object into Go struct field Container.spec.containers.env of type "
                        "[]v1.EnvVar")),
    ("env value number", "POST", PODS, pod(container={"env": [{"name": "A", "value": 1}]}),
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of "
                        "type string")),
    ("env value bool", "POST", PODS, pod(container={"env": [{"name": "A", "value": True}]}),
     400, cannot("Pod", "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type "
                        "string")),
    ("cpu map", "POST", PODS, pod(container={"resources": {"limits": {"cpu": {}}}}),
     400, cannot("Pod", "quantities must match the regular expression "
                        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
    ("cpu words", "POST", PODS, pod(container={"resources": {"limits": {"cpu": "lots"}}}),
     400, cannot("Pod", "quantities must match the regular expression "
                        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
    ("memory suffix", "POST", PODS, pod(container={"resources": {"limits": {"memory": "1kk"}}}),
     400, cannot("Pod", "unable to parse quantity's suffix")),
    ("memory bytes", "POST", PODS, pod(container={"resources": {"limits": {"memory": "1 Gi"}}}),
     400, cannot("Pod", "quantities must match the regular expression "
                        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
    ("limits list", "POST", PODS, pod(container={"resources": {"limits": []}}),
     400, cannot("Pod", "json: cannot unmarshal array into Go struct field "
                        "ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList")),
    ("probe port bool", "POST", PODS, pod(container={"livenessProbe": {"httpGet": {"port": True}}}),
     400, cannot("Pod", "json: cannot unmarshal bool into Go struct field "
                        "HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32")),
    ("host network text", "POST", PODS, pod(hostNetwork="yes"),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool")),
    ("grace text", "POST", PODS, pod(terminationGracePeriodSeconds="30"),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field "
                        "PodSpec.spec.terminationGracePeriodSeconds of type int64")),
    ("restart policy bool", "POST", PODS, pod(restartPolicy=False),
     400, cannot("Pod", "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type "
                        "v1.RestartPolicy")),
    ("node selector list", "POST", PODS, pod(nodeSelector=["a"]),
     400, cannot("Pod", "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type "
                        "map[string]string")),
    ("node selector number", "POST", PODS, pod(nodeSelector={"a": 5}),
     400, cannot("Pod", "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type "
                        "string")),
    ("volumes map", "POST", PODS, pod(volumes={}),
     400, cannot("Pod", "json: cannot unmarshal object into Go struct field PodSpec.spec.volumes of type "
                        "[]v1.Volume")),
    ("toleration seconds text", "POST", PODS, pod(tolerations=[{"tolerationSeconds": "5"}]),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field "
                        "Toleration.spec.tolerations.tolerationSeconds of type int64")),
    ("run as user text", "POST", PODS, pod(securityContext={"runAsUser": "root"}),
     400, cannot("Pod", "json: cannot unmarshal string into Go struct field "
                        "PodSecurityContext.spec.securityContext.runAsUser of type int64")),
    ("replicas text", "POST", DEPLOYMENTS, deployment(replicas="3"),
     400, cannot("Deployment", "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of "
                               "type int32")),
    ("replicas fraction", "POST", DEPLOYMENTS, deployment(replicas=1.5),
     400, cannot("Deployment", "json: cannot unmarshal number 1.5 into Go struct field "
                               "DeploymentSpec.spec.replicas of type int32")),
    ("template list", "POST", DEPLOYMENTS, deployment(template=[]),
     400, cannot("Deployment", "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of "
                               "type v1.PodTemplateSpec")),
    ("surge bool", "POST", DEPLOYMENTS, deployment(strategy={"rollingUpdate": {"maxSurge": True}}),
     400, cannot("Deployment", "json: cannot unmarshal bool into Go struct field "
                               "RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32")),
    ("data number", "POST", CONFIG_MAPS, config_map(data={"a": 1}),
     400, cannot("ConfigMap", "json: cannot unmarshal number into Go struct field ConfigMap.data of type string")),
    ("data list", "POST", CONFIG_MAPS, config_map(data=[]),
     400, cannot("ConfigMap", "json: cannot unmarshal array into Go struct field ConfigMap.data of type "
                              "map[string]string")),
    ("binary data", "POST", CONFIG_MAPS, config_map(binaryData={"a": "!"}),
     400, cannot("ConfigMap", "illegal base64 data at input byte 0")),
    ("secret base64", "POST", SECRETS, thing("v1", "Secret", data={"a": "YQ="}),
     400, cannot("Secret", "illegal base64 data at input byte 3")),
    ("secret number", "POST", SECRETS, thing("v1", "Secret", data={"a": 1}),
     400, cannot("Secret", "json: cannot unmarshal number into Go struct field Secret.data of type []uint8")),
    ("service port text", "POST", SERVICES, service(port={"port": "80"}),
     400, cannot("Service", "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of "
                            "type int32")),
    ("selector list", "POST", SERVICES, service(selector=["a"]),
     400, cannot("Service", "json: cannot unmarshal array into Go struct field ServiceSpec.spec.selector of type "
                            "map[string]string")),
    ("claim storage", "POST", CLAIMS, claim(resources={"requests": {"storage": "big"}}),
     400, cannot("PersistentVolumeClaim", "quantities must match the regular expression "
                                          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")),
    ("lease micro time", "POST", "/apis/coordination.k8s.io/v1/namespaces/bad/leases",
     thing("coordination.k8s.io/v1", "Lease", spec={"renewTime": "2026-01-01T00:00:00Z"}),
     400, cannot("Lease", 'parsing time "2026-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot '
                          'parse "Z" as ".000000"')),
]

STRICTLY_WRONG = [
    ("unknown", "POST", f"{PODS}{STRICT}", pod(container={"imge": "i"}),
     400, cannot("Pod", 'strict decoding error: unknown field "spec.containers[0].imge"')),
    ("unknown at the top", "POST", f"{PODS}{STRICT}", {**pod(), "sepc": {}},
     400, cannot("Pod", 'strict decoding error: unknown field "sepc"')),
    ("unknown in list", "POST", f"{PODS}{STRICT}", pod(container={"ports": [{"containerPort": 80}, {"port": 81}]}),
     400, cannot("Pod", 'strict decoding error: unknown field "spec.containers[0].ports[1].port"')),
    ("two unknown", "POST", f"{PODS}{STRICT}", pod(foo=1, bar=2),
     400, cannot("Pod", 'strict decoding error: unknown field "spec.foo", unknown field "spec.bar"')),
    ("duplicate", "POST", f"{PODS}{STRICT}",
     '{"metadata":{"name":"x","name":"y"},"spec":{"containers":[{"name":"c","image":"i"}]}}',
     400, cannot("Pod", 'strict decoding error: duplicate field "metadata.name"')),
    ("duplicate label", "POST", f"{PODS}{STRICT}",
     '{"metadata":{"name":"x","labels":{"a":"1","a":"2"}},"spec":{"containers":[{"name":"c","image":"i"}]}}',
     400, cannot("Pod", 'strict decoding error: duplicate field "metadata.labels.a"')),
    ("wrong case", "POST", f"{PODS}{STRICT}", pod(restartpolicy="Never"),
     400, cannot("Pod", 'strict decoding error: unknown field "spec.restartpolicy"')),
    ("indented wrong", "POST", f"{DEPLOYMENTS}{STRICT}", {**deployment(), "replicas": 3},
     400, cannot("Deployment", 'strict decoding error: unknown field "replicas"')),
    ("unknown in service", "POST", f"{SERVICES}{STRICT}", service(port={"targetport": 80}),
     400, cannot("Service", 'strict decoding error: unknown field "spec.ports[0].targetport"')),
    ("unknown in config map", "POST", f"{CONFIG_MAPS}{STRICT}", config_map(dta={}),
     400, cannot("ConfigMap", 'strict decoding error: unknown field "dta"')),
    ("field validation", "POST", f"{PODS}?fieldValidation=Maybe", pod(),
     422, invalid("CreateOptions.meta.k8s.io", "", 'fieldValidation: Unsupported value: "Maybe": supported '
                                                   'values: "Ignore", "Strict", "Warn"')),
    ("field manager", "POST", f"{PODS}?fieldManager={'m' * 129}", pod(),
     422, invalid("CreateOptions.meta.k8s.io", "", "fieldManager: Too long: may not be more than 128 bytes")),
    ("force", "PATCH", f"{CONFIG_MAPS}/live?force=true", {"data": {}},
     422, invalid("PatchOptions.meta.k8s.io", "", "force: Forbidden: may not be specified for non-apply patch"), MERGE),
    ("dry run of a deletion", "DELETE", f"{CONFIG_MAPS}/live?dryRun=Some", None,
     422, invalid("DeleteOptions.meta.k8s.io", "", 'dryRun: Unsupported value: []string{"Some"}: supported values: "All"')),
    ("dry run", "POST", f"{PODS}?dryRun=Some", pod(),
     422, invalid("CreateOptions.meta.k8s.io", "", 'dryRun: Unsupported value: []string{"Some"}: supported values: '
                                                   '"All"')),
]

MISDIRECTED = [
    ("kind service", "POST", PODS, service(),
     400, 'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown '
          "conversion"),
    ("kind unknown", "POST", PODS, {"apiVersion": "v1", "kind": "Pot"},
     400, 'Pot in version "v1" cannot be handled as a Pod: no kind "Pot" is registered for version "v1" in '
          'scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("kind lower", "POST", PODS, {"apiVersion": "v1", "kind": "pod"},
     400, 'pod in version "v1" cannot be handled as a Pod: no kind "pod" is registered for version "v1" in '
          'scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("version v2", "POST", PODS, {"apiVersion": "v2", "kind": "Pod"},
     400, 'Pod in version "v2" cannot be handled as a Pod: no kind "Pod" is registered for version "v2" in '
          'scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("extensions", "POST", DEPLOYMENTS, {**deployment(), "apiVersion": "extensions/v1beta1"},
     400, 'Deployment in version "v1beta1" cannot be handled as a Deployment: no kind "Deployment" is '
          'registered for version "extensions/v1beta1" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("apps beta", "POST", DEPLOYMENTS, {**deployment(), "apiVersion": "apps/v1beta2"},
     400, 'Deployment in version "v1beta2" cannot be handled as a Deployment: no kind "Deployment" is '
          'registered for version "apps/v1beta2" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("hpa v1 for v2", "POST", "/apis/autoscaling/v2/namespaces/bad/horizontalpodautoscalers",
     {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}, "spec": {}},
     400, "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"),
    ("plain text", "POST", PODS, pod(),
     415, "the body of the request was in an unknown format - accepted media types include: application/json, "
          "application/yaml, application/vnd.kubernetes.protobuf", "text/plain"),
    ("xml", "POST", PODS, "<pod/>",
     415, "the body of the request was in an unknown format - accepted media types include: application/json, "
          "application/yaml, application/vnd.kubernetes.protobuf", "application/xml"),
    ("form", "POST", PODS, "kind=Pod",
     415, "the body of the request was in an unknown format - accepted media types include: application/json, "
          "application/yaml, application/vnd.kubernetes.protobuf", "application/x-www-form-urlencoded"),
    ("patch type", "PATCH", f"{CONFIG_MAPS}/live", "{}",
     415, "the body of the request was in an unknown format - accepted media types include: "
          "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
          "application/apply-patch+yaml"),
    ("yaml patch", "PATCH", f"{CONFIG_MAPS}/live", "{}",
     415, "the body of the request was in an unknown format - accepted media types include: "
          "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
          "application/apply-patch+yaml", "application/yaml"),
    ("list", "POST", PODS, {"apiVersion": "v1", "kind": "List", "items": [pod()]},
     400, 'List in version "v1" cannot be handled as a Pod: no kind "List" is registered for version "v1" in '
          'scheme "pkg/api/legacyscheme/scheme.go:30"'),
    ("a namespace that is missing", "POST", "/api/v1/namespaces/missing/configmaps", config_map(), 404,
     'namespaces "missing" not found'),
    ("a namespace that stays", "DELETE", "/api/v1/namespaces/default", None, 403,
     'namespaces "default" is forbidden: this namespace may not be deleted'),
    ("a body that is too large", "POST", CONFIG_MAPS, config_map(data={"a": "x" * (3 << 20)}), 413,
     "Request entity too large: limit is 3145728"),
    ("method", "PUT", PODS, pod(),
     405, 'update is not supported on resources of kind "pods"'),
    ("delete path", "POST", f"{PODS}/live", pod(),
     405, 'create is not supported on resources of kind "pods"'),
    ("unknown resource", "POST", f"{NAMESPACE}/pots", pod(),
     404, "the server could not find the requested resource"),
    ("unknown group", "POST", "/apis/none/v1/pods", pod(),
     404, "the server could not find the requested resource"),
    ("unknown subresource", "PUT", f"{PODS}/live/fate", pod(),
     404, "the server could not find the requested resource"),
]

METADATA = [
    ("no metadata", "POST", PODS, {"apiVersion": "v1", "kind": "Pod", "spec": pod()["spec"]},
     422, invalid("Pod", "", "metadata.name: Required value: name or generateName is required")),
    ("namespace other", "POST", PODS, pod(metadata={"namespace": "other"}),
     400, "the namespace of the provided object does not match the namespace sent on the request"),
    ("annotation key", "POST", PODS, pod(metadata={"annotations": {"a b": "c"}}),
     422, invalid("Pod", "x", 'metadata.annotations: Invalid value: "a b": name part must consist of '
                              "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                              "alphanumeric character...")),
    ("annotations large", "POST", PODS, pod(metadata={"annotations": {"a": "x"*300000}}),
     422, invalid("Pod", "x", "metadata.annotations: Too long: may not be more than 262144 bytes")),
    ("finalizer", "POST", PODS, pod(metadata={"finalizers": ["a b"]}),
     422, invalid("Pod", "x", 'metadata.finalizers[0]: Invalid value: "a b": name part must consist of '
                              "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                              "alphanumeric character...")),
    ("owner no uid", "POST", PODS,
     pod(metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o"}]}),
     422, invalid("Pod", "x", 'metadata.ownerReferences[0].uid: Invalid value: "": uid must not be empty')),
    ("owner no name", "POST", PODS,
     pod(metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "uid": "u"}]}),
     422, invalid("Pod", "x", 'metadata.ownerReferences[0].name: Invalid value: "": name must not be empty')),
    ("two controllers", "POST", PODS,
     pod(metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": uid, "controller": True}
                                       for uid in "12"]}),
     422, invalid("Pod", "x", "metadata.ownerReferences: Invalid...")),
    ("service name digits", "POST", SERVICES, service("1x"),
     422, invalid("Service", "1x", 'metadata.name: Invalid value: "1x": a DNS-1035 label must consist of lower '
                                   "case alphanumeric characters or '-', start with an alphabetic character, and "
                                   "end with an alphanumeric character...")),
    ("service name dots", "POST", SERVICES, service("a.b"),
     422, invalid("Service", "a.b", 'metadata.name: Invalid value: "a.b": a DNS-1035 label must consist of lower '
                                    "case alphanumeric characters or '-', start with an alphabetic character, and "
                                    "end with an alphanumeric character...")),
    ("namespace name", "POST", "/api/v1/namespaces", thing("v1", "Namespace", "a.b"),
     422, invalid("Namespace", "a.b", 'metadata.name: Invalid value: "a.b": must not contain dots')),
    ("role name percent", "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/bad/roles",
     thing("rbac.authorization.k8s.io/v1", "Role", "a%b", rules=[]),
     422, invalid("Role.rbac.authorization.k8s.io", "a%b", 'metadata.name: Invalid value: "a%b": may not contain '
                                                           "'%'")),
    ("put name differs", "PUT", f"{CONFIG_MAPS}/live", config_map("other"),
     400, "the name of the object (other) does not match the name on the URL (live)"),
    ("put namespace differs", "PUT", f"{CONFIG_MAPS}/live", config_map("live", metadata={"namespace": "other"}),
     400, "the namespace of the provided object does not match the namespace sent on the request"),
    ("put missing", "PUT", f"{CONFIG_MAPS}/missing", config_map("missing"),
     404, 'configmaps "missing" not found'),
    ("put uid", "PUT", f"{CONFIG_MAPS}/live", config_map("live", metadata={"uid": "wrong"}),
     409, 'Operation cannot be fulfilled on configmaps "live": Precondition failed: UID in precondition: wrong, '
          "UID in object meta: ..."),
    ("put old", "PUT", f"{CONFIG_MAPS}/live", config_map("live", metadata={"resourceVersion": "1"}),
     409, 'Operation cannot be fulfilled on configmaps "live": the object has been modified; please apply your '
          "changes to the latest version and try again"),
    ("create with version", "POST", CONFIG_MAPS, config_map(metadata={"resourceVersion": "5"}),
     400, "resourceVersion should not be set on objects to be created"),
    ("exists", "POST", CONFIG_MAPS, config_map("live"),
     409, 'configmaps "live" already exists'),
]

SPECS = [
    ("no containers", "POST", PODS, {"metadata": {"name": "x"}, "spec": {"containers": []}},
     422, invalid("Pod", "x", "spec.containers: Required value")),
    ("no spec", "POST", PODS, {"metadata": {"name": "x"}},
     422, invalid("Pod", "x", "spec.containers: Required value")),
    ("no container name", "POST", PODS, pod(container={"name": ""}),
     422, invalid("Pod", "x", "spec.containers[0].name: Required value")),
    ("container name", "POST", PODS, pod(container={"name": "C_1"}),
     422, invalid("Pod", "x", 'spec.containers[0].name: Invalid value: "C_1": a lowercase RFC 1123 label must '
                              "consist of lower case alphanumeric characters or '-', and must start and end with "
                              "an alphanumeric character...")),
    ("no image", "POST", PODS, pod(container={"image": ""}),
     422, invalid("Pod", "x", "spec.containers[0].image: Required value")),
    ("image space", "POST", PODS, pod(container={"image": " i"}),
     422, invalid("Pod", "x", 'spec.containers[0].image: Invalid value: " i": must not have leading or trailing '
                              "whitespace")),
    ("two containers", "POST", PODS,
     {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}},
     422, invalid("Pod", "x", 'spec.containers[1].name: Duplicate value: "c"')),
    ("restart policy", "POST", PODS, pod(restartPolicy="Sometimes"),
     422, invalid("Pod", "x", 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
                              '"OnFailure", "Never"')),
    ("dns policy", "POST", PODS, pod(dnsPolicy="Mine"),
     422, invalid("Pod", "x", 'spec.dnsPolicy: Unsupported value: "Mine": supported values: '
                              '"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"')),
    ("pull policy", "POST", PODS, pod(container={"imagePullPolicy": "Maybe"}),
     422, invalid("Pod", "x", 'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": supported values: '
                              '"Always", "IfNotPresent", "Never"')),
    ("port 0", "POST", PODS, pod(container={"ports": [{"containerPort": 0}]}),
     422, invalid("Pod", "x", "spec.containers[0].ports[0].containerPort: Required value")),
    ("port 70000", "POST", PODS, pod(container={"ports": [{"containerPort": 70000}]}),
     422, invalid("Pod", "x", "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 "
                              "and 65535, inclusive")),
    ("protocol", "POST", PODS, pod(container={"ports": [{"containerPort": 80, "protocol": "ICMP"}]}),
     422, invalid("Pod", "x", 'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported '
                              'values: "SCTP", "TCP", "UDP"')),
    ("port name", "POST", PODS, pod(container={"ports": [{"containerPort": 80, "name": "This_Is"}]}),
     422, invalid("Pod", "x", 'spec.containers[0].ports[0].name: Invalid value: "This_Is": must contain only '
                              "alpha-numeric characters (a-z, 0-9), and hyphens (-)")),
    ("two port names", "POST", PODS,
     pod(container={"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}),
     422, invalid("Pod", "x", 'spec.containers[0].ports[1].name: Duplicate value: "a"')),
    ("env name", "POST", PODS, pod(container={"env": [{"name": "A=B", "value": "x"}]}),
     422, invalid("Pod", "x", 'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment '
                              "variable name must consist only of printable ASCII characters other than '='")),
    ("env no name", "POST", PODS, pod(container={"env": [{"value": "x"}]}),
     422, invalid("Pod", "x", "spec.containers[0].env[0].name: Required value")),
    ("env both", "POST", PODS,
     pod(container={"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
     422, invalid("Pod", "x", 'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when '
                              "`value` is not empty")),
    ("field path", "POST", PODS,
     pod(container={"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.shoe"}}}]}),
     422, invalid("Pod", "x", "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "
                              '"metadata.shoe": error converting fieldPath: field label not supported: '
                              "metadata.shoe")),
    ("request over limit", "POST", PODS,
     pod(container={"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
     422, invalid("Pod", "x", 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or '
                              "equal to cpu limit of 1")),
    ("cpu negative", "POST", PODS, pod(container={"resources": {"limits": {"cpu": "-1"}}}),
     422, invalid("Pod", "x", '[spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater '
                              "than or equal to 0, spec.containers[0].resources.requests[cpu]: Invalid value: "
                              '"-1": must be greater than or equal to 0]')),
    ("mount missing", "POST", PODS, pod(container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
     422, invalid("Pod", "x", 'spec.containers[0].volumeMounts[0].name: Not found: "v"')),
    ("mount no path", "POST", PODS,
     pod(container={"volumeMounts": [{"name": "v"}]}, volumes=[{"name": "v", "emptyDir": {}}]),
     422, invalid("Pod", "x", "spec.containers[0].volumeMounts[0].mountPath: Required value")),
    ("two volumes", "POST", PODS, pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
     422, invalid("Pod", "x", 'spec.volumes[1].name: Duplicate value: "v"')),
    ("volume name", "POST", PODS, pod(volumes=[{"name": "V", "emptyDir": {}}]),
     422, invalid("Pod", "x", 'spec.volumes[0].name: Invalid value: "V": a lowercase RFC 1123 label must consist '
                              "of lower case alphanumeric characters or '-', and must start and end with an "
                              "alphanumeric character...")),
    ("two sources", "POST", PODS, pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
     422, invalid("Pod", "x", "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type")),
    ("host path", "POST", PODS, pod(volumes=[{"name": "v", "hostPath": {"path": ""}}]),
     422, invalid("Pod", "x", "spec.volumes[0].hostPath.path: Required value")),
    ("probe none", "POST", PODS, pod(container={"livenessProbe": {"periodSeconds": 1}}),
     422, invalid("Pod", "x", "spec.containers[0].livenessProbe: Required value: must specify a handler type")),
    ("probe two", "POST", PODS,
     pod(container={"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 80}}}),
     422, invalid("Pod", "x", "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 "
                              "handler type")),
    ("probe success", "POST", PODS,
     pod(container={"livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}),
     422, invalid("Pod", "x", "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1")),
    ("probe negative", "POST", PODS,
     pod(container={"readinessProbe": {"exec": {"command": ["a"]}, "periodSeconds": -1}}),
     422, invalid("Pod", "x", "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater "
                              "than or equal to 0")),
    ("toleration op", "POST", PODS, pod(tolerations=[{"key": "a", "operator": "Like"}]),
     422, invalid("Pod", "x", 'spec.tolerations[0].operator: Unsupported value: "Like": supported values: '
                              '"Equal", "Exists"')),
    ("toleration exists value", "POST", PODS, pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
     422, invalid("Pod", "x", 'spec.tolerations[0].operator: Invalid value: "b": value must be empty when '
                              "`operator` is 'Exists'")),
    ("affinity op", "POST", PODS,
     pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
         "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]}}}),
     422, invalid("Pod", "x", "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
                              'matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator')),
    ("deadline 0", "POST", PODS, pod(activeDeadlineSeconds=0),
     422, invalid("Pod", "x", "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, "
                              "inclusive")),
    ("spread", "POST", PODS,
     pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]),
     422, invalid("Pod", "x", "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than "
                              "zero")),
    ("hostname", "POST", PODS, pod(hostname="A B"),
     422, invalid("Pod", "x", 'spec.hostname: Invalid value: "A B": a lowercase RFC 1123 label must consist of '
                              "lower case alphanumeric characters or '-', and must start and end with an "
                              "alphanumeric character...")),
    ("selector mismatch", "POST", DEPLOYMENTS, deployment(template_labels={"x": "y"}),
     422, invalid("Deployment.apps", "x", "spec.template.metadata.labels: Invalid value...")),
    ("no selector", "POST", DEPLOYMENTS, deployment(selector=None),
     422, invalid("Deployment.apps", "x", "[spec.selector: Required value, spec.template.metadata.labels: Invalid "
                                          "value...")),
    ("empty selector", "POST", DEPLOYMENTS, deployment(selector={}),
     422, invalid("Deployment.apps", "x", "spec.selector: Invalid value: {}: empty selector is invalid for "
                                          "deployment")),
    ("replicas negative", "POST", DEPLOYMENTS, deployment(replicas=-1),
     422, invalid("Deployment.apps", "x", "spec.replicas: Invalid value: -1: must be greater than or equal to 0")),
    ("strategy", "POST", DEPLOYMENTS, deployment(strategy={"type": "Blue"}),
     422, invalid("Deployment.apps", "x", "spec.strategy: Unsupported value...")),
    ("recreate with rolling", "POST", DEPLOYMENTS,
     deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
     422, invalid("Deployment.apps", "x", "spec.strategy.rollingUpdate: Forbidden: may not be specified when "
                                          "strategy `type` is 'Recreate'")),
    ("surge and unavailable 0", "POST", DEPLOYMENTS,
     deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
     422, invalid("Deployment.apps", "x", "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not "
                                          "be 0 when `maxSurge` is 0")),
    ("surge percent", "POST", DEPLOYMENTS, deployment(strategy={"rollingUpdate": {"maxSurge": "many"}}),
     422, invalid("Deployment.apps", "x", 'spec.strategy.rollingUpdate.maxSurge: Invalid value: "many": a valid '
                                          "percent string must be a numeric string followed by an ending '%'...")),
    ("template restart", "POST", DEPLOYMENTS,
     deployment(template=template(restartPolicy="Never")),
     422, invalid("Deployment.apps", "x", 'spec.template.spec.restartPolicy: Unsupported value: "Never": '
                                          'supported values: "Always"')),
    ("selector operator", "POST", DEPLOYMENTS,
     deployment(selector={"matchExpressions": [{"key": "a", "operator": "Like"}]}),
     422, invalid("Deployment.apps", "x", '[spec.selector.matchExpressions[0].operator: Invalid value: "Like": '
                                          "not a valid selector operator, spec.selector: Invalid value...")),
    ("rs no selector", "POST", "/apis/apps/v1/namespaces/bad/replicasets",
     thing("apps/v1", "ReplicaSet", spec={"template": {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}}),
     422, invalid("ReplicaSet.apps", "x", "[spec.selector: Required value, spec.template.metadata.labels: Invalid "
                                          "value...")),
    ("daemonset update", "POST", "/apis/apps/v1/namespaces/bad/daemonsets",
     thing("apps/v1", "DaemonSet", spec={"selector": {"matchLabels": {"a": "b"}}, "updateStrategy": {"type": "Never"},
                                         "template": template()}),
     422, invalid("DaemonSet.apps", "x", "spec.updateStrategy: Unsupported value...")),
    ("job restart", "POST", "/apis/batch/v1/namespaces/bad/jobs",
     thing("batch/v1", "Job", spec={"template": {"spec": pod(restartPolicy="Always")["spec"]}}),
     422, invalid("Job.batch", "x", "spec.template.spec.restartPolicy: Required value: valid values: "
                                    '"OnFailure", "Never"')),
    ("job no restart", "POST", "/apis/batch/v1/namespaces/bad/jobs",
     thing("batch/v1", "Job", spec={"template": {"spec": pod()["spec"]}}),
     422, invalid("Job.batch", "x", "spec.template.spec.restartPolicy: Required value: valid values: "
                                    '"OnFailure", "Never"')),
    ("cron schedule", "POST", "/apis/batch/v1/namespaces/bad/cronjobs",
     thing("batch/v1", "CronJob", spec={"schedule": "often", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}),
     422, invalid("CronJob.batch", "x", 'spec.schedule: Invalid value: "often": expected exactly 5 fields, found '
                                        "1: [often]")),
    ("cron no schedule", "POST", "/apis/batch/v1/namespaces/bad/cronjobs",
     thing("batch/v1", "CronJob", spec={"jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}),
     422, invalid("CronJob.batch", "x", "spec.schedule: Required value")),
    ("service no ports", "POST", SERVICES, service(ports=[]),
     422, invalid("Service", "x", "spec.ports: Required value")),
    ("service type", "POST", SERVICES, service(type="Public"),
     422, invalid("Service", "x", '[spec.type: Unsupported value: "Public": supported values: "ClusterIP", '
                                  '"ExternalName", "LoadBalancer", "NodePort", spec.internalTrafficPolicy: '
                                  "Required value]")),
    ("service protocol", "POST", SERVICES, service(port={"protocol": "HTTP"}),
     422, invalid("Service", "x", 'spec.ports[0].protocol: Unsupported value: "HTTP": supported values: '
                                  '"SCTP", "TCP", "UDP"')),
    ("service two ports unnamed", "POST", SERVICES, service(ports=[{"port": 80}, {"port": 81}]),
     422, invalid("Service", "x", "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]")),
    ("service cluster ip", "POST", SERVICES, service(clusterIP="somewhere"),
     422, invalid("Service", "x", 'spec.clusterIPs[0]: Invalid value: "somewhere": must be a valid IP address,...')),
    ("external name", "POST", SERVICES, service(type="ExternalName", externalName="Under_Score"),
     422, invalid("Service", "x", 'spec.externalName: Invalid value: "Under_Score": a lowercase RFC 1123 '
                                  "subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                                  "must start and end with an alphanumeric character...")),
    ("service node port", "POST", SERVICES, service(port={"nodePort": 80}, type="NodePort"),
     422, invalid("Service", "x", "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range "
                                  "of valid ports is 30000-32767")),
    ("priority class missing", "POST", PODS, pod(priorityClassName="missing"),
     403, 'pods "x" is forbidden: no PriorityClass with name missing was found'),
    ("service account missing", "POST", PODS, pod(serviceAccountName="missing"),
     403, 'pods "x" is forbidden: error looking up service account bad/missing: serviceaccount "missing" not found'),
    ("session affinity", "POST", SERVICES, service(sessionAffinity="Sticky"),
     422, invalid("Service", "x", 'spec.sessionAffinity: Unsupported value: "Sticky": supported values: '
                                  '"ClientIP", "None"')),
    ("target port name", "POST", SERVICES, service(port={"targetPort": "Not_A_Name"}),
     422, invalid("Service", "x", 'spec.ports[0].targetPort: Invalid value: "Not_A_Name": must contain only '
                                  "alpha-numeric characters (a-z, 0-9), and hyphens (-)")),
    ("service selector", "POST", SERVICES, service(selector={"a b": "c"}),
     422, invalid("Service", "x", 'spec.selector: Invalid value: "a b": name part must consist of alphanumeric '
                                  "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                                  "character...")),
    ("config key", "POST", CONFIG_MAPS, config_map(data={"a b": "c"}),
     422, invalid("ConfigMap", "x", 'data[a b]: Invalid value: "a b": a valid config key must consist of '
                                    "alphanumeric characters, '-', '_' or '.'...")),
    ("config key twice", "POST", CONFIG_MAPS, config_map(data={"a": "c"}, binaryData={"a": "YQ=="}),
     422, invalid("ConfigMap", "x", 'binaryData[a]: Invalid value: "a": duplicate of key present in data')),
    ("config large", "POST", CONFIG_MAPS, config_map(data={"a": "x"*(1<<20), "b": "y"}),
     422, invalid("ConfigMap", "x", ": Too long: may not be more than 1048576 bytes")),
    ("secret key", "POST", SECRETS, thing("v1", "Secret", data={"a b": "YQ=="}),
     422, invalid("Secret", "x", 'data[a b]: Invalid value: "a b": a valid config key must consist of '
                                 "alphanumeric characters, '-', '_' or '.'...")),
    ("docker secret", "POST", SECRETS,
     thing("v1", "Secret", type="kubernetes.io/dockerconfigjson", data={"a": "YQ=="}),
     422, invalid("Secret", "x", "data[.dockerconfigjson]: Required value")),
    ("tls secret", "POST", SECRETS, thing("v1", "Secret", type="kubernetes.io/tls", data={"tls.crt": "YQ=="}),
     422, invalid("Secret", "x", "data[tls.key]: Required value")),
    ("claim modes", "POST", CLAIMS, claim(accessModes=[]),
     422, invalid("PersistentVolumeClaim", "x", "spec.accessModes: Required value: at least 1 access mode is "
                                                "required")),
    ("claim mode", "POST", CLAIMS, claim(accessModes=["ReadSometimes"]),
     422, invalid("PersistentVolumeClaim", "x", 'spec.accessModes: Unsupported value: "ReadSometimes": supported '
                                                'values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", '
                                                '"ReadWriteOncePod"')),
    ("claim no storage", "POST", CLAIMS, claim(resources={}),
     422, invalid("PersistentVolumeClaim", "x", "spec.resources[storage]: Required value")),
    ("claim negative", "POST", CLAIMS, claim(resources={"requests": {"storage": "-1Gi"}}),
     422, invalid("PersistentVolumeClaim", "x", 'spec.resources[storage]: Invalid value: "-1Gi": must be greater '
                                                "than zero")),
    ("volume no source", "POST", "/api/v1/persistentvolumes",
     thing("v1", "PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}),
     422, invalid("PersistentVolume", "x", "spec: Required value: must specify a volume type")),
    ("quota", "POST", f"{NAMESPACE}/resourcequotas", thing("v1", "ResourceQuota", spec={"hard": {"pods": "-1"}}),
     422, invalid("ResourceQuota", "x", 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0')),
    ("limit range", "POST", f"{NAMESPACE}/limitranges",
     thing("v1", "LimitRange", spec={"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}),
     422, invalid("LimitRange", "x", '[spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than '
                                     'max value 1, spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min '
                                     "value 2 is greater than default request value 1, "
                                     'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater '
                                     "than default value 1]")),
    ("ingress path type", "POST", INGRESSES,
     ingress(path_type=None),
     422, invalid("Ingress.networking.k8s.io", "x", "spec.rules[0].http.paths[0].pathType: Required value: "
                                                    "pathType must be specified")),
    ("ingress path", "POST", INGRESSES,
     ingress(path="x"),
     422, invalid("Ingress.networking.k8s.io", "x", 'spec.rules[0].http.paths[0].path: Invalid value: "x": must '
                                                    "be an absolute path")),
    ("ingress host", "POST", INGRESSES,
     ingress(host="1.2.3.4"),
     422, invalid("Ingress.networking.k8s.io", "x", 'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS '
                                                    "name, not an IP address")),
    ("policy types", "POST", "/apis/networking.k8s.io/v1/namespaces/bad/networkpolicies",
     thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "policyTypes": ["Sideways"]}),
     422, invalid("NetworkPolicy.networking.k8s.io", "x", 'spec.policyTypes[0]: Unsupported value: "Sideways": '
                                                          'supported values: "Ingress", "Egress"')),
    ("policy cidr", "POST", "/apis/networking.k8s.io/v1/namespaces/bad/networkpolicies",
     thing("networking.k8s.io/v1", "NetworkPolicy",
           spec={"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "1.2.3"}}]}]}),
     422, invalid("NetworkPolicy.networking.k8s.io", "x", "spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "
                                                          '"1.2.3": must be a valid CIDR value,...')),
    ("binding subject kind", "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/bad/rolebindings",
     thing("rbac.authorization.k8s.io/v1", "RoleBinding",
           roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
           subjects=[{"kind": "Robot", "name": "x"}]),
     422, invalid("RoleBinding.rbac.authorization.k8s.io", "x", 'subjects[0].kind: Unsupported value: "Robot": '
                                                                'supported values: "ServiceAccount", "User", '
                                                                '"Group"')),
    ("role no verbs", "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/bad/roles",
     thing("rbac.authorization.k8s.io/v1", "Role", rules=[{"apiGroups": [""], "resources": ["pods"]}]),
     422, invalid("Role.rbac.authorization.k8s.io", "x", "rules[0].verbs: Required value: verbs must contain at "
                                                         "least one value")),
    ("pdb both", "POST", "/apis/policy/v1/namespaces/bad/poddisruptionbudgets",
     thing("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "maxUnavailable": 1}),
     422, invalid("PodDisruptionBudget.policy", "x", "spec: Invalid value...")),
    ("priority large", "POST", "/apis/scheduling.k8s.io/v1/priorityclasses",
     thing("scheduling.k8s.io/v1", "PriorityClass", value=2000000000),
     422, invalid("PriorityClass.scheduling.k8s.io", "x", "value: Forbidden: maximum allowed value of a user "
                                                          "defined priority is 1000000000")),
    ("storage class", "POST", "/apis/storage.k8s.io/v1/storageclasses", thing("storage.k8s.io/v1", "StorageClass"),
     422, invalid("StorageClass.storage.k8s.io", "x", "provisioner: Required value")),
    ("lease seconds", "POST", "/apis/coordination.k8s.io/v1/namespaces/bad/leases",
     thing("coordination.k8s.io/v1", "Lease", spec={"leaseDurationSeconds": 0}),
     422, invalid("Lease.coordination.k8s.io", "x", "spec.leaseDurationSeconds: Invalid value: 0: must be greater "
                                                    "than 0")),
]

PATCHES = [
    ("json patch map", "PATCH", f"{CONFIG_MAPS}/live", "{}",
     400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp", JSON_PATCH),
    ("json patch open", "PATCH", f"{CONFIG_MAPS}/live", "[",
     400, "error decoding patch: unexpected end of JSON input", JSON_PATCH),
    ("json patch numbers", "PATCH", f"{CONFIG_MAPS}/live", "[1]",
     400, "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp", JSON_PATCH),
    ("json patch op", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "fly", "path": "/data"}],
     422, "the server rejected our request due to an error in our request", JSON_PATCH),
    ("json patch test", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "test", "path": "/data/a", "value": "z"}],
     422, "the server rejected our request due to an error in our request", JSON_PATCH),
    ("json patch remove", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "remove", "path": "/data/z"}],
     422, "the server rejected our request due to an error in our request", JSON_PATCH),
    ("json patch path", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "add", "path": "data", "value": {}}],
     422, "the server rejected our request due to an error in our request", JSON_PATCH),
    ("json patch deep", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "add", "path": "/a/b/c", "value": 1}],
     422, "the server rejected our request due to an error in our request", JSON_PATCH),
    ("json patch type", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "replace", "path": "/data", "value": "x"}],
     422, ' "" is invalid: patch: Invalid value: ...', JSON_PATCH),
    ("json patch kind", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "replace", "path": "/kind", "value": "Secret"}],
     422, ' "" is invalid: patch: Invalid value: ...', JSON_PATCH),
    ("json patch many", "PATCH", f"{CONFIG_MAPS}/live", [{"op": "test", "path": "/kind", "value": "ConfigMap"}]*10001,
     413, "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001", JSON_PATCH),
    ("merge list", "PATCH", f"{CONFIG_MAPS}/live", "[]",
     400, "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}", MERGE),
    ("merge open", "PATCH", f"{CONFIG_MAPS}/live", "{",
     400, "error decoding patch: unexpected end of JSON input", MERGE),
    ("merge text", "PATCH", f"{CONFIG_MAPS}/live", '"x"',
     400, "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}", MERGE),
    ("merge type", "PATCH", f"{CONFIG_MAPS}/live", {"data": {"a": 1}},
     422, ' "" is invalid: patch: Invalid value: ...', MERGE),
    ("merge unknown", "PATCH", f"{CONFIG_MAPS}/live{STRICT}", {"dta": {}},
     422, ' "" is invalid: patch: Invalid value: ...', MERGE),
    ("merge old version", "PATCH", f"{CONFIG_MAPS}/live", {"metadata": {"resourceVersion": "1"}, "data": {"a": "c"}},
     409, 'Operation cannot be fulfilled on configmaps "live": the object has been modified; please apply your '
          "changes to the latest version and try again", MERGE),
    ("merge name", "PATCH", f"{CONFIG_MAPS}/live", {"metadata": {"name": "other"}},
     400, "the name of the object (other) does not match the name on the URL (live)", MERGE),
    ("merge missing object", "PATCH", f"{CONFIG_MAPS}/missing", {"data": {}},
     404, 'configmaps "missing" not found', MERGE),
    ("smp list", "PATCH", f"{DEPLOYMENTS}/live", "[]",
     400, "json: cannot unmarshal array into Go value of type map[string]interface {}", SMP),
    ("smp open", "PATCH", f"{DEPLOYMENTS}/live", "{",
     400, "unexpected end of JSON input", SMP),
    ("smp no key", "PATCH", f"{DEPLOYMENTS}/live", {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
     400, "map: map[image:x] does not contain declared merge key: name", SMP),
    ("smp directive", "PATCH", f"{DEPLOYMENTS}/live", {"spec": {"$patch": "bake"}},
     400, "unknown patch type: bake in map: map[$patch:bake]", SMP),
    ("smp order", "PATCH", f"{DEPLOYMENTS}/live",
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "z"}], "containers": [{"name": "c"}]}}}},
     400, "The order in patch list:\n[map[name:c]]\n doesn't match $setElementOrder list:\n[map[name:z]]\n", SMP),
    ("smp type", "PATCH", f"{DEPLOYMENTS}/live", {"spec": {"replicas": "many"}},
     422, ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:many]]": json: cannot unmarshal string '
          "into Go struct field DeploymentSpec.spec.replicas of type int32", SMP),
    ("smp unknown", "PATCH", f"{DEPLOYMENTS}/live{STRICT}", {"spec": {"replica": 1}},
     422, ' "" is invalid: patch: Invalid value: "map[spec:map[replica:1]]": strict decoding error: unknown '
          'field "spec.replica"', SMP),
    ("smp selector", "PATCH", f"{DEPLOYMENTS}/live", {"spec": {"selector": {"matchLabels": {"x": "y"}}}},
     422, invalid("Deployment.apps", "live", "[spec.template.metadata.labels: Invalid value..."), SMP),
    ("smp invalid", "PATCH", f"{DEPLOYMENTS}/live", {"spec": {"replicas": -1}},
     422, invalid("Deployment.apps", "live", "spec.replicas: Invalid value: -1: must be greater than or equal to 0"), SMP),
    ("scale text", "PATCH", f"{DEPLOYMENTS}/live/scale", {"spec": {"replicas": "x"}},
     422, ' "" is invalid: patch: Invalid value: ...', MERGE),
    ("scale negative", "PATCH", f"{DEPLOYMENTS}/live/scale", {"spec": {"replicas": -1}},
     422, invalid("Scale.autoscaling", "live", "spec.replicas: Invalid value: -1: must be greater than or equal to "
                                               "0"), MERGE),
]

QUERIES = [
    ("label selector", "GET", f"{PODS}?labelSelector=a%20b", None,
     400, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    ("label selector in", "GET", f"{PODS}?labelSelector=a%20in%20b", None,
     400, "unable to parse requirement: found 'b' expected: '('"),
    ("label key", "GET", f"{PODS}?labelSelector=-a%3Db", None,
     400, 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of alphanumeric '
          "characters, '-', '_' or '.', and must start and end with an alphanumeric character..."),
    ("field selector", "GET", f"{PODS}?fieldSelector=spec.shoe%3D1", None,
     400, "field label not supported: spec.shoe"),
    ("field selector form", "GET", f"{PODS}?fieldSelector=metadata.name", None,
     400, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
    ("field escape", "GET", f"{PODS}?fieldSelector=metadata.name%3Da%5Cb", None,
     400, "invalid field selector: invalid escape sequence: \\b"),
    ("config field", "GET", f"{CONFIG_MAPS}?fieldSelector=data%3D1", None,
     400, '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("limit", "GET", f"{PODS}?limit=x", None,
     400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ("continue", "GET", f"{PODS}?limit=1&continue=zzz", None,
     400, "continue key is not valid: server does not recognize this encoded version"),
    ("version words", "GET", f"{PODS}?resourceVersion=new", None,
     400, 'resourceVersion: Invalid value: "new": strconv.ParseUint: parsing "new": invalid syntax'),
    ("version far", "GET", f"{PODS}?resourceVersion=99999999999", None,
     504, "Timeout: Too large resource version: 99999999999, current: ..."),
    ("watch initial", "GET", f"{PODS}?watch=true&sendInitialEvents=true", None,
     422, invalid("ListOptions.meta.k8s.io", "", "resourceVersionMatch: Forbidden: sendInitialEvents requires "
                                                 "setting resourceVersionMatch to NotOlderThan")),
    ("not found", "GET", f"{PODS}/missing", None,
     404, 'pods "missing" not found'),
    ("unknown path", "GET", "/api/v1/namespaces/bad/shoes", None,
     404, "the server could not find the requested resource"),
    ("propagation", "DELETE", f"{CONFIG_MAPS}/live?propagationPolicy=Sideways", None,
     422, invalid("DeleteOptions.meta.k8s.io", "", 'propagationPolicy: Unsupported value: "Sideways": supported '
                                                   'values: "Foreground", "Background", "Orphan", "nil"')),
    ("delete body", "DELETE", f"{CONFIG_MAPS}/live", '{"propagationPolicy":5}',
     400, cannot("DeleteOptions", "json: cannot unmarshal number into Go struct field "
                                  "DeleteOptions.propagationPolicy of type v1.DeletionPropagation")),
    ("delete open", "DELETE", f"{CONFIG_MAPS}/live", '{',
     400, "the object provided is unrecognized (must be of type DeleteOptions): couldn't get version/kind; json "
          "parse error: unexpected end of JSON input ({)"),
    ("delete uid", "DELETE", f"{CONFIG_MAPS}/live", '{"preconditions":{"uid":"wrong"}}',
     409, 'Operation cannot be fulfilled on configmaps "live": Precondition failed: UID in precondition: wrong, '
          "UID in object meta: ..."),
    ("delete both", "DELETE", f"{CONFIG_MAPS}/live", '{"propagationPolicy":"Orphan","orphanDependents":true}',
     422, invalid("DeleteOptions.meta.k8s.io", "", 'propagationPolicy: Invalid value: "Orphan": orphanDependents '
                                                   "and deletionPropagation cannot be both set")),
    ("delete missing", "DELETE", f"{CONFIG_MAPS}/missing", None,
     404, 'configmaps "missing" not found'),
    ("evict missing", "POST", f"{PODS}/missing/eviction",
     '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"missing"}}',
     404, 'pods "missing" not found'),
    ("evict name", "POST", f"{PODS}/live/eviction", '{"metadata":{"name":"other"}}',
     400, "name in URL does not match name in Eviction object"),
    ("bind missing", "POST", f"{PODS}/missing/binding",
     '{"metadata":{"name":"missing"},"target":{"kind":"Node","name":"n"}}',
     404, 'pods "missing" not found'),
    ("token", "POST", f"{NAMESPACE}/serviceaccounts/missing/token", '{"spec":{}}',
     404, 'serviceaccounts "missing" not found'),
    ("token short", "POST", f"{NAMESPACE}/serviceaccounts/default/token", '{"spec":{"expirationSeconds":1}}',
     422, invalid("TokenRequest.authentication.k8s.io", "", "spec.expirationSeconds: Invalid value: 1: may not "
                                                            "specify a duration less than 10 minutes")),
]

OTHER_FORMS = [
    ("yaml tab", "POST", PODS, "a:\n\t- b",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 2: illegal block entry "
          "(613a0a092d2062)", YAML),
    ("yaml colon", "POST", PODS, "a: b: c",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 1: illegal map value "
          "(613a20623a2063)", YAML),
    ("yaml open", "POST", PODS, "a: [",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 1: end of sequence flow not found "
          "(613a205b)", YAML),
    ("yaml anchor", "POST", PODS, "a: *x",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 1: the referenced anchor is not "
          "defined (613a202a78)", YAML),
    ("yaml cycle", "POST", PODS, "a: &x [*x]",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 1: an anchor contains itself "
          "(613a202678205b2a785d)", YAML),
    ("yaml bomb", "POST", PODS,
     "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"+"".join(f"a{i}: &a{i} ["+",".join([f"*a{i-1}"]*10)+"]\n" for i in range(1, 12)),
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 5: document contains excessive "
          "aliasing (61303a20266130205b782c782c782c782c782c782c782c782c782c785d0a ...)", YAML),
    ("yaml label bool", "POST", PODS, "metadata: {name: x, labels: {a: yes}}",
     400, cannot("Pod", "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"), YAML),
    ("yaml text", "POST", PODS, "just words",
     400, "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: "
          "json: cannot unmarshal string into Go value of type struct { APIVersion string "
          "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } "
          "(6a75737420776f726473)", YAML),
    ("yaml inf", "POST", PODS, "spec: {priority: .inf}",
     400, "the object provided is unrecognized (must be of type Pod): yaml: line 1: a number that JSON does not "
          "have (737065633a207b7072696f726974793a202e696e667d)", YAML),
    ("pb prefix", "POST", PODS, b"\x0a\x03abc",
     400, "the object provided is unrecognized (must be of type Pod): provided data does not appear to be a "
          "protobuf message, expected prefix [107 56 115 0] (0a03616263)", PROTOBUF),
    ("pb empty", "POST", PODS, b"",
     400, "the object provided is unrecognized (must be of type Pod): empty data (<empty>)", PROTOBUF),
    ("pb only prefix", "POST", PODS, b"k8s\0",
     400, "the object provided is unrecognized (must be of type Pod): empty body (6b387300)", PROTOBUF),
    ("pb short", "POST", PODS, b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x7f",
     400, "the object provided is unrecognized (must be of type Pod): unexpected EOF "
          "(6b3873000a090a0276311203506f6412050a7f)", PROTOBUF),
    ("pb wire type", "POST", PODS, b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x10\x01",
     400, cannot("Pod", "proto: wrong wireType = 0 for field spec"), PROTOBUF),
    ("pb kind", "POST", PODS, b"k8s\0\x0a\x0d\x0a\x02v1\x12\x07Service\x12\x00",
     400, 'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown '
          "conversion", PROTOBUF),
    ("pb truncated", "POST", PODS, b"k8s\0\x0a\x7f",
     400, "the object provided is unrecognized (must be of type Pod): unexpected EOF (6b3873000a7f)", PROTOBUF),
]
