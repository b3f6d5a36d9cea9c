// Who stands behind a Service: its Endpoints, and its EndpointSlices.
#ifndef KEELSON_APISERVER_CONTROLLERS_ENDPOINTS_H_
#define KEELSON_APISERVER_CONTROLLERS_ENDPOINTS_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeEndpointsController(
    const runtime::ControllerContext& context);
// Also mirrors Endpoints that somebody wrote by hand.
std::unique_ptr<runtime::Controller> MakeEndpointSliceController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_ENDPOINTS_H_
