#include "apiserver/api/schema.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "apiserver/api/schema/fields.h"
#include "base/check.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

struct TypeName {
  std::string_view name;
  FieldType type;
  std::string_view go;
};
constexpr TypeName kTypes[] = {
    {"string", FieldType::kString, "string"},
    {"bool", FieldType::kBool, "bool"},
    {"int32", FieldType::kInt32, "int32"},
    {"int64", FieldType::kInt64, "int64"},
    {"bytes", FieldType::kBytes, "[]uint8"},
    {"time", FieldType::kTime, "v1.Time"},
    {"microtime", FieldType::kMicroTime, "v1.MicroTime"},
    {"quantity", FieldType::kQuantity, "resource.Quantity"},
    {"intorstring", FieldType::kIntOrString, "intstr.IntOrString"},
    {"raw", FieldType::kRaw, "runtime.RawExtension"},
};

class Schema {
 public:
  // The table is ours: what is wrong in it stops the program.
  explicit Schema(std::string_view table) {
    std::vector<std::string_view> lines = Split(table, '\n');
    for (std::string_view line : lines) {
      if (!line.empty() && line[0] != '#' && line[0] != '\t') AddMessage(Split(line, '\t'));
    }
    Message* message = nullptr;
    for (std::string_view line : lines) {
      if (line.empty() || line[0] == '#') continue;
      const std::vector<std::string_view> columns = Split(line, '\t');
      if (columns[0].empty()) {
        message->fields.push_back(MakeField(columns));
      } else {
        message = messages_.find(columns[0])->second.get();
        if (message->typed) AddTypeFields(message);
      }
    }
    for (const auto& [key, built] : messages_) {
      Index(built.get());
      all_.push_back(built.get());
    }
  }

  const Message* Find(std::string_view name) const {
    const auto found = messages_.find(name);
    return found == messages_.end() ? nullptr : found->second.get();
  }
  const std::vector<const Message*>& all() const { return all_; }

 private:
  void AddMessage(const std::vector<std::string_view>& columns) {
    auto message = std::make_unique<Message>();
    message->name = columns[0];
    if (columns.size() > 1) {
      message->typed = columns[1] == "typed";
      message->list = columns[1] == "list";
      message->atomic = columns[1] == "atomic";
      KV_CHECK(message->typed || message->list || message->atomic);
    }
    messages_.emplace(message->name, std::move(message));
  }

  static void AddTypeFields(Message* message) {
    for (const char* name : {"apiVersion", "kind"}) {
      Field field;
      field.name = name;
      field.omit_empty = true;
      field.go_type = field.element_type = "string";
      message->fields.push_back(std::move(field));
    }
  }

  Field MakeField(const std::vector<std::string_view>& columns) const {
    KV_CHECK(columns.size() >= 5 && columns.size() <= 8);
    Field field;
    std::from_chars(columns[1].data(), columns[1].data() + columns[1].size(), field.number);
    KV_CHECK(field.number > 0);
    field.name = columns[2];
    SetType(&field, columns[3]);
    for (char flag : columns[4]) {
      field.pointer |= flag == 'p';
      field.omit_empty |= flag == 'o';
      field.required |= flag == 'r';
      field.inlined |= flag == 'i';
    }
    const bool is_list = field.cardinality == Cardinality::kList;
    const bool merges = field.type == FieldType::kMessage || field.cardinality == Cardinality::kMap;
    field.patch = merges && !is_list ? PatchStrategy::kMerge : PatchStrategy::kReplace;
    if (columns.size() > 5) SetPatch(&field, columns[5]);
    if (columns.size() > 6 && columns[6] != "-") {
      field.go_type = columns[6];
      if (is_list && field.go_type.starts_with("[]")) field.element_type = field.go_type.substr(2);
      if (field.cardinality == Cardinality::kOne) field.element_type = field.go_type;
    }
    SetParts(&field, columns.size() > 7 ? columns[7] : "");
    return field;
  }

