// Strategic merge patch: a merge patch that knows which lists are maps by a key or sets, and takes
// directives.
//
//   "$patch": "replace" | "delete"             of a map, or of an item of a list that merges
//   "$deleteFromPrimitiveList/NAME": [...]     takes values out of the list NAME
//   "$setElementOrder/NAME": [...]             the order of what the patch knows of the list NAME
//   "$retainKeys": [...]                       all other keys of the map go
#ifndef KEELSON_APISERVER_API_STRATEGIC_MERGE_H_
#define KEELSON_APISERVER_API_STRATEGIC_MERGE_H_

#include "absl/status/status.h"
#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

// BadRequest, Unprocessable: the patch does not fit; the object is then of no use. `patch` is used
// up.
// REQUIRES: both are JSON objects.
absl::Status ApplyStrategicMerge(const Message& message, Json patch, Json* object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_STRATEGIC_MERGE_H_
