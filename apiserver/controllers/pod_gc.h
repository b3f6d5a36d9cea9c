// Pods that nobody will end any more: of nodes that are gone, deleted before they had a node, and
// the oldest of those that have ended when they are too many.
#ifndef KEELSON_APISERVER_CONTROLLERS_POD_GC_H_
#define KEELSON_APISERVER_CONTROLLERS_POD_GC_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakePodGarbageCollector(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_POD_GC_H_
