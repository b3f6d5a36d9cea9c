// Deletion of namespaces: all that is in one goes first, then the namespace.
#ifndef KEELSON_APISERVER_CONTROLLERS_NAMESPACES_H_
#define KEELSON_APISERVER_CONTROLLERS_NAMESPACES_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeNamespaceController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_NAMESPACES_H_
