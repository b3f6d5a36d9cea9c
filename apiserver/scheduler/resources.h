// Resources: amounts of cpu, memory, ephemeral storage and whatever else nodes offer and pods ask
// for. A value; any thread.
#ifndef KEELSON_APISERVER_SCHEDULER_RESOURCES_H_
#define KEELSON_APISERVER_SCHEDULER_RESOURCES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::scheduler {

struct Resources {
  int64_t milli_cpu = 0;
  int64_t memory = 0;
  int64_t ephemeral_storage = 0;
  // Huge pages and extended resources, ordered by name.
  std::vector<std::pair<std::string, int64_t>> others = {};

  int64_t Other(std::string_view name) const;  // 0: none
  void Add(const Resources& more);
  void Subtract(const Resources& less);
  void RaiseTo(const Resources& least);  // each amount at least this
  bool operator==(const Resources&) const = default;
  bool empty() const {
    return milli_cpu == 0 && memory == 0 && ephemeral_storage == 0 && others.empty();
  }
};

// What the containers that say nothing are taken to need when nodes are scored.
inline constexpr int64_t kAssumedMilliCpu = 100;
inline constexpr int64_t kAssumedMemory = int64_t{200} * 1024 * 1024;

// A map of quantities; "pods" is left out.
Resources ParseResources(const api::Json& map);

struct PodRequests {
  Resources resources;       // what must be free on the node
  int64_t scored_milli_cpu;  // with the assumed needs of containers that say nothing
  int64_t scored_memory;
};
// The larger of what all containers need and what the steps of initialization need, and the
// overhead; sidecars count from their start on.
PodRequests RequestsOf(const api::Json& pod_spec);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_RESOURCES_H_
