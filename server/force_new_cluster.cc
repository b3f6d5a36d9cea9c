#include "server/force_new_cluster.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "raft/conf_change.h"
#include "server/cluster_records.h"
#include "server/membership.h"
#include "server/raft_codec.h"
#include "server/state_machine.h"

namespace keelson::server {
namespace {

constexpr uint64_t kReadBytes = 4 << 20;
constexpr absl::Duration kStallRetry = absl::Milliseconds(2);

absl::Status Commit(StateMachine& machine) {
  while (true) {
    const absl::StatusOr<Applied> applied = machine.Commit();
    if (!absl::IsUnavailable(applied.status())) return applied.status();
    absl::SleepFor(kStallRetry);
  }
}

// All of the log after what the store has applied.
absl::Status ApplyAll(NodeId self, storage::Store& store, const storage::RaftLog& log) {
  raft::ConfState conf = StoredConfState(store);
  StateMachine machine(&store, self, [&conf](LogIndex, const raft::ConfChange& change) {
    absl::StatusOr<raft::ConfState> next = raft::ApplyConfChange(conf, change);
    if (next.ok()) conf = *next;
    return next;
  });
  while (store.applied() < log.LastIndex()) {
    KV_ASSIGN_OR_RETURN(std::vector<storage::LogRecord> records,
                        log.Read(store.applied() + 1, log.LastIndex() + 1, kReadBytes));
    std::vector<raft::Entry> entries;
    for (storage::LogRecord& record : records) {
      entries.push_back({record.term, record.index, static_cast<raft::EntryType>(record.type),
                         std::move(record.data)});
    }
    machine.Apply(entries);
    KV_RETURN_IF_ERROR(Commit(machine));
  }
  return absl::OkStatus();
}

void BecomeOnlyMember(NodeId self, storage::Store& store) {
  const std::vector<etcdserverpb::Member> members = Members(store);
  for (const etcdserverpb::Member& member : members) {
    if (NodeId(member.id()) != self) RemoveMember(store, NodeId(member.id()));
  }
  etcdserverpb::Member own = FindMember(store, self).value_or(etcdserverpb::Member());
  own.set_id(self.value());
  own.set_islearner(false);
  StoreMember(store, own);
  store.PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState({.voters = {self}}));
}

}  // namespace

absl::Status ForceNewCluster(NodeId self, storage::Store& store, storage::RaftLog& log) {
  // First the log: what is applied is committed, as far as raft is concerned.
  storage::LogState state = log.state();
  state.commit = std::max(state.commit, log.LastIndex());
  const storage::LogAppend append = {.state = state, .must_sync = true};
  KV_RETURN_IF_ERROR(log.Append({&append, 1}));
  KV_RETURN_IF_ERROR(ApplyAll(self, store, log));
  if (WasRemoved(store, self)) {
    return absl::FailedPreconditionError(
        "this member has been permanently removed from its cluster; its data may be behind");
  }
  store.BeginOwn();
  BecomeOnlyMember(self, store);
  store.EndEntry();
  KV_RETURN_IF_ERROR(store.CommitBatch());
  return store.Flush();
}

}  // namespace keelson::server
