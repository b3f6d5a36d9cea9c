#include "tests/simulation/cluster/host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "proto/keelson/command.pb.h"
#include "server/cluster_records.h"
#include "server/data_directory.h"
#include "server/load_lanes.h"
#include "server/membership.h"
#include "server/raft_codec.h"
#include "server/services.h"
#include "storage/checkpoint.h"
#include "storage/memory_store.h"
#include "storage/replaceable_store.h"
#include "tests/simulation/cluster/wrong_parts.h"

namespace keelson::simulation {
namespace {

constexpr char kStates[] = "/states";
// So much that a state is flushed when a member says so and never because a memtable is full: when
// it is, RocksDB's skip lists decide, which draw their heights from a source of their own.
constexpr uint64_t kRocksMemory = 64 << 20;
constexpr absl::Duration kLoadSweep = absl::Milliseconds(100);

// A store whose flushes and end are done by RocksDB's background thread, which runs meanwhile.
// Compactions wait until a call is over: they come in no certain order with what the caller does,
// be it a flush or links to files.
class RunningStore final : public storage::ReplaceableStore {
 public:
  RunningStore(std::shared_ptr<storage::Store> store, storage::CrashingRocks& rocks)
      : ReplaceableStore(std::move(store)), rocks_(rocks) {}
  ~RunningStore() override {
    const storage::CrashingRocks::Running running(rocks_, storage::CrashingRocks::Work::kFlushes);
    Replace(nullptr);
  }
  absl::Status Flush() override {
    const absl::Status status = FlushAlone();
    rocks_.Run();
    return status;
  }
  absl::Status LinkFiles(const std::string& directory) override {
    const storage::CrashingRocks::Running running(rocks_, storage::CrashingRocks::Work::kFlushes);
    return ReplaceableStore::LinkFiles(directory);
  }

 private:
  absl::Status FlushAlone() {
    const storage::CrashingRocks::Running running(rocks_, storage::CrashingRocks::Work::kFlushes);
    return ReplaceableStore::Flush();
  }

  storage::CrashingRocks& rocks_;
};

// What a store does when nobody waits for it: a turn of the member's worker.
class InTurns final : public storage::BackgroundWork {
 public:
  InTurns(Scheduler* scheduler, const VirtualClock* clock, VirtualExecutor* worker,
          storage::CrashingRocks* rocks)
      : scheduler_(scheduler), clock_(clock), worker_(worker), rocks_(rocks) {}
  void After(absl::Duration delay, std::function<void()> task) override {
    scheduler_->After(clock_->Until(delay),
                      [this, alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
                        if (alive.expired()) return;
                        worker_->Post([rocks = rocks_, task = std::move(task)] {
                          const storage::CrashingRocks::Running running(*rocks);
                          task();
                        });
                      });
  }

 private:
  Scheduler* const scheduler_;
  const VirtualClock* const clock_;
  VirtualExecutor* const worker_;
  storage::CrashingRocks* const rocks_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

class RocksOnCrashingDisk final : public storage::StateMedium {
 public:
  RocksOnCrashingDisk(storage::FileSystem& files, storage::CrashingRocks& rocks)
      : files_(files), rocks_(rocks) {}
  storage::FileSystem& files() override { return files_; }
  absl::StatusOr<std::unique_ptr<storage::Store>> Open(
      const storage::StoreOptions& options) override {
    storage::StoreOptions own = options;
    own.environment = &rocks_;
    // How much is worth it is measured with what memtables take, which is not the same every time.
    own.reclaim_by_itself = false;
    own.flush_on_close = false;
    own.memory_budget_bytes = kRocksMemory;
    const storage::CrashingRocks::Running running(rocks_, storage::CrashingRocks::Work::kFlushes);
    KV_ASSIGN_OR_RETURN(std::shared_ptr<storage::Store> store, storage::Store::Open(own));
    return std::make_unique<RunningStore>(std::move(store), rocks_);
  }
  absl::StatusOr<storage::StoredState> ReadStored(const std::string& directory) override {
    const storage::CrashingRocks::Running running(rocks_, storage::CrashingRocks::Work::kFlushes);
    return storage::ReadStoredState(directory, &rocks_);
  }

