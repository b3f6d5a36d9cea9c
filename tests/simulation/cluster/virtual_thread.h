// VirtualThread: a thread for code that waits where it stands, in a simulation of one thread. It
// runs while an event of the scheduler has given it its turn, until it waits or has done its work,
// and nothing else runs meanwhile: so all is in one order, which the seed decides.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_THREAD_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_THREAD_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace keelson::simulation {

class VirtualThread {
 public:
  VirtualThread();
  VirtualThread(const VirtualThread&) = delete;
  VirtualThread& operator=(const VirtualThread&) = delete;
  // REQUIRES: idle.
  ~VirtualThread();

  // Which of them runs this; null: none, it is the simulation itself.
  static VirtualThread* Current();

  // --- the simulation's

  bool idle() const { return idle_; }
  // Its turn, with new work, or with what it had. REQUIRES: idle; waiting.
  void Begin(absl::AnyInvocable<void()> work);
  void GoOn();

  // --- its own
  void EndTurn();

 private:
  void GiveTurn();
  void AwaitTurn();
  void Run();

  // Of whoever has the turn.
  absl::AnyInvocable<void()> work_;
  bool idle_ = true;
  bool stop_ = false;

  absl::Mutex mutex_;
  bool has_turn_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_VIRTUAL_THREAD_H_
