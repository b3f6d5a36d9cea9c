#include "tests/simulation/raft/log_checker.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "raft/conf_change.h"
#include "raft/entry_window.h"
#include "raft/testing/describe.h"

namespace keelson::raft::simulation {
namespace {

// By how much the bytes under way may pass their limit: by one message, which has one entry at
// least.
constexpr uint64_t kEntryBytesMax = 200;
// A batch of proposals of the clients, or a change of membership.
constexpr uint64_t kProposalBytesMax = 150;

}  // namespace

void LogChecker::OnStart(const Member& member) {
  Handed& handed = Of(member);
  handed = {};
  handed.log = member.disk.durable().log;
  handed.to_apply = handed.conf_applied = member.disk.state().id.index;
  for (LogIndex index = handed.log.first(); index <= handed.log.last(); ++index) {
    const bool conf_change = handed.log.At(index).entry.type == EntryType::kConfChange;
    if (conf_change) handed.conf_changes.push_back(index);
  }
  const HardState& state = member.disk.durable().hard_state;
  CheckHardState(member, state, handed.log.last());
  if (handed.log.last() < handed.to_apply) {
    Fail(Invariant::kBounds, "what was applied is not in the log after a crash");
  }
}

void LogChecker::AfterInput(const Observation& o) {
  CheckBounds(o);
  if (o.now.commit > context_.ledger.last()) ExtendLedger(o);
  if (o.now.role == Role::kLeader) CheckProgress(o);
  if (o.cause == Cause::kTick || o.cause == Cause::kMissedTick) {
    for (Flow& flow : flows_[o.member.id.value()]) ++flow.ticks;
  }
}

void LogChecker::CheckBounds(const Observation& o) {
  if (o.now.commit > o.now.last) Fail(Invariant::kBounds, "commit beyond the log");
  if (o.now.applied > o.now.commit) Fail(Invariant::kBounds, "applied beyond commit");
  const SimulatedDisk& disk = o.member.disk;
  if (disk.durable().log.base().index > disk.durable().state.id.index) {
    Fail(Invariant::kBounds, "compacted beyond what is applied");
  }
  if (o.now.role == Role::kLeader && o.before.role == Role::kLeader && o.now.last < o.before.last) {
    Fail(Invariant::kLeaderAppendOnly, "a leader's log became shorter");
  }
}

// The first to know that an entry is committed is the leader that counts it.
void LogChecker::ExtendLedger(const Observation& o) {
  Ledger& ledger = context_.ledger;
  const ChainedLog& log = Of(o.member).log;
  const LogIndex commit = o.now.commit;
  const bool leader = o.now.role == Role::kLeader ||
                      (o.before.role == Role::kLeader && o.before.term == o.now.term);
  if (!leader) {
    return Fail(Invariant::kCommittedIsDurable,
                absl::StrCat("commit ", commit.value(), " at a follower, and committed by nobody"));
  }
  if (commit > log.last() || ledger.last() < log.base().index ||
      log.HashAt(ledger.last()) != ledger.last_hash()) {
    return Fail(Invariant::kCommittedIsDurable, "a leader commits beyond the log it handed out");
  }
  if (log.TermAt(commit) != o.now.term) {
    Fail(Invariant::kLeaderAppendOnly, "an entry of an earlier term committed by counting");
  }
  const uint64_t hash = *log.HashAt(commit);
  MemberSet holders = 0;
  for (const auto& other : context_.members) {
    if (other->disk.durable().Holds(commit, hash)) holders |= SetOf(other->id);
  }
  if (!IsQuorum(o.now.conf, holders)) {
    const MemberSet counted = VotersOf(o.now.conf) & holders;
    const bool learners = holders != counted && (counted & SetOf(o.member.id)) != 0 &&
                          !o.now.conf.IsJoint() && !o.now.conf.learners.empty();
    Fail(learners ? Invariant::kLearnersNotCounted : Invariant::kCommittedIsDurable,
         absl::StrCat("entry ", commit.value(), " committed without a quorum of disks in ",
                      Describe(o.now.conf)));
  }
  for (LogIndex index = ledger.last() + 1; index <= commit; ++index) {
    const ChainedEntry& entry = log.At(index);
    ledger.Commit({.term = entry.entry.term, .seen_in = o.now.term, .hash = entry.hash});
    context_.counters.Add(Reached::kEntriesCommitted);
    if (o.now.conf.IsJoint()) context_.counters.Add(Reached::kCommitsInJoint);
  }
}

void LogChecker::CheckProgress(const Observation& o) {
  const Config& config = o.member.config;
  const uint64_t limit = std::max(config.uncommitted_bytes_max, kProposalBytesMax);
  if (o.now.uncommitted_bytes > limit + kProposalBytesMax) {
    Fail(Invariant::kProgress,
         absl::StrCat("uncommitted bytes beyond the limit: ", o.now.uncommitted_bytes));
  }
  for (const ProgressStatus& peer : o.now.progress) CheckProgressOf(o, peer);
}

void LogChecker::CheckProgressOf(const Observation& o, const ProgressStatus& peer) {
  const Config& config = o.member.config;
  const auto fail = [this, &peer](const char* what) {
    Fail(Invariant::kProgress, absl::StrCat(what, " m", peer.id.value(), ": match ",
                                            peer.match.value(), " next ", peer.next.value()));
  };
  if (peer.match >= peer.next) fail("match is not below next of");
  if (peer.inflight_messages > static_cast<uint64_t>(config.inflight_messages_max)) {
    fail("too many messages under way to");
  }
  const uint64_t message_max = std::max(config.append_bytes_max, kEntryBytesMax);
  if (peer.inflight_bytes > config.inflight_bytes_max + message_max) {
    fail("too many bytes under way to");
  }
  if (peer.state == ProgressState::kSnapshot && !peer.pending_snapshot) {
    fail("waits for no snapshot");
  }
  const Member* member = context_.Find(peer.id);
  if (member == nullptr || peer.match <= LogIndex{0}) return;
  const DiskImage& disk = member->disk.durable();
  // A later leader may have replaced what this one still counts.
  if (disk.hard_state.term > o.now.term) return;
  const ChainedLog& log = Of(o.member).log;
  const std::optional<uint64_t> hash = log.HashAt(peer.match);
  if (peer.match > log.last()) return fail("match beyond the leader's log:");
  if (hash && !disk.Holds(peer.match, *hash)) fail("match is not durable at");
}

// ----------------------------------------------------------------------------------------------
// what is handed out

void LogChecker::OnReady(const Member& member, const Ready& ready) {
  Handed& handed = Of(member);
  if (ready.number <= handed.ready_number) Fail(Invariant::kMonotonic, "Ready out of order");
  handed.ready_number = ready.number;
  const LogWrite& write = ready.write;
  if (!write.empty() && !write.must_sync) {
    const bool promise = write.snapshot || !write.entries.empty() ||
                         write.hard_state->term != member.disk.durable().hard_state.term ||
                         write.hard_state->vote != member.disk.durable().hard_state.vote;
    if (promise) Fail(Invariant::kAckDurable, "a write that need not be durable");
  }
  if (write.snapshot) CheckSnapshotWrite(member, *write.snapshot);
  if (context_.verdict.failed()) return;
  if (!write.entries.empty()) CheckEntriesWrite(member, write.entries);
  if (write.hard_state) CheckHardState(member, *write.hard_state, handed.log.last());
  CheckCommitted(member, ready.committed);
}

void LogChecker::CheckHardState(const Member& member, const HardState& state, LogIndex last) {
  if (state.commit > last) Fail(Invariant::kBounds, "a durable commit index beyond the log");
  const HardState& durable = member.disk.durable().hard_state;
  if (state.term < durable.term) Fail(Invariant::kMonotonic, "the durable term falls");
  if (state.commit < durable.commit) Fail(Invariant::kMonotonic, "the durable commit index falls");
  if (state.term == durable.term && durable.vote && state.vote != durable.vote) {
    Fail(Invariant::kMonotonic, "the durable vote changes within its term");
  }
  const NodeId given = context_.ledger.Of(state.term).vote[member.id.value()];
  if (given && given != state.vote)
    Fail(Invariant::kMonotonic, "a vote that was given is forgotten");
}

void LogChecker::CheckSnapshotWrite(const Member& member, const Snapshot& snapshot) {
  Handed& handed = Of(member);
  CheckSnapshot(member, snapshot);
  if (snapshot.id.index <= handed.to_apply) {
    Fail(Invariant::kSnapshots, "a snapshot replaces what is applied already");
  }
  // Committed entries behind the snapshot would be lost with the rest of the log.
  const LogIndex next = snapshot.id.index + 1;
  const Ledger& ledger = context_.ledger;
  if (next <= ledger.last() && next <= handed.log.last() && next >= handed.log.first() &&
      handed.log.HashAt(next) == ledger.HashAt(next)) {
    Fail(Invariant::kCommittedNotTruncated, "a snapshot drops committed entries behind it");
  }
  const AppliedState state = StateOf(snapshot);
  handed.log.Reset(state.id, state.hash);
  handed.conf_changes.clear();
  handed.conf_applied = handed.to_apply = state.id.index;
}

void LogChecker::CheckSnapshot(const Member& member, const Snapshot& snapshot) {
  const Ledger& ledger = context_.ledger;
  const LogIndex index = snapshot.id.index;
  if (index > ledger.last() || index > ledger.applied() || index < ledger.base()) {
    return Fail(Invariant::kSnapshots,
                absl::StrCat("snapshot ", index.value(), " of what is not applied anywhere"));
  }
  if (StateOf(snapshot).hash != ledger.HashAt(index)) {
    Fail(Invariant::kSnapshots, "a snapshot of another state");
  }
  if (index > ledger.base() && snapshot.id.term != ledger.At(index).term) {
    Fail(Invariant::kSnapshots, "a snapshot of another term");
  }
  CheckConfAt(member, index, snapshot.conf);
}

void LogChecker::CheckEntriesWrite(const Member& member, const std::vector<Entry>& entries) {
  Handed& handed = Of(member);
  const LogIndex first = entries.front().index;
  if (first > handed.log.last() + 1 || first < handed.log.first()) {
    return Fail(Invariant::kBounds, absl::StrCat("a gap in the log at ", first.value()));
  }
  if (first <= handed.log.last()) CheckTruncation(member, first);
  for (const Entry& entry : entries) {
    if (entry.index != handed.log.last() + 1) {
      return Fail(Invariant::kBounds, "entries out of order");
    }
    CheckAppended(member, entry);
    handed.log.Append(entry);
    RegisterEntry(member, entry, handed.log.last_hash());
  }
}

void LogChecker::CheckTruncation(const Member& member, LogIndex first) {
  Handed& handed = Of(member);
  context_.counters.Add(Reached::kTruncations);
  if (member.raft->role() == Role::kLeader && handed.log.last_id().term == member.raft->term()) {
    Fail(Invariant::kLeaderAppendOnly, "a leader truncates its log");
  }
  const Ledger& ledger = context_.ledger;
  if (first <= ledger.last() && first > ledger.base() &&
      handed.log.At(first).hash == ledger.HashAt(first)) {
    Fail(Invariant::kCommittedNotTruncated,
         absl::StrCat("committed entry ", first.value(), " truncated"));
  }
  handed.log.TruncateFrom(first);
  while (!handed.conf_changes.empty() && handed.conf_changes.back() >= first) {
    handed.conf_changes.pop_back();
  }
}

void LogChecker::CheckAppended(const Member& member, const Entry& entry) {
  Handed& handed = Of(member);
  if (entry.term < handed.log.last_id().term) Fail(Invariant::kLogTerms, "terms fall in a log");
  if (entry.term > member.raft->term()) Fail(Invariant::kLogTerms, "an entry of a later term");
  if (entry.type != EntryType::kConfChange) return;
  const bool own = member.raft->role() == Role::kLeader && member.raft->term() == entry.term;
  const LogIndex before = handed.conf_changes.empty() ? LogIndex{0} : handed.conf_changes.back();
  if (own && before > std::max(handed.conf_applied, member.disk.state().id.index)) {
    Fail(Invariant::kOneConfChange, absl::StrCat("change ", entry.index.value(), " while change ",
                                                 before.value(), " is not applied"));
  }
  handed.conf_changes.push_back(entry.index);
}

// Log matching: whoever has the entry (term, index) has the same log up to it, and all entries of a
// term come from its leader.
void LogChecker::RegisterEntry(const Member& member, const Entry& entry, uint64_t hash) {
  TermRecord& record = context_.ledger.Of(entry.term);
  const LogIndex next = record.first + record.hashes.size();
  const bool fresh = record.hashes.empty() || entry.index == next;
  if (fresh) {
    if (record.leader != member.id) {
      return Fail(Invariant::kLogMatching,
                  absl::StrCat("entry ", Describe(entry.id()), " does not come from its leader"));
    }
    if (record.hashes.empty()) record.first = entry.index;
    record.hashes.push_back(hash);
    return;
  }
  const bool known = entry.index >= record.first && entry.index < next;
  if (!known || record.hashes[static_cast<size_t>(entry.index - record.first)] != hash) {
    Fail(Invariant::kLogMatching, absl::StrCat("another log up to ", Describe(entry.id())));
  }
}

void LogChecker::CheckCommitted(const Member& member, const std::vector<Entry>& committed) {
  Handed& handed = Of(member);
  const Ledger& ledger = context_.ledger;
  for (const Entry& entry : committed) {
    if (entry.index != handed.to_apply + 1) {
      return Fail(Invariant::kBounds,
                  absl::StrCat("entry ", entry.index.value(), " handed out to apply after ",
                               handed.to_apply.value()));
    }
    if (entry.index > ledger.last()) {
      return Fail(Invariant::kBounds, "handed out to apply before it is committed");
    }
    ++handed.to_apply;
    const uint64_t hash = ledger.HashAt(entry.index);
    if (HashAfter(ledger.HashAt(entry.index - 1), entry) != hash) {
      return Fail(Invariant::kStateMachineSafety,
                  absl::StrCat("entry ", entry.index.value(), " differs"));
    }
    const DiskImage& durable = member.disk.durable();
    if (durable.log.last() < entry.index || durable.log.HashAt(entry.index) != hash) {
      return Fail(Invariant::kBounds,
                  absl::StrCat("entry ", entry.index.value(), " applied before it is durable"));
    }
  }
}

void LogChecker::AfterReadys(const Member& member) {
  CheckConf(member);
  const ChainedLog& log = Of(member).log;
  const LogIndex commit = member.raft->commit();
  if (commit > log.last()) return Fail(Invariant::kBounds, "commit beyond the log handed out");
  if (commit > context_.ledger.last()) return;  // has failed already
  if (commit < log.base().index || commit < context_.ledger.base()) return;
  if (log.HashAt(commit) != context_.ledger.HashAt(commit)) {
    Fail(Invariant::kStateMachineSafety,
         absl::StrCat("another log is committed up to ", commit.value()));
  }
}

// The membership in force is that of the newest snapshot or applied change; and whoever has two
// changes that are not applied in its log knows that the first is committed.
void LogChecker::CheckConf(const Member& member) {
  const Handed& handed = Of(member);
  const AppliedState& state = member.disk.state();
  const LogIndex installing = handed.log.base().index;
  const ConfState& expected =
      installing > state.id.index ? context_.ledger.ConfAt(installing) : state.conf;
  if (!(member.raft->conf() == expected)) {
    Fail(Invariant::kStateMachineSafety,
         absl::StrCat("the membership in force is ", Describe(member.raft->conf()), ", and not ",
                      Describe(expected)));
  }
  const size_t changes = handed.conf_changes.size();
  if (changes >= 2 && handed.conf_changes[changes - 2] > member.raft->commit()) {
    Fail(Invariant::kOneConfChange,
         absl::StrCat("holds change ", handed.conf_changes.back().value(),
                      " and does not know that change ", handed.conf_changes[changes - 2].value(),
                      " is committed"));
  }
}

// ----------------------------------------------------------------------------------------------
// messages

void LogChecker::OnLeave(const Member& from, const Message& message) {
  if (const auto* response = std::get_if<AppendResponse>(&message.body)) {
    CheckAppendAck(from, message, *response);
  } else if (const auto* install = std::get_if<InstallSnapshot>(&message.body)) {
    context_.counters.Add(Reached::kSnapshotsSent);
    CheckSnapshot(from, *install->snapshot);
  } else if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    if (append->commit > context_.ledger.last()) {
      Fail(Invariant::kCommittedIsDurable, "an append tells of a commit that is none");
    }
    CheckFlow(from, message, *append);
  } else if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
    const LogIndex commit = heartbeat->commit;
    const Member* to = context_.Find(message.to);
    if (to == nullptr || to->disk.durable().hard_state.term > message.term) return;
    if (commit > context_.ledger.last() ||
        (commit > LogIndex{0} &&
         !to->disk.durable().Holds(commit, context_.ledger.HashAt(commit)))) {
      Fail(Invariant::kProgress,
           absl::StrCat("a heartbeat tells of a commit that is not at the receiver: ",
                        Describe(message)));
    }
  }
}

