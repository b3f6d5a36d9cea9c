// Services: what of them goes by their type.
#ifndef KEELSON_APISERVER_API_KINDS_SERVICE_H_
#define KEELSON_APISERVER_API_KINDS_SERVICE_H_

#include <string>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

bool IsHeadless(const Json& service);    // its address is "None"
bool HasClusterIp(const Json& service);  // of every type but ExternalName; headless ones "have" it
// Whether its ports get ports of nodes.
bool NeedsNodePorts(const Json& service);
// Whether a port of nodes says if the service is healthy there.
bool NeedsHealthCheckPort(const Json& service);
bool IsExternallyAccessible(const Json& service);
// The addresses it holds, without "None"; its ports on nodes, that of the health check included.
std::vector<std::string> ClusterIpsOf(const Json& service);
std::vector<int64_t> NodePortsOf(const Json& service);

// Brings clusterIP and clusterIPs in line, keeps what `old` (nullptr: none) has been given and
// still needs, drops what it does not need any more, and says the address families. Idempotent.
void NormalizeService(Json& service, const Json* old);

void ValidateService(const Json& service, FieldErrors& errors);
void ValidateServiceUpdate(const Json& service, const Json& old, FieldErrors& errors);
void ValidateServiceStatusUpdate(const Json& service, const Json& old, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_SERVICE_H_
