// PodHandlers: what a pod has beside itself: binding, eviction.
//
// Thread: workers.
#ifndef KEELSON_APISERVER_HTTP_POD_HANDLERS_H_
#define KEELSON_APISERVER_HTTP_POD_HANDLERS_H_

#include "absl/status/statusor.h"
#include "apiserver/http/exchange.h"
#include "apiserver/registry/registry.h"

namespace keelson::apiserver {

class PodHandlers {
 public:
  explicit PodHandlers(registry::Registry* registry) : registry_(registry) {}

  // POST of pods/NAME/binding, or of bindings: gives the pod its node, once.
  absl::StatusOr<ApiResponse> Bind(const ApiRequest& request);
  // POST of pods/NAME/eviction: deletes the pod unless a PodDisruptionBudget is against it (429).
  absl::StatusOr<ApiResponse> Evict(const ApiRequest& request);

 private:
  // Takes one of the disruptions that the budgets of `pod` allow. OK: none, or it was taken.
  absl::Status TakeDisruption(const api::Json& pod, bool dry_run, const registry::User& user);

  registry::Registry* const registry_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_POD_HANDLERS_H_
