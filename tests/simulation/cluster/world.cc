#include "tests/simulation/cluster/world.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "server/membership.h"
#include "server/raft_codec.h"
#include "storage/snapshot_stream.h"
#include "tests/simulation/cluster/damage.h"

namespace keelson::simulation {
namespace {

constexpr uint64_t kClusterId = 7;
constexpr size_t kStoryLines = 25;
constexpr Time kAskTimeout = 5 * kSecond;
constexpr uint64_t kPieceBytes = 16 << 10;
constexpr Time kHeldStep = 100 * kMillisecond;
using Survivors = storage::CrashingFileSystem::Survivors;

}  // namespace

// A state on its way from one member to another, piece by piece.
class World::SnapshotDelivery : public std::enable_shared_from_this<SnapshotDelivery> {
 public:
  SnapshotDelivery(World* world, int from, int to, raft::Message message,
                   server::SnapshotKeeper::CheckpointPtr checkpoint,
                   server::Snapshots::SendDone done)
      : world_(world),
        from_(from),
        to_(to),
        from_life_(world->lives_[from]),
        to_life_(world->lives_[to]),
        message_(std::move(message)),
        checkpoint_(std::move(checkpoint)),
        source_(checkpoint_->NewSource()),
        done_(std::move(done)) {}

  void Next() {
    world_->scheduler_.After(world_->Delay(), [self = shared_from_this()] { self->Step(); });
  }
  // The sender's life is over, and what it holds of the disk with it.
  void Drop() {
    source_.reset();
    checkpoint_.reset();
    done_ = nullptr;
  }
  bool over() const { return source_ == nullptr; }
  int from() const { return from_; }
  int to() const { return to_; }
  std::string name() const {
    return std::string(std::get<raft::InstallSnapshot>(message_.body).snapshot->data.view());
  }

 private:
  bool Connected() const {
    return world_->running(from_) && world_->lives_[from_] == from_life_ && world_->running(to_) &&
           world_->lives_[to_] == to_life_ && !world_->CutBetween(from_, to_);
  }
  void Step() {
    if (over()) return;
    if (Connected() && world_->snapshots_held_.contains(to_)) {
      return world_->scheduler_.After(world_->dice_.Between(kMillisecond, kHeldStep),
                                      [self = shared_from_this()] { self->Step(); });
    }
    const bool breaks = world_->faulty && world_->options_.has(Feature::k_broken_snapshots) &&
                        world_->dice_.Percent(3);
    if (!Connected() || breaks) return Fail("the connection broke");
    if (!receiver_) {
      incoming_ = world_->host(to_).snapshots().NewIncoming();
      receiver_.emplace(incoming_, &world_->disk(to_).files);
    }
    auto piece = source_->Read(receiver_->offset(), kPieceBytes);
    if (!piece.ok()) return Fail(piece.status().ToString());
    if (world_->faulty && world_->options_.has(Feature::k_broken_snapshots) &&
        world_->dice_.Percent(2)) {
      (*piece)[piece->size() / 2] ^= 1;
    }
    absl::Status status = receiver_->Append(*piece);
    if (!status.ok()) return Fail(status.ToString());
    if (receiver_->offset() < source_->bytes()) return Next();
    status = receiver_->Finish();
    if (!status.ok()) return Fail(status.ToString());
    Host* const host = &world_->host(to_);
    host->executor().Post([host, message = message_, incoming = incoming_,
                           name = server::SnapshotName(*receiver_->description())] {
      host->OnSnapshotReceived(name, incoming);
      host->core().OnRaftMessage(message);
    });
    world_->counters_.Add(Reached::kSnapshotsDelivered);
    Finish(raft::SnapshotResult::kDelivered);
  }
  void Fail(const std::string& why) {
    world_->Tell(to_, absl::StrCat("does not get a snapshot: ", why));
    world_->counters_.Add(Reached::kSnapshotsBroken);
    if (receiver_ && world_->running(to_) && world_->lives_[to_] == to_life_) {
      receiver_.reset();
      world_->host(to_).snapshots().RemoveIncoming(incoming_);
    }
    Finish(raft::SnapshotResult::kFailed);
  }
  void Finish(raft::SnapshotResult result) {
    if (done_ && world_->running(from_) && world_->lives_[from_] == from_life_) {
      world_->host(from_).executor().Post(
          [result, done = std::move(done_)]() mutable { done(result); });
    }
    Drop();
  }

