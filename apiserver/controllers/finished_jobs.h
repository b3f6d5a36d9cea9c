// Jobs that have ended and are to be deleted some time after that.
#ifndef KEELSON_APISERVER_CONTROLLERS_FINISHED_JOBS_H_
#define KEELSON_APISERVER_CONTROLLERS_FINISHED_JOBS_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeFinishedJobController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_FINISHED_JOBS_H_
