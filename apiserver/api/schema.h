// Schema: what fields an object has: names, types, numbers in protobuf, and how patches merge them.
// Read once from the table schema/fields.tsv, which is built into the program.
//
// Everything that walks objects of any kind walks them by it: unknown and mistyped fields, protobuf
// bodies, canonical quantities, strategic merge patches, OpenAPI.
#ifndef KEELSON_APISERVER_API_SCHEMA_H_
#define KEELSON_APISERVER_API_SCHEMA_H_

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

struct Message;

enum class FieldType {
  kString,
  kBool,
  kInt32,
  kInt64,
  kDouble,
  kBytes,  // base64 in JSON
  kMessage,
  // Messages that are something else in JSON.
  kTime,       // RFC 3339, seconds
  kMicroTime,  // RFC 3339, microseconds
  kDuration,   // Go's text: "1m30s"
  kQuantity,   // "100m", "1Gi"
  kIntOrString,
  kRaw,  // any JSON: RawExtension, FieldsV1, JSON of CRDs
};

enum class Cardinality { kOne, kList, kMap };  // keys of maps are strings

// How a strategic merge patch treats the field (kube-surface, 2.3).
enum class PatchStrategy { kReplace, kMerge, kRetainKeys, kMergeRetainKeys };

struct Field {
  std::string name;  // in JSON
  int number = 0;
  Cardinality cardinality = Cardinality::kOne;
  FieldType type = FieldType::kString;
  const Message* message = nullptr;  // of kMessage
  bool inlined = false;              // its fields stand in the object itself in JSON
  PatchStrategy patch = PatchStrategy::kReplace;
  std::string merge_key;  // lists of messages that merge
};

struct Message {
  std::string name;  // "core.v1.PodSpec"
  std::vector<Field> fields;
  // By JSON name, fields of inlined messages included. nullptr: unknown.
  const Field* Find(std::string_view json_name) const;
  const Field* FindNumber(int number) const;  // not of inlined messages
};

// nullptr: unknown.
const Message* FindMessage(std::string_view name);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_SCHEMA_H_
