#include "server/testing/core_cluster.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "server/cluster_records.h"
#include "server/data_directory.h"
#include "server/force_new_cluster.h"
#include "server/membership.h"
#include "storage/snapshot_stream.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kCheckpointAge = absl::Seconds(30);

}  // namespace

class CoreCluster::Port final : public RaftTransport {
 public:
  Port(CoreCluster* cluster, int self) : cluster_(cluster), self_(self) {}
  bool Send(const raft::Message& message) override { return cluster_->Send(self_, message); }

 private:
  CoreCluster* const cluster_;
  const int self_;
};

// The core goes before what it rests on.
struct CoreCluster::Host {
  Host(CoreCluster* cluster, int n, uint64_t seed)
      : executor(&cluster->clock_), worker(&cluster->clock_), random(seed), port(cluster, n) {}

  ManualExecutor executor;
  ManualExecutor worker;
  bool worker_held = false;
  bool serving = false;
  SeededRandom random;
  std::unique_ptr<storage::RaftLog> log;
  FillingFileSystem files;  // of what says which state counts
  std::unique_ptr<storage::StoreDirectory> states;
  std::unique_ptr<StallingStore> store;
  std::unique_ptr<InlineLogWriter> log_writer;
  Port port;
  std::unique_ptr<SnapshotKeeper> snapshots;
  std::unique_ptr<MemberCore> core;
};

CoreCluster::CoreCluster(int members, uint64_t seed, const SpaceOptions& space)
    : members_(members), space_(space), random_(seed) {
  std::vector<etcdserverpb::Member> records;
  raft::ConfState conf;
  for (int n = 1; n <= members; ++n) {
    ids_[n] = NodeId(static_cast<uint64_t>(n));
    conf.voters.push_back(ids_[n]);
    etcdserverpb::Member& member = records.emplace_back();
    member.set_id(ids_[n].value());
    member.set_name("m" + std::to_string(n));
    member.add_peerurls("http://m" + std::to_string(n) + ":2380");
  }
  for (int n = 1; n <= members; ++n) CreateDisks(n, records, conf);
  for (int n = 1; n <= members; ++n) Start(n);
}

CoreCluster::~CoreCluster() = default;

std::string CoreCluster::Directory(int n, const std::string& what) const {
  return directory_.File(std::to_string(n) + "-" + what);
}

int CoreCluster::NumberOf(NodeId id) const {
  for (const auto& [n, of] : ids_) {
    if (of == id) return n;
  }
  return 0;
}

absl::Status CoreCluster::ForceAlone(int n) {
  hosts_.clear();
  auto states = storage::StoreDirectory::Open(Directory(n, "states"));
  KV_RETURN_IF_ERROR(states.status());
  KV_ASSIGN_OR_RETURN(auto store, storage::Store::Open({.directory = states->current()}));
  storage::RaftLogOptions options;
  options.directory = Directory(n, "log");
  options.segment_bytes = 1 << 20;
  options.background_thread = false;
  options.unsafe_no_sync = true;
  KV_ASSIGN_OR_RETURN(auto log, storage::RaftLog::Open(options));
  KV_RETURN_IF_ERROR(ForceNewCluster(id(n), *store, *log));
  log.reset();
  store.reset();
  Start(n);
  return absl::OkStatus();
}

int CoreCluster::Join(NodeId id, int told_by) {
  const int n = ++members_;
  ids_[n] = id;
  CreateDisks(n, Members(store(told_by)), {});
  Start(n);
  return n;
}

void CoreCluster::CreateDisks(int n, const std::vector<etcdserverpb::Member>& members,
                              const raft::ConfState& conf) {
  auto states = storage::StoreDirectory::Open(Directory(n, "states"));
  KV_CHECK(states.ok()) << states.status();
  auto store = storage::Store::Open({.directory = states->current()});
  KV_CHECK(store.ok()) << store.status();
  (*store)->BeginEntry(LogIndex(0), Term(0));
  for (const etcdserverpb::Member& member : members) StoreMember(**store, member);
  (*store)->PutRecord(storage::Table::kCluster, kNameKey, std::to_string(n));
  (*store)->PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState(conf));
  (*store)->EndEntry();
  KV_CHECK((*store)->CommitBatch().ok());
  KV_CHECK((*store)->Flush().ok());
  storage::RaftLogOptions options;
  options.directory = Directory(n, "log");
  options.segment_bytes = 1 << 20;
  options.background_thread = false;
  options.unsafe_no_sync = true;
  auto log = storage::RaftLog::Create(options, {7, ids_[n]});
  KV_CHECK(log.ok()) << log.status();
}

MemberOptions CoreCluster::OptionsOf(int n) const {
  MemberOptions options;
  options.cluster_id = 7;
  options.id = ids_.at(n);
  options.space = space_;
  options.snapshot_count = 1;
  options.snapshot_catchup_entries = catchup_entries_;
  options.divergence_check_at_start = check_at_start_;
  if (adjust_) adjust_(options);
  return options;
}

