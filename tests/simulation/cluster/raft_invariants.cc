#include "tests/simulation/cluster/raft_invariants.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace keelson::simulation {
namespace {

using raft::simulation::HashAfter;

raft::Entry EntryOf(const storage::LogRecord& record) {
  return {record.term, record.index, static_cast<raft::EntryType>(record.type), record.data};
}

// What may leave before the term it carries is on the disk: docs/raft.md says why for each.
bool MayPrecedeDurableTerm(const raft::Message& message) {
  if (std::holds_alternative<raft::ProposeRequest>(message.body) ||
      std::holds_alternative<raft::ReadIndexRequest>(message.body) ||
      std::holds_alternative<raft::TransferRequest>(message.body) ||
      std::holds_alternative<raft::HeartbeatResponse>(message.body)) {
    return true;
  }
  if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) return request->pre_vote;
  const auto* response = std::get_if<raft::VoteResponse>(&message.body);
  return response != nullptr && response->pre_vote && response->granted;
}

}  // namespace

bool RaftInvariants::Take(const storage::LogAppend& append, Image& image) const {
  if (append.reset) {
    if (append.reset->index > last_committed()) return false;
    image.log.Reset({append.reset->term, append.reset->index}, CommittedHash(append.reset->index));
  }
  if (append.state) image.state = *append.state;
  for (const storage::LogRecord& record : append.records) {
    if (record.index > image.log.last() + 1 || record.index < image.log.first()) return false;
    image.log.TruncateFrom(record.index);
    image.log.Append(EntryOf(record));
  }
  return true;
}

void RaftInvariants::OnStart(int n, const storage::RaftLog& log) {
  Image found;
  found.state = log.state();
  const LogIndex base = log.FirstIndex() - 1;
  if (base > last_committed()) {
    return Fail(n, "a log begins behind what is committed (invariant 12)");
  }
  found.log.Reset({log.TermAt(base).value_or(Term()), base}, CommittedHash(base));
  while (found.log.last() < log.LastIndex()) {
    const auto records = log.Read(found.log.last() + 1, log.LastIndex() + 1, uint64_t{1} << 30);
    if (!records.ok()) return Fail(n, "a log that was opened cannot be read");
    for (const storage::LogRecord& record : *records) found.log.Append(EntryOf(record));
  }
  const auto former = members_.find(n);
  if (former != members_.end() && !former->second.damaged) {
    const Image& durable = former->second.durable;
    const bool forgot_vote = found.state.term == durable.state.term && durable.state.vote &&
                             found.state.vote != durable.state.vote;
    if (found.state.term < durable.state.term || forgot_vote) {
      Fail(n, "term and vote outlive a crash (invariant 9)");
    }
    // What came after it may have replaced it, unsynced.
    const bool kept = found.state.term > durable.state.term ||
                      found.Holds(durable.log.last(), durable.log.last_hash());
    if (!kept) Fail(n, "what is on the disk outlives a crash (invariant 11)");
  }
  Member& member = members_[n];
  member = Member();
  member.term = found.state.term;
  member.commit = found.state.commit;
  member.handed = found;
  member.durable = std::move(found);
}

// --------------------------------------------------------------------------------- to the log

void RaftInvariants::CheckState(int n, const storage::LogState& state) {
  const storage::LogState& before = members_[n].handed.state;
  if (state.term < before.term || state.commit < before.commit) {
    Fail(n, "the durable term and commit index do not fall (invariant 9)");
  }
  if (state.term == before.term && before.vote && state.vote != before.vote) {
    Fail(n, "a vote does not change within its term (invariant 9)");
  }
}

// Whoever has the entry (term, index) has the same log up to it, and all entries of a term come
// from its leader.
void RaftInvariants::CheckEntry(int n, const server::Node& node, const raft::Entry& entry,
                                uint64_t hash) {
  if (entry.term > node.term()) Fail(n, "no entry is of a later term (invariant 13)");
  TermRecord& record = terms_[entry.term.value()];
  const LogIndex next = record.first + record.hashes.size();
  if (record.hashes.empty() || entry.index == next) {
    if (record.leader != n) {
      return Fail(n, absl::StrCat("entries of a term come from its leader (invariant 2): entry ",
                                  entry.index.value(), " of term ", entry.term.value()));
    }
    if (record.hashes.empty()) record.first = entry.index;
    return record.hashes.push_back(hash);
  }
  const bool known = entry.index >= record.first && entry.index < next;
  if (known && record.hashes[entry.index - record.first] == hash) return;
  Fail(n, absl::StrCat("logs that agree in an entry agree up to it (invariant 2): entry ",
                       entry.index.value(), " of term ", entry.term.value()));
}

