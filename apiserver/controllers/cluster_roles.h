// ClusterRoles that are the sum of others.
#ifndef KEELSON_APISERVER_CONTROLLERS_CLUSTER_ROLES_H_
#define KEELSON_APISERVER_CONTROLLERS_CLUSTER_ROLES_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeClusterRoleAggregator(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_CLUSTER_ROLES_H_