 private:
  storage::FileSystem& files_;
  storage::CrashingRocks& rocks_;
};

}  // namespace

storage::RaftLogOptions LogOptions(storage::FileSystem& files, Random* random,
                                   const Options& from) {
  storage::RaftLogOptions options;
  options.directory = kLogDirectory;
  options.segment_bytes = from.log_segment_bytes;
  options.cache_bytes_max = from.log_cache_bytes;
  options.background_thread = false;
  options.file_system = &files;
  options.random = random;
  return options;
}

Disk::Disk(uint64_t seed, bool real_stores) : files(seed) {
  if (real_stores) {
    rocks = std::make_unique<storage::CrashingRocks>(files);
    medium = std::make_unique<RocksOnCrashingDisk>(files, *rocks);
  } else {
    medium = std::make_unique<storage::MemoryStates>(files);
  }
}

void FormatDisk(Disk& disk, NodeId id, uint64_t cluster_id,
                const std::vector<etcdserverpb::Member>& members, const raft::ConfState& conf) {
  auto states = storage::StoreDirectory::Open(kStates, &disk.files);
  KV_CHECK(states.ok()) << states.status();
  auto store = disk.medium->Open({.directory = states->current()});
  KV_CHECK(store.ok()) << store.status();
  (*store)->BeginEntry(LogIndex(0), Term(0));
  for (const etcdserverpb::Member& member : members) server::StoreMember(**store, member);
  (*store)->PutRecord(storage::Table::kCluster, server::kNameKey, std::to_string(id.value()));
  (*store)->PutRecord(storage::Table::kCluster, server::kConfStateKey,
                      server::EncodeConfState(conf));
  (*store)->EndEntry();
  KV_CHECK((*store)->CommitBatch().ok());
  KV_CHECK((*store)->Flush().ok());
  SeededRandom random(id.value());
  const auto log =
      storage::RaftLog::Create(LogOptions(disk.files, &random, Options()), {cluster_id, id});
  KV_CHECK(log.ok()) << log.status();
}

// Tells the ledger of every entry, and can be made to put off its commits.
class Host::WatchedStore final : public storage::ReplaceableStore {
 public:
  WatchedStore(std::shared_ptr<storage::Store> store, const Environment& environment,
               const std::unique_ptr<server::MemberCore>* core)
      : ReplaceableStore(std::move(store)), environment_(environment), core_(core) {}

  void PutRecord(storage::Table table, std::string_view key, std::string_view value) override {
    permissions_change_ = permissions_change_ || table == storage::Table::kAuth;
    ReplaceableStore::PutRecord(table, key, value);
  }
  void DeleteRecord(storage::Table table, std::string_view key) override {
    permissions_change_ = permissions_change_ || table == storage::Table::kAuth;
    ReplaceableStore::DeleteRecord(table, key);
  }
  void GrantLease(const storage::LeaseRecord& lease) override {
    grants_waiting_.insert(lease.id);
    if ((*core_)->node().is_leader()) stalls_ += environment_.grant_stalls();
    ReplaceableStore::GrantLease(lease);
  }
  void BeginEntry(LogIndex index, Term term) override {
    is_entry_ = true;
    permissions_change_ = false;
    ReplaceableStore::BeginEntry(index, term);
  }
  std::vector<storage::StoredEvent> EndEntry() override {
    std::vector<storage::StoredEvent> events = ReplaceableStore::EndEntry();
    if (std::exchange(is_entry_, false)) {
      Ledger& ledger = *environment_.ledger;
      const uint64_t before = ledger.entries();
      const std::string broken = ledger.OnApplied(*this, events);
      if (permissions_change_ && ledger.entries() > before) {
        ledger.OnPermissions(*this, environment_.scheduler->now());
      }
      if (!broken.empty()) environment_.on_broken(broken);
      environment_.raft->OnApplied(environment_.number, (*core_)->node(), applied());
      environment_.scheduler->Mix(state_hash());
    }
    return events;
  }
  absl::Status CommitBatch() override {
    if (stalls_ == 0 && !environment_.refuses()) {
      grants_waiting_.clear();
      return ReplaceableStore::CommitBatch();
    }
    stalls_ -= stalls_ > 0 ? 1 : 0;
    return absl::UnavailableError("the store would stall");
  }
  void StallCommits(int count) { stalls_ = count; }
  bool GrantWaits(LeaseId lease) const { return grants_waiting_.contains(lease); }

