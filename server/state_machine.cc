#include "server/state_machine.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "proto/etcd/rpc.pb.h"
#include "raft/conf_change.h"
#include "server/alarm_key.h"
#include "server/auth/request_checks.h"
#include "server/cluster_records.h"
#include "server/errors.h"
#include "server/member_changes.h"
#include "server/membership.h"
#include "server/raft_codec.h"
#include "server/request_cost.h"

namespace keelson::server {

using proto::Command;

namespace {

// What a command may add to the store.
uint64_t CostOf(const Command& command) {
  switch (command.op_case()) {
    case Command::kPut:
      return PutCost(command.put());
    case Command::kTxn:
      return TxnCost(command.txn());
    case Command::kLeaseGrant:
      return kLeaseGrantCost;
    default:
      return 0;
  }
}

constexpr int64_t kLeaseTtlMax = 9'000'000'000;  // seconds; etcd's

// etcd's list of what a member with corrupt data must not do to it.
bool ChangesData(const Command& command) {
  switch (command.op_case()) {
    case Command::kPut:
    case Command::kDeleteRange:
    case Command::kTxn:
    case Command::kCompaction:
    case Command::kLeaseGrant:
    case Command::kLeaseRevoke:
      return true;
    default:
      return false;
  }
}

}  // namespace

StateMachine::StateMachine(storage::Store* store, NodeId self, ConfChanger change_conf)
    : store_(store),
      self_(self),
      change_conf_(std::move(change_conf)),
      kv_(store, &kv_counters_),
      auth_(store) {
  OnStoreReplaced();
}

void StateMachine::OnStoreReplaced() {
  if (!KV_PLANTED("auth-kept-over-snapshot")) auth_.Reload();
}

void StateMachine::ReadAlarms() {
  no_space_ = corrupt_ = false;
  ForEachAlarm(*store_, [this](const AlarmKey& alarm) {
    no_space_ = no_space_ || alarm.alarm == etcdserverpb::NOSPACE;
    corrupt_ = corrupt_ || alarm.alarm == etcdserverpb::CORRUPT;
  });
}

absl::Status StateMachine::CheckAlarms(const Command& command) const {
  if (corrupt_ && ChangesData(command)) return ErrCorrupt();
  if (no_space_ && CostOf(command) > 0) return ErrNoSpace();
  return absl::OkStatus();
}

void StateMachine::Apply(absl::Span<const raft::Entry> entries) {
  // Anew for each group: a snapshot may have replaced them.
  if (!KV_PLANTED("alarms-not-read-again")) ReadAlarms();
  for (const raft::Entry& entry : entries) ApplyEntry(entry);
}

void StateMachine::ApplyEntry(const raft::Entry& entry) {
  if (entry.type == raft::EntryType::kNormal) KV_FAILPOINT(beforeApplyOneEntryNormal);
  if (entry.type == raft::EntryType::kConfChange) KV_FAILPOINT(beforeApplyOneConfChange);
  store_->BeginEntry(entry.index, entry.term);
  if (entry.type == raft::EntryType::kConfChange) ApplyConfChange(entry);
  // The empty entry of a new leader changes nothing but the applied index.
  if (entry.type != raft::EntryType::kNormal || entry.data.empty()) {
    store_->EndEntry();
    return;
  }
  Command command;
  if (!ParseCommand(entry.index, entry.data.view(), command)) {
    store_->EndEntry();
    return;
  }
  absl::StatusOr<std::string> body = Execute(command, entry);
  if (!body.ok() && store_->EntryChanged()) failure_ = body.status();
  if (body.ok() && CostOf(command) > 0) applied_.grown = true;
  std::vector<storage::StoredEvent> events = store_->EndEntry();
  applied_.events.insert(applied_.events.end(), std::make_move_iterator(events.begin()),
                         std::make_move_iterator(events.end()));
  AnswerTo(command, std::move(body));
}

bool StateMachine::ParseCommand(LogIndex index, std::string_view bytes, Command& command) {
  if (command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
      command.format() == kCommandFormat) {
    return true;
  }
  failure_ = absl::DataLossError(
      absl::StrCat("raft entry ", index.value(), " holds no command of format ", kCommandFormat));
  return false;
}

void StateMachine::AnswerTo(const Command& command, absl::StatusOr<std::string> body) {
  if (NodeId(command.origin()) != self_) return;
  Answer answer{command.request(), body.status(), {}, store_->revision()};
  if (body.ok()) answer.body = *std::move(body);
  applied_.answers.push_back(std::move(answer));
}

void StateMachine::ApplyConfChange(const raft::Entry& entry) {
  const std::optional<raft::ConfChange> change = raft::DecodeConfChange(entry.data);
  if (!change || !change_conf_) return;  // raft proposes none that it cannot read
  Command command;
  // Raft's own, which leave a joint configuration, mean nothing beyond.
  if (!change->context.empty() && !ParseCommand(entry.index, change->context.view(), command)) {
    return;
  }
  AnswerTo(command, ChangeMembership(entry, *change, command));
}

// The membership goes into the batch of the applied index, what raft and what clients know of it
// alike: a restart begins with the membership of exactly the state it finds.
absl::StatusOr<std::string> StateMachine::ChangeMembership(const raft::Entry& entry,
                                                           const raft::ConfChange& change,
                                                           const Command& command) {
  if (command.has_member_change()) {
    KV_RETURN_IF_ERROR(CheckMemberChange(*store_, command.member_change()));
  }
  const absl::StatusOr<raft::ConfState> conf = change_conf_(entry.index, change);
  // No other reason is left: the rest was checked when it was proposed, and above.
  if (!conf.ok()) return ErrNotEnoughStartedMembers();
  const bool promotes = command.member_change().has_promote();
  if (!promotes || !KV_PLANTED("promotion-not-recorded")) {
    store_->PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState(*conf));
  }
  applied_.members_changed = true;
  if (!command.has_member_change()) return std::string();
  CarryOutMemberChange(*store_, command.member_change());
  return MemberChangeAnswer(*store_, command.member_change());
}

