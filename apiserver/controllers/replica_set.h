// ReplicaSets and ReplicationControllers: as many pods as asked for. One engine for both.
#ifndef KEELSON_APISERVER_CONTROLLERS_REPLICA_SET_H_
#define KEELSON_APISERVER_CONTROLLERS_REPLICA_SET_H_

#include <memory>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeReplicaSetController(
    const runtime::ControllerContext& context);
std::unique_ptr<runtime::Controller> MakeReplicationController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_REPLICA_SET_H_
