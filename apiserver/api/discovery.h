// Discovery: which groups, versions and kinds there are (kube-surface 1.0), in one document for
// those who ask for that, and in one a group version for the others.
//
// Thread: any.
#ifndef KEELSON_APISERVER_API_DISCOVERY_H_
#define KEELSON_APISERVER_API_DISCOVERY_H_

#include <optional>
#include <string_view>

#include "apiserver/api/document.h"

namespace keelson::api {

// For /api, /apis, /api/V, /apis/G and /apis/G/V. nullopt: another path, or no such group or
// version.
std::optional<Document> DiscoveryDocument(std::string_view path, std::string_view accept);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_DISCOVERY_H_
