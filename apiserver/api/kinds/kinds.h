// The kinds there are: one function a kind, in the file of its name or of its group. AllKinds
// (kind.h) lists them in the order of discovery.
#ifndef KEELSON_APISERVER_API_KINDS_KINDS_H_
#define KEELSON_APISERVER_API_KINDS_KINDS_H_

#include "apiserver/api/kind.h"

namespace keelson::api {

// v1
const Kind& ConfigMapKind();
const Kind& NamespaceKind();
const Kind& NodeKind();
const Kind& PodKind();
const Kind& SecretKind();
const Kind& ServiceAccountKind();
const Kind& ServiceKind();

// apps/v1
const Kind& ControllerRevisionKind();
const Kind& DaemonSetKind();
const Kind& DeploymentKind();
const Kind& ReplicaSetKind();
const Kind& StatefulSetKind();

// batch/v1
const Kind& CronJobKind();
const Kind& JobKind();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_KINDS_H_
