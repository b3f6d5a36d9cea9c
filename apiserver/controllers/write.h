// How controllers write: patches against what they saw, owner references, conditions, and calls in
// growing batches.
#ifndef KEELSON_APISERVER_CONTROLLERS_WRITE_H_
#define KEELSON_APISERVER_CONTROLLERS_WRITE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"

namespace keelson::controllers {

// The merge patch that makes `to` of `from`.
api::Json MergePatch(const api::Json& from, const api::Json& to);
// Equal, where null, empty lists and empty maps are as good as absent.
bool SameMeaning(const api::Json& a, const api::Json& b);

// Whether the patch must find the object as it was seen, or only the same object.
enum class Condition { kSameVersion, kSameObject };
// Writes what differs; gives the object as it is then. Does nothing where nothing differs.
absl::StatusOr<api::Json> PatchObject(runtime::ApiClient* client, const runtime::Resource& resource,
                                      const api::Json& seen, const api::Json& wanted,
                                      Condition condition);
// The same for the status of the object, as it was seen: parts of two statuses make no third.
absl::Status PatchStatus(runtime::ApiClient* client, const runtime::Resource& resource,
                         const api::Json& seen, const api::Json& wanted_status);

// Nothing can be created in the namespace any more, for it is being deleted.
bool NamespaceIsEnding(const absl::Status& status);

// A reference by which `owner` controls an object.
api::Json ControllerReference(const api::Json& owner);
// {metadata, spec} of a pod template as a pod that `owner` controls, named after it.
api::Json PodFromTemplate(const api::Json& pod_template, const api::Json& owner);

// In the list `conditions` of a status: sets what is said of `type`; true if anything has changed.
// The transition time changes with the status only.
struct NewCondition {
  std::string type;
  std::string status;
  std::string reason;
  std::string message;
};
bool SetCondition(api::Json* conditions, const NewCondition& condition, absl::Time now);
void RemoveCondition(api::Json* conditions, std::string_view type);

// Calls `one` `count` times, in batches of 1, 2, 4, 8 ... at once, until a batch has an error.
// Gives how many succeeded and the first error.
struct BatchResult {
  int done = 0;
  absl::Status error;
};
BatchResult InGrowingBatches(int count, const std::function<absl::Status(int index)>& one);
// All of them, some at once. The first error.
absl::Status Everywhere(int count, const std::function<absl::Status(int index)>& one);

// "25%" of `total`, or a number.
int64_t ScaledValue(const api::Json& number_or_percent, int64_t total, bool round_up);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_WRITE_H_
