// DaemonSets: a pod on every node that takes it.
#ifndef KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_H_
#define KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_H_

#include <memory>
#include <string>

#include "apiserver/api/json.h"
#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

// Whether a pod of the set should be made on the node, and whether one that is there may stay.
struct NodeFit {
  bool should_run = false;
  bool may_stay = false;
};
NodeFit FitOf(const api::Json& pod_template, const api::Json& node);
// The tolerations that all pods of a set have besides their own.
api::Json WithDaemonTolerations(const api::Json& pod_spec);
// The node that a pod is on, or is made for; "": none.
std::string TargetNodeOf(const api::Json& pod);

std::unique_ptr<runtime::Controller> MakeDaemonSetController(
    const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DAEMON_SET_H_
