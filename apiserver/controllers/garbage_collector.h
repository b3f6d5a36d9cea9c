// GarbageCollector: deletes what has lost its owners, and sees to it that the deletion of an owner
// waits for its dependents, or leaves them, where it was asked for.
#ifndef KEELSON_APISERVER_CONTROLLERS_GARBAGE_COLLECTOR_H_
#define KEELSON_APISERVER_CONTROLLERS_GARBAGE_COLLECTOR_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeGarbageCollector(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_GARBAGE_COLLECTOR_H_
