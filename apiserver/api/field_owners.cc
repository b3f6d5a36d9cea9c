#include "apiserver/api/field_owners.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apiserver/api/list_items.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// In the metadata; sorted.
constexpr std::string_view kOwnerless[] = {
    "clusterName",     "creationTimestamp", "generation", "managedFields", "name", "namespace",
    "resourceVersion", "selfLink",          "uid"};

bool IsOwnerless(std::string_view name) {
  return std::binary_search(std::begin(kOwnerless), std::end(kOwnerless), name);
}

// A value on one side of a comparison. It may be there without a value: what Go writes as null, {}
// or zero when it is not set.
struct Side {
  bool there = false;
  const Json* value = nullptr;

  bool HasParts() const { return value != nullptr && value->is_structured() && !value->empty(); }
};

bool IsZero(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return true;
    case Json::value_t::string:
      return value.get_ref<const std::string&>().empty();
    case Json::value_t::boolean:
      return !value.get<bool>();
    case Json::value_t::object:
    case Json::value_t::array:
      return value.empty();
    default:
      return value == 0;
  }
}

// A field of an object that is there, or not.
Side FieldOf(const Side& object, const Shape& shape, std::string_view name, const Json* value) {
  if (!object.there) return {};
  if (value != nullptr && !value->is_null()) return {true, value};
  const Field* field = shape.message == nullptr ? nullptr : shape.message->Find(name);
  return {field != nullptr && (!field->omit_empty || field->IsAlwaysThere()), nullptr};
}

// What became of one value.
struct Change {
  bool removed = false;
  bool changed = false;
  Difference below;
};

class Comparison {
 public:
  explicit Comparison(std::string_view skipped) : skipped_(skipped) {}

  void Objects(const Message& message, const Json& before, const Json& after, Difference* out) {
    const Shape shape = Shape::Of(message);
    Members(shape, {true, &before}, {true, &after}, [&](const std::string& name, Side b, Side a) {
      if (name == "apiVersion" || name == "kind" || name == skipped_) return;
      if (name == "metadata") return Metadata(shape.Member(name), b, a, out);
      Put(NameStep(name), Values(shape.Member(name), b, a), out);
    });
  }

 private:
  static void Put(std::string step, Change change, Difference* out) {
    if (change.removed || !change.below.removed.empty()) {
      out->removed.AddUnordered(step, change.removed, std::move(change.below.removed));
    }
    if (change.changed || !change.below.changed.empty()) {
      out->changed.AddUnordered(std::move(step), change.changed, std::move(change.below.changed));
    }
  }

  void Metadata(const Shape& shape, Side before, Side after, Difference* out) {
    Change change;
    Members(shape, before, after, [&](const std::string& name, Side b, Side a) {
      if (!IsOwnerless(name)) Put(NameStep(name), Values(shape.Member(name), b, a), &change.below);
    });
    Put(NameStep("metadata"), std::move(change), out);
  }

  // Calls visit(name, before, after) for the names that either side has, in order.
  template <typename Visit>
  static void Members(const Shape& shape, Side before, Side after, Visit visit) {
    static const Json* const none = new Json(Json::object());
    const Json& left = before.value != nullptr && before.value->is_object() ? *before.value : *none;
    const Json& right = after.value != nullptr && after.value->is_object() ? *after.value : *none;
    auto b = left.begin();
    auto a = right.begin();
    while (b != left.end() || a != right.end()) {
      const int order = b == left.end() ? 1 : a == right.end() ? -1 : b.key().compare(a.key());
      const std::string& name = order <= 0 ? b.key() : a.key();
      visit(name, FieldOf(before, shape, name, order <= 0 ? &*b : nullptr),
            FieldOf(after, shape, name, order >= 0 ? &*a : nullptr));
      if (order <= 0) ++b;
      if (order >= 0) ++a;
    }
  }

  Change Values(const Shape& shape, Side before, Side after) {
    Change change;
    if (!before.there && !after.there) return change;
    if (shape.parts == Parts::kNone || (!before.HasParts() && !after.HasParts())) {
      Whole(before, after, &change);
      return change;
    }
    if (shape.parts == Parts::kMembers) {
      Members(shape, before, after, [&](const std::string& name, Side b, Side a) {
        Put(NameStep(name), Values(shape.Member(name), b, a), &change.below);
      });
    } else if (before.value == nullptr || after.value == nullptr || *before.value != *after.value) {
      Lists(shape, before, after, &change);
    }
    change.changed = !before.there;
    change.removed = !after.there;
    return change;
  }

  static void Whole(Side before, Side after, Change* change) {
    if (!before.there) {
      change->changed = true;
    } else if (!after.there) {
      change->removed = true;
    } else if (before.value == nullptr || after.value == nullptr) {
      const Json* value = before.value != nullptr ? before.value : after.value;
      change->changed = value != nullptr && !IsZero(*value);
    } else {
      change->changed = *before.value != *after.value;
    }
  }

