#include "apiserver/registry/stored_text.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "apiserver/api/json_parse.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::registry {

using api::Json;

namespace {
constexpr std::string_view kVersionField = "\"metadata\":{\"resourceVersion\":\"";
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string StoredText(const Json& object) {
  std::string text = "{";
  for (std::string_view field : {"apiVersion", "kind"}) {
    Append(&text, '"', field, "\":", Dump(api::TextAt(object, field)), ',');
  }
  Append(&text, kVersionField, '"');
  for (const auto& [name, value] : api::MapAt(object, "metadata").items()) {
    if (name != "resourceVersion") Append(&text, ',', Dump(name), ':', Dump(value));
  }
  text += '}';
  for (const auto& [name, value] : object.items()) {
    if (name == "apiVersion" || name == "kind" || name == "metadata") continue;
    Append(&text, ',', Dump(name), ':', Dump(value));
  }
  text += '}';
  return text;
}

std::string WithRevision(std::string_view served, int64_t revision) {
  const size_t field = served.find(kVersionField);
  if (field == std::string_view::npos) return std::string(served);
  const size_t begin = field + kVersionField.size();
  const size_t end = served.find('"', begin);
  return Concat(served.substr(0, begin), revision, served.substr(end));
}

absl::StatusOr<std::string> ServedText(std::string_view stored, int64_t revision) {
  // apiVersion and kind, which stand before it, are short.
  constexpr size_t kLookAt = 512;
  if (stored.substr(0, kLookAt).find(kVersionField) != std::string_view::npos) {
    return WithRevision(stored, revision);
  }
  absl::StatusOr<Json> object = ParseObject(stored);
  if (!object.ok()) return object.status();
  return WithRevision(StoredText(*object), revision);
}

absl::StatusOr<Json> ParseObject(std::string_view text) {
  std::optional<Json> object = api::ParseText(text);
  if (!object || !object->is_object() || api::TextAt(*object, "kind").empty() ||
      api::TextAt(*object, "apiVersion").empty()) {
    return absl::DataLossError("a value in the store is not an object of the API");
  }
  return *std::move(object);
}

}  // namespace keelson::registry
