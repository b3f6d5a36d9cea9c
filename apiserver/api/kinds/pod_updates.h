// What may change of a pod once it is there, by the ways there are to change it.
#ifndef KEELSON_APISERVER_API_KINDS_POD_UPDATES_H_
#define KEELSON_APISERVER_API_KINDS_POD_UPDATES_H_

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

void ValidatePodUpdate(const Json& pod, const Json& old, FieldErrors& errors);
void ValidatePodStatusUpdate(const Json& pod, const Json& old, FieldErrors& errors);

// Of what a client sends, only this is taken.
void PrepareEphemeralContainersUpdate(Json& pod, const Json& old);
void ValidateEphemeralContainersUpdate(const Json& pod, const Json& old, FieldErrors& errors);
void PreparePodResize(Json& pod, const Json& old);
void ValidatePodResize(const Json& pod, const Json& old, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_POD_UPDATES_H_
