#include "apiserver/api/protobuf.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "apiserver/api/json_text.h"
#include "apiserver/api/scalar_text.h"
#include "apiserver/api/time.h"
#include "apiserver/api/typed_json.h"
#include "apiserver/api/utf8.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kPrefix("k8s\0", 4);
constexpr std::string_view kTruncated = "unexpected EOF";
// Deeper than any message of ours goes without one that contains itself; none does.
constexpr int kDepthMax = 100;

// One field on the wire: its number, and a number or bytes.
struct WireField {
  int number = 0;
  int wire_type = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  // false: there is none, or fault() is not empty.
  bool Next(WireField* field) {
    if (bytes_.empty()) return false;
    uint64_t tag = 0;
    if (!Varint(&tag)) return false;
    field->number = static_cast<int>(tag >> 3);
    field->wire_type = static_cast<int>(tag & 7);
    if ((tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) {
      return Refuse(Concat("proto: illegal tag ", static_cast<int64_t>(tag >> 3), " (wire type ",
                           static_cast<int64_t>(tag & 7), ")"));
    }
    switch (field->wire_type) {
      case 0:
        return Varint(&field->value);
      case 1:
        return Fixed(8);
      case 5:
        return Fixed(4);
      case 2: {
        uint64_t size = 0;
        if (!Varint(&size)) return false;
        if (size > bytes_.size()) return Refuse(kTruncated);
        field->bytes = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return true;
      }
      default:
        return Refuse(Concat("proto: illegal wireType ", field->wire_type));
    }
  }

  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) return Refuse(kTruncated);
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return Refuse("proto: integer overflow");
  }

  bool empty() const { return bytes_.empty(); }
  const std::string& fault() const { return fault_; }

 private:
  // Nothing of ours has one; it is passed over.
  bool Fixed(size_t size) {
    if (bytes_.size() < size) return Refuse(kTruncated);
    bytes_.remove_prefix(size);
    return true;
  }
  bool Refuse(std::string_view fault) {
    fault_ = fault;
    return false;
  }

  std::string_view bytes_;
  std::string fault_;
};

// All functions give what is wrong, or "".
std::string ReadMessage(std::string_view bytes, const Message& message, int depth, Json* object);

std::string WrongType(const Field& field, const WireField& wire) {
  return Concat("proto: wrong wireType = ", wire.wire_type, " for field ", field.name);
}

// {1: seconds, 2: nanoseconds}; an empty one is the zero time, which is null.
std::string ReadTimestamp(std::string_view bytes, FieldType type, Json* value) {
  if (bytes.empty()) return "";
  WireReader reader(bytes);
  int64_t seconds = 0, nanoseconds = 0;
  for (WireField wire; reader.Next(&wire);) {
    if (wire.number == 1) seconds = static_cast<int64_t>(wire.value);
    if (wire.number == 2) nanoseconds = static_cast<int32_t>(wire.value);
  }
  if (!reader.fault().empty()) return reader.fault();
  const absl::Time time = absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanoseconds);
  // Out of what RFC 3339 can say: not a time.
  if (time < absl::FromUnixSeconds(-62135596800) || time >= absl::FromUnixSeconds(253402300800)) {
    return "Time: year outside of range [0,9999]";
  }
  ScalarText text = type == FieldType::kTime ? ReadTime(api::FormatTime(time))
                                             : ReadMicroTime(FormatMicroTime(time));
  if (!text.text.empty()) *value = std::move(text.text);
  return text.fault;
}

// Bytes of the field `number`, of a message that has nothing else of interest.
std::string ReadOnly(std::string_view bytes, int number, std::string_view* found) {
  WireReader reader(bytes);
  for (WireField wire; reader.Next(&wire);) {
    if (wire.number == number && wire.wire_type == 2) *found = wire.bytes;
  }
  return reader.fault();
}

std::string ReadQuantityMessage(std::string_view bytes, Json* value) {
  std::string_view text;
  if (std::string fault = ReadOnly(bytes, 1, &text); !fault.empty()) return fault;
  ScalarText quantity = ReadQuantity(text.empty() ? "0" : text);
  *value = std::move(quantity.text);
  return quantity.fault;
}

// {1: type, 0 a number and 1 a text, 2: number, 3: text}.
std::string ReadIntOrString(std::string_view bytes, Json* value) {
  WireReader reader(bytes);
  bool is_text = false;
  int32_t number = 0;
  std::string text;
  for (WireField wire; reader.Next(&wire);) {
    if (wire.number == 1) is_text = wire.value == 1;
    if (wire.number == 2) number = static_cast<int32_t>(wire.value);
    if (wire.number == 3) text = WithValidUtf8(wire.bytes);
  }
  if (is_text) {
    *value = std::move(text);
  } else {
    *value = number;
  }
  return reader.fault();
}

std::string ReadRaw(std::string_view bytes, Json* value) {
  std::string_view text;
  if (std::string fault = ReadOnly(bytes, 1, &text); !fault.empty() || text.empty()) return fault;
  if (std::string fault = JsonFault(text); !fault.empty()) return fault;
  *value = JsonReader(text).ReadValue();
  return "";
}

