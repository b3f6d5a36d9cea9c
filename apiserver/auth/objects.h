// Objects: the objects that authentication, authorization and the bootstrap read and write, whoever
// keeps them. registry_objects.h is over a registry; tests have one in memory.
//
// Thread: any.
#ifndef KEELSON_APISERVER_AUTH_OBJECTS_H_
#define KEELSON_APISERVER_AUTH_OBJECTS_H_

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"

namespace keelson::auth {

struct Resource {
  std::string_view group;  // "" is core
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool operator==(const Resource&) const = default;
};

inline constexpr std::string_view kRbacGroup = "rbac.authorization.k8s.io";
inline constexpr Resource kClusterRoles = {kRbacGroup, "v1", "clusterroles", "ClusterRole"};
inline constexpr Resource kClusterRoleBindings = {kRbacGroup, "v1", "clusterrolebindings",
                                                  "ClusterRoleBinding"};
inline constexpr Resource kRoles = {kRbacGroup, "v1", "roles", "Role"};
inline constexpr Resource kRoleBindings = {kRbacGroup, "v1", "rolebindings", "RoleBinding"};
inline constexpr Resource kNamespaces = {"", "v1", "namespaces", "Namespace"};
inline constexpr Resource kNodes = {"", "v1", "nodes", "Node"};
inline constexpr Resource kPods = {"", "v1", "pods", "Pod"};
inline constexpr Resource kSecrets = {"", "v1", "secrets", "Secret"};
inline constexpr Resource kServices = {"", "v1", "services", "Service"};
inline constexpr Resource kServiceAccounts = {"", "v1", "serviceaccounts", "ServiceAccount"};
inline constexpr Resource kEndpoints = {"", "v1", "endpoints", "Endpoints"};
inline constexpr Resource kPersistentVolumes = {"", "v1", "persistentvolumes", "PersistentVolume"};
inline constexpr Resource kPersistentVolumeClaims = {"", "v1", "persistentvolumeclaims",
                                                     "PersistentVolumeClaim"};
inline constexpr Resource kEndpointSlices = {"discovery.k8s.io", "v1", "endpointslices",
                                             "EndpointSlice"};
inline constexpr Resource kPriorityClasses = {"scheduling.k8s.io", "v1", "priorityclasses",
                                              "PriorityClass"};

using Object = std::shared_ptr<const api::Json>;

class Objects {
 public:
  using Change = std::function<absl::StatusOr<api::Json>(const api::Json& newest)>;

  virtual ~Objects() = default;

  // As old as a cache happens to be. An object, once handed out, never changes. nullptr: none.
  virtual Object Find(const Resource& resource, std::string_view name_space,
                      std::string_view name) = 0;
  // All of a namespace, or all with an empty one.
  virtual std::vector<Object> List(const Resource& resource, std::string_view name_space) = 0;

  // The latest. Errors are those of api/errors.h.
  virtual absl::StatusOr<api::Json> Get(const Resource& resource, std::string_view name_space,
                                        std::string_view name) = 0;
  virtual absl::StatusOr<api::Json> Create(const Resource& resource, std::string_view name_space,
                                           api::Json object) = 0;
  // As registry::Registry::Update.
  virtual absl::StatusOr<api::Json> Update(const Resource& resource, std::string_view name_space,
                                           std::string_view name, const Change& change) = 0;
};

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_OBJECTS_H_
