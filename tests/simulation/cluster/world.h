// World: the members of a run, their disks, clocks and the network between them and to the clients,
// with everything that may go wrong with these. What goes wrong when is the adversary's matter.
//
// Members are numbered from 1. Those of the beginning have their number as id.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_WORLD_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_WORLD_H_

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/host.h"
#include "tests/simulation/cluster/reached.h"

namespace keelson::simulation {

class World final : public ClientLink {
 public:
  World(const Options& options, bool trace);
  ~World() override;

  Scheduler& scheduler() override { return scheduler_; }
  Time now() const { return scheduler_.now(); }
  Dice& dice() { return dice_; }
  const Options& options() const { return options_; }
  Counters& counters() { return counters_; }
  Ledger& ledger() { return ledger_; }

  // What was asked of the disks becomes part of the run's hash.
  void MixDisks();

  // --- failures: the first one ends the run
  void Broken(const std::string& invariant);
  const std::string& broken() const { return broken_; }
  // A line of the story of member `n`; 0: of all.
  void Tell(int n, const std::string& what);
  std::string Stories() const;

  // --- members
  int members() const { return members_; }
  bool running(int n) const { return hosts_.contains(n); }
  bool removed(int n) const { return removed_.contains(n); }
  NodeId id(int n) const { return ids_.at(n); }
  uint64_t life(int n) const { return lives_.at(n); }  // REQUIRES: running
  int NumberOf(NodeId id) const;
  Host& host(int n) { return *hosts_.at(n); }
  Disk& disk(int n) { return *disks_.at(n); }
  VirtualClock& clock(int n) { return *clocks_.at(n); }
  std::vector<int> Running() const;
  // The leader of the highest term; 0: none.
  int Leader();
  Time last_election() const { return last_election_; }
  // The member that has applied the most; 0: none runs.
  int Newest() const;
  // Those who vote, and those who learn, as the newest knows; none: nobody runs.
  std::set<int> Voters();
  std::set<int> Learners();
  void Start(int n);
  // Ends the member as a power failure does, after the event under way.
  void Crash(int n);
  // Makes the disk of the member `id`, which was added, of what `told_by` says, and starts it.
  int Join(NodeId id, int told_by);
  // The member is one no more: it ends a little later, for good.
  void Retire(int n);

  // --- damage. There is one damaged member at most: until it has started all the same, because
  // nothing depends on what was damaged, or another has its place.
  // Flips bits of the disk of the member, which does not run.
  void Damage(int n);
  int damaged() const { return damaged_; }                  // 0: none
  int refusing() const { return refuses_ ? damaged_ : 0; }  // it has been seen not to start
  void OnReplaced(int n);

  // --- network
  void Cut(int from, int to, bool cut);
  void CutClients(int n, bool cut);
  // What is sent meanwhile arrives then at the earliest.
  // States that are on their way to the member, or will be, get there only when it is let go.
  void HoldSnapshots(int to, bool hold);
  // How many different ones.
  size_t SnapshotsUnderWay(int to) const;
  // When the member asks its leader for a read next, up to `give_up`, it is stopped for a while.
  void StopAtRead(int n, Time give_up, Time lasting) { stops_[n] = {give_up, lasting}; }
  void HoldLink(int from, int to, Time until) { held_until_[{from, to}] = until; }
  void HealNetwork();
  bool faulty = true;  // messages are lost, repeated and slow as the options say, and clients many
  bool Carries(int member, const void* connection) const override;
  // Whether a client's messages get nowhere.
  void SetAlone(const void* connection, bool alone);
  Time Delay() override;
  void OnCallRefused() override { counters_.Add(Reached::kCallsRefused); }
  void OnCallShed() override { counters_.Add(Reached::kCallsShed); }
  std::shared_ptr<SimulatedCall> NewCall(int member, const std::string& method,
                                         SimulatedCall::Caller caller);
  // Sends it off; `on_message` and `on_end` have been set.
  void Call(const std::shared_ptr<SimulatedCall>& call, int member, std::string request);

 private:
  class SnapshotDelivery;

  bool Refuses();
  Time Late();
  int GrantStalls();
  void MaybeStop(int n, const raft::Message& message);
  std::set<int> MembersWho(bool learn);
  bool CutBetween(int from, int to) const { return cuts_.contains({from, to}); }
  Host::Environment EnvironmentOf(int n);
  void MixMessage(const raft::Message& message, std::string_view bytes);
  bool Send(int from, const raft::Message& message);
  void Deliver(int to, Time when, const std::string& bytes);
  void SendSnapshot(int from, const raft::Message& message,
                    server::SnapshotKeeper::CheckpointPtr checkpoint,
                    server::Snapshots::SendDone done);
  void Ask(int from, int to, const server::PeerRequest& request,
           absl::AnyInvocable<void(server::PeerAnswer)> done);
  absl::Duration ConnectedFor(int from, int to) const;
  void OnFatal(int n, const absl::Status& status);
  void OnRefusal(int n, const absl::Status& status);
  void CheckLeaders();

  const Options options_;
  const bool trace_;
  Dice dice_;
  Scheduler scheduler_;
  Counters counters_;
  Ledger ledger_;
  RaftInvariants raft_;
  std::string broken_;
  std::map<int, std::deque<std::string>> stories_;
  int members_;
  std::map<int, NodeId> ids_;
  std::map<int, std::unique_ptr<Disk>> disks_;
  std::map<int, std::unique_ptr<VirtualClock>> clocks_;
  std::map<int, uint64_t> lives_;
  std::map<int, Time> started_;
  std::map<int, uint64_t> flips_before_life_;
  std::map<uint64_t, int> leaders_;  // by term
  Time last_election_ = 0;
  std::set<int> removed_;
  int damaged_ = 0;
  bool refuses_ = false;
  std::set<std::pair<int, int>> cuts_;
  std::map<std::pair<int, int>, Time> healed_;
  std::map<std::pair<int, int>, Time> last_arrival_;
  std::map<std::pair<int, int>, Time> held_until_;
  std::set<int> client_cuts_;
  std::set<const void*> alone_;
  std::set<int> snapshots_held_;  // by whom they are for
  struct Stop {
    Time give_up;
    Time lasting;
  };
  std::map<int, Stop> stops_;
  std::vector<std::shared_ptr<SnapshotDelivery>> deliveries_;
  std::map<int, std::unique_ptr<Host>> hosts_;
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_WORLD_H_
