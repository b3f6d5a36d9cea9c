// ReluctantSnapshots: says now and then that it cannot, as it may at any time, though nothing is
// wrong: no snapshot yet, a flush that failed. And it tells of installations.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_

#include <functional>
#include <utility>

#include "server/executor.h"
#include "server/snapshots.h"

namespace keelson::simulation {

class ReluctantSnapshots final : public server::Snapshots {
 public:
  struct Environment {
    server::Snapshots* snapshots;
    server::Executor* executor;
    std::function<bool()> refuses;  // draws whether it says no
    std::function<void(const SharedBytes& name)> on_install;
    // The state is in its place, and nobody has been told.
    std::function<void()> on_installed;
  };
  // All outlive this.
  explicit ReluctantSnapshots(Environment environment) : environment_(std::move(environment)) {}

  absl::StatusOr<raft::Snapshot> Take(LogIndex first) override {
    if (environment_.refuses()) return absl::UnavailableError("a checkpoint is being made");
    return environment_.snapshots->Take(first);
  }
  std::optional<LogIndex> NeededFrom() const override {
    return environment_.snapshots->NeededFrom();
  }
  void Send(const raft::Message& message, SendDone done) override {
    if (!environment_.refuses()) return environment_.snapshots->Send(message, std::move(done));
    environment_.executor->Post(
        [done = std::move(done)]() mutable { done(raft::SnapshotResult::kFailed); });
  }
  void Install(const raft::Snapshot& snapshot, InstallDone done) override {
    environment_.on_install(snapshot.data);
    environment_.snapshots->Install(snapshot,
                                    [this, done = std::move(done)](absl::Status status) mutable {
                                      if (status.ok()) environment_.on_installed();
                                      done(std::move(status));
                                    });
  }
  void Flush(absl::AnyInvocable<void(absl::Status)> done) override {
    if (!environment_.refuses()) return environment_.snapshots->Flush(std::move(done));
    environment_.executor->Post([done = std::move(done)]() mutable {
      done(absl::UnavailableError("the state was not flushed"));
    });
  }

 private:
  const Environment environment_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_
