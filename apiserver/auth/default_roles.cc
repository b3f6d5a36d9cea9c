#include "apiserver/auth/default_roles.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_split.h"
#include "apiserver/auth/objects.h"
#include "apiserver/auth/rules.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::auth {
namespace {

using api::Json;

// A role a paragraph; one with a slash in its name is a namespace's. Behind the name: to=x, what it
// allows is in the role x too; from=x, it is all that says so. Below it a rule a line:
//
//   groups resources verbs [names]      groups: "core" for ""
//   url paths verbs
//   events                              to write Events
//
// verbs: "read" is get, list and watch, "write" is create, update, patch, delete and
// deletecollection.
//
// Names and rights are Kubernetes', for what is served here, but for the last one: one process
// is many simulated nodes, so it cannot be known by the name of a node.
constexpr std::string_view kRoleTable = R"(
role admin from=admin
role cluster-admin
  * * *
  url * *
role edit to=admin from=edit
role system:aggregate-to-admin to=admin
  authorization.k8s.io localsubjectaccessreviews create
  rbac.authorization.k8s.io rolebindings,roles read,write
role system:aggregate-to-edit to=edit
  core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy read
  core serviceaccounts impersonate
  core pods,pods/attach,pods/exec,pods/portforward,pods/proxy write
  core pods/eviction create
  core configmaps,events,persistentvolumeclaims,replicationcontrollers write
  core replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy write
  core serviceaccounts/token create
  apps daemonsets,deployments,deployments/scale,replicasets,replicasets/scale,statefulsets write
  apps statefulsets/scale write
  autoscaling horizontalpodautoscalers write
  batch cronjobs,jobs write
  policy poddisruptionbudgets write
  networking.k8s.io ingresses,networkpolicies write
  coordination.k8s.io leases read,write
role system:aggregate-to-view to=view
  core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods read
  core replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services read
  core services/status read
  core bindings,events,limitranges,namespaces/status,pods/log,pods/status read
  core replicationcontrollers/status,resourcequotas,resourcequotas/status read
  core namespaces read
  discovery.k8s.io endpointslices read
  apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale read
  apps deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets read
  apps statefulsets/scale,statefulsets/status read
  autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status read
  batch cronjobs,cronjobs/status,jobs,jobs/status read
  policy poddisruptionbudgets,poddisruptionbudgets/status read
  networking.k8s.io ingresses,ingresses/status,networkpolicies read
role system:aggregated-metrics-reader to=view
  metrics.k8s.io nodes,pods read
role system:auth-delegator
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
role system:basic-user
  authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews create
  authentication.k8s.io selfsubjectreviews create
role system:certificates.k8s.io:certificatesigningrequests:nodeclient
  certificates.k8s.io certificatesigningrequests/nodeclient create
role system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  certificates.k8s.io certificatesigningrequests/selfnodeclient create
role system:certificates.k8s.io:kube-apiserver-client-approver
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client
role system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet
role system:certificates.k8s.io:kubelet-serving-approver
  certificates.k8s.io signers approve kubernetes.io/kubelet-serving
role system:certificates.k8s.io:legacy-unknown-approver
  certificates.k8s.io signers approve kubernetes.io/legacy-unknown
role system:discovery
  url /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/ get
role system:kube-aggregator
  core endpoints,services read
role system:kube-controller-manager
  events
  coordination.k8s.io leases create
  coordination.k8s.io leases get,update kube-controller-manager
  core secrets,serviceaccounts create
  core secrets delete
  core configmaps,namespaces,secrets,serviceaccounts get
  core secrets,serviceaccounts update
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
  * * list,watch
  core serviceaccounts/token create
role system:kube-dns
  core endpoints,services list,watch
role system:kube-scheduler
  events
  coordination.k8s.io leases create
  coordination.k8s.io leases read,update kube-scheduler
  coordination.k8s.io leasecandidates read,write
  core nodes read
  core pods read,delete
  core bindings,pods/binding create
  core pods/status update,patch
  core replicationcontrollers,services read
  apps replicasets read
  apps statefulsets read
  policy poddisruptionbudgets read
  core persistentvolumeclaims,persistentvolumes read
  authentication.k8s.io tokenreviews create
  authorization.k8s.io subjectaccessreviews create
  storage.k8s.io csinodes read
  storage.k8s.io volumeattachments read
  core namespaces read
  storage.k8s.io csidrivers read
  storage.k8s.io csistoragecapacities read
role system:kubelet-api-admin
  core nodes read
  core nodes proxy
  core nodes/log,nodes/metrics,nodes/proxy,nodes/stats *
  core nodes/configz,nodes/healthz,nodes/pods *
role system:monitoring
  url /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/* get
role system:node
  authentication.k8s.io tokenreviews create
  authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews create
  core services read
  core nodes read,create
  core nodes/status update,patch
  core nodes update,patch
  core events create,update,patch
  core pods read
  core pods create,delete
  core pods/status update,patch
  core pods/eviction create
  core configmaps,secrets read
  core persistentvolumeclaims,persistentvolumes get
  core endpoints get
  certificates.k8s.io certificatesigningrequests read,create
  coordination.k8s.io leases get,create,update,patch,delete
  storage.k8s.io volumeattachments get
  core serviceaccounts/token create
  core persistentvolumeclaims/status get,update,patch
  storage.k8s.io csidrivers read
  storage.k8s.io csinodes get,create,update,patch,delete
  node.k8s.io runtimeclasses read
role system:node-bootstrapper
  certificates.k8s.io certificatesigningrequests read,create
role system:node-problem-detector
  core nodes get
  core nodes/status patch
  events
role system:node-proxier
  core endpoints,services list,watch
  core nodes read
  events
  networking.k8s.io servicecidrs list,watch
  discovery.k8s.io endpointslices list,watch
role system:persistent-volume-provisioner
  core persistentvolumes read,create,delete
  core persistentvolumeclaims read,update
  storage.k8s.io storageclasses read
  core events watch
  events
role system:public-info-viewer
  url /healthz,/livez,/readyz,/version,/version/ get
role system:service-account-issuer-discovery
  url /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks get
  url /openid/v1/jwks/ get
role system:volume-scheduler
  core persistentvolumes read,update,patch
  storage.k8s.io storageclasses read
  core persistentvolumeclaims read,update,patch
role view to=edit from=view
role system:controller:attachdetach-controller
  core persistentvolumeclaims,persistentvolumes list,watch
  core nodes read
  core nodes/status update,patch
  core pods list,watch
  events
  storage.k8s.io volumeattachments read,create,delete
  storage.k8s.io csidrivers read
  storage.k8s.io csinodes read
role system:controller:certificate-controller
  certificates.k8s.io certificatesigningrequests read,delete
  certificates.k8s.io certificatesigningrequests/approval,certificatesigningrequests/status update
  certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client-kubelet
  certificates.k8s.io signers sign kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet
  certificates.k8s.io signers sign kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown
  authorization.k8s.io subjectaccessreviews create
  events
role system:controller:clusterrole-aggregation-controller
  rbac.authorization.k8s.io clusterroles read,update,patch,escalate
role system:controller:cronjob-controller
  batch cronjobs read,update
  batch jobs read,create,update,patch,delete
  batch cronjobs/status update
  batch cronjobs/finalizers update
  core pods list,watch,delete
  events
role system:controller:daemon-set-controller
  apps daemonsets read
  apps daemonsets/status update
  apps daemonsets/finalizers update
  core nodes list,watch
  core pods list,watch,create,patch,delete
  core pods/binding create
  apps controllerrevisions read,create,update,patch,delete
  events
role system:controller:deployment-controller
  apps deployments read,update
  apps deployments/status update
  apps deployments/finalizers update
  apps replicasets read,create,update,patch,delete
  core pods read,update
  events
role system:controller:disruption-controller
  apps deployments read
  apps replicasets read
  core replicationcontrollers read
  policy poddisruptionbudgets read
  apps statefulsets read
  policy poddisruptionbudgets/status update
  core pods/status update,patch
  * */scale get
  events
role system:controller:endpoint-controller
  core pods,services read
  core endpoints read,create,update,delete
  core endpoints/restricted create
  events
role system:controller:endpointslice-controller
  core nodes,pods,services read
  core services/finalizers update
  discovery.k8s.io endpointslices read,create,update,delete
  events
role system:controller:endpointslicemirroring-controller
  core endpoints,services read
  core services/finalizers update
  core endpoints/finalizers update
  discovery.k8s.io endpointslices read,create,update,delete
  events
role system:controller:ephemeral-volume-controller
  core pods read
  core pods/finalizers update
  core persistentvolumeclaims read,create
  events
role system:controller:expand-controller
  core persistentvolumes read,update,patch
  core persistentvolumeclaims/status update,patch
  core persistentvolumeclaims read
  events
  core services get
role system:controller:generic-garbage-collector
  * * read,update,patch,delete
  events
role system:controller:horizontal-pod-autoscaler
  autoscaling horizontalpodautoscalers read
  autoscaling horizontalpodautoscalers/status update
  * */scale get,update
  core pods list,watch
  metrics.k8s.io pods list,watch
  custom.metrics.k8s.io * read
  external.metrics.k8s.io * read
  events
role system:controller:job-controller
  batch jobs read,update,patch
  batch jobs/status update
  batch jobs/finalizers update
  core pods list,watch,create,patch,delete
  events
role system:controller:namespace-controller
  core namespaces read,delete
  core namespaces/finalize,namespaces/status update
  * * read,delete,deletecollection
role system:controller:node-controller
  core nodes read,update,patch,delete
  core nodes/status update,patch
  core pods/status update,patch
  core pods read,delete
  events
role system:controller:persistent-volume-binder
  core persistentvolumes read,create,update,delete
  core persistentvolumes/status update
  core persistentvolumeclaims read,update
  core persistentvolumeclaims/status update
  core pods read,create,delete
  storage.k8s.io storageclasses read
  core nodes list,watch
  events
  core events watch
  core services get
role system:controller:pod-garbage-collector
  core pods list,watch,delete
  core nodes read
  core pods/status patch
role system:controller:pv-protection-controller
  core persistentvolumes read,update
  events
role system:controller:pvc-protection-controller
  core persistentvolumeclaims read,update
  core pods read
  events
role system:controller:replicaset-controller
  apps replicasets read,update
  apps replicasets/status update
  apps replicasets/finalizers update
  core pods list,watch,create,patch,delete
  events
role system:controller:replication-controller
  core replicationcontrollers read,update
  core replicationcontrollers/status update
  core replicationcontrollers/finalizers update
  core pods list,watch,create,patch,delete
  events
role system:controller:resourcequota-controller
  * * list,watch
  core resourcequotas/status update
  events
role system:controller:root-ca-cert-publisher
  core configmaps create,update
  events
role system:controller:service-account-controller
  core serviceaccounts create
  events
role system:controller:service-controller
  core services read
  core services/status update,patch
  core nodes list,watch
  events
role system:controller:statefulset-controller
  core pods list,watch
  apps statefulsets read
  apps statefulsets/status update
  apps statefulsets/finalizers update
  core pods get,create,update,patch,delete
  apps controllerrevisions read,create,update,patch,delete
  core persistentvolumeclaims read,create
  events
  core persistentvolumeclaims update,delete
  core pods/finalizers update
role system:controller:ttl-after-finished-controller
  batch jobs read,delete
  events
role system:controller:ttl-controller
  core nodes list,watch,update,patch
  events
role system:controller:validatingadmissionpolicy-status-controller
  admissionregistration.k8s.io validatingadmissionpolicies read
  admissionregistration.k8s.io validatingadmissionpolicies/status get,update,patch
  events
role kube-system/extension-apiserver-authentication-reader
  core configmaps read extension-apiserver-authentication
role kube-system/system::leader-locking-kube-controller-manager
  core configmaps watch
  core configmaps get,update kube-controller-manager
  coordination.k8s.io leases read,create,update
  coordination.k8s.io leasecandidates read,create,update
role kube-system/system::leader-locking-kube-scheduler
  core configmaps watch
  core configmaps get,update kube-scheduler
  coordination.k8s.io leases read,create,update
  coordination.k8s.io leasecandidates read,create,update
role keelson:simulated-nodes
  core nodes read,create,update,patch,delete
  core nodes/status update,patch
  core pods read,delete
  core pods/status update,patch
  coordination.k8s.io leases get,create,update,patch,delete
  core configmaps,services,persistentvolumeclaims,persistentvolumes read
  events
)";