  void Lists(const Shape& shape, Side before, Side after, Change* change) {
    const std::vector<ListItem> left = ItemsOf(shape, before.value);
    const std::vector<ListItem> right = ItemsOf(shape, after.value);
    auto b = left.begin();
    auto a = right.begin();
    while (b != left.end() || a != right.end()) {
      const std::string& step =
          a == right.end() || (b != left.end() && b->step <= a->step) ? b->step : a->step;
      const auto other = [&step](const ListItem& item) { return item.step != step; };
      const auto b_end = std::find_if(b, left.end(), other);
      const auto a_end = std::find_if(a, right.end(), other);
      Put(step, Alike(shape.Element(), {b, b_end}, {a, a_end}), &change->below);
      b = b_end;
      a = a_end;
    }
  }

  // Items with one step: as a rule one on each side. Several have one owner.
  Change Alike(const Shape& shape, std::vector<ListItem> before, std::vector<ListItem> after) {
    const auto only = [](const std::vector<ListItem>& items) -> Side {
      return items.size() == 1 ? Side{true, items[0].value} : Side{};
    };
    Change change = Values(shape, only(before), only(after));
    if (before.size() > 1 && after.size() > 1) {
      const bool same =
          std::equal(before.begin(), before.end(), after.begin(), after.end(),
                     [](const ListItem& b, const ListItem& a) { return *b.value == *a.value; });
      change.changed |= !same;
    } else if (before.size() > 1) {
      change.removed = true;
    } else if (after.size() > 1) {
      change.changed = true;
    }
    return change;
  }

  const std::string_view skipped_;
};

// The fields of a value; gives whether the value itself is one of them.
void Collect(const Shape& shape, const Json& value, FieldSet* fields, bool* itself) {
  if (shape.parts == Parts::kNone) {
    *itself = true;
  } else if (shape.parts == Parts::kMembers) {
    if (!value.is_object()) return;
    for (auto at = value.begin(); at != value.end(); ++at) {
      const bool declared = shape.message != nullptr && shape.message->Find(at.key()) != nullptr;
      FieldSet below;
      bool member = !declared || at->is_null() || (at->is_object() && at->empty());
      Collect(shape.Member(at.key()), *at, &below, &member);
      fields->AddLast(NameStep(at.key()), member, std::move(below));
    }
  } else {
    const std::vector<ListItem> items = ItemsOf(shape, &value);
    for (size_t i = 0; i < items.size();) {
      size_t end = i + 1;
      while (end < items.size() && items[end].step == items[i].step) ++end;
      FieldSet below;
      bool member = true;
      if (end == i + 1) Collect(shape.Element(), *items[i].value, &below, &member);
      fields->AddLast(items[i].step, true, std::move(below));
      i = end;
    }
  }
}

void AddMessages(const Shape& shape, FieldSet* fields, const FieldSet& from) {
  for (const FieldNode& node : from.nodes()) {
    Shape below{Parts::kNone, nullptr, nullptr};
    bool declared = false;
    if (node.step[0] == 'f') {
      const std::string_view name = std::string_view(node.step).substr(2);
      declared = shape.message != nullptr && shape.message->Find(name) != nullptr;
      below = shape.Member(name);
    } else if (node.step[0] == 'k' && shape.field != nullptr) {
      below = shape.Element();
    }
    FieldSet with_messages;
    AddMessages(below, &with_messages, node.below);
    const bool member = node.member || (declared && !node.below.empty());
    fields->AddLast(node.step, member, std::move(with_messages));
  }
}

}  // namespace

Shape Shape::Of(const Field& field) {
  const bool is_message =
      field.cardinality == Cardinality::kOne && field.type == FieldType::kMessage;
  return {field.parts, is_message ? field.message : nullptr, is_message ? nullptr : &field};
}

Shape Shape::Element() const {
  if (field->type != FieldType::kMessage || field->message->list || field->message->atomic) {
    return {Parts::kNone, nullptr, nullptr};
  }
  return Of(*field->message);
}

Shape Shape::Member(std::string_view name) const {
  if (message != nullptr) {
    const Field* known = message->Find(name);
    if (known != nullptr) return Of(*known);
  } else if (field != nullptr && field->cardinality == Cardinality::kMap) {
    return Element();
  }
  return {Parts::kNone, nullptr, nullptr};
}

Difference Compare(const Message& message, const Json& before, const Json& after,
                   std::string_view skipped) {
  Difference difference;
  Comparison(skipped).Objects(message, before, after, &difference);
  return difference;
}

FieldSet FieldsOf(const Message& message, const Json& object) {
  FieldSet fields;
  bool itself = false;
  Collect(Shape::Of(message), object, &fields, &itself);
  return fields;
}

void EraseOwnerless(FieldSet* fields) {
  FieldSet metadata;
  for (std::string_view name : kOwnerless) metadata.AddLast(NameStep(name), true, {});
  FieldSet ownerless;
  ownerless.AddLast(NameStep("apiVersion"), true, {});
  ownerless.AddLast(NameStep("kind"), true, {});
  ownerless.AddLast(NameStep("metadata"), true, std::move(metadata));
  fields->Subtract(ownerless);
}

FieldSet WithMessages(const Message& message, const FieldSet& fields) {
  FieldSet more;
  AddMessages(Shape::Of(message), &more, fields);
  return more;
}

}  // namespace keelson::api