absl::StatusOr<Applied> StateMachine::Commit() {
  KV_RETURN_IF_ERROR(failure_);
  KV_RETURN_IF_ERROR(store_->CommitBatch());
  return std::exchange(applied_, Applied());
}

absl::StatusOr<std::string> StateMachine::Execute(const Command& command,
                                                  const raft::Entry& entry) {
  KV_RETURN_IF_ERROR(CheckAlarms(command));
  if (!KV_PLANTED("auth-not-checked-at-apply")) {
    KV_RETURN_IF_ERROR(CheckCommand({auth_, *store_}, command));
  }
  if (AuthStore::Takes(command)) return auth_.Execute(command, entry.index, applied_.tokens);
  switch (command.op_case()) {
    case Command::kPut:
      return kv_.Put(command.put());
    case Command::kDeleteRange:
      return kv_.DeleteRange(command.delete_range());
    case Command::kTxn:
      return kv_.Txn(command.txn());
    case Command::kCompaction:
      return Compact(command.compaction());
    case Command::kLeaseGrant:
      return GrantLease(command.lease_grant());
    case Command::kLeaseRevoke:
      return RevokeLeases(command.lease_revoke(), entry.term);
    case Command::kLeaseCheckpoint:
      return Checkpoint(command.lease_checkpoint());
    case Command::kAlarm:
      return Alarm(command.alarm());
    case Command::kMemberAttributes:
      return SetAttributes(command.member_attributes());
    case Command::kMemberChange:
      return UpdateMember(command.member_change());
    case Command::kDowngrade:
      return SetDowngrade(command.downgrade());
    default:
      return absl::UnimplementedError("etcdserver: unknown command");
  }
}

absl::StatusOr<std::string> StateMachine::Compact(const etcdserverpb::CompactionRequest& request) {
  const absl::Status status = store_->Compact(Revision(request.revision()));
  if (!status.ok()) return FromStorage(status);
  applied_.compacted = true;
  return std::string();
}

