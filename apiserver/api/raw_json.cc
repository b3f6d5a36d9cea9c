#include "apiserver/api/raw_json.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kManagedField = ",\"managedFields\":";

// The quotation mark that ends what the one at `begin` begins; npos: none does.
size_t EndOfText(std::string_view text, size_t begin) {
  size_t end = begin;
  while (true) {
    end = text.find('"', end + 1);
    if (end == std::string_view::npos) return end;
    size_t escapes = 0;
    while (text[end - 1 - escapes] == '\\') ++escapes;
    if (escapes % 2 == 0) return end;
  }
}

// How long the array is that the text begins with. 0: it has no end.
size_t BytesOfArray(std::string_view text) {
  size_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      i = EndOfText(text, i);
      if (i == std::string_view::npos) return 0;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

std::string_view ManagedFieldsOf(std::string_view text) {
  const size_t field = text.substr(0, kMetadataWithin).find(kVersionField);
  if (field == std::string_view::npos) return {};
  const size_t quote = text.find('"', field + kVersionField.size());
  if (quote == std::string_view::npos) return {};
  std::string_view rest = text.substr(quote + 1);
  if (!rest.starts_with(kManagedField)) return {};
  rest.remove_prefix(kManagedField.size());
  return rest.starts_with('[') ? rest.substr(0, BytesOfArray(rest)) : std::string_view();
}

}  // namespace

SplitText WithoutManagedFields(std::string_view text) {
  SplitText split;
  split.managed = ManagedFieldsOf(text);
  if (split.managed.empty()) return split;
  const size_t end = static_cast<size_t>(split.managed.data() - text.data()) + split.managed.size();
  const size_t begin = end - split.managed.size() - kManagedField.size();
  split.rest.reserve(text.size() - (end - begin));
  Append(&split.rest, text.substr(0, begin), text.substr(end));
  return split;
}

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
