#include "server/space_guard.h"

#include <algorithm>

namespace keelson::server {

uint64_t SpaceGuard::ScarceRoom() const {
  uint64_t room = kUnlimited;
  if (near_quota()) room = quota() - std::min(quota(), in_use());
  if (disk_free() < 2 * options_.disk_reserve_bytes) {
    room = std::min(room, disk_free() - options_.disk_reserve_bytes);
  }
  return room;
}

SpaceGuard::Verdict SpaceGuard::Ask(uint64_t cost, absl::Duration now) {
  if (out_of_disk()) return {Answer::kNoDiskSpace, absl::ZeroDuration()};
  if (has_quota() && in_use() + cost >= quota()) return {Answer::kOverQuota, absl::ZeroDuration()};
  const uint64_t room = ScarceRoom();
  in_flight_ += cost;
  disk_taken_ += 2 * cost;
  if (room == kUnlimited) return {};
  // The room is not 0: else one of the above has answered, but for a disk at exactly its reserve.
  const double share = static_cast<double>(cost) / static_cast<double>(std::max<uint64_t>(room, 1));
  next_ = std::min(std::max(next_, now) + share * kRoomLasts, now + kWaitMax);
  return {Answer::kTake, next_ - now};
}

}  // namespace keelson::server
