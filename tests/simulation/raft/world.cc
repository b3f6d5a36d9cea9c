#include "tests/simulation/raft/world.h"

#include <algorithm>
#include <memory>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "raft/conf_change.h"
#include "raft/testing/describe.h"

namespace keelson::raft::simulation {
namespace {

constexpr uint64_t kFailedReport = uint64_t{1} << 32;
constexpr LogIndex kCompactedStart{10};

// The entries with which a log that is not compacted begins: all first voters are added.
std::vector<Entry> FirstEntries(uint64_t voters) {
  std::vector<Entry> entries;
  for (uint64_t id = 1; id <= voters; ++id) {
    const ConfChange change{.steps = {{.type = ConfChangeType::kAddVoter, .node = NodeId{id}}}};
    entries.push_back({.term = Term{1},
                       .index = LogIndex{id},
                       .type = EntryType::kConfChange,
                       .data = EncodeConfChange(change)});
  }
  return entries;
}

DiskImage FirstImage(const Options& options) {
  DiskImage image;
  if (options.conf_in_log) {
    for (const Entry& entry : FirstEntries(options.voters)) image.log.Append(entry);
  } else {
    for (uint64_t id = 1; id <= options.voters; ++id) image.state.conf.voters.push_back(NodeId{id});
    image.state.id = {.term = Term{1}, .index = kCompactedStart};
    image.state.hash = 0x5eed;
    image.log.Reset(image.state.id, image.state.hash);
  }
  image.hard_state = {.term = Term{1}, .commit = image.log.last()};
  return image;
}

std::string Told(const LogWrite& write) {
  std::string text;
  if (write.hard_state) absl::StrAppend(&text, " ", Describe(*write.hard_state));
  if (write.snapshot) absl::StrAppend(&text, " snapshot ", Describe(write.snapshot->id));
  if (!write.entries.empty()) absl::StrAppend(&text, " ", Describe(write.entries));
  return text;
}

}  // namespace

World::World(const Options& options, Dice& dice, Trace& trace)
    : options_(options),
      dice_(dice),
      trace_(trace),
      network_(options, dice),
      ledger_(FirstImage(options).state),
      checker_({options_, members_, ledger_, verdict_, counters_}) {
  const DiskImage image = FirstImage(options);
  TermRecord& first = ledger_.Of(Term{1});
  first.first = image.log.first();
  for (LogIndex index = image.log.first(); index <= image.log.last(); ++index) {
    const ChainedEntry& entry = image.log.At(index);
    ledger_.Commit({.term = entry.entry.term, .seen_in = Term{1}, .hash = entry.hash});
    first.hashes.push_back(entry.hash);
  }
  for (uint64_t id = 1; id <= options.voters; ++id) AddTo(NodeId{id}, image);
  for (const auto& member : members_) Restart(*member);
}

void World::AddTo(NodeId id, DiskImage image) {
  Config config = options_.config;
  config.id = id;
  const Time faster = kTickTime * static_cast<Time>(dice_.Below(1000)) * options_.rate_percent;
  const Time tick_time = kTickTime * 100 * 1000 / (100 * 1000 + faster / kTickTime);
  members_.push_back(
      std::make_unique<Member>(id, config, std::move(image), tick_time, dice_.Next()));
}

Member& World::AddMember() {
  AddTo(NodeId{members_.size() + 1}, {});
  Member& member = *members_.back();
  Tell(member.id, "is new");
  Restart(member);
  return member;
}

// ---------------------------------------------------------------------------------------------
// events

Event World::TakeEvent() {
  const Event event = queue_.Take();
  now_ = std::max(now_, event.at);
  checker_.set_event(++events_);
  Mix(static_cast<uint64_t>(event.kind) ^ event.member.value() << 8);
  Mix(static_cast<uint64_t>(event.at));
  return event;
}

void World::ScheduleFor(Member& member, EventKind kind, Time delay, uint64_t detail) {
  queue_.Add({.at = now_ + delay,
              .kind = kind,
              .member = member.id,
              .life = member.life,
              .detail = detail});
}

void World::Run(const Event& event) {
  Member& member = Get(event.member);
  if (event.life != 0 && event.life != member.life) return;
  if (event.kind == EventKind::kRestart) {
    if (!member.alive() && !member.stopped) Restart(member);
    return;
  }
  if (event.kind == EventKind::kDeliver && !member.paused) return RunDeliver(event);
  if (!member.alive()) return;
  if (event.kind == EventKind::kResume) return Resume(member);
  if (event.kind == EventKind::kDisk) return RunDisk(member);
  if (member.paused) {
    if (event.kind == EventKind::kTick) {
      ++member.missed_ticks;
      return ScheduleTick(member, member.tick_time);
    }
    member.frozen.push_back(event);
    return;
  }
  switch (event.kind) {
    case EventKind::kTick:
      ScheduleTick(member, member.tick_time);
      return RunTick(member);
    case EventKind::kTakeReady:
      member.ready_scheduled = false;
      return TakeReadys(member);
    case EventKind::kAcknowledge:
      return RunAcknowledge(member);
    case EventKind::kApply:
      return RunApply(member);
    case EventKind::kSnapshotReport:
      return RunSnapshotReport(member, event.detail);
    case EventKind::kUnreachable:
      return ReportUnreachable(member, NodeId{event.detail});
    default:
      return;
  }
}

void World::RunTick(Member& member) {
  member.raft->Tick();
  AfterInput(member, Cause::kTick);
  if (failed() || member.stall_reported || member.disk.pending().empty()) return;
  const Time patience = member.config.election_timeout_ticks * kTickTime;
  const auto& oldest = member.disk.pending().front();
  if (member.disk.synced() > 0 || now_ - oldest.since < patience) return;
  member.stall_reported = true;
  counters_.Add(Reached::kStorageStalls);
  if (trace_.on()) Tell(member.id, "the disk has stalled");
  member.raft->OnStorageStalled();
  AfterInput(member, Cause::kStorageStalled);
}

void World::RunDeliver(const Event& event) {
  const bool copy = (event.detail & 1) != 0;
  Message message = network_.Take(event.detail >> 1);
  Member& to = Get(message.to);
  const bool arrives = to.alive() && !network_.IsCut(message.from, message.to);
  if (std::holds_alternative<InstallSnapshot>(message.body)) {
    if (!copy) ScheduleSnapshotReport(message, arrives);
    if (!arrives) counters_.Add(Reached::kSnapshotsLost);
  }
  if (!arrives) {
    if (options_.unreachable_reports && dice_.Percent(20)) {
      ScheduleFor(Get(message.from), EventKind::kUnreachable, dice_.Between(0, kTickTime),
                  message.to.value());
    }
    return;
  }
  if (trace_.on()) Tell(to.id, absl::StrCat("<- ", Describe(message)));
  checker_.OnArrive(to, message);
  const auto* install = std::get_if<InstallSnapshot>(&message.body);
  if (install != nullptr && install->snapshot->id.index <= to.raft->commit()) {
    counters_.Add(Reached::kSnapshotsStale);
  }
  to.raft->Step(message);
  AfterInput(to, Cause::kMessage, &message);
}

// ---------------------------------------------------------------------------------------------
// the life of a Ready

void World::AfterInput(Member& member, Cause cause, const Message* message) {
  checker_.AfterInput(member, cause, message);
  if (failed()) return;
  if (!member.raft->HasReady()) return checker_.AfterReadys(member);
  const bool later =
      options_.ready_delay_percent > 0 && dice_.Percent(options_.ready_delay_percent);
  if (!later) return TakeReadys(member);
  if (member.ready_scheduled) return;
  member.ready_scheduled = true;
  ScheduleFor(member, EventKind::kTakeReady, dice_.Skewed(0, kTickTime / 2));
}

void World::TakeReadys(Member& member) {
  int taken = 0;
  while (!failed() && member.raft->HasReady()) {
    Ready ready = member.raft->TakeReady();
    checker_.OnReady(member, ready);
    if (failed()) return;
    CarryOut(member, std::move(ready));
    if (++taken > 1000) return Fail(Invariant::kBoundedGrowth, "there is always another Ready");
  }
  if (failed()) return;
  if (taken > 0) checker_.AfterInput(member, Cause::kTakeReady);
  checker_.AfterReadys(member);
}

void World::CarryOut(Member& member, Ready ready) {
  for (Message& message : ready.send_now) Leave(member, std::move(message));
  if (ready.write.empty() && !ready.send_after_write.empty()) {
    if (member.disk.pending().empty()) {
      for (Message& message : ready.send_after_write) Leave(member, std::move(message));
    } else {
      member.disk.AddPromises(std::move(ready.send_after_write));
    }
  }
  if (!ready.write.empty()) {
    if (trace_.on())
      Tell(member.id, absl::StrCat("hands out write ", ready.number, ":", Told(ready.write)));
    if (ready.write.snapshot && dice_.Percent(50)) {
      DropOvertaken(member, ready.write.snapshot->id.index);
    }
    Mix(ready.number);
    member.disk.Queue({.number = ready.number,
                       .write = std::move(ready.write),
                       .promises = std::move(ready.send_after_write),
                       .since = now_});
    if (!member.disk_scheduled) {
      member.disk_scheduled = true;
      ScheduleFor(member, EventKind::kDisk, DrawDiskDelay(member.disk));
    }
  }
  for (Entry& entry : ready.committed) member.to_apply.push_back(std::move(entry));
  if (!member.to_apply.empty() && !member.apply_scheduled) {
    member.apply_scheduled = true;
    ScheduleFor(member, EventKind::kApply, DrawApplyDelay());
  }
  if (!trace_.on()) return;
  for (const ReadGrant& read : ready.reads) {
    Tell(member.id, absl::StrCat("may serve read ", read.context, " at ", read.index.value()));
  }
  for (uint64_t context : ready.dropped_reads)
    Tell(member.id, absl::StrCat("drops read ", context));
}

void World::Leave(Member& member, Message message) {
  checker_.OnLeave(member, message);
  if (trace_.on()) Tell(member.id, absl::StrCat("-> ", Describe(message)));
  Mix(message.body.index() ^ message.to.value() << 8 ^ message.term.value() << 16);
  const Network::Arrivals arrivals = network_.DrawArrivals(message, now_);
  if (arrivals.count == 0) {
    if (std::holds_alternative<InstallSnapshot>(message.body)) {
      counters_.Add(Reached::kSnapshotsLost);
      ScheduleSnapshotReport(message, false);
    }
    return;
  }
  for (size_t i = 0; i < arrivals.count; ++i) {
    const bool last = i + 1 == arrivals.count;
    const NodeId to = message.to;
    if (to.value() > members_.size()) return;
    const uint64_t slot = network_.Keep(last ? std::move(message) : message);
    queue_.Add({.at = arrivals.at[i],
                .kind = EventKind::kDeliver,
                .member = to,
                .detail = slot << 1 | (i > 0 ? 1 : 0)});
  }
}

void World::ScheduleSnapshotReport(const Message& message, bool arrived) {
  Member& from = Get(message.from);
  Time delay = dice_.Between(0, kTickTime);
  bool failed = !arrived;
  if (options_.snapshot_mischief) {
    if (dice_.Percent(15)) failed = !failed;
    if (dice_.Percent(25))
      delay += dice_.Between(0, 3 * options_.config.election_timeout_ticks * kTickTime);
  }
  if (!from.alive()) return;
  ScheduleFor(from, EventKind::kSnapshotReport, delay,
              message.to.value() | (failed ? kFailedReport : 0));
}

void World::RunSnapshotReport(Member& member, uint64_t detail) {
  const NodeId peer{detail & (kFailedReport - 1)};
  const bool failed = (detail & kFailedReport) != 0;
  if (trace_.on()) {
    Tell(member.id, absl::StrCat("hears that the snapshot for m", peer.value(),
                                 failed ? " failed" : " was delivered"));
  }
  member.raft->OnSnapshotSent(peer, failed ? SnapshotResult::kFailed : SnapshotResult::kDelivered);
  AfterInput(member, Cause::kSnapshotReport);
}

// A snapshot is large.
Time World::DrawDiskDelay(const SimulatedDisk& disk) {
  const Time large = disk.IsInstalling() ? dice_.Between(0, 2 * kTickTime) : 0;
  return large + (options_.slow_disks ? dice_.Skewed(100, 3 * kTickTime)
                                      : dice_.Between(100, 5 * kMillisecond));
}

Time World::DrawApplyDelay() {
  return options_.slow_apply ? dice_.Skewed(100, 6 * kTickTime) : dice_.Between(10, kMillisecond);
}

void World::RunDisk(Member& member) {
  SimulatedDisk& disk = member.disk;
  if (now_ < member.disk_stalled_until) {
    return ScheduleFor(member, EventKind::kDisk, member.disk_stalled_until - now_);
  }
  member.disk_scheduled = false;
  if (!disk.HasWaiting() && !disk.HasUnsynced()) return;
  const bool sync = disk.HasUnsynced() && (!disk.HasWaiting() || dice_.Percent(50));
  if (!sync) {
    const bool all = dice_.Percent(60);
    do {
      const auto& next = disk.pending()[disk.carried_out()].write;
      if (next.snapshot) DropOvertaken(member, next.snapshot->id.index);
      disk.CarryOut();
    } while (all && disk.HasWaiting());
  }
  if (sync || dice_.Percent(60)) {
    disk.Sync();
    if (trace_.on())
      Tell(member.id, absl::StrCat("has synced ", disk.pending()[disk.synced() - 1].number));
    if (!member.acknowledge_scheduled) {
      member.acknowledge_scheduled = true;
      const Time late =
          options_.late_acks && dice_.Percent(30)
              ? dice_.Skewed(0, 2 * options_.config.election_timeout_ticks * kTickTime)
              : dice_.Between(0, kMillisecond);
      ScheduleFor(member, EventKind::kAcknowledge, late);
    }
  }
  member.disk_scheduled = disk.HasWaiting() || disk.HasUnsynced();
  if (member.disk_scheduled) ScheduleFor(member, EventKind::kDisk, DrawDiskDelay(member.disk));
}

void World::RunAcknowledge(Member& member) {
  member.acknowledge_scheduled = false;
  size_t count = member.disk.synced();
  if (count > 1 && options_.late_acks && dice_.Percent(50)) {
    count = 1 + static_cast<size_t>(dice_.Below(count));
  }
  uint64_t number = 0;
  std::vector<Message> promises;
  for (size_t i = 0; i < count; ++i) {
    SimulatedDisk::PendingWrite write = member.disk.TakeSynced();
    number = write.number;
    if (write.replaced) counters_.Add(Reached::kLateAcks);
    if (write.write.snapshot) counters_.Add(Reached::kSnapshotsInstalled);
    for (Message& promise : write.promises) promises.push_back(std::move(promise));
  }
  if (member.disk.synced() > 0) {
    member.acknowledge_scheduled = true;
    ScheduleFor(member, EventKind::kAcknowledge, dice_.Between(0, kTickTime));
  }
  member.stall_reported = false;
  // Before the core goes on, or what it says next could overtake its own promises.
  for (Message& promise : promises) Leave(member, std::move(promise));
  if (failed()) return;
  if (trace_.on()) Tell(member.id, absl::StrCat("hears that write ", number, " is durable"));
  member.raft->OnWritten(number);
  AfterInput(member, Cause::kWritten);
}

// A snapshot holds them already. The state machine may be in the middle of one all the same.
void World::DropOvertaken(Member& member, LogIndex index) {
  while (!member.to_apply.empty() && member.to_apply.front().index <= index) {
    const Entry& entry = member.to_apply.front();
    const std::optional<ConfChange> change =
        entry.type == EntryType::kConfChange ? DecodeConfChange(entry.data) : std::nullopt;
    if (change && member.running() && dice_.Percent(50)) {
      counters_.Add(Reached::kConfChangesOvertaken);
      member.raft->ApplyConfChange(entry.index, *change).IgnoreError();
      checker_.AfterInput(member, Cause::kApplyConfChange);
    }
    member.to_apply.pop_front();
  }
}

void World::RunApply(Member& member) {
  if (now_ < member.apply_stalled_until) {
    return ScheduleFor(member, EventKind::kApply, member.apply_stalled_until - now_);
  }
  member.apply_scheduled = false;
  // An input may have brought a snapshot that overtakes what waits.
  if (member.raft->HasReady()) TakeReadys(member);
  if (failed() || member.to_apply.empty()) return;
  uint64_t count =
      options_.slow_apply ? 1 + dice_.Below(2) : 1 + dice_.Below(member.to_apply.size());
  for (; count > 0 && !member.to_apply.empty() && !failed(); --count) ApplyNext(member);
  if (failed()) return;
  if (!member.to_apply.empty() && !member.apply_scheduled) {
    member.apply_scheduled = true;
    ScheduleFor(member, EventKind::kApply, DrawApplyDelay());
  }
  if (trace_.on())
    Tell(member.id, absl::StrCat("has applied ", member.disk.state().id.index.value()));
  member.raft->OnApplied(member.disk.state().id.index);
  AfterInput(member, Cause::kApplied);
}

void World::ApplyNext(Member& member) {
  const Entry entry = std::move(member.to_apply.front());
  member.to_apply.pop_front();
  ConfState conf = member.disk.state().conf;
  if (entry.type == EntryType::kConfChange) {
    conf = ApplyConfChangeEntry(member, entry);
    if (failed()) return;
  }
  member.disk.Apply(entry, std::move(conf));
  checker_.OnApplied(member, entry);
}

ConfState World::ApplyConfChangeEntry(Member& member, const Entry& entry) {
  const ConfState before = member.disk.state().conf;
  const std::optional<ConfChange> change = DecodeConfChange(entry.data);
  if (!change) {
    Fail(Invariant::kStateMachineSafety, "a change of membership that cannot be read");
    return before;
  }
  // A layer above that has rules of its own: a function of the bytes of the entry.
  if (change->context.view().starts_with("reject")) {
    counters_.Add(Reached::kConfChangesRejectedByLayerAbove);
    checker_.OnConfChangeApplied(member, entry.index);
    return before;
  }
  const absl::StatusOr<ConfState> expected = ApplyConfChange(before, *change);
  const absl::StatusOr<ConfState> result = member.raft->ApplyConfChange(entry.index, *change);
  if (trace_.on()) {
    Tell(member.id,
         absl::StrCat("applies change ", entry.index.value(), ": ",
                      result.ok() ? Describe(*result) : std::string(result.status().message())));
  }
  checker_.OnConfChangeApplied(member, entry.index);
  checker_.AfterInput(member, Cause::kApplyConfChange);
  if (!expected.ok()) counters_.Add(Reached::kConfChangesIllegalWhenApplied);
  // A snapshot that is being installed holds the change already.
  const bool overtaken = checker_.logs().LogOf(member.id).base().index >= entry.index;
  const bool same = result.ok() == expected.ok() && (!result.ok() || *result == *expected);
  if (!overtaken && !same) {
    Fail(Invariant::kStateMachineSafety,
         absl::StrCat("a change of membership with another result: ",
                      result.ok() ? Describe(*result) : std::string(result.status().message())));
  }
  return expected.ok() ? *expected : before;
}

// ---------------------------------------------------------------------------------------------
// inputs

ProposeResult World::Propose(Member& member, std::vector<Proposal> proposals) {
  const ProposeResult result = member.raft->Propose(std::move(proposals));
  if (trace_.on()) Tell(member.id, absl::StrCat("is proposed to: ", std::string(Describe(result))));
  if (result == ProposeResult::kFull) counters_.Add(Reached::kUncommittedLimitRefusals);
  if (result == ProposeResult::kTransferring) counters_.Add(Reached::kProposalsWhileTransferring);
  AfterInput(member, Cause::kPropose);
  return result;
}

ProposeResult World::ProposeConfChange(Member& member, const ConfChange& change) {
  const ProposeResult result = member.raft->ProposeConfChange(change);
  if (trace_.on()) {
    Tell(member.id, absl::StrCat("is proposed the change ", Describe(change), ": ",
                                 std::string(Describe(result))));
  }
  if (result == ProposeResult::kConfChangeRefused) counters_.Add(Reached::kConfChangesRefused);
  if (result == ProposeResult::kAccepted) counters_.Add(Reached::kConfChangesProposed);
  AfterInput(member, Cause::kProposeConfChange);
  return result;
}

void World::RequestRead(Member& member) {
  const uint64_t context = next_read_++;
  const bool asked = member.raft->RequestReadIndex(context);
  if (trace_.on())
    Tell(member.id, absl::StrCat("is asked for read ", context, asked ? "" : ": no leader"));
  if (asked) checker_.OnReadRequested(member, context);
  AfterInput(member, Cause::kRead);
}

void World::TransferLeadership(Member& member, NodeId to) {
  if (trace_.on()) Tell(member.id, absl::StrCat("is asked to hand over to m", to.value()));
  member.raft->TransferLeadership(to);
  AfterInput(member, Cause::kTransfer);
}

void World::ForgetLeader(Member& member) {
  if (trace_.on()) Tell(member.id, "is told to forget its leader");
  const bool had = static_cast<bool>(member.raft->leader());
  member.raft->ForgetLeader();
  if (had && !member.raft->leader()) counters_.Add(Reached::kForgottenLeaders);
  AfterInput(member, Cause::kForget);
}

void World::Campaign(Member& member) {
  if (trace_.on()) Tell(member.id, "is told to campaign");
  const Status before = member.raft->status();
  member.raft->Campaign();
  const bool blocked =
      before.role == Role::kFollower && member.raft->role() == Role::kFollower &&
      IsVoter(before.conf, member.id) && member.raft->term() == before.term &&
      checker_.logs().HasUnappliedConfChange(member.id, before.applied, before.commit);
  if (blocked) counters_.Add(Reached::kCampaignsBlocked);
  AfterInput(member, Cause::kCampaign);
}

void World::ReportUnreachable(Member& member, NodeId peer) {
  if (trace_.on()) Tell(member.id, absl::StrCat("has lost its connection to m", peer.value()));
  checker_.OnUnreachable(member, peer);
  member.raft->OnUnreachable(peer);
  AfterInput(member, Cause::kUnreachable);
}

void World::JumpClock(Member& member, uint64_t ticks) {
  if (trace_.on()) Tell(member.id, absl::StrCat("its clock jumps by ", ticks));
  for (; ticks > 0 && member.running() && !failed(); --ticks) RunTick(member);
}

// ---------------------------------------------------------------------------------------------
// fates

void World::Crash(Member& member) {
  KV_CHECK(member.alive());
  if (member.disk.state().id.index > member.disk.durable().state.id.index) {
    counters_.Add(Reached::kRestartsReplaying);
  }
  const SimulatedDisk::CrashReport report = member.disk.Crash(dice_);
  if (report.lost_tail) counters_.Add(Reached::kRestartsWithLostTail);
  if (report.snapshot_lost) counters_.Add(Reached::kCrashesBeforeSnapshotInstall);
  if (report.snapshot_kept) counters_.Add(Reached::kCrashesAfterSnapshotInstall);
  if (trace_.on()) {
    Tell(member.id, absl::StrCat("crashes", report.lost_tail ? ", its tail is lost" : "", ": ",
                                 Describe(member.disk.durable().hard_state), " last ",
                                 Describe(member.disk.durable().log.last_id()), " applied ",
                                 member.disk.state().id.index.value()));
  }
  checker_.OnCrash(member);
  for (const Event& event : member.frozen) {
    if (event.kind == EventKind::kDeliver) network_.Take(event.detail >> 1);
  }
  member.frozen.clear();
  member.raft.reset();
  member.to_apply.clear();
  member.paused = member.stall_reported = false;
  member.disk_scheduled = member.acknowledge_scheduled = false;
  member.apply_scheduled = member.ready_scheduled = false;
  member.disk_stalled_until = member.apply_stalled_until = 0;
  ++member.life;
}

void World::ScheduleRestart(Member& member, Time delay) {
  queue_.Add({.at = now_ + delay, .kind = EventKind::kRestart, .member = member.id});
}

void World::Restart(Member& member) {
  KV_CHECK(!member.alive());
  if (member.life > 0) counters_.Add(Reached::kRestarts);
  ++member.life;
  member.stopped = false;
  Config config = member.config;
  config.hard_state = member.disk.durable().hard_state;
  config.applied = member.disk.state().id.index;
  config.conf = member.disk.state().conf;
  if (trace_.on()) {
    Tell(member.id, absl::StrCat("starts: ", Describe(config.hard_state), " applied ",
                                 config.applied.value(), " ", Describe(config.conf)));
  }
  member.random = std::make_unique<SeededRandom>(member.seeds.Next());
  member.raft = std::make_unique<RawNode>(config, &member.disk, member.random.get());
  ScheduleTick(member, dice_.Between(1, member.tick_time));
  checker_.OnStart(member);
  if (!failed()) TakeReadys(member);
}

void World::Stop(Member& member) {
  if (trace_.on()) Tell(member.id, "is stopped for good");
  if (member.alive()) Crash(member);
  member.stopped = true;
}

void World::Pause(Member& member, Time length) {
  if (trace_.on()) Tell(member.id, "stands still");
  counters_.Add(Reached::kPauses);
  member.paused = true;
  member.missed_ticks = 0;
  ScheduleFor(member, EventKind::kResume, length);
}

// The clock went on, and the timer overran: some of the ticks are lost, the rest come before
// anything else.
void World::Resume(Member& member) {
  if (!member.paused) return;
  if (trace_.on()) Tell(member.id, absl::StrCat("goes on, ", member.missed_ticks, " ticks late"));
  member.paused = false;
  uint64_t ticks = member.missed_ticks;
  if (ticks > 0) {
    member.raft->RevokeLease();
    ticks = dice_.Below(ticks + 1);
  }
  for (; ticks > 0 && !failed(); --ticks) {
    member.raft->Tick();
    checker_.AfterInput(member, ticks > 1 ? Cause::kMissedTick : Cause::kTick);
  }
  if (!failed()) TakeReadys(member);
  const std::vector<Event> frozen = std::exchange(member.frozen, {});
  for (const Event& event : frozen) {
    if (failed()) return;
    checker_.set_event(++events_);
    Run(event);
  }
}

void World::Flush(Member& member) {
  if (member.alive()) member.disk.Flush();
}

void World::Compact(Member& member, LogIndex index) {
  if (!member.alive()) return;
  if (trace_.on()) Tell(member.id, absl::StrCat("compacts its log up to ", index.value()));
  member.disk.CompactThrough(std::min(index, member.disk.durable().state.id.index));
}

void World::StopFaults() {
  Tell(NodeId{0}, "the faults stop");
  network_.StopFaults();
  options_.slow_disks = options_.slow_apply = options_.late_acks = false;
  options_.unreachable_reports = options_.snapshot_mischief = false;
  for (size_t i = 0; i < members_.size() && !failed(); ++i) {
    Member& member = *members_[i];
    if (member.alive() && member.disk_stalled_until > now_) {
      member.disk_stalled_until = now_;
      ScheduleFor(member, EventKind::kDisk, 0);
    }
    if (member.alive() && member.apply_stalled_until > now_) {
      member.apply_stalled_until = now_;
      ScheduleFor(member, EventKind::kApply, 0);
    }
    if (member.paused) Resume(member);
    if (!member.alive() && !member.stopped && !failed()) Restart(member);
  }
}

// ---------------------------------------------------------------------------------------------
// what is

Member* World::Leader() {
  Member* leader = nullptr;
  for (const auto& member : members_) {
    if (!member->running() || member->raft->role() != Role::kLeader) continue;
    if (leader == nullptr || member->raft->term() > leader->raft->term()) leader = member.get();
  }
  return leader;
}

Member* World::AnyLeader() {
  return Any([](const Member& member) {
    return member.running() && member.raft->role() == Role::kLeader;
  });
}

Member* World::AnyRunning() {
  return Any([](const Member& member) { return member.running(); });
}

bool World::IsFreeOfChanges(const Member& member) const {
  const Status status = member.raft->status();
  return !member.raft->HasReady() &&
         !checker_.logs().HasUnappliedConfChange(member.id, status.applied, status.last);
}

bool World::IsDrained(const Member& member) const {
  const bool was = (ledger_.ever_members() & SetOf(member.id)) != 0;
  const ConfState& conf = ledger_.newest_conf();
  if (!was || IsMember(conf, member.id)) return false;
  return std::all_of(members_.begin(), members_.end(), [&](const auto& other) {
    return !IsVoter(conf, other->id) ||
           other->disk.durable().state.id.index >= ledger_.newest_conf_index();
  });
}

}  // namespace keelson::raft::simulation
