// Trace: the story of a run, a line an event. Off in ordinary runs, which is what makes them quick;
// a run that fails is run again with it on.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_TRACE_H_
#define KEELSON_TESTS_SIMULATION_RAFT_TRACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/types.h"
#include "tests/simulation/raft/event_queue.h"
#include "tests/simulation/raft/member.h"

namespace keelson::raft::simulation {

enum class TraceMode : uint8_t {
  kOff,
  kRemember,  // the newest lines of each member
  kPrint,     // remembers, and prints every line
};

class Trace {
 public:
  explicit Trace(TraceMode mode) : mode_(mode) {}

  bool on() const { return mode_ != TraceMode::kOff; }
  // `member` 0: of the cluster as a whole, told to all.
  void Add(Time at, NodeId member, std::string_view text);
  // Prints what is remembered, in the order it happened.
  void PrintNewest() const;

 private:
  static constexpr size_t kLinesMax = 30;
  struct Line {
    uint64_t number = 0;
    std::string text;
  };

  TraceMode mode_;
  uint64_t lines_ = 0;
  std::array<std::deque<Line>, kMembersMax + 1> newest_;  // by member
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_TRACE_H_
