// What is run in or asked of a container while it lives: probes and hooks.
#ifndef KEELSON_APISERVER_API_KINDS_CONTAINER_HANDLERS_H_
#define KEELSON_APISERVER_API_KINDS_CONTAINER_HANDLERS_H_

#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// lifecycle and the three probes.
void ValidateHandlers(const Json& container, const Json& pod_spec, std::string_view path,
                      FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_CONTAINER_HANDLERS_H_