absl::StatusOr<std::string> StateMachine::GrantLease(
    const etcdserverpb::LeaseGrantRequest& request) {
  const LeaseId id(request.id());
  // Here and not before it is proposed: alarms and missing users are what a client is told first.
  if (request.ttl() > kLeaseTtlMax) return ErrLeaseTtlTooLarge();
  if (store_->FindLease(id)) return ErrLeaseExists();
  store_->GrantLease({id, request.ttl(), 0});
  applied_.granted.push_back(id);
  etcdserverpb::LeaseGrantResponse response;
  response.set_id(request.id());
  response.set_ttl(request.ttl());
  return response.SerializeAsString();
}

absl::StatusOr<std::string> StateMachine::RevokeLeases(const proto::LeaseRevoke& request,
                                                       Term term) {
  // A leader that was deposed while it slept must not revoke what the next one keeps alive (etcd
  // 15247).
  const bool by_clock = request.leader_term() != 0;
  const bool deposed = by_clock && Term(request.leader_term()) != term;
  if (deposed && !KV_PLANTED("lease-revoked-by-old-leader")) return std::string();
  for (const int64_t id : request.ids()) {
    if (!store_->FindLease(LeaseId(id))) {
      if (!by_clock) return ErrLeaseNotFound();
      continue;
    }
    KV_RETURN_IF_ERROR(store_->RevokeLease(LeaseId(id)));
    applied_.revoked.push_back(LeaseId(id));
  }
  return std::string();
}

absl::StatusOr<std::string> StateMachine::Checkpoint(
    const etcdserverpb::LeaseCheckpointRequest& request) {
  for (const auto& checkpoint : request.checkpoints()) {
    const LeaseId id(checkpoint.id());
    if (store_->FindLease(id)) store_->CheckpointLease(id, checkpoint.remaining_ttl());
  }
  return std::string();
}

absl::StatusOr<std::string> StateMachine::Alarm(const etcdserverpb::AlarmRequest& request) {
  etcdserverpb::AlarmResponse response;
  const AlarmKey key{NodeId(request.memberid()), static_cast<uint32_t>(request.alarm())};
  const auto add = [&response](const AlarmKey& alarm) {
    auto* out = response.add_alarms();
    out->set_memberid(alarm.member.value());
    out->set_alarm(static_cast<etcdserverpb::AlarmType>(alarm.alarm));
  };
  switch (request.action()) {
    case etcdserverpb::AlarmRequest::GET:
      ForEachAlarm(*store_, [&](const AlarmKey& alarm) {
        if (request.alarm() == etcdserverpb::NONE || alarm.alarm == key.alarm) add(alarm);
      });
      break;
    case etcdserverpb::AlarmRequest::ACTIVATE:
      if (request.alarm() == etcdserverpb::NONE) break;
      store_->PutRecord(storage::Table::kAlarms, key.Encode(), "");
      add(key);
      break;
    case etcdserverpb::AlarmRequest::DEACTIVATE:
      if (!store_->FindRecord(storage::Table::kAlarms, key.Encode())) break;
      store_->DeleteRecord(storage::Table::kAlarms, key.Encode());
      add(key);
      break;
    default:
      break;
  }
  ReadAlarms();
  return response.SerializeAsString();
}

absl::StatusOr<std::string> StateMachine::SetAttributes(const proto::MemberAttributes& request) {
  std::optional<etcdserverpb::Member> member = FindMember(*store_, NodeId(request.id()));
  if (!member) return std::string();
  member->set_name(request.name());
  *member->mutable_clienturls() = request.client_urls();
  StoreMember(*store_, *member);
  applied_.members_changed = true;
  return std::string();
}

// What changes raft's membership comes with an entry of another type.
absl::StatusOr<std::string> StateMachine::UpdateMember(const proto::MemberChange& change) {
  if (!change.has_update()) return absl::UnimplementedError("etcdserver: unknown command");
  KV_RETURN_IF_ERROR(CheckMemberChange(*store_, change));
  CarryOutMemberChange(*store_, change);
  applied_.members_changed = true;
  return MemberChangeAnswer(*store_, change);
}

absl::StatusOr<std::string> StateMachine::SetDowngrade(const proto::DowngradeInfo& request) {
  if (request.enabled()) {
    store_->PutRecord(storage::Table::kCluster, kDowngradeKey, request.SerializeAsString());
  } else {
    store_->DeleteRecord(storage::Table::kCluster, kDowngradeKey);
  }
  return std::string();
}

}  // namespace keelson::server
