// Parts of an object without the object: what is at some paths of a JSON text, all else of which is
// stepped over, not parsed. Selectors ask that of every change of every pod.
#ifndef KEELSON_APISERVER_REGISTRY_JSON_PARTS_H_
#define KEELSON_APISERVER_REGISTRY_JSON_PARTS_H_

#include <optional>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::registry {

// An object that has at `paths` (names joined by dots, as in api/object.h) what the object in
// `text` has there, and nothing else. nullopt: the text is to be parsed whole, because it is no
// object, or is written in a way that is not ours. Of what is stepped over not every mistake is
// seen.
std::optional<api::Json> PartsOf(std::string_view text, const std::vector<std::string_view>& paths);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_JSON_PARTS_H_
