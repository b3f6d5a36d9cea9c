// ParseText: JSON texts of our own making, read quickly: objects from the store, answers and events
// of API servers. nlohmann's parser, with which it agrees, takes much longer. What clients send is
// read by json_text.h, which has Go's words for what is wrong.
//
// PartsOf: parts of an object without the rest of it, which is checked but not built. Selectors ask
// that of every change of every pod.
#ifndef KEELSON_APISERVER_API_JSON_PARSE_H_
#define KEELSON_APISERVER_API_JSON_PARSE_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::api {

// Objects and arrays within each other: twice what clients may send.
inline constexpr size_t kParseDepthMax = 1000;

// nullopt: it is not one JSON value, not UTF-8, or too deep. Of members that come twice the last
// one counts.
std::optional<Json> ParseText(std::string_view text);

// An object that has at `paths` (names joined by dots, as in object.h) what the object in `text`
// has there, and nothing else. nullopt: the text is no object, or ParseText must read it.
std::optional<Json> PartsOf(std::string_view text, const std::vector<std::string_view>& paths);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_JSON_PARSE_H_
