// Schema: what fields an object has: names, types, numbers in protobuf, and how patches merge them.
// Read once from the table schema/fields.tsv, which is built into the program.
//
// Everything that walks objects of any kind walks them by it: unknown and mistyped fields, protobuf
// bodies, canonical quantities, strategic merge patches, owners of fields, OpenAPI.
#ifndef KEELSON_APISERVER_API_SCHEMA_H_
#define KEELSON_APISERVER_API_SCHEMA_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::api {

struct Message;

enum class FieldType {
  kString,
  kBool,
  kInt32,
  kInt64,
  kBytes,  // base64 in JSON
  kMessage,
  // Messages that are something else in JSON.
  kTime,       // RFC 3339, seconds
  kMicroTime,  // RFC 3339, microseconds
  kQuantity,   // "100m", "1Gi"
  kIntOrString,
  kRaw,  // any JSON: RawExtension, FieldsV1
};

enum class Cardinality { kOne, kList, kMap };  // keys of maps are strings

// How a strategic merge patch treats the field (kube-surface, 2.3). Objects and maps merge, and
// lists are replaced, unless the table says otherwise.
enum class PatchStrategy { kReplace, kMerge, kRetainKeys, kMergeRetainKeys };

// Which parts of a value have owners of their own, and are applied on their own (field_owners.h).
enum class Parts {
  kNone,     // it is one whole: scalars, atomic lists, maps and messages
  kMembers,  // of a map or a message
  kValues,   // of a list that is a set
  kItems,    // of a list, known by some of their members
};

// A member by which items are known.
struct ItemKey {
  std::string name;
  std::optional<std::string> otherwise = {};  // what it is where an item does not say
};

struct Field {
  std::string name;  // in JSON
  int number = 0;    // 0: not in protobuf (apiVersion and kind)
  Cardinality cardinality = Cardinality::kOne;
  FieldType type = FieldType::kString;
  const Message* message = nullptr;  // of kMessage
  bool inlined = false;              // its fields stand in the object itself in JSON
  // As Go's type has it. What is no pointer cannot tell absent from zero.
  bool pointer = false;
  bool omit_empty = false;  // zero values are left out of JSON
  bool required = false;
  std::string go_type;       // as it is named in messages: "[]v1.Container"
  std::string element_type;  // of lists and maps: "v1.Container"
  PatchStrategy patch = PatchStrategy::kReplace;
  std::string merge_key;  // lists of messages that merge
  Parts parts = Parts::kNone;
  std::vector<ItemKey> item_keys;  // of kItems, sorted

  // Whether an object always has it, if only as {} or "0": Go has no empty struct to leave out.
  bool IsAlwaysThere() const {
    return cardinality == Cardinality::kOne && !pointer && !inlined &&
           (type == FieldType::kMessage || type == FieldType::kQuantity);
  }
};

struct Message {
  std::string name;  // "core.v1.PodSpec"
  std::vector<Field> fields;
  bool typed = false;  // has apiVersion and kind, which are among the fields
  bool list = false;   // is the list that is its only field, in JSON
  // Has one owner, as a whole, but where a field says otherwise.
  bool atomic = false;
  // By JSON name, fields of inlined messages included. nullptr: unknown.
  const Field* Find(std::string_view json_name) const;
  std::optional<size_t> IndexOf(std::string_view json_name) const;  // in by_name
  const Field* FindNumber(int number) const;                        // not of inlined messages
  // "PodSpec"
  std::string_view ShortName() const { return std::string_view(name).substr(name.rfind('.') + 1); }

  // For Find and FindNumber; made when the table is read.
  std::vector<std::pair<std::string_view, const Field*>> by_name;  // sorted; 64 at most
  std::vector<const Field*> by_number;                             // index: the number
  std::vector<const Field*> always;  // IsAlwaysThere, of inlined messages too
};

// nullptr: unknown. "core.v1.PodSpec"; those of apimachinery are "meta.v1.ObjectMeta".
const Message* FindMessage(std::string_view name);
// All, ordered by name.
const std::vector<const Message*>& AllMessages();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_SCHEMA_H_
