// Filling in what was left out. What is zero counts as left out: clients that speak protobuf cannot
// tell the two apart.
#ifndef KEELSON_APISERVER_API_KINDS_FIELD_DEFAULTS_H_
#define KEELSON_APISERVER_API_KINDS_FIELD_DEFAULTS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::api {

void DefaultText(Json& object, std::string_view path, std::string_view text);
void DefaultNumber(Json& object, std::string_view path, int64_t number);
// The map at `path`, an empty one in place of anything else; keys may have dots.
Json& MapIn(Json& object, std::string_view path);
// Copies the members of `from` that `to` has not.
void DefaultMembers(Json& to, const Json& from);
// The objects in the list at `path`.
std::vector<Json*> ElementsAt(Json& object, std::string_view path);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_FIELD_DEFAULTS_H_
