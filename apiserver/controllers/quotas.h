// ResourceQuotas: what a namespace uses is counted into their status when they begin or change, and
// again when something goes; what comes is counted by admission.
#ifndef KEELSON_APISERVER_CONTROLLERS_QUOTAS_H_
#define KEELSON_APISERVER_CONTROLLERS_QUOTAS_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeQuotaController(const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_QUOTAS_H_
