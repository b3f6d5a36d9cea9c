// ReluctantSnapshots: says now and then that it cannot, as it may at any time, though nothing is
// wrong: no snapshot yet, a flush that failed.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_

#include <functional>
#include <utility>

#include "server/executor.h"
#include "server/snapshots.h"

namespace keelson::simulation {

class ReluctantSnapshots final : public server::Snapshots {
 public:
  // `refuses` draws whether it says no; all outlive this.
  ReluctantSnapshots(server::Snapshots* snapshots, server::Executor* executor,
                     std::function<bool()> refuses)
      : snapshots_(snapshots), executor_(executor), refuses_(std::move(refuses)) {}

  absl::StatusOr<raft::Snapshot> Take(LogIndex first) override {
    if (refuses_()) return absl::UnavailableError("a checkpoint is being made");
    return snapshots_->Take(first);
  }
  std::optional<LogIndex> NeededFrom() const override { return snapshots_->NeededFrom(); }
  void Send(const raft::Message& message, SendDone done) override {
    if (!refuses_()) return snapshots_->Send(message, std::move(done));
    executor_->Post([done = std::move(done)]() mutable { done(raft::SnapshotResult::kFailed); });
  }
  void Install(const raft::Snapshot& snapshot, InstallDone done) override {
    snapshots_->Install(snapshot, std::move(done));
  }
  void Flush(absl::AnyInvocable<void(absl::Status)> done) override {
    if (!refuses_()) return snapshots_->Flush(std::move(done));
    executor_->Post([done = std::move(done)]() mutable {
      done(absl::UnavailableError("the state was not flushed"));
    });
  }

 private:
  server::Snapshots* const snapshots_;
  server::Executor* const executor_;
  const std::function<bool()> refuses_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_RELUCTANT_SNAPSHOTS_H_
