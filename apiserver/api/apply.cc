#include "apiserver/api/apply.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/api/field_owners.h"
#include "apiserver/api/list_items.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// ---- What is wrong with a configuration ----

// A value as Go shows what the merge holds it in.
std::string Held(const Json& value) { return Concat("&{", GoText(value), "}"); }

// As it would stand in a program: %#v.
std::string InProgram(const Json& value) {
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  if (!value.is_structured()) return GoText(value);
  std::string text;
  for (const auto& [name, member] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) Append(&text, Quoted(name), ":");
    text += InProgram(member);
  }
  return Concat(value.is_object() ? "map[string]interface {}{" : "[]interface {}{", text, "}");
}

std::string_view GoTypeOf(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "bool";
    case Json::value_t::object:
      return "map[string]interface {}";
    default:
      return value.is_array() ? "[]interface {}" : "float64";
  }
}

class FaultFinder {
 public:
  std::string Find(const Message& message, const Json& config) {
    CheckMembers(message, config, "");
    if (faults_.empty()) return "";
    if (faults_.size() == 1) return faults_[0];
    std::string text = "errors:";
    for (const std::string& fault : faults_) Append(&text, "\n  ", fault);
    return text;
  }

 private:
  static constexpr size_t kFaultsMax = 100;

  void Fault(const std::string& path, std::string_view what) {
    if (faults_.size() >= kFaultsMax) return;
    faults_.push_back(path.empty() ? std::string(what) : Concat(path, ": ", what));
  }

  // Of a message, as far as its first unknown field.
  void CheckMembers(const Message& message, const Json& value, const std::string& path) {
    if (value.is_null()) return;
    if (!value.is_object()) return Fault(path, Concat("expected map, got ", Held(value)));
    for (const auto& [name, member] : value.items()) {
      const std::string at = Concat(path, ".", name);
      const Field* field = message.Find(name);
      if (field == nullptr) return Fault(at, "field not declared in schema");
      CheckField(*field, member, at);
    }
  }

  void CheckField(const Field& field, const Json& value, const std::string& path) {
    if (value.is_null()) return;
    switch (field.cardinality) {
      case Cardinality::kOne:
        return CheckElement(field, value, path);
      case Cardinality::kMap:
        if (!value.is_object()) return Fault(path, Concat("expected map, got ", Held(value)));
        for (const auto& [name, member] : value.items()) {
          CheckElement(field, member, Concat(path, ".", name));
        }
        return;
      case Cardinality::kList:
        return CheckList(field, value, path);
    }
  }

  void CheckList(const Field& field, const Json& value, const std::string& path) {
    if (!value.is_array()) return Fault(path, Concat("expected list, got ", Held(value)));
    const Shape shape = Shape::Of(field);
    std::set<std::string> seen;
    for (size_t i = 0; i < value.size(); ++i) {
      std::string place = Concat("[", i, "]");
      if (shape.parts != Parts::kNone) {
        const absl::StatusOr<std::string> step = StepTo(shape, value[i]);
        if (!step.ok()) {
          const absl::string_view why = step.status().message();
          return Fault(path, Concat("element ", i, ": ", std::string_view(why.data(), why.size())));
        }
        place = ShownStep(*step);
        if (!seen.insert(*step).second) {
          Fault(path, Concat("duplicate entries for key ", place));
        }
      }
      CheckElement(field, value[i], path + place);
    }
  }

  void CheckElement(const Field& field, const Json& value, const std::string& path) {
    if (value.is_null()) return;
    switch (field.type) {
      case FieldType::kMessage:
        if (field.message->list) return CheckList(field.message->fields.front(), value, path);
        return CheckMembers(*field.message, value, path);
      case FieldType::kString:
      case FieldType::kBytes:
        if (value.is_string()) return;
        return Fault(
            path,
            Concat("expected string, got &value.valueUnstructured{Value:", InProgram(value), "}"));
      case FieldType::kBool:
        if (value.is_boolean()) return;
        return Fault(path, Concat("expected boolean, got ", Held(value)));
      case FieldType::kInt32:
      case FieldType::kInt64:
        if (value.is_number()) return;
        return Fault(path, Concat("expected numeric (int or float), got ", GoTypeOf(value)));
      case FieldType::kTime:
      case FieldType::kMicroTime:
      case FieldType::kQuantity:
      case FieldType::kIntOrString:
        if (!value.is_structured()) return;
        return Fault(path, Concat("expected any scalar, got ", Held(value)));
      case FieldType::kRaw:
        return;
    }
  }

  std::vector<std::string> faults_;
};

// ---- Merge ----

Json MergeValue(const Shape& shape, const Json* object, const Json& config);

bool IsEmpty(const Json& value) {
  return value.is_null() || (value.is_structured() && value.empty());
}

