// PodDisruptionBudgets: how many pods of each may be evicted now.
#ifndef KEELSON_APISERVER_CONTROLLERS_DISRUPTION_H_
#define KEELSON_APISERVER_CONTROLLERS_DISRUPTION_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeDisruptionController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DISRUPTION_H_
