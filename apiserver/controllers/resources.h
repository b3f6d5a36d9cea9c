// Where the objects are that controllers work on.
#ifndef KEELSON_APISERVER_CONTROLLERS_RESOURCES_H_
#define KEELSON_APISERVER_CONTROLLERS_RESOURCES_H_

#include "apiserver/runtime/api_client.h"

namespace keelson::controllers {

inline const runtime::Resource kPods{"", "v1", "pods"};
inline const runtime::Resource kNodes{"", "v1", "nodes"};
inline const runtime::Resource kNamespaces{"", "v1", "namespaces"};
inline const runtime::Resource kServices{"", "v1", "services"};
inline const runtime::Resource kEndpoints{"", "v1", "endpoints"};
inline const runtime::Resource kConfigMaps{"", "v1", "configmaps"};
inline const runtime::Resource kSecrets{"", "v1", "secrets"};
inline const runtime::Resource kServiceAccounts{"", "v1", "serviceaccounts"};
inline const runtime::Resource kVolumes{"", "v1", "persistentvolumes"};
inline const runtime::Resource kClaims{"", "v1", "persistentvolumeclaims"};
inline const runtime::Resource kQuotas{"", "v1", "resourcequotas"};
inline const runtime::Resource kReplicationControllers{"", "v1", "replicationcontrollers"};
inline const runtime::Resource kReplicaSets{"apps", "v1", "replicasets"};
inline const runtime::Resource kDeployments{"apps", "v1", "deployments"};
inline const runtime::Resource kStatefulSets{"apps", "v1", "statefulsets"};
inline const runtime::Resource kDaemonSets{"apps", "v1", "daemonsets"};
inline const runtime::Resource kControllerRevisions{"apps", "v1", "controllerrevisions"};
inline const runtime::Resource kJobs{"batch", "v1", "jobs"};
inline const runtime::Resource kCronJobs{"batch", "v1", "cronjobs"};
inline const runtime::Resource kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
inline const runtime::Resource kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices"};
inline const runtime::Resource kLeases{"coordination.k8s.io", "v1", "leases"};
inline const runtime::Resource kDisruptionBudgets{"policy", "v1", "poddisruptionbudgets"};
inline const runtime::Resource kStorageClasses{"storage.k8s.io", "v1", "storageclasses"};
inline const runtime::Resource kClusterRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_RESOURCES_H_
