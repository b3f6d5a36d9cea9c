// Adversary: decides what goes wrong. Which kinds of fault there are, and how often, is in the
// Options; what they hit is drawn, and the leader is hit more often than chance would have it.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_ADVERSARY_H_
#define KEELSON_TESTS_SIMULATION_RAFT_ADVERSARY_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/simulation/raft/world.h"

namespace keelson::raft::simulation {

class Adversary {
 public:
  explicit Adversary(World& world);

  // One fault, drawn.
  void Act();
  // A link that comes and goes: the next turn of it.
  void Flap();
  // The next step of a plan; see BeginUsurping.
  void Usurp();

 private:
  enum class Fault : uint8_t {
    kNone,
    kCrash,
    kCrashMany,
    kUsurp,
    kPartition,
    kMend,
    kOneWay,
    kFlap,
    kPause,
    kJump,
    kStallDisk,
    kStallApply,
    kFlush,
    kCompact,
    kCampaign,
    kTransfer,
    kForget,
    kUnreachable,
    kRetire,
  };

  Fault DrawFault();
  void Commit(Fault fault);
  // A running member, often the leader; nullptr: none runs.
  Member* Victim();
  Time DrawLength();    // up to some election timeouts, short ones more often
  Time DrawDownTime();  // often short, so that what others remember of the member still counts
  void Crash();
  void CrashMany();
  void BeginUsurping();
  void Partition();
  void CutLink();
  void CutApart(NodeId a, NodeId b);
  void CutInTwo(uint64_t percent);
  void CutOneWay();
  void BeginFlapping();
  void Compact(Member& member);
  void Transfer(Member& member);
  // Removed members that nobody needs are stopped; what came back into the configuration is
  // started.
  void Retire();

  World& world_;
  Dice& dice_;
  std::vector<std::pair<Fault, uint64_t>> weights_;
  uint64_t weights_sum_ = 0;
  NodeId flapping_ = {};
  uint64_t flaps_left_ = 0;
  enum class Plan : uint8_t { kNone, kWaiting, kCrashed };
  Plan plan_ = Plan::kNone;
  NodeId usurper_ = {};
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_ADVERSARY_H_
