#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/deployment.h"
#include "apiserver/controllers/endpoints.h"
#include "apiserver/controllers/garbage_collector.h"
#include "apiserver/controllers/namespaces.h"
#include "apiserver/controllers/replica_set.h"

namespace keelson::controllers {

std::vector<std::unique_ptr<runtime::Controller>> MakeControllers(
    const runtime::ControllerContext& context, const ControllersOptions& options) {
  std::vector<std::unique_ptr<runtime::Controller>> all;
  all.push_back(MakeReplicaSetController(context));
  all.push_back(MakeReplicationController(context));
  all.push_back(MakeDeploymentController(context));
  all.push_back(MakeEndpointsController(context));
  all.push_back(MakeEndpointSliceController(context));
  all.push_back(MakeNamespaceController(context));
  all.push_back(MakeGarbageCollector(context));
  return all;
}

}  // namespace keelson::controllers
