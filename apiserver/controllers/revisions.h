// ControllerRevisions: the pod templates that a StatefulSet or DaemonSet has had.
#ifndef KEELSON_APISERVER_CONTROLLERS_REVISIONS_H_
#define KEELSON_APISERVER_CONTROLLERS_REVISIONS_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/informer.h"

namespace keelson::controllers {

// What a revision keeps: a strategic merge patch that gives the owner this template back.
api::Json RevisionData(const api::Json& owner);

// The revision of the owner's present template among `known`, made if there is none and given the
// highest number if it has not that already. *collisions grows where two templates have one name.
absl::StatusOr<api::Json> PresentRevision(runtime::ApiClient* client, const api::Json& owner,
                                          const std::vector<runtime::Object>& known,
                                          int64_t* collisions);
// The template that a revision keeps.
const api::Json& TemplateOf(const api::Json& revision);
// Deletes the oldest of those that no pod has, as far as they are more than `limit`.
absl::Status TrimRevisions(runtime::ApiClient* client, const std::vector<runtime::Object>& known,
                           const std::set<std::string>& in_use, int64_t limit);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_REVISIONS_H_