 private:
  const Environment& environment_;
  const std::unique_ptr<server::MemberCore>* const core_;
  bool is_entry_ = false;
  bool permissions_change_ = false;  // by this entry
  int stalls_ = 0;
  std::set<LeaseId> grants_waiting_;
};

// Passwords take a while, and not many may wait.
class Host::PasswordWorker final : public server::Worker {
 public:
  PasswordWorker(VirtualExecutor* core, VirtualExecutor* own, std::function<bool()> refuses)
      : core_(core), own_(own), refuses_(std::move(refuses)) {}
  bool Run(Wanted wanted, Work work, Done done) override {
    if (*waiting_ == kWaitingMax || refuses_()) return false;
    ++*waiting_;
    own_->Post([core = core_, waiting = waiting_, wanted = std::move(wanted),
                work = std::move(work), done = std::move(done)]() mutable {
      --*waiting;
      Result result = wanted->load() ? work() : absl::CancelledError("nobody waits for it");
      core->Post([result = std::move(result), done = std::move(done)]() mutable {
        done(std::move(result));
      });
    });
    return true;
  }

 private:
  static constexpr int kWaitingMax = 5;
  VirtualExecutor* const core_;
  VirtualExecutor* const own_;
  const std::function<bool()> refuses_;
  const std::shared_ptr<int> waiting_ = std::make_shared<int>(0);
};

Host::Host(const Environment& environment, uint64_t seed)
    : environment_(environment),
      dice_(seed),
      random_(seed + 1),
      executor_(
          environment.scheduler, environment.clock, &dice_,
          {.tasks_a_turn = environment.options->tasks_a_turn, .timers_late = environment.late}),
      worker_(environment.scheduler, environment.clock, &dice_,
              {.turn_min = 100 * kMicrosecond, .turn_max = 20 * kMillisecond, .tasks_a_turn = 1}),
      password_executor_(
          environment.scheduler, environment.clock, &dice_,
          {.turn_min = kMillisecond, .turn_max = 40 * kMillisecond, .tasks_a_turn = 1}),
      background_(environment.disk->rocks == nullptr
                      ? nullptr
                      : std::make_unique<InTurns>(environment.scheduler, environment.clock,
                                                  &worker_, environment.disk->rocks.get())) {
  if (background_ != nullptr) environment.disk->rocks->SetBackground(background_.get());
}

// The calls go before what their handlers rest on.
Host::~Host() {
  for (const auto& weak : calls_) {
    if (const auto call = weak.lock()) call->Break();
  }
  rpc_.reset();
  publisher_.reset();
  core_.reset();
  if (background_ != nullptr) environment_.disk->rocks->SetBackground(nullptr);
}

storage::Store& Host::store() { return *store_; }
void Host::StallCommits(int count) { store_->StallCommits(count); }
bool Host::GrantWaits(LeaseId lease) const { return store_->GrantWaits(lease); }

void Host::PauseUntil(Time when) {
  paused_until_ = std::max(paused_until_, when);
  executor_.PauseUntil(when);
  worker_.PauseUntil(when);
  password_executor_.PauseUntil(when);
}

absl::StatusOr<std::unique_ptr<Host>> Host::Start(const Environment& environment, uint64_t seed) {
  std::unique_ptr<Host> host(new Host(environment, seed));
  KV_RETURN_IF_ERROR(host->Open());
  host->MakeCore();
  host->Serve();
  return host;
}

absl::Status Host::Open() {
  Disk& disk = *environment_.disk;
  KV_ASSIGN_OR_RETURN(storage::StoreDirectory states,
                      storage::StoreDirectory::Open(kStates, &disk.files));
  states_ = std::make_unique<storage::StoreDirectory>(std::move(states));
  KV_ASSIGN_OR_RETURN(std::shared_ptr<storage::Store> store,
                      disk.medium->Open({.directory = states_->current()}));
  const std::string broken = environment_.ledger->OnOpened(*store);
  if (!broken.empty()) environment_.on_broken(broken);
  store = WrongStore(environment_.options->bug, std::move(store));
  store_ = std::make_unique<WatchedStore>(std::move(store), environment_, &core_);
  KV_ASSIGN_OR_RETURN(
      log_, storage::RaftLog::Open(LogOptions(disk.files, &random_, *environment_.options)));
  KV_RETURN_IF_ERROR(states_->RemoveLeftovers());
  KV_RETURN_IF_ERROR(server::ResetLogBehindSnapshot(states_->installed(), *store_, *log_));
  environment_.raft->OnStart(environment_.number, *log_);
  return absl::OkStatus();
}

server::MemberOptions Host::MakeOptions() const {
  const Options& options = *environment_.options;
  server::MemberOptions member;
  member.cluster_id = environment_.cluster_id;
  member.id = environment_.id;
  member.tick = absl::Nanoseconds(options.tick);
  member.snapshot_count = options.snapshot_count;
  member.snapshot_catchup_entries = options.snapshot_catchup_entries;
  member.raft_cache_bytes_max = options.raft_cache_bytes;
  member.divergence_check_interval = absl::Seconds(2);
  member.learners_max = 2;
  member.pre_vote = options.pre_vote;
  member.initial_election_tick_advance = options.early_election;
  member.divergence_check_at_start = options.start_check;
  member.promote_learners = options.leader_promotes;
  member.auth_token_ttl = absl::Nanoseconds(options.token_ttl);
  member.watch.progress_interval = absl::Seconds(5);
  member.watch.catch_up_revisions = options.watch_catch_up_revisions;
  return member;
}

void Host::MakeSnapshots() {
  server::SnapshotKeeper::Environment keeping;
  keeping.core = &executor_;
  keeping.worker = &worker_;
  keeping.clock = environment_.clock;
  keeping.store = store_.get();
  keeping.directory = states_.get();
  keeping.send = environment_.send_snapshot;
  server::SnapshotKeeper::Options keeper_options;
  keeper_options.medium = environment_.disk->medium.get();
  keeper_options.age_max = absl::Seconds(30);
  keeper_options.idle_max = absl::Nanoseconds(environment_.options->snapshot_idle_max);
  snapshots_ = std::make_unique<server::SnapshotKeeper>(keeper_options, keeping);
  reluctant_snapshots_ = std::make_unique<ReluctantSnapshots>(ReluctantSnapshots::Environment{
      .snapshots = snapshots_.get(),
      .executor = &executor_,
      .refuses = environment_.refuses,
      .on_install =
          [this](const SharedBytes& name) { snapshots_waiting_.erase(std::string(name.view())); },
      .on_installed =
          [this] {
            const server::WatchHub& hub = core_->watch_hub();
            if (hub.watcher_count() == hub.lagging_count()) return;
            environment_.counters->Add(Reached::kSnapshotsUnderWatchers);
          }});
}

void Host::CountDeposed(const storage::LogAppend& append) {
  if (!core_->node().is_leader()) return;
  for (const storage::LogRecord& record : append.records) {
    proto::Command command;
    if (static_cast<raft::EntryType>(record.type) != raft::EntryType::kNormal ||
        !command.ParseFromArray(record.data.data(), static_cast<int>(record.data.size())) ||
        !command.has_lease_revoke()) {
      continue;
    }
    const uint64_t term = command.lease_revoke().leader_term();
    const bool deposed = term != 0 && Term(term) != record.term;
    if (deposed) environment_.counters->Add(Reached::kRevocationsOfTheDeposed);
  }
}

void Host::MakeCore() {
  log_writer_ = WrongLogWriter(
      environment_.options->bug,
      std::make_unique<SimulatedLogWriter>(SimulatedLogWriter::Environment{
          .log = log_.get(),
          .executor = &executor_,
          .scheduler = environment_.scheduler,
          .dice = &dice_,
          .speed = &environment_.disk->speed,
          .on_failure = [this](absl::Status status) { core_->OnFatal(std::move(status)); },
          .on_full = [this](bool full) { core_->OnLogFull(full); },
          .on_write =
              [this](const storage::LogAppend& append) {
                environment_.raft->OnWrite(environment_.number, core_->node(), append);
                if (environment_.options->has(Feature::k_sleeping_leaders)) CountDeposed(append);
              },
          .on_written =
              [this](absl::Span<const storage::LogAppend> group) {
                environment_.raft->OnWritten(environment_.number, group);
              }}),
      &executor_);
  MakeSnapshots();

  server::MemberCore::Environment environment;
  environment.executor = &executor_;
  environment.random = &random_;
  environment.clock = environment_.clock;
  environment.log = log_.get();
  environment.log_writer = log_writer_.get();
  environment.store = store_.get();
  environment.transport = this;
  environment.snapshots = reluctant_snapshots_.get();
  environment.ask = environment_.ask;
  environment.connected_for = environment_.connected_for;
  environment.on_members_changed = [] {};
  environment.on_removed = environment_.on_removed;
  environment.on_fatal = environment_.on_fatal;
  environment.on_notice = environment_.on_notice;
  core_ = std::make_unique<server::MemberCore>(MakeOptions(), environment);
}

void Host::Serve() {
  rpc_ = std::make_unique<rpc::RpcServer>(&loop_, environment_.clock, rpc::RpcServerOptions());
  rpc_->SetAdmission(&core_->auth_gate());
  password_worker_ =
      std::make_unique<PasswordWorker>(&executor_, &password_executor_, environment_.refuses);
  server::RegisterAuth(core_.get(),
                       {.worker = password_worker_.get(),
                        .bcrypt_cost = server::kBcryptCostMin,
                        .secrets =
                            [this](size_t size) {
                              std::string bytes;
                              while (bytes.size() < size) {
                                bytes += static_cast<char>(random_.Below(256));
                              }
                              return bytes;
                            }},
                       rpc_.get());
  server::RegisterKv(core_.get(), rpc_.get());
  server::RegisterWatch(core_.get(), rpc_.get());
  server::RegisterLease(core_.get(), rpc_.get());
  server::RegisterCluster(core_.get(), rpc_.get());
  server::RegisterMaintenance(core_.get(), rpc_.get());
  server::RegisterClusterMaintenance(core_.get(), rpc_.get());
  server::RegisterLock(core_.get(), rpc_.get());
  server::RegisterElection(core_.get(), rpc_.get());

  load_ = std::make_unique<rpc::LoadControl>(
      server::MakeLoadLimits({.memory_bytes = environment_.options->client_memory_bytes,
                              .writes_max = environment_.options->lane_width,
                              .reads_max = environment_.options->lane_width,
                              .wait_max = absl::Nanoseconds(environment_.options->load_wait_max)}),
      [this] { PumpLoad(); });
  load_timer_ = executor_.NewTimer();

  proto::MemberAttributes attributes;
  attributes.set_id(environment_.id.value());
  attributes.set_name(environment_.name);
  attributes.add_client_urls(absl::StrCat("http://", environment_.name, ":2379"));
  publisher_ = std::make_unique<server::Publisher>(core_.get(), std::move(attributes), [] {});
  core_->Start([this] { publisher_->Start(); });
}

void Host::OnSnapshotReceived(const std::string& name, std::string directory) {
  snapshots_waiting_.insert(name);
  if (snapshots_waiting_.size() > 1) {
    environment_.counters->Add(Reached::kSnapshotsBeforeAnInstall);
  }
  snapshots_->OnReceived(name, std::move(directory));
}

// As server/rpc/load_loop.h does it on a loop of its own.
void Host::PumpLoad() {
  if (!std::exchange(sweep_armed_, true)) SweepLoad();
  if (!load_->waiting() || std::exchange(pump_posted_, true)) return;
  executor_.Post([this] {
    pump_posted_ = false;
    load_->Pump();
  });
}

void Host::SweepLoad() {
  load_timer_->Arm(kLoadSweep, [this] {
    load_->Sweep(environment_.clock->Now());
    sweep_armed_ = load_->busy();
    if (sweep_armed_) SweepLoad();
  });
}

void Host::AddCall(const std::shared_ptr<SimulatedCall>& call, std::string request) {
  std::erase_if(calls_, [](const auto& weak) { return weak.expired(); });
  calls_.push_back(call);
  executor_.Post([this, call, request = std::move(request)]() mutable {
    const absl::Status admitted = server::AdmitToLearner(*core_, call->method());
    if (!admitted.ok()) return call->Finish(admitted);
    const rpc::Handler* const handler = rpc_->FindHandler(call->method());
    KV_CHECK(handler != nullptr) << call->method();
    call->Begin({handler, &executor_, environment_.clock, load_.get()}, std::move(request));
  });
}

}  // namespace keelson::simulation
