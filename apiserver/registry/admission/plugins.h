// The plugins there are: one function each, in the file of its name. plugins.cc has their order.
#ifndef KEELSON_APISERVER_REGISTRY_ADMISSION_PLUGINS_H_
#define KEELSON_APISERVER_REGISTRY_ADMISSION_PLUGINS_H_

#include <memory>
#include <string>

#include "apiserver/registry/admission.h"

namespace keelson::registry {

using PluginPtr = std::unique_ptr<AdmissionPlugin>;

// Objects are created in namespaces that exist and stay; some namespaces cannot be deleted.
PluginPtr MakeNamespaceLifecycle();
// Fills in what LimitRanges say of containers without limits, and refuses what is out of range.
PluginPtr MakeLimitRanger();
// Pods run as a service account, with its token and its secrets for pulling images.
PluginPtr MakeServiceAccount();
// Claims and ingresses without a class get the default one.
PluginPtr MakeDefaultStorageClass();
PluginPtr MakeDefaultIngressClass();
// Claims and volumes stay while they are used.
PluginPtr MakeStorageObjectInUseProtection();
// Claims grow where their class lets them.
PluginPtr MakePersistentVolumeClaimResize();
// Pods have the priority of their class.
PluginPtr MakePriority();
// Pods stay on nodes that are not ready or unreachable for five minutes.
PluginPtr MakeDefaultTolerationSeconds();
// New nodes are not ready.
PluginPtr MakeTaintNodesByCondition();
// Services get addresses, and ports on nodes.
PluginPtr MakeServiceAddresses(const AdmissionOptions& options);
// Namespaces hold as much as their quotas say.
PluginPtr MakeResourceQuota();

// Parts that several of them have.

// 403: "pods "a" is forbidden: why".
absl::Status Refuse(const AdmissionRequest& request, std::string_view why);
bool IsKind(const AdmissionRequest& request, std::string_view group, std::string_view plural);
bool IsPod(const AdmissionRequest& request);
// A new object, and not a part of one.
bool IsNew(const AdmissionRequest& request);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_ADMISSION_PLUGINS_H_
