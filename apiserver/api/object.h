// Looking into objects by path. A path is field names joined by dots: "spec.template.metadata".
// Names that have dots themselves (keys of labels, annotations, resources) are looked up in the
// map that holds them. Nothing here throws, whatever the object looks like: what is absent, null
// or of another type is as if it were not there.
#ifndef KEELSON_APISERVER_API_OBJECT_H_
#define KEELSON_APISERVER_API_OBJECT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::api {

// nullptr: absent or null.
const Json* Find(const Json& object, std::string_view path);
Json* Find(Json& object, std::string_view path);
// The member of one map, by its whole name.
const Json* Member(const Json& map, std::string_view name);

// An empty string, 0, false, an empty array or object for what is not there.
const std::string& TextAt(const Json& object, std::string_view path);
int64_t NumberAt(const Json& object, std::string_view path, int64_t otherwise = 0);
bool FlagAt(const Json& object, std::string_view path, bool otherwise = false);
const Json& ArrayAt(const Json& object, std::string_view path);
const Json& MapAt(const Json& object, std::string_view path);

// Makes the objects on the way, in place of anything else that is there, and gives the place.
Json& Make(Json& object, std::string_view path);
// Sets it if it is absent or null.
void SetDefault(Json& object, std::string_view path, Json value);
void Erase(Json& object, std::string_view path);
// Makes what `to` has there what `from` has: nothing, where that has nothing.
void Carry(const Json& from, Json& to, std::string_view path);

// Of the metadata.
const std::string& NameOf(const Json& object);
const std::string& NamespaceOf(const Json& object);
const std::string& UidOf(const Json& object);
const Json& LabelsOf(const Json& object);
const Json& AnnotationsOf(const Json& object);
// 0: none, or not a number.
uint64_t ResourceVersionOf(const Json& object);
bool IsBeingDeleted(const Json& object);  // metadata.deletionTimestamp is set
bool HasFinalizer(const Json& object, std::string_view name);
// The owner reference with controller: true; nullptr: none.
const Json* ControllerOf(const Json& object);
// "namespace/name", or "name".
std::string KeyOf(const Json& object);

// status.conditions, or another list of {type, status, ...}. nullptr: none of that type.
const Json* FindCondition(const Json& object, std::string_view type);
bool ConditionIsTrue(const Json& object, std::string_view type);

// A random UUID (version 4).
std::string MakeUid();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_OBJECT_H_
