// Counters: how often the rare situations were reached. One that stays zero over many seeds is a
// hole in the simulator, and fails the run.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_COUNTERS_H_
#define KEELSON_TESTS_SIMULATION_RAFT_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keelson::raft::simulation {

enum class Reached : uint8_t {
  kElections,
  kSplitVotes,
  kPreVoteRejects,
  kCheckQuorumStepDowns,
  kEntriesCommitted,
  kTruncations,
  kAppendsRejected,
  kLateAcks,
  kRestarts,
  kRestartsWithLostTail,
  kRestartsReplaying,
  kSnapshotsSent,
  kSnapshotsLost,
  kSnapshotsInstalled,
  kSnapshotsStale,
  kCrashesBeforeSnapshotInstall,
  kCrashesAfterSnapshotInstall,
  kConfChangesProposed,
  kConfChangesRefused,
  kConfChangesRejectedByLayerAbove,
  kConfChangesIllegalWhenApplied,
  kConfChangesOvertaken,
  kJointEnters,
  kJointLeaves,
  kJointAutoLeaves,
  kCommitsInJoint,
  kLearnersAdded,
  kLearnerPromotions,
  kDemotions,
  kVotersAdded,
  kRemovals,
  kLeaderRemovals,
  kCampaignsBlocked,
  kTransfersDone,
  kTransfersAborted,
  kProposalsWhileTransferring,
  kForgottenLeaders,
  kStorageStalls,
  kStorageStallStepDowns,
  kUncommittedLimitRefusals,
  kReadsGranted,
  kReadsForwarded,
  kReadsDropped,
  kLeaseReads,
  kPauses,
  kPartitions,
  kHealedCatchUpBySnapshot,
  kHealedCatchUpByLog,
  kCount,
};

class Counters {
 public:
  static constexpr size_t kCount = static_cast<size_t>(Reached::kCount);

  void Add(Reached what, uint64_t times = 1) { counts_[static_cast<size_t>(what)] += times; }
  void Add(const Counters& other) {
    for (size_t i = 0; i < kCount; ++i) counts_[i] += other.counts_[i];
  }
  uint64_t count(size_t i) const { return counts_[i]; }
  static std::string_view NameOf(size_t i);

 private:
  std::array<uint64_t, kCount> counts_ = {};
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_COUNTERS_H_
