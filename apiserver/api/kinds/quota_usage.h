// What objects use of resource quotas: for admission, which refuses what would be too much, and for
// the controller that counts again.
#ifndef KEELSON_APISERVER_API_KINDS_QUOTA_USAGE_H_
#define KEELSON_APISERVER_API_KINDS_QUOTA_USAGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/kinds/resources.h"

namespace keelson::api {

// What the object counts for: "pods", "requests.cpu", "count/deployments.apps". `now` tells whether
// a pod that is being deleted still counts.
ResourceAmounts QuotaUsageOf(const Kind& kind, const Json& object, absl::Time now);
// Whether objects of the kind count for what a quota calls `name`.
bool CountsFor(const Kind& kind, std::string_view name);
// Whether the object is in all of the quota's scopes.
bool IsInScopes(const Json& quota, const Kind& kind, const Json& object);
// Whether the pod is one that ends by itself, as quotas see it.
bool HasDeadline(const Json& pod);
// Where a quota limits cpu or memory, every container must say its own: "must specify limits.cpu
// for: a,b"; empty: all do.
std::string MissingAmounts(const Json& hard, const Json& pod);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_QUOTA_USAGE_H_
