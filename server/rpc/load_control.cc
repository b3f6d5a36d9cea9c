#include "server/rpc/load_control.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::rpc {
namespace {

constexpr std::array<const char*, kLanes> kNames = {"vital", "lease", "write",
                                                    "read",  "range", "stream"};
constexpr std::array<Lane, kLanes> kAll = {Lane::kVital, Lane::kLease, Lane::kWrite,
                                           Lane::kRead,  Lane::kRange, Lane::kStream};
// Calls let in, and passed over, by one Pump; the loop has others to serve.
constexpr int kAdmittedAtOnce = 256;
constexpr int kPassedOverMax = 256;
// A partial request up to this size is always let grow: it is no more than the call itself costs.
constexpr uint64_t kPartialFree = 16 << 10;

}  // namespace

const char* LaneName(Lane lane) { return kNames[static_cast<size_t>(lane)]; }

bool LoadControl::HasRoom(Lane lane, const Guest& guest, uint64_t bytes) const {
  const LaneState& now = state(lane);
  const LaneLimits& limits = limits_[lane];
  if (now.running >= limits.running_max || now.unsent.queued_bytes > limits.unsent_bytes_max) {
    return false;
  }
  if (now.running > 0 && now.running_bytes + bytes > limits.running_bytes_max) return false;
  // One connection alone cannot be in anybody's way.
  return now.unsent.queued_bytes <= limits.connection_unsent_bytes_max ||
         guest.connection_unsent_bytes() <= limits.connection_unsent_bytes_max;
}

void LoadControl::Run(Guest* guest, Lane lane, uint64_t bytes) {
  guest->state_ = Guest::State::kRunning;
  guest->bytes_ = bytes;
  ++At(lane).running;
  At(lane).running_bytes += bytes;
}

LoadControl::Entry LoadControl::Enter(Guest* guest, Lane lane, uint64_t bytes, absl::Duration now) {
  KV_CHECK(guest->state_ == Guest::State::kOut);
  guest->lane_ = lane;
  LaneState& lane_now = At(lane);
  if (lane_now.waiting == 0 && HasRoom(lane, *guest, bytes)) {
    Run(guest, lane, bytes);
    return Entry::kRuns;
  }
  const LaneLimits& limits = limits_[lane];
  if (lane_now.waiting >= limits.waiting_max ||
      lane_now.waiting_bytes + bytes > limits.waiting_bytes_max) {
    ++lane_now.refused_total;
    return Entry::kRefused;
  }
  guest->state_ = Guest::State::kWaiting;
  guest->bytes_ = bytes;
  guest->waiting_since_ = now;
  LaneLists& lane_lists = lists(lane);
  guest->waiting_of_ = guest->connection();
  const uint64_t ahead = lane_lists.waiting_each[guest->waiting_of_]++;
  guest->place_ = lane_lists.waiting.emplace(lane_lists.turn + ahead, guest);
  ++lane_now.waiting;
  lane_now.waiting_bytes += bytes;
  ++lane_now.queued_total;
  wake_();
  return Entry::kWaits;
}

void LoadControl::StopWaiting(Guest* guest) {
  LaneLists& lane_lists = lists(guest->lane_);
  lane_lists.waiting.erase(guest->place_);
  const auto each = lane_lists.waiting_each.find(guest->waiting_of_);
  if (--each->second == 0) lane_lists.waiting_each.erase(each);
  --At(guest->lane_).waiting;
  At(guest->lane_).waiting_bytes -= guest->bytes_;
  guest->state_ = Guest::State::kOut;
  std::replace(told_.begin(), told_.end(), guest, static_cast<Guest*>(nullptr));
}

void LoadControl::Leave(Guest* guest) {
  if (guest->state_ == Guest::State::kWaiting) return StopWaiting(guest);
  if (guest->state_ == Guest::State::kOut) return;
  guest->state_ = Guest::State::kOut;
  LaneState& lane_now = At(guest->lane_);
  --lane_now.running;
  lane_now.running_bytes -= guest->bytes_;
  if (lane_now.waiting > 0) wake_();
}

void LoadControl::ListUnsent(Guest* guest, absl::Duration now) {
  if (guest->listed_) return;
  guest->listed_ = true;
  guest->taken_seen_ = guest->taken_bytes();
  guest->taken_at_ = now;
  std::list<Guest*>& unsent = lists(guest->lane_).unsent;
  guest->unsent_place_ = unsent.insert(unsent.end(), guest);
  if (unsent.size() == 1) wake_();
}

void LoadControl::UnlistUnsent(Guest* guest) {
  if (!std::exchange(guest->listed_, false)) return;
  lists(guest->lane_).unsent.erase(guest->unsent_place_);
  std::replace(told_.begin(), told_.end(), guest, static_cast<Guest*>(nullptr));
}

