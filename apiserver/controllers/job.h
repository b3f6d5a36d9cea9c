// Jobs: pods that run to their end, as many as are to succeed.
#ifndef KEELSON_APISERVER_CONTROLLERS_JOB_H_
#define KEELSON_APISERVER_CONTROLLERS_JOB_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeJobController(const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_JOB_H_
