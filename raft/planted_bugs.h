// Planted bugs: mistakes that implementations of raft have made, built into the core on demand, to
// see whether the simulator convicts them (tools/planted-bugs; docs/testing.md has the result).
// Each is one expression where the mistake would be. In ordinary builds KV_PLANTED is `false`, and
// nothing of this is in the code.
#ifndef KEELSON_RAFT_PLANTED_BUGS_H_
#define KEELSON_RAFT_PLANTED_BUGS_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace keelson::raft {

enum class PlantedBug : uint8_t {
  kNone,
  kVoteBeforeDurable,
  kVoteRequestBeforeDurable,
  kVoteNotPersisted,
  kVoteTwice,
  kElectionRestriction,
  kOldTermCommit,
  kLearnerCounted,
  kLearnerKeepsLeader,
  kJointCommitOneMajority,
  kJointElectionOneMajority,
  kCheckQuorumOffByOne,
  kNoEmptyEntry,
  kPreVoteChangesTerm,
  kStaleTermAccepted,
  kAppendTruncatesMatching,
  kAppendAckBeforeDurable,
  kAppendAckBeyondMatch,
  kCommitBeyondAppend,
  kHeartbeatCommitUncapped,
  kMatchKeptFromOldTerm,
  kOwnLogCountedEarly,
  kApplyBeforeDurable,
  kLateAckCounts,
  kUncommittedUnlimited,
  kSilentPeerForgotten,
  kStaleSnapshotAccepted,
  kSnapshotKeepsConf,
  kSnapshotReportIgnored,
  kSecondConfChange,
  kConfChangeAppliedTwice,
  kCampaignBeforeConfApplied,
  kCommitNotWritten,
  kNoAutoLeave,
  kRefusalHidesCommit,
  kRemovedLeaderStays,
  kTransferNeverAborted,
  kReadConfirmedByOldAnswer,
  kReadBeforeOwnCommit,
  kReadsOutliveTerm,
  kLeaseWithoutDrift,
  kLeaseThroughTransfer,
  kLeaseForgottenOnRestart,
  kLeaseOverPause,
  kCount,
};

// By enumerator.
inline constexpr std::string_view kPlantedBugNames[] = {
    "none",
    "vote-before-durable",
    "vote-request-before-durable",
    "vote-not-persisted",
    "vote-twice",
    "election-restriction",
    "old-term-commit",
    "learner-counted",
    "learner-keeps-leader",
    "joint-commit-one-majority",
    "joint-election-one-majority",
    "check-quorum-off-by-one",
    "no-empty-entry",
    "pre-vote-changes-term",
    "stale-term-accepted",
    "append-truncates-matching",
    "append-ack-before-durable",
    "append-ack-beyond-match",
    "commit-beyond-append",
    "heartbeat-commit-uncapped",
    "match-kept-from-old-term",
    "own-log-counted-early",
    "apply-before-durable",
    "late-ack-counts",
    "uncommitted-unlimited",
    "silent-peer-forgotten",
    "stale-snapshot-accepted",
    "snapshot-keeps-conf",
    "snapshot-report-ignored",
    "second-conf-change",
    "conf-change-applied-twice",
    "campaign-before-conf-applied",
    "commit-not-written",
    "no-auto-leave",
    "refusal-hides-commit",
    "removed-leader-stays",
    "transfer-never-aborted",
    "read-confirmed-by-old-answer",
    "read-before-own-commit",
    "reads-outlive-term",
    "lease-without-drift",
    "lease-through-transfer",
    "lease-forgotten-on-restart",
    "lease-over-pause",
};
static_assert(std::size(kPlantedBugNames) == static_cast<size_t>(PlantedBug::kCount));

constexpr std::optional<PlantedBug> PlantedBugNamed(std::string_view name) {
  size_t position = 0;
  for (std::string_view known : kPlantedBugNames) {
    if (known == name) return static_cast<PlantedBug>(position);
    ++position;
  }
  return std::nullopt;
}

#ifdef KEELSON_PLANTED_BUGS
// The one that is there in this process; set before the first node is made.
inline PlantedBug planted_bug = PlantedBug::kNone;
#define KV_PLANTED(name) (::keelson::raft::planted_bug == ::keelson::raft::PlantedBug::name)
#else
#define KV_PLANTED(name) false
#endif

}  // namespace keelson::raft

#endif  // KEELSON_RAFT_PLANTED_BUGS_H_
