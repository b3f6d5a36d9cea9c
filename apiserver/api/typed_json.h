// Objects read from JSON by their schema, in one pass: what is in the schema is checked, made
// canonical and kept, what is not is told.
#ifndef KEELSON_APISERVER_API_TYPED_JSON_H_
#define KEELSON_APISERVER_API_TYPED_JSON_H_

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

// What was found, in Go's words and in the order of the text.
struct TypedJsonFaults {
  // Why there is no object: "json: cannot unmarshal string into Go struct field ...". Empty: there
  // is one.
  std::string fatal;
  // "unknown field \"spec.foo\"", "duplicate field \"metadata.name\"".
  std::vector<std::string> strict;
};

// The object of a text, without nulls, unknown fields, and empty values that say nothing (an
// object's own managedFields: [] does), as in Go; with the empty objects that Go would put in. Of a
// name that comes twice the last value counts.
// REQUIRES: JsonFault(text) is empty. *object is of no use if there is a fatal fault.
TypedJsonFaults ReadTypedJson(std::string_view text, const Message& message, Json* object);

// Puts in what objects of the message always have (Field::IsAlwaysThere).
void FillIn(const Message& message, Json* object);
// And the zeros that Go writes of fields that it never leaves out; but no nulls. Not in lists.
void FillInZeros(const Message& message, Json* object);
// What null in a list or a map stands for.
void SetZero(const Field& field, Json* value);
// Whether Go leaves the value of the field out.
bool IsLeftOut(const Field& field, const Json& value);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_TYPED_JSON_H_
