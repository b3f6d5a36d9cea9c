// Host: one life of one member: the parts of server/, given the time, the disk, the network and the
// chance of a simulation, and put together as production puts them together. It ends as a process
// that is killed ends: what is in memory is gone, and the disk has what the disk has.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_HOST_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_HOST_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "server/member_core.h"
#include "server/publisher.h"
#include "server/rpc/rpc_server.h"
#include "server/snapshot_keeper.h"
#include "storage/background_work.h"
#include "storage/crashing_file_system.h"
#include "storage/crashing_rocks.h"
#include "storage/state_medium.h"
#include "storage/store_directory.h"
#include "tests/simulation/cluster/call.h"
#include "tests/simulation/cluster/ledger.h"
#include "tests/simulation/cluster/options.h"
#include "tests/simulation/cluster/raft_invariants.h"
#include "tests/simulation/cluster/reached.h"
#include "tests/simulation/cluster/reluctant_snapshots.h"
#include "tests/simulation/cluster/simulated_log_writer.h"

namespace keelson::simulation {

// A member's disk, which outlives its lives.
struct Disk {
  Disk(uint64_t seed, bool real_stores);
  storage::CrashingFileSystem files;
  std::unique_ptr<storage::CrashingRocks> rocks;  // null: stores are in memory
  std::unique_ptr<storage::StateMedium> medium;
  DiskSpeed speed;
};

inline constexpr char kLogDirectory[] = "/log";
storage::RaftLogOptions LogOptions(storage::FileSystem& files, Random* random, const Options& from);

// Makes the disk that the first start of member `id` finds.
void FormatDisk(Disk& disk, NodeId id, uint64_t cluster_id,
                const std::vector<etcdserverpb::Member>& members, const raft::ConfState& conf);

class Host final : public server::RaftTransport {
 public:
  struct Environment {
    Scheduler* scheduler;
    const Options* options;
    VirtualClock* clock;
    Disk* disk;
    Ledger* ledger;
    RaftInvariants* raft;
    Counters* counters;
    NodeId id;
    int number;
    std::string name;
    uint64_t cluster_id;
    std::function<bool(const raft::Message&)> send;
    // Draws whether a part says no, or by how much it is late, though nothing is wrong.
    std::function<bool()> refuses;
    std::function<Time()> late;
    // Draws how many commits are put off because the batch has a lease in it.
    std::function<int()> grant_stalls;
    std::function<void(const raft::Message&, server::SnapshotKeeper::CheckpointPtr,
                       server::Snapshots::SendDone)>
        send_snapshot;
    std::function<void(NodeId, const server::PeerRequest&,
                       absl::AnyInvocable<void(server::PeerAnswer)>)>
        ask;
    server::ConnectedFor connected_for;
    std::function<void(absl::Status)> on_fatal;
    std::function<void()> on_removed;
    std::function<void(std::string)> on_notice;
    std::function<void(std::string)> on_broken;  // an invariant, in a sentence
  };

  // ResourceExhausted: the disk is full. Other errors: the disk cannot be opened.
  static absl::StatusOr<std::unique_ptr<Host>> Start(const Environment& environment, uint64_t seed);
  ~Host() override;

  bool Send(const raft::Message& message) override {
    environment_.raft->OnSend(environment_.number, core_->node(), message);
    return environment_.send(message);
  }

  server::MemberCore& core() { return *core_; }
  server::SnapshotKeeper& snapshots() { return *snapshots_; }
  storage::Store& store();
  VirtualExecutor& executor() { return executor_; }
  VirtualExecutor& worker() { return worker_; }
  const storage::RaftLog& log() const { return *log_; }
  void PauseUntil(Time when);
  bool stands_still() const { return environment_.scheduler->now() < paused_until_; }
  // The next `count` commits of the store are put off.
  void StallCommits(int count);
  // The lease is granted in a batch that is not committed yet.
  bool GrantWaits(LeaseId lease) const;
  void OnSnapshotReceived(const std::string& name, std::string directory);
  void AddCall(const std::shared_ptr<SimulatedCall>& call, std::string request);

 private:
  class WatchedStore;
  class PasswordWorker;

  Host(const Environment& environment, uint64_t seed);
  absl::Status Open();
  void PumpLoad();
  void SweepLoad();
  server::MemberOptions MakeOptions() const;
  void MakeSnapshots();
  // Revocations of a leader that was deposed before they reached a log.
  void CountDeposed(const storage::LogAppend& append);
  void MakeCore();
  void Serve();

  const Environment environment_;
  Dice dice_;
  SeededRandom random_;
  VirtualExecutor executor_;
  VirtualExecutor worker_;
  VirtualExecutor password_executor_;
  std::unique_ptr<storage::BackgroundWork> background_;  // null: stores are in memory
  std::unique_ptr<storage::StoreDirectory> states_;
  std::unique_ptr<WatchedStore> store_;
  std::unique_ptr<storage::RaftLog> log_;
  std::unique_ptr<server::LogWriter> log_writer_;
  std::unique_ptr<server::SnapshotKeeper> snapshots_;
  std::unique_ptr<ReluctantSnapshots> reluctant_snapshots_;
  std::set<std::string> snapshots_waiting_;  // received, and not being installed
  std::unique_ptr<server::MemberCore> core_;
  std::unique_ptr<server::Publisher> publisher_;
  std::unique_ptr<PasswordWorker> password_worker_;
  asio::io_context loop_;  // of the RPC server, which no connection reaches: never run
  std::unique_ptr<rpc::RpcServer> rpc_;
  std::unique_ptr<rpc::LoadControl> load_;
  std::unique_ptr<server::Timer> load_timer_;
  Time paused_until_ = 0;
  bool pump_posted_ = false;
  bool sweep_armed_ = false;
  std::vector<std::weak_ptr<SimulatedCall>> calls_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_HOST_H_
