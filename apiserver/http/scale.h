// The subresource scale: an autoscaling/v1 Scale of an object whose kind says where its numbers
// are.
#ifndef KEELSON_APISERVER_HTTP_SCALE_H_
#define KEELSON_APISERVER_HTTP_SCALE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::apiserver {

// REQUIRES: kind.scale.
api::Json ScaleOf(const api::Kind& kind, const api::Json& object);
// The object with the replicas of `scale`, and its resourceVersion where it has one. Invalid: less
// than none; BadRequest: no number.
absl::StatusOr<api::Json> WithScale(const api::Kind& kind, const api::Json& object,
                                    const api::Json& scale);
api::Json ScaleTable(const api::Json& scale, std::string_view version);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_SCALE_H_
