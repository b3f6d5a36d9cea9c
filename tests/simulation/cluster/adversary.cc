#include "tests/simulation/cluster/adversary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace keelson::simulation {
namespace {

constexpr uint64_t kNoCapacity = uint64_t{1} << 62;

}  // namespace

Adversary::Adversary(World* world, Time end)
    : world_(world), end_(end), dice_(world->options().seed ^ 0xad7e54a7) {
  const std::pair<Feature, Fault> kinds[] = {
      {Feature::k_partitions, &Adversary::Partition},
      {Feature::k_one_way, &Adversary::OneWay},
      {Feature::k_client_partitions, &Adversary::CutClients},
      {Feature::k_crashes, &Adversary::Crash},
      {Feature::k_mid_write, &Adversary::CrashInTheMiddle},
      {Feature::k_crash_all, &Adversary::CrashAll},
      {Feature::k_pauses, &Adversary::Pause},
      {Feature::k_slow_disks, &Adversary::SlowDisk},
      {Feature::k_hanging_disks, &Adversary::HangDisk},
      {Feature::k_failing_disks, &Adversary::FailDisk},
      {Feature::k_full_disks, &Adversary::FillDisk},
      {Feature::k_stalls, &Adversary::StallStore},
      {Feature::k_drift, &Adversary::Drift},
      {Feature::k_wall_jumps, &Adversary::JumpWallClock},
      {Feature::k_transfers, &Adversary::Transfer},
      {Feature::k_damage, &Adversary::DamageDisk},
      {Feature::k_flipped_reads, &Adversary::FlipReads},
      {Feature::k_outdated, &Adversary::Outdate},
      {Feature::k_held_links, &Adversary::HoldLink},
      {Feature::k_stopped_readers, &Adversary::StopReader},
  };
  for (const auto& [feature, fault] : kinds) {
    if (world_->options().has(feature)) faults_.push_back(fault);
  }
  if (!faults_.empty()) Next();
  if (world_->options().has(Feature::k_snapshot_races)) NextOutdated();
  if (world_->options().has(Feature::k_sleeping_leaders)) NextSleep();
  world_->scheduler().At(end_, [this] { Heal(); });
}

void Adversary::After(Time time, std::function<void()> step) {
  world_->scheduler().After(time, std::move(step));
}

void Adversary::Next() {
  After(dice_.Between(10 * kMillisecond, world_->options().fault_pause_max), [this] {
    if (world_->now() >= end_) return;
    (this->*dice_.Pick(faults_))();
    Next();
  });
}

void Adversary::NextOutdated() {
  After(dice_.Between(kSecond, 5 * kSecond), [this] {
    if (world_->now() >= end_) return;
    if (alone_.empty() && races_ == 0) Outdate();
    NextOutdated();
  });
}

// A leader sleeps until another has been elected and leases have ended by its own reckoning, which
// their holders renew meanwhile: it may revoke them before it hears of the other.
void Adversary::NextSleep() {
  After(dice_.Between(3 * kSecond, 10 * kSecond), [this] {
    if (world_->now() >= end_) return;
    if (const int n = world_->Leader(); n != 0) {
      world_->Tell(n, "sleeps while leases end");
      world_->counters().Add(Reached::kPauses);
      const Time lasting = dice_.Between(3 * kSecond, 6 * kSecond);
      world_->host(n).PauseUntil(std::min(end_, world_->now() + lasting));
    }
    NextSleep();
  });
}

int Adversary::AnyRunning() {
  const std::vector<int> running = world_->Running();
  return running.empty() ? 0 : dice_.Pick(running);
}

void Adversary::Heal() {
  world_->Tell(0, "everything is healed");
  world_->HealNetwork();
  world_->faulty = false;
  for (int n = 1; n <= world_->members(); ++n) {
    Disk& disk = world_->disk(n);
    disk.files.SetCapacity(kNoCapacity);
    disk.speed = DiskSpeed();
    disk.files.FlipReads(0);
    world_->clock(n).SetRate(1);
    // What was armed and has not come yet goes with the member's life.
    if (world_->running(n) && (disk.files.halted() || disk_armed_.contains(n))) world_->Crash(n);
    if (world_->running(n)) world_->host(n).StallCommits(0);
    After(kSecond, [this, n] { world_->Start(n); });
  }
}