// A binding, the role, and whom it is for. Each system:controller: role is bound to the service
// account of that name in kube-system, and to the user of our controllers, who are one process.
constexpr std::string_view kBindingTable = R"(
cluster-admin cluster-admin Group:system:masters
system:basic-user system:basic-user Group:system:authenticated
system:discovery system:discovery Group:system:authenticated
system:kube-controller-manager system:kube-controller-manager User:system:kube-controller-manager
system:kube-dns system:kube-dns ServiceAccount:kube-system/kube-dns
system:kube-scheduler system:kube-scheduler User:system:kube-scheduler
system:monitoring system:monitoring Group:system:monitoring
system:node system:node
system:node-proxier system:node-proxier User:system:kube-proxy
system:public-info-viewer system:public-info-viewer Group:system:authenticated,Group:system:unauthenticated
system:service-account-issuer-discovery system:service-account-issuer-discovery Group:system:serviceaccounts
system:volume-scheduler system:volume-scheduler User:system:kube-scheduler
keelson:simulated-nodes keelson:simulated-nodes User:keelson:simulated-nodes
kube-system/system::extension-apiserver-authentication-reader extension-apiserver-authentication-reader User:system:kube-controller-manager,User:system:kube-scheduler
kube-system/system::leader-locking-kube-controller-manager system::leader-locking-kube-controller-manager User:system:kube-controller-manager,ServiceAccount:kube-system/kube-controller-manager
kube-system/system::leader-locking-kube-scheduler system::leader-locking-kube-scheduler User:system:kube-scheduler,ServiceAccount:kube-system/kube-scheduler
)";

