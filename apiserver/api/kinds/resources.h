// Names and amounts of resources: cpu, memory, what quotas count, what nodes offer beside.
#ifndef KEELSON_APISERVER_API_KINDS_RESOURCES_H_
#define KEELSON_APISERVER_API_KINDS_RESOURCES_H_

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"
#include "apiserver/api/quantity.h"

namespace keelson::api {

using ResourceAmounts = std::map<std::string, Quantity>;

// Without a prefix, or with one of kubernetes.io.
bool IsNativeResource(std::string_view name);
bool IsHugePages(std::string_view name);
// example.com/gpu: counted in whole pieces, never promised twice.
bool IsExtendedResource(std::string_view name);
bool IsQuotaResource(std::string_view name);  // what a quota knows without a prefix
// What limits may exceed requests of.
bool IsOvercommitAllowed(std::string_view name);

// A qualified name, and a known one where it has no prefix.
void ValidateResourceName(std::string_view name, std::string_view path, FieldErrors& errors);
void ValidateContainerResourceName(std::string_view name, std::string_view path,
                                   FieldErrors& errors);
void ValidateQuotaResourceName(std::string_view name, std::string_view path, FieldErrors& errors);
// Not negative, and whole for what is counted.
void ValidateResourceAmount(std::string_view name, const Json& amount, std::string_view path,
                            FieldErrors& errors);
// {limits, requests, claims} of a container. `claims`: names of the pod's resource claims.
void ValidateResourceRequirements(const Json& requirements, const std::set<std::string>& claims,
                                  std::string_view path, FieldErrors& errors);

// One amount of a map {name: quantity}, 0 for what is not there; all of them; and sums of such.
Quantity AmountAt(const Json& amounts, std::string_view name);
ResourceAmounts AmountsOf(const Json& amounts);
void AddAmounts(const ResourceAmounts& more, ResourceAmounts* sum);
// What a pod asks for, or may use, at its worst moment: containers and sidecars together, or an
// init container with the sidecars before it; and its overhead. `field`: "requests" or "limits".
ResourceAmounts PodAmounts(const Json& pod_spec, std::string_view field);
// Guaranteed, Burstable or BestEffort.
std::string_view QosClassOf(const Json& pod_spec);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_RESOURCES_H_