// ------------------------------------------------------------------------------------------
// network

void Adversary::HealNetwork() {
  world_->HealNetwork();
  for (const int n : alone_) CutOff(n, true);
}

void Adversary::Partition() {
  std::set<int> side;
  const uint64_t shape = dice_.Below(3);
  if (shape == 0) {  // the leader alone
    side.insert(world_->Leader());
  } else {
    for (int n = 1; n <= world_->members(); ++n) {
      if (dice_.Percent(shape == 1 ? 50 : 20)) side.insert(n);
    }
  }
  for (int a = 1; a <= world_->members(); ++a) {
    for (int b = 1; b <= world_->members(); ++b) {
      world_->Cut(a, b, side.contains(a) != side.contains(b));
    }
  }
  for (const int n : alone_) CutOff(n, true);
  std::string text = "is cut off:";
  for (const int n : side) absl::StrAppend(&text, " m", n);
  world_->Tell(0, text);
  world_->counters().Add(Reached::kPartitions);
  After(Lasting(8 * kSecond), [this] { HealNetwork(); });
}

void Adversary::OneWay() {
  const int n = AnyRunning();
  const bool out = dice_.Percent(50);
  for (int other = 1; other <= world_->members(); ++other) {
    if (other == n || dice_.Percent(30)) continue;
    world_->Cut(out ? n : other, out ? other : n, true);
  }
  world_->Tell(n, out ? "is not heard" : "does not hear");
  world_->counters().Add(Reached::kOneWayPartitions);
  After(Lasting(8 * kSecond), [this] { HealNetwork(); });
}

// What is sent is late and comes all at once, in its order: answers come after their questions were
// asked again.
void Adversary::HoldLink() {
  const int to = AnyRunning();
  const int from = dice_.Percent(70) ? world_->Leader() : AnyRunning();
  if (from == 0 || from == to) return;
  const Time longest = dice_.Percent(50) ? kSecond : 3 * kSecond;
  world_->HoldLink(from, to, std::min(end_, world_->now() + dice_.Between(kSecond / 2, longest)));
  world_->Tell(to, absl::StrCat("hears late of member ", from));
  world_->counters().Add(Reached::kHeldLinks);
}

void Adversary::CutClients() {
  const int n = AnyRunning();
  world_->CutClients(n, true);
  world_->Tell(n, "loses its clients");
  world_->counters().Add(Reached::kClientPartitions);
  After(Lasting(10 * kSecond), [this, n] { world_->CutClients(n, false); });
}

// ------------------------------------------------------------------------------------------
// members

void Adversary::Crash() {
  const int n = dice_.Percent(30) ? world_->Leader() : AnyRunning();
  if (n == 0) return;
  world_->Crash(n);
  After(Lasting(10 * kSecond), [this, n] { world_->Start(n); });
}

void Adversary::CrashInTheMiddle() {
  const int n = AnyRunning();
  if (n == 0) return;
  storage::CrashingFileSystem& files = world_->disk(n).files;
  files.HaltAfter(dice_.Below(30));
  disk_armed_.insert(n);
  world_->Tell(n, "is about to crash in the middle of a write");
  After(Lasting(3 * kSecond), [this, n] {
    disk_armed_.erase(n);
    if (!world_->running(n) || world_->now() >= end_) return;
    if (world_->disk(n).files.halted()) {
      world_->counters().Add(Reached::kCrashesInTheMiddleOfAWrite);
    }
    world_->Crash(n);
    After(Lasting(5 * kSecond), [this, n] { world_->Start(n); });
  });
}

void Adversary::CrashAll() {
  world_->counters().Add(Reached::kCrashesOfAll);
  for (const int n : world_->Running()) {
    world_->Crash(n);
    After(Lasting(5 * kSecond), [this, n] { world_->Start(n); });
  }
}

void Adversary::Pause() {
  const int n = dice_.Percent(40) ? world_->Leader() : AnyRunning();
  if (n == 0) return;
  world_->Tell(n, "stands still");
  world_->counters().Add(Reached::kPauses);
  world_->host(n).PauseUntil(std::min(end_, world_->now() + Lasting(12 * kSecond)));
}

