#include "apiserver/api/list_items.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

std::string Written(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AppendText(const std::string& text, std::string* out) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
  });
  Append(out, plain ? "\"" : "", plain ? text : Written(text), plain ? "\"" : "");
}

// What stands for a key that an item does not have; false: nothing does.
bool AppendOtherwise(const ItemKey& key, const Message* message, std::string* step) {
  const Field* field = message == nullptr ? nullptr : message->Find(key.name);
  if (key.otherwise.has_value()) {
    AppendText(*key.otherwise, step);
  } else if (field != nullptr && !field->omit_empty && !field->pointer) {
    *step += field->type == FieldType::kString ? R"("")" : "0";
  } else {
    return false;
  }
  return true;
}

// k:{"containerPort":80,"protocol":"TCP"}. Gives the first key that is missing.
const ItemKey* AppendKeys(const Field& list, const Json& item, std::string* step) {
  const ItemKey* missing = nullptr;
  *step = "k:{";
  for (const ItemKey& key : list.item_keys) {
    const size_t begin = step->size();
    Append(step, begin == 3 ? "\"" : ",\"", key.name, "\":");
    const auto found = item.find(key.name);
    if (found != item.end() && found->is_string()) {
      AppendText(found->get_ref<const std::string&>(), step);
    } else if (found != item.end() && !found->is_null()) {
      *step += Written(*found);
    } else if (!AppendOtherwise(key, list.message, step)) {
      step->resize(begin);
      if (missing == nullptr) missing = &key;
    }
  }
  *step += '}';
  return missing;
}

std::string ValueStep(const Json& value) {
  std::string step = "v:";
  if (value.is_string()) {
    AppendText(value.get_ref<const std::string&>(), &step);
  } else {
    step += Written(value);
  }
  return step;
}

absl::Status Refusal(std::string_view why) {
  return absl::InvalidArgumentError(absl::string_view(why.data(), why.size()));
}

}  // namespace

absl::StatusOr<std::string> StepTo(const Shape& shape, const Json& item) {
  if (shape.parts == Parts::kValues) {
    if (item.is_object()) {
      return Refusal("associative list without keys has an element that's a map type");
    }
    if (item.is_array()) return Refusal("not supported: associative list with lists as elements");
    if (item.is_null()) {
      return Refusal("associative list without keys has an element that's an explicit null");
    }
    return ValueStep(item);
  }
  if (item.is_null()) return Refusal("associative list with keys may not have a null element");
  if (!item.is_object()) return Refusal("associative list with keys may not have non-map elements");
  std::string step;
  if (const ItemKey* missing = AppendKeys(*shape.field, item, &step); missing != nullptr) {
    return Refusal(Concat("associative list with keys has an element that omits key field ",
                          Quoted(missing->name), " (and doesn't have default value)"));
  }
  return step;
}

std::vector<ListItem> ItemsOf(const Shape& shape, const Json* list) {
  std::vector<ListItem> items;
  if (list == nullptr || !list->is_array()) return items;
  items.reserve(list->size());
  for (const Json& item : *list) {
    std::string step;
    if (shape.parts == Parts::kItems && item.is_object()) {
      AppendKeys(*shape.field, item, &step);
    } else {
      step = ValueStep(item);
    }
    items.push_back({std::move(step), &item});
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const ListItem& a, const ListItem& b) { return a.step < b.step; });
  return items;
}

}  // namespace keelson::api
