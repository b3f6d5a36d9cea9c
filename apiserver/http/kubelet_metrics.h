// KubeletMetrics: what the kubelets' /metrics/resource said at one time: of each container the CPU
// time since its start and the memory it uses. Immutable.
#ifndef KEELSON_APISERVER_HTTP_KUBELET_METRICS_H_
#define KEELSON_APISERVER_HTTP_KUBELET_METRICS_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::apiserver {

struct ContainerSample {
  double cpu_seconds = 0;
  int64_t memory_bytes = 0;
  absl::Time at;
};

class KubeletMetrics {
 public:
  // Asks `kubelets` ("10.0.0.1:10250"), many at a time. Those that do not answer within some
  // seconds are left out.
  static std::shared_ptr<const KubeletMetrics> Read(const std::set<std::string>& kubelets);
  static std::string KeyOf(std::string_view name_space, std::string_view pod,
                           std::string_view container);

  absl::Time taken() const { return taken_; }
  bool Answered(const std::string& kubelet) const { return answered_.contains(kubelet); }
  const ContainerSample* Find(const std::string& key) const;
  // Lines of Prometheus' text form; those that are not understood are passed over.
  void Take(std::string_view text);

 private:
  absl::Time taken_ = absl::InfinitePast();
  std::set<std::string> answered_;
  std::unordered_map<std::string, ContainerSample> samples_;
};

// Where a node's kubelet listens, "address:port"; empty: it does not say.
std::string KubeletAddressOf(const api::Json& node);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_KUBELET_METRICS_H_
