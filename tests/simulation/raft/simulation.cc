#include "tests/simulation/raft/simulation.h"

#include "absl/strings/str_cat.h"
#include "tests/simulation/raft/adversary.h"
#include "tests/simulation/raft/clients.h"
#include "tests/simulation/raft/healing.h"
#include "tests/simulation/raft/options.h"
#include "tests/simulation/raft/world.h"

namespace keelson::raft::simulation {
namespace {

// Anything may fail, and nothing untrue may happen.
void RunSafetyPhase(World& world, Clients& clients, Dice& dice) {
  const Options& options = world.options();
  Adversary adversary(world);
  const Time end = options.safety_ticks * kTickTime;
  world.Schedule(EventKind::kFault, dice.Between(0, options.fault_interval));
  world.Schedule(EventKind::kClient, dice.Between(0, options.client_interval));
  while (!world.failed() && world.now() < end) {
    const Event event = world.TakeEvent();
    switch (event.kind) {
      case EventKind::kFault:
        adversary.Act();
        world.Schedule(EventKind::kFault, dice.Between(1, 2 * options.fault_interval));
        break;
      case EventKind::kClient:
        clients.Act();
        world.Schedule(EventKind::kClient, dice.Between(1, 2 * options.client_interval));
        break;
      case EventKind::kFlap:
        adversary.Flap();
        break;
      case EventKind::kUsurp:
        adversary.Usurp();
        break;
      default:
        world.Run(event);
    }
  }
}

}  // namespace

std::string DescribeOptions(uint64_t seed) {
  Dice dice(seed);
  return Options::Draw(dice).Describe();
}

Result RunSeed(uint64_t seed, Trace& trace) {
  Dice dice(seed);
  const Options options = Options::Draw(dice);
  World world(options, dice, trace);
  Clients clients(world);
  if (!world.failed()) RunSafetyPhase(world, clients, dice);
  if (!world.failed()) Healing(world, clients).Run();
  world.AtEnd();
  if (world.failed()) {
    trace.Add(world.now(), NodeId{0},
              absl::StrCat("invariant ", static_cast<int>(world.verdict().invariant()),
                           " is broken: ", world.verdict().what()));
  }
  return {.hash = world.hash(),
          .next = dice.Next(),
          .events = world.events(),
          .simulated = world.now(),
          .counters = world.counters(),
          .verdict = world.verdict()};
}

}  // namespace keelson::raft::simulation
