// EventQueue: virtual time. Events come out in the order of their times, and in the order they were
// added where times are equal, so that a run is a function of its seed.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_EVENT_QUEUE_H_
#define KEELSON_TESTS_SIMULATION_RAFT_EVENT_QUEUE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace keelson::raft::simulation {

// Microseconds since the start of the run.
using Time = int64_t;
// What a tick takes on a clock that is right.
constexpr Time kTickTime = 100'000;
constexpr Time kMillisecond = 1000;

enum class EventKind : uint8_t {
  kTick,            // of a member's clock
  kDeliver,         // detail: the message's slot in the network
  kTakeReady,       // inputs have piled up for long enough
  kDisk,            // the disk does the next thing
  kAcknowledge,     // the member hears what is durable
  kApply,           // the state machine applies what waits
  kSnapshotReport,  // detail: peer, and whether it failed
  kUnreachable,     // detail: peer
  kResume,          // of a member that was paused
  kRestart,         // of a member that had crashed
  kFlap,            // a link that comes and goes
  kUsurp,           // the adversary's plan goes on
  kFault,           // the adversary's turn
  kClient,          // the clients' turn
};

struct Event {
  Time at = 0;
  uint64_t sequence = 0;
  EventKind kind = EventKind::kTick;
  NodeId member = {};  // 0: of nobody
  uint32_t life = 0;   // the event is void once the member has crashed; 0: in any life
  uint64_t detail = 0;
};

class EventQueue {
 public:
  void Add(Event event) {
    event.sequence = ++sequence_;
    events_.push_back(event);
    std::push_heap(events_.begin(), events_.end(), Later);
  }
  bool empty() const { return events_.empty(); }
  Time next_at() const { return events_.front().at; }
  // REQUIRES: not empty.
  Event Take() {
    std::pop_heap(events_.begin(), events_.end(), Later);
    const Event event = events_.back();
    events_.pop_back();
    return event;
  }

 private:
  static bool Later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }

  std::vector<Event> events_;  // a heap
  uint64_t sequence_ = 0;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_EVENT_QUEUE_H_
