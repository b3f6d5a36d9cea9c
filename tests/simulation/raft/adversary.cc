#include "tests/simulation/raft/adversary.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace keelson::raft::simulation {

Adversary::Adversary(World& world) : world_(world), dice_(world.dice()) {
  const Options& options = world.options();
  const bool cuts = options.partitions || options.one_way_cuts || options.flapping;
  const auto weight = [](bool on, uint64_t weight_if) { return on ? weight_if : 0; };
  weights_ = {{Fault::kNone, 4},
              {Fault::kCrash, weight(options.crashes, 12)},
              {Fault::kCrashMany, weight(options.crashes, 2)},
              {Fault::kUsurp, weight(options.crashes && options.partitions, 6)},
              {Fault::kPartition, weight(options.partitions, 8)},
              {Fault::kMend, weight(cuts, 8)},
              {Fault::kOneWay, weight(options.one_way_cuts, 6)},
              {Fault::kFlap, weight(options.flapping, 5)},
              {Fault::kPause, weight(options.pauses, 6)},
              {Fault::kJump, weight(options.jumps, 5)},
              {Fault::kStallDisk, weight(options.disk_stalls, 7)},
              {Fault::kStallApply, weight(options.apply_stalls, 6)},
              {Fault::kFlush, 8},
              {Fault::kCompact, options.compaction ? 14u : 2u},
              {Fault::kCampaign, weight(options.campaigns, 8)},
              {Fault::kTransfer, weight(options.transfers, 10)},
              {Fault::kForget, weight(options.forgetting, 6)},
              {Fault::kUnreachable, weight(options.unreachable_reports, 4)},
              {Fault::kRetire, weight(options.membership, 6)}};
  for (const auto& [fault, its_weight] : weights_) weights_sum_ += its_weight;
}

Adversary::Fault Adversary::DrawFault() {
  uint64_t position = dice_.Below(weights_sum_);
  for (const auto& [fault, weight] : weights_) {
    if (position < weight) return fault;
    position -= weight;
  }
  return Fault::kNone;
}

Member* Adversary::Victim() {
  Member* leader = world_.Leader();
  if (leader != nullptr && dice_.Percent(35)) return leader;
  return world_.AnyRunning();
}

Time Adversary::DrawLength() {
  const int64_t timeout = world_.options().config.election_timeout_ticks;
  return dice_.Skewed(kTickTime / 4, 5 * timeout * kTickTime);
}

Time Adversary::DrawDownTime() {
  return dice_.Percent(50) ? dice_.Between(kTickTime / 10, 2 * kTickTime) : DrawLength();
}

void Adversary::Act() { Commit(DrawFault()); }

void Adversary::Commit(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return;
    case Fault::kCrash:
      return Crash();
    case Fault::kCrashMany:
      return CrashMany();
    case Fault::kUsurp:
      return BeginUsurping();
    case Fault::kPartition:
      return Partition();
    case Fault::kMend:
      if (world_.trace().on()) world_.trace().Add(world_.now(), NodeId{0}, "the network is whole");
      return world_.network().MendAll();
    case Fault::kOneWay:
      return CutOneWay();
    case Fault::kFlap:
      return BeginFlapping();
    case Fault::kRetire:
      return Retire();
    default:
      break;
  }
  Member* member = Victim();
  if (member == nullptr) return;
  switch (fault) {
    case Fault::kPause:
      return world_.Pause(*member, DrawLength());
    case Fault::kJump:
      return world_.JumpClock(*member, 1 + dice_.Below(12));
    case Fault::kStallDisk:
      return world_.StallDisk(*member, 2 * DrawLength());
    case Fault::kStallApply:
      return world_.StallApply(*member, 2 * DrawLength());
    case Fault::kFlush:
      return world_.Flush(*member);
    case Fault::kCompact:
      return Compact(*member);
    case Fault::kCampaign:
      return world_.Campaign(*member);
    case Fault::kTransfer:
      return Transfer(*member);
    case Fault::kForget:
      return world_.ForgetLeader(*member);
    default:
      return world_.ReportUnreachable(*member, dice_.Pick(world_.members())->id);
  }
}

