#include "apiserver/api/kinds/printing.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kNone = "<none>";

std::string Join(const std::vector<std::string>& texts, size_t most) {
  std::string joined;
  for (size_t i = 0; i < texts.size() && i < most; ++i) {
    if (i > 0) joined += ',';
    joined += texts[i];
  }
  return joined;
}

}  // namespace

std::string AgeCell(const Json& object, const PrintContext& context) {
  return AgeSince(TextAt(object, "metadata.creationTimestamp"), context.now);
}

std::string FieldCell(const Json& list, std::string_view field) {
  std::vector<std::string> texts;
  for (const Json& element : list) texts.push_back(TextAt(element, field));
  return Join(texts, texts.size());
}

std::string SelectorCell(const Json& selector) {
  return OrNone(LabelSelector::FromObject(selector).ToString());
}

std::string LabelsCell(const Json& labels) {
  std::vector<std::string> texts;
  if (labels.is_object()) {
    for (const auto& [key, value] : labels.items()) {
      texts.push_back(Concat(key, "=", value.is_string() ? value.get<std::string>() : ""));
    }
  }
  return OrNone(Join(texts, texts.size()));
}

std::string ListCell(const Json& texts) {
  std::vector<std::string> all;
  for (const Json& text : texts) {
    if (text.is_string()) all.push_back(text.get<std::string>());
  }
  return OrNone(Join(all, all.size()));
}

std::string ClippedCell(const std::vector<std::string>& texts, size_t most) {
  std::string cell = OrNone(Join(texts, most));
  if (texts.size() > most) Append(&cell, " + ", texts.size() - most, " more...");
  return cell;
}

std::string OrNone(std::string_view text) { return std::string(text.empty() ? kNone : text); }

Column NameColumn() { return {"Name", "string", "name"}; }

}  // namespace keelson::api