void LogChecker::CheckAppendAck(const Member& from, const Message& message,
                                const AppendResponse& response) {
  if (response.rejected) {
    context_.counters.Add(Reached::kAppendsRejected);
    return;
  }
  const DiskImage& durable = from.disk.durable();
  // One that is about to join a later term may have replaced it since.
  if (durable.hard_state.term != message.term) return;
  if (response.index > durable.log.last()) {
    return Fail(Invariant::kAckDurable,
                absl::StrCat("acknowledges ", response.index.value(), " and has ",
                             durable.log.last().value(), " on its disk"));
  }
  const Member* leader = context_.Find(message.to);
  if (leader == nullptr || !leader->alive()) return;
  if (leader->raft->role() != Role::kLeader || leader->raft->term() != message.term) return;
  const std::optional<uint64_t> hash = LogOf(message.to).HashAt(response.index);
  if (hash && !durable.Holds(response.index, *hash)) {
    Fail(Invariant::kAckDurable, absl::StrCat("acknowledges ", response.index.value(),
                                              ", which is not what the leader has"));
  }
}

// Whoever does not answer gets a window full of messages, each commit once, and then one or two
// messages a heartbeat.
void LogChecker::CheckFlow(const Member& from, const Message& message,
                           const AppendRequest& append) {
  Flow& flow = flows_[from.id.value()][message.to.value()];
  const int64_t bound = from.config.inflight_messages_max + 2 * flow.ticks + 8;
  const bool news = append.commit > flow.commit;
  flow.commit = append.commit;
  if (append.entries.empty() && news) return;
  if (++flow.appends > bound) {
    Fail(Invariant::kBoundedGrowth,
         absl::StrCat(flow.appends, " appends in ", flow.ticks, " ticks to m", message.to.value(),
                      ", which does not answer"));
  }
}

