// How many replicas a HorizontalPodAutoscaler wants: from what its pods use, and how fast it may
// come there. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_DECIDE_H_
#define KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_DECIDE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::controllers {

// A pod of the target, as far as one metric is concerned. Amounts are thousandths.
struct PodLoad {
  std::optional<int64_t> used;  // nullopt: nobody has measured it
  int64_t requested = 0;
  bool unready = false;  // it has not come up yet: its load tells nothing
};

// Utilization in percent of what is requested, or an average amount.
struct LoadTarget {
  bool is_utilization = true;
  int64_t value = 0;
};
struct LoadVerdict {
  int64_t replicas = 0;
  int64_t average = 0;      // thousandths a pod
  int64_t utilization = 0;  // percent; of is_utilization
};
// nullopt: no pod was measured, or one requests nothing where a share of that is asked for.
std::optional<LoadVerdict> JudgeLoad(const std::vector<PodLoad>& pods, const LoadTarget& target,
                                     int64_t current);

// What has happened and been recommended, newest last.
struct ScaleHistory {
  struct Entry {
    absl::Time at;
    int64_t value;  // replicas recommended, or by how many it was changed
  };
  std::vector<Entry> recommended;
  std::vector<Entry> changed;
};
// `wanted` after the rules of spec.behavior (or the usual ones), and why it is another: a reason of
// the condition ScalingLimited or AbleToScale; "": it is not. Notes `wanted` in the history.
struct Limited {
  int64_t replicas = 0;
  std::string reason;
  std::string message;
};
Limited LimitScaling(const api::Json& autoscaler, int64_t current, int64_t wanted,
                     ScaleHistory* history, absl::Time now);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_AUTOSCALE_DECIDE_H_
