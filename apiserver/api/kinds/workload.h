// What the kinds that run pods from a template have in common.
#ifndef KEELSON_APISERVER_API_KINDS_WORKLOAD_H_
#define KEELSON_APISERVER_API_KINDS_WORKLOAD_H_

#include <initializer_list>
#include <string_view>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::api {

// spec.selector must be there and say something; `noun` is how messages name the kind. False: it is
// malformed, which has been said, and need not be compared with anything.
bool CheckWorkloadSelector(const Json& spec, std::string_view noun, FieldErrors& errors);
// The pods made from spec.template must be those that spec.selector selects; an empty selector is
// not compared.
void CheckSelectorMatchesTemplate(const Json& spec, std::string_view path, FieldErrors& errors);
// Pods that are replaced whenever they end: restartPolicy Always, and no deadline. `noun` as above.
void CheckTemplateRunsForever(const Json& spec, std::string_view noun, FieldErrors& errors);
// All of this, and the template itself, for Deployments and ReplicaSets.
void ValidateReplicatedTemplate(const Json& spec, FieldErrors& errors);

// Each of these counts of `status` is at most `limit`, another of its members.
void CheckCountsAtMost(const Json& status, std::initializer_list<std::string_view> counts,
                       std::string_view limit, std::string_view why, FieldErrors& errors);
// The counts of a ReplicaSet's or ReplicationController's status fit each other.
void CheckReplicaCounts(const Json& status, FieldErrors& errors);

// `columns`, and those of the wide form: Containers, Images and Selector.
std::vector<Column> WithTemplateColumns(std::vector<Column> columns);
// Their cells, from spec.template and spec.selector.
void PrintTemplate(const Json& spec, std::vector<Json>* cells);

// status and scale, as subresources.
Subresource StatusSubresource();
Subresource ScaleSubresource();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_WORKLOAD_H_
