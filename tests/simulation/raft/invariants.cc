#include "tests/simulation/raft/invariants.h"

#include <cstddef>

namespace keelson::raft::simulation {

std::string_view SentenceOf(Invariant invariant) {
  static constexpr std::string_view kSentences[] = {
      "the core's own checks (KV_CHECK) hold",
      "a term has one leader, ever",
      "logs that agree in index and term of an entry agree up to it",
      "a leader holds every entry committed in earlier terms",
      "the same index has the same entry, state and configuration everywhere",
      "what is committed is durable on a majority of every active half",
      "an election quorum intersects every earlier commit quorum",
      "learners and silent members are never counted",
      "at most one change of membership is not applied, and nobody campaigns before applying it",
      "term, vote of a term, commit, applied and compacted index never fall",
      "a term and a vote are durable before a message resting on them leaves",
      "an append is acknowledged only when it is durable",
      "compacted <= applied <= commit <= last index, and applied entries are durable",
      "terms do not fall along a log nor exceed the current term",
      "a leader only appends to its log and commits by counting only entries of its term",
      "roles change as the protocol says; a pre-vote changes neither term nor vote",
      "what a leader believes of a member is true, and its limits hold",
      "no committed entry is ever truncated",
      "a read index is at or after everything acknowledged before the request, and is proven",
      "a lease is held only while nobody else can be leader",
      "a snapshot equals the committed state at its index; a stale one is ignored",
      "late and repeated messages and acknowledgements change nothing; no honest one is refused",
      "healed: a leader exists within ten election timeouts",
      "healed: proposals commit and reads are answered",
      "healed: all members converge to the same state and are replicated to",
      "healed: a change of membership completes and a joint configuration is left",
      "healed: a transfer of leadership finishes or is given up",
      "healed: a member that was cut off recovers by log or snapshot",
      "a partition makes neither messages nor memory grow without bound",
  };
  return kSentences[static_cast<size_t>(invariant)];
}

}  // namespace keelson::raft::simulation
