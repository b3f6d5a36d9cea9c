// What the scheduler writes to the API server: one function a kind of write, each blocking until it
// is answered. Any thread.
#ifndef KEELSON_APISERVER_SCHEDULER_WRITES_H_
#define KEELSON_APISERVER_SCHEDULER_WRITES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/scheduler/pod.h"
#include "apiserver/scheduler/volumes.h"

namespace keelson::scheduler {

// The pod as an Event's subject.
api::Json Reference(const Pod& pod);

absl::Status BindPod(runtime::ApiClient* client, const Pod& pod, const std::string& node);

// The condition PodScheduled=False, and the node that the pod was promised, if that changes.
struct RefusalNote {
  std::string reason;  // Unschedulable, SchedulerError
  std::string message;
  std::optional<std::string> nominated = {};  // "": none any more
};
absl::Status NoteRefusal(runtime::ApiClient* client, const Pod& pod, const RefusalNote& note,
                         absl::Time now);
absl::Status ClearNomination(runtime::ApiClient* client, const Pod& pod);

// Tells the victim why, then deletes it with its grace. OK if it is gone already.
absl::Status Evict(runtime::ApiClient* client, const Pod& victim, std::string_view scheduler,
                   absl::Time now);

// Gives volumes to their claims, and claims their node to be provisioned on.
absl::Status WriteVolumes(runtime::ApiClient* client, const VolumePlan& plan,
                          const std::string& node);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_WRITES_H_