void CoreCluster::Start(int n) {
  KV_CHECK(!running(n));
  auto host = std::make_unique<Host>(this, n, random_.Next());
  auto states = storage::StoreDirectory::Open(Directory(n, "states"), &host->files);
  KV_CHECK(states.ok()) << states.status();
  host->states = std::make_unique<storage::StoreDirectory>(*std::move(states));
  storage::StoreOptions store_options;
  store_options.flush_on_close = false;
  store_options.directory = host->states->current();
  auto store = storage::Store::Open(store_options);
  KV_CHECK(store.ok()) << store.status();
  host->store = std::make_unique<StallingStore>(*std::move(store));
  storage::RaftLogOptions log_options;
  log_options.directory = Directory(n, "log");
  log_options.segment_bytes = 1 << 20;
  log_options.background_thread = false;
  log_options.unsafe_no_sync = true;
  auto log = storage::RaftLog::Open(log_options);
  KV_CHECK(log.ok()) << log.status();
  host->log = *std::move(log);
  host->log_writer = std::make_unique<InlineLogWriter>(host->log.get(), &host->executor);
  fatal_[n] = absl::OkStatus();
  KV_CHECK(host->states->RemoveLeftovers().ok());
  KV_CHECK(ResetLogBehindSnapshot(host->states->installed(), *host->store, *host->log).ok());
  SnapshotKeeper::Environment keeping;
  keeping.core = &host->executor;
  keeping.worker = &host->worker;
  keeping.clock = &clock_;
  keeping.store = host->store.get();
  keeping.directory = host->states.get();
  keeping.send = [this, n](const raft::Message& message, SnapshotKeeper::CheckpointPtr checkpoint,
                           Snapshots::SendDone done) {
    SendSnapshot(n, message, checkpoint, std::move(done));
  };
  SnapshotKeeper::Options keeper_options;
  keeper_options.store = store_options;
  keeper_options.age_max = kCheckpointAge;
  host->snapshots = std::make_unique<SnapshotKeeper>(keeper_options, keeping);

  MemberCore::Environment environment;
  environment.executor = &host->executor;
  environment.random = &host->random;
  environment.clock = &clock_;
  environment.log = host->log.get();
  environment.log_writer = host->log_writer.get();
  environment.store = host->store.get();
  environment.transport = &host->port;
  environment.snapshots = host->snapshots.get();
  environment.ask = [this, n](NodeId peer, const PeerRequest& request, auto done) {
    Ask(n, NumberOf(peer), request, std::move(done));
  };
  environment.connected_for = [this, n](NodeId peer) {
    return LinkOf(n, NumberOf(peer)) == Link::kUp ? absl::Hours(1) : absl::ZeroDuration();
  };
  environment.on_members_changed = [] {};
  environment.on_removed = [this, n] {
    KV_CHECK(removed_.insert(n).second) << "told twice";
    core(n).Stop();
  };
  environment.on_fatal = [this, n](absl::Status status) {
    KV_CHECK(fatal_[n].ok()) << "a second end";
    fatal_[n] = std::move(status);
  };
  environment.on_notice = [](const std::string&) {};
  host->core = std::make_unique<MemberCore>(OptionsOf(n), environment);
  MemberCore* const core = host->core.get();
  bool* const serving = &host->serving;
  hosts_[n] = std::move(host);
  core->Start([serving] { *serving = true; });
}

void CoreCluster::Crash(int n) { KV_CHECK(hosts_.erase(n) == 1); }

MemberCore& CoreCluster::core(int n) { return *hosts_.at(n)->core; }
StallingStore& CoreCluster::store(int n) { return *hosts_.at(n)->store; }
bool CoreCluster::serving(int n) const { return hosts_.at(n)->serving; }
FillingFileSystem& CoreCluster::files(int n) { return hosts_.at(n)->files; }
void CoreCluster::HoldWorker(int n) { hosts_.at(n)->worker_held = true; }
storage::RaftLog& CoreCluster::log(int n) { return *hosts_.at(n)->log; }
InlineLogWriter& CoreCluster::log_writer(int n) { return *hosts_.at(n)->log_writer; }

// ---------------------------------------------------------------------------------- network

void CoreCluster::Isolate(int n, Link link) {
  for (int other = 1; other <= members_; ++other) {
    if (other == n) continue;
    SetLink(n, other, link);
    SetLink(other, n, link);
  }
}

Link CoreCluster::LinkOf(int from, int to) const {
  if (!running(to)) return Link::kDown;
  const auto it = links_.find({from, to});
  return it == links_.end() ? Link::kUp : it->second;
}

