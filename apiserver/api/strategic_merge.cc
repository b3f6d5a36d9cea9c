#include "apiserver/api/strategic_merge.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeleteFrom = "$deleteFromPrimitiveList/";
constexpr std::string_view kSetOrder = "$setElementOrder/";

bool IsDirective(std::string_view name) {
  return name == kPatch || name == kRetainKeys || name.starts_with(kDeleteFrom) ||
         name.starts_with(kSetOrder);
}

absl::Status BadOrderFormat() { return BadRequest("invalid patch format of setElementOrder list"); }
absl::Status BadRetainFormat() { return BadRequest("invalid patch format of retainKeys"); }

absl::Status NoMergeKey(const Json& item, std::string_view key) {
  return BadRequest(Concat("map: ", GoText(item), " does not contain declared merge key: ", key));
}

// How one list merges.
struct ListRule {
  std::string_view key;              // "": a set of scalars
  const Message* message = nullptr;  // of its items
  bool merges = false;
};

ListRule RuleOf(const Field* field) {
  if (field == nullptr || field->cardinality != Cardinality::kList) return {};
  const bool merges =
      field->patch == PatchStrategy::kMerge || field->patch == PatchStrategy::kMergeRetainKeys;
  return {field->merge_key, field->message, merges};
}

// What makes an item the one it is: the value of its merge key, or all of it. Lists may be long, so
// that items are looked up and not searched for.
std::string IdentityOf(const Json& item, std::string_view key) {
  const Json* value = &item;
  if (!key.empty()) {
    if (!item.is_object()) return "";
    const auto found = item.find(key);
    if (found == item.end()) return "";
    value = &*found;
  }
  return value->is_string() ? Concat("\"", value->get_ref<const std::string&>()) : value->dump();
}

// The first place of each item of a list.
using Places = std::unordered_map<std::string, size_t>;

Places PlacesOf(const Json& list, std::string_view key) {
  Places places;
  for (size_t i = 0; i < list.size(); ++i) places.emplace(IdentityOf(list[i], key), i);
  return places;
}

// What a patch puts in where nothing was: without nulls, directives and what they mark. nullopt:
// nothing is left of it.
std::optional<Json> Plain(Json value) {
  if (value.is_object()) {
    if (value.contains(kPatch)) return std::nullopt;
    Json plain = Json::object();
    for (auto& [name, member] : value.items()) {
      if (IsDirective(name) || member.is_null()) continue;
      if (std::optional<Json> kept = Plain(std::move(member)); kept.has_value()) {
        plain[name] = *std::move(kept);
      }
    }
    return plain;
  }
  if (value.is_array()) {
    Json plain = Json::array();
    for (Json& item : value) {
      if (std::optional<Json> kept = Plain(std::move(item)); kept.has_value()) {
        plain.push_back(*std::move(kept));
      }
    }
    return plain;
  }
  return value;
}

// --- The order of a merged list. ---

struct Placed {
  Json item;
  std::optional<size_t> in_patch;
  std::optional<size_t> in_live;
};

// What the patch orders stands as it says. The rest keeps its order, and stands before what it
// stood before in the live list.
Json Ordered(Json merged, const Json& patch_order, const Json& live_order, std::string_view key) {
  const Places patch_places = PlacesOf(patch_order, key), live_places = PlacesOf(live_order, key);
  const auto find = [](const Places& places, const std::string& identity) {
    const auto found = places.find(identity);
    return found == places.end() ? std::nullopt : std::optional<size_t>(found->second);
  };
  std::vector<Placed> of_patch, of_live;
  for (Json& item : merged) {
    const std::string identity = IdentityOf(item, key);
    const std::optional<size_t> in_patch = find(patch_places, identity);
    (in_patch.has_value() ? of_patch : of_live)
        .push_back({std::move(item), in_patch, find(live_places, identity)});
  }
  std::stable_sort(of_patch.begin(), of_patch.end(),
                   [](const Placed& a, const Placed& b) { return *a.in_patch < *b.in_patch; });
  Json ordered = Json::array();
  size_t i = 0, j = 0;
  while (i < of_live.size() && j < of_patch.size()) {
    const bool live_first = of_live[i].in_live.has_value() && of_patch[j].in_live.has_value() &&
                            *of_live[i].in_live < *of_patch[j].in_live;
    ordered.push_back(std::move((live_first ? of_live[i++] : of_patch[j++]).item));
  }
  while (j < of_patch.size()) ordered.push_back(std::move(of_patch[j++].item));
  while (i < of_live.size()) ordered.push_back(std::move(of_live[i++].item));
  return ordered;
}

absl::Status MergeMap(const Message* message, Json patch, Json* live);

// --- Lists. ---