void LogChecker::OnArrive(const Member& to, const Message& message) {
  flows_[to.id.value()][message.from.value()] = {};
}

void LogChecker::OnUnreachable(const Member& member, NodeId peer) {
  flows_[member.id.value()][peer.value()] = {};
}

// ----------------------------------------------------------------------------------------------
// what is applied

void LogChecker::OnApplied(const Member& member, const Entry& entry) {
  Ledger& ledger = context_.ledger;
  const AppliedState& state = member.disk.state();
  if (entry.index > ledger.last() || state.hash != ledger.HashAt(entry.index)) {
    return Fail(Invariant::kStateMachineSafety,
                absl::StrCat("another state at ", entry.index.value()));
  }
  if (entry.index == ledger.applied() + 1) {
    if (entry.type == EntryType::kConfChange) {
      CountConfChange(member, ledger.newest_conf(), state.conf);
    }
    ledger.RecordApplied(entry.index, state.conf);
  } else if (entry.type == EntryType::kConfChange) {
    CheckConfAt(member, entry.index, state.conf);
  }
}

void LogChecker::CheckConfAt(const Member& member, LogIndex index, const ConfState& conf) {
  const ConfState& expected = context_.ledger.ConfAt(index);
  if (conf == expected) return;
  Fail(Invariant::kStateMachineSafety,
       absl::StrCat("m", member.id.value(), " has ", Describe(conf), " at ", index.value(),
                    ", others ", Describe(expected)));
}