std::string ReadBytes(std::string_view bytes, const Field& field, int depth, Json* value) {
  switch (field.type) {
    case FieldType::kString:
      *value = WithValidUtf8(bytes);
      return "";
    case FieldType::kBytes:
      *value = absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
      return "";
    case FieldType::kMessage: {
      if (!field.message->list) return ReadMessage(bytes, *field.message, depth + 1, value);
      const std::string& items = field.message->fields.front().name;
      Json wrapped = {{items, Json::array()}};
      std::string fault = ReadMessage(bytes, *field.message, depth + 1, &wrapped);
      *value = std::move(wrapped[items]);
      return fault;
    }
    case FieldType::kTime:
    case FieldType::kMicroTime:
      return ReadTimestamp(bytes, field.type, value);
    case FieldType::kQuantity:
      return ReadQuantityMessage(bytes, value);
    case FieldType::kIntOrString:
      return ReadIntOrString(bytes, value);
    case FieldType::kRaw:
      return ReadRaw(bytes, value);
    case FieldType::kBool:
    case FieldType::kInt32:
    case FieldType::kInt64:
      break;
  }
  return "proto: wrong wireType = 2";
}

bool IsVarint(FieldType type) {
  return type == FieldType::kBool || type == FieldType::kInt32 || type == FieldType::kInt64;
}

Json VarintValue(FieldType type, uint64_t value) {
  if (type == FieldType::kBool) return value != 0;
  if (type == FieldType::kInt32) return static_cast<int32_t>(value);
  return static_cast<int64_t>(value);
}

std::string ReadOne(const WireField& wire, const Field& field, int depth, Json* value) {
  if (IsVarint(field.type) != (wire.wire_type == 0)) return WrongType(field, wire);
  if (wire.wire_type == 0) {
    *value = VarintValue(field.type, wire.value);
    return "";
  }
  if (wire.wire_type != 2) return WrongType(field, wire);
  return ReadBytes(wire.bytes, field, depth, value);
}

// {1: key, 2: value}.
std::string ReadMapEntry(std::string_view bytes, const Field& field, int depth, Json* map) {
  WireReader reader(bytes);
  std::string key;
  Json value;
  for (WireField wire; reader.Next(&wire);) {
    if (wire.number == 1) key = WithValidUtf8(wire.bytes);
    if (wire.number != 2) continue;
    if (std::string fault = ReadOne(wire, field, depth, &value); !fault.empty()) return fault;
  }
  if (value.is_null()) SetZero(field, &value);
  (*map)[key] = std::move(value);
  return reader.fault();
}

// Numbers of a list may stand in one run of bytes.
std::string ReadPacked(std::string_view bytes, const Field& field, Json* list) {
  WireReader reader(bytes);
  for (uint64_t value = 0; !reader.empty() && reader.Varint(&value);) {
    list->push_back(VarintValue(field.type, value));
  }
  return reader.fault();
}

std::string ReadField(const WireField& wire, const Field& field, int depth, Json* object) {
  if (field.inlined) {
    if (wire.wire_type != 2) return WrongType(field, wire);
    return ReadMessage(wire.bytes, *field.message, depth + 1, object);
  }
  Json value;
  if (field.cardinality == Cardinality::kOne) {
    // A message that comes twice is merged by protobuf; nobody sends one so.
    if (std::string fault = ReadOne(wire, field, depth, &value); !fault.empty()) return fault;
    if (!IsLeftOut(field, value)) (*object)[field.name] = std::move(value);
    return "";
  }
  Json& many = (*object)[field.name];
  if (field.cardinality == Cardinality::kMap) {
    if (many.is_null()) many = Json::object();
    if (wire.wire_type != 2) return WrongType(field, wire);
    return ReadMapEntry(wire.bytes, field, depth, &many);
  }
  if (many.is_null()) many = Json::array();
  if (wire.wire_type == 2 && IsVarint(field.type)) return ReadPacked(wire.bytes, field, &many);
  if (std::string fault = ReadOne(wire, field, depth, &value); !fault.empty()) return fault;
  many.push_back(std::move(value));
  return "";
}

std::string ReadMessage(std::string_view bytes, const Message& message, int depth, Json* object) {
  if (depth > kDepthMax) return "proto: exceeded max depth";
  if (object->is_null()) *object = Json::object();
  WireReader reader(bytes);
  for (WireField wire; reader.Next(&wire);) {
    const Field* field = message.FindNumber(wire.number);
    if (field == nullptr) continue;
    if (std::string fault = ReadField(wire, *field, depth, object); !fault.empty()) return fault;
  }
  FillIn(message, object);
  return reader.fault();
}

}  // namespace

std::string ReadProtobufEnvelope(std::string_view body, ProtobufEnvelope* envelope) {
  if (body.empty()) return "empty data";
  if (!body.starts_with(kPrefix)) {
    return "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
  }
  if (body.size() == kPrefix.size()) return "empty body";
  WireReader reader(body.substr(kPrefix.size()));
  for (WireField wire; reader.Next(&wire);) {
    if (wire.number == 2) envelope->raw = wire.bytes;
    if (wire.number != 1) continue;
    WireReader type(wire.bytes);
    for (WireField part; type.Next(&part);) {
      if (part.number == 1) envelope->api_version = WithValidUtf8(part.bytes);
      if (part.number == 2) envelope->kind = WithValidUtf8(part.bytes);
    }
    if (!type.fault().empty()) return type.fault();
  }
  return reader.fault();
}

std::string ReadProtobuf(std::string_view bytes, const Message& message, Json* object) {
  *object = Json::object();
  return ReadMessage(bytes, message, 0, object);
}

}  // namespace keelson::api
