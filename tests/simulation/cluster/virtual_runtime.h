// VirtualRuntime: what the client library gets from outside (client/runtime.h), in a simulation:
// the scheduler's time, threads that take turns, and channels that are made of SimulatedCalls. A
// channel is a connection to one life of a member: it is refused by one that does not run, breaks
// when that ends, and is noticed to be dead after a while when clients are cut off.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_RUNTIME_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_RUNTIME_H_

#include <deque>
#include <list>
#include <memory>
#include <string>

#include "client/runtime.h"
#include "tests/simulation/cluster/virtual_thread.h"
#include "tests/simulation/cluster/world.h"

namespace keelson::simulation {

class VirtualRuntime final : public client::Runtime {
 public:
  // `connection` is what members know the client's calls by.
  VirtualRuntime(World* world, const void* connection, uint64_t seed);
  ~VirtualRuntime() override;

  const Clock& clock() const override { return clock_; }
  uint64_t seed() override { return seed_; }
  client::EventLoop& loop() override;
  void Sleep(absl::Duration time) override;
  bool Await(absl::Mutex& mutex, const absl::Condition& condition, absl::Duration timeout) override;
  // "http://mN:2379"
  absl::StatusOr<std::shared_ptr<client::Channel>> Dial(const std::string& endpoint) override;

  // --- the simulation's

  World& world() { return *world_; }
  const void* connection() const { return connection_; }
  // The thread's turn: with `work`, or, without, where it waits.
  void GiveTurn(VirtualThread& thread, absl::AnyInvocable<void()> work);
  // Something has changed that somebody may wait for.
  void Changed();
  // From now on nothing waits: what does ends now, as if it had waited in vain, and time stands
  // still. REQUIRES: between events.
  void End();
  bool ended() const { return ended_; }
  // For events that may come when it is gone.
  std::weak_ptr<int> alive() const { return alive_; }

 private:
  class Loop;
  struct Waiter {
    uint64_t number;
    VirtualThread* thread;
    absl::Mutex* mutex;
    const absl::Condition* condition;
    bool called = false;
  };

  void Call(uint64_t waiter);
  bool AwaitInVain(absl::Mutex& mutex, const absl::Condition& condition);

  World* const world_;
  const void* const connection_;
  const uint64_t seed_;
  const VirtualClock clock_;
  std::list<Waiter> waiters_;
  uint64_t last_waiter_ = 0;
  bool ended_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::unique_ptr<Loop> loop_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_RUNTIME_H_
