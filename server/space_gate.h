// SpaceGate: the way into the log for commands that add to the store. It asks SpaceGuard, lets the
// command through, holds it for a while, or refuses it; where the quota is used up it raises the
// alarm NOSPACE through raft, under which every member refuses at apply until the alarm is disarmed
// (etcd's rule). A full disk is this member's own trouble: it raises no alarm, and passes.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_SPACE_GATE_H_
#define KEELSON_SERVER_SPACE_GATE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/auth/caller.h"
#include "server/executor.h"
#include "server/space_guard.h"
#include "server/state_machine.h"
#include "storage/store.h"

namespace keelson::server {

class SpaceGate {
 public:
  using Done = absl::AnyInvocable<void(Answer)>;
  struct Environment {
    Executor* executor;
    const Clock* clock;
    storage::Store* store;
    // Proposes a command, whatever its cost; `done` always comes.
    std::function<void(int op_field, std::string_view request, const Caller& caller, Done done)>
        submit;
    std::function<void(std::string)> on_notice;  // a line for the log
  };

  // Commands held at once; more are refused.
  static constexpr size_t kHeldMax = 5000;

  SpaceGate(const SpaceOptions& options, NodeId self, Environment environment);

  void Submit(int op_field, std::string_view request, const Caller& caller, uint64_t cost,
              Done done);
  // To be called several times a second.
  void OnTick();
  // A command that adds to the store was carried out.
  void OnGrown() { grown_ = true; }
  // See SpaceGuard.
  void OnDiskFree(uint64_t bytes);
  // The raft log waits for room on its disk, or no longer does.
  void OnLogFull(bool full);
  // What is held is refused as "server stopped".
  void Stop();

  bool out_of_disk() const { return guard_.out_of_disk(); }

 private:
  struct Held {
    absl::Duration due;
    int op_field;
    std::string request;
    Caller caller;
    Done done;
  };

  SpaceGuard::Verdict Judge(uint64_t cost);
  void Measure();
  void Hold(absl::Duration wait, int op_field, std::string_view request, const Caller& caller,
            Done done);
  void ArmTimer();
  void Release();
  // `refused`, which may be empty, is told once the alarm is up, or could not be raised.
  void RaiseAlarm(Done refused);
  void Refuse(Done done) const;
  bool AlarmIsUp() const;

  const NodeId self_;
  const Environment environment_;
  SpaceGuard guard_;
  std::deque<Held> held_;  // by due
  std::unique_ptr<Timer> timer_;
  std::vector<Done> refused_;  // wait for the alarm
  bool raising_ = false;
  bool grown_ = false;  // since the quota was last compared
  bool log_full_ = false;
  bool told_out_of_disk_ = false;
  bool stopped_ = false;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SPACE_GATE_H_
