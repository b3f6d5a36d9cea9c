// LoadControl: how much of a server's work its clients may have going at once, so that no flood of
// one kind keeps another kind from being answered, and so that memory has a bound.
//
// Every call belongs to a lane. A lane admits so many calls with so many bytes of requests at the
// same time, lets some more wait in line, and refuses the rest at once, before they cost anything.
// A lane whose answers its clients do not read starts nothing new until they do; a client that
// reads nothing at all while others wait for its room is let go.
//
//  1. A call runs, waits or is refused by the state of its own lane alone.
//  2. Of those who wait the connections take turns, each with its own calls in the order in which
//     they came. Those of a connection that leaves more answers unread than its share are passed
//     over until it reads; those of one that is let go for not reading are refused.
//  3. What waits, waits at most LaneLimits::wait_max; then it is refused.
//
// Values in, calls of its Guests out; no clock and no timer: the owner calls Pump soon after `wake`
// and Sweep ten times a second while busy().
//
// Thread: the server's.
#ifndef KEELSON_SERVER_RPC_LOAD_CONTROL_H_
#define KEELSON_SERVER_RPC_LOAD_CONTROL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "http/stream.h"

namespace keelson::rpc {

enum class Lane : uint8_t {
  kVital,   // what operators and automation need when all else is stuck: health, status, alarms
  kLease,   // small commands that others' lives hang on
  kWrite,   // changes of keys
  kRead,    // single keys and short ranges
  kRange,   // reads of any length
  kStream,  // what has no end of its own: watches, keep-alives, waits for a lock
};
inline constexpr size_t kLanes = 6;
// As in metrics: "vital", "lease", ...
const char* LaneName(Lane lane);

struct LaneLimits {
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  uint64_t running_max = kUnlimited;        // calls at work
  uint64_t running_bytes_max = kUnlimited;  // … and of their requests; one alone may always run
  uint64_t waiting_max = 0;
  uint64_t waiting_bytes_max = kUnlimited;
  // Answers that clients have not read: above this nothing is started, and streams hold back.
  uint64_t unsent_bytes_max = kUnlimited;
  // Of them, those of one connection.
  uint64_t connection_unsent_bytes_max = kUnlimited;
  absl::Duration wait_max = absl::Seconds(7);
};

struct LoadLimits {
  LaneLimits& operator[](Lane lane) { return lanes[static_cast<size_t>(lane)]; }
  const LaneLimits& operator[](Lane lane) const { return lanes[static_cast<size_t>(lane)]; }

  std::array<LaneLimits, kLanes> lanes;
  uint64_t calls_max = LaneLimits::kUnlimited;          // open ones, of all lanes
  uint64_t partial_bytes_max = LaneLimits::kUnlimited;  // of requests that are not whole yet
  // A client whose lane is above its limit of unsent bytes is let go after reading nothing for so
  // long.
  absl::Duration stalled_max = absl::Seconds(5);
};

class LoadControl {
 public:
  struct LaneState {
    uint64_t running = 0;
    uint64_t running_bytes = 0;
    uint64_t waiting = 0;
    uint64_t waiting_bytes = 0;
    http::OutputMeter unsent;
    // Each only grows.
    uint64_t queued_total = 0;   // calls that had to wait
    uint64_t refused_total = 0;  // … that were turned away, at once or after waiting
    uint64_t shed_total = 0;     // … that were let go because their client did not read
  };

  // A call, as its lane knows it. Its owner keeps it until Leave.
  class Guest {
   public:
    virtual ~Guest() = default;
    // Its turn has come: it runs now.
    virtual void OnAdmitted() = 0;
    // It waited too long.
    virtual void OnRefused() = 0;
    // Its client does not read, and others need the room.
    virtual void OnShed() = 0;
    // Congested no longer holds.
    virtual void OnUncongested() = 0;
    virtual uint64_t unsent_bytes() const = 0;
    virtual uint64_t taken_bytes() const = 0;
    virtual uint64_t connection_unsent_bytes() const = 0;
    // The same for all calls of a connection.
    virtual const void* connection() const = 0;

   protected:
    Lane lane() const { return lane_; }  // of the last Enter

