// What becomes of nodes that fall silent: their conditions, their taints, and the readiness of
// their pods; and the eviction of pods that do not tolerate a taint.
#ifndef KEELSON_APISERVER_CONTROLLERS_NODE_HEALTH_H_
#define KEELSON_APISERVER_CONTROLLERS_NODE_HEALTH_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

// The taints that a node should have: those it has that are not ours, and those that follow from
// its conditions. `execute`: also the one that evicts, if there is reason for it. Pure.
api::Json TaintsFor(const api::Json& node, bool execute, absl::Time now);

// How fast pods may be evicted from the nodes of a zone, by how many of them are well.
enum class ZoneHealth { kWell, kPartlyIll, kAllIll };
ZoneHealth JudgeZone(int64_t ready, int64_t not_ready);
// Between two nodes that get an evicting taint. Infinite: none gets one.
absl::Duration EvictionPause(ZoneHealth zone, int64_t nodes, bool all_zones_ill);

std::unique_ptr<runtime::Controller> MakeNodeHealthController(
    const runtime::ControllerContext& context);
std::unique_ptr<runtime::Controller> MakeTaintEviction(const runtime::ControllerContext& context);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_NODE_HEALTH_H_
