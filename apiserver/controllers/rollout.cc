#include "apiserver/controllers/rollout.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apiserver/api/object.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"

namespace keelson::controllers {

using api::Json;

Leeway LeewayOf(const Json& rolling_update, int64_t wanted) {
  const auto value = [&](std::string_view name, bool round_up) -> int64_t {
    const Json* found = api::Member(rolling_update, name);
    return found == nullptr ? 0 : std::max<int64_t>(0, ScaledValue(*found, wanted, round_up));
  };
  Leeway leeway{.surge = value("maxSurge", true), .unavailable = value("maxUnavailable", false)};
  if (leeway.surge == 0 && leeway.unavailable == 0) leeway.unavailable = 1;
  leeway.unavailable = std::min(leeway.unavailable, wanted);
  return leeway;
}

int64_t NewSetSize(int64_t wanted, const Leeway& leeway, int64_t new_size, int64_t total) {
  if (new_size >= wanted) return wanted;
  const int64_t room = wanted + leeway.surge - total;
  if (room <= 0) return new_size;
  return new_size + std::min(room, wanted - new_size);
}

std::vector<int64_t> ShrinkOldSets(int64_t wanted, const Leeway& leeway, const SetSize& new_set,
                                   const std::vector<SetSize>& old_sets) {
  std::vector<int64_t> sizes;
  int64_t total = new_set.replicas;
  int64_t available = new_set.available;
  for (const SetSize& old : old_sets) {
    sizes.push_back(old.replicas);
    total += old.replicas;
    available += old.available;
  }
  const int64_t available_min = wanted - leeway.unavailable;
  const int64_t may_go = total - available_min - (new_set.replicas - new_set.available);
  if (may_go <= 0) return sizes;

  int64_t gone = 0;
  for (size_t i = 0; i < sizes.size() && gone < may_go; ++i) {
    const int64_t unhealthy = sizes[i] - old_sets[i].available;
    if (sizes[i] == 0 || unhealthy <= 0) continue;
    const int64_t shrink = std::min(may_go - gone, unhealthy);
    sizes[i] -= shrink;
    gone += shrink;
  }
  const int64_t surplus = available - available_min;
  gone = 0;
  for (size_t i = 0; i < sizes.size() && gone < surplus; ++i) {
    const int64_t shrink = std::min(sizes[i], surplus - gone);
    sizes[i] -= shrink;
    gone += shrink;
  }
  return sizes;
}

std::vector<int64_t> ScaleInProportion(int64_t wanted, const Leeway& leeway, int64_t existing,
                                       const std::vector<SetSize>& active_sets) {
  int64_t total = 0;
  for (const SetSize& set : active_sets) total += set.replicas;
  const int64_t allowed = wanted > 0 ? wanted + leeway.surge : 0;
  const int64_t to_add = allowed - total;
  int64_t added = 0;
  std::vector<int64_t> sizes;
  for (const SetSize& set : active_sets) {
    int64_t share = 0;
    if (set.replicas != 0 && to_add != 0 && to_add != added) {
      if (wanted == 0) {
        share = -set.replicas;
      } else if (const int64_t before =
                     set.max_before_scaling > 0 ? set.max_before_scaling : existing;
                 before > 0) {
        const double size = static_cast<double>(set.replicas * (wanted + leeway.surge)) /
                            static_cast<double>(before);
        share = static_cast<int64_t>(std::floor(size + 0.5)) - set.replicas;
      }
      share = to_add > 0 ? std::min(share, to_add - added) : std::max(share, to_add - added);
    }
    sizes.push_back(set.replicas + share);
    added += share;
  }
  if (to_add != 0 && !sizes.empty()) sizes[0] = std::max<int64_t>(0, sizes[0] + to_add - added);
  return sizes;
}

std::string TemplateHash(const Json& pod_template, int64_t collisions) {
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  uint32_t hash = 2166136261;
  std::string text = pod_template.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (collisions > 0) Append(&text, collisions);
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  }
  std::string name;
  for (const char digit : std::to_string(hash)) name.push_back(kLetters[digit % kLetters.size()]);
  return name;
}

}  // namespace keelson::controllers
