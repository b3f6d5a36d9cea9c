// The invariants of raft, numbered as in docs/simulation.md, and the first one that a run broke.
// 1-21 must hold after every event whatever fails; 22-28 once the faults have stopped.
#ifndef KEELSON_TESTS_SIMULATION_RAFT_INVARIANTS_H_
#define KEELSON_TESTS_SIMULATION_RAFT_INVARIANTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace keelson::raft::simulation {

// docs/simulation.md and failures name them by number: do not renumber.
enum class Invariant : uint8_t {
  kOwnCheck = 0,
  kOneLeaderPerTerm = 1,
  kLogMatching = 2,
  kLeaderCompleteness = 3,
  kStateMachineSafety = 4,
  kCommittedIsDurable = 5,
  kQuorumsIntersect = 6,
  kLearnersNotCounted = 7,
  kOneConfChange = 8,
  kMonotonic = 9,
  kVoteDurable = 10,
  kAckDurable = 11,
  kBounds = 12,
  kLogTerms = 13,
  kLeaderAppendOnly = 14,
  kRoles = 15,
  kProgress = 16,
  kCommittedNotTruncated = 17,
  kLinearizableReads = 18,
  kLeaseReads = 19,
  kSnapshots = 20,
  kLateMessages = 21,
  kLeaderElected = 22,
  kProposalCommits = 23,
  kConverges = 24,
  kConfChangeCompletes = 25,
  kTransferEnds = 26,
  kRecovers = 27,
  kBoundedGrowth = 28,
};

std::string_view SentenceOf(Invariant invariant);

// What a run was found guilty of; the first finding counts, for the rest may follow from it.
class Verdict {
 public:
  void Fail(Invariant invariant, std::string what) {
    if (failed_) return;
    failed_ = true;
    invariant_ = invariant;
    what_ = std::move(what);
  }
  bool failed() const { return failed_; }
  Invariant invariant() const { return invariant_; }
  const std::string& what() const { return what_; }

 private:
  bool failed_ = false;
  Invariant invariant_ = Invariant::kOwnCheck;
  std::string what_;
};

}  // namespace keelson::raft::simulation

#endif  // KEELSON_TESTS_SIMULATION_RAFT_INVARIANTS_H_
