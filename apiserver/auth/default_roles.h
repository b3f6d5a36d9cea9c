// The roles and bindings that every cluster has, as objects to create.
#ifndef KEELSON_APISERVER_AUTH_DEFAULT_ROLES_H_
#define KEELSON_APISERVER_AUTH_DEFAULT_ROLES_H_

#include <vector>

#include "apiserver/api/json.h"

namespace keelson::auth {

// The annotation of those that are brought up to date at a start; "false" leaves them alone.
inline constexpr char kAutoUpdate[] = "rbac.authorization.kubernetes.io/autoupdate";

std::vector<api::Json> DefaultRoles();         // ClusterRoles, and Roles of kube-system
std::vector<api::Json> DefaultRoleBindings();  // likewise

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_DEFAULT_ROLES_H_
