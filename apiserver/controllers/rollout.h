// The arithmetic of rollouts: how many replicas which ReplicaSet of a Deployment may have next.
// Pure: numbers in, numbers out.
#ifndef KEELSON_APISERVER_CONTROLLERS_ROLLOUT_H_
#define KEELSON_APISERVER_CONTROLLERS_ROLLOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apiserver/api/json.h"

namespace keelson::controllers {

// What counts of a ReplicaSet.
struct SetSize {
  int64_t replicas = 0;            // asked for
  int64_t available = 0;           // of those there are
  int64_t max_before_scaling = 0;  // its annotation max-replicas; 0: unknown
};

// What a Deployment allows during an update.
struct Leeway {
  int64_t surge = 0;        // more than asked for
  int64_t unavailable = 0;  // fewer available than asked for
};
// From maxSurge and maxUnavailable (numbers or percents; absent ones are 0). With both 0 by
// rounding one may be unavailable.
Leeway LeewayOf(const api::Json& rolling_update, int64_t wanted);

// How many the new set may have now.
int64_t NewSetSize(int64_t wanted, const Leeway& leeway, int64_t new_size, int64_t total);
// The sizes of the old sets after the next step, in their order (oldest first): first what is not
// available goes, then as many as may.
std::vector<int64_t> ShrinkOldSets(int64_t wanted, const Leeway& leeway, const SetSize& new_set,
                                   const std::vector<SetSize>& old_sets);
// A Deployment was scaled in the middle of an update: the sizes of the active sets afterwards, in
// their order: largest first, and the newer one of two alike first if it grows, the older one if it
// shrinks. `existing`: the replicas its status has.
std::vector<int64_t> ScaleInProportion(int64_t wanted, const Leeway& leeway, int64_t existing,
                                       const std::vector<SetSize>& active_sets);

// Names what a pod template is: eight to ten letters and digits.
std::string TemplateHash(const api::Json& pod_template, int64_t collisions);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_ROLLOUT_H_
