#include "tests/simulation/cluster/simulation.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/membership.h"
#include "tests/simulation/cluster/adversary.h"
#include "tests/simulation/cluster/judge.h"
#include "tests/simulation/cluster/workloads.h"
#include "tests/simulation/cluster/world.h"

namespace keelson::simulation {
namespace {

constexpr Time kReconcile = kSecond;
constexpr Time kDrain = 6 * kSecond;
// After healing: elections, what was waiting, and what had to be asked for again.
constexpr Time kRecovery = 15 * kSecond;

class Simulation {
 public:
  Simulation(const Options& options, Trace trace)
      : options_(options),
        healed_(std::max<Time>(options.duration - kDrain - kRecovery - 5 * kSecond,
                               options.duration / 3)),
        stops_(options.duration - kDrain),
        library_dice_(options.seed * 3 + 1),
        world_(options, trace == Trace::kOn),
        adversary_(&world_, healed_) {}

  // What waits in the library ends while there is all that it may use.
  ~Simulation() {
    for (const auto& client : clients_) client->EndLibrary();
  }

  RunResult Run() {
    StartClients();
    Reconcile();
    world_.scheduler().At(stops_, [this] { StartProbes(); });
    while (world_.broken().empty() && world_.scheduler().RunNext(options_.duration)) {
    }
    Settle();
    if (world_.broken().empty()) JudgeMembers(world_);
    if (world_.broken().empty()) JudgeHistories(world_, histories_, healed_);
    world_.MixDisks();
    RunResult result;
    result.broken = world_.broken();
    if (!result.broken.empty()) result.stories = world_.Stories();
    result.hash = world_.scheduler().hash();
    result.events = world_.scheduler().events();
    result.entries = world_.ledger().entries();
    result.simulated = world_.now();
    result.counters = world_.counters();
    return result;
  }

 private:
  using Workload = Coroutine<> (*)(Client&);

  void StartClients() {
    const std::pair<Feature, Workload> kinds[] = {{Feature::k_registers, &UseRegisters},
                                                  {Feature::k_lists, &AppendToLists},
                                                  {Feature::k_bank, &MoveMoney},
                                                  {Feature::k_set, &GrowSet},
                                                  {Feature::k_leases, &UseLeases},
                                                  {Feature::k_locks, &UseLocks},
                                                  {Feature::k_elections, &StandForElection},
                                                  {Feature::k_objects, &ControlObjects},
                                                  {Feature::k_watches, &Watch}};
    std::vector<Workload> chosen;
    for (const auto& [feature, workload] : kinds) {
      if (options_.has(feature)) chosen.push_back(workload);
    }
    if (chosen.empty()) chosen.push_back(&UseRegisters);
    // Each kind that there is has one client at least, and two where they must meet.
    for (const Workload workload : chosen) Add(workload);
    for (int n = 0; n < options_.clients; ++n) Add(chosen[n % chosen.size()]);
    if (options_.has(Feature::k_elections)) Add(&ObserveElection);
    if (options_.has(Feature::k_compaction)) Add(&CompactNowAndThen);
    if (options_.has(Feature::k_overload)) Add(&ComeInBursts);
    if (options_.has(Feature::k_stopped_readers)) Add(&ReadWithoutWaiting);
    if (options_.has(Feature::k_steady_watches)) {
      for (int n = 0; n < options_.members; ++n) Add(&WatchSteadily);
    }
    if (options_.has(Feature::k_membership)) Add(&ChangeMembers, kAdministrator);
    if (options_.has(Feature::k_alarms)) Add(&RaiseAlarms, kAdministrator);
    if (options_.has(Feature::k_damage)) Add(&ReplaceDamaged, kAdministrator);
    if (!options_.has(Feature::k_auth)) return;
    Add(&AdministerUsers, kAdministrator);
    for (const std::string& user : kLimitedUsers) Add(&UseGuardedKeys, user);
  }
  Client* NewClient(const std::string& user) {
    clients_.push_back(std::make_unique<Client>(&world_, &histories_,
                                                static_cast<int>(clients_.size()) + 1, stops_));
    if (options_.has(Feature::k_auth)) clients_.back()->SetUser(user);
    return clients_.back().get();
  }
  void Add(Workload workload, const std::string& user = kOrdinaryUser) {
    NewClient(user);
    // Others want to know by which member, and with which token.
    if (user == kOrdinaryUser && library_dice_.Percent(options_.library_percent)) {
      clients_.back()->UseLibrary(/*sticky=*/library_dice_.Percent(50));
    }
    doings_.push_back(workload(*clients_.back()));
    Coroutine<>* const doing = &doings_.back();
    world_.scheduler().After(0, [doing] { doing->Start(); });
  }

  void StartProbes() {
    for (const int n : world_.Running()) {
      // A learner has nothing to do for clients until it is promoted.
      if (world_.removed(n) || world_.host(n).core().reconfigurator().is_learner()) continue;
      doings_.push_back(Probe(*NewClient(kOrdinaryUser), n));
      doings_.back().Start();
    }
  }

  // Until the last entry, a lease's end or a token's, has come to everybody: one that was made a
  // moment ago says nothing about who can catch up.
  void Settle() {
    constexpr Time kMoment = kSecond / 5;
    constexpr int kMoments = 25;
    for (int i = 1; i <= kMoments && world_.broken().empty(); ++i) {
      const uint64_t entries = world_.ledger().entries();
      while (world_.broken().empty() &&
             world_.scheduler().RunNext(options_.duration + i * kMoment)) {
      }
      if (world_.ledger().entries() == entries) return;
    }
  }

  // What an operator does: who has become a member is started, who is one no more is switched off.
  void Reconcile() {
    world_.scheduler().After(kReconcile, [this] {
      if (const int newest = world_.Newest(); newest != 0) {
        storage::Store& store = world_.host(newest).store();
        for (const auto& member : server::Members(store)) {
          const int n = world_.NumberOf(NodeId(member.id()));
          if (n == 0) world_.Join(NodeId(member.id()), newest);
          // The newest that runs may be older than one that ran: what counts is its own record.
          if (server::WasRemoved(store, NodeId(member.id()))) {
            world_.Broken(absl::StrCat("an id is used once: ", member.id()));
          }
        }
        for (int n = 1; n <= world_.members(); ++n) {
          if (server::WasRemoved(store, world_.id(n))) world_.Retire(n);
        }
      }
      Reconcile();
    });
  }

  const Options options_;
  const Time healed_;
  const Time stops_;
  Dice library_dice_;
  World world_;
  Adversary adversary_;
  Histories histories_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Coroutine<>> doings_;
};

}  // namespace

RunResult RunSimulation(const Options& options, Trace trace) {
  return Simulation(options, trace).Run();
}

}  // namespace keelson::simulation
