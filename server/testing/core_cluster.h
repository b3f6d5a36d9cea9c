// CoreCluster: MemberCores in one process and one thread, on the real raft log and the real store,
// with a message bus that encodes and decodes every message and whose links can be cut. Time is a
// FakeClock; one seed gives one run.
//
// Members are numbered from 1; number n has the id n, unless it joined: then the cluster chose it.
#ifndef KEELSON_SERVER_TESTING_CORE_CLUSTER_H_
#define KEELSON_SERVER_TESTING_CORE_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "server/member_core.h"
#include "server/snapshot_keeper.h"
#include "server/testing/filling_file_system.h"
#include "server/testing/inline_log_writer.h"
#include "server/testing/manual_executor.h"
#include "server/testing/stalling_store.h"
#include "storage/temporary_directory.h"

namespace keelson::server {

enum class Link {
  kUp,
  kLosing,  // what is sent is lost without a word
  kDown,    // the sender knows that it cannot send
};

class CoreCluster {
 public:
  CoreCluster(int members, uint64_t seed, const SpaceOptions& space = {});
  ~CoreCluster();

  // --- members
  void Start(int n);
  // Members that start from now on compare their data with the others' first.
  void CheckDivergenceAtStart() { check_at_start_ = true; }
  // As a crash: what is in memory is gone.
  void Crash(int n);
  // Makes the disks of the member `id`, which was added, as its first start would on what the
  // running member `told_by` says, and starts it. Returns its number.
  int Join(NodeId id, int told_by);
  // All crash; `n` comes back by itself, as with --force-new-cluster.
  absl::Status ForceAlone(int n);
  NodeId id(int n) const { return ids_.at(n); }
  // 0: none.
  int NumberOf(NodeId id) const;
  // What every member is started with from now on.
  void Adjust(std::function<void(MemberOptions&)> adjust) { adjust_ = std::move(adjust); }
  // The member was told that it is one no more, and has stopped.
  bool removed(int n) const { return removed_.contains(n); }
  bool running(int n) const { return hosts_.contains(n); }
  // It takes part, and would let clients in.
  bool serving(int n) const;
  MemberCore& core(int n);
  StallingStore& store(int n);
  InlineLogWriter& log_writer(int n);
  storage::RaftLog& log(int n);
  // From the next start on: members make snapshots, and cut their logs but for so many entries.
  void KeepInLog(uint64_t entries) { catchup_entries_ = entries; }
  // How many snapshots were brought to members, and how many of them failed on the way.
  int snapshots_sent() const { return snapshots_sent_; }
  // What waits for member `n`'s disk outside of its log (checkpoints, installing) goes on waiting.
  void HoldWorker(int n);
  // Where the records lie that say which of its states counts. A new one after each start.
  FillingFileSystem& files(int n);
  // The next ones arrive damaged.
  void DamageSnapshots(int count) { damage_left_ = count; }
  // What is sent of the next checkpoint arrives damaged, however often it is sent.
  void DamageNextCheckpoint() { damage_next_checkpoint_ = true; }
  // What on_fatal was given; Ok when it was not called.
  absl::Status fatal(int n) const { return fatal_.at(n); }

  // --- network
  void SetLink(int from, int to, Link link) { links_[{from, to}] = link; }
  // All links to and from `n`.
  void Isolate(int n, Link link);

  // --- time
  FakeClock& clock() { return clock_; }
  void Run(absl::Duration time);
  // Runs everything that needs no time.
  void Settle();
  // Runs one task of each member. False: there was none.
  bool SettleOneRound();
  // Time passes to the next timer, `end` at the latest, and what is due runs; not what comes of it.
  void RunNextTimers(absl::Duration end);
  // Until `holds`, or false after `time_max`.
  bool RunUntil(const std::function<bool()>& holds, absl::Duration time_max = absl::Seconds(30));

  // The member that is leader of the highest term; 0: none.
  int Leader() const;
  // Runs until all running members agree on a leader; 0 after a minute.
  int AwaitLeader();
  int members() const { return members_; }

 private:
  class Port;
  struct Host;

  Link LinkOf(int from, int to) const;
  bool Send(int from, const raft::Message& message);
  void Ask(int from, int to, const PeerRequest& request, absl::AnyInvocable<void(PeerAnswer)> done);
  void SendSnapshot(int from, const raft::Message& message,
                    const SnapshotKeeper::CheckpointPtr& checkpoint, Snapshots::SendDone done);
  std::string Directory(int n, const std::string& what) const;
  void CreateDisks(int n, const std::vector<etcdserverpb::Member>& members,
                   const raft::ConfState& conf);
  MemberOptions OptionsOf(int n) const;

  int members_;
  const SpaceOptions space_;
  std::map<int, NodeId> ids_;
  std::function<void(MemberOptions&)> adjust_;
  std::set<int> removed_;
  uint64_t catchup_entries_ = 5000;
  int snapshots_sent_ = 0;
  int damage_left_ = 0;
  bool damage_next_checkpoint_ = false;
  SnapshotKeeper::CheckpointPtr::weak_type damaged_checkpoint_;
  bool check_at_start_ = false;
  const storage::TemporaryDirectory directory_;
  SeededRandom random_;
  FakeClock clock_;
  std::map<std::pair<int, int>, Link> links_;
  std::map<int, absl::Status> fatal_;
  std::map<int, std::unique_ptr<Host>> hosts_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_CORE_CLUSTER_H_
