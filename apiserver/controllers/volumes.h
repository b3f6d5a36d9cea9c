// PersistentVolumes and their claims: who gets which, what becomes of them afterwards, and volumes
// made when a claim asks for one of a class whose provisioner is keelson.io/simulated.
#ifndef KEELSON_APISERVER_CONTROLLERS_VOLUMES_H_
#define KEELSON_APISERVER_CONTROLLERS_VOLUMES_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeVolumeController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_VOLUMES_H_
