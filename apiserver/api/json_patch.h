// JSON patch, RFC 6902, as the library behind kube-apiserver has it: a missing "value" is null,
// negative indices count from the end, and "replace" makes a member that is not there.
#ifndef KEELSON_APISERVER_API_JSON_PATCH_H_
#define KEELSON_APISERVER_API_JSON_PATCH_H_

#include <cstddef>

#include "absl/status/status.h"
#include "apiserver/api/json.h"

namespace keelson::api {

inline constexpr size_t kPatchOperationsMax = 10'000;
// What all copies of a patch may add to an object.
inline constexpr size_t kPatchCopyBytesMax = 3 << 20;
// Values (and values within them) that its operations may set or move.
inline constexpr size_t kPatchValuesMax = 10'000'000;

// BadRequest: `patch` is no list of operations. TooLarge: they are too many. Unprocessable: one
// fails; the object is then of no use.
absl::Status ApplyJsonPatch(const Json& patch, Json* object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_JSON_PATCH_H_
