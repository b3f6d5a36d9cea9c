#include "apiserver/registry/stored_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apiserver/api/json_parse.h"
#include "apiserver/api/object.h"
#include "apiserver/api/raw_json.h"
#include "base/concat.h"

namespace keelson::registry {

using api::Json;

using api::kMetadataWithin;
using api::kVersionField;

namespace {

std::string DumpPlain(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AppendString(const std::string& value, std::string* text) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
  });
  if (plain) {
    Append(text, '"', value, '"');
  } else {
    *text += DumpPlain(value);
  }
}

void AppendValue(const Json& value, std::string* text) {
  if (value.is_object()) {
    char before = '{';
    for (auto at = value.begin(); at != value.end(); ++at) {
      text->push_back(std::exchange(before, ','));
      AppendString(at.key(), text);
      text->push_back(':');
      AppendValue(*at, text);
    }
    *text += before == '{' ? "{}" : "}";
  } else if (value.is_array()) {
    char before = '[';
    for (const Json& item : value) {
      text->push_back(std::exchange(before, ','));
      AppendValue(item, text);
    }
    *text += before == '[' ? "[]" : "]";
  } else if (value.is_string()) {
    AppendString(value.get_ref<const std::string&>(), text);
  } else if (const auto raw = api::RawText(value); raw.has_value()) {
    *text += *raw;
  } else {
    *text += DumpPlain(value);
  }
}

void AppendMember(const std::string& name, const Json& value, std::string* text) {
  text->push_back(',');
  AppendString(name, text);
  text->push_back(':');
  AppendValue(value, text);
}

}  // namespace

std::string Dump(const Json& value) {
  std::string text;
  AppendValue(value, &text);
  return text;
}

std::string StoredText(const Json& object) {
  std::string text = R"({"apiVersion":)";
  AppendString(api::TextAt(object, "apiVersion"), &text);
  text += R"(,"kind":)";
  AppendString(api::TextAt(object, "kind"), &text);
  Append(&text, ',', kVersionField, '"');
  const Json& metadata = api::MapAt(object, "metadata");
  if (const Json* managed = api::Member(metadata, "managedFields")) {
    AppendMember("managedFields", *managed, &text);
  }
  for (auto at = metadata.begin(); at != metadata.end(); ++at) {
    if (at.key() == "resourceVersion" || at.key() == "managedFields") continue;
    AppendMember(at.key(), *at, &text);
  }
  text += '}';
  for (auto at = object.begin(); at != object.end(); ++at) {
    if (at.key() == "apiVersion" || at.key() == "kind" || at.key() == "metadata") continue;
    AppendMember(at.key(), *at, &text);
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
  if (stored.substr(0, kMetadataWithin).find(kVersionField) != std::string_view::npos) {
    return WithRevision(stored, revision);
  }
  absl::StatusOr<Json> object = ParseObject(stored);
  if (!object.ok()) return object.status();
  return WithRevision(StoredText(*object), revision);
}

std::optional<Json> ReadText(std::string_view text) {
  const api::SplitText split = api::WithoutManagedFields(text);
  if (split.managed.empty()) return api::ParseText(text);
  std::optional<Json> object = api::ParseText(split.rest);
  if (object) api::Make(*object, "metadata.managedFields") = api::RawJson(split.managed);
  return object;
}

absl::StatusOr<Json> ParseObject(std::string_view text) {
  std::optional<Json> object = ReadText(text);
  if (!object || !object->is_object() || api::TextAt(*object, "kind").empty() ||
      api::TextAt(*object, "apiVersion").empty()) {
    return absl::DataLossError("a value in the store is not an object of the API");
  }
  return *std::move(object);
}

}  // namespace keelson::registry