// Who became the leader and heard of a later term before anybody looked has written its first entry
// all the same: nobody else has any of the term, and it has voted for itself.
void RaftInvariants::LearnOfLeader(int n, Term term) {
  TermRecord& record = terms_[term.value()];
  const storage::LogState& state = members_[n].handed.state;
  const bool candidate = state.term == term && environment_.number_of(state.vote) == n;
  if (record.leader == 0 && record.hashes.empty() && candidate) record.leader = n;
}

void RaftInvariants::OnWrite(int n, const server::Node& node, const storage::LogAppend& append) {
  Observe(n, node);
  Image& handed = members_[n].handed;
  if (append.state) CheckState(n, *append.state);
  if (!append.records.empty() && !append.reset) {
    const LogIndex first = append.records.front().index;
    if (first <= handed.log.last() && node.is_leader() &&
        handed.log.last_id().term == node.term()) {
      Fail(n, "a leader only appends (invariant 14)");
    }
    if (first <= std::min(handed.log.last(), last_committed()) && first >= handed.log.first() &&
        handed.log.At(first).hash == CommittedHash(first)) {
      Fail(n, absl::StrCat("no committed entry is truncated (invariant 17): ", first.value()));
    }
  }
  if (!append.records.empty()) LearnOfLeader(n, append.records.front().term);
  Term last = append.reset ? append.reset->term : Term();
  if (!Take(append, handed)) return Fail(n, "a log has no gaps (invariant 12)");
  for (const storage::LogRecord& record : append.records) {
    if (record.term < last) Fail(n, "terms do not fall along a log (invariant 13)");
    last = record.term;
    CheckEntry(n, node, EntryOf(record), *handed.log.HashAt(record.index));
  }
}

void RaftInvariants::OnWritten(int n, absl::Span<const storage::LogAppend> group) {
  Member& member = members_[n];
  bool synced = false;
  for (const storage::LogAppend& append : group) {
    member.unsynced.push_back(append);
    synced = synced || append.must_sync;
  }
  if (!synced) return;
  for (const storage::LogAppend& append : std::exchange(member.unsynced, {})) {
    if (!Take(append, member.durable)) Fail(n, "a log has no gaps (invariant 12)");
  }
}

// --------------------------------------------------------------------------------- what it knows

void RaftInvariants::Observe(int n, const server::Node& node) {
  Member& member = members_[n];
  if (node.term() < member.term || node.commit() < member.commit) {
    Fail(n, "term and commit index do not fall (invariant 9)");
  }
  if (node.is_leader()) CheckElected(n, node);
  // One that has just stepped down may have committed before it did, in a term that is over now.
  const Term before = member.term;
  const bool leads = terms_[node.term().value()].leader == n;
  const bool led = leads || terms_[before.value()].leader == n;
  member.term = node.term();
  member.commit = node.commit();
  if (node.commit() <= last_committed()) return;
  if (led) return Commit(n, node, leads ? node.term() : before);
  Fail(n, absl::StrCat("nobody but the leader commits (invariant 5): commit ",
                       node.commit().value(), " at another"));
}

void RaftInvariants::CheckElected(int n, const server::Node& node) {
  TermRecord& record = terms_[node.term().value()];
  if (record.leader == n) return;
  if (record.leader != 0) {
    return Fail(n, absl::StrCat("a term has one leader (invariant 1): member ", record.leader,
                                " has term ", node.term().value(), " already"));
  }
  record.leader = n;
  const storage::LogState& durable = members_[n].durable.state;
  if (durable.term != node.term() || environment_.number_of(durable.vote) != n) {
    Fail(n, "a leader's own vote is on its disk (invariant 10)");
  }
  // The newest entry of an earlier term stands for all before it.
  LogIndex index = last_committed();
  while (index && committed_[index.value() - 1].seen_in >= node.term()) index = index - 1;
  const Log& log = members_[n].handed.log;
  if (log.base().index <= index && log.HashAt(index) != CommittedHash(index)) {
    Fail(n, absl::StrCat("a leader holds every entry committed before (invariant 3): not ",
                         index.value()));
  }
}