   private:
    friend class LoadControl;
    enum class State : uint8_t { kOut, kWaiting, kRunning };
    State state_ = State::kOut;
    Lane lane_ = Lane::kVital;
    bool listed_ = false;  // in the lane's list of those with unsent answers
    bool paused_ = false;  // was told that it is congested
    uint64_t bytes_ = 0;   // of its request
    absl::Duration waiting_since_;
    uint64_t taken_seen_ = 0;
    absl::Duration taken_at_;                          // when taken_seen_ was seen first
    std::multimap<uint64_t, Guest*>::iterator place_;  // while it waits
    const void* waiting_of_ = nullptr;                 // its connection, likewise
    std::list<Guest*>::iterator unsent_place_;         // while listed_
  };

  LoadControl(const LoadLimits& limits, std::function<void()> wake)
      : limits_(limits), wake_(std::move(wake)) {}
  LoadControl(const LoadControl&) = delete;
  LoadControl& operator=(const LoadControl&) = delete;

  enum class Entry : uint8_t { kRuns, kWaits, kRefused };
  // A call with a request of `bytes` wants in. kWaits: OnAdmitted or OnRefused follows, unless it
  // leaves. REQUIRES: it is not in.
  Entry Enter(Guest* guest, Lane lane, uint64_t bytes, absl::Duration now);
  // It has ended, or waits no more. May be called again, and for one that never was in.
  void Leave(Guest* guest);

  // Its answers count in here; the guest is to be listed once some wait for its client.
  http::OutputMeter* unsent(Lane lane) { return &At(lane).unsent; }
  void ListUnsent(Guest* guest, absl::Duration now);
  // Its answers are out or dropped.
  void UnlistUnsent(Guest* guest);
  // The guest is to produce no more for its client now; OnUncongested says when. One that has
  // nothing unsent may go on until there is twice as much as the limit.
  bool Congested(Guest* guest, absl::Duration now);

  // Open calls of all lanes. False: there is no room for another one that is not vital.
  bool HasRoomForCall() const { return calls_ < limits_.calls_max; }
  void OnCallOpened() { ++calls_; }
  void OnCallClosed() { --calls_; }
  // A request that is not whole holds `bytes` now and held `before`. False: it is too much; nothing
  // was counted. A small one is always let grow.
  bool CountPartial(uint64_t before, uint64_t bytes);
  // Counts one that was refused without Enter.
  void CountRefusal(Lane lane) { ++At(lane).refused_total; }

  // Lets in who waits and has room now.
  void Pump();
  // Looks at the time limits and at who reads.
  void Sweep(absl::Duration now);
  // Sweep has something to look at.
  bool busy() const;
  // Somebody waits: Pump is wanted.
  bool waiting() const;

  const LaneState& state(Lane lane) const { return states_[static_cast<size_t>(lane)]; }

 private:
  struct LaneLists {
    std::multimap<uint64_t, Guest*> waiting;       // by turn
    std::map<const void*, uint64_t> waiting_each;  // how many, by connection
    uint64_t turn = 0;                             // of the last one that was let in
    std::list<Guest*> unsent;
  };

  LaneState& At(Lane lane) { return states_[static_cast<size_t>(lane)]; }
  LaneLists& lists(Lane lane) { return lists_[static_cast<size_t>(lane)]; }
  bool HasRoom(Lane lane, const Guest& guest, uint64_t bytes) const;
  bool OverUnsent(Lane lane) const {
    return state(lane).unsent.queued_bytes > limits_[lane].unsent_bytes_max;
  }
  void StopWaiting(Guest* guest);
  void Run(Guest* guest, Lane lane, uint64_t bytes);
  void PumpLane(Lane lane);
  void SweepWaiting(Lane lane, absl::Duration now);
  void RefuseTold(Lane lane);
  void RefuseWaiting(Lane lane, const void* connection);
  void ShedStalled(Lane lane, absl::Duration now);
  void ResumePaused(Lane lane, absl::Duration now);

  const LoadLimits limits_;
  const std::function<void()> wake_;
  std::array<LaneState, kLanes> states_;
  std::array<LaneLists, kLanes> lists_;
  // Those that a Sweep is about to tell something; null: gone meanwhile.
  std::vector<Guest*> told_;
  uint64_t calls_ = 0;
  uint64_t partial_bytes_ = 0;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_LOAD_CONTROL_H_
