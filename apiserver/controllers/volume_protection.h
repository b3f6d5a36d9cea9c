// Claims that pods use, and volumes that claims have, stay until that is over.
#ifndef KEELSON_APISERVER_CONTROLLERS_VOLUME_PROTECTION_H_
#define KEELSON_APISERVER_CONTROLLERS_VOLUME_PROTECTION_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeClaimProtection(const runtime::ControllerContext& context);
std::unique_ptr<runtime::Controller> MakeVolumeProtection(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_VOLUME_PROTECTION_H_
