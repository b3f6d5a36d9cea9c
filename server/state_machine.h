// StateMachine: committed commands carried out on the store, deterministically: the same entries
// give the same state, answers and events on every member. What a group of entries did comes out as
// one value after its batch is in the store.
//
// Thread: apply.
#ifndef KEELSON_SERVER_STATE_MACHINE_H_
#define KEELSON_SERVER_STATE_MACHINE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/types.h"
#include "proto/keelson/command.pb.h"
#include "raft/types.h"
#include "server/auth/auth_store.h"
#include "server/divergence_check.h"
#include "server/kv_executor.h"
#include "storage/store.h"

namespace keelson::server {

// The format of commands that this version writes and reads.
inline constexpr uint32_t kCommandFormat = 1;

// The outcome of a command that this member proposed for a client.
struct Answer {
  uint64_t request = 0;
  absl::Status status;
  std::string body;   // encoded, without the header
  Revision revision;  // for the header
  // When its group was begun to be applied, and was in the store; zero: it was not.
  absl::Duration applying = {}, applied = {};
};

// What a group of entries did.
struct Applied {
  std::vector<Answer> answers;
  std::vector<storage::StoredEvent> events;
  std::vector<LeaseId> granted;
  std::vector<LeaseId> revoked;
  std::vector<TokenChange> tokens;
  bool compacted = false;
  bool members_changed = false;
  bool grown = false;  // a command that adds to the store was carried out
};

class StateMachine {
 public:
  // What the membership is after the change in the entry `index`; an error: the change is not legal
  // and changes nothing, on any member.
  using ConfChanger = std::function<absl::StatusOr<raft::ConfState>(
      LogIndex index, const raft::ConfChange& change)>;

  // `store` outlives the machine. Answers are made for commands whose origin is `self`. Without
  // `change_conf` changes of membership change nothing.
  StateMachine(storage::Store* store, NodeId self, ConfChanger change_conf = nullptr);

  // REQUIRES: the entries follow the store's applied index and those of earlier calls; the group
  // before was committed.
  void Apply(absl::Span<const raft::Entry> entries);
  // Unavailable: the store cannot take it now; call again. Any other error is final.
  absl::StatusOr<Applied> Commit();
  // Forgets the group that was applied and not committed; OnStoreReplaced follows.
  void Abandon() { applied_ = Applied(); }
  // The store holds another state from now on.
  void OnStoreReplaced();
  const AuthStore& auth() const { return auth_; }

  // Shared with the reads of the member.
  KvCounters* kv_counters() { return &kv_counters_; }

 private:
  void ApplyEntry(const raft::Entry& entry);
  void ApplyConfChange(const raft::Entry& entry);
  absl::StatusOr<std::string> ChangeMembership(const raft::Entry& entry,
                                               const raft::ConfChange& change,
                                               const proto::Command& command);
  // False: it is no command, and the machine has failed.
  bool ParseCommand(LogIndex index, std::string_view bytes, proto::Command& command);
  void AnswerTo(const proto::Command& command, absl::StatusOr<std::string> body);
  absl::StatusOr<std::string> Execute(const proto::Command& command, const raft::Entry& entry);
  // What is refused while an alarm is up.
  absl::Status CheckAlarms(const proto::Command& command) const;
  void ReadAlarms();
  absl::StatusOr<std::string> Compact(const etcdserverpb::CompactionRequest& request);
  absl::StatusOr<std::string> GrantLease(const etcdserverpb::LeaseGrantRequest& request);
  absl::StatusOr<std::string> RevokeLeases(const proto::LeaseRevoke& request, Term term);
  absl::StatusOr<std::string> Checkpoint(const etcdserverpb::LeaseCheckpointRequest& request);
  absl::StatusOr<std::string> Alarm(const etcdserverpb::AlarmRequest& request);
  absl::StatusOr<std::string> SetAttributes(const proto::MemberAttributes& request);
  absl::StatusOr<std::string> UpdateMember(const proto::MemberChange& change);
  absl::StatusOr<std::string> SetDowngrade(const proto::DowngradeInfo& request);

  storage::Store* const store_;
  const NodeId self_;
  const ConfChanger change_conf_;
  KvCounters kv_counters_;
  KvExecutor kv_;
  AuthStore auth_;
  bool no_space_ = false;  // some member's alarm NOSPACE is up
  bool corrupt_ = false;   // … CORRUPT
  Applied applied_;       // of the group under way
  absl::Status failure_;  // the store failed in the middle of an entry
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_STATE_MACHINE_H_
