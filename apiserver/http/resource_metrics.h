// ResourceMetrics: serves metrics.k8s.io, what pods and nodes use now, for `kubectl top` and the
// autoscaler. It asks the kubelets' /metrics/resource when somebody asks it. The counters of CPU
// time are read twice; answers are remembered for some seconds, so that many who ask cost no more
// than one.
//
// Thread-safe; Serve blocks its worker while kubelets answer.
#ifndef KEELSON_APISERVER_HTTP_RESOURCE_METRICS_H_
#define KEELSON_APISERVER_HTTP_RESOURCE_METRICS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "apiserver/api/kind.h"
#include "apiserver/http/exchange.h"
#include "apiserver/registry/registry.h"

namespace keelson::apiserver {

class ResourceMetrics {
 public:
  explicit ResourceMetrics(registry::Registry* registry);
  ~ResourceMetrics();

  // GET of one or of all. What no kubelet told of, or not yet twice, is left out of lists.
  // NotFound: such a one; TooManyRequests: too many wait already.
  absl::StatusOr<ApiResponse> Serve(const api::Kind& kind, const ApiRequest& request);

 private:
  class Scraper;
  registry::Registry* const registry_;
  const std::unique_ptr<Scraper> scraper_;
};

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_RESOURCE_METRICS_H_
