// How objects lie in the store: JSON text whose metadata begins with an empty resourceVersion,
//
//   {"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"","managedFields":[...], ... },
//   ... }
//
// so that the version, which is the store's revision and known only after the write, is put in by
// copying, without parsing the object; and so that managedFields are found without parsing them.
#ifndef KEELSON_APISERVER_REGISTRY_STORED_TEXT_H_
#define KEELSON_APISERVER_REGISTRY_STORED_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"

namespace keelson::registry {

// `object` without regard to its resourceVersion. REQUIRES: it has apiVersion, kind and metadata.
std::string StoredText(const api::Json& object);
// The text that clients get. Text that is not of this form (written by others) is parsed and put
// into it; DataLoss: it is no object.
absl::StatusOr<std::string> ServedText(std::string_view stored, int64_t revision);
// The same for a text that was served before: with another version.
std::string WithRevision(std::string_view served, int64_t revision);
// An object of a text, managedFields as its text (raw_json.h) if they stand where StoredText puts
// them. nullopt: it is no JSON.
std::optional<api::Json> ReadText(std::string_view text);
// The same. DataLoss: not an object.
absl::StatusOr<api::Json> ParseObject(std::string_view text);
// As api::Json::dump, but never throws: bytes that are no UTF-8 are replaced. Takes RawJson.
std::string Dump(const api::Json& value);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_STORED_TEXT_H_
