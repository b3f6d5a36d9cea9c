#include "apiserver/api/kinds/field_defaults.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"

namespace keelson::api {

void DefaultText(Json& object, std::string_view path, std::string_view text) {
  if (TextAt(object, path).empty()) Make(object, path) = text;
}

void DefaultNumber(Json& object, std::string_view path, int64_t number) {
  if (NumberAt(object, path) == 0) Make(object, path) = number;
}

Json& MapIn(Json& object, std::string_view path) {
  Json& map = Make(object, path);
  if (!map.is_object()) map = Json::object();
  return map;
}

void DefaultMembers(Json& to, const Json& from) {
  if (!from.is_object()) return;
  if (!to.is_object()) to = Json::object();
  for (const auto& [name, value] : from.items()) to.emplace(name, value);
}

std::vector<Json*> ElementsAt(Json& object, std::string_view path) {
  std::vector<Json*> elements;
  Json* list = Find(object, path);
  if (list == nullptr || !list->is_array()) return elements;
  for (Json& element : *list) {
    if (element.is_object()) elements.push_back(&element);
  }
  return elements;
}

}  // namespace keelson::api
