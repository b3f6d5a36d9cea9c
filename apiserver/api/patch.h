// Patches of objects: JSON patch (RFC 6902), JSON merge patch (RFC 7386) and Kubernetes' strategic
// merge patch, with the outcomes and refusals of kube-apiserver.
#ifndef KEELSON_APISERVER_API_PATCH_H_
#define KEELSON_APISERVER_API_PATCH_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/decode.h"
#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

enum class PatchType { kJson, kMerge, kStrategicMerge };

// Of a Content-Type: "application/json-patch+json" ... nullopt: none of the three.
std::optional<PatchType> PatchTypeOf(std::string_view content_type);

// The live object with the patch applied, read anew by the schema as a body is (DecodeBody);
// without its managedFields, unless the patch is about them.
// `warnings` may be nullptr.
// BadRequest: the patch is none. Invalid, Unprocessable: it does not fit the object, or makes it
// one that is none. TooLarge: too many operations.
absl::StatusOr<Json> ApplyPatch(PatchType type, const Json& live, std::string_view patch,
                                const Message& message, FieldValidation validation,
                                std::vector<std::string>* warnings);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_PATCH_H_
