// SpaceGuard: whether a command that adds to the store is taken now, a little later, or not at all.
// The quota is measured on what the store holds; from 90 % on, writers are slowed down so that the
// room left would last a minute, which gives compactions, and whoever watches, time to make room
// before the alarm ends all writing. A disk that runs full is met in the same way, with a reserve
// instead of a quota: what is refused is refused before it costs anything.
//
// Values in, values out; the caller measures and waits. Thread: the executor's.
#ifndef KEELSON_SERVER_SPACE_GUARD_H_
#define KEELSON_SERVER_SPACE_GUARD_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace keelson::server {

struct SpaceOptions {
  int64_t quota_bytes = 0;  // <= 0: none
  // Free bytes of the disk that are left to what is always taken (deletions, compactions, votes,
  // alarms) and to the store's own flushes.
  uint64_t disk_reserve_bytes = 96 << 20;
};

class SpaceGuard {
 public:
  // From this share of the quota on, and as long as the disk has less than twice its reserve,
  // writers are slowed down…
  static constexpr double kSlowFrom = 0.9;
  // … to a rate at which the room left lasts this long …
  static constexpr absl::Duration kRoomLasts = absl::Minutes(1);
  // … but no command waits longer than this.
  static constexpr absl::Duration kWaitMax = absl::Seconds(1);

  explicit SpaceGuard(const SpaceOptions& options) : options_(options) {}

  // The store's size in use. To be told several times a second; what has landed in it since is
  // reckoned by its cost.
  void OnMeasured(uint64_t bytes_in_use) {
    measured_ = bytes_in_use;
    landed_ = 0;
  }
  // A command that was taken has been carried out, or will not be.
  void OnDone(uint64_t cost) {
    in_flight_ -= cost;
    landed_ += cost;
  }
  // Bytes free on the fullest of the member's disks, and those that the store holds in memory and
  // is to write there. What is taken after that is reckoned twice, once for the log.
  void OnDiskFree(uint64_t bytes, uint64_t unflushed) {
    disk_free_ = bytes - std::min(bytes, unflushed);
    disk_taken_ = 0;
  }
  // The log or the store has failed for want of space (true), or goes on again.
  void OnDiskFull(bool full) { disk_full_ = full; }

  enum class Answer : uint8_t {
    kTake,         // after `wait`
    kOverQuota,    // refuse, and raise the alarm
    kNoDiskSpace,  // refuse; it passes by itself
  };
  struct Verdict {
    Answer answer = Answer::kTake;
    absl::Duration wait;
  };
  // Once taken, OnDone is to follow.
  Verdict Ask(uint64_t cost, absl::Duration now);

  bool over_quota() const { return has_quota() && in_use() >= quota(); }
  bool near_quota() const {
    return has_quota() && static_cast<double>(in_use()) >= kSlowFrom * static_cast<double>(quota());
  }
  bool out_of_disk() const { return disk_full_ || disk_free() < options_.disk_reserve_bytes; }

 private:
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  bool has_quota() const { return options_.quota_bytes > 0; }
  uint64_t quota() const { return static_cast<uint64_t>(options_.quota_bytes); }
  uint64_t in_use() const { return measured_ + landed_ + in_flight_; }
  uint64_t disk_free() const { return disk_free_ - std::min(disk_free_, disk_taken_); }
  // Bytes that may still be added where room is scarce; kUnlimited where it is not.
  uint64_t ScarceRoom() const;

  const SpaceOptions options_;
  uint64_t measured_ = 0;
  uint64_t in_flight_ = 0;  // costs of what was taken and is not done
  uint64_t landed_ = 0;     // … done since the measurement
  uint64_t disk_free_ = kUnlimited;
  uint64_t disk_taken_ = 0;  // of it, since
  bool disk_full_ = false;
  absl::Duration next_ = -absl::InfiniteDuration();  // when the next command may go
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SPACE_GUARD_H_
