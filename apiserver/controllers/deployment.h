// Deployments: a ReplicaSet for each pod template they had, and the way from one to the next.
#ifndef KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_H_
#define KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeDeploymentController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DEPLOYMENT_H_