void Adversary::Crash() {
  Member* member = Victim();
  if (dice_.Percent(60)) {
    Member* installing =
        world_.Any([](const Member& m) { return m.running() && m.disk.IsInstalling(); });
    if (installing != nullptr) member = installing;
  }
  if (member == nullptr) return;
  if (dice_.Percent(30)) world_.Flush(*member);
  world_.Crash(*member);
  world_.ScheduleRestart(*member, DrawDownTime());
}

void Adversary::CrashMany() {
  const bool all = dice_.Percent(50);
  for (size_t i = 0; i < world_.members().size(); ++i) {
    Member& member = *world_.members()[i];
    if (!member.alive() || !(all || dice_.Percent(60))) continue;
    world_.Crash(member);
    world_.ScheduleRestart(member, DrawDownTime());
  }
}

// A plan in three steps, for what a member that restarts may have forgotten:
//   1. somebody does not hear the leader any more
//   2. an election timeout later, somebody who does, and so keeps the leader in its place, crashes
//   3. it comes back at once, and is asked for its vote
void Adversary::BeginUsurping() {
  const Member* leader = world_.Leader();
  const Member* usurper = world_.AnyRunning();
  if (plan_ != Plan::kNone || leader == nullptr || usurper == leader) return;
  usurper_ = usurper->id;
  CutApart(leader->id, usurper_);
  plan_ = Plan::kWaiting;
  const Time timeout = world_.options().config.election_timeout_ticks * kTickTime;
  world_.Schedule(EventKind::kUsurp, timeout + dice_.Between(0, timeout / 2));
}

void Adversary::Usurp() {
  if (plan_ == Plan::kCrashed) {
    plan_ = Plan::kNone;
    Member& usurper = world_.Get(usurper_);
    if (usurper.running()) world_.Campaign(usurper);
    return;
  }
  plan_ = Plan::kNone;
  const Member* leader = world_.Leader();
  if (leader == nullptr) return;
  const auto is_bridge = [&](const Member& member) {
    return member.running() && member.id != leader->id && member.id != usurper_ &&
           member.raft->leader() == leader->id;
  };
  Member* bridge = world_.Any(is_bridge);
  if (bridge == nullptr) return;
  world_.Crash(*bridge);
  CutApart(leader->id, bridge->id);
  const Time down = dice_.Between(kTickTime / 20, kTickTime);
  world_.ScheduleRestart(*bridge, down);
  plan_ = Plan::kCrashed;
  world_.Schedule(EventKind::kUsurp, down + dice_.Between(0, kTickTime / 2));
}

// The leader alone, one alone, two sides, or one link of the leader: then nobody sees all, and
// everybody sees a majority.
void Adversary::Partition() {
  world_.counters().Add(Reached::kPartitions);
  Network& network = world_.network();
  if (dice_.Percent(40)) network.MendAll();
  const uint64_t shape = dice_.Below(6);
  if (shape >= 4) return CutLink();
  if (shape >= 2) return CutInTwo(shape == 2 ? 50 : 25);
  const Member* victim = shape == 0 ? world_.Leader() : dice_.Pick(world_.members()).get();
  if (victim == nullptr) return;
  if (world_.trace().on()) world_.trace().Add(world_.now(), victim->id, "is cut off");
  network.SetIsolated(victim->id, true);
}

void Adversary::CutLink() {
  const Member* leader = world_.Leader();
  const NodeId end = leader != nullptr ? leader->id : dice_.Pick(world_.members())->id;
  CutApart(end, dice_.Pick(world_.members())->id);
}