  static void SetParts(Field* field, std::string_view text) {
    constexpr std::string_view kBy = "by ";
    if (text.starts_with(kBy)) {
      field->parts = Parts::kItems;
      for (std::string_view key : Split(text.substr(kBy.size()), ',')) {
        const size_t equals = key.find('=');
        field->item_keys.push_back({std::string(key.substr(0, equals))});
        if (equals == std::string_view::npos) continue;
        field->item_keys.back().otherwise = key.substr(equals + 1);
      }
    } else if (text == "set") {
      field->parts = Parts::kValues;
    } else if (text.empty() || text == "granular") {
      const bool whole = field->type != FieldType::kMessage || field->message->list ||
                         (field->message->atomic && text.empty());
      const bool members = field->cardinality == Cardinality::kMap ||
                           (field->cardinality == Cardinality::kOne && !whole);
      field->parts = members ? Parts::kMembers : Parts::kNone;
    } else {
      KV_CHECK(text == "atomic");
    }
  }

  void SetType(Field* field, std::string_view type) const {
    std::string_view shape;
    if (type.starts_with("[]") || type.starts_with("{}")) {
      field->cardinality = type[0] == '[' ? Cardinality::kList : Cardinality::kMap;
      shape = type[0] == '[' ? "[]" : "map[string]";
      type.remove_prefix(2);
    }
    for (const TypeName& known : kTypes) {
      if (type != known.name) continue;
      field->type = known.type;
      field->element_type = known.go;
    }
    if (field->element_type.empty()) {
      field->type = FieldType::kMessage;
      field->message = Find(type);
      KV_CHECK(field->message != nullptr);
      field->element_type = type.substr(type.find('.') + 1);
    }
    field->go_type = Concat(shape, field->element_type);
  }

  static void SetPatch(Field* field, std::string_view text) {
    const size_t colon = text.find(':');
    if (colon != std::string_view::npos) field->merge_key = text.substr(colon + 1);
    const std::string_view strategy = text.substr(0, colon);
    if (strategy == "merge") {
      field->patch = PatchStrategy::kMerge;
    } else if (strategy == "retainKeys") {
      field->patch = PatchStrategy::kRetainKeys;
    } else if (strategy == "merge,retainKeys") {
      field->patch = PatchStrategy::kMergeRetainKeys;
    } else if (strategy == "replace") {
      field->patch = PatchStrategy::kReplace;
    } else {
      KV_CHECK(strategy == "-");
    }
  }

  static void Index(Message* message) {
    const std::function<void(const Message&)> add = [&](const Message& part) {
      for (const Field& field : part.fields) {
        if (field.inlined) {
          add(*field.message);
        } else {
          message->by_name.emplace_back(field.name, &field);
          if (field.IsAlwaysThere()) message->always.push_back(&field);
        }
      }
    };
    add(*message);
    std::sort(message->by_name.begin(), message->by_name.end());
    KV_CHECK_LE(message->by_name.size(), 64u);
    for (const Field& field : message->fields) {
      if (field.number == 0) continue;
      const size_t number = static_cast<size_t>(field.number);
      if (message->by_number.size() <= number) message->by_number.resize(number + 1);
      message->by_number[number] = &field;
    }
  }

  std::map<std::string, std::unique_ptr<Message>, std::less<>> messages_;
  std::vector<const Message*> all_;
};

const Schema& TheSchema() {
  static const Schema schema(kSchemaFields);
  return schema;
}

}  // namespace

std::optional<size_t> Message::IndexOf(std::string_view json_name) const {
  const auto found = std::lower_bound(
      by_name.begin(), by_name.end(), json_name,
      [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  if (found == by_name.end() || found->first != json_name) return std::nullopt;
  return found - by_name.begin();
}

const Field* Message::Find(std::string_view json_name) const {
  const std::optional<size_t> index = IndexOf(json_name);
  return index.has_value() ? by_name[*index].second : nullptr;
}

const Field* Message::FindNumber(int number) const {
  if (number < 0 || static_cast<size_t>(number) >= by_number.size()) return nullptr;
  return by_number[static_cast<size_t>(number)];
}

const Message* FindMessage(std::string_view name) { return TheSchema().Find(name); }
const std::vector<const Message*>& AllMessages() { return TheSchema().all(); }

}  // namespace keelson::api
