// Volumes whose files are made of other objects: secrets, config maps, the pod itself.
#ifndef KEELSON_APISERVER_API_KINDS_VOLUME_FILES_H_
#define KEELSON_APISERVER_API_KINDS_VOLUME_FILES_H_

#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// {defaultMode, items} of a secret or a config map.
void ValidateKeyFiles(const Json& source, std::string_view path, FieldErrors& errors);
// {defaultMode, items} of what the pod says of itself.
void ValidateDownwardFiles(const Json& source, std::string_view path, FieldErrors& errors);
// {defaultMode, sources} of several of these in one directory.
void ValidateProjectedFiles(const Json& source, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_VOLUME_FILES_H_