void Adversary::Drift() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->counters().Add(Reached::kClockDrifts);
  world_->clock(n).SetRate(1 + kDrift * static_cast<double>(dice_.Between(-100, 100)) / 100);
}

void Adversary::JumpWallClock() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->counters().Add(Reached::kWallJumps);
  const int64_t seconds =
      dice_.Percent(50) ? dice_.Between(-30, 30) : dice_.Between(-100000, 100000);
  world_->Tell(n, absl::StrCat("has its time of day changed by ", seconds, " s"));
  world_->clock(n).JumpWallTime(absl::Seconds(seconds));
}

void Adversary::Transfer() {
  const int leader = world_->Leader();
  const int to = AnyRunning();
  if (leader == 0 || to == leader) return;
  world_->counters().Add(Reached::kLeadershipMoved);
  world_->Tell(leader, absl::StrCat("is to hand over to member ", to));
  world_->host(leader).core().reconfigurator().TransferLeadership(
      world_->id(to), world_->clock(leader).Now() + absl::Seconds(2), [](absl::Status) {});
}

// A member is alone with its clients until the others' logs lack what it needs next, so that a
// snapshot comes to one that runs and has watchers. If it cannot install it for a while, leaders
// that follow each other send theirs meanwhile.
void Adversary::Outdate() {
  const int n = AnyRunning();
  if (n == 0 || !alone_.insert(n).second) return;
  CutOff(n, true);
  world_->Tell(n, "is cut off until it is out of date");
  AwaitOutdated(n, std::min(end_, world_->now() + 8 * kSecond));
}

void Adversary::AwaitOutdated(int n, Time give_up) {
  After(50 * kMillisecond, [this, n, give_up] {
    const bool outdated = IsOutdated(n);
    if (!outdated && world_->now() < give_up) return AwaitOutdated(n, give_up);
    alone_.erase(n);
    CutOff(n, false);
    if (!outdated || world_->now() >= end_) return;
    world_->counters().Add(Reached::kOutdated);
    if (world_->options().has(Feature::k_snapshot_races) && dice_.Percent(70)) {
      return RaceSnapshots(n);
    }
    if (!dice_.Percent(50)) return;
    const Time until = std::min(end_, world_->now() + dice_.Between(kSecond, 8 * kSecond));
    world_->Tell(n, "is out of date, and installs nothing for a while");
    world_->host(n).worker().PauseUntil(until);
    PassLeadershipUntil(until);
  });
}

// The leader and most of those who may follow it lack what comes next in the member's log.
bool Adversary::IsOutdated(int n) const {
  const int leader = world_->Leader();
  if (leader == 0 || leader == n || !world_->running(n)) return false;
  const LogIndex next = world_->host(n).log().LastIndex() + 1;
  const auto lacks = [&](int other) { return world_->host(other).log().FirstIndex() > next; };
  std::vector<int> others = world_->Running();
  std::erase(others, n);
  const auto count = static_cast<size_t>(std::count_if(others.begin(), others.end(), lacks));
  return lacks(leader) && 2 * count > others.size();
}

// Two leaders send their states, which are slow; the member stands still while both arrive, and so
// finds the second before it has begun with the first.
void Adversary::RaceSnapshots(int n) {
  const Time give_up = std::min(end_, world_->now() + 5 * kSecond);
  world_->Tell(n, "is out of date, and states come slowly");
  ++races_;
  world_->HoldSnapshots(n, true);
  PassLeadershipUntil(give_up);
  AwaitRace(n, give_up);
}

void Adversary::AwaitRace(int n, Time give_up) {
  After(20 * kMillisecond, [this, n, give_up] {
    const bool race = world_->SnapshotsUnderWay(n) > 1;
    if (!race && world_->now() < give_up) return AwaitRace(n, give_up);
    --races_;
    world_->HoldSnapshots(n, false);
    if (!race || world_->now() >= end_ || !world_->running(n)) return;
    world_->Tell(n, "stands still until two states have arrived");
    world_->host(n).PauseUntil(world_->now() + dice_.Between(kSecond / 2, 2 * kSecond));
  });
}

