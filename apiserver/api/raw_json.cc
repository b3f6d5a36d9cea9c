#include "apiserver/api/raw_json.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"

namespace keelson::api {

Json RawJson(std::string_view text) {
  return Json::binary(Json::binary_t::container_type(text.begin(), text.end()));
}

std::optional<std::string_view> RawText(const Json& value) {
  if (!value.is_binary()) return std::nullopt;
  const Json::binary_t& bytes = value.get_binary();
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void UnpackManagedFields(Json& object) {
  Json* managed = Find(object, "metadata.managedFields");
  if (managed == nullptr) return;
  const std::optional<std::string_view> text = RawText(*managed);
  if (!text.has_value()) return;
  Json parsed = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_array()) {
    *managed = std::move(parsed);
  } else {
    Erase(object, "metadata.managedFields");
  }
}

}  // namespace keelson::api