bool LoadControl::Congested(Guest* guest, absl::Duration now) {
  if (!OverUnsent(guest->lane_)) return false;
  const uint64_t unsent = state(guest->lane_).unsent.queued_bytes;
  if (guest->unsent_bytes() == 0 && unsent / 2 <= limits_[guest->lane_].unsent_bytes_max) {
    return false;
  }
  guest->paused_ = true;
  ListUnsent(guest, now);
  return true;
}

bool LoadControl::CountPartial(uint64_t before, uint64_t bytes) {
  const uint64_t others = partial_bytes_ - before;
  if (bytes > before && bytes > kPartialFree && others + bytes > limits_.partial_bytes_max) {
    return false;
  }
  partial_bytes_ = others + bytes;
  return true;
}

void LoadControl::Pump() {
  for (const Lane lane : kAll) {
    if (state(lane).waiting > 0) PumpLane(lane);
  }
}

void LoadControl::PumpLane(Lane lane) {
  std::multimap<uint64_t, Guest*>& waiting = lists(lane).waiting;
  int admitted = 0;
  int passed_over = 0;
  auto it = waiting.begin();
  while (it != waiting.end() && passed_over < kPassedOverMax) {
    Guest* const guest = it->second;
    const uint64_t turn = (it++)->first;
    if (!HasRoom(lane, *guest, guest->bytes_)) {
      if (guest->connection_unsent_bytes() <= limits_[lane].connection_unsent_bytes_max) return;
      ++passed_over;
      continue;
    }
    lists(lane).turn = std::max(lists(lane).turn, turn + 1);
    StopWaiting(guest);
    Run(guest, lane, guest->bytes_);
    guest->OnAdmitted();
    // What it did may have changed the line: the rest is looked at anew.
    it = waiting.begin();
    passed_over = 0;
    if (++admitted == kAdmittedAtOnce) return wake_();
  }
}

void LoadControl::Sweep(absl::Duration now) {
  for (const Lane lane : kAll) {
    SweepWaiting(lane, now);
    ShedStalled(lane, now);
    ResumePaused(lane, now);
  }
  Pump();
}

void LoadControl::SweepWaiting(Lane lane, absl::Duration now) {
  for (const auto& [turn, guest] : lists(lane).waiting) {
    if (now - guest->waiting_since_ >= limits_[lane].wait_max) told_.push_back(guest);
  }
  RefuseTold(lane);
}

void LoadControl::RefuseWaiting(Lane lane, const void* connection) {
  for (const auto& [turn, guest] : lists(lane).waiting) {
    if (guest->waiting_of_ == connection) told_.push_back(guest);
  }
  RefuseTold(lane);
}

// Calls may end while others are told.
void LoadControl::RefuseTold(Lane lane) {
  for (size_t i = 0; i < told_.size(); ++i) {
    Guest* const guest = told_[i];
    if (guest == nullptr || guest->state_ != Guest::State::kWaiting) continue;
    StopWaiting(guest);
    ++At(lane).refused_total;
    guest->OnRefused();
  }
  told_.clear();
}

void LoadControl::ShedStalled(Lane lane, absl::Duration now) {
  for (Guest* const guest : lists(lane).unsent) {
    if (guest->taken_seen_ != guest->taken_bytes() || guest->unsent_bytes() == 0) {
      guest->taken_seen_ = guest->taken_bytes();
      guest->taken_at_ = now;
    } else if (OverUnsent(lane) && now - guest->taken_at_ >= limits_.stalled_max) {
      told_.push_back(guest);
    }
  }
  std::vector<const void*> lazy;
  for (size_t i = 0; i < told_.size() && OverUnsent(lane); ++i) {
    if (told_[i] == nullptr) continue;
    ++At(lane).shed_total;
    lazy.push_back(told_[i]->connection());
    told_[i]->OnShed();
  }
  told_.clear();
  for (const void* const connection : lazy) RefuseWaiting(lane, connection);
}

void LoadControl::ResumePaused(Lane lane, absl::Duration now) {
  for (Guest* const guest : lists(lane).unsent) {
    if (guest->paused_) told_.push_back(guest);
  }
  for (size_t i = 0; i < told_.size(); ++i) {
    if (told_[i] == nullptr) continue;
    told_[i]->paused_ = false;
    if (!Congested(told_[i], now)) told_[i]->OnUncongested();
  }
  told_.clear();
}

bool LoadControl::busy() const {
  for (const LaneLists& lane : lists_) {
    if (!lane.waiting.empty() || !lane.unsent.empty()) return true;
  }
  return false;
}

bool LoadControl::waiting() const {
  return std::any_of(states_.begin(), states_.end(),
                     [](const LaneState& lane) { return lane.waiting > 0; });
}

}  // namespace keelson::rpc
