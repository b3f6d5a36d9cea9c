// StatefulSets: pods with names and volumes of their own, one after the other.
#ifndef KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_H_
#define KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeStatefulSetController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_STATEFUL_SET_H_