absl::Status CheckItems(const Json& list, std::string_view key) {
  for (const Json& item : list) {
    if (item.is_array()) return Unprocessable();  // lists of lists
    if (!key.empty() && !item.is_object()) {
      return BadRequest(Concat("list element types are not identical: ", GoText(list)));
    }
    if (!key.empty() && !item.contains(key)) return NoMergeKey(item, key);
  }
  return absl::OkStatus();
}

void TakeOut(const Places& items, std::string_view key, Json* list) {
  Json kept = Json::array();
  for (Json& item : *list) {
    if (!items.contains(IdentityOf(item, key))) kept.push_back(std::move(item));
  }
  *list = std::move(kept);
}

// Items of the patch that say what is to be done take effect first.
absl::Status TakeSpecialItems(const ListRule& rule, Json* patch, Json* live) {
  Json rest = Json::array();
  Places deleted;
  bool replaces = false;
  for (Json& item : *patch) {
    const auto directive = item.find(kPatch);
    if (directive == item.end()) {
      rest.push_back(std::move(item));
    } else if (*directive == "delete") {
      if (!item.contains(rule.key)) return NoMergeKey(item, rule.key);
      deleted.emplace(IdentityOf(item, rule.key), 0);
    } else if (*directive == "replace") {
      replaces = true;
    } else if (*directive == "merge") {
      return BadRequest("merging lists cannot yet be specified in the patch");
    } else {
      return BadRequest(
          Concat("unknown patch type: ", GoText(*directive), " in map: ", GoText(item)));
    }
  }
  if (replaces) {
    *live = Json::array();
  } else if (!deleted.empty()) {
    TakeOut(deleted, rule.key, live);
  }
  *patch = std::move(rest);
  return absl::OkStatus();
}