constexpr std::string_view kControllerPrefix = "system:controller:";
constexpr std::string_view kAggregateLabel = "rbac.authorization.k8s.io/aggregate-to-";

std::vector<std::string> Split(std::string_view text, char separator) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), separator, absl::SkipEmpty());
}

std::vector<std::string> Verbs(std::string_view text) {
  std::vector<std::string> verbs;
  for (std::string& verb : Split(text, ',')) {
    if (verb == "read") {
      verbs.insert(verbs.end(), {"get", "list", "watch"});
    } else if (verb == "write") {
      verbs.insert(verbs.end(), {"create", "update", "patch", "delete", "deletecollection"});
    } else {
      verbs.push_back(std::move(verb));
    }
  }
  return verbs;
}

PolicyRule ParseRule(std::string_view line) {
  const std::vector<std::string> words = Split(line, ' ');
  if (words[0] == "events") {
    return {{"create", "update", "patch"}, {"", "events.k8s.io"}, {"events"}};
  }
  KV_CHECK(words.size() == 3 || words.size() == 4) << line;
  if (words[0] == "url") return {.verbs = Verbs(words[2]), .urls = Split(words[1], ',')};
  PolicyRule rule{Verbs(words[2]), Split(words[0], ','), Split(words[1], ',')};
  for (std::string& group : rule.groups) {
    if (group == "core") group.clear();
  }
  if (words.size() == 4) rule.names = Split(words[3], ',');
  return rule;
}

