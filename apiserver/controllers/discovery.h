// Which kinds the API server has.
#ifndef KEELSON_APISERVER_CONTROLLERS_DISCOVERY_H_
#define KEELSON_APISERVER_CONTROLLERS_DISCOVERY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/runtime/api_client.h"

namespace keelson::controllers {

struct DiscoveredKind {
  runtime::Resource resource;
  std::string kind;
  bool namespaced = false;
  // It can be listed, watched and deleted.
  bool has_objects = false;
  bool preferred = false;  // the version of its group that the server prefers
  std::string ApiVersion() const {
    return resource.group.empty() ? resource.version : resource.group + "/" + resource.version;
  }
};

struct Discovery {
  std::vector<DiscoveredKind> kinds;
  // Groups that could not be asked: "metrics.k8s.io/v1beta1: the server is unavailable".
  std::vector<std::string> failures;
};

// An error: the server cannot be asked at all.
absl::StatusOr<Discovery> Discover(runtime::ApiClient* client);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_DISCOVERY_H_
