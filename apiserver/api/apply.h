// Server-side apply, without regard to owners: what applying one object to another makes of it.
// Which parts of an object are applied on their own the schema says (field_owners.h).
#ifndef KEELSON_APISERVER_API_APPLY_H_
#define KEELSON_APISERVER_API_APPLY_H_

#include <string>

#include "apiserver/api/field_set.h"
#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

// What is wrong with an object that is to be applied: unknown fields, wrong types, items that are
// there twice or cannot be told apart. "": nothing.
std::string ApplyFault(const Message& message, const Json& config);

// The object with all that `config` names as it is there. Lists keep the order of the object as
// far as `config` does not name it otherwise.
// REQUIRES: ApplyFault(message, config) is empty.
Json Merge(const Message& message, const Json& object, const Json& config);

// Takes the fields out of the object, and nothing else: what an item of a list is known by stays as
// long as the item.
void RemoveFields(const Message& message, const FieldSet& fields, Json* object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_APPLY_H_