void LogChecker::OnConfChangeApplied(const Member& member, LogIndex index) {
  Handed& handed = Of(member);
  handed.conf_applied = std::max(handed.conf_applied, index);
}

void LogChecker::CountConfChange(const Member& member, const ConfState& from, const ConfState& to) {
  Counters& counters = context_.counters;
  if (!from.IsJoint() && to.IsJoint()) counters.Add(Reached::kJointEnters);
  if (from.IsJoint() && !to.IsJoint()) {
    counters.Add(from.auto_leave ? Reached::kJointAutoLeaves : Reached::kJointLeaves);
  }
  for (NodeId id : to.learners) {
    if (!IsMember(from, id)) counters.Add(Reached::kLearnersAdded);
    if (IsVoter(from, id)) counters.Add(Reached::kDemotions);
  }
  for (NodeId id : to.voters) {
    if (Contains(from.learners, id)) counters.Add(Reached::kLearnerPromotions);
    if (!IsMember(from, id)) counters.Add(Reached::kVotersAdded);
  }
  for (const auto& other : context_.members) {
    if (IsMember(from, other->id) && !IsMember(to, other->id)) counters.Add(Reached::kRemovals);
    const bool leads = other->alive() && other->raft->role() == Role::kLeader;
    if (leads && IsVoter(from, other->id) && !IsVoter(to, other->id)) {
      counters.Add(Reached::kLeaderRemovals);
    }
  }
}

bool LogChecker::HasUnappliedConfChange(NodeId id, LogIndex applied, LogIndex commit) const {
  const Handed& handed = handed_[id.value()];
  const LogIndex done = std::max(applied, handed.conf_applied);
  return std::any_of(handed.conf_changes.begin(), handed.conf_changes.end(),
                     [&](LogIndex index) { return index > done && index <= commit; });
}

}  // namespace keelson::raft::simulation
