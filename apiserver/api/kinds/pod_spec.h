// Pods and what pods are made from, for all kinds that hold a pod template.
#ifndef KEELSON_APISERVER_API_KINDS_POD_SPEC_H_
#define KEELSON_APISERVER_API_KINDS_POD_SPEC_H_

#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// What a template and a pod have in common; Pod alone gets more (requests from limits, service
// links).
void SetPodTemplateDefaults(Json& pod_template);
// {metadata, spec} at `path`. restartPolicy is left to the caller: Always, but for jobs.
void ValidatePodTemplate(const Json& pod_template, std::string_view path, FieldErrors& errors);
void ValidatePodSpec(const Json& spec, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_POD_SPEC_H_
