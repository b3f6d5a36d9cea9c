// Checks that kinds of several groups share, with kube-apiserver's texts; field_checks.h has those
// of single values.
#ifndef KEELSON_APISERVER_API_KINDS_GROUP_CHECKS_H_
#define KEELSON_APISERVER_API_KINDS_GROUP_CHECKS_H_

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// What stands at `path`; null if nothing does.
const Json& ValueAt(const Json& object, std::string_view path);

// These members of `map`, which stands at `path`, must not be negative where they are there.
void CheckNoneNegative(const Json& map, std::initializer_list<std::string_view> fields,
                       std::string_view path, FieldErrors& errors);
// One of these texts; an empty one is not supported either.
void CheckSupported(std::string_view text, std::initializer_list<std::string_view> supported,
                    std::string_view path, FieldErrors& errors);
// What stands at `path` of the object must be what it was.
void CheckImmutable(const Json& object, const Json& old, std::string_view path,
                    FieldErrors& errors);
// status.collisionCount only grows.
void CheckCollisionCount(const Json& object, const Json& old, FieldErrors& errors);

// A number of pods, or a share of them as "25%".
void CheckIntOrPercent(const Json& value, std::string_view path, FieldErrors& errors);
void CheckNotOverAllPercent(const Json& value, std::string_view path, FieldErrors& errors);
// The number, or what stands before the percent sign; 0 for anything else.
int64_t IntOrPercent(const Json& value);

// What can be part of a path of the API: names of roles, kinds.
void CheckPathSegment(std::string_view value, std::string_view path, FieldErrors& errors);
// "acme.io/foo"
void CheckDomainPrefixedPath(std::string_view value, std::string_view path, FieldErrors& errors);

// {apiGroup, kind, name}: an object in the same namespace.
void ValidateTypedReference(const Json& reference, std::string_view path, FieldErrors& errors);

// A list of conditions as new kinds have it: {type, status, reason, message, lastTransitionTime}.
void CheckConditions(const Json& conditions, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_GROUP_CHECKS_H_
