#include "apiserver/api/typed_json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apiserver/api/json_text.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/scalar_text.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr size_t kStrictFaultsMax = 100;

// Where in the object the reader is: a field, a key of a map, or an index.
struct Step {
  std::string_view name;
  int64_t index = -1;
  bool is_field = false;
};

class TypedReader {
 public:
  explicit TypedReader(std::string_view text) : reader_(text) {}

  TypedJsonFaults Read(const Message& message, Json* object) {
    if (reader_.Peek() == '{') {
      ReadObject(message, object);
    } else {
      *object = Json::object();
      FillIn(message, object);
      const std::string_view name = message.name;
      if (reader_.Peek() != 'n') Mistyped(name.substr(name.find('.') + 1));
    }
    return std::move(faults_);
  }

 private:
  // --- What is wrong. ---

  // Go goes on after a wrong type, and tells the first. Skips the value.
  void Mistyped(std::string_view go_type) {
    const std::string_view word = reader_.PeekWord();
    reader_.Skip();
    TypeFault(word, go_type);
  }

  void TypeFault(std::string_view what, std::string_view go_type) {
    if (!faults_.fatal.empty()) return;
    std::string path;
    for (const Step& step : steps_) {
      if (step.is_field) Append(&path, path.empty() ? "" : ".", step.name);
    }
    faults_.fatal = Concat("json: cannot unmarshal ", what);
    if (path.empty()) {
      Append(&faults_.fatal, " into Go value of type ", go_type);
    } else {
      Append(&faults_.fatal, " into Go struct field ", message_->ShortName(), ".", path,
             " of type ", go_type);
    }
  }

  void StrictFault(std::string_view what, std::string_view name) {
    if (faults_.strict.size() >= kStrictFaultsMax) return;
    std::string path;
    for (const Step& step : steps_) {
      if (step.index >= 0) {
        Append(&path, "[", step.index, "]");
      } else {
        Append(&path, path.empty() ? "" : ".", step.name);
      }
    }
    Append(&path, path.empty() ? "" : ".", name);
    std::string fault = Concat(what, " ", Quoted(path));
    if (std::find(faults_.strict.begin(), faults_.strict.end(), fault) == faults_.strict.end()) {
      faults_.strict.push_back(std::move(fault));
    }
  }

  // --- Objects, lists, maps. ---

  void ReadObject(const Message& message, Json* object) {
    *object = Json::object();
    Json::object_t& members = object->get_ref<Json::object_t&>();
    const Message* const outer = std::exchange(message_, &message);
    uint64_t seen = 0;  // a bit a field
    std::string name;
    reader_.Enter();
    while (reader_.NextMember(&name)) {
      const std::optional<size_t> index = message.IndexOf(name);
      if (!index.has_value()) {
        StrictFault("unknown field", name);
        reader_.Skip();
        continue;
      }
      const Field& field = *message.by_name[*index].second;
      const uint64_t bit = uint64_t{1} << *index;
      const bool twice = (seen & bit) != 0;
      seen |= bit;
      if (twice) StrictFault("duplicate field", name);
      steps_.push_back({field.name, -1, true});
      Json value;
      const bool keep = ReadField(field, &value);
      steps_.pop_back();
      if (keep || IsOwnersReset(message, field, value)) {
        members.insert_or_assign(field.name, std::move(value));
      } else if (twice) {
        members.erase(field.name);
      }
    }
    FillIn(message, object);
    message_ = outer;
  }

  // No owners at all is what a client asks for; not to say anything of them is something else.
  bool IsOwnersReset(const Message& message, const Field& field, const Json& value) const {
    return value.is_array() && steps_.size() == 1 && field.name == "managedFields" &&
           message.name == "meta.v1.ObjectMeta";
  }

  // Gives whether there is a value worth keeping.
  bool ReadField(const Field& field, Json* value) {
    if (reader_.Peek() == 'n') {
      reader_.Skip();
      return false;
    }
    switch (field.cardinality) {
      case Cardinality::kOne:
        ReadElement(field, value);
        break;
      case Cardinality::kList:
        ReadList(field, value);
        break;
      case Cardinality::kMap:
        ReadMap(field, value);
        break;
    }
    return !IsLeftOut(field, *value);
  }

  void ReadList(const Field& field, Json* list) {
    if (reader_.Peek() != '[') return Mistyped(field.go_type);
    *list = Json::array();
    reader_.Enter();
    for (int64_t i = 0; reader_.NextElement(); ++i) {
      steps_.push_back({{}, i, false});
      list->push_back(nullptr);
      ReadElement(field, &list->back());
      steps_.pop_back();
    }
  }

  void ReadMap(const Field& field, Json* map) {
    if (reader_.Peek() != '{') return Mistyped(field.go_type);
    *map = Json::object();
    Json::object_t& members = map->get_ref<Json::object_t&>();
    std::string name;
    reader_.Enter();
    while (reader_.NextMember(&name)) {
      const auto [at, is_new] = members.try_emplace(name, nullptr);
      if (!is_new) StrictFault("duplicate field", name);
      steps_.push_back({at->first, -1, false});
      ReadElement(field, &at->second);
      steps_.pop_back();
    }
  }

  // --- Single values. ---