bool RaftInvariants::IsDurableAtQuorum(const raft::ConfState& conf, LogIndex index,
                                       uint64_t hash) const {
  const auto has_majority = [&](const std::vector<NodeId>& voters) {
    const auto holders = std::count_if(voters.begin(), voters.end(), [&](NodeId id) {
      const auto member = members_.find(environment_.number_of(id));
      return member != members_.end() && member->second.durable.Holds(index, hash);
    });
    return voters.empty() || static_cast<size_t>(holders) > voters.size() / 2;
  };
  return has_majority(conf.voters) && has_majority(conf.voters_outgoing);
}

// The first to know that an entry is committed is the leader that counts it.
void RaftInvariants::Commit(int n, const server::Node& node, Term term) {
  const Log& log = members_[n].handed.log;
  const LogIndex commit = node.commit();
  if (commit > log.last() || last_committed() < log.base().index ||
      log.HashAt(last_committed()) != CommittedHash(last_committed())) {
    return Fail(n, "a leader commits what it handed to its log (invariant 5)");
  }
  if (log.TermAt(commit) != term) {
    Fail(n, "a leader commits by counting what is of its term (invariant 14)");
  }
  if (!IsDurableAtQuorum(node.status().conf, commit, *log.HashAt(commit))) {
    Fail(n, absl::StrCat("what is committed is on the disks of a quorum (invariant 5): not ",
                         commit.value()));
  }
  while (last_committed() < commit) {
    const auto& entry = log.At(last_committed() + 1);
    committed_.push_back({entry.entry.term, term, entry.hash});
  }
}

void RaftInvariants::OnApplied(int n, const server::Node& node, LogIndex index) {
  Observe(n, node);
  const Member& member = members_[n];
  if (index > node.commit() || index > last_committed()) {
    return Fail(n, "only what is committed is applied (invariant 12)");
  }
  if (!member.durable.Holds(index, CommittedHash(index))) {
    Fail(n, absl::StrCat("what is applied is on the disk (invariant 12): not ", index.value()));
  }
}

// --------------------------------------------------------------------------------- what leaves

void RaftInvariants::CheckVote(int n, const raft::Message& message,
                               const raft::VoteResponse& response) {
  if (response.pre_vote || !response.granted) return;
  NodeId& vote = terms_[message.term.value()].votes[n];
  if (vote && vote != message.to) {
    Fail(n, absl::StrCat("a member has one vote in a term (invariant 1): two in ",
                         message.term.value()));
  }
  vote = message.to;
  const storage::LogState& durable = members_[n].durable.state;
  const bool kept =
      durable.term > message.term || (durable.term == message.term && durable.vote == message.to);
  if (!kept) Fail(n, "a vote is on the disk when it leaves (invariant 10)");
}

void RaftInvariants::CheckAcknowledgement(int n, const raft::Message& message,
                                          const raft::AppendResponse& response) {
  const Image& durable = members_[n].durable;
  if (response.rejected || durable.state.term != message.term) return;
  const auto leader = members_.find(terms_[message.term.value()].leader);
  if (response.index > durable.log.last()) {
    return Fail(n, absl::StrCat("what is acknowledged is on the disk (invariant 11): not ",
                                response.index.value()));
  }
  if (leader == members_.end() || leader->second.term != message.term) return;
  const auto hash = leader->second.handed.log.HashAt(response.index);
  if (hash && !durable.Holds(response.index, *hash)) {
    Fail(n, absl::StrCat("what is acknowledged is what the leader has (invariant 11): not ",
                         response.index.value()));
  }
}

void RaftInvariants::OnSend(int n, const server::Node& node, const raft::Message& message) {
  Observe(n, node);
  if (members_[n].durable.state.term < message.term && !MayPrecedeDurableTerm(message)) {
    Fail(n, "a term is on the disk when a message of it leaves (invariant 10)");
  }
  if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (request->pre_vote) return;
    NodeId& vote = terms_[message.term.value()].votes[n];
    if (vote && vote != message.from) Fail(n, "a candidate votes for itself (invariant 1)");
    vote = message.from;
  } else if (const auto* response = std::get_if<raft::VoteResponse>(&message.body)) {
    CheckVote(n, message, *response);
  } else if (const auto* acknowledgement = std::get_if<raft::AppendResponse>(&message.body)) {
    CheckAcknowledgement(n, message, *acknowledgement);
  }
}

}  // namespace keelson::simulation
