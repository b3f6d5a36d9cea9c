#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/autoscale.h"
#include "apiserver/controllers/cluster_roles.h"
#include "apiserver/controllers/cron_job.h"
#include "apiserver/controllers/daemon_set.h"
#include "apiserver/controllers/deployment.h"
#include "apiserver/controllers/disruption.h"
#include "apiserver/controllers/endpoints.h"
#include "apiserver/controllers/finished_jobs.h"
#include "apiserver/controllers/garbage_collector.h"
#include "apiserver/controllers/job.h"
#include "apiserver/controllers/namespaces.h"
#include "apiserver/controllers/node_health.h"
#include "apiserver/controllers/pod_gc.h"
#include "apiserver/controllers/quotas.h"
#include "apiserver/controllers/replica_set.h"
#include "apiserver/controllers/service_accounts.h"
#include "apiserver/controllers/stateful_set.h"
#include "apiserver/controllers/volume_protection.h"
#include "apiserver/controllers/volumes.h"

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
  all.push_back(MakeStatefulSetController(context));
  all.push_back(MakeDaemonSetController(context));
  all.push_back(MakeJobController(context));
  all.push_back(MakeCronJobController(context));
  all.push_back(MakeServiceAccountController(context));
  all.push_back(MakeRootCaController(context, options.root_ca));
  all.push_back(MakeTokenSecretController(context, options.root_ca));
  all.push_back(MakeNodeHealthController(context));
  all.push_back(MakeTaintEviction(context));
  all.push_back(MakeDisruptionController(context));
  all.push_back(MakeVolumeController(context));
  all.push_back(MakePodGarbageCollector(context));
  all.push_back(MakeFinishedJobController(context));
  all.push_back(MakeQuotaController(context));
  all.push_back(MakeAutoscaleController(context));
  all.push_back(MakeClusterRoleAggregator(context));
  all.push_back(MakeClaimProtection(context));
  all.push_back(MakeVolumeProtection(context));
  all.push_back(MakeGarbageCollector(context));
  return all;
}

}  // namespace keelson::controllers
