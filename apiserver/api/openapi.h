// OpenAPI: what objects look like and what may be done with them, as far as kubectl asks
// (kube-surface 1.5): properties and types of every kind for `explain`, and that patches take
// fieldValidation, so that clients leave checking to the server.
//
// PATCH has no requestBody: clients then compute patches from the types built into them.
// /openapi/v2 names the server and nothing else, which the kubectls that ask for it are content
// with.
//
// Thread: any. The documents are made when first asked for.
#ifndef KEELSON_APISERVER_API_OPENAPI_H_
#define KEELSON_APISERVER_API_OPENAPI_H_

#include <optional>
#include <string_view>

#include "apiserver/api/document.h"

namespace keelson::api {

struct OpenApiRequest {
  std::string_view path;
  std::string_view hash = {};    // of the query
  std::string_view accept = {};  // headers
  std::string_view if_none_match = {};
};

// For /openapi/v2, /openapi/v3 (the index), /openapi/v3/api/v1 and /openapi/v3/apis/G/V. A document
// asked for by its hash may be kept for ever; a wrong hash is sent to the right one. nullopt:
// another path, or no such group version.
std::optional<Document> OpenApiDocument(const OpenApiRequest& request);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_OPENAPI_H_
