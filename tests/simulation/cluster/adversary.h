// Adversary: what goes wrong, and when. Each kind of fault that the run has is drawn again and
// again until the faults end; then everything is healed, and whoever is a member runs.
//
// What it keeps to, because the design promises no more: a disk keeps what it said it has, except
// for a sync that it said has failed, and except for that of one member, which is then replaced
// before another is damaged; a clock is wrong by no more than kDrift, though the time of day may be
// anything.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_ADVERSARY_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_ADVERSARY_H_

#include <functional>
#include <set>
#include <vector>

#include "tests/simulation/cluster/world.h"

namespace keelson::simulation {

class Adversary {
 public:
  static constexpr double kDrift = 0.01;

  // Faults come until `end`.
  Adversary(World* world, Time end);

 private:
  using Fault = void (Adversary::*)();

  void Next();
  void NextOutdated();
  void NextSleep();
  void Heal();
  void HealNetwork();
  int AnyRunning();
  // After a while that is as likely short as long.
  Time Lasting(Time longest) { return dice_.Skewed(20 * kMillisecond, longest); }
  void After(Time time, std::function<void()> step);

  void Partition();
  void OneWay();
  void HoldLink();
  void CutClients();
  void Crash();
  void CrashInTheMiddle();
  void CrashAll();
  void Pause();
  void SlowDisk();
  void HangDisk();
  void FailDisk();
  void FillDisk();
  void StallStore();
  void DamageDisk();
  void FlipReads();
  void Drift();
  void JumpWallClock();
  void Transfer();
  void Outdate();
  void AwaitOutdated(int n, Time give_up);
  bool IsOutdated(int n) const;
  void RaceSnapshots(int n);
  void AwaitRace(int n, Time give_up);
  void StopReader();
  void CutOff(int n, bool cut);
  void PassLeadershipUntil(Time when);

  World* const world_;
  const Time end_;
  Dice dice_;
  std::vector<Fault> faults_;
  std::set<int> disk_armed_;  // their disk is about to fail
  std::set<int> alone_;       // cut off until they are out of date
  int races_ = 0;             // of states to one member, under way
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_ADVERSARY_H_
