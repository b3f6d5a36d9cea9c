// Bodies of requests as objects: JSON, YAML or protobuf, by the schema. What is refused is refused
// in kube-apiserver's words.
#ifndef KEELSON_APISERVER_API_DECODE_H_
#define KEELSON_APISERVER_API_DECODE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

inline constexpr size_t kBodyBytesMax = 3 << 20;

// What becomes of unknown and duplicate fields: nothing, a warning each, or a refusal.
enum class FieldValidation { kIgnore, kWarn, kStrict };

// "application/json; charset=utf-8" -> "application/json".
std::string_view MediaType(std::string_view content_type);

// An object for the path of `kind`. It has apiVersion and kind, what it should always have
// (Field::IsAlwaysThere), canonical quantities and times, and no nulls. An empty content type is
// JSON; apiVersion and kind may be missing in the body. `warnings` may be nullptr.
// BadRequest, TooLarge, UnsupportedMediaType.
absl::StatusOr<Json> DecodeBody(std::string_view content_type, std::string_view body,
                                const Kind& kind, FieldValidation validation,
                                std::vector<std::string>* warnings);
// A body that is no object of a kind, such as DeleteOptions ("meta.v1.DeleteOptions"), an Eviction
// or a Scale. DeleteOptions and Evictions of any version are taken.
absl::StatusOr<Json> DecodeBody(std::string_view content_type, std::string_view body,
                                const Message& message, FieldValidation validation,
                                std::vector<std::string>* warnings);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_DECODE_H_
