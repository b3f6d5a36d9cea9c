// What of an object can have an owner, by the schema: the fields that an object has, and those in
// which two objects differ. The owners themselves are kept in registry/managed_fields.h.
//
// Nothing here throws, whatever the objects look like: what does not fit the schema is one whole.
#ifndef KEELSON_APISERVER_API_FIELD_OWNERS_H_
#define KEELSON_APISERVER_API_FIELD_OWNERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/field_set.h"
#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

// Where a part of an object stands in the schema.
struct Shape {
  Parts parts = Parts::kMembers;
  const Message* message = nullptr;  // of a message
  const Field* field = nullptr;      // of a map or a list: what its elements are

  static Shape Of(const Message& message) { return {Parts::kMembers, &message, nullptr}; }
  static Shape Of(const Field& field);
  // Of a map's member or a list's element. REQUIRES: field is set.
  Shape Element() const;
  // Of the member of a map or a message. kNone for what no schema knows.
  Shape Member(std::string_view name) const;
};

struct Difference {
  FieldSet removed;  // there before, and not after
  FieldSet changed;  // there after, and before not so

  bool empty() const { return removed.empty() && changed.empty(); }
};

// Between two objects of the message. Without apiVersion, kind and what the server alone sets in
// the metadata, which nobody owns, and without the member `skipped` of the object.
Difference Compare(const Message& message, const Json& before, const Json& after,
                   std::string_view skipped = "");

// All fields that an object names, also those that nobody owns.
FieldSet FieldsOf(const Message& message, const Json& object);
// Takes out what Compare leaves out.
void EraseOwnerless(FieldSet* fields);

// The fields, and the messages that have some of them.
FieldSet WithMessages(const Message& message, const FieldSet& fields);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_FIELD_OWNERS_H_