// The object without what is special to its kind. `name`: "name", or "namespace/name".
Json NewObject(std::string_view name, std::string_view kind) {
  Json metadata = {{"annotations", {{kAutoUpdate, "true"}}},
                   {"labels", {{"kubernetes.io/bootstrapping", "rbac-defaults"}}}};
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos) metadata["namespace"] = name.substr(0, slash);
  metadata["name"] = slash == std::string_view::npos ? name : name.substr(slash + 1);
  return {{"apiVersion", "rbac.authorization.k8s.io/v1"},
          {"kind", Concat(slash == std::string_view::npos ? "Cluster" : "", kind)},
          {"metadata", std::move(metadata)}};
}

Json NewRole(std::string_view line) {
  std::vector<std::string> words = Split(line, ' ');
  Json role = NewObject(words[1], "Role");
  for (size_t i = 2; i < words.size(); ++i) {
    const std::string label = Concat(kAggregateLabel, words[i].substr(words[i].find('=') + 1));
    if (words[i].starts_with("to=")) {
      role["metadata"]["labels"][label] = "true";
    } else {
      role["aggregationRule"] = {
          {"clusterRoleSelectors", Json::array({{{"matchLabels", {{label, "true"}}}}})}};
    }
  }
  role["rules"] = Json::array();
  return role;
}