bool CoreCluster::Send(int from, const raft::Message& message) {
  const int to = NumberOf(message.to);
  switch (LinkOf(from, to)) {
    case Link::kDown:
      return false;
    case Link::kLosing:
      return true;
    case Link::kUp:
      break;
  }
  auto decoded = DecodeRaftMessage(SharedBytes(EncodeRaftMessage(message).Flatten()));
  KV_CHECK(decoded.has_value());
  Host* const host = hosts_.at(to).get();
  host->executor.Post([host, message = *std::move(decoded)]() mutable {
    host->core->OnRaftMessage(std::move(message));
  });
  return true;
}

// The stream goes over in one piece, and the message with it.
void CoreCluster::SendSnapshot(int from, const raft::Message& message,
                               const SnapshotKeeper::CheckpointPtr& checkpoint,
                               Snapshots::SendDone done) {
  const int to = NumberOf(message.to);
  const auto finish = [&](raft::SnapshotResult result) {
    hosts_.at(from)->executor.Post([result, done = std::move(done)]() mutable { done(result); });
  };
  if (LinkOf(from, to) != Link::kUp) return finish(raft::SnapshotResult::kFailed);
  ++snapshots_sent_;
  Host* const host = hosts_.at(to).get();
  const std::string incoming = host->snapshots->NewIncoming();
  storage::SnapshotReceiver receiver(incoming, &storage::PosixFileSystem());
  auto stream = checkpoint->NewSource()->Read(0, UINT64_MAX);
  KV_CHECK(stream.ok()) << stream.status();
  if (std::exchange(damage_next_checkpoint_, false)) damaged_checkpoint_ = checkpoint;
  if (damage_left_ > 0 || damaged_checkpoint_.lock() == checkpoint) {
    if (damage_left_ > 0) --damage_left_;
    (*stream)[stream->size() / 2] ^= 1;
  }
  absl::Status status = receiver.Append(*stream);
  if (status.ok()) status = receiver.Finish();
  if (!status.ok()) {
    host->snapshots->RemoveIncoming(incoming);
    return finish(raft::SnapshotResult::kFailed);
  }
  host->executor.Post([host, message, name = SnapshotName(*receiver.description()), incoming] {
    host->snapshots->OnReceived(name, incoming);
    host->core->OnRaftMessage(message);
  });
  finish(raft::SnapshotResult::kDelivered);
}

void CoreCluster::Ask(int from, int to, const PeerRequest& request,
                      absl::AnyInvocable<void(PeerAnswer)> done) {
  ManualExecutor* const asker = &hosts_.at(from)->executor;
  if (LinkOf(from, to) != Link::kUp || LinkOf(to, from) != Link::kUp) {
    asker->Post([done = std::move(done)]() mutable { done(std::nullopt); });
    return;
  }
  Host* const host = hosts_.at(to).get();
  host->executor.Post([this, from, host, request, done = std::move(done)]() mutable {
    host->core->OnPeerRequest(request, [this, from,
                                        done = std::move(done)](PeerAnswer answer) mutable {
      if (!running(from)) return;
      hosts_.at(from)->executor.Post([answer, done = std::move(done)]() mutable { done(answer); });
    });
  });
}

// ------------------------------------------------------------------------------------- time

void CoreCluster::Settle() {
  while (SettleOneRound()) {
  }
}

bool CoreCluster::SettleOneRound() {
  bool any = false;
  for (auto& [n, host] : hosts_) {
    any = host->executor.RunOne() || any;
    any = (!host->worker_held && host->worker.RunOne()) || any;
  }
  return any;
}

void CoreCluster::Run(absl::Duration time) {
  const absl::Duration end = clock_.Now() + time;
  RunUntil([&] { return clock_.Now() >= end; }, time);
}

bool CoreCluster::RunUntil(const std::function<bool()>& holds, absl::Duration time_max) {
  const absl::Duration end = clock_.Now() + time_max;
  while (true) {
    Settle();
    if (holds()) return true;
    if (clock_.Now() >= end) return false;
    RunNextTimers(end);
  }
}

void CoreCluster::RunNextTimers(absl::Duration end) {
  absl::Duration next = end;
  for (auto& [n, host] : hosts_) next = std::min(next, host->executor.next_timer());
  if (next > clock_.Now()) clock_.Advance(next - clock_.Now());
  for (auto& [n, host] : hosts_) host->executor.RunTimers();
}

int CoreCluster::Leader() const {
  int leader = 0;
  Term term;
  for (const auto& [n, host] : hosts_) {
    const Node& node = host->core->node();
    if (host->core->stopped() || !node.is_leader() || node.term() < term) continue;
    leader = n;
    term = node.term();
  }
  return leader;
}

int CoreCluster::AwaitLeader() {
  const bool agreed = RunUntil(
      [this] {
        const int leader = Leader();
        if (leader == 0) return false;
        for (const auto& [n, host] : hosts_) {
          if (host->core->stopped() || host->core->reconfigurator().removed()) continue;
          if (host->core->node().leader() != id(leader)) return false;
        }
        return true;
      },
      absl::Minutes(1));
  return agreed ? Leader() : 0;
}

}  // namespace keelson::server
