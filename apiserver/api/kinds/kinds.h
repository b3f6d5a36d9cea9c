// The kinds there are: one function a kind, in the file of its name or of its group. AllKinds
// (kind.h) lists them in the order of discovery.
#ifndef KEELSON_APISERVER_API_KINDS_KINDS_H_
#define KEELSON_APISERVER_API_KINDS_KINDS_H_

#include "apiserver/api/kind.h"

namespace keelson::api {

// v1
const Kind& BindingKind();
const Kind& ConfigMapKind();
const Kind& EndpointsKind();
const Kind& EventKind();
const Kind& LimitRangeKind();
const Kind& NamespaceKind();
const Kind& NodeKind();
const Kind& PersistentVolumeClaimKind();
const Kind& PersistentVolumeKind();
const Kind& PodKind();
const Kind& PodTemplateKind();
const Kind& ReplicationControllerKind();
const Kind& ResourceQuotaKind();
const Kind& SecretKind();
const Kind& ServiceAccountKind();
const Kind& ServiceKind();

// apps/v1
const Kind& ControllerRevisionKind();
const Kind& DaemonSetKind();
const Kind& DeploymentKind();
const Kind& ReplicaSetKind();
const Kind& StatefulSetKind();

// events.k8s.io/v1
const Kind& EventsEventKind();

// authentication.k8s.io
const Kind& SelfSubjectReviewKind();
const Kind& SelfSubjectReviewV1alpha1Kind();
const Kind& SelfSubjectReviewV1beta1Kind();
const Kind& TokenReviewKind();

// authorization.k8s.io/v1
const Kind& LocalSubjectAccessReviewKind();
const Kind& SelfSubjectAccessReviewKind();
const Kind& SelfSubjectRulesReviewKind();
const Kind& SubjectAccessReviewKind();

// autoscaling
const Kind& HorizontalPodAutoscalerKind();  // v2
const Kind& HorizontalPodAutoscalerV1Kind();

// batch/v1
const Kind& CronJobKind();
const Kind& JobKind();

// certificates.k8s.io/v1
const Kind& CertificateSigningRequestKind();

// coordination.k8s.io/v1
const Kind& LeaseKind();

// discovery.k8s.io/v1
const Kind& EndpointSliceKind();

// metrics.k8s.io/v1beta1
const Kind& NodeMetricsKind();
const Kind& PodMetricsKind();

// networking.k8s.io/v1
const Kind& IngressClassKind();
const Kind& IngressKind();
const Kind& NetworkPolicyKind();

// node.k8s.io/v1
const Kind& RuntimeClassKind();

// policy/v1
const Kind& PodDisruptionBudgetKind();

// rbac.authorization.k8s.io/v1
const Kind& ClusterRoleBindingKind();
const Kind& ClusterRoleKind();
const Kind& RoleBindingKind();
const Kind& RoleKind();

// scheduling.k8s.io/v1
const Kind& PriorityClassKind();

// storage.k8s.io/v1
const Kind& CsiDriverKind();
const Kind& CsiNodeKind();
const Kind& StorageClassKind();
const Kind& VolumeAttachmentKind();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_KINDS_H_
