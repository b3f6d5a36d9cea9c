// HorizontalPodAutoscalers: as many replicas as the load of their pods asks for. Loads come from
// the API metrics.k8s.io.
#ifndef KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_H_
#define KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeAutoscaleController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_H_
