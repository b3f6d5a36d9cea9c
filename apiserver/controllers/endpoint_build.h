// What the Endpoints and EndpointSlices of a Service say, from its pods. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_ENDPOINT_BUILD_H_
#define KEELSON_APISERVER_CONTROLLERS_ENDPOINT_BUILD_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

// Anything that endpoints are made of differs.
bool EndpointsDiffer(const api::Json& pod_before, const api::Json& pod_now);

// [{name, port, protocol, appProtocol}]: the ports of the Service as the pod has them; those that
// it does not have are left out.
api::Json PortsOn(const api::Json& service, const api::Json& pod);

// The subsets of an Endpoints object: at most 1000 addresses, ready ones first. *truncated: there
// are more.
api::Json BuildSubsets(const api::Json& service, const std::vector<runtime::Object>& pods,
                       bool* truncated);

// The endpoints of slices, those of the same ports together. `zones`: of nodes.
struct PortGroup {
  api::Json ports;
  std::vector<api::Json> endpoints;
};
std::vector<PortGroup> BuildEndpoints(const api::Json& service,
                                      const std::vector<runtime::Object>& pods,
                                      std::string_view address_type,
                                      const std::map<std::string, std::string>& zones);
// From an Endpoints object that somebody wrote by hand.
std::vector<PortGroup> MirrorSubsets(const api::Json& subsets, std::string_view address_type);

// How the slices there are become what they should be, with as few writes as possible: slices keep
// what is in them, new endpoints fill those that change anyway.
struct SlicePlan {
  struct Content {
    api::Json ports;
    api::Json endpoints;
  };
  std::vector<Content> create;
  std::vector<std::pair<runtime::Object, Content>> update;
  std::vector<runtime::Object> remove;
};
SlicePlan PlanSlices(const std::vector<runtime::Object>& slices, std::vector<PortGroup> wanted,
                     size_t endpoints_max);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_ENDPOINT_BUILD_H_
