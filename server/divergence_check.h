// DivergenceCheck: the leader compares the rolling hash of applied state (storage/state_hash.h)
// with the other members', again and again. Whoever has another one than the majority has other
// data: the alarm CORRUPT goes up for it, under which nobody changes anything any more (etcd's
// rule).
//
// The hashes are those of an index that the leader applied a while ago, so that the others have
// too. Thread: the executor's.
#ifndef KEELSON_SERVER_DIVERGENCE_CHECK_H_
#define KEELSON_SERVER_DIVERGENCE_CHECK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/types.h"

namespace keelson::server {

// Who disagrees with the majority of all members; nullopt is a member that did not say. Node 0:
// there is none, and all have said what they have. Empty: no contradiction, or none that can be
// decided yet.
std::vector<NodeId> FindDivergent(const std::map<NodeId, std::optional<uint64_t>>& hashes);

// All members' hashes, as this one comes by them.
struct StateHashes {
  NodeId self;
  const Clock* clock;
  std::function<std::vector<NodeId>()> members;  // with this one
  std::function<LogIndex()> applied;             // here
  std::function<std::optional<uint64_t>(LogIndex)> hash_at;
  // Another member's hash, and where it stands; always answer, perhaps at once.
  using Answer = absl::AnyInvocable<void(std::optional<uint64_t>)>;
  std::function<void(NodeId, LogIndex, Answer)> ask;
  std::function<void(NodeId, absl::AnyInvocable<void(std::optional<LogIndex>)>)> ask_applied;
};

class DivergenceCheck {
 public:
  // `interval`: from one comparison to the next. `raise` raises the alarm.
  DivergenceCheck(absl::Duration interval, StateHashes states, std::function<void(NodeId)> raise);

  // To be called several times a second.
  void OnTick(bool is_leader);

 private:
  // How long an index is left to the others to apply.
  static constexpr absl::Duration kSettle = absl::Milliseconds(500);

  struct Round {
    std::map<NodeId, std::optional<uint64_t>> hashes;
    size_t missing = 0;  // answers
  };

  // Asks all for their hash at `index`; the round is over when all have answered.
  void Ask(LogIndex index);
  void Judge(const Round& round);

  const absl::Duration interval_;
  const StateHashes states_;
  const std::function<void(NodeId)> raise_;
  std::optional<LogIndex> index_;  // chosen, and not yet asked for
  absl::Duration next_;            // when to choose, or to ask
  std::shared_ptr<Round> round_;   // under way
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_DIVERGENCE_CHECK_H_