void Adversary::CutApart(NodeId a, NodeId b) {
  if (world_.trace().on()) {
    world_.trace().Add(world_.now(), a, absl::StrCat("and m", b.value(), " are cut apart"));
  }
  world_.network().SetCut(a, b, true);
  world_.network().SetCut(b, a, true);
}

void Adversary::CutInTwo(uint64_t percent) {
  MemberSet side = 0;
  for (const auto& member : world_.members()) {
    if (dice_.Percent(percent)) side |= SetOf(member->id);
  }
  if (world_.trace().on()) {
    std::string text = "the network is cut; on one side:";
    for (const auto& member : world_.members()) {
      if ((side & SetOf(member->id)) != 0) absl::StrAppend(&text, " m", member->id.value());
    }
    world_.trace().Add(world_.now(), NodeId{0}, text);
  }
  for (const auto& a : world_.members()) {
    for (const auto& b : world_.members()) {
      const bool apart = ((side & SetOf(a->id)) != 0) != ((side & SetOf(b->id)) != 0);
      if (apart) world_.network().SetCut(a->id, b->id, true);
    }
  }
}

// What one member says, or hears, or some links by chance: a ring is among them.
void Adversary::CutOneWay() {
  world_.counters().Add(Reached::kPartitions);
  Network& network = world_.network();
  const uint64_t shape = dice_.Below(3);
  const Member* victim = world_.Leader();
  if (victim == nullptr || dice_.Percent(40)) victim = dice_.Pick(world_.members()).get();
  if (world_.trace().on()) {
    static constexpr const char* kShapes[] = {"is not heard any more", "hears nobody any more",
                                              "and others: links are cut one way"};
    world_.trace().Add(world_.now(), victim->id, kShapes[shape]);
  }
  for (const auto& a : world_.members()) {
    for (const auto& b : world_.members()) {
      const bool cut = shape == 0   ? a->id == victim->id
                       : shape == 1 ? b->id == victim->id
                                    : dice_.Percent(30);
      if (cut) network.SetCut(a->id, b->id, true);
    }
  }
}

void Adversary::BeginFlapping() {
  if (flaps_left_ > 0) return;
  world_.counters().Add(Reached::kPartitions);
  const Member* leader = world_.Leader();
  const bool at_leader = leader != nullptr && dice_.Percent(50);
  flapping_ = at_leader ? leader->id : dice_.Pick(world_.members())->id;
  flaps_left_ = 2 + 2 * dice_.Below(6);
  Flap();
}

void Adversary::Flap() {
  if (flaps_left_ == 0) return;
  --flaps_left_;
  world_.network().SetIsolated(flapping_, flaps_left_ % 2 == 1);
  if (world_.trace().on()) {
    world_.trace().Add(world_.now(), flapping_,
                       flaps_left_ % 2 == 1 ? "is cut off for a moment" : "is connected again");
  }
  world_.Schedule(EventKind::kFlap, dice_.Between(kTickTime / 2, 5 * kTickTime));
}

void Adversary::Compact(Member& member) {
  if (dice_.Percent(70)) world_.Flush(member);
  const LogIndex durable = member.disk.durable().state.id.index;
  const uint64_t kept = dice_.Percent(50) ? 0 : dice_.Below(10);
  if (durable.value() > kept) world_.Compact(member, durable - kept);
}

void Adversary::Transfer(Member& member) {
  Member* leader = world_.Leader();
  Member& asked = leader != nullptr && dice_.Percent(70) ? *leader : member;
  world_.TransferLeadership(asked, dice_.Pick(world_.members())->id);
}

void Adversary::Retire() {
  for (size_t i = 0; i < world_.members().size(); ++i) {
    Member& member = *world_.members()[i];
    if (!member.stopped && world_.IsDrained(member) && dice_.Percent(40)) world_.Stop(member);
    if (member.stopped && IsMember(world_.ledger().newest_conf(), member.id)) {
      world_.Restart(member);
    }
  }
}

}  // namespace keelson::raft::simulation