// The orders: what the lists are once their special items are done with.
absl::Status MergeObjects(const ListRule& rule, Json patch, Json* live, Json* patch_order,
                          Json* live_order) {
  for (const Json& item : patch) {
    if (!item.is_object()) {
      return BadRequest(Concat("list element types are not identical: ", GoText(patch)));
    }
  }
  if (absl::Status status = CheckItems(*live, rule.key); !status.ok()) return status;
  if (absl::Status status = TakeSpecialItems(rule, &patch, live); !status.ok()) return status;
  if (absl::Status status = CheckItems(patch, rule.key); !status.ok()) return status;
  *live_order = *live;
  *patch_order = patch;
  Places places = PlacesOf(*live, rule.key);
  for (Json& item : patch) {
    const auto [place, is_new] = places.emplace(IdentityOf(item, rule.key), live->size());
    if (is_new) {
      live->push_back(Plain(std::move(item)).value_or(Json::object()));
      continue;
    }
    absl::Status status = MergeMap(rule.message, std::move(item), &(*live)[place->second]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status MergeList(const ListRule& rule, Json patch, Json* live) {
  if (!rule.merges) {
    *live = Plain(std::move(patch)).value_or(Json::array());
    return absl::OkStatus();
  }
  Json live_order = *live;
  Json patch_order = patch;
  if (!rule.key.empty()) {
    absl::Status status = MergeObjects(rule, std::move(patch), live, &patch_order, &live_order);
    if (!status.ok()) return status;
  } else {
    if (absl::Status status = CheckItems(patch, ""); !status.ok()) return status;
    Places places = PlacesOf(*live, "");
    for (Json& item : patch) {
      const bool is_new = places.emplace(IdentityOf(item, ""), 0).second;
      if (is_new) live->push_back(std::move(item));
    }
  }
  *live = Ordered(std::move(*live), patch_order, live_order, rule.key);
  return absl::OkStatus();
}

// --- Directives of maps. ---

absl::Status RetainKeys(Json* patch, Json* live) {
  const auto found = patch->find(kRetainKeys);
  if (found == patch->end()) return absl::OkStatus();
  const Json keys = std::move(*found);
  patch->erase(found);
  if (!keys.is_array()) return BadRetainFormat();
  const Places retained = PlacesOf(keys, "");
  for (const auto& [name, value] : patch->items()) {
    const bool counts =
        !value.is_null() && !name.starts_with(kDeleteFrom) && !name.starts_with(kSetOrder);
    if (counts && !retained.contains(IdentityOf(name, ""))) return BadRetainFormat();
  }
  for (auto member = live->begin(); member != live->end();) {
    const bool kept = retained.contains(IdentityOf(member.key(), ""));
    member = kept ? std::next(member) : live->erase(member);
  }
  return absl::OkStatus();
}

// The items of the patch must come in the order it sets.
absl::Status CheckOrder(const Json& patch, const Json& order, std::string_view key) {
  size_t at = 0;
  for (const Json& item : patch) {
    if (item.is_object() && item.contains(kPatch)) continue;
    const std::string identity = IdentityOf(item, key);
    while (at < order.size() && IdentityOf(order[at], key) != identity) ++at;
    if (at == order.size() && !order.empty()) {
      return BadRequest(Concat("The order in patch list:\n", GoText(patch),
                               "\n doesn't match $setElementOrder list:\n", GoText(order), "\n"));
    }
    ++at;
  }
  return absl::OkStatus();
}

absl::Status MergeInOrder(const Message* message, const std::string& name, const Json& order,
                          Json* patch, Json* live) {
  if (!order.is_array()) return BadOrderFormat();
  const Field* field = message == nullptr ? nullptr : message->Find(name);
  if (field == nullptr) {
    return BadRequest(Concat("unable to find api field in struct ",
                             message == nullptr ? "" : message->ShortName(), " for the json field ",
                             Quoted(name)));
  }
  const ListRule rule = RuleOf(field);
  const auto of_patch = patch->find(name);
  const auto of_live = live->find(name);
  const bool in_patch = of_patch != patch->end(), in_live = of_live != live->end();
  if ((in_patch && !of_patch->is_array()) || (in_live && !of_live->is_array())) {
    return BadOrderFormat();
  }
  if (!in_patch && !in_live) return absl::OkStatus();
  if (absl::Status status = CheckItems(order, rule.key); !status.ok()) return status;
  const Json live_order = in_live ? *of_live : Json::array();
  Json merged = live_order;
  if (in_patch) {
    if (absl::Status status = CheckOrder(*of_patch, order, rule.key); !status.ok()) return status;
    if (absl::Status status = MergeList(rule, std::move(*of_patch), &merged); !status.ok()) {
      return status;
    }
    patch->erase(of_patch);
  }
  (*live)[name] = Ordered(std::move(merged), order, live_order, rule.key);
  return absl::OkStatus();
}

absl::Status MergeOrderedLists(const Message* message, Json* patch, Json* live) {
  std::vector<std::pair<std::string, Json>> orders;
  for (auto member = patch->begin(); member != patch->end();) {
    if (!member.key().starts_with(kSetOrder)) {
      ++member;
      continue;
    }
    orders.emplace_back(member.key().substr(kSetOrder.size()), std::move(*member));
    member = patch->erase(member);
  }
  for (const auto& [name, order] : orders) {
    if (absl::Status status = MergeInOrder(message, name, order, patch, live); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// --- Maps. ---

void Put(const std::string& name, Json value, Json* live) {
  if (std::optional<Json> plain = Plain(std::move(value)); plain.has_value()) {
    (*live)[name] = *std::move(plain);
  } else {
    live->erase(name);
  }
}

absl::Status MergeMember(const Message* message, const std::string& name, Json value, Json* live) {
  if (name.starts_with(kDeleteFrom)) {
    const auto found = live->find(std::string_view(name).substr(kDeleteFrom.size()));
    if (found == live->end() || !found->is_array()) return absl::OkStatus();
    if (!value.is_array()) return BadRequest("invalid patch format of primitive list");
    TakeOut(PlacesOf(value, ""), "", &*found);
    return absl::OkStatus();
  }
  if (value.is_null()) {
    live->erase(name);
    return absl::OkStatus();
  }
  const auto found = live->find(name);
  const bool fits = found != live->end() && found->type() == value.type();
  if (!fits || !value.is_structured()) {
    Put(name, std::move(value), live);
    return absl::OkStatus();
  }
  const Field* field = message == nullptr ? nullptr : message->Find(name);
  if (value.is_array()) return MergeList(RuleOf(field), std::move(value), &*found);
  if (field != nullptr && field->patch == PatchStrategy::kReplace) {
    Put(name, std::move(value), live);
    return absl::OkStatus();
  }
  const bool is_map = field == nullptr || field->cardinality == Cardinality::kMap;
  return MergeMap(is_map ? nullptr : field->message, std::move(value), &*found);
}

// `message`: nullptr for what is no message, a map of labels.
absl::Status MergeMap(const Message* message, Json patch, Json* live) {
  if (const auto directive = patch.find(kPatch); directive != patch.end()) {
    if (*directive == "replace") {
      patch.erase(directive);
      *live = Plain(std::move(patch)).value_or(Json::object());
    } else if (*directive == "delete") {
      *live = Json::object();
    } else {
      return BadRequest(
          Concat("unknown patch type: ", GoText(*directive), " in map: ", GoText(patch)));
    }
    return absl::OkStatus();
  }
  if (absl::Status status = RetainKeys(&patch, live); !status.ok()) return status;
  if (absl::Status status = MergeOrderedLists(message, &patch, live); !status.ok()) return status;
  for (auto& [name, value] : patch.items()) {
    if (absl::Status status = MergeMember(message, name, std::move(value), live); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyStrategicMerge(const Message& message, Json patch, Json* object) {
  return MergeMap(&message, std::move(patch), object);
}

}  // namespace keelson::api
