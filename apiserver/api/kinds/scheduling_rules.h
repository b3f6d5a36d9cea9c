// What a pod spec says about where it may run, beside what pod_spec.h shares with other kinds.
#ifndef KEELSON_APISERVER_API_KINDS_SCHEDULING_RULES_H_
#define KEELSON_APISERVER_API_KINDS_SCHEDULING_RULES_H_

#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

void ValidateAffinity(const Json& affinity, std::string_view path, FieldErrors& errors);
void ValidateTopologySpread(const Json& constraints, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_SCHEDULING_RULES_H_
