// StartCheck: whether this member's state is the others', asked before it takes part in anything
// (etcd's feature gate InitialCorruptCheck): it compares its rolling hash (storage/state_hash.h) at
// its applied index with what the others had there; where one of them has not come so far, all at
// the index that one has reached. A member that knows that it is wrong, or that
// somebody is and not who, does not begin; one that is told nothing, as in a cluster that starts as
// a whole, does, and the leader's DivergenceCheck goes on looking.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_START_CHECK_H_
#define KEELSON_SERVER_START_CHECK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/divergence_check.h"
#include "server/executor.h"

namespace keelson::server {

enum class StartVerdict : uint8_t {
  kAgrees,   // with a majority of all members
  kDiffers,  // from a majority; or from anybody, when no majority is to be had
  kUnknown,  // too few have said; in the end: to be taken for good
};
// `hashes` are all members' at the index where `self` stands; nullopt: not told. `is_last`: no more
// of them will come.
StartVerdict JudgeStart(NodeId self, const std::map<NodeId, std::optional<uint64_t>>& hashes,
                        bool is_last);

class StartCheck {
 public:
  // How long the others are asked.
  static constexpr absl::Duration kTimeMax = absl::Seconds(3);

  StartCheck(StateHashes states, Executor* executor);

  // `done` runs once, perhaps at once.
  using Done = absl::AnyInvocable<void(StartVerdict)>;
  void Run(Done done);
  // `done` will not run any more.
  void Stop();

 private:
  static constexpr absl::Duration kAskAgain = absl::Milliseconds(100);

  void Step();
  // Those who have not said.
  void Ask();
  void AskForHash(NodeId member);
  // `member` does not hold the hash at index_; perhaps it has not come so far.
  void AskWhereItStands(NodeId member);
  void Compare(LogIndex index);
  // Somebody has another hash than this member: no older index may hide it.
  bool Contradicted() const;
  void Judge(bool is_last);

  const StateHashes states_;
  std::shared_ptr<int> alive_;
  Done done_;       // null when it has run
  LogIndex index_;  // where all are compared
  absl::Duration give_up_;
  std::map<NodeId, std::optional<uint64_t>> hashes_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_START_CHECK_H_