// Merges two lists whose items are known by steps.
//
// 1. Items of both stand in the order of `config`.
// 2. An item of the object alone stays behind what it stood behind, as far as 1 leaves it.
class ListMerge {
 public:
  ListMerge(const Shape& shape, const Json& object, const Json& config)
      : shape_(shape), left_(Steps(object)), right_(Steps(config)) {
    for (const auto& [step, value] : left_) {
      // Of items that are there twice none is merged with.
      const auto [at, is_new] = of_left_.emplace(step, value);
      if (!is_new) at->second = nullptr;
    }
    for (const auto& [step, value] : right_) of_right_.insert(step);
    for (const auto& [step, value] : right_) {
      if (of_left_.contains(step)) shared_.push_back(step);
    }
  }

  Json Run() {
    size_t l = 0, r = 0;
    while (l < left_.size() || r < right_.size()) {
      if (l < left_.size() && !of_right_.contains(left_[l].first)) {
        // Items before a shared one that is out of its turn wait for it no longer than this.
        merged_.push_back(*left_[l++].second);
        continue;
      }
      if (l < left_.size() && r < right_.size() && left_[l].first == right_[r].first) {
        ++l;
        TakeRight(r++);
        continue;
      }
      if (l < left_.size() && (taken_.contains(left_[l].first) || !IsNextShared(left_[l].first))) {
        ++l;  // it has its place, or gets it, in the order of `config`
        continue;
      }
      if (r < right_.size()) {
        TakeRight(r++);
      } else {
        ++l;
      }
    }
    return std::move(merged_);
  }

 private:
  using Item = std::pair<std::string, const Json*>;

  std::vector<Item> Steps(const Json& list) const {
    std::vector<Item> items;
    if (!list.is_array()) return items;
    for (const Json& item : list) {
      absl::StatusOr<std::string> step = StepTo(shape_, item);
      // One that cannot be told from others is like no other.
      items.emplace_back(step.ok() ? *std::move(step) : Concat("?", items.size()), &item);
    }
    return items;
  }

  bool IsNextShared(const std::string& step) const {
    return next_shared_ < shared_.size() && shared_[next_shared_] == step;
  }

  void TakeRight(size_t r) {
    const auto& [step, value] = right_[r];
    if (IsNextShared(step)) ++next_shared_;
    taken_.insert(step);
    const auto found = of_left_.find(step);
    merged_.push_back(
        MergeValue(shape_.Element(), found == of_left_.end() ? nullptr : found->second, *value));
  }

  const Shape shape_;
  const std::vector<Item> left_;
  const std::vector<Item> right_;
  std::map<std::string, const Json*> of_left_;
  std::set<std::string> of_right_;
  std::vector<std::string> shared_;  // in the order of `config`
  size_t next_shared_ = 0;
  std::set<std::string> taken_;
  Json merged_ = Json::array();
};

Json MergeValue(const Shape& shape, const Json* object, const Json& config) {
  const bool both_empty = (object == nullptr || IsEmpty(*object)) && IsEmpty(config);
  if (shape.parts == Parts::kNone || both_empty || object == nullptr) return config;
  if (config.is_null()) return *object;
  if (shape.parts != Parts::kMembers) return ListMerge(shape, *object, config).Run();
  Json merged = object->is_object() ? *object : Json::object();
  for (const auto& [name, value] : config.items()) {
    const auto found = merged.find(name);
    Json one = MergeValue(shape.Member(name), found == merged.end() ? nullptr : &*found, value);
    merged[name] = std::move(one);
  }
  return merged;
}

// ---- Removal ----

// Gives whether anything is left of the value.
bool Remove(const Shape& shape, const FieldSet& fields, const Field* item_of, Json* value) {
  if (!value->is_structured() || value->empty()) return true;
  if (shape.parts == Parts::kNone) return false;
  const auto goes = [&](const std::string& step, const Shape& part, const Field* list, Json* item) {
    const FieldNode* node = fields.Find(step);
    if (node == nullptr) return false;
    if (node->member) return true;
    return !Remove(part, node->below, list, item) && list == nullptr;
  };
  if (shape.parts == Parts::kMembers) {
    for (auto at = value->begin(); at != value->end();) {
      const bool is_key = item_of != nullptr &&
                          std::any_of(item_of->item_keys.begin(), item_of->item_keys.end(),
                                      [&at](const ItemKey& key) { return key.name == at.key(); });
      const bool gone = !is_key && goes(NameStep(at.key()), shape.Member(at.key()), nullptr, &*at);
      at = gone ? value->erase(at) : std::next(at);
    }
  } else {
    for (auto at = value->begin(); at != value->end();) {
      const absl::StatusOr<std::string> step = StepTo(shape, *at);
      const bool gone = step.ok() && goes(*step, shape.Element(), shape.field, &*at);
      at = gone ? value->erase(at) : std::next(at);
    }
  }
  return !value->empty();
}

}  // namespace

std::string ApplyFault(const Message& message, const Json& config) {
  return FaultFinder().Find(message, config);
}

Json Merge(const Message& message, const Json& object, const Json& config) {
  return MergeValue(Shape::Of(message), &object, config);
}

void RemoveFields(const Message& message, const FieldSet& fields, Json* object) {
  Remove(Shape::Of(message), fields, nullptr, object);
}

}  // namespace keelson::api
