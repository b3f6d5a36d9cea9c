#include "apiserver/api/kinds/kinds.h"

#include "base/concat.h"

namespace keelson::api {

const std::vector<const Kind*>& AllKinds() {
  static const std::vector<const Kind*> kinds = {
      // v1
      &BindingKind(),
      &ConfigMapKind(),
      &EndpointsKind(),
      &EventKind(),
      &LimitRangeKind(),
      &NamespaceKind(),
      &NodeKind(),
      &PersistentVolumeClaimKind(),
      &PersistentVolumeKind(),
      &PodKind(),
      &PodTemplateKind(),
      &ReplicationControllerKind(),
      &ResourceQuotaKind(),
      &SecretKind(),
      &ServiceAccountKind(),
      &ServiceKind(),
      // apps
      &ControllerRevisionKind(),
      &DaemonSetKind(),
      &DeploymentKind(),
      &ReplicaSetKind(),
      &StatefulSetKind(),
      // events.k8s.io
      &EventsEventKind(),
      // authentication.k8s.io
      &SelfSubjectReviewKind(),
      &TokenReviewKind(),
      &SelfSubjectReviewV1beta1Kind(),
      &SelfSubjectReviewV1alpha1Kind(),
      // authorization.k8s.io
      &LocalSubjectAccessReviewKind(),
      &SelfSubjectAccessReviewKind(),
      &SelfSubjectRulesReviewKind(),
      &SubjectAccessReviewKind(),
      // autoscaling
      &HorizontalPodAutoscalerKind(),
      &HorizontalPodAutoscalerV1Kind(),
      // batch
      &CronJobKind(),
      &JobKind(),
      // certificates.k8s.io
      &CertificateSigningRequestKind(),
      // networking.k8s.io
      &IngressClassKind(),
      &IngressKind(),
      &NetworkPolicyKind(),
      // policy
      &PodDisruptionBudgetKind(),
      // rbac.authorization.k8s.io
      &ClusterRoleBindingKind(),
      &ClusterRoleKind(),
      &RoleBindingKind(),
      &RoleKind(),
      // storage.k8s.io
      &CsiDriverKind(),
      &CsiNodeKind(),
      &StorageClassKind(),
      &VolumeAttachmentKind(),
      // scheduling.k8s.io
      &PriorityClassKind(),
      // coordination.k8s.io
      &LeaseKind(),
      // node.k8s.io
      &RuntimeClassKind(),
      // discovery.k8s.io
      &EndpointSliceKind(),
      // metrics.k8s.io
      &NodeMetricsKind(),
      &PodMetricsKind(),
  };
  return kinds;
}

const Kind* FindKindByResource(std::string_view group, std::string_view version,
                               std::string_view plural) {
  for (const Kind* kind : AllKinds()) {
    if (kind->plural == plural && kind->group == group && kind->version == version) return kind;
  }
  return nullptr;
}

const Kind* FindKind(std::string_view api_version, std::string_view name) {
  for (const Kind* kind : AllKinds()) {
    if (kind->kind == name && kind->api_version() == api_version) return kind;
  }
  return nullptr;
}

std::string Kind::api_version() const {
  return group.empty() ? std::string(version) : Concat(group, "/", version);
}

const Subresource* Kind::FindSubresource(std::string_view wanted) const {
  for (const Subresource& subresource : subresources) {
    if (subresource.name == wanted) return &subresource;
  }
  return nullptr;
}

bool Kind::HasVerb(std::string_view verb) const {
  for (std::string_view known : verbs) {
    if (known == verb) return true;
  }
  return false;
}

std::string Kind::StorageKey(std::string_view name_space, std::string_view name) const {
  std::string key = Concat("/registry/", stored().storage_prefix, "/");
  if (!name_space.empty()) Append(&key, name_space, "/");
  Append(&key, name);
  return key;
}

}  // namespace keelson::api