Json ParseSubject(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view name = text.substr(colon + 1);
  if (kind != "ServiceAccount") {
    return {{"kind", kind}, {"apiGroup", "rbac.authorization.k8s.io"}, {"name", name}};
  }
  const size_t slash = name.find('/');
  return {{"kind", kind}, {"name", name.substr(slash + 1)}, {"namespace", name.substr(0, slash)}};
}

Json NewBinding(std::string_view name, std::string_view role, std::string_view subjects) {
  Json binding = NewObject(name, "RoleBinding");
  binding["roleRef"] = {{"apiGroup", "rbac.authorization.k8s.io"},
                        {"kind", name.find('/') == std::string_view::npos ? "ClusterRole" : "Role"},
                        {"name", role}};
  if (subjects.empty()) return binding;
  binding["subjects"] = Json::array();
  for (const std::string& subject : Split(subjects, ',')) {
    binding["subjects"].push_back(ParseSubject(subject));
  }
  return binding;
}

// Aggregated roles gather here already, so that they hold before the controller of that runs: in
// the order of the table, in which edit's are gathered before admin's would be, until nothing
// changes.
void Gather(std::vector<Json>& roles) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Json& role : roles) {
      if (!role.contains("aggregationRule")) continue;
      const Json& selector = role["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"];
      const std::string label = selector.begin().key();
      Json rules = Json::array();
      for (const Json& part : roles) {
        if (!part["metadata"]["labels"].contains(label)) continue;
        for (const Json& rule : part["rules"]) {
          if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
        }
      }
      changed = changed || rules != role["rules"];
      role["rules"] = std::move(rules);
    }
  }
}

}  // namespace

std::vector<Json> DefaultRoles() {
  std::vector<Json> roles;
  for (const std::string& line : Split(kRoleTable, '\n')) {
    if (line.starts_with("role ")) {
      roles.push_back(NewRole(line));
    } else {
      roles.back()["rules"].push_back(ParseRule(line).ToJson());
    }
  }
  Gather(roles);
  return roles;
}

std::vector<Json> DefaultRoleBindings() {
  std::vector<Json> bindings;
  for (const std::string& line : Split(kBindingTable, '\n')) {
    const std::vector<std::string> words = Split(line, ' ');
    bindings.push_back(NewBinding(words[0], words[1], words.size() > 2 ? words[2] : ""));
  }
  for (const std::string& line : Split(kRoleTable, '\n')) {
    const std::vector<std::string> words = Split(line, ' ');
    if (words[0] != "role" || !words[1].starts_with(kControllerPrefix)) continue;
    const std::string account = words[1].substr(kControllerPrefix.size());
    bindings.push_back(NewBinding(
        words[1], words[1],
        Concat("ServiceAccount:kube-system/", account, ",User:system:kube-controller-manager")));
  }
  return bindings;
}

}  // namespace keelson::auth
