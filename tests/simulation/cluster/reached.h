// How often the rare situations were reached. One that stays zero over many seeds is a hole in the
// simulator, and fails a long run.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_REACHED_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_REACHED_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace keelson::simulation {

// clang-format off
#define KEELSON_SIMULATION_REACHED(X) \
  X(Elections) X(Crashes) X(CrashesInTheMiddleOfAWrite) X(CrashesOfAll) \
  X(RestartsBehindTheState) X(Pauses) X(Partitions) X(OneWayPartitions) X(ClientPartitions) \
  X(SlowDisks) X(HangingDisks) X(FailedDisks) X(FullDisks) X(StalledStores) X(ClockDrifts) \
  X(MessagesLost) X(MessagesRepeated) X(SnapshotsSent) X(SnapshotsBroken) X(SnapshotsDelivered) \
  X(MembersAdded) X(MembersRemoved) X(LeadershipMoved) X(Compactions) X(OperationsOk) \
  X(OperationsRefused) X(OperationsUnknown) X(TransactionsGuardFailed) X(CompactedReads) \
  X(WatchStreams) X(WatchEvents) X(WatchResumes) X(WatchCompacted) X(WatchBookmarks) \
  X(LeasesExpired) X(LeasesRenewed) X(LocksGranted) X(ElectionsWon) X(FencedUpdates) \
  X(ObjectsUpdated) X(RealStores) X(DisksDamaged) X(DamageRefused) X(DamageHarmless) \
  X(MembersReplaced) X(FlippedReads) X(StoppedByFlippedReads) X(WallJumps) X(Logins) X(AuthEnabled) \
  X(AuthDisabled) X(PermissionsChanged) X(AccessAllowed) X(AccessRefused) X(Bursts) X(CallsRefused) X(CallsShed) X(Refusals) X(LateTimers) \
  X(LearnersAdded) X(LearnersPromoted) X(Outdated) X(HeldLinks) X(AlarmsRaised) \
  X(SnapshotsUnderWatchers) X(SnapshotsBeforeAnInstall) X(AnswersToStoppedReaders) X(LeasesAskedWhileGrantStalls) \
  X(LibraryCalls) X(LibraryLocks) X(HoldersAlone) X(RevocationsOfTheDeposed)
// clang-format on

enum class Reached : uint8_t {
#define X(name) k##name,
  KEELSON_SIMULATION_REACHED(X)
#undef X
      kCount
};

class Counters {
 public:
  static constexpr size_t kCount = static_cast<size_t>(Reached::kCount);
  void Add(Reached what, uint64_t times = 1) { counts_[static_cast<size_t>(what)] += times; }
  void Add(const Counters& other) {
    for (size_t i = 0; i < kCount; ++i) counts_[i] += other.counts_[i];
  }
  uint64_t count(size_t i) const { return counts_[i]; }
  static const char* NameOf(size_t i) {
    static constexpr const char* kNames[] = {
#define X(name) #name,
        KEELSON_SIMULATION_REACHED(X)
#undef X
    };
    return kNames[i];
  }

 private:
  std::array<uint64_t, kCount> counts_ = {};
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_REACHED_H_
