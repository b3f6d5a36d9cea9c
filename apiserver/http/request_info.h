// What a request is about, from its method and its path: which verb, on which resource, in which
// namespace (kube-apiserver's RequestInfo). Nothing is looked up: whether there is such a resource
// is another question.
#ifndef KEELSON_APISERVER_HTTP_REQUEST_INFO_H_
#define KEELSON_APISERVER_HTTP_REQUEST_INFO_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace keelson::apiserver {

// Query parameters; of those given twice, all. Names and values are decoded.
using Query = std::multimap<std::string, std::string, std::less<>>;

struct RequestInfo {
  std::string method;
  std::string path;  // decoded, without the query
  Query query;

  bool is_resource = false;  // below /api or /apis, with a resource
  // "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"; for other
  // paths the method in small letters.
  std::string verb;
  std::string group;
  std::string version;
  std::string name_space;
  std::string resource;
  std::string name;
  std::string subresource;
  // What follows the subresource: pods/x/proxy/REST.
  std::string rest;

  // The first value of a parameter; "" when it is not there.
  const std::string& Parameter(std::string_view wanted) const;
  bool Has(std::string_view wanted) const { return query.find(wanted) != query.end(); }
};

// BadRequest: an escape that is none, or a byte that may not be in a path.
absl::StatusOr<RequestInfo> ParseRequest(std::string_view method, std::string_view target);
// Whether a parameter says yes: "true", "1", "t" ...; an error for what is neither yes nor no.
absl::StatusOr<bool> ParseFlag(const RequestInfo& info, std::string_view name);
absl::StatusOr<std::optional<int64_t>> ParseCount(const RequestInfo& info, std::string_view name);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_REQUEST_INFO_H_
