// The containers of a pod: initialization, the pod's own, and ephemeral ones.
#ifndef KEELSON_APISERVER_API_KINDS_CONTAINERS_H_
#define KEELSON_APISERVER_API_KINDS_CONTAINERS_H_

#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kinds/pod_spec.h"

namespace keelson::api {

// All lists of containers of the pod spec at `path`.
void ValidateContainers(const Json& spec, std::string_view path, FieldErrors& errors,
                        const PodSpecOwner& owner);
void ValidateSecurityContext(const Json& context, bool host_users, std::string_view path,
                             FieldErrors& errors);
// Parts that pods and containers have alike.
void ValidateSeccompProfile(const Json* profile, std::string_view path, FieldErrors& errors);
void ValidateAppArmorProfile(const Json* profile, std::string_view path, FieldErrors& errors);
void ValidateUserAndGroup(const Json& context, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_CONTAINERS_H_