  void ReadElement(const Field& field, Json* value) {
    if (reader_.Peek() == 'n') {
      reader_.Skip();
      return SetZero(field, value);
    }
    switch (field.type) {
      case FieldType::kString:
        if (reader_.Peek() != '"') return Mistyped(field.element_type);
        *value = reader_.ReadString();
        return;
      case FieldType::kBool:
        if (reader_.Peek() != 't' && reader_.Peek() != 'f') return Mistyped(field.element_type);
        *value = reader_.ReadText() == "true";
        return;
      case FieldType::kInt32:
      case FieldType::kInt64:
        return ReadWhole(field.type, field.element_type, value);
      case FieldType::kMessage:
        return ReadMessage(*field.message, field.element_type, value);
      case FieldType::kRaw:
        *value = reader_.ReadValue();
        return;
      case FieldType::kIntOrString:
        if (reader_.Peek() != '"') return ReadWhole(FieldType::kInt32, "int32", value);
        *value = reader_.ReadString();
        return;
      case FieldType::kQuantity:
        return ReadQuantityValue(value);
      case FieldType::kTime:
        return ReadText(ReadTime, "string", value);
      case FieldType::kMicroTime:
        return ReadText(ReadMicroTime, "string", value);
      case FieldType::kBytes:
        *value = "";
        return ReadText(ReadBase64, field.element_type, value);
    }
  }

  void ReadWhole(FieldType type, std::string_view go_type, Json* value) {
    const char first = reader_.Peek();
    if (first != '-' && (first < '0' || first > '9')) return Mistyped(go_type);
    const std::string_view text = reader_.ReadText();
    int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    const bool fits = type == FieldType::kInt64 || (number <= std::numeric_limits<int32_t>::max() &&
                                                    number >= std::numeric_limits<int32_t>::min());
    if (error != std::errc() || at != end || !fits) {
      return TypeFault(Concat("number ", text), go_type);
    }
    *value = number;
  }

  void ReadMessage(const Message& message, std::string_view go_type, Json* value) {
    if (reader_.Peek() != (message.list ? '[' : '{')) return Mistyped(go_type);
    if (message.list) return ReadList(message.fields.front(), value);
    ReadObject(message, value);
  }

  // Go takes a quantity's text as it stands there, escapes and all, and what is no text too.
  void ReadQuantityValue(Json* value) {
    std::string_view text = reader_.ReadText();
    if (text.front() == '"') text = text.substr(1, text.size() - 2);
    SetText(ReadQuantity(text), value);
  }

  void ReadText(ScalarText (*read)(std::string_view), std::string_view go_type, Json* value) {
    if (reader_.Peek() != '"') return Mistyped(go_type);
    SetText(read(reader_.ReadString()), value);
  }

  void SetText(ScalarText text, Json* value) {
    if (!text.fault.empty()) {
      if (faults_.fatal.empty()) faults_.fatal = std::move(text.fault);
    } else if (!text.text.empty()) {
      *value = std::move(text.text);
    }
  }

  JsonReader reader_;
  TypedJsonFaults faults_;
  const Message* message_ = nullptr;  // whose field is read
  std::vector<Step> steps_;
};

}  // namespace

bool IsLeftOut(const Field& field, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return true;
    case Json::value_t::object:
      return field.omit_empty && field.cardinality == Cardinality::kMap && value.empty();
    case Json::value_t::array:
      return field.omit_empty && value.empty();
    case Json::value_t::string:
      return field.omit_empty && !field.pointer && value.get_ref<const std::string&>().empty();
    case Json::value_t::boolean:
      return field.omit_empty && !field.pointer && !value.get<bool>();
    default:
      return field.omit_empty && !field.pointer && field.type != FieldType::kIntOrString &&
             field.type != FieldType::kRaw && value == 0;
  }
}

void SetZero(const Field& field, Json* value) {
  switch (field.type) {
    case FieldType::kString:
      *value = "";
      return;
    case FieldType::kBool:
      *value = false;
      return;
    case FieldType::kInt32:
    case FieldType::kInt64:
    case FieldType::kIntOrString:
      *value = 0;
      return;
    case FieldType::kQuantity:
      *value = "0";
      return;
    case FieldType::kMessage:
      if (field.message->list) return;
      *value = Json::object();
      return FillIn(*field.message, value);
    case FieldType::kBytes:
      *value = "";
      return;
    case FieldType::kTime:
    case FieldType::kMicroTime:
    case FieldType::kRaw:
      return;
  }
}

void FillIn(const Message& message, Json* object) {
  for (const Field* field : message.always) {
    Json& value = (*object)[field->name];
    if (!value.is_null()) continue;
    if (field->type == FieldType::kQuantity) {
      value = "0";
    } else {
      value = Json::object();
      FillIn(*field->message, &value);
    }
  }
}

void FillInZeros(const Message& message, Json* object) {
  for (const auto& [name, field] : message.by_name) {
    if (field->cardinality != Cardinality::kOne || field->pointer || field->inlined) continue;
    const bool is_message = field->type == FieldType::kMessage && !field->message->list;
    if (is_message ? !field->IsAlwaysThere() : field->omit_empty) continue;
    Json zero;
    SetZero(*field, &zero);
    if (zero.is_null()) continue;
    Json& value = (*object)[field->name];
    if (value.is_null()) value = std::move(zero);
    if (is_message && value.is_object()) FillInZeros(*field->message, &value);
  }
}

TypedJsonFaults ReadTypedJson(std::string_view text, const Message& message, Json* object) {
  return TypedReader(text).Read(message, object);
}

}  // namespace keelson::api