// A member that is stopped while it reads has been answered by the time it goes on, and asks again
// before it sees that; others have come to read meanwhile.
void Adversary::StopReader() {
  const int n = AnyRunning();
  if (n == 0 || n == world_->Leader()) return;
  const Time lasting = dice_.Between(600 * kMillisecond, 3 * kSecond);
  if (world_->now() + kSecond + lasting > end_) return;
  world_->StopAtRead(n, world_->now() + kSecond, lasting);
}

void Adversary::CutOff(int n, bool cut) {
  for (int other = 1; other <= world_->members(); ++other) {
    if (other == n) continue;
    world_->Cut(n, other, cut);
    world_->Cut(other, n, cut);
  }
}

void Adversary::PassLeadershipUntil(Time when) {
  After(dice_.Between(300 * kMillisecond, 1500 * kMillisecond), [this, when] {
    if (world_->now() >= when) return;
    Transfer();
    PassLeadershipUntil(when);
  });
}

// --------------------------------------------------------------------------------------------
// disks

void Adversary::SlowDisk() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->Tell(n, "has a slow disk");
  world_->counters().Add(Reached::kSlowDisks);
  world_->disk(n).speed.latency_max = Lasting(800 * kMillisecond);
  After(Lasting(10 * kSecond), [this, n] { world_->disk(n).speed = DiskSpeed(); });
}

void Adversary::HangDisk() {
  const int n = dice_.Percent(50) ? world_->Leader() : AnyRunning();
  if (n == 0) return;
  const Time until = std::min(end_, world_->now() + Lasting(10 * kSecond));
  world_->Tell(n, "has a disk that hangs");
  world_->counters().Add(Reached::kHangingDisks);
  world_->disk(n).speed.hangs_until = until;
  world_->host(n).worker().PauseUntil(until);
}

void Adversary::FailDisk() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->Tell(n, "has a disk that is about to fail");
  world_->counters().Add(Reached::kFailedDisks);
  world_->disk(n).files.FailAfter(dice_.Below(20), {.lasting = dice_.Percent(50)});
  disk_armed_.insert(n);
  // A call that fails where the member can go on without it leaves it running with a disk that did
  // not do all it should: it is not asked to go on for ever.
  After(Lasting(4 * kSecond), [this, n] {
    disk_armed_.erase(n);
    if (!world_->running(n) || world_->now() >= end_) return;
    world_->Crash(n);
    After(Lasting(3 * kSecond), [this, n] { world_->Start(n); });
  });
}

void Adversary::FillDisk() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->Tell(n, "has a full disk");
  world_->counters().Add(Reached::kFullDisks);
  world_->disk(n).files.SetCapacity(static_cast<uint64_t>(dice_.Between(0, 200000)));
  After(Lasting(6 * kSecond), [this, n] { world_->disk(n).files.SetCapacity(kNoCapacity); });
}

// Another member may be leaving, unseen: three are to remain of which this is one.
void Adversary::DamageDisk() {
  const int n = AnyRunning();
  const size_t enough = world_->options().has(Feature::k_membership) ? 4 : 3;
  const std::set<int> voters = world_->Voters();
  if (!voters.contains(n) || world_->damaged() != 0 || voters.size() < enough) return;
  world_->Crash(n);
  After(kMillisecond, [this, n] {
    if (world_->running(n) || world_->removed(n) || world_->damaged() != 0) return;
    world_->Damage(n);
  });
  After(Lasting(3 * kSecond), [this, n] { world_->Start(n); });
}

void Adversary::FlipReads() {
  const int n = AnyRunning();
  if (n == 0) return;
  world_->Tell(n, "has a disk that is about to be read wrongly");
  world_->counters().Add(Reached::kFlippedReads);
  // RocksDB as Debian builds it ends the process at some bits.
  const char* const under = world_->options().real_stores ? kLogDirectory : "";
  world_->disk(n).files.FlipReads(static_cast<uint64_t>(dice_.Between(1, 6)), under,
                                  static_cast<uint64_t>(dice_.Between(1, 3)));
}

void Adversary::StallStore() {
  const int n = dice_.Percent(40) ? world_->Leader() : AnyRunning();
  if (n == 0) return;
  world_->counters().Add(Reached::kStalledStores);
  world_->host(n).StallCommits(static_cast<int>(dice_.Skewed(1, 1000)));
}

}  // namespace keelson::simulation