  World* const world_;
  const int from_, to_;
  const uint64_t from_life_, to_life_;
  const raft::Message message_;
  server::SnapshotKeeper::CheckpointPtr checkpoint_;
  std::unique_ptr<storage::SnapshotSource> source_;
  server::Snapshots::SendDone done_;
  std::string incoming_;
  std::optional<storage::SnapshotReceiver> receiver_;
};

World::World(const Options& options, bool trace)
    : options_(options),
      trace_(trace),
      dice_(options.seed),
      raft_({.broken =
                 [this](int n, const std::string& invariant) {
                   Broken(absl::StrCat(invariant, " (member ", n, ")"));
                 },
             .number_of = [this](NodeId id) { return NumberOf(id); }}),
      members_(options.members) {
  std::vector<etcdserverpb::Member> records;
  raft::ConfState conf;
  for (int n = 1; n <= members_; ++n) {
    ids_[n] = NodeId(static_cast<uint64_t>(n));
    conf.voters.push_back(ids_[n]);
    etcdserverpb::Member& member = records.emplace_back();
    member.set_id(ids_[n].value());
    member.set_name(absl::StrCat("m", n));
    member.add_peerurls(absl::StrCat("http://m", n, ":2380"));
  }
  for (int n = 1; n <= members_; ++n) {
    disks_[n] = std::make_unique<Disk>(dice_.Next(), options_.real_stores);
    clocks_[n] = std::make_unique<VirtualClock>(&scheduler_);
    FormatDisk(disk(n), ids_[n], kClusterId, records, conf);
  }
  if (options_.real_stores) counters_.Add(Reached::kRealStores);
  for (int n = 1; n <= members_; ++n) Start(n);
}

World::~World() {
  for (const auto& delivery : deliveries_) delivery->Drop();
  for (const int n : Running()) disk(n).files.Halt();
  hosts_.clear();
}

// --------------------------------------------------------------------------------------------
// story

void World::Broken(const std::string& invariant) {
  if (!broken_.empty()) return;
  broken_ = invariant;
  Tell(0, absl::StrCat("BROKEN: ", invariant));
}

void World::Tell(int n, const std::string& what) {
  std::string line = absl::StrFormat("%10.4f  %s  ", static_cast<double>(now()) / kSecond,
                                     n == 0 ? "--" : absl::StrCat("m", n));
  line += what;
  scheduler_.Mix(line);
  if (trace_) std::printf("%s\n", line.c_str());
  std::deque<std::string>& story = stories_[n];
  story.push_back(std::move(line));
  if (story.size() > kStoryLines) story.pop_front();
}

std::string World::Stories() const {
  std::string text;
  for (const auto& [n, story] : stories_) {
    absl::StrAppend(&text, n == 0 ? "all" : absl::StrCat("member ", n), ":\n");
    for (const std::string& line : story) absl::StrAppend(&text, "  ", line, "\n");
  }
  return text;
}

// ------------------------------------------------------------------------------------------
// members

int World::NumberOf(NodeId id) const {
  for (const auto& [n, of] : ids_) {
    if (of == id) return n;
  }
  return 0;
}

std::vector<int> World::Running() const {
  std::vector<int> running;
  for (const auto& [n, host] : hosts_) running.push_back(n);
  return running;
}

int World::Leader() {
  int leader = 0;
  Term term;
  for (const auto& [n, host] : hosts_) {
    const server::Node& node = host->core().node();
    if (!node.is_leader() || node.term() < term) continue;
    leader = n;
    term = node.term();
  }
  return leader;
}

int World::Newest() const {
  int newest = 0;
  for (const auto& [n, host] : hosts_) {
    if (newest == 0 || host->store().applied() > hosts_.at(newest)->store().applied()) newest = n;
  }
  return newest;
}

std::set<int> World::MembersWho(bool learn) {
  std::set<int> members;
  const int newest = Newest();
  if (newest == 0) return members;
  for (const auto& member : server::Members(host(newest).store())) {
    const int n = NumberOf(NodeId(member.id()));
    if (n != 0 && member.islearner() == learn) members.insert(n);
  }
  return members;
}
std::set<int> World::Voters() { return MembersWho(false); }
std::set<int> World::Learners() { return MembersWho(true); }

bool World::Refuses() {
  if (!faulty || !options_.has(Feature::k_reluctance) || !dice_.Percent(3)) return false;
  counters_.Add(Reached::kRefusals);
  return true;
}

Time World::Late() {
  if (!faulty || !options_.has(Feature::k_reluctance) || !dice_.Percent(3)) return 0;
  counters_.Add(Reached::kLateTimers);
  return dice_.Skewed(kMillisecond, 300 * kMillisecond);
}

int World::GrantStalls() {
  if (!faulty || !options_.has(Feature::k_stalled_grants) || !dice_.Percent(25)) return 0;
  return static_cast<int>(dice_.Skewed(20, 1000));
}

Host::Environment World::EnvironmentOf(int n) {
  Host::Environment environment;
  environment.scheduler = &scheduler_;
  environment.options = &options_;
  environment.clock = &clock(n);
  environment.disk = &disk(n);
  environment.ledger = &ledger_;
  environment.raft = &raft_;
  environment.counters = &counters_;
  environment.id = id(n);
  environment.number = n;
  environment.name = absl::StrCat("m", n);
  environment.cluster_id = kClusterId;
  environment.send = [this, n](const raft::Message& message) { return Send(n, message); };
  environment.send_snapshot = [this, n](const raft::Message& message,
                                        server::SnapshotKeeper::CheckpointPtr checkpoint,
                                        server::Snapshots::SendDone done) {
    SendSnapshot(n, message, std::move(checkpoint), std::move(done));
  };
  environment.ask = [this, n](NodeId peer, const server::PeerRequest& request, auto done) {
    Ask(n, NumberOf(peer), request, std::move(done));
  };
  environment.refuses = [this] { return Refuses(); };
  environment.late = [this] { return Late(); };
  environment.grant_stalls = [this] { return GrantStalls(); };
  environment.connected_for = [this, n](NodeId peer) { return ConnectedFor(n, NumberOf(peer)); };
  environment.on_fatal = [this, n](const absl::Status& status) { OnFatal(n, status); };
  environment.on_removed = [this, n] {
    Tell(n, "hears that it was removed");
    Retire(n);
  };
  environment.on_notice = [this, n](const std::string& text) {
    Tell(n, text);
    CheckLeaders();
  };
  environment.on_broken = [this, n](const std::string& invariant) {
    Broken(absl::StrCat(invariant, " (member ", n, ")"));
  };
  return environment;
}

void World::Start(int n) {
  if (running(n) || removed(n) || refusing() == n || !broken_.empty()) return;
  disk(n).files.FlipReads(0);
  auto host = Host::Start(EnvironmentOf(n), dice_.Next());
  if (!host.ok()) {
    Tell(n, absl::StrCat("does not start: ", host.status().ToString()));
    if (absl::IsDataLoss(host.status()) && damaged_ == n) return OnRefusal(n, host.status());
    if (!absl::IsResourceExhausted(host.status())) {
      Broken(absl::StrCat("a disk that lost power can be opened: member ", n, ": ",
                          host.status().ToString()));
      return;
    }
    return scheduler_.After(kSecond / 2, [this, n] { Start(n); });
  }
  ++lives_[n];
  started_[n] = now();
  flips_before_life_[n] = disk(n).files.flips();
  hosts_[n] = *std::move(host);
  if (damaged_ == n) {
    counters_.Add(Reached::kDamageHarmless);
    damaged_ = 0;
  }
  Tell(n, absl::StrCat("starts at entry ", hosts_[n]->store().applied().value()));
  if (hosts_[n]->store().applied().value() < ledger_.entries()) {
    counters_.Add(Reached::kRestartsBehindTheState);
  }
}

void World::Crash(int n) {
  scheduler_.After(0, [this, n] {
    if (!running(n)) return;
    const uint64_t drawn = dice_.Below(100);
    const Survivors survivors = drawn < 60   ? Survivors::kDrawn
                                : drawn < 85 ? Survivors::kNothing
                                             : Survivors::kAll;
    Tell(n, "crashes");
    counters_.Add(Reached::kCrashes);
    disk(n).files.Halt();
    for (const auto& delivery : deliveries_) {
      if (delivery->from() == n) delivery->Drop();
    }
    hosts_.erase(n);
    scheduler_.Mix(disk(n).files.trace());
    disk(n).files.Restart(survivors);
    disk(n).speed = DiskSpeed();
  });
}

int World::Join(NodeId id, int told_by) {
  const int n = ++members_;
  ids_[n] = id;
  disks_[n] = std::make_unique<Disk>(dice_.Next(), options_.real_stores);
  clocks_[n] = std::make_unique<VirtualClock>(&scheduler_);
  FormatDisk(disk(n), id, kClusterId, server::Members(host(told_by).store()), {});
  Start(n);
  return n;
}

void World::Retire(int n) {
  if (!removed_.insert(n).second) return;
  // Removed before anybody saw that its disk is damaged: another takes its place all the same.
  if (damaged_ == n && !running(n)) refuses_ = true;
  scheduler_.After(kSecond, [this, n] { Crash(n); });
}

void World::Damage(int n) {
  KV_CHECK(!running(n) && damaged_ == 0);
  const std::string what = DamageDisk(disk(n), dice_);
  if (what.empty()) return;
  Tell(n, absl::StrCat("has flipped bits: ", what));
  counters_.Add(Reached::kDisksDamaged);
  damaged_ = n;
  raft_.OnDamaged(n);
}

void World::OnRefusal(int n, const absl::Status& status) {
  Tell(n, absl::StrCat("refuses its disk: ", status.ToString()));
  counters_.Add(Reached::kDamageRefused);
  refuses_ = true;
}

void World::OnReplaced(int n) {
  KV_CHECK(refusing() == n);
  counters_.Add(Reached::kMembersReplaced);
  damaged_ = 0;
  refuses_ = false;
}

void World::OnFatal(int n, const absl::Status& status) {
  Tell(n, absl::StrCat("stops: ", status.ToString()));
  const bool flipped = absl::IsDataLoss(status) && disk(n).files.flips() > flips_before_life_[n];
  if (flipped) counters_.Add(Reached::kStoppedByFlippedReads);
  if (!disk(n).files.halted() && disk(n).files.failures() == 0 && !flipped) {
    return Broken(absl::StrCat("a member goes on as long as its disk does: member ", n, ": ",
                               status.ToString()));
  }
  if (disk(n).files.halted()) counters_.Add(Reached::kCrashesInTheMiddleOfAWrite);
  Crash(n);
  scheduler_.After(dice_.Between(kSecond / 10, 3 * kSecond), [this, n] { Start(n); });
}

void World::CheckLeaders() {
  for (const auto& [n, host] : hosts_) {
    const server::Node& node = host->core().node();
    if (!node.is_leader()) continue;
    const auto [it, is_new] = leaders_.emplace(node.term().value(), n);
    if (is_new) {
      counters_.Add(Reached::kElections);
      last_election_ = now();
    }
    if (it->second != n) {
      Broken(absl::StrCat("a term has one leader: ", node.term().value(), " has members ",
                          it->second, " and ", n));
    }
  }
}

void World::MixDisks() {
  for (const auto& [n, disk] : disks_) scheduler_.Mix(disk->files.trace());
}

// ------------------------------------------------------------------------------------------
// network

void World::Cut(int from, int to, bool cut) {
  if (cut) {
    cuts_.insert({from, to});
  } else if (cuts_.erase({from, to}) > 0) {
    healed_[{from, to}] = now();
  }
}

void World::CutClients(int n, bool cut) {
  if (cut) {
    client_cuts_.insert(n);
  } else {
    client_cuts_.erase(n);
  }
}

void World::HealNetwork() {
  for (const auto& cut : std::exchange(cuts_, {})) healed_[cut] = now();
  client_cuts_.clear();
  alone_.clear();
}

bool World::Carries(int member, const void* connection) const {
  return !client_cuts_.contains(member) && !alone_.contains(connection);
}

void World::SetAlone(const void* connection, bool alone) {
  if (alone) {
    alone_.insert(connection);
  } else {
    alone_.erase(connection);
  }
}

Time World::Delay() {
  return faulty ? dice_.Between(options_.network_min, options_.network_max)
                : dice_.Between(100 * kMicrosecond, kMillisecond);
}

// RocksDB draws names of its own for its files' contents: the checksum by which a snapshot is known
// is not the same every time, where the state is.
void World::MixMessage(const raft::Message& message, std::string_view bytes) {
  const auto* const install = std::get_if<raft::InstallSnapshot>(&message.body);
  if (install == nullptr || !options_.real_stores) return scheduler_.Mix(bytes);
  scheduler_.Mix(install->snapshot->id.index.value());
  scheduler_.Mix(install->snapshot->data.view().size());
}

bool World::Send(int from, const raft::Message& message) {
  const int to = NumberOf(message.to);
  if (to == 0) return false;
  if (!running(to) || CutBetween(from, to)) {
    // The sender knows, or it does not.
    if (dice_.Percent(50)) return true;
    if (dice_.Percent(10) && running(from)) {
      Host* const host = hosts_.at(from).get();
      host->executor().Post([host, peer = message.to] { host->core().OnUnreachable(peer); });
    }
    return false;
  }
  if (Refuses()) return false;
  MaybeStop(from, message);
  // A message is lost with its connection, or waits with all behind it until it is sent again.
  Time held_up = 0;
  const bool loses = faulty && options_.has(Feature::k_loss);
  if (loses && dice_.Below(1000) < options_.loss_permille) {
    counters_.Add(Reached::kMessagesLost);
    if (dice_.Percent(80)) return true;
    held_up = dice_.Skewed(kMillisecond, 3 * kSecond);
  }
  const std::string bytes = server::EncodeRaftMessage(message).Flatten();
  MixMessage(message, bytes);
  Time arrives = std::max(now() + Delay() + held_up, held_until_[{from, to}]);
  if (!faulty || !options_.has(Feature::k_reorder)) {
    Time& last = last_arrival_[{from, to}];
    last = arrives = std::max(last, arrives);
  }
  Deliver(to, arrives, bytes);
  // Proposals are not repeated by a connection, and the sender does not send one that may have
  // arrived again: two of them would be two commands.
  const bool repeats = faulty && options_.has(Feature::k_duplication) &&
                       !std::holds_alternative<raft::ProposeRequest>(message.body);
  if (repeats && dice_.Below(1000) < options_.duplicate_permille) {
    counters_.Add(Reached::kMessagesRepeated);
    Deliver(to, arrives + dice_.Between(0, kSecond), bytes);
  }
  return true;
}

void World::MaybeStop(int n, const raft::Message& message) {
  const auto found = stops_.find(n);
  if (found == stops_.end() || !std::holds_alternative<raft::ReadIndexRequest>(message.body)) {
    return;
  }
  const Stop stop = stops_.extract(found).mapped();
  if (now() > stop.give_up) return;
  Tell(n, "stands still while it reads");
  host(n).PauseUntil(now() + stop.lasting);
}

void World::Deliver(int to, Time when, const std::string& bytes) {
  scheduler_.At(when, [this, to, bytes] {
    const auto found = hosts_.find(to);
    if (found == hosts_.end()) return;
    auto message = server::DecodeRaftMessage(SharedBytes(bytes));
    KV_CHECK(message.has_value());
    Host* const host = found->second.get();
    if (std::holds_alternative<raft::ReadIndexResponse>(message->body) && host->stands_still()) {
      counters_.Add(Reached::kAnswersToStoppedReaders);
    }
    host->executor().Post([host, message = *std::move(message)]() mutable {
      host->core().OnRaftMessage(std::move(message));
    });
  });
}

void World::SendSnapshot(int from, const raft::Message& message,
                         server::SnapshotKeeper::CheckpointPtr checkpoint,
                         server::Snapshots::SendDone done) {
  counters_.Add(Reached::kSnapshotsSent);
  Tell(from, absl::StrCat("sends a snapshot to member ", NumberOf(message.to)));
  std::erase_if(deliveries_, [](const auto& delivery) { return delivery->over(); });
  deliveries_.push_back(std::make_shared<SnapshotDelivery>(
      this, from, NumberOf(message.to), message, std::move(checkpoint), std::move(done)));
  deliveries_.back()->Next();
}

void World::HoldSnapshots(int to, bool hold) {
  if (hold) {
    snapshots_held_.insert(to);
  } else {
    snapshots_held_.erase(to);
  }
}

size_t World::SnapshotsUnderWay(int to) const {
  std::set<std::string> names;
  for (const auto& delivery : deliveries_) {
    if (!delivery->over() && delivery->to() == to) names.insert(delivery->name());
  }
  return names.size();
}

void World::Ask(int from, int to, const server::PeerRequest& request,
                absl::AnyInvocable<void(server::PeerAnswer)> done) {
  struct Question {
    absl::AnyInvocable<void(server::PeerAnswer)> done;
    bool answered = false;
  };
  auto question = std::make_shared<Question>();
  question->done = std::move(done);
  const auto answer = [this, question, from, life = lives_[from]](server::PeerAnswer of) {
    if (std::exchange(question->answered, true)) return;
    if (!running(from) || lives_[from] != life) return;
    host(from).executor().Post([question, of] { question->done(of); });
  };
  if (to == 0 || !running(to) || CutBetween(from, to)) {
    return scheduler_.After(kMillisecond, [answer] { answer(std::nullopt); });
  }
  scheduler_.After(kAskTimeout, [answer] { answer(std::nullopt); });
  scheduler_.After(Delay(), [this, from, to, request, answer] {
    if (!running(to) || CutBetween(from, to)) return;
    Host* const asked = &host(to);
    asked->executor().Post([this, asked, from, to, request, answer] {
      if (asked->core().node().is_leader() && asked->GrantWaits(request.lease())) {
        counters_.Add(Reached::kLeasesAskedWhileGrantStalls);
      }
      asked->core().OnPeerRequest(request, [this, from, to, answer](server::PeerAnswer of) {
        if (CutBetween(to, from)) return;
        scheduler_.After(Delay(), [answer, of] { answer(of); });
      });
    });
  });
}

absl::Duration World::ConnectedFor(int from, int to) const {
  if (!running(to) || CutBetween(from, to) || CutBetween(to, from)) return absl::ZeroDuration();
  Time since = std::max(started_.at(to), started_.contains(from) ? started_.at(from) : 0);
  for (const auto& link : {std::pair(from, to), std::pair(to, from)}) {
    const auto it = healed_.find(link);
    if (it != healed_.end()) since = std::max(since, it->second);
  }
  return absl::Nanoseconds(now() - since);
}

std::shared_ptr<SimulatedCall> World::NewCall(int member, const std::string& method,
                                              SimulatedCall::Caller caller) {
  return std::make_shared<SimulatedCall>(this, member, method, std::move(caller),
                                         options_.queue_scale);
}

void World::Call(const std::shared_ptr<SimulatedCall>& call, int member, std::string request) {
  const rpc::LoadControl::Guest& of = *call;
  if (!Carries(member, of.connection())) return;
  scheduler_.After(Delay(), [this, call, member, request = std::move(request)]() mutable {
    if (!running(member)) return call->Break();
    host(member).AddCall(call, std::move(request));
  });
}

}  // namespace keelson::simulation
